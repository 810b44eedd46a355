"""Rendering: every cluster in the mean colour of its pixels, as a GeoTIFF and as a picture."""

from pathlib import Path

import numpy as np
import rasterio
from matplotlib.image import imsave
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from geopointseg.classes import UNLABELLED
from geopointseg.clustering.partition import Partition
from geopointseg.files import replacing
from geopointseg.maps.spool import Windows
from geopointseg.raster import Raster, creating

__all__ = ["colors", "render"]

SIDE = 2048  # pixels of the picture at most


def colors(partition: Partition) -> NDArray[np.uint8]:
    """(256, 4) red, green, blue and alpha of each cluster: its first three bands, stretched, or the first as grey."""
    means = np.array(partition.means, float)
    shown = means[:, :3] if means.shape[1] >= 3 else means[:, [0, 0, 0]]
    table = np.zeros((256, 4), np.uint8)
    table[: len(shown), :3] = np.rint(np.clip(shown, 0, 1) * 255)
    table[:UNLABELLED, 3] = 255
    return table


def render(
    partition: Partition, raster: Raster, windows: Windows, path: Path, *, overwrite: bool = False
) -> tuple[Path, Path]:
    """Write a map of clusters in their mean colours.

    Args:
        partition: Of the clusters.
        raster: Whose grid they lie on.
        windows: (window, ids).
        path: A GeoTIFF of red, green, blue and alpha; the picture lies beside it as .png, of at most 2,048 pixels a side.
        overwrite: Replace existing files.

    Returns:
        Both files.
    """
    table = colors(partition)
    with creating(path, raster.grid, count=4, overwrite=overwrite) as target:
        target.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
        for window, ids in windows:
            target.write(np.moveaxis(table[ids], -1, 0), window=window.to_rasterio())
    picture = path.with_suffix(".png")
    with rasterio.open(path) as source:
        step = max(1, -(-max(source.shape) // SIDE))
        shape = (4, -(-source.height // step), -(-source.width // step))
        pixels = source.read(out_shape=shape)
    with replacing(picture, overwrite=overwrite) as partial:
        imsave(partial, np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
    return path, picture
