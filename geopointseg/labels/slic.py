"""SLIC: superpixels of about one size, each around a centre in colour and place.

Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", TPAMI 2012: centres start on a grid;
in turn every pixel goes to the centre that is nearest in colour and place, within reach of one step of the grid, and
every centre moves to the middle of its pixels. In the end what hangs apart from its superpixel joins a neighbour.

The image is worked on in strips of rows, each summing up its own pixels; the sums are added in the order of the strips,
so that threads change nothing.
"""

import numpy as np
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.adaptive import merge_small
from geopointseg.labels.graph import NO_CLASS, STEPS, each, find, jit, numbered, order
from geopointseg.raster import valid

__all__ = ["slic"]

ROWS = 64  # of a strip
SPARSE = 100  # pixels from which on every second row is enough to tell where a superpixel's middle is
FRAGMENT = 4  # a part below this fraction of the mean area joins a neighbour


def slic(
    image: NDArray[np.float32], *, size: float, compactness: float = 0.2, iterations: int = 4, threads: int = 1
) -> NDArray[np.int32]:
    """Cut an image into superpixels of about one size.

    Args:
        image: (bands, height, width) float32, each band within about 0 to 1, NaN where there is no data. A band that a
            pixel lacks counts as alike, and as 0 in the mean of its superpixel.
        size: Mean area in pixels.
        compactness: Difference of colours that counts as much as one step of the grid; larger gives squarer superpixels.
        iterations: Rounds of assigning pixels and moving centres.
        threads: Threads to work on; the result is the same.

    Returns:
        (height, width) int32: 0 where there is no data, 1…n otherwise.

    Raises:
        GeoPointSegError: the size is below 1.
    """
    if not size >= 1:
        raise GeoPointSegError(f"expected a superpixel size of at least 1 pixel, got {size}")
    inside = valid(image)
    labels = np.zeros(inside.shape, np.int32)
    if not inside.any():
        return labels
    rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]  # the grid starts where data do
    nearest = _assigned(image[:, *box], inside[box], size, np.float32(compactness), iterations, threads)
    labels[box] = _connected(image[:, *box], nearest, max(1, int(size / FRAGMENT)))
    return labels


