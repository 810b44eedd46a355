"""Adaptive merging: regions as large as the content is even, small ones in detail.

Felzenszwalb and Huttenlocher, "Efficient graph-based image segmentation", IJCV 2004: take the edges from the most alike
to the most different; merge the regions at the two ends if the edge is no stronger than what each already holds inside,
plus `scale / area`. Afterwards regions below a minimum size join the neighbour most alike.

The plain algorithm walks over the image in random order, and waits for memory. But what becomes of an edge depends only
on the weaker edges *of the same two regions*. So each tile merges on its own, in cache and on any thread, until a region
meets an edge that leads out of the tile: from there on this region waits, and so does every region that meets it. What
has waited (few edges) is then merged over the whole image. The result is exactly that of the plain algorithm.
"""

import numpy as np
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.edges import Affinity, edge_weights
from geopointseg.labels.graph import NO_CLASS, apart, each, find, jit, numbered, order
from geopointseg.raster import valid

__all__ = ["adaptive", "least_area", "merge", "merge_small"]

TILE = 128  # pixels along a side: its edges and regions fit into the second cache


def adaptive(
    image: NDArray[np.float32],
    *,
    scale: float,
    minimum: int = 1,
    sigma: float = 0.8,
    affinity: Affinity = "colour",
    seeds: NDArray[np.uint8] | None = None,
    threads: int = 1,
) -> NDArray[np.int32]:
    """Cut an image into regions that adapt to its content.

    Args:
        image: (bands, height, width) float32, each band within about 0 to 1, NaN where there is no data.
        scale: Larger gives larger regions; as scikit-image counts it, for differences of 1/255.
        minimum: Smallest area in pixels; only what is cut off, or between seeds of other classes, stays below it.
        sigma: Gaussian smoothing before, in pixels.
        affinity: What makes neighbours alike.
        seeds: (height, width) class ids, 255 where there is none: regions with seeds of two classes never come about.
        threads: Threads to work on; the result is the same.

    Returns:
        (height, width) int32: 0 where there is no data, 1…n otherwise.

    Raises:
        GeoPointSegError: the scale is not above 0.
    """
    if not scale > 0:
        raise GeoPointSegError(f"expected a scale above 0, got {scale}")
    weights = edge_weights(image, affinity=affinity, sigma=sigma, threads=threads)
    return merge(weights, valid(image), scale=scale / 255, minimum=minimum, seeds=seeds, threads=threads)


