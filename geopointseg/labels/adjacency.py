"""Which regions touch, and how well they would go together: one edge for every two neighbours."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopointseg.labels.graph import STEPS, jit

__all__ = ["Adjacency", "adjacency", "contracted"]


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
