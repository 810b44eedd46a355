"""Spooling: a map on its way is laid down on disk, for what has to see more of it than a window."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.files import new_folder
from geopointseg.grid import Grid, Window
from geopointseg.raster import creating

__all__ = ["NO_PROBABILITY", "STEPS", "Windows", "as_steps", "spooled", "spooled_probabilities"]

Windows = Iterable[tuple[Window, NDArray[np.uint8]]]
"""(window, ids), in any order."""
STEPS, NO_PROBABILITY = 65534, 65535
"""Probabilities lie on disk as so many steps from 0 to 1; and what stands for none."""


@contextmanager
def spooled(windows: Windows, grid: Grid, *, near: Path) -> Iterator[Path]:
    """Write class ids to a temporary raster beside `near`; it goes when the block ends.

    Raises:
        GeoPointSegError: the folder cannot be written, or the disk is full.
    """
    with TemporaryDirectory(prefix=f".{near.stem}.spool-", dir=new_folder(near.parent)) as folder:
        path = Path(folder) / "ids.tif"
        with creating(path, grid, nodata=UNLABELLED) as target:
            for window, ids in windows:
                target.write(ids, 1, window=window.to_rasterio())
        yield path


@contextmanager
def spooled_probabilities(
    windows: Iterable[tuple[Window, NDArray[np.uint16]]], grid: Grid, count: int, *, near: Path
) -> Iterator[Path]:
    """Write probabilities to a temporary raster beside `near`; it goes when the block ends.

    Args:
        windows: (window, steps): (classes, height, width) as `as_steps` makes them, in any order.
        grid: Of the raster.
        count: How many classes there are.
        near: The map that is being made.

    Yields:
        A raster with a band for each class: it needs two bytes per class and pixel, before compression.

    Raises:
        GeoPointSegError: the folder cannot be written, or the disk is full.
    """
    with TemporaryDirectory(prefix=f".{near.stem}.spool-", dir=new_folder(near.parent)) as folder:
        path = Path(folder) / "probabilities.tif"
        with creating(path, grid, count=count, dtype="uint16", nodata=NO_PROBABILITY) as target:
            for window, steps in windows:
                target.write(steps, window=window.to_rasterio())
        yield path


def as_steps(probabilities: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Probabilities of pixels in whole steps, fine enough for their means; `NO_PROBABILITY` for NaN."""
    steps = np.round(np.nan_to_num(probabilities) * STEPS)
    return np.where(np.isnan(probabilities), NO_PROBABILITY, steps).astype(np.uint16)
