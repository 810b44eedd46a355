"""Writing: the pseudo-mask of one raster, its weights and the outlines of its regions, streamed window by window."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetWriter

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.files import require_new, sidecar
from geopointseg.labels.burn import Burned
from geopointseg.labels.outline import find_outlines, write_outlines
from geopointseg.labels.painter import Labelled, Painter
from geopointseg.labels.propagate import Painted
from geopointseg.labels.sheet import Sheet
from geopointseg.raster import Raster, creating, read, valid

__all__ = ["Counts", "mask_paths", "region_paths", "require_place", "write_mask"]


class Counts(NamedTuple):
    """What the points of one raster became; those of several add up."""

    pixels: NDArray[np.int64]
    """(classes,) labelled pixels."""
    guessed: int
    """Of these, pixels of no region: no click reaches them."""
    total: int
    """Pixels of the raster."""
    spread: int
    """Points that label a region."""
    conflicts: int
    """Points lost because another class disputes what they would label."""
    superpixels: float
    """Superpixels of one size in the windows that hold clicks, where such are cut."""
    cut: int
    """Pixels in them."""


def mask_paths(folder: Path, raster: Raster) -> tuple[Path, Path]:
    """Where a raster's pseudo-mask and weights lie in a folder of masks."""
    return folder / f"{raster.path.stem}.tif", folder / f"{raster.path.stem}_weights.tif"


def region_paths(folder: Path, raster: Raster) -> tuple[Path, Path, Path]:
    """Where the labelled regions lie: as polygons, and as a raster of their numbers with its style."""
    polygons = folder / f"{raster.path.stem}_regions.gpkg"
    return polygons, sidecar(polygons, ".tif"), sidecar(polygons, ".qml")


def require_place(folder: Path, raster: Raster, *, overwrite: bool) -> None:
    """Refuse a folder in which something stands where a raster's files are to go.

    Raises:
        GeoPointSegError: a file exists and `overwrite` is false, or the raster itself lies there.
    """
    for path in (*mask_paths(folder, raster), *region_paths(folder, raster)):
        require_new(path, overwrite=overwrite)
    if mask_paths(folder, raster)[0].resolve() == raster.path.resolve():
        raise GeoPointSegError(f"expected a folder of its own for the masks, got that of {raster.path}: choose another")


def write_mask(
    sheet: Sheet, paint: Painter, folder: Path, *, mode: str, outlines: bool = False, overwrite: bool = False
) -> tuple[tuple[Path, ...], Counts]:
    """Write the files of one raster.

    Args:
        sheet: The raster and its features.
        paint: What labels its windows.
        folder: Where the files go.
        mode: How points were spread, for the file's tags.
        outlines: Write the labelled regions, too; if not, those of an earlier mask go.
        overwrite: Replace existing files.

    Returns:
        The files, and what the points became.
    """
    grid, classes = sheet.raster.grid, sheet.classes
    pixels, guessed, superpixels, cut = np.zeros(len(classes), np.int64), 0, 0.0, 0
    kept, lost = np.zeros((2, len(sheet.frame)), bool)
    files, extra = mask_paths(folder, sheet.raster), region_paths(folder, sheet.raster)
    drawn: list[gpd.GeoDataFrame] = []
    with _opened(sheet, (*files, extra[1]) if outlines else files, mode, overwrite=overwrite) as targets:
        for burned, found in _finished(sheet, paint):
            labels, weights, _, regions, _ = found.painted
            for target, array in zip(targets, (labels, weights, regions), strict=False):
                target.write(array, 1, window=burned.window.to_rasterio())
            if outlines:
                fids = sheet.frame["source_fid"].to_numpy(object)
                drawn.append(find_outlines(found.painted, grid, burned.window, classes, fids))
            pixels += np.bincount(labels.ravel(), minlength=256)[: len(classes)]
            guessed += int(np.count_nonzero((labels != UNLABELLED) & (regions == 0)))
            kept[burned.feature[labels[burned.rows, burned.cols] == sheet.ids[burned.feature]]] = True
            lost[found.lost] = True
            superpixels, cut = superpixels + found.superpixels, cut + found.cut
    counts = Counts(
        pixels=pixels,
        guessed=guessed,
        total=grid.height * grid.width,
        spread=int((kept & sheet.train).sum()),
        conflicts=int((lost & ~kept).sum()),
        superpixels=superpixels,
        cut=cut,
    )
    if outlines:
        write_outlines(drawn, extra[0], classes, overwrite=overwrite)
        return (*files, *extra), counts
    for path in extra:  # those of an earlier run would belong to another mask
        path.unlink(missing_ok=True)
    return files, counts


