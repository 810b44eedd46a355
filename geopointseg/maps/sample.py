"""Sampling: a stratified random reference sample of a map, to be interpreted by people and to weigh the map by."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.geopackage import require_geopackage
from geopointseg.maps.estimators import Z95, cochran, share_out
from geopointseg.maps.reference import Reference, write_reference
from geopointseg.maps.strata import TILE, Cover, measure, pixel_hectares
from geopointseg.raster import read_labels

__all__ = ["SampleReport", "draw_pixels", "sample"]

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What was drawn."""

    reference: Reference
    files: tuple[Path, ...]

    def __str__(self) -> str:
        """The strata and their points, for people."""
        strata, points = (
            self.reference.strata,
            np.bincount(self.reference.stratum, minlength=len(self.reference.strata)),
        )
        total, wide = sum(one.area for one in strata), max(len(one.name) for one in strata)
        lines = [f"{len(self.reference.frame)} points of {len(strata)} classes, at random within each"]
        lines.append(f"{'class':<{wide}}        hectares   share  points")
        for one, count in zip(strata, points, strict=True):
            lines.append(f"{one.name:<{wide}}  {one.area:>14,.2f}  {one.area / total:>6.1%}  {count:>6}")
        lines.append(
            "in QGIS: open the layer reference over an image better than that of the map, choose reference_class for every "
            "point without looking at the map, and save"
        )
        return "\n".join(lines)


def sample(
    map: Path,
    *,
    n: int | None = None,
    margin: float | None = None,
    expected: float | dict[str, float] = 0.8,
    per_class: int = 50,
    show_classes: bool = False,
    out: Path = Path("reference.gpkg"),
    seed: int = 0,
    overwrite: bool = False,
) -> SampleReport:
    """Draw a stratified random reference sample from a map, the map's classes being the strata.

    Within a class every hectare has the same chance to be drawn, also where pixels grow smaller towards the pole.

    Args:
        map: A map of 'geopointseg predict' or 'run'.
        n: How many points.
        margin: Instead: as many as make overall accuracy known to plus or minus so much (such as 0.03) in a 95 % interval,
            by Cochran's formula.
        expected: User's accuracy to expect for it, of all classes or as '{forest: 0.9, water: 0.95}' (others 0.8).
        per_class: The fewest points of a class, so that rare ones can be judged too; the rest goes by area.
        show_classes: Let the interpreter see what the map says; hidden by default, because who sees it tends to agree.
        out: GeoPackage to write.
        seed: Of the draw.
        overwrite: Replace an existing GeoPackage, and what was interpreted in it.

    Returns:
        The strata and the points.

    Raises:
        GeoPointSegError: neither or both of n and margin; too few points for the classes; an unknown class.
    """
    require_geopackage(out)
    if (n is None) == (margin is None):
        raise GeoPointSegError("expected either --n or --margin, got " + ("neither" if n is None else "both"))
    if per_class < 2:
        raise GeoPointSegError(f"expected at least 2 points of a class, which an interval needs, got {per_class}")
    if seed < 0:
        raise GeoPointSegError(f"expected a seed from 0 on, got {seed}")
    cover = measure(map)
    there = np.flatnonzero(cover.pixels)
    if not len(there):
        raise GeoPointSegError(f"expected pixels of some class in {map}, got none")
    shares = cover.hectares[there] / cover.hectares.sum()
    least = per_class
    if n is None:
        accuracies = _expected([cover.classes.names[i] for i in there], expected, cover)
        n = max(cochran(shares, accuracies, (margin or 0) / Z95), int(np.minimum(least, cover.pixels[there]).sum()))
    wanted = np.zeros(len(cover.classes), np.int64)
    wanted[there] = share_out(n, shares, least=least, most=cover.pixels[there])
    stratum, rows, cols = draw_pixels(cover, wanted, seed)
    x, y = cover.grid.xy(rows, cols)
    columns = {"sample_id": np.arange(1, len(rows) + 1), "reference_class": "", "note": ""}
    if show_classes:
        columns["map_class"] = np.array(cover.classes.names, dtype=object)[stratum]
    frame = gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(x, y), crs=cover.grid.crs.to_wkt())
    place = np.full(len(cover.classes), -1)
    place[there] = np.arange(len(there))
    strata = tuple(one for one in cover.strata() if one.pixels)
    reference = Reference(frame, place[stratum], strata, cover.classes, map.name)
    return SampleReport(reference, (write_reference(reference, out, rows, cols, overwrite=overwrite),))


def draw_pixels(cover: Cover, wanted: Integers, seed: int) -> tuple[Integers, Integers, Integers]:
    """Draw pixels of each class, without one twice, every hectare with the same chance, reading window by window.

    Each pixel gets an exponential waiting time over its area; those with the shortest are drawn (Efraimidis & Spirakis 2006).

    Args:
        cover: The map.
        wanted: (classes,) how many.
        seed: Of the draw; the same whatever the machine.

    Returns:
        Classes, rows and columns, in an order that says nothing of either.
    """
    area = pixel_hectares(cover.grid)
    found: list[list[NDArray[np.float64]]] = [[] for _ in wanted]
    limit = np.where(wanted > 0, np.inf, -np.inf)
    tiles = tqdm(list(cover.grid.tiles(TILE)), "drawing", unit="window", disable=None, leave=False)
    for number, window in enumerate(tiles):
        ids = read_labels(cover.path, window)
        waits = np.random.default_rng([seed, number]).exponential(size=ids.shape)
        waits /= area[window.row : window.row + window.height, None]
        for kind in np.flatnonzero(wanted):
            rows, cols = np.nonzero((ids == kind) & (waits < limit[kind]))
            if not len(rows):
                continue
            found[kind].append(np.stack([waits[rows, cols], window.row + rows, window.col + cols]))
            best = np.concatenate(found[kind], axis=1)
            best = best[:, np.argsort(best[0], kind="stable")[: wanted[kind]]]
            found[kind] = [best]
            if best.shape[1] == wanted[kind]:
                limit[kind] = best[0, -1]
    stratum = np.repeat(np.arange(len(wanted)), wanted)
    places = np.concatenate([part for parts in found for part in parts], axis=1)[1:].astype(np.int64)
    order = np.random.default_rng([seed, len(tiles)]).permutation(len(stratum))
    return stratum[order], places[0, order], places[1, order]


def _expected(names: list[str], expected: float | dict[str, float], cover: Cover) -> list[float]:
    """The accuracy to expect of each class.

    Raises:
        GeoPointSegError: a class that the map has not.
    """
    if not isinstance(expected, dict):
        return [expected] * len(names)
    if unknown := sorted(set(expected) - set(cover.classes.names)):
        raise GeoPointSegError(
            f"expected classes of the map ({', '.join(cover.classes.names)}) in --expected, got {', '.join(unknown)}"
        )
    return [expected.get(name, 0.8) for name in names]
