"""Colour masks of plain images: photographs and tiles without a place on Earth, as whole folders of them come.

Everywhere else a raster without a place is refused; here it is what is asked for, as in the Potsdam system's inference
(Abdullah-uz007/point-supervised-segmentation), but at the full size of each image.
"""

import warnings
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from tqdm import tqdm

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.figures import save_figure
from geopointseg.files import new_folder, replacing, require_new
from geopointseg.grid import Grid, Window
from geopointseg.learning.agreement import Ask, Pixels
from geopointseg.learning.agreement import classes as likeliest
from geopointseg.learning.backends import AUTO, Computing, predictor
from geopointseg.learning.bundle import load
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.accept import Difference, accept
from geopointseg.maps.classify import classify
from geopointseg.maps.predict import PredictReport
from geopointseg.raster import Raster, creating, read, valid

__all__ = ["SUFFIXES", "colour_masks", "find_images", "open_image"]

SUFFIXES = (".jpeg", ".jpg", ".png", ".tif", ".tiff")
LEGEND = "legend.png"
WINDOW = 512  # an image no larger is seen at once, several of one size together


def colour_masks(
    model: str | Path,
    images: Sequence[str],
    *,
    out: Path = Path("colour_masks"),
    batch_size: int = 8,
    computing: Computing = AUTO,
    nodata: float | None = None,
    allow: Sequence[Difference] = (),
    overwrite: bool = False,
) -> PredictReport:
    """Classify images without georeference into PNGs in the colours of the classes.

    Their pixels must be about as large as in training: nothing in such a file says it.

    Args:
        model: The folder model/ that 'geopointseg train' or 'run' wrote, a checkpoint, or hf://organisation/name.
        images: PNG, JPEG and TIFF files, folders or globs.
        out: Folder for one mask per image, NAME_mask.png, and legend.png.
        batch_size: Windows, or whole images of one size, classified together.
        computing: What computes the network, and in which number format.
        nodata: Value of pixels without data; by default the one the model was trained with, if it was.
        allow: Differences from the rasters of training that are no reason to refuse an image.
        overwrite: Replace existing masks.

    Returns:
        The files written (the masks, whose pixels are class ids with a palette, and the legend), and what computed them.

    Raises:
        GeoPointSegError: no image, an image the model was not made for, or a mask that would replace another file.
    """
    if batch_size < 1:
        raise GeoPointSegError(f"expected at least 1 image in a batch, got {batch_size}")
    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        task = load(model)
        card = task.hparams["card"]
        given = card["nodata"] if nodata is None else nodata
        allowed: tuple[Difference, ...] = (*allow, "band-names", "pixel-size")
        opened = [accept(open_image(path, nodata=given), card, allowed) for path in find_images(images)]
        targets = _targets(new_folder(out), opened, overwrite=overwrite)
        ask, classes = predictor(task, computing), Classes.from_records(card["classes"])
        with tqdm(total=len(opened), desc="images", unit="image", disable=None, leave=False) as progress:
            for raster, windows in _classified(task, ask, opened, batch_size):
                _write(targets[raster.path], raster.grid, classes, windows, overwrite=overwrite)
                progress.update()
        _draw_legend(out / LEGEND, classes)
    return PredictReport((*targets.values(), out / LEGEND), ask)


