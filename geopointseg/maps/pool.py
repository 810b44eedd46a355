"""Pooling: every superpixel of the raster takes one class, the commonest in it or the likeliest on the mean."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.hers import hers
from geopointseg.labels.superpixels import fitted_scale, scaled, superpixels
from geopointseg.maps.spool import NO_PROBABILITY
from geopointseg.raster import Raster, read, read_labels, reading, valid
from geopointseg.statistics import Statistics, statistics

__all__ = ["mean_class", "pool", "pool_mean", "vote"]

WINDOW = 1024  # side of the windows that superpixels are cut in
HALO = 128  # pixels around them: superpixels at their border are whole, and cut alike from both sides
PLACES = 5  # along each side, where a raster without data in its middle is looked at
FAR = 1e30  # higher than any merge of what has data
HERS_HALO = 256  # a hierarchy's merges reach farther


def pool(
    path: Path, raster: Raster, *, size: int = 100, window: int = WINDOW
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Class ids of a map, the same within each superpixel of its raster.

    Superpixels are the package's own (`adaptive`), at one scale for the whole raster.

    Args:
        path: The map.
        raster: What it is a map of, on the same grid.
        size: Mean area of the superpixels, in pixels.
        window: Side of the windows in pixels.

    Yields:
        (window, ids), 255 kept.

    Raises:
        GeoPointSegError: `size` is below 2.
    """
    measured = _measured(raster, size)
    scale = fitted_scale(_sample(raster, measured), size)
    for here, seen, image in _images(raster, measured, window, HALO):
        regions = superpixels(image, size=size, scale=scale)
        ids = read_labels(path, seen)
        yield here, _core(np.where(ids == UNLABELLED, ids, vote(ids, regions)), here, seen)


def pool_mean(
    path: Path, raster: Raster, *, size: int = 100, window: int = WINDOW
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Class ids from probabilities: in each superpixel the class that is the likeliest on the mean of its pixels.

    Superpixels are regions of a hierarchy by entropy rate (`hers`), all cut off it at one height for the whole raster.

    Args:
        path: Probabilities, as `geopointseg.maps.spool.spooled_probabilities` lays them down.
        raster: What they are of, on the same grid.
        size: Mean area of the superpixels, in pixels.
        window: Side of the windows in pixels.

    Yields:
        (window, ids), 255 where there are no probabilities.

    Raises:
        GeoPointSegError: `size` is below 2.
    """
    measured = _measured(raster, size)
    height = _fitted_height(_sample(raster, measured), size)
    for here, seen, image in _images(raster, measured, window, HERS_HALO):
        regions = hers(image).cut(height)
        with reading(path, seen) as source:
            shares = source.read(window=seen.to_rasterio())
        yield here, _core(mean_class(shares, regions), here, seen)


def vote(labels: NDArray[np.uint8], regions: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Give every region (1…n) the class that most of its pixels have; 255 does not count, ties go to the lowest id."""
    known = labels != UNLABELLED
    size = int(labels[known].max(initial=0)) + 1
    votes = np.bincount(regions[known] * size + labels[known], minlength=size * (int(regions.max()) + 1))
    votes = votes.reshape(-1, size)
    winner = np.where(votes.any(axis=1), votes.argmax(axis=1), UNLABELLED).astype(np.uint8)
    return winner[regions]


def mean_class(shares: NDArray[np.uint16], regions: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Give every region (1…n) the class that is the likeliest on the mean of its pixels; ties go to the lowest id.

    Args:
        shares: (classes, height, width) probabilities in whole steps, `NO_PROBABILITY` where there is none.
        regions: (height, width).

    Returns:
        (height, width) class ids, 255 where there are no probabilities.
    """
    known = shares[0] != NO_PROBABILITY
    count = int(regions.max(initial=0)) + 1
    # sums of whole numbers are exact: the order of the pixels, and so the windows, cannot show in them
    sums = np.stack([np.bincount(regions[known], each[known], minlength=count) for each in shares])
    return np.where(known, sums.argmax(axis=0).astype(np.uint8)[regions], np.uint8(UNLABELLED))


def _measured(raster: Raster, size: int) -> Statistics:
    """What the raster's bands are stretched by.

    Raises:
        GeoPointSegError: `size` is below 2.
    """
    if size < 2:
        raise GeoPointSegError(f"expected superpixels of at least 2 pixels, got {size}: give a larger --pool-size")
    return statistics([raster])


def _sample(raster: Raster, measured: Statistics) -> NDArray[np.float32]:
    """The middle of a raster, or another part if that lacks data, stretched: how finely to cut is found on it."""
    height, width = (max(0, side - WINDOW) for side in raster.grid.shape)
    rows, cols = (np.unique(np.linspace(0, end, PLACES, dtype=int)).tolist() for end in (height, width))
    places = [(height // 2, width // 2), *product(rows, cols)]
    best: NDArray[np.float32] | None = None
    for row, col in places:
        pixels = read(raster, Window(row, col, WINDOW, WINDOW).within(*raster.grid.shape))
        if valid(pixels).mean() >= 0.5:
            return scaled(pixels, measured)
        if best is None or valid(pixels).sum() > valid(best).sum():
            best = pixels
    return scaled(best, measured)  # type: ignore[arg-type]  # there is a first place


def _fitted_height(image: NDArray[np.float32], size: int) -> float:
    """The height at which a hierarchy of this image falls into regions of this mean area in pixels."""
    heights = np.sort(hers(image).height)[::-1]  # each leaf whose merge is higher is a region's head
    return float(heights[round(len(heights) / size)]) if len(heights) >= size else FAR


def _images(
    raster: Raster, measured: Statistics, window: int, halo: int
) -> Iterator[tuple[Window, Window, NDArray[np.float32]]]:
    """Each window, the same with its surroundings, and the image of these, stretched."""
    windows = list(raster.grid.tiles(window))
    for here in tqdm(windows, f"pooling of {raster.path.name}", unit="window", disable=None, leave=False):
        seen = here.grown(halo).within(*raster.grid.shape)
        yield here, seen, scaled(read(raster, seen), measured)


def _core(ids: NDArray[np.uint8], here: Window, seen: Window) -> NDArray[np.uint8]:
    """What lies in a window, of its surroundings too."""
    return ids[here.row - seen.row :, here.col - seen.col :][: here.height, : here.width]
