"""Hierarchies: in which order regions merged, from single pixels or small regions up to the whole image.

Every merge hangs the smaller region's *head* (one of its leaves) below the larger region's. That is all a `Hierarchy`
keeps: per leaf, the leaf it was hung below, and when. Heads lie within their region, so that reading labels off walks
about in memory only as far as regions reach.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geopointseg.labels.graph import jit

__all__ = ["Hierarchy", "MergeTree", "merge_tree"]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Any number of superpixels, read off one order of merges; those of a larger number lie within those of a smaller."""

    leaves: NDArray[np.int32]
    """(height, width): the finest regions 1…n, numbered in the order of their first pixels; 0 where there is no data."""
    above: NDArray[np.int32]
    """(n,) for leaf i + 1, the index of the leaf it was hung below; its own where nothing was."""
    step: NDArray[np.int32]
    """(n,) the number of the merge in which that happened, from 0; n where it never did."""
    height: NDArray[np.float32]
    """(n,) how different the two regions were, or any two below them if that is more; infinite where never merged."""

    @property
    def finest(self) -> int:
        """The largest number of regions: the leaves."""
        return len(self.above)

    @property
    def coarsest(self) -> int:
        """The smallest number of regions: what seeds of several classes, or gaps, keep apart."""
        return int((self.step == self.finest).sum())

    def labels(self, count: int) -> NDArray[np.int32]:
        """Regions, `count` of them or as near as there are.

        Returns:
            (height, width) int32: 0 where there is no data, 1…count otherwise, in the order of their first pixels.
        """
        merges = max(0, self.finest - count)
        return _labels(self.leaves, self.above, self.step, min(merges, self.finest))

    def cut(self, height: float) -> NDArray[np.int32]:
        """Regions in which no merge was higher than `height`: as `labels`, but as many as the content asks for."""
        return _labels(
            self.leaves, self.above, self.height, float(np.nextafter(np.float32(height), np.float32(np.inf)))
        )


@jit
def _labels(
    leaves: NDArray[np.int32], above: NDArray[np.int32], time: NDArray[np.generic], end: float
) -> NDArray[np.int32]:
    """Unite what merged before `end`."""
    count = len(above)
    head = np.empty(count, np.int32)
    number = np.zeros(count, np.int32)
    used = 0
    for leaf in range(count):
        i = leaf
        while time[i] < end:  # always upwards in time
            i = above[i]
            if i < leaf:  # its head is known
                i = head[i]
                break
        head[leaf] = i
        if number[i] == 0:
            used += 1
            number[i] = used
    for leaf in range(count):
        head[leaf] = number[head[leaf]]
    out = np.zeros(leaves.shape, np.int32)
    for row in range(leaves.shape[0]):
        for col in range(leaves.shape[1]):
            leaf = leaves[row, col]
            if leaf > 0:
                out[row, col] = head[leaf - 1]
    return out


@dataclass(frozen=True, slots=True)
class MergeTree:
    """A hierarchy as a binary tree with what is known of every region in it: nodes 0…n-1 are leaves, then the merges."""

    leaves: NDArray[np.int32]
    """(height, width): node + 1 of each pixel's leaf, 0 where there is no data."""
    parent: NDArray[np.int32]
    """(nodes,) the node each merges into, always a larger number; -1 at the top."""
    children: NDArray[np.int32]
    """(nodes, 2) the two it was merged from; -1 for leaves."""
    height: NDArray[np.float32]
    """(nodes,) how different the two were; never less than below it. 0 for leaves."""
    area: NDArray[np.int64]
    """(nodes,) pixels."""
    mean: NDArray[np.float64]
    """(nodes, bands)."""
    variance: NDArray[np.float64]
    """(nodes, bands) mean squared deviation of its pixels from the mean."""
    outline: NDArray[np.int64]
    """(nodes,) edges of 8-connected pixels that lead to other regions with data."""
    contrast: NDArray[np.float64]
    """(nodes,) mean weight of these edges; 0 without any."""

    def ancestors(self, row: int, col: int) -> NDArray[np.int32]:
        """The nodes that hold a pixel, from its leaf to the top; empty where there is no data."""
        node = int(self.leaves[row, col]) - 1
        found = []
        while node >= 0:
            found.append(node)
            node = int(self.parent[node])
        return np.array(found, np.int32)


