"""Pictures of the report: what went in, what came of it, and where it is wrong."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.figures import draw_scale_bar, save_figure
from geopointseg.grid import Window
from geopointseg.labels.burn import locate
from geopointseg.labels.points import Points
from geopointseg.labels.superpixels import scaled
from geopointseg.maps.assess import Assessment, to_ids
from geopointseg.maps.page import write_page
from geopointseg.raster import Raster, raster_classes, read
from geopointseg.statistics import Statistics, decimated

__all__ = [
    "draw_confusion",
    "draw_errors",
    "draw_overview",
    "draw_points",
    "extent",
    "label_picture",
    "true_color",
    "write_page",
]

PREVIEW = 1000  # pixels of a picture's longer side
RIGHT, WRONG = (222, 222, 222), (213, 94, 0)  # light grey and vermilion, which every eye tells apart
TRUE_COLOR = (("red", "green", "blue"), ("b04", "b03", "b02"))


def draw_overview(
    path: Path, raster: Raster, statistics: Statistics, points: Points, layers: Mapping[str, Path]
) -> Path:
    """Draw the raster with its points, and the class rasters beside it.

    Args:
        path: PNG to write.
        raster: Shown in true colour where its band names tell how.
        statistics: For the stretch.
        points: Used points are drawn in their class's colour, held-out ones as squares.
        layers: Title and class raster of each further panel.
    """
    image = true_color(raster, statistics)
    panels = 1 + len(layers)
    columns = 2 if panels in (2, 4) else min(panels, 3)
    rows = -(-panels // columns)
    aspect = image.shape[0] / image.shape[1]
    figure = Figure(figsize=(5 * columns, 5 * aspect * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    axes[0].imshow(image, extent=extent(raster))
    draw_points(axes[0], raster, points)
    axes[0].set_title("raster, points (squares: held out)")
    draw_scale_bar(axes[0], raster.grid)
    for axis, (title, file) in zip(axes[1:], layers.items(), strict=False):
        axis.imshow(label_picture(file, points.classes), extent=extent(raster), interpolation="nearest")
        axis.set_title(title)
    handles = [Patch(facecolor=c, edgecolor="0.3", label=n) for n, c in zip(*_named(points.classes), strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8), frameon=False)
    return save_figure(figure, path)


def draw_errors(path: Path, raster: Raster, points: Points, map_file: Path, truth: Path | None = None) -> Path:
    """Draw where the map is wrong: at held-out points, and everywhere where there is dense truth.

    Args:
        path: PNG to write.
        raster: That the map is of.
        points: Held-out points are circles where the map is right and crosses where it is wrong.
        map_file: The map.
        truth: On the map's grid, if any.
    """
    columns = 1 if truth is None else 2
    aspect = raster.grid.height * raster.grid.ground_size[0] / (raster.grid.width * raster.grid.ground_size[1])
    figure = Figure(figsize=(5.5 * columns, 5.5 * aspect + 1.1), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False).ravel()
    picture = label_picture(map_file, points.classes)
    axes[0].imshow(picture, extent=extent(raster), interpolation="nearest", alpha=0.35)
    axes[0].set_title("held-out points on the map")
    handles = _draw_hits(axes[0], raster, points, map_file)
    if truth is not None:
        wrong, legend = _error_picture(map_file, truth, points.classes)
        axes[1].imshow(wrong, extent=extent(raster), interpolation="nearest")
        axes[1].set_title("map against truth")
        handles += legend
    for axis in axes:
        axis.set_axis_off()
        draw_scale_bar(axis, raster.grid)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5), frameon=False)
    return save_figure(figure, path)


def draw_confusion(path: Path, assessment: Assessment) -> Path:
    """Draw the confusion matrix, each row as shares of its truth."""
    matrix = assessment.matrix
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.55 * len(matrix)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axis = figure.subplots()
    picture = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = assessment.classes.names
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="map", ylabel="truth", title=f"confusion, {assessment.basis}")
    if len(names) <= 20:
        for (row, col), count in np.ndenumerate(matrix):
            text = f"{share[row, col]:.2f}" if matrix.sum() > 10_000 else f"{count}"
            axis.text(col, row, text, ha="center", va="center", color="w" if share[row, col] > 0.5 else "k", fontsize=8)
    figure.colorbar(picture, ax=axis, label="share of the truth", shrink=0.8)
    return save_figure(figure, path)


def _named(classes: Classes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and colours."""
    return classes.names, classes.colors


