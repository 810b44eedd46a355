"""Writing a map that any GIS shows with names and colours, whole with its companions or not at all."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopointseg import __version__
from geopointseg.classes import Classes
from geopointseg.files import replacing_files, require_new, sidecar
from geopointseg.grid import Grid, Window
from geopointseg.maps.cog import creating_cog
from geopointseg.maps.item import describe_map
from geopointseg.qgis import attribute_table, map_style

__all__ = ["map_files", "require_new_map", "write_map"]


def map_files(path: Path) -> tuple[Path, Path, Path, Path]:
    """The map and its companions: attribute table, QGIS style, STAC item."""
    return path, path.with_name(path.name + ".aux.xml"), sidecar(path, ".qml"), sidecar(path, ".json")


def require_new_map(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a place where the map or one of its companions would replace a file.

    Raises:
        GeoPointSegError: see `geopointseg.files.require_new`.
    """
    for file in map_files(path):
        require_new(file, overwrite=overwrite)


def write_map(
    path: Path,
    grid: Grid,
    classes: Classes,
    windows: Iterable[tuple[Window, NDArray[np.uint8]]],
    *,
    tags: Mapping[str, str] | None = None,
    check: Callable[[Path], object] | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write class ids as a cloud-optimised GeoTIFF with palette, nodata 255 and overviews by mode, and its companions.

    Args:
        path: The map, ending in .tif.
        grid: Its georeference.
        classes: What the ids mean.
        windows: (window, ids) in any order; pixels that none covers are nodata.
        tags: Where it comes from, see `geopointseg.maps.provenance`.
        check: Looks at the finished map, in a temporary folder with its companions; if it raises, nothing is written.
        overwrite: Replace an existing map and what lies beside it.

    Returns:
        The map, its .aux.xml (category names and attribute table), its .qml (QGIS style) and its .json (STAC item).

    Raises:
        GeoPointSegError: a file exists and `overwrite` is false, its folder cannot be written, or the disk is full.
    """
    files = map_files(path)
    tags = {"SOFTWARE": f"geopointseg {__version__}", **(tags or {})}
    with replacing_files(files, overwrite=overwrite) as folder:
        made, table, style, item = (folder / file.name for file in files)
        with creating_cog(made, grid, overviews="MODE") as target:
            target.write_colormap(1, classes.colormap())
            target.set_band_description(1, "land cover")
            target.update_tags(CLASSES=classes.to_tag(), **tags)
            for window, ids in windows:
                target.write(ids, 1, window=window.to_rasterio())
        table.write_text(attribute_table(classes), encoding="utf-8")
        style.write_text(map_style(classes), encoding="utf-8")
        described = describe_map(path.name, grid, classes, tags)
        item.write_text(json.dumps(described, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        if check is not None:
            check(made)
    return files
