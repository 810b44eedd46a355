"""Regions and their adjacency, as they merge in Borůvka's rounds: in each round every region chooses one neighbour.

Regions are numbered in the order of their first pixels, in every round anew: neighbours stand near each other in memory.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopointseg.labels.graph import NO_CLASS, STEPS, apart, find, jit, order

__all__ = [
    "EVEN",
    "Adjacency",
    "Regions",
    "adjacency",
    "best_neighbours",
    "contracted",
    "imbalance",
    "leaf_regions",
    "mapped",
    "merged_regions",
    "trees",
    "unite",
]

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


class Adjacency(NamedTuple):
    """Edges between regions, each listed with the lower one."""

    start: NDArray[np.int32]
    """(regions + 1,) those of region i are `start[i]` to `start[i + 1]`."""
    to: NDArray[np.int32]
    """The higher region."""
    worth: NDArray[np.float32]
    """Gain in entropy rate, over the border's strength."""


@jit
def adjacency(leaves: NDArray[np.int32], worth: NDArray[np.float32], count: int) -> Adjacency:
    """Edges between regions 1…count of an image, each pair once and with its best edge."""
    height, width = leaves.shape
    start = np.zeros(count + 2, np.int32)
    for row in range(height):
        for col in range(width):
            a = leaves[row, col] - 1
            for direction in range(4):
                if not np.isnan(worth[row, col, direction]):
                    down, right = STEPS[direction]
                    b = leaves[row + down, col + right] - 1
                    if a != b and min(a, b) >= 0:
                        start[min(a, b) + 2] += 1
    for i in range(count):
        start[i + 2] += start[i + 1]
    to, value = np.empty(start[count + 1], np.int32), np.empty(start[count + 1], np.float32)
    for row in range(height):
        for col in range(width):
            a = leaves[row, col] - 1
            for direction in range(4):
                if not np.isnan(worth[row, col, direction]):
                    down, right = STEPS[direction]
                    b = leaves[row + down, col + right] - 1
                    if a != b and min(a, b) >= 0:
                        at = start[min(a, b) + 1]
                        to[at], value[at] = max(a, b), worth[row, col, direction]
                        start[min(a, b) + 1] = at + 1
    return _unique(start[: count + 1], to, value)


@jit
def contracted(edges: Adjacency, tree: NDArray[np.int32], count: int) -> Adjacency:
    """Edges between the trees that regions have become."""
    start = np.zeros(count + 2, np.int32)
    for region in range(len(tree)):
        a = tree[region]
        for i in range(edges.start[region], edges.start[region + 1]):
            b = tree[edges.to[i]]
            if a != b:
                start[min(a, b) + 2] += 1
    for i in range(count):
        start[i + 2] += start[i + 1]
    to, worth = np.empty(start[count + 1], np.int32), np.empty(start[count + 1], np.float32)
    for region in range(len(tree)):
        a = tree[region]
        for i in range(edges.start[region], edges.start[region + 1]):
            b = tree[edges.to[i]]
            if a != b:
                at = start[min(a, b) + 1]
                to[at], worth[at] = max(a, b), edges.worth[i]
                start[min(a, b) + 1] = at + 1
    return _unique(start[: count + 1], to, worth)


@jit
def _unique(start: NDArray[np.int32], to: NDArray[np.int32], worth: NDArray[np.float32]) -> Adjacency:
    """Of edges between the same two regions keep the one worth most."""
    place = np.full(len(start) - 1, -1, np.int32)
    kept = 0
    for a in range(len(start) - 1):
        first, end, begin = start[a], start[a + 1], kept
        for i in range(first, end):
            b = to[i]
            if place[b] >= begin:
                worth[place[b]] = max(worth[place[b]], worth[i])
            else:
                place[b] = kept
                to[kept], worth[kept] = b, worth[i]
                kept += 1
        start[a] = begin
    start[len(start) - 1] = kept
    return Adjacency(start, to[:kept].copy(), worth[:kept].copy())


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
def imbalance(a: int, b: int) -> float:
    """What merging two areas takes from the entropy of all areas, times the number of pixels."""
    return float((a + b) * np.log(a + b) - a * np.log(a) - b * np.log(b))


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
def _chosen(partner: NDArray[np.int32], best: NDArray[np.float32]) -> NDArray[np.int32]:
    """Regions whose choice is to be tried, best first; what two chose mutually is taken once."""
    count = len(partner)
    keys, chosen = np.empty(count, np.uint32), np.empty(count, np.int32)
    bits = best.view(np.uint32)
    found = 0
    for a in range(count):
        b = partner[a]
        if b >= 0 and (a < b or partner[b] != a):
            keys[found], chosen[found] = ~bits[a], a
            found += 1
    order(keys[:found], chosen[:found])
    return chosen[:found]


