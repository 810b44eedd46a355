"""From clusters to classes: what a few points say of clusters, without any training."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.burn import locate
from geopointseg.labels.points import Points
from geopointseg.raster import Raster

__all__ = ["Naming", "count_points", "name_clusters"]


@dataclass(frozen=True, slots=True)
class Naming:
    """Which class every cluster is."""

    classes: Classes
    points: NDArray[np.int64]
    """(clusters, classes) how many points of each class lie in each cluster."""
    lookup: tuple[int, ...]
    """The class of each cluster, 255 where no point says."""

    @property
    def table(self) -> NDArray[np.uint8]:
        """(256,) the class of each cluster's id; 255 stays."""
        table = np.full(256, UNLABELLED, np.uint8)
        table[: len(self.lookup)] = self.lookup
        return table

    def figures(self) -> dict[str, Any]:
        """The naming as plain values, for JSON."""
        rows = zip(self.points, self.lookup, strict=True)
        return {
            "clusters": [
                {
                    "cluster": number,
                    "class": None if kind == UNLABELLED else self.classes.names[kind],
                    "points": dict(zip(self.classes.names, counts.tolist(), strict=True)),
                }
                for number, (counts, kind) in enumerate(rows, 1)
            ]
        }

    def __str__(self) -> str:
        """A line for every cluster with points."""
        rows = []
        for number, (counts, kind) in enumerate(zip(self.points, self.lookup, strict=True), 1):
            if kind != UNLABELLED:
                rows.append(f"cluster {number} is {self.classes.names[kind]}: {counts[kind]} of {counts.sum()} points")
        silent = self.lookup.count(UNLABELLED)
        if silent:
            rows.append(f"{silent} of {len(self.lookup)} clusters hold no point that says what they are: 255")
        return "\n".join(rows)


def count_points(
    points: Points, raster: Raster, clusters: Iterable[tuple[Window, NDArray[np.uint8]]]
) -> NDArray[np.int64]:
    """Which clusters the training points of a raster lie in; scribbles and areas count once, by a pixel within.

    Args:
        points: Checked.
        raster: On whose grid the clusters lie.
        clusters: (window, ids), each pixel once.

    Returns:
        (254, classes) points in each cluster.
    """
    frame = points.used("train")
    rows, cols = locate(frame.geometry, raster.grid)
    kinds = frame["class_id"].to_numpy(np.int64)
    found = np.zeros((UNLABELLED, len(points.classes)), np.int64)
    for window, ids in clusters:
        r, c = rows - window.row, cols - window.col
        here = (r >= 0) & (r < window.height) & (c >= 0) & (c < window.width)
        own = ids[r[here], c[here]]
        np.add.at(found, (own[own != UNLABELLED], kinds[here][own != UNLABELLED]), 1)
    return found


def name_clusters(found: NDArray[np.int64], classes: Classes) -> Naming:
    """Give every cluster a class.

    With as many clusters as classes each class goes to one cluster, so that as many points as possible are right
    (Hungarian method); otherwise a cluster has the class of most of its points, the lowest id of equals.

    Args:
        found: (clusters, classes) points in each cluster.
        classes: Of the points.

    Raises:
        GeoPointSegError: no point lies in any cluster.
    """
    if not found.any():
        raise GeoPointSegError(
            "expected training points on the rasters, got none with data under it: are points and rasters of one place?"
        )
    kinds = found.argmax(axis=1)
    if found.shape[0] == found.shape[1]:
        kinds = linear_sum_assignment(found, maximize=True)[1]
    counted = found[np.arange(len(found)), kinds] > 0
    return Naming(classes, found, tuple(np.where(counted, kinds, UNLABELLED).tolist()))
