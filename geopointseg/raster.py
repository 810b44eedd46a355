"""Rasters: finding, opening, reading by whole-pixel windows, and writing.

One rule about missing data holds everywhere: `read` gives float32 with NaN in every band where a pixel has no data,
whether the file says so by a nodata value, an alpha band, a mask band or NaN, or the window reaches beyond the raster.
"""

import os
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, DatasetWriter

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.grid import Grid, Window
from geopointseg.remote import is_remote, located, remote_path, settings_of

__all__ = [
    "Raster",
    "creating",
    "find_rasters",
    "left_out",
    "open_raster",
    "raster_classes",
    "read",
    "read_labels",
    "reading",
    "small_cache",
    "valid",
]

CACHE = 64 * 2**20  # bytes
SUFFIXES = {".tif", ".tiff", ".vrt", ".jp2", ".img"}


@dataclass(frozen=True, slots=True)
class Raster:
    """One raster file as the package sees it."""

    path: Path
    grid: Grid
    bands: tuple[int, ...]
    """Bands to read, counted from 1 as GDAL does; an alpha band is never among them."""
    names: tuple[str, ...]
    """A name for each of `bands`: the file's own, else band_1, band_2, …"""
    dtype: str
    nodata: float | None
    """The value that means "no data": declared in the file, or given by the user."""


def small_cache() -> rasterio.Env:
    """A context in which GDAL keeps few blocks.

    Of its own accord it keeps a twentieth of all memory; but a stream reads each block once or twice.
    """
    return rasterio.Env(GDAL_CACHEMAX=CACHE)


def find_rasters(inputs: Iterable[str | Path]) -> list[Path]:
    """Files named one by one, by folder, by glob, or by what GDAL calls a file elsewhere, in that order and each once.

    https://, s3://, gs:// and az:// become GDAL's virtual paths; whether something is there shows when it is opened.

    Raises:
        GeoPointSegError: an input matches no file.
    """
    found: list[Path] = []
    for item in [inputs] if isinstance(inputs, str | Path) else inputs:
        path = Path(item)
        if is_remote(item):
            matches = [remote_path(item)]
        elif path.is_dir():
            matches = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        elif path.is_file():
            matches = [path]
        else:
            matches = sorted(
                p
                for p in Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))
                if p.is_file() and not p.name.startswith(".")
            )
        if not matches:
            raise GeoPointSegError(
                f"expected a raster file, a folder of rasters ({', '.join(sorted(SUFFIXES))}), a glob or a URL, "
                f"got {item}, which matches nothing: check the path"
            )
        found += matches
    if not found:
        raise GeoPointSegError("expected at least one raster, got none: name a file, a folder or a glob")
    return list(dict.fromkeys(found))


def open_raster(
    path: Path, *, crs: str | None = None, nodata: float | None = None, bands: Sequence[int] | None = None
) -> Raster:
    """Read a raster's header.

    Args:
        path: Any file GDAL reads.
        crs: Used where the file has no CRS of its own.
        nodata: Used where the file declares none.
        bands: Bands to use, counted from 1; all but alpha by default.

    Raises:
        GeoPointSegError: unreadable file, no CRS, rotated grid, or a band that does not exist.
    """
    try:
        with (
            warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
            settings_of(path),
            rasterio.open(located(path)) as source,
        ):
            own_crs, transform, shape = source.crs, source.transform, source.shape
            color, descriptions, dtype = source.colorinterp, source.descriptions, source.dtypes[0]
            own_nodata = source.nodata
    except RasterioError as error:
        raise GeoPointSegError(
            f"expected a raster that GDAL reads, got {located(path)} ({error}): check the file"
        ) from error
    if transform.is_identity:
        raise GeoPointSegError(
            f"expected a georeferenced raster, got {path}, which only has rows and columns: give it a place with "
            "QGIS's Georeferencer, a world file, or 'gdal_translate -a_srs … -a_ullr …'"
        )
    if not own_crs and not crs:
        raise GeoPointSegError(
            f"expected a raster with a coordinate reference system, got {path} without one: "
            "add --crs, for example --crs EPSG:32633"
        )
    chosen = tuple(bands or (i for i, c in enumerate(color, 1) if c != ColorInterp.alpha))
    if not set(chosen) <= set(range(1, len(color) + 1)):
        raise GeoPointSegError(f"expected bands between 1 and {len(color)} in {path}, got {list(chosen)}")
    return Raster(
        path=Path(path),
        grid=Grid(own_crs or parse_crs(str(crs)), transform, *shape),
        bands=chosen,
        names=tuple(descriptions[i - 1] or f"band_{i}" for i in chosen),
        dtype=dtype,
        nodata=nodata if own_nodata is None else own_nodata,
    )


def parse_crs(text: str) -> CRS:
    """A CRS from a user's words.

    Raises:
        GeoPointSegError: GDAL does not know it.
    """
    try:
        with rasterio.Env():  # keeps PROJ from printing its own line
            return CRS.from_user_input(text)
    except CRSError as error:
        raise GeoPointSegError(f"expected a CRS such as EPSG:32633, got {text!r}: look it up in QGIS") from error


