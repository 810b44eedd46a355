"""How much of a pseudo-mask is labelled, and how much of that correctly, against dense truth.

Kept as counts, which add up over windows and images; ratios come last. Pixels whose truth is 255 take no part.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.confusion import confusion_matrix
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.quality import ratio, same_shape

__all__ = ["MaskQuality", "mask_quality"]

Integers = NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class MaskQuality:
    """Counts of a pseudo-mask's pixels; `+` adds those of another image of the same classes."""

    matrix: NDArray[np.int64]
    """(classes, classes) labelled pixels: rows are the truth, columns the label."""
    unlabelled: NDArray[np.int64]
    """(classes,) pixels of each truth that have no label."""
    weights: NDArray[np.float64] | None = None
    """(2, classes): what the labelled pixels of each label weigh, and what the correct ones of them do."""

    def __add__(self, other: "MaskQuality") -> "MaskQuality":
        """The counts of both; without weights if one has none."""
        weights = None if self.weights is None or other.weights is None else self.weights + other.weights
        return MaskQuality(self.matrix + other.matrix, self.unlabelled + other.unlabelled, weights)

    def figures(self) -> dict[str, Any]:
        """Shares as plain values, for JSON; None where there is nothing to divide by.

        `labelled_share`: labelled pixels among those of known truth. `correct_share`: correct ones among the labelled.
        `weighted_correct_share`: the same by weight, so that each click counts the same. Under `per_class`, for every
        class id, the share of its truth that is labelled and the shares of its labels that are correct.
        """
        hit, labels, truth = self.matrix.diagonal(), self.matrix.sum(axis=0), self.matrix.sum(axis=1)
        pixels = truth + self.unlabelled
        return {
            "pixels": int(pixels.sum()),
            **self._shares(labels.sum(), pixels.sum(), hit.sum(), labels.sum(), slice(None)),
            "per_class": [
                {"pixels": int(pixels[i]), **self._shares(truth[i], pixels[i], hit[i], labels[i], slice(i, i + 1))}
                for i in range(len(hit))
            ],
        }

    def _shares(self, labelled: int, pixels: int, hit: int, labels: int, which: slice) -> dict[str, float | None]:
        """The three shares of some classes."""
        shares = {"labelled_share": ratio(labelled, pixels), "correct_share": ratio(hit, labels)}
        if self.weights is None:
            return shares
        whole, part = self.weights[:, which].sum(axis=1)
        return shares | {"weighted_correct_share": ratio(part, whole)}


def mask_quality(
    mask: Integers, truth: Integers, classes: int, weights: NDArray[np.floating] | None = None
) -> MaskQuality:
    """Count how much of a pseudo-mask is labelled, and how much of that correctly.

    Args:
        mask: (height, width) class ids; 255 where unlabelled.
        truth: (height, width) class ids; 255 where unknown.
        classes: How many classes there are.
        weights: (height, width) how much each labelled pixel counts.

    Raises:
        GeoPointSegError: shapes differ, or an id is neither a class nor 255.
    """
    same_shape(mask=mask, truth=truth, **({} if weights is None else {"weights": weights}))
    for name, ids in (("mask", mask), ("truth", truth)):
        if (strange := ids[(ids != UNLABELLED) & ((ids < 0) | (ids >= classes))]).size:
            raise GeoPointSegError(
                f"expected class ids from 0 to {classes - 1} or {UNLABELLED} in the {name}, got {strange.flat[0]}: "
                "map its values to ids first"
            )
    known, labelled = truth != UNLABELLED, mask != UNLABELLED
    matrix = confusion_matrix(truth, mask, classes)
    unlabelled = np.bincount(truth[known & ~labelled], minlength=classes)
    if weights is None:
        return MaskQuality(matrix, unlabelled)
    parts = known & labelled, known & labelled & (mask == truth)
    sums = [np.bincount(mask[part], weights[part], minlength=classes) for part in parts]
    return MaskQuality(matrix, unlabelled, np.stack(sums))
