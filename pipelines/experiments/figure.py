"""The picture of an experiment: curves along its axis, or one row per level."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geopointseg.figures import save_figure
from pipelines.experiments.plan import Experiment, short
from pipelines.experiments.statistics import mean_and_deviation
from pipelines.experiments.table import Row, curve_name, find_knees

__all__ = ["draw_experiment"]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which people of every colour vision can tell apart."""
MARKERS = "osD^vPX"
AXES = {
    "clicks.count": "clicks per 512² pixels",
    "spreading.superpixels": "superpixels asked for per 512² pixels",
    "images.share": "share of the images to learn from",
}


def draw_experiment(experiment: Experiment, rows: Sequence[Row], path: Path) -> Path:
    """Draw mean, standard deviation and every seed.

    Args:
        experiment: What was asked.
        rows: One per level, one at least.
        path: PNG to write.
    """
    tall = 4.2 if experiment.axis else 1.6 + 0.42 * len(rows)
    figure = Figure(figsize=(7.2, tall), layout="constrained")
    axes = figure.subplots()
    if experiment.axis:
        _curves(axes, experiment, rows, experiment.axis)
    else:
        _dots(axes, rows)
    seeds = max(len(row.by_seed) for row in rows)
    about = f"mean ± sd, {seeds} seeds" if seeds > 1 else "one seed"
    axes.set_title(f"{experiment.name}, {experiment.data}, {experiment.setting}: {about}", fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return save_figure(figure, path)


def _curves(axes: Axes, experiment: Experiment, rows: Sequence[Row], axis: str) -> None:
    """One curve for each of what else the grid varies; a dotted line where it flattens."""
    knees = find_knees(experiment, rows)
    places = sorted({float(row.level.said[axis]) for row in rows})
    names = dict.fromkeys(curve_name(row.level, axis) for row in rows)
    for number, name in enumerate(names):
        mine = sorted(
            (row for row in rows if curve_name(row.level, axis) == name), key=lambda row: float(row.level.said[axis])
        )
        color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
        x = np.array([float(row.level.said[axis]) for row in mine])
        x += (number - (len(names) - 1) / 2) * 0.008 * (places[-1] - places[0])  # side by side
        found = [mean_and_deviation([*row.by_seed.values()]) for row in mine]
        mean, deviation = [m for m, _ in found], [d or 0.0 for _, d in found]
        axes.errorbar(x, mean, deviation, color=color, marker=marker, capsize=3, label=name)
        for place, row in zip(x, mine, strict=True):
            axes.plot([place] * len(row.by_seed), [*row.by_seed.values()], ".", color=color, alpha=0.4, markersize=4)
        if (knee := knees.get(name)) and knee.at is not None:
            axes.axvline(knee.at, color=color, linestyle=":", linewidth=1)
    axes.set_xticks(places)
    per_class = axis == "clicks.count" and rows[0].level.setup.clicks.per == "class"
    axes.set_xlabel("clicks per class and image" if per_class else AXES.get(axis, short(axis)))
    axes.set_ylabel("mIoU")
    axes.legend(fontsize=8, frameon=False)


def _dots(axes: Axes, rows: Sequence[Row]) -> None:
    """One row per level, the first at the top."""
    for number, row in enumerate(rows):
        mean, deviation = mean_and_deviation([*row.by_seed.values()])
        baseline = row.reference is None
        color = COLORS[0] if baseline else COLORS[1]
        axes.errorbar(mean, number, xerr=deviation or 0.0, color=color, marker="D" if baseline else "o", capsize=3)
        axes.plot([*row.by_seed.values()], [number] * len(row.by_seed), ".", color=color, alpha=0.5, markersize=4)
    axes.set_yticks(range(len(rows)), [row.level.label for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("mIoU (diamonds: baseline)" if any(row.reference for row in rows) else "mIoU")
