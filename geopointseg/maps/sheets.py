"""Sheets of panels: image, truth, points with what they label, and map, side by side where the points are telling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from geopointseg.classes import UNLABELLED
from geopointseg.figures import save_figure
from geopointseg.grid import Window
from geopointseg.labels.burn import locate
from geopointseg.labels.points import Points
from geopointseg.maps.report import draw_points, label_picture, true_color
from geopointseg.raster import Raster, read_labels
from geopointseg.statistics import Statistics

__all__ = ["Scene", "draw_panels", "telling_windows"]

SIDE = 256  # pixels of a panel
ROWS = 4


@dataclass(frozen=True, slots=True)
class Scene:
    """A raster and what there is of it."""

    raster: Raster
    mask: Path
    """Its pseudo-mask."""
    map: Path
    truth: Path | None = None
    more: Mapping[str, Path] = field(default_factory=dict)
    """Title and class raster of further panels, such as other methods' maps."""


def draw_panels(
    path: Path, scenes: Sequence[Scene], statistics: Statistics, points: Points, *, rows: int = ROWS, side: int = SIDE
) -> Path:
    """Draw image, truth if any lies in these windows, points on their pseudo-mask, and map, for windows with points of many classes.

    Args:
        path: PNG to write.
        scenes: Rasters with their maps, all with truth or none, and with the same further panels.
        statistics: For the stretch.
        points: Used ones are drawn; held-out ones as squares.
        rows: The most windows.
        side: Of a window in pixels.
    """
    chosen = telling_windows([scene.raster for scene in scenes], points, rows=rows, side=side)
    with_truth = any(_is_known(scenes[number].truth, window) for number, window in chosen)
    titles = ["image", *(["truth"] if with_truth else []), "points, pseudo-mask", "map", *scenes[0].more]
    figure = Figure(figsize=(3 * len(titles), 3.05 * len(chosen) + 0.9), layout="constrained")
    axes = figure.subplots(len(chosen), len(titles), squeeze=False)
    for row, (number, window) in zip(axes, chosen, strict=True):
        scene = scenes[number]
        west, south, east, north = scene.raster.grid.window_bounds(window)
        files = [*([scene.truth] if scene.truth and with_truth else []), scene.mask, scene.map, *scene.more.values()]
        pictures = [label_picture(file, points.classes, window) for file in files]
        for axis, picture in zip(row, [true_color(scene.raster, statistics, window), *pictures], strict=True):
            axis.imshow(picture, extent=(west, east, south, north), interpolation="nearest")
        draw_points(row[1 + with_truth], scene.raster, points)
        for axis in row:
            axis.set(xlim=(west, east), ylim=(south, north), xticks=[], yticks=[])
        row[0].set_ylabel(scene.raster.path.stem)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    names = zip(points.classes.names, points.classes.colors, strict=True)
    handles = [Patch(facecolor=color, edgecolor="0.3", label=name) for name, color in names]
    width = 0.6 + 0.09 * max(map(len, points.classes.names))  # inches that the longest name takes
    columns = min(len(handles), max(1, int(3 * len(titles) / width)))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    return save_figure(figure, path)


def _is_known(truth: Path | None, window: Window) -> bool:
    """Whether truth says anything in a window."""
    return truth is not None and bool((read_labels(truth, window) != UNLABELLED).any())


def telling_windows(
    rasters: Sequence[Raster], points: Points, *, rows: int = ROWS, side: int = SIDE
) -> list[tuple[int, Window]]:
    """The windows whose used points are of most classes, then those with most points; of several rasters in turn.

    Returns:
        At most `rows` rasters' numbers and windows, at least one.
    """
    frame = points.used()
    ids = frame["class_id"].to_numpy(np.int64)
    ranked: list[list[tuple[int, int, Window]]] = []
    for raster in rasters:
        grid = raster.grid
        r, c = locate(frame.geometry, grid)
        here = grid.contains(r, c)
        found = []
        for tile in grid.tiles(side):  # those at the edges are moved inwards, so that all panels are alike
            top, left = (max(0, min(at, size - side)) for at, size in zip(tile[:2], grid.shape, strict=True))
            window = Window(top, left, side, side).within(*grid.shape)
            inside = here & (r >= window.row) & (r < window.row + window.height)
            inside &= (c >= window.col) & (c < window.col + window.width)
            found.append((len(np.unique(ids[inside])), int(inside.sum()), window))
        ranked.append(sorted(found, key=lambda one: (-one[0], -one[1], one[2])))
    depth = max(len(found) for found in ranked)
    turns = [(n, found[i]) for i in range(depth) for n, found in enumerate(ranked) if i < len(found)]
    with_points = [(n, window) for n, (_, count, window) in turns if count]
    return with_points[:rows] or [(0, ranked[0][0][2])]
