"""Pooling: every superpixel of the raster takes the class that most of its pixels have on the map."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.superpixels import fitted_scale, scaled, superpixels
from geopointseg.raster import Raster, read, read_labels, statistics

__all__ = ["pool", "vote"]

WINDOW = 1024  # side of the windows that superpixels are cut in
HALO = 128  # pixels around them: superpixels at their border are whole, and cut alike from both sides


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
    if size < 2:
        raise GeoPointSegError(f"expected superpixels of at least 2 pixels, got {size}: give a larger --pool-size")
    measured = statistics([raster])
    height, width = raster.grid.shape
    middle = Window(max(0, (height - WINDOW) // 2), max(0, (width - WINDOW) // 2), WINDOW, WINDOW)
    scale = fitted_scale(scaled(read(raster, middle.within(height, width)), measured), size)
    windows = list(raster.grid.tiles(window))
    for here in tqdm(windows, f"pooling of {raster.path.name}", unit="window", disable=None, leave=False):
        seen = here.grown(HALO).within(height, width)
        regions = superpixels(scaled(read(raster, seen), measured), size=size, scale=scale)
        ids = read_labels(path, seen)
        core = np.s_[here.row - seen.row :, here.col - seen.col :]
        pooled = np.where(ids == UNLABELLED, ids, vote(ids, regions))[core][: here.height, : here.width]
        yield here, pooled


def vote(labels: NDArray[np.uint8], regions: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Give every region (1…n) the class that most of its pixels have; 255 does not count, ties go to the lowest id."""
    known = labels != UNLABELLED
    size = int(labels[known].max(initial=0)) + 1
    votes = np.bincount(regions[known] * size + labels[known], minlength=size * (int(regions.max()) + 1))
    votes = votes.reshape(-1, size)
    winner = np.where(votes.any(axis=1), votes.argmax(axis=1), UNLABELLED).astype(np.uint8)
    return winner[regions]
