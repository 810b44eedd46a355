"""One confusion matrix, and every score derived from it: sums first, ratios last."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["confusion_matrix", "scores"]


def confusion_matrix(truth: ArrayLike, prediction: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Count pairs; matrices of parts add up to the matrix of the whole.

    Args:
        truth: Class ids of any shape; ids outside 0…classes-1 (such as 255) are left out.
        prediction: Class ids of the same shape; likewise.
        classes: How many classes there are.

    Returns:
        (classes, classes) counts: rows are the truth, columns the prediction.
    """
    t, p = np.asarray(truth).ravel().astype(np.int64), np.asarray(prediction).ravel().astype(np.int64)
    keep = (t >= 0) & (t < classes) & (p >= 0) & (p < classes)
    return np.bincount(t[keep] * classes + p[keep], minlength=classes**2).reshape(classes, classes)


def scores(matrix: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Overall and per-class scores of a confusion matrix.

    A class that is in neither truth nor prediction has no scores (None) and does not enter the means; a class that is
    only predicted counts as IoU 0 in the mean. User's accuracy is `precision`, producer's accuracy `recall`.

    Returns:
        `overall_accuracy`, `miou`, `mean_f1`, `count` and, under `per_class`, for each name `iou`, `f1`, `precision`,
        `recall` and `count` (of truth). Ratios are 0 to 1.
    """
    hit = np.diag(matrix).astype(float)
    truth, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    per_class: dict[str, dict[str, float | int | None]] = {}
    for i, name in enumerate(names):
        per_class[name] = {
            "iou": _ratio(hit[i], truth[i] + predicted[i] - hit[i]),
            "f1": _ratio(2 * hit[i], truth[i] + predicted[i]),
            "precision": _ratio(hit[i], predicted[i]),
            "recall": _ratio(hit[i], truth[i]),
            "count": int(truth[i]),
        }
    return {
        "overall_accuracy": _ratio(hit.sum(), matrix.sum()),
        "miou": _mean([c["iou"] for c in per_class.values()]),
        "mean_f1": _mean([c["f1"] for c in per_class.values()]),
        "count": int(matrix.sum()),
        "per_class": per_class,
    }


def _ratio(part: float, whole: float) -> float | None:
    """`part / whole`, or None where there is nothing to divide by."""
    return float(part / whole) if whole else None


def _mean(values: Sequence[float | int | None]) -> float | None:
    """Mean of the values that exist."""
    present = [v for v in values if v is not None]
    return float(np.mean(present)) if present else None
