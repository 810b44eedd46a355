"""One confusion matrix, and every score derived from it: sums first, ratios last."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopointseg.errors import GeoPointSegError

__all__ = ["background_id", "confusion_matrix", "micro_iou", "scores"]


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


def scores(matrix: NDArray[np.int64], names: Sequence[str], *, background: str | None = None) -> dict[str, Any]:
    """Overall and per-class scores of a confusion matrix.

    A class that is in neither truth nor prediction has no scores (None) and does not enter the means; a class that is
    only predicted counts as IoU 0 in the mean. User's accuracy is `precision`, producer's accuracy `recall`.

    Args:
        matrix: (classes, classes) counts; rows are the truth.
        names: Of the classes.
        background: The class that is none, such as "other"; else the one called background, where there is one.

    Returns:
        `overall_accuracy`; `balanced_accuracy`, the mean recall of the classes in the truth; `kappa` (Cohen 1960), None
        where chance alone would agree; `miou`; `miou_without_background`, None where no class is the background;
        `frequency_weighted_iou`, by the pixels of the truth; `mean_f1`; `count`; and, under `per_class`, for each name
        `iou`, `f1`, `precision`, `recall` and `count` (of truth). Ratios are 0 to 1, kappa from -1.

    Raises:
        GeoPointSegError: no class is called as `background` says.
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
    behind = background_id(names, background)
    foreground = [c["iou"] for i, c in enumerate(per_class.values()) if i != behind]
    total = float(matrix.sum())
    overall = _ratio(hit.sum(), total)
    chance = _ratio(float((truth.astype(float) * predicted).sum()), total**2)
    weighted = [c["iou"] * n for c, n in zip(per_class.values(), truth, strict=True) if n and c["iou"] is not None]
    return {
        "overall_accuracy": overall,
        "balanced_accuracy": _mean([c["recall"] for c in per_class.values()]),
        "kappa": None if overall is None or chance is None else _ratio(overall - chance, 1 - chance),
        "miou": _mean([c["iou"] for c in per_class.values()]),
        "miou_without_background": None if behind is None else _mean(foreground),
        "frequency_weighted_iou": _ratio(float(np.sum(weighted)), total),
        "mean_f1": _mean([c["f1"] for c in per_class.values()]),
        "count": int(total),
        "per_class": per_class,
    }


def background_id(names: Sequence[str], background: str | None = None) -> int | None:
    """The id of the class that is none: the one named, else the one called background, else None.

    Raises:
        GeoPointSegError: no class has the name given.
    """
    if background is not None and background not in names:
        raise GeoPointSegError(f"expected one of the classes {', '.join(names)} as --background, got {background}")
    alike = [
        i for i, name in enumerate(names) if name == background or (not background and name.lower() == "background")
    ]
    return alike[0] if alike else None


def micro_iou(matrix: NDArray[np.int64], background: int | None = None) -> float | None:
    """IoU of all classes but the background pooled, as LSSQPS scores an image (torchmetrics 0.10's `average='micro'`).

    The classes are pooled before the ratio, so that common ones weigh most; it is not to be compared with a mean IoU.

    Args:
        matrix: (classes, classes) counts of one image.
        background: Id of the class that is none, whose intersection and union are left out; None for all classes.
    """
    kept = np.array([i for i in range(len(matrix)) if i != background], dtype=np.int64)
    hit = float(np.diag(matrix)[kept].sum())
    return _ratio(hit, float(matrix.sum(axis=0)[kept].sum() + matrix.sum(axis=1)[kept].sum()) - hit)


def _ratio(part: float, whole: float) -> float | None:
    """`part / whole`, or None where there is nothing to divide by."""
    return float(part / whole) if whole else None


def _mean(values: Sequence[float | int | None]) -> float | None:
    """Mean of the values that exist."""
    present = [v for v in values if v is not None]
    return float(np.mean(present)) if present else None
