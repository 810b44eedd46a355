"""HERS: a hierarchy of superpixels by entropy rate, grown in Borůvka's rounds.

Peng, Aviles-Rivero and Schönlieb, "HERS Superpixels: Deep Affinity Learning for Hierarchical Entropy Rate
Segmentation", WACV 2022, on the hierarchy of Wei et al., "Superpixel Hierarchy", TIP 2018. In every round each region
chooses the neighbour to which its edge is worth most; the regions' mean colours are then taken anew.

Three things differ from the published method. The gain in entropy rate is not divided by the sum of all affinities, so
that an edge is worth the same in a large image and in a small one, and no threshold stops the merging early. The
balance of areas can be part of the value. And seeds keep regions of different classes apart, from the first pixel on.
"""

import numpy as np
from numpy.typing import NDArray

from geopointseg.labels.adjacency import adjacency, contracted
from geopointseg.labels.edges import Affinity, affinity_edges, border_strength, colour_edges
from geopointseg.labels.graph import STEPS, apart, jit
from geopointseg.labels.hierarchy import Hierarchy
from geopointseg.labels.regions import EVEN, best_neighbours, imbalance, leaf_regions, merged_regions
from geopointseg.labels.unite import mapped, trees, unite
from geopointseg.raster import valid

__all__ = ["hers"]

CONTRAST = 0.05  # difference of colours at which an affinity has fallen to 1/e
LEAST = 1e-30  # gain of an edge without affinity: what lies beyond it is merged last, by colour


def hers(
    image: NDArray[np.float32],
    *,
    affinity: Affinity = "colour",
    balance: float = 0.0,
    sigma: float = 0.0,
    seeds: NDArray[np.uint8] | None = None,
    leaves: NDArray[np.int32] | None = None,
    threads: int = 1,
) -> Hierarchy:
    """Grow a hierarchy of superpixels.

    Args:
        image: (bands, height, width) float32, each band within about 0 to 1, NaN where there is no data. A band that a
            pixel lacks counts as 0.
        affinity: What makes neighbours alike.
        balance: How much merging large regions is put off, per pixel; 0 not at all. At 0.01 two regions of 70 pixels have
            to be half as different as two single ones.
        sigma: Gaussian smoothing before affinities are taken from colours, in pixels.
        seeds: (height, width) class ids, 255 where there is none: regions with seeds of two classes never come about,
            except where a leaf holds them.
        leaves: (height, width) regions 1…n to start from, 0 where there is no data; single pixels by default.
        threads: Threads for the edges; the result is the same.

    Returns:
        The hierarchy.
    """
    of_pixels = leaves is None
    if leaves is None:
        inside = valid(image)
        leaves = np.where(inside, np.cumsum(inside, dtype=np.int32).reshape(inside.shape), np.int32(0))
    if seeds is None:
        seeds = np.empty((0, 0), np.uint8)
    worth = _worth(image, affinity, sigma, threads)

    count = int(leaves.max(initial=0))
    regions = leaf_regions(image, leaves, seeds, count)
    hung = np.arange(count, dtype=np.int32), np.full(count, count, np.int32), np.full(count, np.inf, np.float32)
    edges = None if of_pixels else adjacency(leaves, worth, count)
    merges = 0
    while True:
        if edges is None:
            partner, best = _best_of_pixels(image, leaves, worth, seeds, np.float32(balance))
        else:
            partner, best = best_neighbours(edges, regions, np.float32(balance))
        parent, after = unite(partner, best, regions, hung, merges)
        if after == merges:
            return Hierarchy(leaves, *hung)
        merges = after
        tree, count = trees(parent)
        regions = merged_regions(regions, tree, parent, count)
        edges = adjacency(mapped(leaves, tree), worth, count) if edges is None else contracted(edges, tree, count)


def _worth(image: NDArray[np.float32], affinity: Affinity, sigma: float, threads: int) -> NDArray[np.float32]:
    """(height, width, 4) what each edge adds to the entropy rate, over the strength of a border there."""
    no_border = np.empty((0, 0), np.float32)
    if isinstance(affinity, np.ndarray):
        edges = affinity_edges(np.where(valid(image), affinity, np.float32(np.nan)))
        _gains(edges, _loads(edges), no_border)
    else:
        edges = colour_edges(image, sigma=sigma, threads=threads)
        border = border_strength(edges) if affinity == "gradient" else no_border
        _affinities(edges, np.float32(CONTRAST))
        _gains(edges, _loads(edges), border)
    return edges


