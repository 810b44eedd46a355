"""Simulated clicks and the pseudo-masks they become, made once and kept."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.confusion import confusion_matrix
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.labels import pseudomask
from geopointseg.labels.draw import flip_labels, move_points
from geopointseg.labels.points import Points, write_points
from geopointseg.labels.pseudomask import Spreading, mask
from geopointseg.labels.strategies import Strategy, draw_points
from geopointseg.raster import open_raster, raster_classes, read_labels
from pipelines.experiments.settings import Setting

__all__ = ["Clicks", "draw_clicks", "label_quality", "pseudo_masks", "read_whole"]

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Clicks:
    """What is clicked."""

    count: int = 50
    """Clicks; of what, `per` says."""
    per: Literal["area", "class"] = "area"
    """area: on 512² pixels of known truth, the classes of an image alike; class: of each class on each image."""
    strategy: Strategy = "random"
    """Which pixels: see 'geopointseg draw'."""
    noise: float = 0.0
    """Share of the clicks that name another class."""
    jitter: float = 0.0
    """Standard deviation, in pixels, of where they lie."""

    @property
    def name(self) -> str:
        """A name for files."""
        if self == Clicks(self.count):
            return str(self.count)
        return f"{self.count}-{self.per}-{self.strategy}-noise{self.noise:g}-jitter{self.jitter:g}"


def draw_clicks(setting: Setting, clicks: Clicks, seed: int) -> Path:
    """Simulated clicks, drawn once.

    What lies outside the ground that labels may come from is held out in the layer, so that no pseudo-mask labels it; a click
    that jitter moves there is dropped.

    Raises:
        GeoPointSegError: the strategy finds no pixel to click.
    """
    path = setting.folder / "points" / f"{clicks.name}-{seed}.gpkg"
    if path.exists():
        return path
    rng, moving = np.random.default_rng([seed, clicks.count]), np.random.default_rng([seed, 1])
    classes = raster_classes(setting.truth[0])
    frames, closed = [], []
    for truth, windows in zip(setting.truth, setting.ground, strict=True):
        grid = open_raster(truth).grid
        labels = read_whole(truth)
        frames.append(_click(labels, grid, windows, clicks, rng, moving))
        ground = shapely.union_all([shapely.box(*grid.window_bounds(window)) for window in windows])
        closed.append(shapely.box(*grid.bounds).difference(ground))
    frame = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True))
    if frame.empty:
        raise GeoPointSegError(
            f"expected clicks by the strategy {clicks.strategy}, got none: give more of them, or another strategy"
        )
    given = flip_labels(frame["class_id"].to_numpy(np.int64), clicks.noise, np.random.default_rng([seed, 2]))
    _write(frame, given, classes, closed, path)
    return path


def _click(
    labels: NDArray[np.uint8],
    grid: Grid,
    windows: Sequence[Window],
    clicks: Clicks,
    rng: np.random.Generator,
    moving: np.random.Generator,
) -> gpd.GeoDataFrame:
    """The clicks on one image, each with the class of the pixel that was meant."""
    if clicks.per == "class" and clicks.strategy not in ("lssqps", "per-image"):
        rows, cols = draw_points(labels, clicks.count, rng, strategy=clicks.strategy, per="class")
    elif clicks.per == "class":
        raise GeoPointSegError(
            f"expected clicks per area with the strategy {clicks.strategy}, got clicks per class: its count is of all "
            "classes together; change clicks.per"
        )
    else:
        count = max(1, round(clicks.count * np.count_nonzero(labels != UNLABELLED) / 512**2))
        rows, cols = draw_points(labels, count, rng, strategy=clicks.strategy, per="image")
    ids = labels[rows, cols]
    if clicks.jitter:
        y, x = move_points(rows, cols, labels.shape, clicks.jitter, moving)
        inside = _within(np.round(y), np.round(x), windows)
        places, ids = gpd.points_from_xy(*grid.xy(y[inside], x[inside])), ids[inside]
    else:
        places = gpd.points_from_xy(*grid.xy(rows, cols))
    return gpd.GeoDataFrame({"class_id": ids}, geometry=places, crs=grid.crs.to_wkt())


def _within(rows: NDArray[np.float64], cols: NDArray[np.float64], windows: Sequence[Window]) -> NDArray[np.bool_]:
    """Which pixels lie in any of the windows."""
    inside = np.zeros(len(rows), bool)
    for window in windows:
        down = (rows >= window.row) & (rows < window.row + window.height)
        inside |= down & (cols >= window.col) & (cols < window.col + window.width)
    return inside


def _write(
    frame: gpd.GeoDataFrame, given: Numbers, classes: Classes, closed: Sequence[shapely.Geometry], path: Path
) -> None:
    """Write the layer of clicks, with the labels that are given to them."""
    frame["class_name"] = np.array(classes.names, dtype=object)[given]
    frame["class_id"] = pd.array(given, dtype="Int64")
    frame["source_fid"], frame["status"], frame["reason"], frame["split"] = frame.index + 1, "used", "", "train"
    closed = [shape for shape in closed if not shape.is_empty]
    held_out = gpd.GeoDataFrame({"block": range(len(closed))}, geometry=list(closed), crs=frame.crs)
    write_points(Points(frame, classes, held_out), path, overwrite=True)  # another process may have been faster


def pseudo_masks(setting: Setting, clicks: Clicks, seed: int, spreading: Spreading) -> Path:
    """The folder of pseudo-masks from these clicks, made once, and again when the code that makes them has changed."""
    name = "-".join([spreading.spread, *_changed(spreading), clicks.name, str(seed)])
    folder = setting.folder / "masks" / labels_code() / name
    if not (folder / "mask.json").exists():  # which is written last
        images = [str(image) for image in setting.images]
        mask(images, points=draw_clicks(setting, clicks, seed), spreading=spreading, out=folder, overwrite=True)
    return folder


def _changed(spreading: Spreading) -> list[str]:
    """Method and size, unless they are the usual ones, and the folder of what guesses."""
    guesses = [spreading.guesses.name] if spreading.guesses else []
    usual = Spreading(spreading.spread, guesses=spreading.guesses)
    return guesses if spreading == usual else [*guesses, spreading.method, str(spreading.size)]


def labels_code() -> str:
    """Eight characters that change with the code of `geopointseg.labels`."""
    sources = sorted(Path(pseudomask.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def label_quality(setting: Setting, masks: Path) -> dict[str, float | None]:
    """How much of the images pseudo-masks label, how much of that is right by the truth, and the superpixels of 512².

    Returns:
        `labelled` of all pixels and `correct` of the labelled ones with known truth, 0 to 1, None where there are none; and
        `superpixels` per 512², None where none of one size are cut.
    """
    made = json.loads((masks / "mask.json").read_text())
    size = len(raster_classes(setting.truth[0]))
    pairs = zip(setting.images, setting.truth, strict=True)
    found = sum(confusion_matrix(read_whole(truth), read_whole(masks / image.name), size) for image, truth in pairs)
    matrix = np.asarray(found)
    return {
        "labelled": made["labelled_share"],
        "correct": float(np.trace(matrix) / matrix.sum()) if matrix.sum() else None,
        "superpixels": 512**2 / made["superpixel_area"] if made["superpixels"] else None,
    }


def read_whole(path: Path) -> NDArray[np.uint8]:
    """(height, width) class ids of a class raster."""
    return read_labels(path, Window(0, 0, *open_raster(path).grid.shape))
