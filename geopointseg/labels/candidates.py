"""Candidates: the superpixels of a window measured, a window at a time, so that only a table of them is kept."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from geopointseg.grid import Grid, Window
from geopointseg.labels.acquire import Candidates
from geopointseg.labels.graph import jit
from geopointseg.labels.strategies import border_distance
from geopointseg.labels.superpixels import superpixels

__all__ = [
    "BANDS",
    "MOST",
    "Uncertainty",
    "cut",
    "doubt_of",
    "interior",
    "measure",
    "near_points",
    "thinned",
]

Uncertainty = Literal["margin", "entropy", "disagreement", "dropout"]
Floats = NDArray[np.floating]
Pixels = NDArray[np.float32]
Labels = NDArray[np.int32]

BANDS = 12  # that a superpixel's look is kept of at most, evenly among all
MOST = 400_000  # superpixels that are kept, however large the raster


def cut(image: Pixels, *, size: int) -> Labels:
    """(height, width) SLIC superpixels of a window by itself, 0 where there is no data; the same whenever it is cut.

    SLIC, since cutting must cost little beside predicting.

    Args:
        image: (bands, height, width) within 0 to 1, NaN where there is no data.
        size: Mean area in pixels.
    """
    return superpixels(image, method="slic", size=size)


def doubt_of(shares: Sequence[Pixels], uncertainty: Uncertainty) -> Pixels:
    """How unsure the models are of each pixel.

    Args:
        shares: Of each model, or of each thinned copy of one, (classes, height, width) probabilities, NaN where there is no data.
        uncertainty: margin: 1 − (best − second), of the mean of the models; entropy: of the same mean, in shares of the
            most there can be; disagreement, and dropout: entropy of the mean − mean of the entropies (Houlsby et al. 2011).

    Returns:
        (height, width), 0 to 1; NaN where there is no data.
    """
    mean: Pixels = shares[0] if len(shares) == 1 else np.asarray(np.mean(np.stack(shares), axis=0), np.float32)
    if len(mean) < 2:
        return np.where(np.isnan(mean[0]), mean[0], np.float32(0))
    if uncertainty == "margin":
        best = np.partition(mean, len(mean) - 2, axis=0)[-2:]
        return np.asarray(1 - (best[1] - best[0]), np.float32)
    found = _entropy(mean)
    if uncertainty != "entropy":
        found = np.where(np.isnan(found), found, np.maximum(found - np.mean([_entropy(s) for s in shares], axis=0), 0))
    return np.asarray(found, np.float32)


def _entropy(shares: Pixels) -> Pixels:
    """Of probabilities, in shares of the most there can be."""
    bits = shares * np.log(np.maximum(shares, np.float32(1e-12)))
    return np.asarray(-bits.sum(axis=0) / np.log(len(shares)), np.float32)


def measure(
    regions: Labels,
    image: Pixels,
    shares: Pixels,
    doubt: Pixels,
    *,
    window: Window,
    grid: Grid,
    first: Grid | None = None,
    tile: int = 0,
) -> Candidates:
    """A row for each superpixel of a window.

    Args:
        regions: (height, width), 0 where there is no data, 1…n otherwise.
        image: (bands, height, width) within 0 to 1, NaN where a band has no data.
        shares: (classes, height, width) probabilities; no classes before there is a model.
        doubt: (height, width).
        window: Where it lies.
        grid: Of its raster.
        first: Of the raster whose pixels places are measured in; by default `grid`.
        tile: The window's number.

    Returns:
        n rows, none of them asked yet.
    """
    bands = np.unique(np.linspace(0, len(image) - 1, min(BANDS, len(image))).astype(int))
    count = int(regions.max(initial=0))
    area, middle, colour, square, seen, probable, unsure = _sums(regions, image[bands], shares, doubt, count)
    mean = colour / np.maximum(seen, 1)
    spread = np.sqrt(np.maximum(square / np.maximum(seen, 1) - mean**2, 0))
    row, col = (middle / np.maximum(area, 1)[:, None]).T
    height, width = (first or grid).pixel_size
    x, y = grid.xy(window.row + row, window.col + col)
    return Candidates(
        area=area,
        place=np.stack([x / width, y / height], axis=1),
        features=np.hstack([mean, spread]).astype(np.float32),
        shares=(probable / np.maximum(area, 1)[:, None]).astype(np.float32),
        doubt=unsure / np.maximum(area, 1),
        asked=np.zeros(count, bool),
        tile=np.full(count, tile, np.int64),
        label=np.arange(1, count + 1, dtype=np.int64),
    )


@jit
def _sums(
    regions: Labels, image: Pixels, shares: Pixels, doubt: Pixels, count: int
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
    """Area, rows and columns, bands, their squares, their valid pixels, probabilities and doubt of each region, summed."""
    bands, classes = image.shape[0], shares.shape[0]
    area, middle = np.zeros(count), np.zeros((count, 2))
    colour, square, seen = np.zeros((count, bands)), np.zeros((count, bands)), np.zeros((count, bands))
    probable, unsure = np.zeros((count, classes)), np.zeros(count)
    height, width = regions.shape
    for row in range(height):
        for col in range(width):
            at = regions[row, col] - 1
            if at >= 0:
                area[at] += 1
                middle[at, 0] += row
                middle[at, 1] += col
                if not np.isnan(doubt[row, col]):
                    unsure[at] += doubt[row, col]
                for band in range(bands):
                    value = image[band, row, col]
                    if not np.isnan(value):
                        colour[at, band] += value
                        square[at, band] += value * value
                        seen[at, band] += 1
    for number in range(classes):  # band by band as they lie in memory
        for row in range(height):
            for col in range(width):
                at = regions[row, col] - 1
                if at >= 0 and not np.isnan(shares[number, row, col]):
                    probable[at, number] += shares[number, row, col]
    return area, middle, colour, square, seen, probable, unsure


def near_points(
    regions: Labels, rows: NDArray[np.int64], cols: NDArray[np.int64], apart: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The superpixels of a window that a point lies in or at most `apart` pixels along rows or columns away from.

    Args:
        regions: (height, width), 0 where there is no data.
        rows: Of points, counted from the window's first; they may lie beyond it.
        cols: Likewise.
        apart: In pixels.

    Returns:
        Their numbers, and how far the nearest point is.
    """
    away = np.full(int(regions.max(initial=0)) + 1, apart + 1, np.int64)
    for row, col in zip(rows.tolist(), cols.tolist(), strict=True):
        top, left = max(row - apart, 0), max(col - apart, 0)
        here = regions[top : max(row + apart + 1, 0), left : max(col + apart + 1, 0)]
        down = np.abs(np.arange(top, top + here.shape[0]) - row)
        across = np.abs(np.arange(left, left + here.shape[1]) - col)
        np.minimum.at(away, here.ravel(), np.maximum(down[:, None], across).ravel())
    numbers = np.flatnonzero(away[1:] <= apart) + 1
    return numbers, away[numbers]


