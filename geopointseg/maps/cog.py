"""Cloud-optimised GeoTIFFs: windows go to a plain GeoTIFF first, which GDAL then copies into COG layout."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import rasterio.shutil
from rasterio.io import DatasetWriter

from geopointseg.classes import UNLABELLED
from geopointseg.grid import Grid
from geopointseg.raster import creating

__all__ = ["BLOCK", "creating_cog"]

BLOCK = 512  # side of its tiles


@contextmanager
def creating_cog(
    path: Path, grid: Grid, *, overviews: Literal["MODE", "AVERAGE"], count: int = 1
) -> Iterator[DatasetWriter]:
    """Open a uint8 raster with nodata 255 for writing; it becomes a COG when the block ends well.

    Neither step holds the raster in memory; both files lie in the folder of `path`, which the caller clears on failure.

    Args:
        path: The COG.
        grid: Its georeference.
        overviews: How four pixels become one.
        count: Bands.
    """
    plain = path.with_name(f"{path.stem}.plain.tif")
    with creating(plain, grid, count=count, nodata=UNLABELLED) as target:
        yield target
    rasterio.shutil.copy(
        plain,
        path,
        driver="COG",
        compress="LZW",
        blocksize=BLOCK,
        overview_resampling=overviews,
        bigtiff="IF_SAFER",
        num_threads="ALL_CPUS",
    )
    plain.unlink()
