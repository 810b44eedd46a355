"""Pseudo-masks: every point labels the superpixel it falls in; what no point labels stays 255."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from tqdm import tqdm

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, write_json
from geopointseg.grid import Window
from geopointseg.labels.points import Points, load_points, locate
from geopointseg.labels.superpixels import Method, scaled, superpixels
from geopointseg.raster import Raster, Statistics, creating, open_rasters, read

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
    *,
    conflict: Conflict = "unlabelled",
) -> tuple[NDArray[np.uint8], NDArray[np.float32], int]:
    """Let each point label its superpixel.

    Args:
        regions: (height, width) superpixels; 0 is outside and never labelled.
        rows: Of the points, within `regions`.
        cols: Likewise.
        class_ids: Of the points.
        conflict: What becomes of a superpixel with points of two classes: unlabelled, or the class of the majority
            (ties to the lowest id, as in LSSQPS).

    Returns:
        (height, width) uint8 class ids with 255 elsewhere; (height, width) float32 weights; the points lost in conflicts.
        The weights of a region sum to its points, so that every click counts the same whatever its region's area.
    """
    region = regions[rows, cols]
    inside = region > 0
    votes = np.zeros((int(regions.max()) + 1, int(class_ids.max(initial=0)) + 1), np.int64)
    np.add.at(votes, (region[inside], class_ids[inside]), 1)
    winner, clicks = votes.argmax(axis=1), votes.max(axis=1)
    total = votes.sum(axis=1)
    labelled = clicks > 0 if conflict == "majority" else (clicks > 0) & (clicks == total)
    lost = int(total[~labelled].sum() if conflict == "unlabelled" else (total - clicks).sum())

    area = np.bincount(regions.ravel(), minlength=len(votes))
    label_of = np.where(labelled, winner, UNLABELLED).astype(np.uint8)
    weight_of = np.where(labelled, clicks / np.maximum(area, 1), 0).astype(np.float32)
    return label_of[regions], weight_of[regions], lost


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

    Only windows that hold points are segmented. Held-out blocks and their gap stay unlabelled.

    Returns:
        The account of this raster.
    """
    frame = points.used("train")
    rows, cols = locate(frame, raster)
    here = raster.grid.contains(rows, cols)
    rows, cols, ids = rows[here], cols[here], frame["class_id"].to_numpy(dtype=np.int64)[here]
    held_out = points.held_out.to_crs(raster.grid.crs.to_wkt())
    pixels, kept, lost = np.zeros(len(points.classes), np.int64), 0, 0

    mask_path, weights_path = mask_paths(folder, raster)
    if mask_path.resolve() == raster.path.resolve():
        raise GeoPointSegError(f"expected a folder of its own for the masks, got that of {raster.path}: choose another")
    with (
        creating(mask_path, raster.grid, nodata=UNLABELLED, overwrite=overwrite) as labels_file,
        creating(weights_path, raster.grid, dtype="float32", nodata=0, overwrite=overwrite) as weights_file,
    ):
        labels_file.write_colormap(1, points.classes.colormap())
        labels_file.update_tags(CLASSES=points.classes.to_tag(), METHOD=f"{method}, size {size}, {conflict}")
        tiles = list(raster.grid.tiles(TILE))
        for window in tqdm(tiles, f"superpixels of {raster.path.name}", unit="window", disable=None, leave=False):
            inside = (rows // TILE == window.row // TILE) & (cols // TILE == window.col // TILE)
            at = rows[inside] - window.row, cols[inside] - window.col
            if not inside.any():
                labels, weights, gone = np.full(window[2:], UNLABELLED, np.uint8), np.zeros(window[2:], np.float32), 0
            else:
                regions = _regions(raster, statistics, window, method=method, size=size)
                labels, weights, gone = spread(regions, *at, ids[inside], conflict=conflict)
                closed = _burn(held_out, raster, window)
                labels[closed], weights[closed] = UNLABELLED, 0
            labels_file.write(labels, 1, window=window.to_rasterio())
            weights_file.write(weights, 1, window=window.to_rasterio())
            pixels += np.bincount(labels.ravel(), minlength=256)[: len(pixels)]
            kept, lost = kept + int((labels[at] == ids[inside]).sum()), lost + gone
    total = raster.grid.height * raster.grid.width
    return MaskReport((mask_path, weights_path), points.classes, tuple(map(int, pixels)), total, kept, lost)


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


def _burn(areas: gpd.GeoDataFrame, raster: Raster, window: Window) -> NDArray[np.bool_]:
    """(height, width) true where a pixel of the window touches one of the areas."""
    west, south, east, north = raster.grid.window_bounds(window)
    near = areas.cx[west:east, south:north].geometry
    if near.empty:
        return np.zeros((window.height, window.width), bool)
    transform = raster.grid.transform @ raster.grid.transform.translation(window.col, window.row)
    shape = (window.height, window.width)
    burned: NDArray[np.uint8] = rasterize(near, shape, transform=transform, all_touched=True, dtype=np.uint8)
    return burned.astype(bool)