def true_color(raster: Raster, statistics: Statistics, window: Window | None = None) -> NDArray[np.float32]:
    """(height, width, 3) of the whole raster, every n-th pixel, or of a window; white where there is no data."""
    names = [name.lower() for name in raster.names]
    wanted = next((t for t in TRUE_COLOR if set(t) <= set(names)), None)
    bands = [names.index(name) for name in wanted] if wanted else [min(i, len(names) - 1) for i in range(3)]
    pixels = decimated(raster, PREVIEW) if window is None else read(raster, window)
    picture = scaled(pixels, statistics)[bands]
    return np.moveaxis(np.nan_to_num(picture, nan=1.0), 0, -1)


def label_picture(file: Path, classes: Classes, window: Window | None = None) -> NDArray[np.uint8]:
    """(height, width, 4) of a class raster, every n-th pixel, or of a window; unlabelled pixels light grey."""
    values = _preview(file, window)
    table = np.full((256, 4), (238, 238, 238, 255), np.uint8)
    table[: len(classes)] = [(*rgb, 255) for rgb in classes.rgb()]
    table[UNLABELLED] = (238, 238, 238, 255)
    picture: NDArray[np.uint8] = table[to_ids(values, file, classes)]
    return picture


def _preview(file: Path, window: Window | None = None) -> NDArray[np.generic]:
    """(height, width) of a class raster's values, every n-th, or those of a window."""
    with rasterio.open(file) as source:
        if window is not None:
            inside: NDArray[np.generic] = source.read(1, window=window.to_rasterio())
            return inside
        step = max(1, -(-max(source.shape) // PREVIEW))
        values: NDArray[np.generic] = source.read(1, out_shape=(-(-source.height // step), -(-source.width // step)))
    return values


def _error_picture(map_file: Path, truth: Path, classes: Classes) -> tuple[NDArray[np.uint8], list[Artist]]:
    """(height, width, 3) preview of right, wrong and unjudged pixels, and what its colours mean."""
    found, true = (to_ids(_preview(file), file, classes) for file in (map_file, truth))
    judged, right = (true != UNLABELLED) & (found != UNLABELLED), true == found
    picture = np.full((*found.shape, 3), 255, np.uint8)
    picture[judged & right], picture[judged & ~right] = RIGHT, WRONG
    colors = {"right": RIGHT, "wrong": WRONG, "without truth": (255, 255, 255)}
    shown = {name: (r / 255, g / 255, b / 255) for name, (r, g, b) in colors.items()}
    return picture, [Patch(facecolor=color, edgecolor="0.3", label=name) for name, color in shown.items()]


def _draw_hits(axis: Axes, raster: Raster, points: Points, map_file: Path) -> list[Artist]:
    """Held-out points by whether the map is right there, and what the marks mean."""
    frame = points.used("test")
    rows, cols = locate(frame.geometry, raster.grid)
    here = raster.grid.contains(rows, cols)
    x, y = raster.grid.xy(rows[here], cols[here])
    with rasterio.open(map_file) as source:
        found = np.array([value[0] for value in source.sample(zip(x, y, strict=True))], dtype=np.int64)
    known = raster_classes(map_file).names
    names = np.array([*known, *[""] * (256 - len(known))], dtype=object)[found]
    right = names == frame["class_name"].to_numpy(object)[here]
    good = axis.scatter(x[right], y[right], s=26, marker="o", facecolors="none", edgecolors="k", label="point, right")
    bad = axis.scatter(x[~right], y[~right], s=26, marker="x", color=np.array(WRONG) / 255, label="point, wrong")
    return [good, bad]


def draw_points(axis: Axes, raster: Raster, points: Points) -> None:
    """Used points over the raster."""
    for split, marker, size in (("train", "o", 9), ("test", "s", 13)):
        frame = points.used(split)
        rows, cols = locate(frame.geometry, raster.grid)
        here = raster.grid.contains(rows, cols)
        x, y = raster.grid.xy(rows[here], cols[here])
        colors = [points.classes.colors[i] for i in frame["class_id"].to_numpy(dtype=int)[here]]
        axis.scatter(x, y, s=size, c=colors, marker=marker, edgecolors="k", linewidths=0.5)


def extent(raster: Raster) -> tuple[float, float, float, float]:
    """Bounds in matplotlib's order."""
    west, south, east, north = raster.grid.bounds
    return west, east, south, north
