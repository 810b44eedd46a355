"""A round of Borůvka's: regions unite along the edges they chose, best first, and become the regions of the next."""

import numpy as np
from numpy.typing import NDArray

from geopointseg.labels.graph import apart, find, jit, order
from geopointseg.labels.regions import Regions

__all__ = ["mapped", "trees", "unite"]


@jit
def unite(
    partner: NDArray[np.int32],
    best: NDArray[np.float32],
    regions: Regions,
    hung: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    merges: int,
) -> tuple[NDArray[np.int32], int]:
    """Merge along the chosen edges, best first; the union-find's parents, and the merges there have been.

    `hung` is what a `Hierarchy` keeps of every leaf, (above, step, height); it is filled in, and `regions` change in place.
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
