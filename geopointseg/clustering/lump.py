"""Lumping: clusters that look alike become one, by the mean colours of their pixels."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.clustering.pixels import seen
from geopointseg.grid import Window
from geopointseg.raster import Raster, read
from geopointseg.statistics import Statistics

__all__ = ["Tally", "lump", "tally"]


class Tally(NamedTuple):
    """Sums over the pixels of every cluster; those of windows and rasters add up."""

    pixels: NDArray[np.float64]
    """(clusters,) how many."""
    sums: NDArray[np.float64]
    """(clusters, bands) of the stretched bands."""


def tally(windows: Iterable[tuple[Window, NDArray[np.uint8]]], raster: Raster, statistics: Statistics, k: int) -> Tally:
    """Add up a raster's stretched bands by cluster.

    Args:
        windows: (window, ids), 255 where there is no data.
        raster: What they are windows of.
        statistics: That stretch the bands.
        k: Clusters.
    """
    total = Tally(np.zeros(k), np.zeros((k, len(raster.bands))))
    for window, ids in windows:
        pixels, inside = seen(read(raster, window), statistics)
        known = inside & (ids != UNLABELLED)
        own = ids[known]
        total.pixels[:] += np.bincount(own, minlength=k)
        for band, values in enumerate(pixels[:, known].astype(np.float64)):
            total.sums[:, band] += np.bincount(own, values, minlength=k)
    return total


def lump(found: Tally, near: float) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Join the two clusters whose mean colours lie nearest each other, as long as they lie nearer than `near`.

    What has joined counts with its new mean.

    Args:
        found: What is known of the clusters.
        near: Difference of two colours: the root of the mean over bands of its square, bands within 0 to 1; 0 joins none.

    Returns:
        For each cluster the one that it is now part of, numbered from 0, the largest first, and 255 where it has no
        pixels; and (clusters, bands) their means.
    """
    groups = [[int(i)] for i in np.flatnonzero(found.pixels > 0)]
    pixels, sums = (column[found.pixels > 0] for column in found)
    while len(groups) > 1:
        means = sums / pixels[:, None]
        gaps = np.sqrt(((means[:, None] - means[None]) ** 2).mean(axis=2))
        np.fill_diagonal(gaps, np.inf)
        a, b = sorted(int(i) for i in np.unravel_index(gaps.argmin(), gaps.shape))
        if gaps[a, b] >= near:
            break
        groups[a] += groups.pop(b)
        pixels[a], sums[a] = pixels[a] + pixels[b], sums[a] + sums[b]
        pixels, sums = np.delete(pixels, b), np.delete(sums, b, axis=0)
    order = np.argsort(-pixels, kind="stable")
    lookup = np.full(len(found.pixels), UNLABELLED)
    for number, group in enumerate(order):
        lookup[groups[group]] = number
    return tuple(lookup.tolist()), (sums / pixels[:, None])[order]