def interior(regions: Labels, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The most interior pixel of some superpixels: farthest from their border, from nodata and from the window's edge.

    Args:
        regions: (height, width), 0 where there is no data.
        labels: Numbers of superpixels that are there.

    Returns:
        Rows and columns, of several pixels alike the one nearest to the middle of the superpixel.
    """
    depth = border_distance(regions, edge=True)
    rows, cols = np.zeros((2, len(labels)), np.int64)
    boxes = find_objects(regions)
    for i, number in enumerate(labels.tolist()):
        box = boxes[number - 1]
        at = np.argwhere(regions[box] == number) + [part.start for part in box]
        deep = depth[at[:, 0], at[:, 1]]
        deepest = at[deep == deep.max()]
        rows[i], cols[i] = deepest[((deepest - at.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    return rows, cols


def thinned(table: Candidates, most: int = MOST, *, seed: int = 0) -> Candidates:
    """The table with `most` rows at most, so that memory does not grow with the raster.

    Half of them by what they are worth (doubt × √area), half by chance; those beside points all stay, up to as many.
    """
    if len(table) <= most:
        return table
    worth = table.doubt * np.sqrt(table.area)
    worth[table.asked] = np.inf
    order = np.argsort(-worth, kind="stable")
    kept = order[: most // 2]
    other = np.random.default_rng(seed).choice(order[most // 2 :], most - len(kept), replace=False)
    return table.at(np.sort(np.concatenate([kept, other])))