def _assigned(
    image: NDArray[np.float32],
    inside: NDArray[np.bool_],
    size: float,
    compactness: np.float32,
    iterations: int,
    threads: int,
) -> NDArray[np.int32]:
    """(height, width) the centre of every pixel, -1 where there is no data."""
    bands, height, width = image.shape
    step = np.float32(size**0.5)
    down, across = max(1, round(height / float(step))), max(1, round(width / float(step)))
    cells = (np.arange(height) * down // height)[:, None] * across + np.arange(width) * across // width
    centre_of = np.where(inside, cells, -1).astype(np.int32)
    strips = -(-height // ROWS)
    weight = np.float32((compactness / step) ** 2 * bands / 3)  # colours are compared as if there were three bands
    centres = np.full((down * across, bands + 2), -np.inf, np.float32)  # mean colour, row and column
    parts: list[tuple[int, NDArray[np.float64]]] = [(0, np.empty(0))] * strips

    def assign(strip: int) -> None:
        top, bottom = strip * ROWS, min((strip + 1) * ROWS, height)
        _assign(image, centres, weight, step, top, bottom, centre_of)

    def add_up(strip: int) -> None:
        parts[strip] = _sums(
            image, centre_of, strip * ROWS, min((strip + 1) * ROWS, height), 2 if size >= SPARSE else 1
        )

    for _ in range(iterations):
        each(add_up, strips, threads)
        total = np.zeros((len(centres), bands + 3))
        for first, sums in parts:
            total[first : first + len(sums)] += sums
        held = total[:, -1] > 0
        centres[held] = (total[held, :-1] / total[held, -1:]).astype(np.float32)
        each(assign, strips, threads)
    return centre_of


@jit
def _assign(
    image: NDArray[np.float32],
    centres: NDArray[np.float32],
    weight: np.float32,
    step: np.float32,
    top: int,
    bottom: int,
    centre_of: NDArray[np.int32],
) -> None:
    """Give each pixel in rows `top` to `bottom` to the nearest centre within reach; else it stays where it is."""
    bands, _, width = image.shape
    nearest = np.full((bottom - top, width), np.inf, np.float32)
    distance = np.empty(width, np.float32)
    for centre in range(len(centres)):
        row_of, col_of = centres[centre, bands], centres[centre, bands + 1]
        if row_of + step < top or row_of - step >= bottom:
            continue
        left, right = max(0, int(col_of - step)), min(width, int(col_of + step) + 2)
        for row in range(max(top, int(row_of - step)), min(bottom, int(row_of + step) + 2)):
            down = np.float32(row) - row_of
            away = distance[: right - left]
            for i in range(len(away)):
                gap = np.float32(left + i) - col_of
                away[i] = weight * (down * down + gap * gap)
            for band in range(bands):
                values, mean = image[band, row, left:right], centres[centre, band]
                for i in range(len(away)):
                    gap = values[i] - mean
                    away[i] += gap * gap if gap == gap else np.float32(0)
            best, label = nearest[row - top, left:right], centre_of[row, left:right]
            for i in range(len(away)):
                closer = away[i] < best[i] and label[i] >= 0
                label[i] = np.int32(centre) if closer else label[i]
                best[i] = away[i] if closer else best[i]


@jit
def _sums(
    image: NDArray[np.float32], centre_of: NDArray[np.int32], top: int, bottom: int, every: int
) -> tuple[int, NDArray[np.float64]]:
    """The first centre that pixels in every so many rows from `top` to `bottom` have, and from there on each one's sums over them.

    (centres, bands + 3): colours, rows, columns and the count.
    """
    bands, _, width = image.shape
    first, last = len(centre_of) * width, -1
    for row in range(top, bottom, every):
        for centre in centre_of[row]:
            if centre >= 0:
                first, last = min(first, centre), max(last, centre)
    first = min(first, last + 1)
    sums = np.zeros((last + 1 - first, bands + 3), np.float64)
    for row in range(top, bottom, every):
        here = centre_of[row]
        for col in range(width):
            if here[col] >= 0:
                own = sums[here[col] - first]
                for band in range(bands):
                    value = image[band, row, col]
                    own[band] += value if value == value else np.float32(0)
                own[bands] += row
                own[bands + 1] += col
                own[bands + 2] += 1
    return first, sums


def _connected(image: NDArray[np.float32], centre_of: NDArray[np.int32], minimum: int) -> NDArray[np.int32]:
    """Number the connected parts 1…n; parts below the minimum area join the neighbour that the most alike pixels touch."""
    height, width = centre_of.shape
    parent, area = _parts(centre_of)
    keys, edges = _edges_of_small(image, centre_of, parent, area, minimum)
    order(keys, edges)
    merge_small(edges, width, minimum, parent, area, np.full(len(area), NO_CLASS))
    return numbered(parent, centre_of.ravel() >= 0)[0].reshape(height, width)


@jit
def _parts(centre_of: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The first pixel of the 4-connected part that each pixel is in, and at that place the part's area."""
    height, width = centre_of.shape
    parent, area = np.arange(height * width).astype(np.int32), np.zeros(height * width, np.int32)
    for row in range(height):
        for col in range(width):
            i = row * width + col
            if col > 0 and centre_of[row, col] == centre_of[row, col - 1]:
                parent[i] = find(parent, i - 1)
            if row > 0 and centre_of[row, col] == centre_of[row - 1, col]:
                a, b = find(parent, i), find(parent, i - width)
                parent[max(a, b)] = min(a, b)
    for i in range(height * width):
        parent[i] = find(parent, i)
        area[parent[i]] += 1
    return parent, area


@jit
def _edges_of_small(
    image: NDArray[np.float32],
    centre_of: NDArray[np.int32],
    parent: NDArray[np.int32],
    area: NDArray[np.int32],
    minimum: int,
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Squared differences (as bits) and numbers of the edges, see `graph`, that lead out of parts below the minimum."""
    bands, height, width = image.shape
    keys, edges = np.empty(0, np.float32), np.empty(0, np.int32)
    for counted in (False, True):
        total = 0
        for row in range(height):
            for col in range(width):
                i = row * width + col
                for direction in (0, 2):
                    down, right = STEPS[direction]
                    if row + down >= height or col + right >= width:
                        continue
                    a, b = parent[i], parent[i + down * width + right]
                    if a == b or (area[a] >= minimum and area[b] >= minimum):
                        continue
                    if centre_of[row, col] < 0 or centre_of[row + down, col + right] < 0:
                        continue
                    if counted:
                        gap = 0.0
                        for band in range(bands):
                            difference = np.float64(image[band, row, col] - image[band, row + down, col + right])
                            gap += 0.0 if np.isnan(difference) else difference * difference
                        keys[total], edges[total] = gap, i * 4 + direction
                    total += 1
        if not counted:
            keys, edges = np.empty(total, np.float32), np.empty(total, np.int32)
    return keys.view(np.uint32), edges