def find_images(inputs: Sequence[str]) -> list[Path]:
    """Image files by path, folder or glob, sorted within each.

    Raises:
        GeoPointSegError: an input matches none.
    """
    found: list[Path] = []
    for item in inputs:
        path = Path(item)
        inside = path.iterdir() if path.is_dir() else Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))
        matches = [path] if path.is_file() else sorted(file for file in inside if file.is_file())
        matches = [file for file in matches if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
        if not matches:
            raise GeoPointSegError(
                f"expected images ({', '.join(SUFFIXES)}), a folder of them or a glob, got {item}, which matches none: "
                "check the path"
            )
        found += matches
    return list(dict.fromkeys(found))


def open_image(path: Path, *, nodata: float | None = None) -> Raster:
    """Read an image's header; its grid has rows and columns, and no place.

    Args:
        path: Any file GDAL reads.
        nodata: Used where the file declares none.

    Raises:
        GeoPointSegError: unreadable file, or one of colour numbers.
    """
    try:
        with rasterio.open(path) as source:
            color, dtype, own, shape = source.colorinterp, source.dtypes[0], source.nodata, source.shape
    except RasterioError as error:
        raise GeoPointSegError(f"expected an image that GDAL reads, got {path} ({error}): check the file") from error
    if ColorInterp.palette in color:
        raise GeoPointSegError(
            f"expected the values of the bands, got {path}, whose pixels are numbers of colours: convert it with "
            "'gdal_translate -expand rgb', or leave it out if it is a mask"
        )
    bands = tuple(i for i, c in enumerate(color, 1) if c != ColorInterp.alpha)
    grid = Grid(CRS(), Affine(1, 0, 0, 0, -1, shape[0]), *shape)
    return Raster(path, grid, bands, tuple(f"band_{i}" for i in bands), dtype, nodata if own is None else own)


def _targets(out: Path, images: Sequence[Raster], *, overwrite: bool) -> dict[Path, Path]:
    """Where the mask of each image goes.

    Raises:
        GeoPointSegError: two of one name, or an existing file.
    """
    targets = {image.path: out / f"{image.path.stem}_mask.png" for image in images}
    for name in (*targets.values(), out / LEGEND):
        if list(targets.values()).count(name) > 1:
            raise GeoPointSegError(f"expected images of different names, got two of {name.name}: rename one of them")
        if name in targets:
            raise GeoPointSegError(f"expected a new file, got the image {name} itself: choose another --out")
        require_new(name, overwrite=overwrite)
    return targets


def _classified(
    task: PointSegmentationTask, ask: Ask, images: Sequence[Raster], batch_size: int
) -> Iterator[tuple[Raster, Iterator[tuple[Window, NDArray[np.uint8]]]]]:
    """Each image with its classes by window: neighbours of one small size together, larger ones window by window."""
    for (height, width), group in groupby(images, key=lambda image: image.grid.shape):
        alike = list(group)
        if max(height, width) > WINDOW:
            for image in alike:
                yield image, classify(task, image, ask=ask, window=WINDOW, batch_size=batch_size)
            continue
        for batch in (alike[i : i + batch_size] for i in range(0, len(alike), batch_size)):
            pixels = np.stack([read(image, Window(0, 0, height, width)) for image in batch])
            for image, ids, own in zip(batch, likeliest(ask(pixels)).astype(np.uint8), pixels, strict=True):
                yield image, _whole(ids, own)


def _whole(ids: NDArray[np.uint8], pixels: Pixels) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """An image seen at once, as its one window."""
    yield Window(0, 0, *ids.shape), np.where(valid(pixels), ids, np.uint8(UNLABELLED))


def _write(
    path: Path,
    grid: Grid,
    classes: Classes,
    windows: Iterator[tuple[Window, NDArray[np.uint8]]],
    *,
    overwrite: bool,
) -> None:
    """Write class ids as a PNG with a palette, in which pixels without data are transparent."""
    with replacing(path, overwrite=overwrite) as png, rasterio.Env(GDAL_PAM_ENABLED=False):
        plain = png.with_name(f"{png.name}.plain.tif")  # a PNG cannot be written window by window
        with creating(plain, grid, nodata=UNLABELLED) as target:
            target.write_colormap(1, classes.colormap())
            for window, ids in windows:
                target.write(ids, 1, window=window.to_rasterio())
        rasterio.shutil.copy(plain, png, driver="PNG", strict=False)
        plain.unlink()


def _draw_legend(path: Path, classes: Classes) -> Path:
    """Draw the classes and their colours."""
    figure = Figure(figsize=(3.2, 0.3 * len(classes) + 0.3))
    handles = [Patch(facecolor=c, edgecolor="0.3", label=n) for n, c in zip(classes.names, classes.colors, strict=True)]
    figure.legend(handles=handles, loc="center", frameon=False)
    return save_figure(figure, path)
