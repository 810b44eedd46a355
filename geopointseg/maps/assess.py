"""Assessment: a map against points or dense truth, by one confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.confusion import confusion_matrix, scores
from geopointseg.errors import GeoPointSegError
from geopointseg.files import write_json
from geopointseg.labels.burn import locate
from geopointseg.labels.points import Points, load_points
from geopointseg.raster import find_rasters, open_raster, raster_classes, read_labels, reading

__all__ = ["Assessment", "against_points", "against_truth", "assess", "pair_truth", "to_ids"]

TILE = 2048


@dataclass(frozen=True, slots=True)
class Assessment:
    """A confusion matrix with the names of its classes, and what it was counted on."""

    matrix: NDArray[np.int64]
    classes: Classes
    basis: str
    """What the map was compared with, in words."""
    unmapped: int = 0
    """Labelled pixels or points where the map has no data; they are in no score."""
    foreign: int = 0
    """Pixels or points whose truth is no class of the map, though not unlabelled; they are in no score."""
    files: tuple[Path, ...] = ()
    """Where the figures were written."""

    def figures(self) -> dict[str, Any]:
        """All scores and the matrix as plain values, for JSON."""
        return {
            "basis": self.basis,
            "unmapped": self.unmapped,
            "foreign": self.foreign,
            **scores(self.matrix, self.classes.names),
            "confusion": self.matrix.tolist(),
        }

    def __str__(self) -> str:
        """A table for people."""
        result = scores(self.matrix, self.classes.names)
        wide = max(len(name) for name in self.classes.names)
        lines = [
            f"{self.basis}: {result['count']:,} compared" + (f", {self.unmapped:,} unmapped" * (self.unmapped > 0))
        ]
        lines.append(f"{'class':<{wide}}    IoU     F1  precision  recall      count")
        for name, one in result["per_class"].items():
            cells = [_cell(one[key]) for key in ("iou", "f1", "precision", "recall")]
            lines.append(f"{name:<{wide}}  {cells[0]}  {cells[1]}     {cells[2]}   {cells[3]}  {one['count']:>9,}")
        lines.append(f"overall accuracy {_cell(result['overall_accuracy'])}, mean IoU {_cell(result['miou'])}")
        return "\n".join(lines)


def _cell(value: float | None) -> str:
    """A ratio in five columns."""
    return "    –" if value is None else f"{value:5.3f}"


def against_points(maps: Sequence[Path], points: Points, split: str | None = "test") -> Assessment:
    """Judge maps on points; a point on several maps counts on each.

    Args:
        maps: Maps of one set of classes.
        points: Checked points; classes are matched by name.
        split: Use only this split, or all used points.
    """
    classes = _shared_classes(maps)
    frame = points.used(split)
    id_of = {name: i for i, name in enumerate(classes.names)}
    ids = frame["class_name"].map(id_of).fillna(UNLABELLED).to_numpy(np.int64)
    matrix, unmapped, foreign = np.zeros((len(classes),) * 2, np.int64), 0, 0
    for raster in map(open_raster, maps):
        rows, cols = locate(frame.geometry, raster.grid)
        here = raster.grid.contains(rows, cols)
        with rasterio.open(raster.path) as source:
            centres = zip(*raster.grid.xy(rows[here], cols[here]), strict=True)
            predicted = np.array([value[0] for value in source.sample(centres)], dtype=np.uint8)
        matrix += confusion_matrix(ids[here], predicted, len(classes))
        unmapped += int((predicted == UNLABELLED).sum())
        foreign += int((ids[here] == UNLABELLED).sum())
    return Assessment(matrix, classes, BASIS.get(split, f"{split} points"), unmapped, foreign)


BASIS = {"test": "held-out points", None: "all points"}


def against_truth(maps: Sequence[Path], truth: Sequence[Path]) -> Assessment:
    """Judge maps on dense truth of the same grids, window by window.

    Args:
        maps: Maps of one set of classes.
        truth: For each map its truth; matched by the class names it carries, else by the classes' codes.

    Raises:
        GeoPointSegError: the grids differ, or the truth holds no class of the map.
    """
    classes = _shared_classes(maps)
    matrix, unmapped, foreign = np.zeros((len(classes),) * 2, np.int64), 0, 0
    for map_path, truth_path in zip(maps, truth, strict=True):
        grid = open_raster(map_path).grid
        truth_grid = open_raster(truth_path, crs=grid.crs.to_wkt()).grid
        if not grid.matches(truth_grid):
            raise GeoPointSegError(
                f"expected truth on the map's grid, got {truth_path} {truth_grid.shape} for {map_path} {grid.shape}: "
                "cut or warp it to the map first"
            )
        for window in grid.tiles(TILE):
            with reading(truth_path, window) as source:
                values, nodata = source.read(1, window=window.to_rasterio()), source.nodata
            true = to_ids(values, truth_path, classes)
            predicted = read_labels(map_path, window)
            matrix += confusion_matrix(true, predicted, len(classes))
            unmapped += int(((true != UNLABELLED) & (predicted == UNLABELLED)).sum())
            foreign += int(
                ((true == UNLABELLED) & ~np.isin(values, [UNLABELLED, UNLABELLED if nodata is None else nodata])).sum()
            )
    if not matrix.sum() and not unmapped:
        raise GeoPointSegError(f"expected the codes {list(classes.codes)} in {truth[0]}, got none of them")
    return Assessment(matrix, classes, "dense truth", unmapped, foreign)


def assess(
    maps: Sequence[str],
    *,
    truth: list[str] | None = None,
    points: Path | None = None,
    split: Literal["test", "train", "all"] = "test",
    out: Path = Path("scores.json"),
    overwrite: bool = False,
) -> Assessment:
    """Assess maps against dense truth or against points.

    Args:
        maps: Maps of 'geopointseg predict' or 'run': files, folders or globs.
        truth: Dense class rasters, one for each map: same file name, or same order.
        points: Checked points, instead of truth.
        split: Which points: test (held out), train, or all.
        out: JSON file for the scores.
        overwrite: Replace an existing JSON file.

    Returns:
        One assessment over all maps.

    Raises:
        GeoPointSegError: neither or both of truth and points; maps and truth do not pair up; nothing to compare.
    """
    if (truth is None) == (points is None):
        raise GeoPointSegError("expected either --truth or --points, got " + ("neither" if truth is None else "both"))
    files = find_rasters(maps)
    if points is not None:
        result = against_points(files, load_points(points), None if split == "all" else split)
    else:
        result = against_truth(files, pair_truth(files, find_rasters(truth or [])))
    if not result.matrix.sum():
        raise GeoPointSegError(f"expected {split} points on the maps, got none: choose another --split")
    return replace(result, files=(write_json(out, result.figures(), overwrite=overwrite),))


def pair_truth(maps: Sequence[Path], truth: Sequence[Path]) -> list[Path]:
    """The truth of each map: the file of its name where every map has one, else by order.

    Raises:
        GeoPointSegError: there are not as many truth rasters as maps.
    """
    by_name = {path.stem: path for path in truth}
    if all(path.stem in by_name for path in maps):
        return [by_name[path.stem] for path in maps]
    if len(truth) != len(maps):
        raise GeoPointSegError(f"expected one truth raster for each of {len(maps)} maps, got {len(truth)}")
    return list(truth)


def to_ids(values: NDArray[np.generic], path: Path, classes: Classes) -> NDArray[np.uint8]:
    """Class ids of the values of a class raster.

    Args:
        values: Read from `path`, of any number type.
        path: A class raster with the names of its classes, or a plain one, whose values are the classes' codes.
        classes: What the ids shall mean.

    Returns:
        Ids of the same shape, 255 for what is no class.
    """
    try:
        own = raster_classes(path).names
        codes = np.array([own.index(name) if name in own else UNLABELLED for name in classes.names])
    except GeoPointSegError:
        codes = np.array(classes.codes)
    order = codes.argsort()
    nearest = order[np.searchsorted(codes, values, sorter=order).clip(max=len(codes) - 1)]
    return np.where((codes[nearest] == values) & (values != UNLABELLED), nearest, UNLABELLED).astype(np.uint8)


def _shared_classes(maps: Sequence[Path]) -> Classes:
    """The classes of the maps.

    Raises:
        GeoPointSegError: they differ.
    """
    classes = raster_classes(maps[0])
    for path in maps[1:]:
        if (own := raster_classes(path)).names != classes.names:
            raise GeoPointSegError(
                f"expected maps of the classes {', '.join(classes.names)}, got {', '.join(own.names)} in {path}: "
                "assess them apart"
            )
    return classes
