"""Sieving: what is smaller than the minimum mapping unit goes to the neighbour with which it shares the longest border."""

import heapq
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.maps.patches import WINDOW, Patches, find_patches

__all__ = ["absorbed", "sieve"]

SLACK = 1e-9  # sums of areas are not exact: what is this little below the unit is not below it


def sieve(path: Path, grid: Grid, unit: float, *, window: int = WINDOW) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Class ids of a map in which no patch is smaller than `unit`, but for those without a neighbour.

    Patches go in the order of their area, the smallest first, and what they become part of counts with its new area. It is
    the map's patches that decide, not the windows: the result is the same for windows of any size.

    Args:
        path: The map.
        grid: Its georeference.
        unit: Minimum mapping unit in m².
        window: Side of the windows in pixels.

    Yields:
        (window, ids), 255 kept.

    Raises:
        GeoPointSegError: `unit` is not above 0.
    """
    if not unit > 0:
        raise GeoPointSegError(f"expected a minimum mapping unit above 0 m², got {unit}: name it in square metres")
    patches = find_patches(path, grid, window=window)
    kinds = np.append(absorbed(patches, unit), np.uint8(255))
    for number, here in enumerate(patches.windows):
        yield here, kinds[patches.labels(number)]


def absorbed(patches: Patches, unit: float) -> NDArray[np.uint8]:
    """(patches,) the class that each patch has once the small ones have gone to their neighbours.

    Of borders of the same length the larger neighbour's counts, then the lower class's.
    """
    root = np.arange(len(patches.kind))
    kind, area = patches.kind.copy(), patches.area.copy()
    members = {int(i): [int(i)] for i in np.flatnonzero(area < unit * (1 - SLACK))}
    queue = [(float(area[i]), i) for i in members]
    heapq.heapify(queue)
    start, to, length = patches.borders.indptr, patches.borders.indices, patches.borders.data
    while queue:
        size, small = heapq.heappop(queue)
        if root[small] != small or area[small] != size:
            continue  # it has become part of another, or another part of it
        around: dict[int, float] = {}
        for member in members[small]:
            for i in range(start[member], start[member + 1]):
                other = _root(root, int(to[i]))
                if other != small:
                    around[other] = around.get(other, 0.0) + float(length[i])
        if not around:
            continue
        best = max(around, key=lambda other: (around[other], area[other], -int(kind[other]), -other))
        kind[small] = kind[best]
        one = [other for other in around if kind[other] == kind[best]]  # it joins them all
        gone = members.pop(small)
        into = max(one, key=lambda other: (area[other], -other))
        for other in (small, *one):
            if other != into:
                root[other] = into
                area[into] += area[other]
                gone += members.pop(other, []) if other != small else []
        if into in members:
            members[into] += gone
            if area[into] < unit * (1 - SLACK):
                heapq.heappush(queue, (float(area[into]), into))
            else:
                del members[into]
    for patch in range(len(root)):
        kind[patch] = kind[_root(root, patch)]
    return kind


def _root(root: NDArray[np.int64], patch: int) -> int:
    """What a patch has become part of."""
    while root[patch] != patch:
        root[patch] = root[root[patch]]
        patch = int(root[patch])
    return patch
