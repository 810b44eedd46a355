"""Pseudo-masks: points and scribbles label the regions they reach, areas their pixels; what nothing labels stays 255."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from skimage.measure import label
from tqdm import tqdm

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, require_new, write_json
from geopointseg.grid import Window
from geopointseg.labels.burn import burn, burn_by_tile
from geopointseg.labels.edges import Affinity
from geopointseg.labels.graph import NEIGHBOURS
from geopointseg.labels.outline import find_outlines, write_outlines
from geopointseg.labels.points import Points, load_points
from geopointseg.labels.propagate import SCALES, Clicks, Cut, Painted, Reach, Trial, cut, find_reach, leave_out, paint
from geopointseg.labels.spread import Conflict, discs, single_pixels, spread, walk
from geopointseg.labels.superpixels import Method, fitted_scale, scaled, superpixels
from geopointseg.raster import Raster, Statistics, creating, open_raster, open_rasters, read, valid

__all__ = ["MaskReport", "Spreading", "mask", "mask_paths", "write_masks"]

TILE = 1024  # pixels of a window whose points are spread together; a multiple of the GeoTIFF block
HALO = 64  # pixels around it that superpixels see, so that they do not end at the window
SAMPLE = 1024  # pixels of the part of a raster that the scale of superpixels is fitted to

Mode = Literal["reach", "superpixels", "majority", "single-pixel", "radius", "random-walker"]
Image = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spreading:
    """How a click becomes more than a pixel."""

    spread: Mode = "reach"
    """What a click labels: the largest region that its class can be trusted to fill, found out from the clicks themselves;
    its superpixel, unless it holds another class; its superpixel by majority; its own pixel; a disc; or what a random
    walker reaches. All but the first are for comparison."""
    method: Method = "adaptive"
    """Superpixels, for superpixels and majority."""
    size: int = 400
    """Their mean area in pixels; for radius, that of the disc in pixels."""
    affinity: Path | None = None
    """Folder of affinity maps from 'geopointseg affinity', to grow regions by instead of colours."""


@dataclass(frozen=True, slots=True)
class MaskReport:
    """What the points became."""

    files: tuple[Path, ...]
    classes: Classes
    pixels: tuple[int, ...]
    """Labelled pixels per class, over all rasters."""
    total: int
    """Pixels of all rasters."""
    spread: int
    """Points that label a region, counted once per raster."""
    conflicts: int
    """Points lost because another class disputes what they would label."""
    reach: tuple[dict[str, Any], ...] = ()
    """How far every class reaches, where that was found out."""

    def figures(self) -> dict[str, Any]:
        """The counts as plain values, for JSON."""
        return {
            "labelled_pixels": dict(zip(self.classes.names, self.pixels, strict=True)),
            "labelled_share": sum(self.pixels) / self.total,
            "points_spread": self.spread,
            "points_in_conflict": self.conflicts,
            "reach": list(self.reach),
        }

    def __str__(self) -> str:
        """The counts in words."""
        rows = [f"{n:>12,} pixels  {name}" for n, name in zip(self.pixels, self.classes.names, strict=True)]
        for i, reach in enumerate(self.reach):
            rows[i] += f"; up to scale {reach['scale']}, by {reach['left_out_clicks']} clicks left out"
        lost = f"; {self.conflicts} lost: another class disputes what they would label" if self.conflicts else ""
        share = f"{self.spread} points label {sum(self.pixels) / self.total:.1%} of the raster{lost}"
        return "\n".join([*rows, share])


def mask(
    rasters: Sequence[str],
    *,
    points: Path,
    spreading: Spreading,
    out: Path = Path("masks"),
    outlines: bool = False,
    crs: str | None = None,
    nodata: float | None = None,
    overwrite: bool = False,
) -> MaskReport:
    """Spread checked points over the rasters: a pseudo-mask and its weights for every raster.

    Args:
        rasters: Raster files, folders or globs.
        points: GeoPackage from 'geopointseg check' or 'draw'.
        spreading: How a click becomes more than a pixel.
        out: Folder for the pseudo-masks and their weights.
        outlines: Write the labelled regions, too: as polygons in a GeoPackage that shows in QGIS what each click became,
            and as a raster of their numbers.
        crs: CRS of rasters that have none, for example EPSG:32633.
        nodata: No-data value of rasters that declare none.
        overwrite: Replace existing files.

    Returns:
        The account of all rasters.

    Raises:
        GeoPointSegError: two rasters of one name, or nothing labelled.
    """
    opened, statistics = open_rasters(rasters, crs=crs, nodata=nodata)
    stems = [raster.path.stem for raster in opened]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise GeoPointSegError(f"expected rasters of different names, got {twice} more than once: rename one of them")
    loaded = load_points(points)
    new_folder(out)
    report = write_masks(opened, statistics, loaded, out, spreading, outlines=outlines, overwrite=overwrite)
    if not sum(report.pixels):
        for file in report.files:
            file.unlink()
        raise GeoPointSegError(
            f"expected labelled pixels, got none from {len(loaded.used('train'))} training points: every one lies outside "
            "the rasters or is disputed by another class; try --spread reach"
        )
    write_json(out / "mask.json", report.figures())
    return replace(report, files=(*report.files, out / "mask.json"))


def write_masks(
    rasters: Sequence[Raster],
    statistics: Statistics,
    points: Points,
    folder: Path,
    spreading: Spreading | None = None,
    *,
    outlines: bool = False,
    overwrite: bool = False,
) -> MaskReport:
    """Write the pseudo-mask and the weights of each raster, on exactly its grid, from its training points.

    Points and scribbles label regions, areas the pixels they cover; every feature counts the same. Only windows that hold
    points are segmented. What is held out, with its gap, stays unlabelled, and so does every pixel that a held-out feature
    covers, or features of two classes.

    Returns:
        The account of all rasters.
    """
    spreading = spreading or Spreading()
    _check(spreading)
    for raster in rasters:
        regions = folder / f"{raster.path.stem}_regions.gpkg", folder / f"{raster.path.stem}_regions.tif"
        for path in (*mask_paths(folder, raster), *regions):
            require_new(path, overwrite=overwrite)
    sheets = [_Sheet(raster, statistics, points, spreading.affinity) for raster in rasters]
    with TemporaryDirectory(prefix=".cuts-", dir=folder) as cuts:
        reach = None
        if spreading.spread == "reach" and any(len(sheet.clicks.rows) for sheet in sheets):
            reach = find_reach(_trials(sheets, len(points.classes), Path(cuts)))
        parts = [
            _write(sheet, points, folder, spreading, reach, Path(cuts) / str(i), outlines=outlines, overwrite=overwrite)
            for i, sheet in enumerate(sheets)
        ]
    return MaskReport(
        files=tuple(file for part in parts for file in part.files),
        classes=points.classes,
        pixels=tuple(sum(column) for column in zip(*(part.pixels for part in parts), strict=True)),
        total=sum(part.total for part in parts),
        spread=sum(part.spread for part in parts),
        conflicts=sum(part.conflicts for part in parts),
        reach=reach.records(points.classes.names) if reach else (),
    )


def mask_paths(folder: Path, raster: Raster) -> tuple[Path, Path]:
    """Where a raster's pseudo-mask and weights lie in a folder of masks."""
    return folder / f"{raster.path.stem}.tif", folder / f"{raster.path.stem}_weights.tif"