@contextmanager
def _opened(sheet: Sheet, paths: tuple[Path, ...], mode: str, *, overwrite: bool) -> Iterator[list[DatasetWriter]]:
    """The files for labels and weights and, if it has a path, that for numbers of regions."""
    kinds = (("uint8", UNLABELLED), ("float32", 0), ("int32", 0))
    with ExitStack() as stack:
        targets = [
            stack.enter_context(creating(path, sheet.raster.grid, dtype=dtype, nodata=nodata, overwrite=overwrite))
            for path, (dtype, nodata) in zip(paths, kinds, strict=False)
        ]
        targets[0].write_colormap(1, sheet.classes.colormap())
        targets[0].update_tags(CLASSES=sheet.classes.to_tag(), METHOD=mode)
        yield targets


def _finished(sheet: Sheet, paint: Painter) -> Iterator[tuple[Burned, Labelled]]:
    """For every window what features cover, and what is labelled at last; regions are numbered on from window to window."""
    used = 0
    for number, burned in enumerate(sheet.progress(sheet.burned(), "pseudo-mask")):
        found = paint(number, burned.window)
        painted = _with_areas(found.painted, sheet, burned)
        disputed = _disputed(sheet, burned)
        closed = sheet.held_out_in(burned.window) | disputed
        painted.labels[closed], painted.weights[closed], painted.regions[closed] = UNLABELLED, 0, 0
        if found.guess is not None:
            bare = (painted.labels == UNLABELLED) & ~disputed
            painted.labels[bare], painted.weights[bare] = found.guess.labels[bare], found.guess.weights[bare]
        painted.regions[painted.regions > 0] += used
        painted = painted._replace(held=painted.held + np.array([[used], [0]], np.int64))
        used = max(used, int(painted.regions.max()), int(painted.held[0].max(initial=0)))
        yield burned, found._replace(painted=painted)


def _with_areas(painted: Painted, sheet: Sheet, burned: Burned) -> Painted:
    """Let the areas among the features label their pixels, each a region of its own; arrays change in place."""
    window, feature, rows, cols = burned
    fill = sheet.train[feature] & sheet.wide[feature]
    if not fill.any():
        return painted
    fill &= valid(read(sheet.raster, window))[rows, cols]
    rows, cols, areas = rows[fill], cols[fill], feature[fill]
    labels, weights, purity, regions, held = painted
    number = max(int(regions.max()), int(held[0].max(initial=0))) + 1 + areas
    labels[rows, cols], weights[rows, cols] = sheet.ids[areas], sheet.share[areas]
    regions[rows, cols], purity[rows, cols] = number, 1
    return painted._replace(held=np.hstack([held, np.unique(np.stack([number, areas]), axis=1)]))


def _disputed(sheet: Sheet, burned: Burned) -> NDArray[np.bool_]:
    """(height, width) true where nothing is to be said: what a held-out feature covers, or features of two classes do."""
    window, feature, rows, cols = burned
    disputed = np.zeros(window[2:], bool)
    other = ~sheet.train[feature]
    disputed[rows[other], cols[other]] = True
    lowest, highest = np.full(window[2:], UNLABELLED), np.full(window[2:], -1)
    np.minimum.at(lowest, (rows, cols), sheet.ids[feature])
    np.maximum.at(highest, (rows, cols), sheet.ids[feature])
    return np.asarray(disputed | (lowest < highest))
