"""Pseudo-masks: points and scribbles label their superpixels, areas their pixels; what nothing labels stays 255."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, write_json
from geopointseg.grid import Window
from geopointseg.labels.burn import burn, burn_by_tile
from geopointseg.labels.points import Points, load_points
from geopointseg.labels.superpixels import Method, scaled, superpixels
from geopointseg.raster import Raster, Statistics, creating, open_rasters, read, valid

__all__ = ["MaskReport", "mask", "mask_paths", "spread", "write_mask"]

TILE = 1024  # pixels of a window whose points are spread together; a multiple of the GeoTIFF block
HALO = 64  # pixels around it that superpixels see, so that they do not end at the window

Conflict = Literal["unlabelled", "majority"]


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
    """Points lost because their superpixel holds another class."""

    def figures(self) -> dict[str, Any]:
        """The counts as plain values, for JSON."""
        return {
            "labelled_pixels": dict(zip(self.classes.names, self.pixels, strict=True)),
            "labelled_share": sum(self.pixels) / self.total,
            "points_spread": self.spread,
            "points_in_conflict": self.conflicts,
        }

    def __str__(self) -> str:
        """The counts in words."""
        rows = (f"{n:>12,} pixels  {name}" for n, name in zip(self.pixels, self.classes.names, strict=True))
        lost = f"; {self.conflicts} lost: their superpixel holds another class" if self.conflicts else ""
        share = f"{self.spread} points label {sum(self.pixels) / self.total:.1%} of the raster{lost}"
        return "\n".join([*rows, share])


def spread(
    regions: NDArray[np.int32],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    class_ids: NDArray[np.int64],
    shares: NDArray[np.float64] | None = None,
    *,
    conflict: Conflict = "unlabelled",
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Let each point label its superpixel.

    Args:
        regions: (height, width) superpixels; 0 is outside and never labelled.
        rows: Of the points, within `regions`.
        cols: Likewise.
        class_ids: Of the points.
        shares: How much each counts: 1 for a click, less for one of many pixels of a scribble.
        conflict: What becomes of a superpixel with points of two classes: unlabelled, or the class of the majority
            (ties to the lowest id, as in LSSQPS).

    Returns:
        (height, width) uint8 class ids with 255 elsewhere; (height, width) float32 weights; true for each point that is
        lost in a conflict. The weights of a region sum to its points, so that every click counts the same whatever its
        region's area.
    """
    shares = np.ones(len(rows)) if shares is None else shares
    region = regions[rows, cols]
    inside = region > 0
    votes = np.zeros((int(regions.max()) + 1, int(class_ids.max(initial=0)) + 1))
    np.add.at(votes, (region[inside], class_ids[inside]), shares[inside])
    winner, clicks = votes.argmax(axis=1), votes.max(axis=1)
    labelled = clicks > 0 if conflict == "majority" else np.count_nonzero(votes, axis=1) == 1

    area = np.bincount(regions.ravel(), minlength=len(votes))
    label_of = np.where(labelled, winner, UNLABELLED).astype(np.uint8)
    weight_of = np.where(labelled, clicks / np.maximum(area, 1), 0).astype(np.float32)
    return label_of[regions], weight_of[regions], inside & (label_of[region] != class_ids)


def mask_paths(folder: Path, raster: Raster) -> tuple[Path, Path]:
    """Where a raster's pseudo-mask and weights lie in a folder of masks."""
    return folder / f"{raster.path.stem}.tif", folder / f"{raster.path.stem}_weights.tif"