def merge_tree(
    hierarchy: Hierarchy, image: NDArray[np.float32], weights: NDArray[np.float32], *, leaves: int | None = None
) -> MergeTree:
    """The tree above `leaves` regions of a hierarchy, with the statistics of every node.

    Args:
        hierarchy: Of the image.
        image: (bands, height, width) float32; NaN counts as 0.
        weights: (height, width, 4) edge weights, for outlines.
        leaves: Regions to start from; all leaves of the hierarchy by default.
    """
    count = hierarchy.finest if leaves is None else max(min(leaves, hierarchy.finest), hierarchy.coarsest)
    start = hierarchy.labels(count)
    below = hierarchy.finest - count  # merges within the leaves
    merges = hierarchy.finest - hierarchy.coarsest - below
    hung = np.flatnonzero((hierarchy.step >= below) & (hierarchy.step < hierarchy.finest))
    hung = hung[np.argsort(hierarchy.step[hung])]
    node_of = np.empty(hierarchy.finest, np.int32)  # the node whose head a leaf is, kept up to date while merging
    inside = hierarchy.leaves > 0
    node_of[hierarchy.leaves[inside] - 1] = start[inside] - 1

    nodes = count + merges
    parent, children = np.full(nodes, -1, np.int32), np.full((nodes, 2), -1, np.int32)
    height = np.zeros(nodes, np.float32)
    height[count:] = hierarchy.height[hung]
    _build(hung, hierarchy.above, node_of, parent, children)

    flat = start.ravel()
    area = np.zeros(nodes, np.int64)
    area[:count] = np.bincount(flat, minlength=count + 1)[1:]
    sums, squares = np.zeros((2, nodes, len(image)))
    for band, values in enumerate(image.reshape(len(image), -1)):
        known = np.nan_to_num(values).astype(np.float64)
        sums[:count, band] = np.bincount(flat, known, minlength=count + 1)[1:]
        squares[:count, band] = np.bincount(flat, known**2, minlength=count + 1)[1:]
    outline, strength = _outlines(start, weights, parent)
    _add_up(children, area, sums, squares, outline, strength)
    mean = sums / area[:, None]
    variance = np.maximum(squares / area[:, None] - mean**2, 0)
    contrast = strength / np.maximum(outline, 1)
    return MergeTree(start, parent, children, height, area, mean, variance, outline, contrast)


@jit
def _build(
    hung: NDArray[np.int64],
    above: NDArray[np.int32],
    node_of: NDArray[np.int32],
    parent: NDArray[np.int32],
    children: NDArray[np.int32],
) -> None:
    """Fill in parents and children, merge by merge; `node_of` says whose head a leaf is at the time."""
    first = len(parent) - len(hung)
    for i in range(len(hung)):
        a, b = node_of[hung[i]], node_of[above[hung[i]]]
        children[first + i, 0], children[first + i, 1] = min(a, b), max(a, b)
        parent[a] = parent[b] = node_of[above[hung[i]]] = first + i


@jit
def _add_up(
    children: NDArray[np.int32],
    area: NDArray[np.int64],
    sums: NDArray[np.float64],
    squares: NDArray[np.float64],
    outline: NDArray[np.int64],
    strength: NDArray[np.float64],
) -> None:
    """Carry what the leaves hold up to the top, in place."""
    for node in range(len(children)):
        for child in children[node]:
            if child >= 0:
                area[node] += area[child]
                outline[node] += outline[child]
                strength[node] += strength[child]
                for band in range(sums.shape[1]):
                    sums[node, band] += sums[child, band]
                    squares[node, band] += squares[child, band]


@jit
def _outlines(
    labels: NDArray[np.int32], weights: NDArray[np.float32], parent: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Outgoing edges and their summed weight: for leaves in full, for merges what they lose against their children."""
    rows, cols = labels.shape
    outline, strength = np.zeros(len(parent), np.int64), np.zeros(len(parent), np.float64)
    for row in range(rows):
        for col in range(cols):
            for direction in range(4):
                weight = weights[row, col, direction]
                if weight != weight:
                    continue
                a = labels[row, col] - 1
                b = labels[row, col + 1] - 1 if direction == 0 else labels[row + 1, col + 2 - direction] - 1
                if a == b:
                    continue
                for node in (a, b):
                    outline[node] += 1
                    strength[node] += weight
                while a != b and a >= 0 and b >= 0:  # up to where the two regions become one
                    if a < b:
                        a = parent[a]
                    else:
                        b = parent[b]
                if a == b:
                    outline[a] -= 2
                    strength[a] -= 2 * weight
    return outline, strength
