"""Verifying a map: does it keep every clause of its contract?"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from geopointseg.errors import GeoPointSegError
from geopointseg.files import write_json
from geopointseg.grid import Grid
from geopointseg.maps import clauses, companions
from geopointseg.maps.look import Look, known_classes
from geopointseg.raster import open_raster

__all__ = ["CLAUSES", "Verdict", "judge_map", "require_sound", "verify"]


Clause = Callable[[Look], Iterator[str]]
CLAUSES: dict[str, Clause] = {
    "type": clauses.has_a_byte_per_pixel,
    "cog": clauses.is_cloud_optimised,
    "bigtiff": clauses.is_large_where_needed,
    "grid": clauses.has_a_place,
    "area": clauses.has_pixels_that_are_areas,
    "nodata": clauses.has_nodata_255,
    "classes": clauses.names_its_classes,
    "pixels": clauses.holds_classes_only,
    "palette": clauses.has_its_palette,
    "overviews": clauses.has_overviews_by_mode,
    "attribute table": companions.has_its_attribute_table,
    "style": companions.has_its_style,
    "item": companions.has_its_item,
    "provenance": companions.says_where_it_comes_from,
    "paths": companions.names_no_place_on_the_machine,
    "scores": companions.has_scores_like_it,
}
NEED_CLASSES = {"pixels", "palette", "attribute table", "style", "item", "scores"}
"""Those that say nothing where the classes are not known."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which clauses of the contract a map keeps."""

    map: str
    """The file's name."""
    faults: dict[str, tuple[str, ...] | None]
    """For every clause what is wrong, nothing where it holds; None where it cannot be told."""
    files: tuple[Path, ...] = ()
    """Where the figures were written."""

    @property
    def failed(self) -> bool:
        """Whether any clause does not hold."""
        return any(self.faults.values())

    def figures(self) -> dict[str, Any]:
        """The verdict as plain values, for JSON."""
        return {
            "map": self.map,
            "holds": not self.failed,
            "clauses": {
                name: {"holds": None if faults is None else not faults, "faults": list(faults or ())}
                for name, faults in self.faults.items()
            },
        }

    def __str__(self) -> str:
        """A line for every clause."""
        lines = []
        for name, faults in self.faults.items():
            state = "not told" if faults is None else "FAILS" if faults else "holds"
            about = (CLAUSES[name].__doc__ or "").splitlines()[0]
            lines.append(f"{state:<9} {name:<16} {about}")
            lines += [f"{'':<26} {fault}" for fault in faults or ()]
        broken = sum(bool(faults) for faults in self.faults.values())
        lines.append(
            f"{self.map}: " + (f"{broken} of {len(self.faults)} clauses fail" if broken else "keeps its contract")
        )
        return "\n".join(lines)


def verify(map: Path, *, raster: Path | None = None, out: Path | None = None, overwrite: bool = False) -> Verdict:
    """Check that a map keeps its contract; exit status 1 where it does not.

    Args:
        map: A map of 'geopointseg predict' or 'run', with its companions beside it.
        raster: The raster it should lie on exactly.
        out: JSON file for the verdict.
        overwrite: Replace an existing JSON file.

    Returns:
        The verdict, clause by clause.

    Raises:
        GeoPointSegError: the map cannot be read at all.
    """
    verdict = judge_map(map, grid=None if raster is None else open_raster(raster).grid)
    if out is None:
        return verdict
    return replace(verdict, files=(write_json(out, verdict.figures(), overwrite=overwrite),))


def judge_map(path: Path, *, grid: Grid | None = None, only: Collection[str] = tuple(CLAUSES)) -> Verdict:
    """Look at every clause of the contract.

    Args:
        path: The map.
        grid: The grid it should lie on exactly; None where any will do.
        only: The clauses to look at.

    Raises:
        GeoPointSegError: the map cannot be read.
    """
    try:
        with rasterio.open(path) as source:
            look = Look(path, source, known_classes(source), grid)
            return Verdict(
                path.name,
                {
                    name: None if look.classes is None and name in NEED_CLASSES else tuple(clause(look))
                    for name, clause in CLAUSES.items()
                    if name in only
                },
            )
    except RasterioError as error:
        raise GeoPointSegError(f"expected a map that GDAL reads, got {path} ({error}): predict it again") from error


def require_sound(path: Path, *, grid: Grid | None = None, only: Collection[str] = tuple(CLAUSES)) -> None:
    """Refuse a map that does not keep its contract.

    Raises:
        GeoPointSegError: it does not; the message says which clause fails first.
    """
    verdict = judge_map(path, grid=grid, only=only)
    for name, faults in verdict.faults.items():
        if faults:
            raise GeoPointSegError(
                f"expected a map that keeps its contract, got one whose {name} fails ({faults[0]}): is the disk sound? "
                "If so this is a fault of geopointseg: please report it"
            )
