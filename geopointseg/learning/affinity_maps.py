"""Affinity maps: what an affinity network says of a raster, as a file that superpixels can be grown from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder
from geopointseg.labels.graph import NEIGHBOURS
from geopointseg.labels.superpixels import scaled
from geopointseg.learning.affinity import predict_affinity
from geopointseg.learning.affinity_files import load_affinity
from geopointseg.learning.dal import Dal
from geopointseg.raster import creating, read
from geopointseg.statistics import open_rasters

__all__ = ["affinity"]

TILE = 1024  # pixels of a window; a multiple of the GeoTIFF block
NAMES = ("NW", "N", "NE", "W", "E", "SW", "S", "SE")


def affinity(
    model: Path,
    rasters: Sequence[str],
    *,
    out: Path = Path("affinities"),
    crs: str | None = None,
    nodata: float | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Say how surely every pixel belongs with each of its neighbours, for 'geopointseg mask --affinity'.

    Args:
        model: Network from 'geopointseg train-affinity', or a published DAL checkpoint (of three bands, stretched by
            their percentiles).
        rasters: Raster files, folders or globs.
        out: Folder for the maps: eight bands for the neighbours north-west, north, … south-east, 255 for surely.
        crs: CRS of rasters that have none, for example EPSG:32633.
        nodata: No-data value of rasters that declare none.
        overwrite: Replace existing files.

    Returns:
        A file for each raster, of its name.

    Raises:
        GeoPointSegError: see `load_affinity`, `open_rasters` and `predict_affinity`; the maps would replace the rasters.
    """
    network = load_affinity(model)
    opened, statistics = open_rasters(rasters, crs=crs, nodata=nodata)
    new_folder(out)
    files = []
    for raster in opened:
        path = out / f"{raster.path.stem}.tif"
        if path.resolve() == raster.path.resolve():
            raise GeoPointSegError(
                f"expected a folder of its own for the maps, got that of {raster.path}: choose another"
            )
        with creating(path, raster.grid, count=len(NEIGHBOURS), overwrite=overwrite) as target:
            for band, name in enumerate(NAMES, 1):
                target.set_band_description(band, f"affinity to {name}")
            target.scales = [1 / 255] * len(NEIGHBOURS)
            tiles = list(raster.grid.tiles(TILE))
            for window in tqdm(tiles, f"affinities of {raster.path.name}", unit="window", disable=None, leave=False):
                seen = window.grown(network.halo).within(*raster.grid.shape)
                pixels = read(raster, seen)
                if isinstance(network, Dal):
                    pixels = scaled(pixels, statistics) * 255
                found = predict_affinity(network, pixels)
                top, left = window.row - seen.row, window.col - seen.col
                core = found[:, top : top + window.height, left : left + window.width]
                target.write(np.round(core * 255).astype(np.uint8), window=window.to_rasterio())
        files.append(path)
    return tuple(files)
