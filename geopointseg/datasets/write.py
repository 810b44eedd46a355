"""Writing: the raster of an image and the class raster of its truth, on one grid, streamed row by row of tiles."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.datasets.dataset import Pair
from geopointseg.datasets.vrt import BandSource, sources_of, write_vrt
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.raster import creating

__all__ = ["grid_of", "write_image", "write_truth"]

ROWS = 512  # read and written together: a row of tiles
SHOWN = 8  # of the colours that are no class


def grid_of(pair: Pair) -> Grid:
    """Where the image of a pair lies: as it says, else as the data set says.

    Raises:
        GeoPointSegError: neither says it, or the image cannot be read.
    """
    with _opened(pair.image) as source:
        crs, transform, shape = source.crs, source.transform, source.shape
    if not transform.is_identity and crs:
        return Grid(crs, transform, *shape)
    if pair.place is not None and not (transform.is_identity and pair.place.transform is None):
        return Grid(pair.place.crs, pair.place.transform or transform, *shape)
    raise GeoPointSegError(
        f"expected {pair.image} to say where it lies, got rows and columns only: is the world file (.tfw) missing beside it?"
    )


def write_image(
    pair: Pair, grid: Grid, folder: Path, *, copy: bool = False, base: Path | None = None, overwrite: bool = False
) -> tuple[Path, list[str]]:
    """Write the raster of a pair: a virtual one, or a copy.

    Returns:
        The file, and what a reader should know of it.
    """
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        own = range(1, len(pair.names) - len(pair.more) + 1)  # GDAL may take infrared for alpha
        bands = sources_of(pair.image, [] if pair.rgb else own, rgb=pair.rgb)
        bands += [sources_of(path, [1])[0] for path in pair.more]
    notes = []
    for source in bands:
        short = max(grid.height - source.height, grid.width - source.width)
        if short > ROWS or source.height > grid.height or source.width > grid.width:
            raise GeoPointSegError(
                f"expected {source.path} of {grid.height} × {grid.width} pixels like {pair.image}, got "
                f"{source.height} × {source.width}: is it of another image?"
            )
        if short:
            notes.append(f"{source.path.name} lacks {short} rows or columns at its end: they are 0")
    tags = {"SYNTHETIC_GEOREFERENCE": "YES"} if pair.place is not None and pair.place.made_up else {}
    if not copy:
        out = folder / f"{pair.name}.vrt"
        return write_vrt(out, grid, bands, names=pair.names, tags=tags, base=base, overwrite=overwrite), notes
    out = folder / f"{pair.name}.tif"
    with TemporaryDirectory(prefix=".virtual-", dir=folder) as made:
        virtual = write_vrt(Path(made) / "image.vrt", grid, bands)
        _copy(virtual, out, grid, bands, pair.names, tags, overwrite=overwrite)
    return out, notes


def _copy(
    virtual: Path,
    out: Path,
    grid: Grid,
    bands: Sequence[BandSource],
    names: Sequence[str],
    tags: dict[str, str],
    *,
    overwrite: bool,
) -> None:
    """Copy a raster into a tiled GeoTIFF, row by row of tiles."""
    first = bands[0]
    with (
        rasterio.open(virtual) as source,
        creating(out, grid, count=len(bands), dtype=first.dtype, nodata=first.nodata, overwrite=overwrite) as target,
    ):
        target.update_tags(**tags)
        for number, name in enumerate(names[: len(bands)], 1):
            target.set_band_description(number, name)
        for window in strips(grid):
            target.write(source.read(window=window.to_rasterio()), window=window.to_rasterio())


def write_truth(pair: Pair, grid: Grid, classes: Classes, out: Path, *, overwrite: bool = False) -> NDArray[np.int64]:
    """Write the truth of a pair as class ids on the image's grid, 255 for what is no class.

    Returns:
        (256,) pixels of each id.

    Raises:
        GeoPointSegError: the truth has another size or place than the image, or holds what is no class: all is counted.
    """
    counts, unknown = np.zeros(256, np.int64), Counter[str]()
    with ExitStack() as stack:
        sources = [stack.enter_context(_opened(path)) for path in pair.truth]
        for path, source in zip(pair.truth, sources, strict=True):
            _require_same(path, source, pair, grid)
        target = stack.enter_context(creating(out, grid, nodata=UNLABELLED, overwrite=overwrite))
        target.write_colormap(1, classes.colormap())
        target.update_tags(CLASSES=classes.to_tag())
        for window in strips(grid):
            area = window.to_rasterio()
            try:
                bands = np.concatenate([source.read(window=area) for source in sources])
            except RasterioError as error:
                raise GeoPointSegError(
                    f"expected whole truth in {pair.truth[0]}, got '{error}': the file is damaged; fetch it again"
                ) from error
            ids, strange = pair.decode(bands)
            if pair.tiles is not None:
                ids = np.where(pair.tiles.kept(window), ids, np.uint8(UNLABELLED))
            unknown += strange
            counts += np.bincount(ids.ravel(), minlength=256)
            target.write(ids, 1, window=area)
        if unknown:
            raise _strange(pair, unknown, classes)
    return counts


def strips(grid: Grid) -> Iterator[Window]:
    """Windows over the whole width: what files that are stored by rows are quickly read in."""
    for row in range(0, grid.height, ROWS):
        yield Window(row, 0, ROWS, grid.width).within(grid.height, grid.width)


def _strange(pair: Pair, unknown: Counter[str], classes: Classes) -> GeoPointSegError:
    """The error for truth that holds what is no class."""
    first = ", ".join(f"{value} ({n:,})" for value, n in unknown.most_common(SHOWN))
    rest = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    in_colors = next(iter(unknown)).startswith("#")
    known = classes.colors if in_colors else map(str, classes.codes)
    return GeoPointSegError(
        f"expected only the {'colours' if in_colors else 'codes'} {', '.join(known)} of the classes in {pair.truth[0]}, got "
        f"{sum(unknown.values()):,} pixels of others: {first}{rest}: {pair.advice}"
    )


def _require_same(path: Path, source: DatasetReader, pair: Pair, grid: Grid) -> None:
    """Refuse truth that does not lie under its image."""
    if source.shape != grid.shape:
        raise GeoPointSegError(
            f"expected truth of {grid.height} × {grid.width} pixels like {pair.image}, got {source.shape[0]} × "
            f"{source.shape[1]} in {path}: is it of another image?"
        )
    if source.crs and not source.transform.is_identity and not (pair.place and pair.place.made_up):
        own = Grid(source.crs, source.transform, *source.shape)
        half = min(grid.pixel_size) / 2
        if own.crs != grid.crs or any(abs(a - b) > half for a, b in zip(own.bounds, grid.bounds, strict=True)):
            raise GeoPointSegError(
                f"expected truth in the place of {pair.image}, got {path} elsewhere: is it of another image?"
            )


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    """A file of a data set, which need not say where it lies.

    Raises:
        GeoPointSegError: it is missing or damaged.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
            source = rasterio.open(path)
    except RasterioError as error:
        raise GeoPointSegError(
            f"expected an image that GDAL reads, got {path} ({error}): it is missing or damaged; fetch the data set again"
        ) from error
    with source:
        yield source
