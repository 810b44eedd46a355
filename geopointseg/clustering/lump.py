"""Lumping: clusters that look alike become one, by what is known of their pixels' colours."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.clustering.pixels import seen
from geopointseg.grid import Window
from geopointseg.raster import Raster, Statistics, read

__all__ = ["Tally", "lump", "tally"]

TINY = 1e-6  # variance of a band, so that flat clusters can be compared


class Tally(NamedTuple):
    """Sums over the pixels of every cluster; those of windows and rasters add up."""

    pixels: NDArray[np.float64]
    """(clusters,) how many."""
    sums: NDArray[np.float64]
    """(clusters, bands) of the stretched bands."""
    squares: NDArray[np.float64]
    """(clusters, bands) of their squares."""


def tally(windows: Iterable[tuple[Window, NDArray[np.uint8]]], raster: Raster, statistics: Statistics, k: int) -> Tally:
    """Add up a raster's stretched bands by cluster.

    Args:
        windows: (window, ids), 255 where there is no data.
        raster: What they are windows of.
        statistics: That stretch the bands.
        k: Clusters.
    """
    shape = (k, len(raster.bands))
    total = Tally(np.zeros(k), np.zeros(shape), np.zeros(shape))
    for window, ids in windows:
        pixels, inside = seen(read(raster, window), statistics)
        known = inside & (ids != UNLABELLED)
        own = ids[known]
        total.pixels[:] += np.bincount(own, minlength=k)
        for band, values in enumerate(pixels[:, known].astype(np.float64)):
            total.sums[:, band] += np.bincount(own, values, minlength=k)
            total.squares[:, band] += np.bincount(own, values**2, minlength=k)
    return total


def lump(found: Tally, near: float) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Join the two clusters that lie nearest each other, as long as they lie nearer than `near`.

    Two clusters are as far apart as their means are, in standard deviations within clusters: the root of the mean over bands
    of the squared difference, over the variance of both clusters' pixels about their own means. What has joined counts with
    its new mean and variance.

    Args:
        found: What is known of the clusters.
        near: In standard deviations; 0 joins none.

    Returns:
        For each cluster the one that it is now part of, numbered from 0, the largest first, and 255 where it has no
        pixels; and (clusters, bands) their means.
    """
    groups = [[int(i)] for i in np.flatnonzero(found.pixels > 0)]
    count, sums, squares = (column[found.pixels > 0] for column in found)
    while len(groups) > 1:
        gaps = _gaps(count, sums, squares)
        a, b = sorted(int(i) for i in np.unravel_index(gaps.argmin(), gaps.shape))
        if gaps[a, b] >= near:
            break
        groups[a] += groups.pop(b)
        for column in (count, sums, squares):
            column[a] += column[b]
        count, sums, squares = (np.delete(column, b, axis=0) for column in (count, sums, squares))
    order = np.argsort(-count, kind="stable")
    lookup = np.full(len(found.pixels), UNLABELLED)
    for number, group in enumerate(order):
        lookup[groups[group]] = number
    return tuple(lookup.tolist()), (sums / count[:, None])[order]


def _gaps(count: NDArray[np.float64], sums: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """(clusters, clusters) how far apart clusters are; infinite from itself."""
    means = sums / count[:, None]
    within = np.maximum(squares - count[:, None] * means**2, 0)  # sums of squares about the mean
    pooled = (within[:, None] + within[None]) / (count[:, None] + count[None])[..., None] + TINY
    gaps: NDArray[np.float64] = np.sqrt(((means[:, None] - means[None]) ** 2 / pooled).mean(axis=2))
    np.fill_diagonal(gaps, np.inf)
    return gaps