def write_mask(
    raster: Raster,
    statistics: Statistics,
    points: Points,
    folder: Path,
    *,
    method: Method = "felzenszwalb",
    size: int = 50,
    conflict: Conflict = "unlabelled",
    overwrite: bool = False,
) -> MaskReport:
    """Write the pseudo-mask and the weights of one raster, on exactly its grid, from its training points.

    Points and scribbles label the superpixels they lie in, areas the pixels they cover; every feature counts the same.
    Only windows that hold points are segmented. What is held out, with its gap, stays unlabelled, and so does every pixel
    that a held-out feature covers, or features of two classes.

    Returns:
        The account of this raster.
    """
    frame = points.frame[points.frame["status"].isin(["used", "conflict"])]
    train = (frame["split"] == "train").to_numpy(bool)
    ids = frame["class_id"].to_numpy(dtype=np.int64)
    wide = shapely.get_dimensions(frame.geometry.to_numpy()) == 2
    covered = sum(
        np.bincount(tile.feature, minlength=len(frame)) for tile in burn_by_tile(frame.geometry, raster.grid, TILE)
    )
    share = 1 / np.maximum(covered, 1)
    held_out = points.held_out.to_crs(raster.grid.crs.to_wkt())
    pixels, kept, lost = np.zeros(len(points.classes), np.int64), np.zeros(len(frame), bool), np.zeros(len(frame), bool)

    mask_path, weights_path = mask_paths(folder, raster)
    if mask_path.resolve() == raster.path.resolve():
        raise GeoPointSegError(f"expected a folder of its own for the masks, got that of {raster.path}: choose another")
    with (
        creating(mask_path, raster.grid, nodata=UNLABELLED, overwrite=overwrite) as labels_file,
        creating(weights_path, raster.grid, dtype="float32", nodata=0, overwrite=overwrite) as weights_file,
    ):
        labels_file.write_colormap(1, points.classes.colormap())
        labels_file.update_tags(CLASSES=points.classes.to_tag(), METHOD=f"{method}, size {size}, {conflict}")
        bar = tqdm(
            burn_by_tile(frame.geometry, raster.grid, TILE),
            f"superpixels of {raster.path.name}",
            total=len(list(raster.grid.tiles(TILE))),
            unit="window",
            disable=None,
            leave=False,
        )
        for window, feature, rows, cols in bar:
            labels, weights = np.full(window[2:], UNLABELLED, np.uint8), np.zeros(window[2:], np.float32)
            seed, fill = train[feature] & ~wide[feature], train[feature] & wide[feature]
            if seed.any():
                regions = _regions(raster, statistics, window, method=method, size=size)
                seeds = feature[seed]
                labels, weights, gone = spread(
                    regions, rows[seed], cols[seed], ids[seeds], share[seeds], conflict=conflict
                )
                lost[seeds[gone]] = True
            if fill.any():
                areas = feature[fill]
                labels[rows[fill], cols[fill]], weights[rows[fill], cols[fill]] = ids[areas], share[areas]
                closed = ~valid(read(raster, window))
                labels[closed], weights[closed] = UNLABELLED, 0
            closed = burn(_near(held_out, raster, window), raster.grid, window, touched=True)
            closed[rows[~train[feature]], cols[~train[feature]]] = True
            closed |= _contested(window, rows, cols, ids[feature])
            labels[closed], weights[closed] = UNLABELLED, 0
            labels_file.write(labels, 1, window=window.to_rasterio())
            weights_file.write(weights, 1, window=window.to_rasterio())
            pixels += np.bincount(labels.ravel(), minlength=256)[: len(pixels)]
            kept[feature[labels[rows, cols] == ids[feature]]] = True
    total = raster.grid.height * raster.grid.width
    counts = int((kept & train).sum()), int((lost & ~kept).sum())
    return MaskReport((mask_path, weights_path), points.classes, tuple(map(int, pixels)), total, *counts)


def mask(
    rasters: Sequence[str],
    *,
    points: Path,
    out: Path = Path("masks"),
    method: Method = "felzenszwalb",
    size: int = 50,
    conflict: Conflict = "unlabelled",
    crs: str | None = None,
    nodata: float | None = None,
    overwrite: bool = False,
) -> MaskReport:
    """Spread checked points over superpixels: a pseudo-mask and its weights for every raster.

    Args:
        rasters: Raster files, folders or globs.
        points: GeoPackage from 'geopointseg check' or 'draw'.
        out: Folder for the pseudo-masks and their weights.
        method: Superpixel algorithm.
        size: Superpixel size: mean area in pixels (slic) or scale (felzenszwalb); larger labels more, less surely.
        conflict: What becomes of a superpixel with points of two classes.
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
    each = [
        write_mask(raster, statistics, loaded, out, method=method, size=size, conflict=conflict, overwrite=overwrite)
        for raster in opened
    ]
    report = MaskReport(
        files=(*(file for r in each for file in r.files), out / "mask.json"),
        classes=loaded.classes,
        pixels=tuple(sum(column) for column in zip(*(r.pixels for r in each), strict=True)),
        total=sum(r.total for r in each),
        spread=sum(r.spread for r in each),
        conflicts=sum(r.conflicts for r in each),
    )
    if not sum(report.pixels):
        for file in report.files[:-1]:
            file.unlink()
        raise GeoPointSegError(
            f"expected labelled pixels, got none from {len(loaded.used('train'))} training points: every one lies outside "
            "the rasters or in a superpixel with another class; try a smaller --size"
        )
    write_json(out / "mask.json", report.figures())
    return report


def _regions(raster: Raster, statistics: Statistics, window: Window, *, method: Method, size: int) -> NDArray[np.int32]:
    """Superpixels of a window, cut with a halo around it and numbered afresh within it."""
    seen = window.grown(HALO).within(*raster.grid.shape)
    whole = superpixels(scaled(read(raster, seen), statistics), method=method, size=size)
    top, left = window.row - seen.row, window.col - seen.col
    return whole[top : top + window.height, left : left + window.width]


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
