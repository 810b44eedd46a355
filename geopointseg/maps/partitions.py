"""Assessment of a map whose ids are clusters, not classes: does it part the ground as the truth does?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.contingency import (
    adapted_rand_error,
    adjusted_mutual_information,
    contingency_table,
    fowlkes_mallows,
)
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.burn import burn_by_tile
from geopointseg.labels.points import Points
from geopointseg.maps.assessment import cell
from geopointseg.raster import open_raster, raster_classes, read_labels, reading

__all__ = ["CLUSTERS", "Partition", "holds_clusters", "partition_of_points", "partition_of_truth"]

CLUSTERS = "clusters"
"""What a raster of clusters says in its tag KIND."""
TILE = 2048
IDS = 255


@dataclass(frozen=True, slots=True)
class Partition:
    """Which classes of the truth met which clusters, and what that was counted on."""

    table: NDArray[np.int64]
    """(classes, clusters) counts."""
    names: tuple[str, ...]
    """Of the truth's classes, or their values."""
    clusters: tuple[int, ...]
    """Ids in the map."""
    basis: str
    unmapped: int = 0
    """Labelled pixels where the map has no data; they are in no score."""
    files: tuple[Path, ...] = ()

    def figures(self) -> dict[str, Any]:
        """The scores and the table as plain values, for JSON."""
        return {
            "basis": self.basis,
            "count": int(self.table.sum()),
            "unmapped": self.unmapped,
            "adjusted_mutual_information": adjusted_mutual_information(self.table),
            "fowlkes_mallows": fowlkes_mallows(self.table),
            "adapted_rand_error": adapted_rand_error(self.table),
            "classes": list(self.names),
            "clusters": list(self.clusters),
            "contingency": self.table.tolist(),
        }

    def __str__(self) -> str:
        """The scores for people; clusters have no names, so there is no table by class."""
        figures = self.figures()
        return (
            f"{self.basis}: {figures['count']:,} compared, {len(self.names)} classes, {len(self.clusters)} clusters\n"
            f"adjusted mutual information {cell(figures['adjusted_mutual_information'])}, Fowlkes–Mallows "
            f"{cell(figures['fowlkes_mallows'])}, adapted Rand error {cell(figures['adapted_rand_error'])}"
        )


def holds_clusters(path: Path) -> bool:
    """Whether a map says that its ids are clusters: in its tag KIND, or by names such as cluster 7 and no others."""
    with rasterio.open(path) as source:
        if source.tags().get("KIND") == CLUSTERS:
            return True
    return all(re.fullmatch(r"cluster \d+", name) for name in _names(path).values()) and bool(_names(path))


def partition_of_truth(maps: Sequence[Path], truth: Sequence[Path]) -> Partition:
    """Hold cluster maps against dense truth of the same grids, window by window; every value of the truth is a class.

    Args:
        maps: Maps of the same clusters.
        truth: For each map its truth; its values are the classes but for 255 and its nodata.

    Raises:
        GeoPointSegError: the grids differ.
    """
    rows: dict[int, NDArray[np.int64]] = {}
    unmapped = 0
    for map_path, truth_path in zip(maps, truth, strict=True):
        grid = open_raster(map_path).grid
        if not grid.matches(open_raster(truth_path, crs=grid.crs.to_wkt()).grid):
            raise GeoPointSegError(
                f"expected truth on the map's grid, got {truth_path} for {map_path}: cut or warp it to the map first"
            )
        for window in grid.tiles(TILE):
            with reading(truth_path, window) as source:
                values, nodata = source.read(1, window=window.to_rasterio()).astype(np.int64), source.nodata
            found = read_labels(map_path, window)
            known = (values != UNLABELLED) & (values != (UNLABELLED if nodata is None else nodata))
            unmapped += int((known & (found == UNLABELLED)).sum())
            present, code = np.unique(values[known], return_inverse=True)
            part = contingency_table(code, found[known], (len(present), IDS))
            for value, counts in zip(present.tolist(), part, strict=True):
                rows[value] = rows.get(value, np.zeros(IDS, np.int64)) + counts
    named = _names(truth[0])
    order = sorted(rows)
    table = np.array([rows[value] for value in order], np.int64).reshape(-1, IDS)
    return _partition(table, [named.get(value, str(value)) for value in order], "dense truth", unmapped)


def partition_of_points(maps: Sequence[Path], points: Points, split: str | None, basis: str) -> Partition:
    """Hold cluster maps against checked points, scribbles and areas, every pixel that they cover.

    Args:
        maps: Maps of the same clusters.
        points: Checked points.
        split: Use only this split, or all used points.
        basis: What that is in words.
    """
    frame = points.used(split)
    ids = frame["class_id"].to_numpy(np.int64)
    table, unmapped = np.zeros((len(points.classes), IDS), np.int64), 0
    for path in maps:
        for window, feature, row, col in burn_by_tile(frame.geometry, open_raster(path).grid, TILE):
            if len(feature):
                found = read_labels(path, window)[row, col]
                unmapped += int((found == UNLABELLED).sum())
                table += contingency_table(ids[feature], found, table.shape)
    return _partition(table, points.classes.names, basis, unmapped)


def _partition(table: NDArray[np.int64], names: Sequence[str], basis: str, unmapped: int) -> Partition:
    """Without the rows and columns that nothing is in."""
    rows, columns = np.flatnonzero(table.any(axis=1)), np.flatnonzero(table.any(axis=0))
    kept = tuple(names[i] for i in rows.tolist())
    return Partition(table[np.ix_(rows, columns)], kept, tuple(columns.tolist()), basis, unmapped)


def _names(path: Path) -> dict[int, str]:
    """The names of a class raster's ids, where it has some."""
    try:
        return dict(enumerate(raster_classes(path).names))
    except GeoPointSegError:
        return {}