class _Sheet:
    """A raster with the features on it."""

    def __init__(self, raster: Raster, statistics: Statistics, points: Points, affinities: Path | None) -> None:
        """Find the pixels of clicks and scribbles; those of areas are found window by window."""
        self.raster, self.statistics = raster, statistics
        self.maps = None if affinities is None else _open_maps(affinities / f"{raster.path.stem}.tif", raster)
        self.frame = points.frame[points.frame["status"].isin(["used", "conflict"])]
        self.train = (self.frame["split"] == "train").to_numpy(bool)
        self.ids = self.frame["class_id"].to_numpy(dtype=np.int64)
        self.wide = shapely.get_dimensions(self.frame.geometry.to_numpy()) == 2
        self.held_out = points.held_out.to_crs(raster.grid.crs.to_wkt())
        covered, found = np.zeros(len(self.frame), np.int64), []
        for window, feature, rows, cols in self.tiles():
            covered += np.bincount(feature, minlength=len(self.frame))
            seed = self.train[feature] & ~self.wide[feature]
            found.append(np.stack([rows[seed] + window.row, cols[seed] + window.col, feature[seed]]))
        self.share = 1 / np.maximum(covered, 1)
        rows, cols, feature = np.hstack(found)
        self.clicks = Clicks(rows, cols, self.ids[feature], self.share[feature], feature)

    def tiles(self) -> Iterator[tuple[Window, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Every window, and the pixels that features cover in it."""
        yield from burn_by_tile(self.frame.geometry, self.raster.grid, TILE)

    def seen(self, window: Window) -> Window:
        """The window with its halo."""
        return window.grown(HALO).within(*self.raster.grid.shape)

    def image(self, window: Window) -> Image:
        """The scaled pixels of a window."""
        return scaled(read(self.raster, window), self.statistics)

    def affinity(self, window: Window) -> Affinity:
        """What makes neighbours alike in a window."""
        return "colour" if self.maps is None else read(self.maps, window) / np.float32(255)


def _trials(sheets: Sequence[_Sheet], classes: int, cuts: Path) -> list[Trial]:
    """Cut every window that holds clicks, keep what was cut on disk, and leave each click out in turn."""
    trials = []
    for i, sheet in enumerate(sheets):
        (cuts / str(i)).mkdir()
        tiles = list(sheet.raster.grid.tiles(TILE))
        for n, window in enumerate(_progress(tiles, f"superpixels of {sheet.raster.path.name}", len(tiles))):
            seen = sheet.seen(window)
            clicks = sheet.clicks.within(seen)
            if len(clicks.rows):
                found = cut(sheet.image(seen), clicks, affinity=sheet.affinity(seen))
                rows, cols = clicks.rows + seen.row - window.row, clicks.cols + seen.col - window.col
                counted = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
                trials.append(leave_out(found, clicks, classes, counted))
                np.savez_compressed(cuts / str(i) / f"{n}.npz", regions=found.regions)
    return trials


def _write(
    sheet: _Sheet,
    points: Points,
    folder: Path,
    spreading: Spreading,
    reach: Reach | None,
    cuts: Path,
    *,
    outlines: bool,
    overwrite: bool,
) -> MaskReport:
    """Write the files of one raster."""
    raster = sheet.raster
    pixels, count = np.zeros(len(points.classes), np.int64), len(sheet.frame)
    kept, lost = np.zeros(count, bool), np.zeros(count, bool)
    mask_path, weights_path = mask_paths(folder, raster)
    if mask_path.resolve() == raster.path.resolve():
        raise GeoPointSegError(f"expected a folder of its own for the masks, got that of {raster.path}: choose another")
    spread_window = _spreader(sheet, spreading, reach, cuts)
    drawn: list[gpd.GeoDataFrame] = []
    numbers, used = folder / f"{raster.path.stem}_regions.tif", 0
    numbered = (
        creating(numbers, raster.grid, dtype="int32", nodata=0, overwrite=overwrite) if outlines else nullcontext()
    )
    with (
        numbered as numbers_file,
        creating(mask_path, raster.grid, nodata=UNLABELLED, overwrite=overwrite) as labels_file,
        creating(weights_path, raster.grid, dtype="float32", nodata=0, overwrite=overwrite) as weights_file,
    ):
        labels_file.write_colormap(1, points.classes.colormap())
        labels_file.update_tags(CLASSES=points.classes.to_tag(), METHOD=spreading.spread)
        tiles = len(list(raster.grid.tiles(TILE)))
        bar = _progress(sheet.tiles(), f"pseudo-mask of {raster.path.name}", tiles)
        for n, (window, feature, rows, cols) in enumerate(bar):
            painted, gone = spread_window(n, window)
            lost[gone] = True
            labels, weights, held = painted.labels, painted.weights, painted.held
            fill = sheet.train[feature] & sheet.wide[feature]
            if fill.any():
                areas = feature[fill]
                labels[rows[fill], cols[fill]] = sheet.ids[areas]
                weights[rows[fill], cols[fill]] = sheet.share[areas]
                number = max(int(painted.regions.max()), int(held[0].max(initial=0))) + 1 + areas
                painted.regions[rows[fill], cols[fill]] = number
                held = np.hstack([held, np.unique(np.stack([number, areas]), axis=1)])
                painted.purity[rows[fill], cols[fill]] = 1
            closed = burn(_near(sheet.held_out, raster, window), raster.grid, window, touched=True)
            closed[rows[~sheet.train[feature]], cols[~sheet.train[feature]]] = True
            closed |= _contested(window, rows, cols, sheet.ids[feature])
            if fill.any():
                closed |= ~valid(read(raster, window))
            labels[closed], weights[closed], painted.regions[closed] = UNLABELLED, 0, 0
            labels_file.write(labels, 1, window=window.to_rasterio())
            weights_file.write(weights, 1, window=window.to_rasterio())
            pixels += np.bincount(labels.ravel(), minlength=256)[: len(pixels)]
            kept[feature[labels[rows, cols] == sheet.ids[feature]]] = True
            if numbers_file is not None:
                painted.regions[painted.regions > 0] += used
                numbers_file.write(painted.regions, 1, window=window.to_rasterio())
                fids = sheet.frame["source_fid"].to_numpy(object)
                shifted = painted._replace(held=held + np.array([[used], [0]], np.int64))
                drawn.append(find_outlines(shifted, raster.grid, window, points.classes, fids))
                used = max(used, int(painted.regions.max()), int(shifted.held[0].max(initial=0)))
    files: tuple[Path, ...] = (mask_path, weights_path)
    polygons = folder / f"{raster.path.stem}_regions.gpkg"
    if outlines:
        files += (write_outlines(drawn, polygons, points.classes, overwrite=overwrite), numbers)
    else:  # those of an earlier run would belong to another mask
        polygons.unlink(missing_ok=True)
        numbers.unlink(missing_ok=True)
    total = raster.grid.height * raster.grid.width
    counts = int((kept & sheet.train).sum()), int((lost & ~kept).sum())
    return MaskReport(files, points.classes, tuple(map(int, pixels)), total, *counts)


def _spreader(
    sheet: _Sheet, spreading: Spreading, reach: Reach | None, cuts: Path
) -> Callable[[int, Window], tuple[Painted, NDArray[np.int64]]]:
    """What labels a window, given its number and place: what it labels, and the features lost in conflicts."""
    nothing = np.zeros(0, np.int64)

    def blank(window: Window) -> Painted:
        shape = window[2:]
        zeros, nobody = np.zeros(shape, np.float32), np.zeros((2, 0), np.int64)
        return Painted(np.full(shape, UNLABELLED, np.uint8), zeros, zeros.copy(), np.zeros(shape, np.int32), nobody)

    def by_reach(n: int, window: Window) -> tuple[Painted, NDArray[np.int64]]:
        file, seen = cuts / f"{n}.npz", sheet.seen(window)
        if reach is None or not file.exists():
            return blank(window), nothing
        clicks = sheet.clicks.within(seen)
        regions = np.load(file)["regions"]
        found = Cut(regions, regions[:, clicks.rows, clicks.cols].astype(np.int64))
        return _core(paint(found, sheet.image(seen), clicks, reach), seen, window), nothing

    def at_one_scale(n: int, window: Window) -> tuple[Painted, NDArray[np.int64]]:
        seen = sheet.seen(window)
        clicks = sheet.clicks.within(seen)
        if not len(clicks.rows):
            return blank(window), nothing
        image, places = sheet.image(seen), (clicks.rows, clicks.cols, clicks.class_ids, clicks.shares)
        regions = None
        if spreading.spread in ("superpixels", "majority"):
            regions = superpixels(
                image, method=spreading.method, size=spreading.size, affinity=sheet.affinity(seen), scale=scale
            )
            conflict: Conflict = "majority" if spreading.spread == "majority" else "unlabelled"
            labels, weights, lost = spread(regions, *places, conflict=conflict)
        elif spreading.spread == "single-pixel":
            labels, weights, lost = single_pixels(valid(image), *places)
        elif spreading.spread == "radius":
            labels, weights, lost = discs(valid(image), *places, radius=float(np.sqrt(spreading.size / np.pi)))
        else:
            labels, weights, lost = walk(image, *places)
        if regions is None:  # patches of a class
            regions = _patches(labels)
        regions = np.where(labels == UNLABELLED, 0, regions)
        of_click = regions[clicks.rows, clicks.cols]
        held = np.unique(np.stack([of_click, clicks.feature])[:, of_click > 0], axis=1)
        painted = Painted(labels, weights, (weights > 0).astype(np.float32), regions, held)
        return _core(painted, seen, window), clicks.feature[lost]

    scale = None
    if spreading.spread in ("superpixels", "majority") and spreading.method in ("adaptive", "felzenszwalb"):
        sample = _sample(sheet)  # once, not window by window
        scale = fitted_scale(sheet.image(sample), spreading.size, sheet.affinity(sample))
    return by_reach if spreading.spread == "reach" else at_one_scale


def _open_maps(path: Path, raster: Raster) -> Raster:
    """The affinity maps of a raster.

    Raises:
        GeoPointSegError: they are missing, or not on its grid.
    """
    maps = open_raster(path)
    if not maps.grid.matches(raster.grid) or len(maps.bands) != len(NEIGHBOURS):
        raise GeoPointSegError(
            f"expected eight affinity maps on the grid of {raster.path}, got {len(maps.bands)} in {path}: "
            "make them with 'geopointseg affinity'"
        )
    return maps


def _patches(labels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(height, width) 1…n for connected patches of one class, 0 where there is none."""
    patches: NDArray[np.int32] = label(  # type: ignore[no-untyped-call]
        labels.astype(np.int32), background=UNLABELLED, connectivity=2
    ).astype(np.int32)
    return patches


def _core(painted: Painted, seen: Window, window: Window) -> Painted:
    """The part of what was seen that lies in the window."""
    top, left = window.row - seen.row, window.col - seen.col
    part = np.s_[top : top + window.height, left : left + window.width]
    labels, weights, purity, regions, held = painted
    return Painted(labels[part].copy(), weights[part].copy(), purity[part].copy(), regions[part].copy(), held)


def _sample(sheet: _Sheet) -> Window:
    """A part of a raster that has data: around its first click."""
    row, col = (int(place[0]) if len(place) else 0 for place in sheet.clicks[:2])
    height, width = sheet.raster.grid.shape
    top, left = (min(max(0, at - SAMPLE // 2), max(0, n - SAMPLE)) for at, n in ((row, height), (col, width)))
    return Window(top, left, SAMPLE, SAMPLE).within(height, width)


def _check(spreading: Spreading) -> None:
    """Refuse options that would have no effect."""
    cuts = spreading.spread in ("superpixels", "majority")
    default = Spreading()
    if spreading.method != default.method and not cuts:
        raise GeoPointSegError(
            f"expected --method with --spread superpixels or majority, got --spread {spreading.spread}: leave it out"
        )
    if spreading.size != default.size and not (cuts or spreading.spread == "radius"):
        raise GeoPointSegError(
            f"expected --size with --spread superpixels, majority or radius, got --spread {spreading.spread}: leave it out"
        )
    grown = spreading.spread == "reach" or (cuts and spreading.method in ("adaptive", "hers"))
    if spreading.affinity is not None and not grown:
        raise GeoPointSegError("expected --affinity with --spread reach, or --method adaptive or hers: leave it out")


def _progress(steps: Iterable[T], what: str, total: int) -> Iterator[T]:
    """The steps, with a progress bar."""
    yield from tqdm(steps, what, total=total, unit="window", disable=None, leave=False)


def _near(areas: gpd.GeoDataFrame, raster: Raster, window: Window) -> list[shapely.Geometry]:
    """The areas, in the raster's CRS, that may lie in the window."""
    west, south, east, north = raster.grid.window_bounds(window)
    return list(areas.cx[west:east, south:north].geometry)


def _contested(
    window: Window, rows: NDArray[np.int64], cols: NDArray[np.int64], ids: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(height, width) true where features of two classes cover a pixel."""
    lowest, highest = np.full(window[2:], UNLABELLED), np.full(window[2:], -1)
    np.minimum.at(lowest, (rows, cols), ids)
    np.maximum.at(highest, (rows, cols), ids)
    return np.asarray(lowest < highest)
