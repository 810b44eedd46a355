"""Calibration: of the pixels that the network is sure of by so much, is that share right?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.figures import save_figure
from geopointseg.grid import Window
from geopointseg.maps.scores import SCALE, Score, score_path
from geopointseg.raster import open_raster, reading

__all__ = ["BINS", "Calibration", "confidence_file", "count_confidence", "draw_reliability", "read_confidence"]

BINS = 15
STEPS = round(1 / SCALE) + 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """How many pixels or points have each step of confidence, and how many of them are right; counts add up."""

    counts: NDArray[np.int64]
    """(251, 2): all and right, for confidences 0, 0.004, … 1."""

    def bins(self) -> list[dict[str, float | int | None]]:
        """Fifteen bins of equal width: `low`, `high`, `count`, mean `confidence` and `accuracy` (None where empty)."""
        which = np.minimum(np.arange(STEPS) * BINS // (STEPS - 1), BINS - 1)
        rows: list[dict[str, float | int | None]] = []
        for number in range(BINS):
            steps = np.flatnonzero(which == number)
            count, right = (int(n) for n in self.counts[steps].sum(axis=0))
            total = float((self.counts[steps, 0] * steps).sum() * SCALE)
            rows.append(
                {
                    "low": number / BINS,
                    "high": (number + 1) / BINS,
                    "count": count,
                    "confidence": total / count if count else None,
                    "accuracy": right / count if count else None,
                }
            )
        return rows

    def figures(self) -> dict[str, Any]:
        """The error and the bins as plain values, for JSON.

        Returns:
            `ece`, the expected calibration error (Naeini et al. 2015): the gap between confidence and accuracy of each bin,
            averaged by pixels; `mce`, the largest gap; both None for no pixel; `count`, and `bins`.
        """
        bins = self.bins()
        gaps = [
            (abs(one["confidence"] - one["accuracy"]), one["count"])
            for one in bins
            if one["confidence"] is not None and one["accuracy"] is not None and one["count"]
        ]
        total = sum(count for _, count in gaps)
        return {
            "ece": sum(gap * count for gap, count in gaps) / total if total else None,
            "mce": max((gap for gap, _ in gaps), default=None),
            "count": total,
            "bins": bins,
        }


def confidence_file(path: Path) -> Path | None:
    """What tells the confidence of a map: MAP_confidence.tif, else MAP_probabilities.tif, else None.

    Raises:
        GeoPointSegError: it does not lie on the map's grid.
    """
    kinds: tuple[Score, ...] = ("confidence", "probabilities")
    for kind in kinds:
        file = score_path(path, kind)
        if not file.is_file() or _tag(file) != kind:
            continue
        if not open_raster(file).grid.matches(open_raster(path).grid):
            raise GeoPointSegError(
                f"expected {file} on the grid of {path}, got another: it is of another map; remove it or predict again"
            )
        return file
    return None


def read_confidence(path: Path, window: Window) -> NDArray[np.uint8]:
    """(height, width) steps of confidence 0 to 250 in a window within the raster, 255 where there is none."""
    with reading(path, window) as source:
        bands: NDArray[np.uint8] = source.read(window=window.to_rasterio())
    known: NDArray[np.uint8] = np.where((bands == UNLABELLED).any(axis=0), UNLABELLED, bands.max(axis=0))
    return known


def count_confidence(
    truth: NDArray[np.integer], prediction: NDArray[np.integer], confidence: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """Count pixels or points by confidence, all and right: (251, 2). Arrays are of one shape; what is no class is left out."""
    kept = (truth < classes) & (prediction < classes) & (confidence < STEPS)
    steps, right = confidence[kept], (truth == prediction)[kept]
    every, hits = np.bincount(steps, minlength=STEPS), np.bincount(steps[right], minlength=STEPS)
    return np.stack([every, hits], axis=1).astype(np.int64)


def draw_reliability(path: Path, calibration: Calibration, basis: str) -> Path:
    """Draw accuracy against confidence, with the share of the pixels below."""
    figures = calibration.figures()
    bins = [one for one in figures["bins"] if one["count"]]
    figure = Figure(figsize=(4.6, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot((0, 1), (0, 1), color="0.5", ls="--", lw=1, label="as sure as right")
    above.plot(
        [one["confidence"] for one in bins],
        [one["accuracy"] for one in bins],
        color="#0072b2",
        marker="o",
        ms=4,
        label="map",
    )
    error = "–" if figures["ece"] is None else f"{figures['ece']:.3f}"
    above.set(
        ylabel="share that is right", ylim=(0, 1), xlim=(0, 1), title=f"calibration, {basis}\nmean gap (ECE) {error}"
    )
    above.legend(frameon=False, loc="upper left")
    share = [one["count"] / max(figures["count"], 1) for one in bins]
    below.bar([(one["low"] + one["high"]) / 2 for one in bins], share, width=0.9 / BINS, color="#56b4e9")
    below.set(xlabel="confidence", ylabel="share", ylim=(0, None))
    return save_figure(figure, path)


def _tag(path: Path) -> str | None:
    """The kind of scores that a raster says it holds."""
    try:
        with rasterio.open(path) as source:
            kind: str | None = source.tags().get("KIND")
    except RasterioError:
        return None
    return kind