def read(raster: Raster, window: Window, *, decimate: int = 1) -> NDArray[np.float32]:
    """Read a window, which may reach beyond the raster.

    Args:
        raster: What to read; its `bands` in their order.
        window: Which pixels.
        decimate: Take every n-th row and column (nearest neighbour); the window must then lie within the raster.

    Returns:
        (bands, height, width) float32, NaN where there is no data.

    Raises:
        GeoPointSegError: the file is damaged.
    """
    inside = window.within(*raster.grid.shape)
    shape = (-(-window.height // decimate), -(-window.width // decimate))
    out = np.full((len(raster.bands), *shape), np.nan, dtype=np.float32)
    if inside.height and inside.width:
        with reading(raster.path, inside) as source:
            pixels = _read_inside(source, raster, inside, decimate)
        top, left = inside.row - window.row, inside.col - window.col
        out[:, top : top + pixels.shape[1], left : left + pixels.shape[2]] = pixels
    return out


@contextmanager
def reading(path: Path, window: Window) -> Iterator[DatasetReader]:
    """A raster opened to read a window of it, and held open.

    Raises:
        GeoPointSegError: the file is damaged.
    """
    try:
        changed = 0 if is_remote(path) else path.stat().st_mtime_ns
        with settings_of(path):
            yield _held_open(path, changed, os.getpid(), threading.get_ident())
    except (RasterioError, OSError) as error:
        raise GeoPointSegError(
            f"expected a whole raster, got {located(path)}, which cannot be read at row {window.row}, column {window.col} "
            f"({error}): the file is damaged or cut short; fetch it again"
        ) from error


@lru_cache(maxsize=64)
def _held_open(path: Path, changed: int, process: int, thread: int) -> DatasetReader:
    """The file, opened once per change, process and thread: GDAL keeps its blocks, and chips that share them come fast."""
    return rasterio.open(located(path))


def _read_inside(source: DatasetReader, raster: Raster, window: Window, decimate: int) -> NDArray[np.float32]:
    """Pixels of a window that lies within the raster."""
    shape = (-(-window.height // decimate), -(-window.width // decimate))
    area = window.to_rasterio()
    raw = source.read(list(raster.bands), window=area, out_shape=(len(raster.bands), *shape))
    pixels: NDArray[np.float32] = raw.astype(np.float32)
    for band, number in enumerate(raster.bands):
        own = source.nodatavals[number - 1]
        nodata = raster.nodata if own is None else own
        if nodata is not None:
            pixels[band][raw[band] == nodata] = np.nan
    if raw.dtype.kind == "f":
        pixels[np.isinf(pixels)] = np.nan
    if MaskFlags.per_dataset in source.mask_flag_enums[raster.bands[0] - 1]:
        mask = source.dataset_mask(window=area, out_shape=shape, resampling=Resampling.nearest)
        pixels[:, mask == 0] = np.nan
    for number, color in enumerate(source.colorinterp, 1):
        if color == ColorInterp.alpha:  # read by hand: GDAL takes it for a mask only beside one or three bands
            pixels[:, source.read(number, window=area, out_shape=shape) == 0] = np.nan
    return pixels


def valid(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(height, width) true where at least one band of (bands, height, width) has data."""
    return np.asarray(~np.isnan(pixels).all(axis=0))


def read_labels(path: Path, window: Window) -> NDArray[np.uint8]:
    """Read a window of a class raster (a pseudo-mask, a map or dense truth): (height, width) uint8, 255 outside.

    Raises:
        GeoPointSegError: the file is damaged.
    """
    with reading(path, window) as source:
        inside = window.within(*source.shape)
        out = np.full((window.height, window.width), 255, dtype=np.uint8)
        top, left = inside.row - window.row, inside.col - window.col
        out[top : top + inside.height, left : left + inside.width] = source.read(1, window=inside.to_rasterio())
    return out


def raster_classes(path: Path) -> Classes:
    """The classes that a class raster of ours carries in its tags.

    Raises:
        GeoPointSegError: it carries none.
    """
    with rasterio.open(path) as source:
        tag = source.tags().get("CLASSES")
    if tag is None:
        raise GeoPointSegError(
            f"expected a class raster written by geopointseg, got {path} without class names: "
            "make it with 'geopointseg mask', 'predict' or 'prepare-folder'"
        )
    return Classes.from_tag(tag)


def left_out(raster: Raster) -> Iterator[str]:
    """What the file holds beside the bands in use, in words."""
    with settings_of(raster.path), rasterio.open(located(raster.path)) as source:
        alpha = [i for i, color in enumerate(source.colorinterp, 1) if color == ColorInterp.alpha]
        empty = sorted(set(range(1, source.count + 1)) - set(raster.bands) - set(alpha))
    if alpha:
        yield (
            f"band {alpha[0]} of {raster.path.name} is tagged as alpha: it says where there is data and is no input; "
            f"if it is near infrared, retag it with 'gdal_edit.py -colorinterp_{alpha[0]} undefined'"
        )
    if empty:
        yield f"bands without one valid pixel left out: {', '.join(map(str, empty))}"


@contextmanager
def creating(
    path: Path,
    grid: Grid,
    *,
    count: int = 1,
    dtype: str = "uint8",
    nodata: float | None = None,
    overwrite: bool = False,
) -> Iterator[DatasetWriter]:
    """Open a tiled GeoTIFF for writing; it appears at `path` only when the block ends well.

    Raises:
        GeoPointSegError: see `geopointseg.files.replacing`.
    """
    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": count,
        "dtype": dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "lzw",
        "bigtiff": "if_safer",
    }
    if count != 3:  # else GDAL takes the fourth of four 8-bit bands for alpha
        profile |= {"photometric": "minisblack", "alpha": "no"}
    with replacing(path, overwrite=overwrite) as partial, rasterio.open(partial, "w", **profile) as target:
        target.update_tags(AREA_OR_POINT="Area")
        yield target
