"""Writing a map that any GIS shows with names and colours."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.files import replacing, sidecar
from geopointseg.grid import Grid, Window
from geopointseg.qgis import attribute_table, map_style
from geopointseg.raster import creating

__all__ = ["write_map"]


def write_map(
    path: Path,
    grid: Grid,
    classes: Classes,
    windows: Iterable[tuple[Window, NDArray[np.uint8]]],
    *,
    tags: dict[str, str] | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write class ids as a cloud-optimised GeoTIFF with palette, nodata 255 and overviews by mode.

    The windows go to a plain GeoTIFF beside the target first, which is then copied into COG layout; neither step holds
    the raster in memory.

    Args:
        path: The map, ending in .tif.
        grid: Its georeference.
        classes: What the ids mean.
        windows: (window, ids) in any order; pixels that none covers are nodata.
        tags: More GeoTIFF tags.
        overwrite: Replace an existing map.

    Returns:
        The map, its .aux.xml (category names and attribute table) and its .qml (QGIS style).
    """
    with replacing(path, overwrite=overwrite) as cog:
        plain = cog.with_name(f"{cog.name}.plain.tif")
        with creating(plain, grid, nodata=UNLABELLED) as target:
            target.write_colormap(1, classes.colormap())
            target.set_band_description(1, "land cover")
            target.update_tags(CLASSES=classes.to_tag(), **(tags or {}))
            for window, ids in windows:
                target.write(ids, 1, window=window.to_rasterio())
        rasterio.shutil.copy(
            plain,
            cog,
            driver="COG",
            compress="LZW",
            blocksize=512,
            overview_resampling="MODE",
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
        )
    files = {
        path.with_name(path.name + ".aux.xml"): attribute_table(classes),
        sidecar(path, ".qml"): map_style(classes),
    }
    for file, text in files.items():
        with replacing(file, overwrite=True) as partial:
            partial.write_text(text, encoding="utf-8")
    return path, *files
