"""Simulated points: drawn from dense truth, for experiments where no analyst has clicked."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf, isfinite
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.check import CheckReport
from geopointseg.labels.geopackage import require_geopackage
from geopointseg.labels.points import Points, write_points
from geopointseg.labels.split import Split, hold_out
from geopointseg.labels.strategies import Pixels, Strategy, draw_points
from geopointseg.raster import Raster, find_rasters, open_raster, raster_classes, reading

__all__ = ["draw", "flip_labels", "move_points"]

WHOLE_MASK = ("lssqps", "per-image")  # strategies whose budget is for all classes of a mask together
TOO_FEW = "too few labelled pixels"
REASONS = {  # why a strategy gives fewer points than asked for, where that is not the reason
    "per-object": "too few connected components of --min-area pixels or more",
    "lssqps": "remainders and the shares of value 0 and of classes with too few pixels are lost; --fair keeps them",
}


def draw(
    masks: Sequence[str],
    *,
    per_class: int | None = None,
    per_image: int | None = None,
    strategy: Strategy = "random",
    min_area: int = 25,
    fair: bool = False,
    noise: float = 0.0,
    jitter: float = 0.0,
    out: Path = Path("points.gpkg"),
    names: dict[int, str] | None = None,
    ignore: list[int] | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    held_out: float = 0.2,
    crs: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> CheckReport:
    """Draw simulated points from dense truth, once and for all: the same seed gives the same points.

    Args:
        masks: Class rasters: files, folders or globs.
        per_class: Points per class and mask.
        per_image: Points per mask instead, shared equally among its classes.
        strategy: random; stratified (spread out over each class); per-object (the most interior pixel of each connected
            component, the largest first); boundary-biased (mostly within 3 pixels of the class's border); lssqps (equal
            shares as LSSQPS has them: none for value 0 and for small classes, whose shares are thrown away); per-image
            (from all classes at random, so that common ones get most). The last two need --per-image.
        min_area: Pixels of the smallest connected component that per-object looks at.
        fair: With lssqps, throw no share away: other classes take it, and small classes give all they have.
        noise: Share of the points that get the label of another class; column truth_class keeps the true one.
        jitter: Standard deviation, in pixels, of a Gaussian that moves the points; the mask's edge reflects them.
        out: GeoPackage to write.
        names: Names of the codes, such as '{10: building, 30: road}'; else those in the masks, else the codes.
        ignore: Codes that are no class, beside 255 and the declared nodata.
        bounds: Draw within west, south, east, north only (units of the masks' CRS).
        held_out: Share of the points kept aside for assessment, by spatial block; 0 for none.
        crs: CRS of masks that have none.
        seed: Of the draw, the noise and the jitter. Neither changes which pixels are drawn, and a stronger one goes
            on where a weaker one stops.
        overwrite: Replace an existing GeoPackage.

    Returns:
        The account of the points drawn.

    Raises:
        GeoPointSegError: no budget or two, an option out of range, nothing to draw from, or a value that the classes in
            a mask's tags do not name.
    """
    require_geopackage(out)
    count, per = _budget(per_class, per_image, strategy)
    _check_options(min_area, noise, jitter, seed)
    if fair and strategy != "lssqps":
        raise GeoPointSegError(f"expected --fair with --strategy lssqps only, got {strategy}: leave it out")
    opened = [open_raster(path, crs=crs) for path in find_rasters(masks)]
    skip = {*(ignore or ()), UNLABELLED}
    choose = partial(draw_points, strategy=strategy, per=per, min_area=min_area, fair=fair)
    choose = partial(choose, count=count, rng=np.random.default_rng(seed))
    move = partial(move_points, sigma=jitter, rng=np.random.default_rng([seed, 1]))
    progress = tqdm(opened, "drawing", unit="mask", disable=None if len(opened) > 1 else True, leave=False)
    frames, present = zip(*(_draw_one(raster, bounds, skip, choose, move) for raster in progress), strict=True)
    frame = pd.concat([f.to_crs(frames[0].crs) for f in frames], ignore_index=True)
    if not any(present):
        raise GeoPointSegError(f"expected labelled pixels in {opened[0].path}, got none: check --ignore and --bounds")
    why = TOO_FEW if fair else REASONS.get(strategy, TOO_FEW)
    if frame.empty:
        raise GeoPointSegError(f"expected points by --strategy {strategy}, got none: {why}; or ask for more points")

    how = f"{strategy} (fair)" if fair else strategy
    notes = [f"simulated points, drawn from dense truth: strategy {how}, {count} points per {per}, seed {seed}"]
    asked = count * sum(len(codes) if per == "class" else bool(codes) for codes in present)
    if len(frame) < asked:
        notes.append(f"{asked - len(frame)} of the {asked} points asked for not drawn: {why}")
    if missing := sorted(set[int]().union(*present) - set(frame["code"])):
        notes.append(f"no point has the value {', '.join(map(str, missing))}")
    classes, values = _classes(opened[0].path, frame["code"], names)
    frame["class_id"] = frame["code"].map({value: i for i, value in enumerate(values)}).astype("Int64")
    frame["source_fid"], frame["status"], frame["reason"], frame["split"] = frame.index + 1, "used", "", "train"
    frame, blocks = hold_out(frame, [r.grid for r in opened], Split(held_out), seed=seed)
    true = frame["class_id"].to_numpy(dtype=np.int64)
    given = flip_labels(true, noise, np.random.default_rng([seed, 2]))
    frame["class_id"], frame["code"] = pd.array(given, dtype="Int64"), np.array(classes.codes)[given]
    frame["class_name"], frame["truth_class"] = (np.array(classes.names, dtype=object)[ids] for ids in (given, true))
    if noise:
        notes.append(f"noise {noise:g}: {(given != true).sum()} of {len(frame)} points have the label of another class")
    if jitter:
        notes.append(f"jitter {jitter:g}: points moved by a Gaussian of this standard deviation in pixels")
    if held_out and (noise or jitter):
        notes.append("the held-out points are no better: assess with the dense truth")
    points = Points(frame, classes, blocks)
    write_points(points, out, overwrite=overwrite)
    return CheckReport(points, (out,), tuple(notes))


def flip_labels(labels: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Replace round(share × n) labels by another one of those present, each as likely.

    From the same `rng`, the labels flipped at a small share are flipped at a larger one too, and alike.

    Raises:
        GeoPointSegError: there is no other label.
    """
    present, place = np.unique(labels, return_inverse=True)
    flipped = rng.permutation(len(labels))[: round(share * len(labels))]
    if len(flipped) and len(present) < 2:
        raise GeoPointSegError("expected points of at least two classes for --noise, got one: there is no other label")
    step = rng.integers(1, max(2, len(present)), len(labels))
    out = labels.copy()
    out[flipped] = present[(place[flipped] + step[flipped]) % len(present)]
    return out


def move_points(
    rows: NDArray[np.int64], cols: NDArray[np.int64], shape: tuple[int, ...], sigma: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move points by Gaussian noise of standard deviation `sigma` pixels; the raster's edge reflects them.

    Returns:
        Rows and columns with their fractions: whole numbers are pixel centres, as in `Grid.xy`.
    """
    moved = []
    for at, size in zip((rows, cols), shape, strict=True):
        place = at + 0.5 + sigma * rng.standard_normal(len(at))
        place = np.abs((place + size) % (2 * size) - size)
        moved.append(np.clip(place, 1e-3, size - 1e-3) - 0.5)
    return moved[0], moved[1]


def _budget(per_class: int | None, per_image: int | None, strategy: Strategy) -> tuple[int, Literal["class", "image"]]:
    """How many points, and of what."""
    if per_class is None and per_image is None:
        raise GeoPointSegError(
            "expected a budget, got none: give --per-class (points per class and mask) or --per-image (points per mask)"
        )
    if per_class is not None and per_image is not None:
        raise GeoPointSegError(
            f"expected one budget, got --per-class {per_class} and --per-image {per_image}: leave one out"
        )
    if per_class is not None and strategy in WHOLE_MASK:
        raise GeoPointSegError(
            f"expected --per-image with --strategy {strategy}, got --per-class {per_class}: "
            "its budget is of all classes of a mask together"
        )
    if (count := per_image if per_class is None else per_class) is None or count < 1:
        raise GeoPointSegError(f"expected a budget of at least 1 point, got {count}: raise --per-class or --per-image")
    return count, "image" if per_class is None else "class"


def _check_options(min_area: int, noise: float, jitter: float, seed: int) -> None:
    """Refuse numbers out of range."""
    for option, value, fits, wanted in (
        ("--min-area", min_area, min_area >= 1, "at least 1 pixel"),
        ("--noise", noise, 0 <= noise <= 1, "a share of the points from 0 to 1"),
        ("--jitter", jitter, 0 <= jitter < inf, "pixels from 0 on"),
        ("--seed", seed, seed >= 0, "a whole number from 0 on"),
    ):
        if not fits:
            raise GeoPointSegError(f"expected {wanted} as {option}, got {value}: change it")


def _classes(path: Path, codes: pd.Series, names: Mapping[int, str] | None) -> tuple[Classes, Sequence[int]]:
    """The classes the user names, else those the mask carries, else the codes; and the pixel value of each class."""
    if not names:
        try:
            classes = raster_classes(path)
        except GeoPointSegError:
            pass
        else:
            values = range(len(classes))  # a class raster of ours holds ids, whatever the user's codes are
            if strange := sorted(set(codes) - set(values)):
                raise GeoPointSegError(
                    f"expected the values 0 to {len(classes) - 1} that the tags of {path} name, got {strange}: "
                    "leave them out with --ignore, or name all codes with --names"
                )
            return classes, values
    classes = Classes.of(codes, names)
    return classes, classes.codes


def _draw_one(
    raster: Raster,
    bounds: tuple[float, float, float, float] | None,
    skip: set[int],
    choose: Callable[..., Pixels],
    move: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[gpd.GeoDataFrame, set[int]]:
    """Points of one mask, with `code` and `source`, and the codes it has."""
    truth, window = _read_truth(raster, bounds)
    if raster.nodata is not None and isfinite(raster.nodata):
        skip = skip | {int(raster.nodata)}
    rows, cols = choose(truth, ignore=skip)
    y, x = move(rows, cols, truth.shape)
    x, y = raster.grid.xy(y + window.row, x + window.col)
    columns = {"code": truth[rows, cols].astype(np.int64), "source": raster.path.stem}
    frame = gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(x, y), crs=raster.grid.crs.to_wkt())
    return frame, set(np.unique(truth).tolist()) - skip


def _read_truth(raster: Raster, bounds: tuple[float, float, float, float] | None) -> tuple[NDArray[np.integer], Window]:
    """The codes in a mask, within the bounds, as whole numbers; and where they lie."""
    grid = raster.grid
    window = Window(0, 0, grid.height, grid.width)
    if bounds is not None:
        west, south, east, north = bounds
        dy, dx = (side / 2 for side in grid.pixel_size)  # so that a pixel counts by its centre
        (top, bottom), (left, right) = grid.rowcol([west + dx, east + dx], [north - dy, south - dy])
        window = Window(int(top), int(left), int(bottom - top), int(right - left)).within(grid.height, grid.width)
    with reading(raster.path, window) as source:
        truth: NDArray[Any] = source.read(1, window=window.to_rasterio())
    if truth.dtype.kind == "f":
        empty = ~np.isfinite(truth) | (truth == (np.nan if raster.nodata is None else raster.nodata))
        truth = np.where(empty, UNLABELLED, truth)
        if (broken := truth[truth % 1 != 0]).size:
            raise GeoPointSegError(f"expected whole numbers in {raster.path}, got {broken[0]:g}: is it a class raster?")
        truth = truth.astype(np.int64)
    return truth, window
