"""Patches: the connected areas of one class on a map, found window by window and joined across, so that no window shows.

Pixels are connected by their sides, not by their corners, as in the polygons made of them. Memory grows with the number of
patches (some 150 bytes for each and its borders), not with that of pixels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label
from tqdm import tqdm

from geopointseg.classes import UNLABELLED
from geopointseg.grid import WGS84, Grid, Window
from geopointseg.raster import read_labels

__all__ = ["WINDOW", "Patches", "find_patches", "row_areas"]

DIGITS = 6  # of metres that sums are rounded to, so that their order does not show
WINDOW = 1024  # side of the windows that are labelled together; the result does not depend on it


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """The patches 0…n-1 of a map."""

    path: Path
    windows: tuple[Window, ...]
    first: tuple[int, ...]
    """For every window how many parts of patches the windows before it hold."""
    patch: NDArray[np.int64]
    """The patch of every part."""
    kind: NDArray[np.uint8]
    """(patches,) the class id."""
    area: NDArray[np.float64]
    """(patches,) in m²."""
    borders: csr_array
    """(patches, patches) length of the border that two share, in metres; symmetric."""

    def parts(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(height, width) the connected parts 1…n of a window, 0 where there is no data; and the patch of each of the n."""
        parts, _ = _parts(self.path, self.windows[number])
        return parts, self.patch[self.first[number] :][: parts.max(initial=0)]

    def labels(self, number: int) -> NDArray[np.int64]:
        """(height, width) the patch of every pixel of a window, -1 where there is no data."""
        parts, patch = self.parts(number)
        return np.append(patch, -1)[parts - 1]


def find_patches(path: Path, grid: Grid, *, window: int = WINDOW) -> Patches:
    """Find the patches of a map, numbered in the order of their first pixels.

    Args:
        path: A class raster.
        grid: Its georeference.
        window: Side of the windows in pixels.
    """
    windows = tuple(grid.tiles(window))
    height, width = grid.ground_size
    above = _Line(np.full(grid.width, -1, np.int64), np.full(grid.width, UNLABELLED, np.uint8))
    left, total = above, 0
    first, found, touching, seams = [], [], [], []
    for here in tqdm(windows, "patches", unit="window", disable=None, leave=False):
        parts, ids = _parts(path, here)
        own = np.where(parts > 0, parts + (total - 1), -1)
        first.append(total)
        total += int(parts.max(initial=0))
        found.append(_facts(parts, ids, grid, here))
        across = np.s_[here.col : here.col + here.width]
        touching += [_touching(own[:, :-1], own[:, 1:], height), _touching(own[:-1], own[1:], width)]
        if here.col:
            touching.append(_touching(left.part, own[:, 0], height))
            seams.append(_joined(left, own[:, 0], ids[:, 0]))
        touching.append(_touching(above.part[across], own[0], width))
        seams.append(_joined(_Line(above.part[across], above.kind[across]), own[0], ids[0]))
        left = _Line(own[:, -1], ids[:, -1])
        above.part[across], above.kind[across] = own[-1], ids[-1]
    pairs = np.hstack(seams)
    graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(total, total))
    number, patch = connected_components(graph, directed=False)
    kinds, areas, origins = (np.concatenate(column) for column in zip(*found, strict=True))
    origin = np.full(number, np.iinfo(np.int64).max)
    np.minimum.at(origin, patch, origins)
    place = np.empty(number, np.int64)
    place[origin.argsort()] = np.arange(number)  # a numbering that windows do not show in
    patch = place[patch]
    kind = np.zeros(number, np.uint8)
    kind[patch] = kinds
    area: NDArray[np.float64] = np.bincount(patch, areas, minlength=number).astype(np.float64).round(DIGITS)
    return Patches(path, windows, tuple(first), patch, kind, area, _borders(touching, patch, number))


def _facts(
    parts: NDArray[np.int64], ids: NDArray[np.uint8], grid: Grid, here: Window
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.int64]]:
    """Of every part of a window its class, its area in m², and its first pixel in the order of rows."""
    count = int(parts.max(initial=0))
    weight = np.repeat(row_areas(grid, here.row, here.height), here.width)
    area: NDArray[np.float64] = np.bincount(parts.ravel(), weight, minlength=count + 1)[1:].astype(np.float64)
    kind, at = np.zeros(count + 1, np.uint8), np.zeros(count + 1, np.int64)
    backwards = parts.ravel()[::-1]
    kind[backwards], at[backwards] = ids.ravel()[::-1], np.arange(parts.size)[::-1]  # what is written last stays
    rows, cols = np.divmod(at[1:], here.width)
    return kind[1:], area, (rows + here.row) * grid.width + cols + here.col


def row_areas(grid: Grid, row: int, count: int) -> NDArray[np.float64]:
    """(count,) area of a pixel in each of some rows, in m²; on the ellipsoid for a CRS in degrees."""
    if not grid.crs.is_geographic:
        height, width = grid.ground_size
        return np.full(count, height * width)
    lines = grid.transform.f - np.arange(row, row + count + 1) * grid.pixel_size[0]
    caps = np.array([_to_equator(latitude) for latitude in np.clip(lines, -90, 90)])
    areas: NDArray[np.float64] = -np.diff(caps) * np.deg2rad(grid.pixel_size[1])
    return areas


def _to_equator(latitude: float) -> float:
    """Area of the ellipsoid from the equator to a parallel, for each radian of longitude, in m² (Snyder 1987, 3-12)."""
    e2, sine = WGS84.es, np.sin(np.deg2rad(latitude))
    e = np.sqrt(e2)
    q = (1 - e2) * (sine / (1 - e2 * sine**2) + np.arctanh(e * sine) / e)
    return float(WGS84.a**2 * q / 2)


def _parts(path: Path, window: Window) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The connected parts of a window, 1…n and 0 where there is no data, and its class ids."""
    ids = read_labels(path, window)
    return label(ids, background=UNLABELLED, connectivity=1).astype(np.int64), ids


class _Line(NamedTuple):
    """A row or a column of pixels along a window."""

    part: NDArray[np.int64]
    kind: NDArray[np.uint8]


def _joined(line: _Line, part: NDArray[np.int64], kind: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(2, pairs) parts of one class on the two sides of a seam."""
    same = (line.kind == kind) & (line.part >= 0) & (part >= 0)
    return np.stack([line.part[same], part[same]])


def _touching(one: NDArray[np.int64], other: NDArray[np.int64], length: float) -> NDArray[np.float64]:
    """(3, pairs) parts that touch, each pair once, and how long their border is."""
    differ = (one != other) & (one >= 0) & (other >= 0)
    low, high = np.minimum(one[differ], other[differ]), np.maximum(one[differ], other[differ])
    keys, count = np.unique(low << 32 | high, return_counts=True)
    return np.stack([keys >> 32, keys & (2**32 - 1), count * length])


def _borders(touching: list[NDArray[np.float64]], patch: NDArray[np.int64], number: int) -> csr_array:
    """The lengths of borders between patches, from those between their parts."""
    one, other, length = np.hstack(touching)
    one, other = patch[one.astype(np.int64)], patch[other.astype(np.int64)]
    apart = one != other
    lengths = coo_array((length[apart], (one[apart], other[apart])), shape=(number, number)).tocsr()
    both = (lengths + lengths.T).tocsr()
    both.data = both.data.round(DIGITS)
    return both