@jit
def _affinities(edges: NDArray[np.float32], contrast: np.float32) -> None:
    """Turn differences into affinities within 0 to 1, in place."""
    flat = edges.reshape(-1)
    for i in range(len(flat)):
        flat[i] = np.exp(-flat[i] / contrast)


@jit
def _loads(affinity: NDArray[np.float32]) -> NDArray[np.float32]:
    """(height, width) the sum of each pixel's affinities."""
    height, width, _ = affinity.shape
    load = np.zeros((height, width), np.float32)
    for row in range(height):
        for col in range(width):
            for direction in range(4):
                value = affinity[row, col, direction]
                if value == value:
                    down, right = STEPS[direction]
                    load[row, col] += value
                    load[row + down, col + right] += value
    return load


@jit
def _entropy(x: np.float32) -> np.float32:
    """The term x log x of an entropy, 0 at 0."""
    return x * np.log(x) if x > 0 else np.float32(0)


@jit
def _gains(affinity: NDArray[np.float32], load: NDArray[np.float32], border: NDArray[np.float32]) -> None:
    """Turn affinities into what an edge adds to the entropy rate of a random walk, over the border's strength, in place.

    With loads l and affinity a of an edge, c = l - a at both ends: l log l + l' log l' - c log c - c' log c' - 2 a log a.
    """
    height, width, _ = affinity.shape
    for row in range(height):
        for col in range(width):
            here = _entropy(load[row, col])
            for direction in range(4):
                a = affinity[row, col, direction]
                if a == a:
                    down, right = STEPS[direction]
                    other = load[row + down, col + right]
                    gain = here + _entropy(other) - 2 * _entropy(a)
                    gain -= _entropy(load[row, col] - a) + _entropy(other - a)
                    if border.size:
                        gain /= max(border[row, col], border[row + down, col + right]) + np.float32(1e-3)
                    affinity[row, col, direction] = max(gain, np.float32(LEAST))


@jit
def _best_of_pixels(
    image: NDArray[np.float32],
    leaves: NDArray[np.int32],
    worth: NDArray[np.float32],
    seeds: NDArray[np.uint8],
    balance: np.float32,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """As `regions.best_neighbours`, while every region is a pixel: row by row, without looking anything up."""
    bands, height, width = image.shape
    count = leaves.max()
    partner, best = np.full(count, -1, np.int32), np.full(count, -1, np.float32)
    values = np.full((2, 4, width + 2), -1, np.float32)  # of the edges of this row and the one above, from column -1
    colours = np.zeros((2, bands, width), np.float32)
    gap = np.empty(width, np.float64)
    evened = 1 + balance * imbalance(1, 1)
    for row in range(-1, height):
        now, other = row & 1, (row + 1) & 1
        values[now] = -1
        if row + 1 < height:
            for band in range(bands):
                for col in range(width):
                    value = image[band, row + 1, col]
                    colours[other, band, col] = np.float32(0) if np.isnan(value) else value
        if row < 0:
            continue
        for direction in range(4):
            down, right = STEPS[direction]
            if row + down == height:
                break
            first, end = max(0, -right), width - max(0, right)
            gap[:] = 0
            for band in range(bands):
                here, there = colours[now, band], colours[(row + down) & 1, band]
                for col in range(first, end):
                    gap[col] += abs(here[col] - there[col + right])
            for col in range(first, end):
                values[now, direction, col + 1] = worth[row, col, direction] / (evened * (gap[col] / bands + EVEN))
            if seeds.size:
                for col in range(first, end):
                    if apart(seeds[row, col], seeds[row + down, col + right]):
                        values[now, direction, col + 1] = -1
        for col in range(width):
            leaf = leaves[row, col] - 1
            if leaf >= 0:
                top, to_row, to_col = np.float32(-1), row, col
                for direction in (1, 2, 3, 0):  # edges that lead here
                    down, right = STEPS[direction]
                    value = values[other if down else now, direction, col + 1 - right]
                    if value > top:
                        top, to_row, to_col = value, row - down, col - right
                for direction in range(4):
                    value = values[now, direction, col + 1]
                    if value > top:
                        top, to_row, to_col = value, row + STEPS[direction][0], col + STEPS[direction][1]
                if top >= 0:
                    best[leaf], partner[leaf] = top, leaves[to_row, to_col] - 1
    return partner, best
