"""What an assessment found: the confusion matrix, and the scores that derive from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import Classes
from geopointseg.confusion import background_id, micro_iou, scores
from geopointseg.maps.boundaries import Boundaries
from geopointseg.maps.calibration import Calibration

__all__ = ["Assessment"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """A confusion matrix with the names of its classes, and what it was counted on."""

    matrix: NDArray[np.int64]
    classes: Classes
    basis: str
    """What the map was compared with, in words."""
    unmapped: int = 0
    """Labelled pixels or points where the map has no data; they are in no score."""
    foreign: int = 0
    """Pixels or points whose truth is no class of the map, though not unlabelled; they are in no score."""
    files: tuple[Path, ...] = ()
    """Where the figures were written."""
    parts: tuple[NDArray[np.int64], ...] = ()
    """The matrix of each map, for the one score that is a mean over images."""
    background: str | None = None
    """The class that is none; by default the one called background."""
    boundaries: Boundaries | None = None
    """Of the classes, where asked for."""
    calibration: Calibration | None = None
    """Where the maps have their confidence beside them."""

    def scores(self) -> dict[str, Any]:
        """See `geopointseg.confusion.scores`, and `lssqps_micro_iou`: mean over the maps, see `micro_iou`."""
        names = self.classes.names
        behind = background_id(names, self.background)
        pooled = [micro_iou(part, behind) for part in self.parts or (self.matrix,)]
        there = [value for value in pooled if value is not None]
        one = scores(self.matrix, names, background=self.background)
        per_class = one.pop("per_class")
        return {**one, "lssqps_micro_iou": float(np.mean(there)) if there else None, "per_class": per_class}

    def figures(self) -> dict[str, Any]:
        """All scores and the matrix as plain values, for JSON."""
        more: dict[str, Any] = {}
        if self.boundaries is not None:
            more["boundaries"] = self.boundaries.figures(self.classes)
        if self.calibration is not None:
            more["calibration"] = self.calibration.figures()
        counted = {"basis": self.basis, "unmapped": self.unmapped, "foreign": self.foreign}
        return {**counted, **self.scores(), **more, "confusion": self.matrix.tolist()}

    def __str__(self) -> str:
        """A table for people."""
        result = self.figures()
        wide = max(len(name) for name in self.classes.names)
        unmapped = f", {self.unmapped:,} unmapped" * (self.unmapped > 0)
        lines = [f"{self.basis}: {result['count']:,} compared{unmapped}"]
        lines.append(f"{'':<{wide}}                   user's  producer's")
        lines.append(f"{'class':<{wide}}    IoU     F1  precision  recall      count")
        for name, one in result["per_class"].items():
            cells = [cell(one[key]) for key in ("iou", "f1", "precision", "recall")]
            lines.append(f"{name:<{wide}}  {cells[0]}  {cells[1]}     {cells[2]}   {cells[3]}  {one['count']:>9,}")
        lines.append(f"overall accuracy {cell(result['overall_accuracy'])}, mean IoU {cell(result['miou'])}")
        without = result["miou_without_background"]
        lines.append(
            f"balanced accuracy {cell(result['balanced_accuracy'])}, kappa {cell(result['kappa'])}, mean F1 "
            f"{cell(result['mean_f1'])}, frequency-weighted IoU {cell(result['frequency_weighted_iou'])}"
            + (f", mean IoU without background {cell(without)}" if without is not None else "")
        )
        if self.boundaries is not None:
            lines.append(f"boundary F within {self.boundaries.metres:g} m {cell(result['boundaries']['mean_f'])}")
        if self.calibration is not None:
            lines.append(f"expected calibration error {cell(result['calibration']['ece'])}")
        return "\n".join(lines)


def cell(value: float | None) -> str:
    """A ratio in five columns."""
    return "    –" if value is None else f"{value:5.3f}"
