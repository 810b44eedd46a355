"""Gaps: what is held out reaches as far as its features do, and nothing near it trains."""

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["Shapes", "close", "pairs"]

Integers = NDArray[np.int64]
Shapes = NDArray[np.object_]


def close(shapes: Shapes, group: Integers, ground: Shapes, gap: NDArray[np.float64]) -> Shapes:
    """The ground of every group and of its features, with the gap around: what nothing else trains on.

    Args:
        shapes: (features,) points, lines and polygons.
        group: (features,) the group of each.
        ground: (groups,) polygons, empty where a group has none but its features.
        gap: (x, y) in units of their CRS.

    Returns:
        (groups,) polygons.
    """
    west, south, east, north = shapely.bounds(ground).T
    closed: Shapes = np.where(
        shapely.is_empty(ground),
        shapely.Polygon(),
        shapely.box(west - gap[0], south - gap[1], east + gap[0], north + gap[1]),
    )
    alone = np.flatnonzero(shapely.is_empty(ground)[group] | (shapely.get_dimensions(shapes) > 0))
    grown = _grow(shapes[alone], gap)
    if len(ground) == len(shapes) == len(alone):  # every feature by itself
        return grown
    for number in np.unique(group[alone]):
        closed[number] = shapely.union_all([closed[number], *grown[group[alone] == number]])
    return closed


def _grow(shapes: Shapes, gap: NDArray[np.float64]) -> Shapes:
    """Shapes with the gap (x, y) around them; without a gap only polygons are left."""
    if not gap.any():
        grown: Shapes = np.where(shapely.get_dimensions(shapes) == 2, shapes, shapely.Polygon())
    else:
        circles = shapely.buffer(shapely.transform(shapes, lambda xy: xy / gap), 1.0)
        grown = shapely.transform(circles, lambda xy: xy * gap)
    return grown


def pairs(shapes: Shapes, closed: Shapes) -> tuple[Integers, Integers]:
    """(pairs,) features, and (pairs,) the groups whose closed ground they touch."""
    near, feature = shapely.STRtree(shapes).query(closed, predicate="intersects")  # prepares `closed`, the larger
    return feature, near