def merge(
    weights: NDArray[np.float32],
    inside: NDArray[np.bool_],
    *,
    scale: float,
    minimum: int,
    seeds: NDArray[np.uint8] | None = None,
    threads: int = 1,
    tile: int = TILE,
) -> NDArray[np.int32]:
    """Merge along edges: see `adaptive`, with `scale` in units of the weights."""
    height, width, _ = weights.shape
    parent = np.arange(height * width, dtype=np.int32)
    size = np.ones(height * width, np.int32)
    limit = np.full(height * width, scale, np.float32)
    classes = np.full(height * width, NO_CLASS) if seeds is None else seeds.astype(np.uint8).ravel()
    waiting = np.zeros((height, width), np.uint8)
    rows, cols = -(-height // tile), -(-width // tile)

    def work(i: int) -> None:
        top, left = i // cols * tile, i % cols * tile
        _merge_tile(weights, top, left, tile, np.float32(scale), parent, size, limit, classes, waiting)  # noqa: F821 (deleted below, when all is done)

    each(work, rows * cols, threads)
    keys, edges = _waiting_edges(weights, waiting)
    order(keys, edges)
    _merge_rest(keys.view(np.float32), edges, width, np.float32(scale), parent, size, limit, classes)
    del keys, edges, limit, waiting
    keys, edges = _edges_of_small(weights, parent, size, classes, minimum)
    order(keys, edges)
    merge_small(edges, width, minimum, parent, size, classes)
    return numbered(parent, inside.ravel())[0].reshape(height, width)


def least_area(scale: float) -> int:
    """The smallest area in pixels that goes with a scale: half as many, and at least one."""
    return max(1, int(scale / 2))


@jit
def _other_end(edge: int, width: int) -> int:
    """The pixel that an edge leads to, in an image of that width."""
    pixel, direction = edge >> 2, edge & 3
    return pixel + 1 if direction == 0 else pixel + width + 2 - direction


@jit
def _join(a: int, b: int, parent: NDArray[np.int32], size: NDArray[np.int32], classes: NDArray[np.uint8]) -> int:
    """Link two roots, the smaller below the larger (at a tie the later below the earlier); the root of both."""
    if size[a] < size[b] or (size[a] == size[b] and b < a):
        a, b = b, a
    parent[b] = a
    size[a] += size[b]
    classes[a] = min(classes[a], classes[b])  # no class is 255
    return a


@jit
def _merge_tile(
    weights: NDArray[np.float32],
    top: int,
    left: int,
    tile: int,
    scale: np.float32,
    parent_of: NDArray[np.int32],
    size_of: NDArray[np.int32],
    limit_of: NDArray[np.float32],
    class_of: NDArray[np.uint8],
    waiting: NDArray[np.uint8],
) -> None:
    """Merge within a tile as far as it can be known from there; mark the edges that have to wait.

    Works on a copy with a frame one pixel wide around the tile, whose pixels belong to others: they wait from the start.
    """
    height, width, _ = weights.shape
    bottom, right = min(top + tile, height), min(left + tile, width)
    across = right - left + 2
    count = (bottom - top + 2) * across
    parent, size = np.arange(count).astype(np.int32), np.ones(count, np.int32)
    limit, classes = np.full(count, scale, np.float32), np.full(count, NO_CLASS, np.uint8)
    waits = np.ones(count, np.bool_)
    noted = np.full(1 << 14, -1, np.int64)  # pairs of regions whose first edge waits: of the last ones with each hash
    keys, edges = np.empty(4 * count, np.float32), np.empty(4 * count, np.int32)
    found = 0
    for row in range(max(top - 1, 0), min(bottom + 1, height)):
        for col in range(max(left - 1, 0), min(right + 1, width)):
            here = (row - top + 1) * across + col - left + 1
            own = top <= row < bottom and left <= col < right
            if own:
                waits[here] = False
                classes[here] = class_of[row * width + col]
            for direction in range(4):
                weight = weights[row, col, direction]
                to_row = row if direction == 0 else row + 1
                to_col = col + 1 if direction == 0 else col + 2 - direction
                enters = top <= to_row < bottom and left <= to_col < right
                if not np.isnan(weight) and (own or enters):
                    keys[found], edges[found] = weight, here * 4 + direction
                    found += 1
    keys, edges = keys[:found], edges[:found]
    order(keys.view(np.uint32), edges)
    for i in range(found):
        weight, edge = keys[i], edges[i]
        a, b = find(parent, edge >> 2), find(parent, _other_end(edge, across))
        if a == b or apart(classes[a], classes[b]):
            continue
        if (weight > limit[a] and not waits[a]) or (weight > limit[b] and not waits[b]):
            continue  # too different, for good: the limit of a region that rejects an edge never changes again
        if waits[a] or waits[b]:
            waits[a] = waits[b] = True
            pair = min(a, b) * count + max(a, b)
            slot = (pair * 0x9E3779B1 >> 16) & (len(noted) - 1)
            if noted[slot] == pair:
                continue  # the first edge will unite the two regions, or show that nothing does
            noted[slot] = pair
            row, col = (edge >> 2) // across + top - 1, (edge >> 2) % across + left - 1
            if top <= row < bottom and left <= col < right:
                waiting[row, col] |= np.uint8(1 << (edge & 3))
        else:
            root = _join(a, b, parent, size, classes)
            limit[root] = weight + scale / size[root]
    for row in range(top, bottom):
        for col in range(left, right):
            here, pixel = (row - top + 1) * across + col - left + 1, row * width + col
            root = find(parent, here)
            parent_of[pixel] = (root // across + top - 1) * width + root % across + left - 1
            size_of[pixel], limit_of[pixel], class_of[pixel] = size[here], limit[here], classes[here]


@jit
def _waiting_edges(
    weights: NDArray[np.float32], waiting: NDArray[np.uint8]
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Weights (as bits) and numbers of the marked edges."""
    flat = weights.reshape(-1)
    marks = waiting.reshape(-1)
    total = 0
    for pixel in range(len(marks)):
        bits = marks[pixel]
        total += (bits & 1) + (bits >> 1 & 1) + (bits >> 2 & 1) + (bits >> 3 & 1)
    keys, edges = np.empty(total, np.float32), np.empty(total, np.int32)
    at = 0
    for pixel in range(len(marks)):
        if marks[pixel]:
            for direction in range(4):
                if marks[pixel] >> direction & 1:
                    keys[at], edges[at] = flat[pixel * 4 + direction], pixel * 4 + direction
                    at += 1
    return keys.view(np.uint32), edges


@jit
def _merge_rest(
    keys: NDArray[np.float32],
    edges: NDArray[np.int32],
    width: int,
    scale: np.float32,
    parent: NDArray[np.int32],
    size: NDArray[np.int32],
    limit: NDArray[np.float32],
    classes: NDArray[np.uint8],
) -> None:
    """Merge along the edges that waited, sorted, over the whole image."""
    for i in range(len(edges)):
        a, b = find(parent, edges[i] >> 2), find(parent, _other_end(edges[i], width))
        if a != b and keys[i] <= limit[a] and keys[i] <= limit[b] and not apart(classes[a], classes[b]):
            root = _join(a, b, parent, size, classes)
            limit[root] = keys[i] + scale / size[root]


@jit
def _edges_of_small(
    weights: NDArray[np.float32],
    parent: NDArray[np.int32],
    size: NDArray[np.int32],
    classes: NDArray[np.uint8],
    minimum: int,
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Weights (as bits) and numbers of the edges by which a region below the minimum could join another."""
    _, width, _ = weights.shape
    flat = weights.reshape(-1)
    for pixel in range(len(parent)):
        parent[pixel] = find(parent, pixel)
    keys, edges = np.empty(0, np.float32), np.empty(0, np.int32)
    for counted in (False, True):
        total = 0
        for pixel in range(len(parent)):
            a = parent[pixel]
            for direction in range(4):
                edge = pixel * 4 + direction
                if not np.isnan(flat[edge]):
                    b = parent[_other_end(edge, width)]
                    if a != b and (size[a] < minimum or size[b] < minimum) and not apart(classes[a], classes[b]):
                        if counted:
                            keys[total], edges[total] = flat[edge], edge
                        total += 1
        if not counted:
            keys, edges = np.empty(total, np.float32), np.empty(total, np.int32)
    return keys.view(np.uint32), edges


@jit
def merge_small(
    edges: NDArray[np.int32],
    width: int,
    minimum: int,
    parent: NDArray[np.int32],
    size: NDArray[np.int32],
    classes: NDArray[np.uint8],
) -> None:
    """Along sorted edges, join what is below the minimum with what lies beside it."""
    for edge in edges:
        a, b = find(parent, edge >> 2), find(parent, _other_end(edge, width))
        if a != b and (size[a] < minimum or size[b] < minimum) and not apart(classes[a], classes[b]):
            _join(a, b, parent, size, classes)
