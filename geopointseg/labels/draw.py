"""Simulated points: drawn from dense truth, for experiments where no analyst has clicked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.check import CheckReport
from geopointseg.labels.points import Points, write_points
from geopointseg.labels.split import hold_out
from geopointseg.raster import Raster, find_rasters, open_raster, raster_classes, reading

__all__ = ["draw", "draw_points"]


def draw_points(
    truth: NDArray[np.integer], per_class: int, rng: np.random.Generator, ignore: Sequence[int] = (UNLABELLED,)
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pixels at random, the same number of each class.

    Args:
        truth: (height, width) class codes.
        per_class: How many; a class with fewer pixels gives them all.
        rng: Source of the draw.
        ignore: Codes that are no class.

    Returns:
        Rows and columns, class by class in ascending code.
    """
    flat = truth.ravel()
    picks = []
    for code in np.unique(flat):
        if code not in ignore:
            pixels = np.flatnonzero(flat == code)
            picks.append(rng.choice(pixels, min(per_class, len(pixels)), replace=False))
    index = np.concatenate(picks) if picks else np.zeros(0, np.int64)
    return np.divmod(index, truth.shape[1])


def draw(
    masks: Sequence[str],
    *,
    per_class: int,
    out: Path = Path("points.gpkg"),
    names: dict[int, str] | None = None,
    ignore: list[int] | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    held_out: float = 0.2,
    crs: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> CheckReport:
    """Draw simulated points from dense truth, the same number of each class in every mask.

    Args:
        masks: Class rasters: files, folders or globs.
        per_class: Points per class and mask.
        out: GeoPackage to write.
        names: Names of the codes, such as '{10: building, 30: road}'; else those in the masks, else the codes.
        ignore: Codes that are no class, beside 255 and the declared nodata.
        bounds: Draw within west, south, east, north only (units of the masks' CRS).
        held_out: Share of the points kept aside for assessment, by spatial block; 0 for none.
        crs: CRS of masks that have none.
        seed: Of the draw.
        overwrite: Replace an existing GeoPackage.

    Returns:
        The account of the points drawn.

    Raises:
        GeoPointSegError: nothing to draw from, or a value that the classes in a mask's tags do not name.
    """
    if per_class < 1 or seed < 0:
        raise GeoPointSegError(f"expected at least 1 point per class and a seed from 0 on, got {per_class} and {seed}")
    opened = [open_raster(path, crs=crs) for path in find_rasters(masks)]
    rng = np.random.default_rng(seed)
    frames = [_draw_one(raster, per_class, {*(ignore or ()), UNLABELLED}, bounds, rng) for raster in opened]
    frame = pd.concat([f.to_crs(frames[0].crs) for f in frames], ignore_index=True)
    if frame.empty:
        raise GeoPointSegError(f"expected labelled pixels in {opened[0].path}, got none: check --ignore and --bounds")
    classes, values = _classes(opened[0].path, frame["code"], names)
    strange = sorted(set(frame["code"]) - set(values))
    if strange:
        raise GeoPointSegError(
            f"expected the values 0 to {len(classes) - 1} that the tags of {opened[0].path} name, got {strange}: "
            "leave them out with --ignore, or name all codes with --names"
        )
    frame["class_id"] = frame["code"].map({value: i for i, value in enumerate(values)}).astype("Int64")
    frame["class_name"] = frame["class_id"].map(dict(enumerate(classes.names)))
    frame["code"] = frame["class_id"].map(dict(enumerate(classes.codes)))
    frame["status"], frame["reason"], frame["split"] = "used", "", "train"
    frame, blocks = hold_out(frame, opened[0].grid, share=held_out, seed=seed)
    points = Points(frame, classes, blocks)
    write_points(points, out, overwrite=overwrite)
    return CheckReport(points, (out,), ("simulated points, drawn from dense truth",))


def _classes(path: Path, codes: pd.Series, names: Mapping[int, str] | None) -> tuple[Classes, Sequence[int]]:
    """The classes the user names, else those the mask carries, else the codes; and the pixel value of each class."""
    if not names:
        try:
            classes = raster_classes(path)
            return classes, range(len(classes))  # a class raster of ours holds ids, whatever the user's codes are
        except GeoPointSegError:
            pass
    classes = Classes.of(codes, names)
    return classes, classes.codes


def _draw_one(
    raster: Raster,
    per_class: int,
    ignore: set[int],
    bounds: tuple[float, float, float, float] | None,
    rng: np.random.Generator,
) -> gpd.GeoDataFrame:
    """Points of one mask, with `code` and `source`."""
    grid = raster.grid
    window = Window(0, 0, grid.height, grid.width)
    if bounds is not None:
        west, south, east, north = bounds
        dy, dx = (side / 2 for side in grid.pixel_size)  # so that a pixel counts by its centre
        (top, bottom), (left, right) = grid.rowcol([west + dx, east + dx], [north - dy, south - dy])
        window = Window(int(top), int(left), int(bottom - top), int(right - left)).within(grid.height, grid.width)
    with reading(raster.path, window) as source:
        truth = source.read(1, window=window.to_rasterio())
    if truth.dtype.kind == "f":
        truth = np.nan_to_num(truth, nan=UNLABELLED)
    if raster.nodata is not None and not np.isnan(raster.nodata):
        ignore = ignore | {int(raster.nodata)}
    rows, cols = draw_points(truth, per_class, rng, tuple(ignore))
    x, y = grid.xy(rows + window.row, cols + window.col)
    columns = {"code": truth[rows, cols].astype(np.int64), "source": raster.path.stem}
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(x, y), crs=grid.crs.to_wkt())
