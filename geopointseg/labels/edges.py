"""What neighbouring pixels have to do with each other: weights of the pixel graph, from colours or from maps."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geopointseg.labels.graph import NEIGHBOURS, STEPS, each, jit
from geopointseg.raster import valid

__all__ = ["Affinity", "affinity_edges", "border_strength", "colour_edges", "edge_weights"]

STRIP = 64  # rows smoothed and compared at a time

Affinity = Literal["colour", "gradient"] | NDArray[np.float32]
"""What makes neighbours alike: their colours; colours without an outline near by; or maps, see `affinity_edges`."""


def edge_weights(
    image: NDArray[np.float32], *, affinity: Affinity = "colour", sigma: float = 0.8, threads: int = 1
) -> NDArray[np.float32]:
    """How different neighbouring pixels are.

    Args:
        image: (bands, height, width) float32, NaN where there is no data.
        affinity: Colour: their distance. Gradient: the geometric mean of that and of the stronger outline at the two
            ends. Maps: 1 - affinity.
        sigma: Gaussian smoothing of colours before, in pixels.
        threads: Threads to work on; the result is the same.

    Returns:
        (height, width, 4) float32, NaN where there is no edge.
    """
    if isinstance(affinity, np.ndarray):
        return 1 - affinity_edges(np.where(valid(image), affinity, np.float32(np.nan)))
    edges = colour_edges(image, sigma=sigma, threads=threads)
    if affinity == "gradient":
        _times_border(edges, border_strength(edges))
    return edges


@jit
def _times_border(edges: NDArray[np.float32], border: NDArray[np.float32]) -> None:
    """Take the geometric mean of each weight and the stronger border at its ends, in place."""
    height, width, _ = edges.shape
    for row in range(height):
        for col in range(width):
            for direction in range(4):
                weight = edges[row, col, direction]
                if not np.isnan(weight):
                    down, right = STEPS[direction]
                    strength = max(border[row, col], border[row + down, col + right])
                    edges[row, col, direction] = np.sqrt(weight * strength)


def colour_edges(image: NDArray[np.float32], *, sigma: float = 0.8, threads: int = 1) -> NDArray[np.float32]:
    """How much neighbouring pixels differ in colour: the Euclidean distance, scaled to that of three bands.

    Args:
        image: (bands, height, width), bands of one range, NaN where there is no data. A band that one of two pixels
            lacks counts as alike.
        sigma: Gaussian smoothing before, in pixels; each value is the mean of what there is around it, so that neither
            gaps nor the image's end leave a rim. 0 for none.
        threads: Threads to work on; the result is the same.

    Returns:
        (height, width, 4) float32 edge weights.
    """
    _, height, width = image.shape
    radius = int(4 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-6)) ** 2).astype(np.float32)
    weights = np.empty((height, width, 4), np.float32)

    def strip(i: int) -> None:
        _strip_edges(image, taps / taps.sum(), i * STRIP, min((i + 1) * STRIP, height), weights)

    each(strip, -(-height // STRIP), threads)
    return weights


@jit
def _strip_edges(
    image: NDArray[np.float32], taps: NDArray[np.float32], top: int, bottom: int, weights: NDArray[np.float32]
) -> None:
    """Edge weights of the pixels in rows `top` to `bottom`."""
    bands, height, width = image.shape
    last = min(bottom + 1, height)  # edges reach into the next row
    smooth = np.empty((bands, last - top, width), np.float32)
    for band in range(bands):
        _smooth(image[band], taps, top, last, smooth[band])
    lacking = np.ones((last - top, width), np.bool_)
    for band in range(bands):
        for row in range(last - top):
            for col in range(width):
                lacking[row, col] &= np.isnan(smooth[band, row, col])
    total = np.empty(width, np.float64)  # in which the order of bands makes no difference
    for row in range(bottom - top):
        for direction in range(4):
            down, right = STEPS[direction]
            first, end = max(0, -right), min(width, width - right)
            weights[top + row, :first, direction] = np.nan
            weights[top + row, end:, direction] = np.nan
            if row + down >= last - top:
                weights[top + row, :, direction] = np.nan
                continue
            squares = total[first:end]  # loops from 0 over slices: the compiler makes vectors of them
            squares[:] = 0
            for band in range(bands):
                here, there = smooth[band, row, first:end], smooth[band, row + down, first + right : end + right]
                for i in range(len(squares)):
                    gap = np.float64(here[i] - there[i])
                    squares[i] += gap * gap if gap == gap else 0.0
            lacks, other_lacks = lacking[row, first:end], lacking[row + down, first + right : end + right]
            out = weights[top + row, first:end, direction]
            for i in range(len(squares)):
                out[i] = np.nan if lacks[i] or other_lacks[i] else np.sqrt(squares[i] * 3 / bands)


@jit
def _smooth(
    band: NDArray[np.float32], taps: NDArray[np.float32], top: int, bottom: int, out: NDArray[np.float32]
) -> None:
    """Rows `top` to `bottom` of a band, each pixel the weighted mean of the data around it; NaN stays NaN."""
    height, width = band.shape
    radius = len(taps) // 2
    if radius == 0:
        out[:] = band[top:bottom]
        return
    first, last = max(0, top - radius), min(height, bottom + radius)
    padded, known = np.zeros(width + 2 * radius, np.float32), np.zeros(width + 2 * radius, np.float32)
    sums, shares = np.zeros((last - first, width), np.float32), np.zeros((last - first, width), np.float32)
    for row in range(last - first):
        for col in range(width):
            value = band[first + row, col]
            is_known = value == value
            padded[radius + col] = value if is_known else np.float32(0)
            known[radius + col] = np.float32(1) if is_known else np.float32(0)
        for i in range(len(taps)):
            tap, values, weights = taps[i], padded[i : i + width], known[i : i + width]
            for col in range(width):
                sums[row, col] += tap * values[col]
                shares[row, col] += tap * weights[col]
    across, share = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(top, bottom):
        across[:] = 0
        share[:] = 0
        for i in range(len(taps)):
            other = row + i - radius
            if first <= other < last:
                tap = taps[i]
                for col in range(width):
                    across[col] += tap * sums[other - first, col]
                    share[col] += tap * shares[other - first, col]
        for col in range(width):
            value = band[row, col]
            out[row - top, col] = across[col] / share[col] if value == value else value


def affinity_edges(affinity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Edge affinities from maps, as a network gives them.

    Args:
        affinity: (8, height, width) within 0 to 1: how surely a pixel belongs with each of its neighbours, in the order of
            `NEIGHBOURS`; an edge takes the mean of what its two ends say. NaN where there is no data.

    Returns:
        (height, width, 4) float32, NaN where there is no edge.

    Raises:
        ValueError: not eight maps.
    """
    if len(affinity) != len(NEIGHBOURS):
        raise ValueError(f"expected 8 affinity maps, got {len(affinity)}")
    _, height, width = affinity.shape
    edges = np.full((height, width, 4), np.nan, np.float32)
    for direction, (down, right) in enumerate(STEPS):
        here = np.s_[: height - down, max(0, -right) : min(width, width - right)]
        there = np.s_[down:, max(0, right) : min(width, width + right)]
        forth, back = NEIGHBOURS.index((down, right)), NEIGHBOURS.index((-down, -right))
        edges[*here, direction] = (affinity[forth][here] + affinity[back][there]) / 2
    return edges


def border_strength(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """How strong an outline runs through each pixel: the root mean square of the weights of its edges.

    Args:
        edges: (height, width, 4) edge weights.

    Returns:
        (height, width) float32; 0 where a pixel has no edge.
    """
    height, width, _ = edges.shape
    squares, count = np.zeros((2, height, width), np.float32)
    for direction, (down, right) in enumerate(STEPS):
        here = np.s_[: height - down, max(0, -right) : min(width, width - right)]
        there = np.s_[down:, max(0, right) : min(width, width + right)]
        weight = edges[*here, direction]
        known = ~np.isnan(weight)
        square = np.where(known, weight, 0) ** 2
        for end in (here, there):
            squares[end] += square
            count[end] += known
    strength: NDArray[np.float32] = np.sqrt(squares / np.maximum(count, 1))
    return strength
