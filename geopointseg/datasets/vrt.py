"""GDAL's virtual rasters: an image gets a place, and bands of several files become one raster, without copying a pixel."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import rasterio
from rasterio.enums import ColorInterp

from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.grid import Grid

__all__ = ["BandSource", "sources_of", "write_vrt"]

GDAL_TYPES = {
    "uint8": "Byte",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}


@dataclass(frozen=True, slots=True)
class BandSource:
    """One band of one file."""

    path: Path
    band: int
    """Counted from 1."""
    dtype: str
    height: int
    width: int
    nodata: float | None = None
    component: int = 0
    """Of the colour that the file's palette has for the value: 1 red, 2 green, 3 blue; 0 for the value itself."""


def sources_of(path: Path, bands: Sequence[int] | None = None, *, rgb: bool = False) -> list[BandSource]:
    """The bands of a file as sources; alpha is left out.

    Args:
        path: Any raster that GDAL reads.
        bands: Bands to take, counted from 1; by default all but alpha.
        rgb: Three bands whatever there is: grey thrice, and a palette as its colours.
    """
    with rasterio.open(path) as source:
        if bands and max(bands) > source.count:
            raise GeoPointSegError(f"expected {max(bands)} bands in {path}, got {source.count}: is it another version?")
        height, width = source.shape
        dtypes, nodata, count = source.dtypes, source.nodatavals, source.count
        palette = source.colorinterp[0] == ColorInterp.palette
        alpha = {i for i, color in enumerate(source.colorinterp, 1) if color == ColorInterp.alpha}
    chosen = list(bands) if bands else [i for i in range(1, count + 1) if i not in alpha]
    if rgb and len(chosen) < 3:
        parts = [(1, part if palette else 0) for part in (1, 2, 3)]
    else:
        parts = [(band, 0) for band in (chosen[:3] if rgb else chosen)]
    return [BandSource(path, b, dtypes[b - 1], height, width, nodata[b - 1], part) for b, part in parts]


def write_vrt(
    out: Path,
    grid: Grid,
    bands: Sequence[BandSource],
    *,
    names: Sequence[str] = (),
    tags: dict[str, str] | None = None,
    base: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a virtual raster; the paths in it are relative, so that both can move together.

    Args:
        out: File to write, .vrt.
        grid: Where its pixels lie. A source that is smaller leaves the last rows or columns 0.
        bands: One source for each band, all of one type.
        names: Of the bands.
        tags: Of the raster.
        base: Folder that the file will be used from, where it is not written there.
        overwrite: Replace an existing file.

    Raises:
        GeoPointSegError: a type that virtual rasters have not, or types that differ.
    """
    types = {source.dtype for source in bands}
    if len(types) != 1 or not types <= set(GDAL_TYPES):
        raise GeoPointSegError(
            f"expected bands of one type ({', '.join(GDAL_TYPES)}) for {out}, got {', '.join(sorted(types))}: "
            "bring them to one with 'gdal_translate -ot'"
        )
    root = ET.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    _text(root, "SRS", grid.crs.to_wkt())  # in the order x, y, as nothing else is said
    t = grid.transform
    _text(root, "GeoTransform", ", ".join(repr(float(v)) for v in (t.c, t.a, t.b, t.f, t.d, t.e)))
    metadata = ET.SubElement(root, "Metadata")
    for key, value in {"AREA_OR_POINT": "Area", **(tags or {})}.items():
        _text(metadata, "MDI", value, key=key)
    for number, source in enumerate(bands, 1):
        band = ET.SubElement(root, "VRTRasterBand", dataType=GDAL_TYPES[source.dtype], band=str(number))
        if number <= len(names):
            _text(band, "Description", names[number - 1])
        if source.nodata is not None:
            _text(band, "NoDataValue", repr(float(source.nodata)))
        _text(band, "ColorInterp", "Undefined" if len(bands) != 3 else ("Red", "Green", "Blue")[number - 1])
        _add_source(band, source, base or out.parent)
    ET.indent(root)
    with replacing(out, overwrite=overwrite) as partial:
        ET.ElementTree(root).write(partial, encoding="utf-8")
    return out


def _add_source(band: ET.Element, source: BandSource, base: Path) -> None:
    """Say where the pixels of a band come from."""
    kind = "ComplexSource" if source.component else "SimpleSource"
    element = ET.SubElement(band, kind)
    relative = os.path.relpath(source.path.resolve(), base.resolve())
    _text(element, "SourceFilename", Path(relative).as_posix(), relativeToVRT="1")
    _text(element, "SourceBand", str(source.band))
    ET.SubElement(
        element,
        "SourceProperties",
        RasterXSize=str(source.width),
        RasterYSize=str(source.height),
        DataType=GDAL_TYPES[source.dtype],
    )
    area = {"xOff": "0", "yOff": "0", "xSize": str(source.width), "ySize": str(source.height)}
    ET.SubElement(element, "SrcRect", area)
    ET.SubElement(element, "DstRect", area)
    if source.component:
        _text(element, "ColorTableComponent", str(source.component))


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    """Add an element that holds text."""
    ET.SubElement(parent, tag, attributes).text = text
