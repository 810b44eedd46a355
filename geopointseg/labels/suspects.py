"""Suspects: existing points that are probably wrong, as a layer to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
from numpy.typing import NDArray

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing, require_new, write_json
from geopointseg.grid import Window
from geopointseg.labels.burn import locate
from geopointseg.labels.candidates import cut
from geopointseg.labels.check import check_points
from geopointseg.labels.geopackage import EPOCH, require_geopackage, require_other, written_at
from geopointseg.labels.points import is_checked, read_points
from geopointseg.labels.strategies import border_distance
from geopointseg.labels.superpixels import scaled
from geopointseg.labels.suspicion import FEWEST, leave_one_out, suspicion
from geopointseg.labels.vector import PointSource
from geopointseg.qgis import layer_styles
from geopointseg.raster import Raster, read, valid
from geopointseg.statistics import Statistics, open_rasters
from geopointseg.words import counted

__all__ = ["SuspectReport", "suspects"]

REACH = 24  # pixels around a point that are looked at
SIDES = (5, 15)  # pixels of the squares that texture is measured in
NEAR = 3.0  # pixels to a border from which a click may just have missed


@dataclass(frozen=True, slots=True)
class SuspectReport:
    """The points, the most suspicious first."""

    files: tuple[Path, ...]
    frame: gpd.GeoDataFrame
    """class_name, looks_like, score, suspected, border (pixels) and why, of every point in use."""
    written: int
    """So many of them, the first, are in the layer."""

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        wrong = self.frame[self.frame["suspected"]]
        pairs = wrong.groupby(["class_name", "looks_like"]).size()
        return {
            "points": len(self.frame),
            "suspected": len(wrong),
            "written": self.written,
            "not_judged": self.lonely(),
            "confused": [{"class": a, "looks_like": b, "points": int(n)} for (a, b), n in pairs.items()],
        }

    def lonely(self) -> list[str]:
        """Classes with too few points to judge any of them by the others."""
        count = self.frame["class_name"].value_counts()
        return sorted(count.index[count < FEWEST])

    def __str__(self) -> str:
        """The account for people."""
        figures = self.figures()
        wrong = figures["suspected"]
        lines = [f"{wrong} of {counted(len(self.frame), 'point')} {'is' if wrong == 1 else 'are'} probably wrong"]
        written = counted(self.written, "point") if self.written else "no point"
        lines.append(
            f"{written} in the layer: {'look at them in the order of rank' if self.written else 'none is suspected'}"
        )
        if lonely := self.lonely():
            lines.append(f"note: not judged, the only point of its class: {', '.join(lonely)}")
        confused = sorted(figures["confused"], key=lambda pair: -pair["points"])[:8]
        for pair in confused:
            look = "looks" if pair["points"] == 1 else "look"
            lines.append(f"  {pair['points']:4} {pair['class']} that {look} like {pair['looks_like']}")
        return "\n".join(lines)


def suspects(
    *,
    raster: list[str],
    points: list[Path],
    class_field: str | None = None,
    layer: str | None = None,
    classes: Path | None = None,
    n: int | None = None,
    out: Path = Path("suspects.gpkg"),
    crs: str | None = None,
    nodata: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> SuspectReport:
    """Rank existing points by how probably their label is wrong.

    Args:
        raster: Raster files, folders or globs.
        points: The labelled points.
        class_field: Column with the class; class_name for a checked layer.
        layer: Layer name, where the file has several.
        classes: Names, colours, order and merging of the classes, as for check.
        n: Write so many, the most suspicious, whether they are taken for wrong or not; by default those that are, however many.
        out: GeoPackage to write.
        crs: CRS of rasters or points that have none.
        nodata: No-data value of rasters that declare none.
        seed: Of the method.
        overwrite: Replace an existing file.

    Returns:
        All points, ranked; the layer `suspects` has the first of them.

    Raises:
        GeoPointSegError: points or rasters that cannot be used.
    """
    require_geopackage(out)
    require_other(out, points)
    require_new(out, overwrite=overwrite)
    if n is not None and n < 1:
        raise GeoPointSegError(f"expected at least 1 suspect, got --n {n}: leave --n out for those taken for wrong")
    field = class_field or ("class_name" if points and is_checked(points[0]) else None)
    if field is None:
        raise GeoPointSegError("expected --class-field for points that 'geopointseg check' did not write: name it")
    rasters, measured = open_rasters(raster, crs=crs, nodata=nodata)
    features, found, _ = read_points(PointSource(points, field, layer=layer, classes=classes), crs)
    frame, _ = check_points(features, found, rasters)
    frame = frame[frame["status"] == "used"].reset_index(drop=True)
    _require_enough(frame["class_name"])
    looks, border, seen = _looks(frame, rasters, measured)
    frame, ids = frame[seen].reset_index(drop=True), frame["class_id"].to_numpy(np.int64)[seen]
    thought = suspicion(leave_one_out(looks[seen], ids, len(found.classes), seed=seed), ids)
    names = np.array(found.classes.names, object)
    frame["looks_like"] = pd.array(names[thought.other], "string")
    frame["score"], frame["suspected"], frame["border"] = (
        thought.score.round(3),
        thought.suspected,
        border[seen].round(1),
    )
    frame["why"] = pd.array([_why(*row) for row in zip(frame["looks_like"], border[seen], strict=True)], "string")
    frame = frame.iloc[np.lexsort((-thought.score, ~thought.suspected))].reset_index(drop=True)
    frame.insert(0, "rank", np.arange(1, len(frame) + 1))
    first = frame.head(n) if n else frame[frame["suspected"]]
    _write(first, out, found.classes, overwrite=overwrite)
    report = SuspectReport((out, out.with_suffix(".suspects.json")), frame, len(first))
    write_json(report.files[1], report.figures())
    return report


def _require_enough(names: pd.Series) -> None:
    """Refuse points that cannot be judged by each other."""
    count = names.value_counts()
    if (count >= FEWEST).sum() < 2:
        got = ", ".join(f"{n} of {name}" for name, n in count.items())
        raise GeoPointSegError(
            f"expected at least {FEWEST} usable points in each of two classes, since a point is judged by the others, got "
            f"{got}: label more, then ask again"
        )


def _why(other: str, border: float) -> str:
    """What speaks against a label."""
    near = f"; {counted(round(border), 'pixel')} from a border: did the click miss?" if border <= NEAR else ""
    return f"the other points say {other}{near}"


def _looks(
    frame: gpd.GeoDataFrame, rasters: Sequence[Raster], measured: Statistics
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Colour and texture around each point, its distance to a border in pixels, and whether some raster shows it."""
    bands = len(rasters[0].bands)
    looks = np.zeros((len(frame), bands * (1 + 2 * len(SIDES))))
    border, seen = np.zeros(len(frame)), np.zeros(len(frame), bool)
    for one in rasters:
        rows, cols = locate(frame.geometry, one.grid)
        for i in np.flatnonzero(one.grid.contains(rows, cols) & ~seen):
            window = Window(int(rows[i]), int(cols[i]), 1, 1).grown(REACH)
            pixels = scaled(read(one, window), measured)
            if not valid(pixels)[REACH, REACH]:
                continue
            seen[i] = True
            looks[i] = _look(pixels)
            regions = cut(pixels, size=150)
            border[i] = np.sqrt(border_distance(regions)[REACH, REACH])
    return looks, border, seen


