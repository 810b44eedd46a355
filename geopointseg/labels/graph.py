"""The pixel graph that all region merging shares: edges between neighbours, their order, and union-find.

Every pixel has an edge to each of its eight neighbours, so every pixel *owns* four: to the east, south-east, south and
south-west. Edges are never listed: edge `e` is number `e % 4` of pixel `e // 4`, and its weight stands at that place of
a (height, width, 4) float32 array, NaN where there is no edge (beyond the image, or to or from a pixel without data).
Numbers are int32: up to 2²⁹ pixels at a time.

Weights are as fine as float32: quantised to 8 bits they cost half of what points can label.
Ties go to the lower edge number, which is the same order in every window that holds both edges.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NEIGHBOURS",
    "NO_CLASS",
    "STEPS",
    "apart",
    "each",
    "find",
    "jit",
    "numbered",
    "order",
    "seed_map",
]

STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""(rows, columns) from a pixel to the other end of its edges 0, 1, 2 and 3."""
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""(rows, columns) from a pixel to its eight neighbours, in the order of affinity maps."""
NO_CLASS = np.uint8(255)
DIGIT = 11  # bits that a pass of the sort looks at: its 2048 counters stay in the first cache

F = TypeVar("F", bound=Callable[..., object])


def jit(function: F) -> F:
    """Compile by Numba, once per machine: the result is kept on disk. It frees Python's lock; sums keep their order.

    Numba looks for changes in a function's own file only: after an edit here, delete `__pycache__` of this folder.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def each(work: Callable[[int], None], count: int, threads: int) -> None:
    """Call `work(0)` … `work(count - 1)`, on several threads if asked: work that frees Python's lock runs side by side."""
    if threads < 2:
        for i in range(count):
            work(i)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(work, range(count)):
                pass


@jit
def apart(a: int, b: int) -> bool:
    """Whether two classes, 255 for none, exclude each other."""
    return a != b and a != NO_CLASS and b != NO_CLASS


@jit
def find(parent: NDArray[np.int32], i: int) -> int:
    """The root above `i`; what is passed on the way is linked past its parent (path halving)."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@jit
def order(keys: NDArray[np.uint32], values: NDArray[np.int32]) -> None:
    """Sort `keys` upwards in place, and `values` along; equal keys stay as they were (radix sort, lowest digits first).

    The bits of float32 numbers from 0 up, seen as uint32, sort as the numbers do.
    """
    keys_to, values_to = np.empty_like(keys), np.empty_like(values)
    counts = np.zeros((3, 1 << DIGIT), np.int64)
    mask = np.uint32((1 << DIGIT) - 1)
    for key in keys:
        for digit in range(3):
            counts[digit, (key >> np.uint32(digit * DIGIT)) & mask] += 1
    for digit in range(3):
        shift = np.uint32(digit * DIGIT)
        start = 0
        for i in range(counts.shape[1]):
            start, counts[digit, i] = start + counts[digit, i], start
        for i in range(len(keys)):
            bucket = (keys[i] >> shift) & mask
            at = counts[digit, bucket]
            counts[digit, bucket] = at + 1
            keys_to[at], values_to[at] = keys[i], values[i]
        keys, keys_to = keys_to, keys
        values, values_to = values_to, values
    keys_to[:], values_to[:] = keys, values  # after three passes the result stands in the other pair


@jit
def numbered(parent: NDArray[np.int32], valid: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the trees 1…n in the order of their first members; 0 where not valid. Flat arrays."""
    labels = np.zeros(len(parent), np.int32)
    count = 0
    for i in range(len(parent)):
        if valid[i]:
            root = find(parent, i)
            if labels[root] == 0:  # its first member
                count += 1
                labels[root] = count
            labels[i] = labels[root]
    return labels, count


def seed_map(
    shape: tuple[int, int], rows: NDArray[np.int64], cols: NDArray[np.int64], class_ids: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Points as a (height, width) uint8 map of class ids, 255 where there is none; of two on a pixel the first counts."""
    seeds = np.full(shape, NO_CLASS, np.uint8)
    pixel, first = np.unique(rows * shape[1] + cols, return_index=True)
    seeds.flat[pixel] = class_ids[first]
    return seeds
