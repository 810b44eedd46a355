"""The clauses of the map's contract that are about its GeoTIFF, each looked at with rasterio alone.

A clause takes a `Look` and gives what is wrong, in words; nothing where it holds. Nothing here knows how maps are written.
"""

from collections.abc import Iterator

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.windows import Window
from tqdm import tqdm

from geopointseg.maps.look import Look, layout_faults, rgb
from geopointseg.maps.modes import wrong_modes

__all__ = [
    "has_a_byte_per_pixel",
    "has_a_place",
    "has_its_palette",
    "has_nodata_255",
    "has_overviews_by_mode",
    "has_pixels_that_are_areas",
    "holds_classes_only",
    "is_cloud_optimised",
    "is_large_where_needed",
    "names_its_classes",
]

LARGE = 2**32  # bytes from which a plain TIFF cannot hold a raster that does not compress
SIDE = 2048  # of the windows that pixels are read in; a multiple of the tiles


def names_its_classes(look: Look) -> Iterator[str]:
    """Tag CLASSES: 1 to 254 classes with ids from 0 on, each name once, colours, codes."""
    if look.classes is None:
        given = look.source.tags().get("CLASSES", "none")
        yield f"expected ids from 0 on with different names, colours and codes in the tag CLASSES, got {given[:80]}"


def has_a_byte_per_pixel(look: Look) -> Iterator[str]:
    """GeoTIFF, one band, uint8."""
    found = look.source.driver, look.source.count, look.source.dtypes[0]
    if found != ("GTiff", 1, "uint8"):
        yield f"expected a GeoTIFF of one uint8 band, got {found[0]} of {found[1]} {found[2]}"


def is_cloud_optimised(look: Look) -> Iterator[str]:
    """COG: GDAL's layout tag, square tiles, overviews down to one tile, and all headers before all pixels."""
    yield from layout_faults(look.source)


def has_nodata_255(look: Look) -> Iterator[str]:
    """Nodata value 255."""
    if look.source.nodata != 255:
        yield f"expected nodata 255, got {look.source.nodata}"


def has_pixels_that_are_areas(look: Look) -> Iterator[str]:
    """AREA_OR_POINT=Area."""
    if (found := look.source.tags().get("AREA_OR_POINT")) != "Area":
        yield f"expected AREA_OR_POINT=Area, got {found}"


def has_a_place(look: Look) -> Iterator[str]:
    """A CRS and a north-up transform; the raster's own grid, where one is given."""
    source = look.source
    t = source.transform
    if not source.crs:
        yield "expected a CRS, got none"
    if t.is_identity or t.b or t.d or t.a <= 0 or t.e >= 0:
        yield f"expected a north-up transform, got {tuple(t)[:6]}"
    if look.grid is not None:
        own, wanted = ((tuple(x.transform)[:6], tuple(x.shape)) for x in (source, look.grid))
        if own != wanted or source.crs != look.grid.crs:
            yield f"expected the raster's grid, {wanted[1]} pixels from {wanted[0]}, got {own[1]} from {own[0]}"


def holds_classes_only(look: Look) -> Iterator[str]:
    """Every pixel is the id of a class, or 255."""
    count = len(look.classes or ())
    strange = np.zeros(256, np.int64)
    windows = list(_windows(look.source))
    for window in tqdm(windows, f"verifying {look.path.name}", unit="window", disable=None, leave=False):
        strange += np.bincount(look.source.read(1, window=window).ravel(), minlength=256)[:256]
    strange[[*range(count), 255]] = 0
    if strange.any():
        value = int(strange.argmax())
        yield f"expected ids below {count} or 255, got {value} in {strange[value]:,} pixels"


def has_its_palette(look: Look) -> Iterator[str]:
    """Palette: each class opaque in its colour, 255 transparent."""
    if look.source.colorinterp[0] != ColorInterp.palette:
        yield f"expected a palette, got {look.source.colorinterp[0].name}"
        return
    palette = look.source.colormap(1)
    for row in look.classes or ():
        if palette[row["id"]] != (*rgb(row["color"]), 255):
            yield f"expected {row['color']} opaque for {row['name']}, got {palette[row['id']]}"
    if palette[255][3] != 0:
        yield f"expected 255 transparent, got {palette[255]}"


def has_overviews_by_mode(look: Look) -> Iterator[str]:
    """Overviews by mode: in places spread over the raster, what most pixels below are, 255 aside."""
    for level in range(len(look.source.overviews(1))):
        finer = {} if level == 0 else {"overview_level": level - 1}
        with (
            rasterio.open(look.path, **finer) as below,
            rasterio.open(look.path, overview_level=level) as above,
        ):
            wrong, seen = wrong_modes(below, above)
        if wrong:
            yield f"expected the mode in overview {level + 1}, got something else in {wrong} of {seen} pixels"
            return


def is_large_where_needed(look: Look) -> Iterator[str]:
    """BigTIFF from 4 GB of pixels on."""
    with look.path.open("rb") as file:
        version = file.read(4)[2:]
    big = b"\x2b" in version
    size = look.source.width * look.source.height
    if size >= LARGE and not big:
        yield f"expected BigTIFF for {size:,} bytes of pixels, got a plain TIFF"


def _windows(source: DatasetReader) -> Iterator[Window]:
    """Windows over the whole raster."""
    for row in range(0, source.height, SIDE):
        for col in range(0, source.width, SIDE):
            yield Window(col, row, min(SIDE, source.width - col), min(SIDE, source.height - row))
