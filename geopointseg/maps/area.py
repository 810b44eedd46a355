"""Area: how many hectares of each class there are, and how well the map tells, from points that were drawn by chance."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing, require_new, sidecar, write_json
from geopointseg.labels.burn import locate
from geopointseg.labels.points import is_checked, load_points, missing_field
from geopointseg.labels.vector import PointSource, list_layers, read_vector
from geopointseg.maps.estimators import Z95, Estimate, Estimates, Stratum, estimate
from geopointseg.maps.reference import LAYER, is_reference, read_reference
from geopointseg.maps.strata import Cover, measure
from geopointseg.raster import open_raster

__all__ = ["AreaReport", "area"]

FEW = 2  # points of a stratum, below which it has no spread


@dataclass(frozen=True, slots=True)
class AreaReport:
    """Areas and accuracies with their intervals."""

    estimates: Estimates
    mapped: tuple[float, ...]
    """Hectares that the map gives each class; 0 for one that only the reference has."""
    strata: tuple[Stratum, ...]
    points: int
    warnings: tuple[str, ...]
    files: tuple[Path, ...] = ()

    def present(self) -> list[int]:
        """The classes that map or reference have."""
        areas = zip(self.mapped, self.estimates.area, strict=True)
        return [i for i, (mapped, found) in enumerate(areas) if mapped or found.value]

    def rows(self) -> pd.DataFrame:
        """One row per class: hectares on the map, estimated hectares and accuracies, each with half its 95 % interval."""
        found = self.estimates
        rows = []
        for i in self.present():
            row: dict[str, Any] = {"class": found.classes[i], "mapped_ha": self.mapped[i]}
            for key, one in (
                ("area_ha", found.area[i]),
                ("users_accuracy", found.users[i]),
                ("producers_accuracy", found.producers[i]),
            ):
                row |= {key: one.value, f"{key}_95": None if one.error is None else Z95 * one.error}
            rows.append(row)
        return pd.DataFrame(rows)

    def figures(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        found = self.estimates
        return {
            "points": self.points,
            "overall_accuracy": _plain(found.overall),
            "per_class": {
                name: {
                    "mapped_ha": self.mapped[i],
                    "area_ha": _plain(found.area[i]),
                    "users_accuracy": _plain(found.users[i]),
                    "producers_accuracy": _plain(found.producers[i]),
                }
                for i, name in enumerate(found.classes)
            },
            "strata": [
                {"name": one.name, "pixels": one.pixels, "hectares": one.area, "points": int(counts.sum())}
                for one, counts in zip(self.strata, found.counts, strict=True)
            ],
            "matrix_of_area_shares": found.matrix.tolist(),
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        """The area table for people."""
        wide = max(len(name) for name in (*self.estimates.classes, "class"))
        accuracies = "       user's ±        producer's ±"
        head = f"{'class':<{wide}}{'on the map ha':>18} {'estimated ha':>18} {'± (95 %)':>14}  {accuracies}"
        lines = [f"{self.points:,} reference points, {len(self.strata)} strata", head]
        for i in self.present():
            name, one = self.estimates.classes[i], self.estimates
            hectares = f"{self.mapped[i]:>18,.2f} {_wide(one.area[i])}"
            lines.append(f"{name:<{wide}}{hectares}  {_ratio(one.users[i])}   {_ratio(one.producers[i])}")
        lines.append(f"overall accuracy {_ratio(self.estimates.overall).strip()}")
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


def area(
    map: Path,
    *,
    points: Path,
    class_field: str = "reference_class",
    strata: Path | None = None,
    out: Path = Path("area.json"),
    overwrite: bool = False,
) -> AreaReport:
    """Estimate class areas in hectares with 95 % intervals, and the map's accuracy, from a stratified reference sample.

    Args:
        map: A map of 'geopointseg predict' or 'run': that the sample was drawn from, or another of the same ground.
        points: The sample of 'geopointseg sample', interpreted; or other reference points.
        class_field: Of other points: column with their class.
        strata: Of other points: the class raster whose classes they were drawn from; by default the map.
        out: JSON file; the table goes beside it as CSV.
        overwrite: Replace existing files.

    Returns:
        The area table, and warnings where it promises more than the points hold.

    Raises:
        GeoPointSegError: no interpreted point, or none in some stratum; points of a sample together with strata.
    """
    table = sidecar(out, ".csv")
    for file in (out, table):
        require_new(file, overwrite=overwrite)
    cover = measure(map)
    if is_reference(points):
        if strata is not None:
            raise GeoPointSegError(
                f"expected no --strata with {points}, which says itself what it was drawn from: leave it out"
            )
        sampled = read_reference(points)
        frame, labels = sampled.frame, sampled.frame["reference_class"]
        groups, stratum, doubts = sampled.strata, sampled.stratum, list[str]()
    else:
        frame, labels, doubts = _other_points(points, class_field)
        base = cover if strata is None else measure(strata)
        groups = tuple(one for one in base.strata() if one.pixels)
        place = {one.name: i for i, one in enumerate(groups)}
        known = np.array([place.get(name, -1) for name in base.classes.names] + [-1])
        stratum = known[np.minimum(_sampled(base.path, frame), len(base.classes))]
    text = labels.astype("string").str.strip()
    done, inside = (text.notna() & (text != "")).to_numpy(bool), stratum >= 0
    kept = done & inside
    if not kept.any():
        raise GeoPointSegError(
            f"expected interpreted points on the map, got none in {points}: fill in {class_field} first"
        )
    if not done.all():
        doubts.append(
            f"{(~done).sum()} of {len(done)} points are not interpreted and left out; if they are the difficult ones, the "
            "figures are too good"
        )
    if not inside.all():
        doubts.append(f"{(~inside).sum()} of {len(inside)} points lie on no stratum and are left out")
    reference = text[kept].astype(str).to_numpy()
    names = (*cover.classes.names, *sorted(set(reference) - set(cover.classes.names)))
    mapped = _sampled(map, frame)[kept]
    ids = np.array([names.index(name) for name in reference], np.int64)
    found = estimate(
        stratum[kept], np.where(mapped == UNLABELLED, len(names), mapped), ids, strata=groups, classes=names
    )
    hectares = (*cover.hectares.tolist(), *[0.0] * (len(names) - len(cover.classes)))
    doubts += _doubts(found, groups, cover, stratum[kept], mapped)
    report = AreaReport(found, hectares, groups, int(kept.sum()), tuple(doubts))
    write_json(out, report.figures(), overwrite=overwrite)
    with replacing(table, overwrite=overwrite) as partial:
        report.rows().to_csv(partial, index=False)
    return replace(report, files=(out, table))


def _other_points(path: Path, field: str) -> tuple[gpd.GeoDataFrame, pd.Series, list[str]]:
    """Points that 'geopointseg sample' did not draw, their classes, and what to think of them."""
    if is_checked(path):
        checked = load_points(path)
        held_out = checked.used("test")
        frame = held_out if len(held_out) else checked.used()
        whose = "held-out points, the sisters of the training points" if len(held_out) else "training points"
        return (
            frame,
            frame["class_name"],
            [
                f"these are {whose}: they were clicked, not drawn by chance, so areas and intervals do not hold for the map; "
                "draw a sample with 'geopointseg sample'"
            ],
        )
    layers = list_layers(path)
    spatial = [name for name, kind in layers.items() if kind is not None]
    layer = LAYER if LAYER in spatial else (spatial[0] if len(spatial) > 1 else None)
    frame, remarks = read_vector(PointSource(path, field), layer)
    if field not in frame.columns:
        raise missing_field(f"the class field {field!r} in {path}", field, frame)
    note = (
        f"{path.name} does not say how its points were drawn: the figures hold only if they are a random sample within each "
        "stratum ('geopointseg sample' draws one)"
    )
    return frame, frame[field], [*remarks, note]


def _sampled(path: Path, frame: gpd.GeoDataFrame) -> NDArray[np.int64]:
    """(points,) class ids of a raster at points, 255 where it has none."""
    grid = open_raster(path).grid
    rows, cols = locate(frame.geometry, grid)
    here = np.flatnonzero(grid.contains(rows, cols))
    ids = np.full(len(frame), UNLABELLED, np.int64)
    with rasterio.open(path) as source:
        centres = zip(*grid.xy(rows[here], cols[here]), strict=True)
        ids[here] = [value[0] for value in source.sample(centres)]
    return ids


def _doubts(
    found: Estimates, strata: tuple[Stratum, ...], cover: Cover, stratum: NDArray[np.int64], mapped: NDArray[np.int64]
) -> Iterator[str]:
    """Where the figures promise more than the points hold."""
    if few := [one.name for one, n in zip(strata, found.counts.sum(axis=1), strict=True) if n < FEW and one.pixels > n]:
        yield f"fewer than {FEW} points in {', '.join(few)}: no interval can be given; interpret more there"
    if (mapped == UNLABELLED).any():
        yield f"{(mapped == UNLABELLED).sum()} points lie where the map has no data; they count as wrong"
    sampled, own = sum(one.area for one in strata), float(cover.hectares.sum())
    if abs(sampled - own) > 0.001 * sampled:
        yield f"the strata cover {sampled:,.2f} ha and the map {own:,.2f} ha: areas are of the ground of the strata"
    names = np.array([one.name for one in strata], dtype=object)[stratum]
    on_map = np.array([*cover.classes.names, *[None] * (256 - len(cover.classes))], dtype=object)[mapped]
    if (names != on_map).any():
        yield "the strata are not the classes of this map: estimated after Stehman (2014)"
    there = [*(cover.pixels > 0).tolist(), *[False] * (len(found.classes) - len(cover.classes))]
    for name, one, drawn in zip(found.classes, found.area, there, strict=True):
        interval = one.interval()
        if one.value == 0 and drawn:
            yield f"no reference point is {name}: that there is none of it cannot be told from these points"
        elif interval and interval[0] < 0:
            yield f"the interval of the area of {name} reaches below 0 ha, which cannot be: too few points tell of it"
    for what, ratios in (("user's", found.users), ("producer's", found.producers)):
        for name, one in zip(found.classes, ratios, strict=True):
            interval = one.interval()
            if interval and one.error == 0:
                yield f"the {what} accuracy of {name} has no spread in these points; its interval is too narrow"
            elif interval and (interval[0] < 0 or interval[1] > 1):
                yield f"the interval of the {what} accuracy of {name} reaches beyond 0 to 1, which cannot be: too few points"


def _plain(one: Estimate) -> dict[str, float | list[float] | None]:
    """An estimate for JSON."""
    interval = one.interval()
    return {
        "value": one.value,
        "standard_error": one.error,
        "interval_95": None if interval is None else list(interval),
    }


def _wide(one: Estimate) -> str:
    """Hectares."""
    half = "–" if one.error is None else f"{Z95 * one.error:,.2f}"
    return f"{one.value:>18,.2f} {half:>14}"


def _ratio(one: Estimate) -> str:
    """An accuracy."""
    value, half = ("–" if x is None else f"{x * k:.3f}" for x, k in ((one.value, 1.0), (one.error, Z95)))
    return f"{value:>7} ± {half:>5}"
