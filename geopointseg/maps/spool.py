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

__all__ = ["Windows", "spooled"]

Windows = Iterable[tuple[Window, NDArray[np.uint8]]]
"""(window, ids), in any order."""


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
