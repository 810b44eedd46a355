"""Regions between two of Borůvka's rounds: what is known of each, and the neighbour that each would choose.

Regions are numbered in the order of their first pixels, in every round anew: neighbours stand near each other in memory.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopointseg.labels.adjacency import Adjacency
from geopointseg.labels.graph import NO_CLASS, apart, jit

__all__ = ["EVEN", "Regions", "best_neighbours", "imbalance", "leaf_regions", "merged_regions"]

EVEN = 1e-6  # difference of colours that counts as none


class Regions(NamedTuple):
    """What is known of every region between two rounds."""

    mean: NDArray[np.float32]
    """(regions, bands) colour."""
    area: NDArray[np.int32]
    """In pixels."""
    classes: NDArray[np.uint8]
    """Class of its seeds, 255 for none."""
    head: NDArray[np.int32]
    """The leaf that stands for it."""
    height: NDArray[np.float32]
    """The highest merge within."""


@jit
def leaf_regions(
    image: NDArray[np.float32], leaves: NDArray[np.int32], seeds: NDArray[np.uint8], count: int
) -> Regions:
    """The leaves as regions; a band that a pixel lacks counts as 0."""
    bands, height, width = image.shape
    mean, area = np.zeros((count, bands), np.float32), np.zeros(count, np.int32)
    classes = np.full(count, NO_CLASS, np.uint8)
    for row in range(height):
        for col in range(width):
            leaf = leaves[row, col] - 1
            if leaf >= 0:
                area[leaf] += 1
                if seeds.size:
                    classes[leaf] = min(classes[leaf], seeds[row, col])
                for band in range(bands):
                    value = image[band, row, col]
                    if not np.isnan(value):
                        mean[leaf, band] += (value - mean[leaf, band]) / area[leaf]
    return Regions(mean, area, classes, np.arange(count).astype(np.int32), np.zeros(count, np.float32))


@jit
def merged_regions(old: Regions, tree: NDArray[np.int32], parent: NDArray[np.int32], count: int) -> Regions:
    """The trees as regions; what a tree's root holds already is taken from there."""
    bands = old.mean.shape[1]
    sums, area = np.zeros((count, bands), np.float64), np.zeros(count, np.int32)
    classes, head, height = np.empty(count, np.uint8), np.empty(count, np.int32), np.empty(count, np.float32)
    for region in range(len(tree)):
        t = tree[region]
        area[t] += old.area[region]
        for band in range(bands):
            sums[t, band] += np.float64(old.mean[region, band]) * old.area[region]
        if parent[region] == region:
            classes[t], head[t], height[t] = old.classes[region], old.head[region], old.height[region]
    mean = np.empty((count, bands), np.float32)
    for t in range(count):
        for band in range(bands):
            mean[t, band] = sums[t, band] / area[t]
    return Regions(mean, area, classes, head, height)


@jit
def best_neighbours(
    edges: Adjacency, regions: Regions, balance: np.float32
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """For every region the neighbour to which its edge is worth most (-1 for none), and what it is worth."""
    count = len(regions.area)
    partner, best = np.full(count, -1, np.int32), np.full(count, -1, np.float32)
    for a in range(count):
        for i in range(edges.start[a], edges.start[a + 1]):
            b = edges.to[i]
            value = _value(edges.worth[i], a, b, regions, balance)
            if value > best[a]:
                best[a], partner[a] = value, b
            if value > best[b]:
                best[b], partner[b] = value, a
    return partner, best


@jit
def _value(worth: np.float32, a: int, b: int, regions: Regions, balance: np.float32) -> np.float32:
    """What the edge between two regions is worth to them; -1 between classes."""
    if apart(regions.classes[a], regions.classes[b]):
        return np.float32(-1)
    bands = regions.mean.shape[1]
    gap = 0.0  # in float64 the order of bands makes no difference
    for band in range(bands):
        gap += abs(regions.mean[a, band] - regions.mean[b, band])
    gap = gap / bands + EVEN
    if balance > 0:
        gap *= 1 + balance * imbalance(regions.area[a], regions.area[b])
    return np.float32(worth / gap)


@jit
def imbalance(a: int, b: int) -> float:
    """What merging two areas takes from the entropy of all areas, times the number of pixels."""
    return float((a + b) * np.log(a + b) - a * np.log(a) - b * np.log(b))
