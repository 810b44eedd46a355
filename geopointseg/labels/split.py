"""Leak-safe split: whole blocks of ground are held out, with a gap around them."""

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid

__all__ = ["hold_out"]

BLOCK = 256  # pixels: about what the network sees at once
BLOCKS_ACROSS = 6  # at least so many blocks across the points' extent, so that there is something to choose from


def hold_out(
    points: gpd.GeoDataFrame, grid: Grid, *, share: float = 0.2, seed: int = 0
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Hold out square blocks of ground that hold about `share` of the points of each class.

    A class is held out only as far as training points of it remain. Used points in a held-out block get `split` test;
    others within the gap (an eighth of a block) of one get gap; the rest train.

    Args:
        points: Checked points with `status` and `class_id`.
        grid: Gives the CRS and the pixel size that blocks are measured in.
        share: 0 to below 1.
        seed: Of the order in which equally good blocks are tried.

    Returns:
        The points with `split` filled in, and the held-out blocks with their gap as polygons in the grid's CRS.

    Raises:
        GeoPointSegError: `share` is not between 0 and 1.
    """
    if not 0 <= share < 1:
        raise GeoPointSegError(f"expected a held-out share from 0 to below 1, got {share}")
    crs = grid.crs.to_wkt()
    used = points[points["status"] == "used"]
    geometry = used.geometry.to_crs(crs)
    xy = np.column_stack([geometry.x, geometry.y])
    pixel = np.array(grid.pixel_size[::-1])
    extent = (np.ptp(xy, axis=0) / pixel).max() if len(xy) else 0
    side = max(1.0, min(BLOCK, extent / BLOCKS_ACROSS)) * pixel
    origin = xy.min(axis=0) if len(xy) else np.zeros(2)

    block, block_of = np.unique(np.floor((xy - origin) / side).astype(np.int64), axis=0, return_inverse=True)
    block_of = block_of.ravel()
    corners, gap = origin + block * side, side / 8
    grown = shapely.box(*(corners - gap).T, *(corners + side + gap).T)
    point, near = shapely.STRtree(grown).query(geometry.to_numpy(), predicate="intersects")

    _, class_of = np.unique(used["class_id"].to_numpy(dtype=np.int64), return_inverse=True)
    counts = np.zeros((len(block), class_of.max(initial=-1) + 1), np.int64)
    closed = np.zeros_like(counts)  # with the points in the gap
    np.add.at(counts, (block_of, class_of), 1)
    np.add.at(closed, (near, class_of[point]), 1)
    chosen = _choose(counts, closed, share, np.random.default_rng(seed))

    split = np.where(np.isin(block_of, chosen), "test", "train")
    aside = point[np.isin(near, chosen)]
    split[aside[split[aside] == "train"]] = "gap"

    out = points.copy()
    out.loc[used.index, "split"] = split
    return out, gpd.GeoDataFrame({"block": chosen}, geometry=grown[chosen], crs=crs)


def _choose(
    counts: NDArray[np.int64], closed: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Blocks to hold out, greedily: the one that serves the classes still short of their share best, while it pays.

    Args:
        counts: (blocks, classes) points.
        closed: (blocks, classes) points with those in the gap: none of them trains.
        share: Share of each class wanted.
        rng: Breaks ties.
    """
    total = counts.sum(axis=0)
    want = np.where(total >= 5, np.maximum(1, np.round(share * total)), 0) * (share > 0)
    weight = np.where(want > 0, 1 / np.maximum(want, 1), 1.0)
    left, order, chosen = want.copy(), rng.permutation(len(counts)), []
    lost = np.zeros_like(total)
    while len(order):
        served = np.minimum(counts[order], np.maximum(left, 0)) @ weight
        spilt = np.maximum(counts[order] - np.maximum(left, 0), 0) @ weight
        gain = served - 0.5 * spilt
        gain[(lost + closed[order] >= total).any(axis=1)] = 0  # would leave a class nothing to train on
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        chosen.append(order[best])
        left -= counts[order[best]]
        lost += closed[order[best]]
        order = np.delete(order, best)
    return np.sort(np.array(chosen, dtype=np.int64))
