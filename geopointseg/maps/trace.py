"""Tracing: patches as polygons that fit together to the last vertex, whatever the windows they were found in.

Polygons share a border only if both have the same vertices on it. So each has one wherever three meet, even where its own
border runs straight; and none where merely a window ends.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely import GeometryType
from tqdm import tqdm

from geopointseg.grid import Grid, Window
from geopointseg.maps.patches import Patches
from geopointseg.raster import read_labels

__all__ = ["trace"]

Geometries = NDArray[np.object_]
Wanted = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""Of (rows, columns) of pixel corners, those that must stay."""


def trace(patches: Patches, grid: Grid) -> Geometries:
    """The polygon of every patch, in the coordinates of the grid's CRS.

    Pixels are read window by window; the polygons are held in memory.

    Returns:
        (patches,) valid polygons without overlap or gap, which share their borders vertex by vertex.
    """
    parts: list[Geometries] = []
    owners: list[NDArray[np.int64]] = []
    meetings = [np.zeros(0, np.int64)]
    windows = tqdm(patches.windows, "polygons", unit="window", disable=None, leave=False)
    for number, window in enumerate(windows):
        nodes, meeting = _nodes(read_labels(patches.path, window.grown(1)))
        here, patch = patches.parts(number)
        drawn, part = _drawn(here, window, nodes)
        parts.append(drawn)
        owners.append(patch[part - 1])
        rows, cols = np.nonzero(meeting)
        meetings.append((rows + window.row) * (grid.width + 1) + cols + window.col)
    every, owner = np.concatenate(parts), np.concatenate(owners)
    order = owner.argsort(kind="stable")
    every, owner = every[order], owner[order]
    first, count = np.unique(owner, return_index=True, return_counts=True)[1:]
    found = every[first]
    several = np.flatnonzero(count > 1)
    if len(several):
        met = np.unique(np.concatenate(meetings))
        joined = [shapely.coverage_union_all(every[first[i] : first[i] + count[i]]) for i in several]

        def stays(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.bool_]:
            return np.isin(rows * (grid.width + 1) + cols, met)

        found[several] = _thinned(_single(joined), stays)
    t = grid.transform
    placed: Geometries = shapely.transform(found, lambda xy: np.add(xy * (t.a, t.e), (t.c, t.f)))
    return placed


def _nodes(ids: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Corners of pixels at which polygons of a window must have a vertex, and those at which three patches meet.

    Args:
        ids: (height + 2, width + 2) class ids of the window and of a pixel around it.

    Returns:
        Two of (height + 1, width + 1), the first with the window's own border taken for one between patches.
    """
    north, south = ids[:-1, :-1] != ids[:-1, 1:], ids[1:, :-1] != ids[1:, 1:]
    west, east = ids[:-1, :-1] != ids[1:, :-1], ids[:-1, 1:] != ids[1:, 1:]
    meeting = north.astype(np.uint8) + south + west + east >= 3
    for along, across in ((north, (..., [0, -1])), (south, (..., [0, -1])), (west, [0, -1]), (east, [0, -1])):
        along[across] = True
    return north.astype(np.uint8) + south + west + east >= 3, meeting


def _drawn(parts: NDArray[np.int64], window: Window, nodes: NDArray[np.bool_]) -> tuple[Geometries, NDArray[np.int64]]:
    """The polygons of the parts 1…n of a window, x as columns and y as rows of the grid, and their numbers."""
    rings: list[list[tuple[float, float]]] = []
    number, count = [], []
    for each, value in shapes(parts.astype(np.int32), parts > 0, connectivity=4):  # rasterio takes no int64
        rings += each["coordinates"]
        number.append(int(value))
        count.append(len(each["coordinates"]))
    if not number:
        return np.zeros(0, object), np.zeros(0, np.int64)
    points = np.array(list(chain.from_iterable(rings)))
    ends = (np.cumsum([0, *map(len, rings)]), np.cumsum([0, *count]))
    stepped = shapely.segmentize(shapely.from_ragged_array(GeometryType.POLYGON, points, ends), 1.0)  # at every corner
    thin = _thinned(stepped, lambda rows, cols: nodes[rows, cols])
    moved: Geometries = shapely.transform(thin, lambda xy: np.add(xy, (window.col, window.row)))
    return moved, np.array(number)


def _thinned(polygons: Geometries, stays: Wanted) -> Geometries:
    """Polygons without the vertices at which they run straight on, but for those that must stay."""
    if not len(polygons):
        return polygons
    _, points, (ring_ends, polygon_ends) = shapely.to_ragged_array(polygons, include_z=False)
    ring = np.repeat(np.arange(len(ring_ends) - 1), np.diff(ring_ends))
    open_ = np.ones(len(points), bool)
    open_[ring_ends[1:] - 1] = False  # the last vertex is the first again
    points, ring = points[open_], ring[open_]
    start, count = ring_ends[:-1] - np.arange(len(ring_ends) - 1), np.diff(ring_ends) - 1
    place = np.arange(len(points)) - start[ring]
    before, after = start[ring] + (place - 1) % count[ring], start[ring] + (place + 1) % count[ring]
    came, goes = points - points[before], points[after] - points
    turns = came[:, 0] * goes[:, 1] != came[:, 1] * goes[:, 0]
    cols, rows = points.round().astype(np.int64).T
    kept = turns | stays(rows, cols)
    points, ring = points[kept], ring[kept]
    count = np.bincount(ring, minlength=len(count))
    first = np.cumsum(count) - count
    closed: NDArray[Any] = np.insert(points, first + count, points[first], axis=0)
    ends = np.concatenate([[0], np.cumsum(count + 1)])
    thin: Geometries = shapely.from_ragged_array(GeometryType.POLYGON, closed, (ends, polygon_ends))
    return thin


def _single(joined: list[shapely.Geometry]) -> Geometries:
    """The one polygon of each collection: the pixels of a patch are connected by their sides."""
    return np.array(
        [each if each.geom_type == "Polygon" else shapely.get_geometry(each, 0) for each in joined], dtype=object
    )