@jit
def _grouped(chosen: NDArray[np.int32], partner: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Regions in `chosen` and their places there, so that those which may meet stand together, in the same order."""
    count = len(partner)
    group = np.arange(count).astype(np.int32)
    for region in range(count):
        if partner[region] >= 0:
            a, b = find(group, region), find(group, partner[region])
            group[max(a, b)] = min(a, b)
    start = np.zeros(count + 1, np.int32)
    for region in range(count):
        group[region] = find(group, region)
        if partner[region] >= 0 and (region < partner[region] or partner[partner[region]] != region):
            start[group[region] + 1] += 1
    for region in range(count):
        start[region + 1] += start[region]
    regions, places = np.empty_like(chosen), np.empty_like(chosen)
    for place in range(len(chosen)):
        at = start[group[chosen[place]]]
        regions[at], places[at] = chosen[place], place
        start[group[chosen[place]]] = at + 1
    return regions, places


@jit
def unite(
    partner: NDArray[np.int32],
    best: NDArray[np.float32],
    regions: Regions,
    hung: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    merges: int,
) -> tuple[NDArray[np.int32], int]:
    """Merge along the chosen edges, best first; the union-find's parents, and the merges there have been.

    Choices that cannot meet are taken apart, for memory's sake; all are numbered as if taken one after the other.
    """
    above, step, height = hung
    area = regions.area.copy()
    parent = np.arange(len(area)).astype(np.int32)
    chosen = _chosen(partner, best)
    refused = np.zeros(len(chosen) + 1, np.int32)
    tried, places = _grouped(chosen, partner)
    for i in range(len(tried)):
        region = tried[i]
        a, b = find(parent, region), find(parent, partner[region])
        if a == b or apart(regions.classes[a], regions.classes[b]):
            refused[places[i] + 1] = 1
            continue
        if area[a] > area[b] or (area[a] == area[b] and a < b):
            a, b = b, a
        parent[a] = b
        area[b] += area[a]
        regions.classes[b] = min(regions.classes[a], regions.classes[b])
        regions.height[b] = max(regions.height[a], regions.height[b], 1 / best[region])
        leaf = regions.head[a]
        above[leaf], step[leaf], height[leaf] = regions.head[b], merges + places[i], regions.height[b]
    refused = np.cumsum(refused).astype(np.int32)
    if refused[-1]:
        for leaf in regions.head:
            if merges <= step[leaf] < len(step):
                step[leaf] -= refused[step[leaf] - merges]
    return parent, merges + len(chosen) - refused[-1]


@jit
def trees(parent: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """The tree of every region, numbered from 0 in the order of their first regions."""
    tree = np.full(len(parent), -1, np.int32)
    count = 0
    for region in range(len(parent)):
        root = find(parent, region)
        if tree[root] < 0:
            tree[root] = count
            count += 1
        tree[region] = tree[root]
    return tree, count


@jit
def mapped(leaves: NDArray[np.int32], tree: NDArray[np.int32]) -> NDArray[np.int32]:
    """The image of trees 1…n from that of leaves."""
    out = np.zeros_like(leaves)
    for row in range(leaves.shape[0]):
        for col in range(leaves.shape[1]):
            if leaves[row, col] > 0:
                out[row, col] = tree[leaves[row, col] - 1] + 1
    return out