def _look(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """(features,) the bands of the middle pixel, their mean and spread in squares; 0 for a band without data there."""
    found = [np.nan_to_num(pixels[:, REACH, REACH])]
    for side in SIDES:
        here = slice(REACH - side // 2, REACH + side // 2 + 1)
        square = pixels[:, here, here].reshape(len(pixels), -1)
        good = ~np.isnan(square)
        count = np.maximum(good.sum(axis=1), 1)
        mean = np.where(good, square, 0).sum(axis=1) / count
        spread = np.sqrt((np.where(good, square - mean[:, None], 0) ** 2).sum(axis=1) / count)
        found += [mean, spread]
    return np.concatenate(found).astype(np.float64)


def _write(frame: gpd.GeoDataFrame, path: Path, classes: Classes, *, overwrite: bool) -> None:
    """Write the layer, in the colours of the labels that are doubted."""
    style = layer_styles(classes).assign(f_table_name="suspects")
    with replacing(path, overwrite=overwrite) as partial, written_at(EPOCH):
        pyogrio.write_dataframe(
            frame, partial, layer="suspects", driver="GPKG", VERSION="1.2", GEOMETRY_NAME="geom", FID="suspect_fid"
        )
        pyogrio.write_dataframe(style, partial, layer="layer_styles")
