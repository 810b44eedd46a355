"""How much each class weighs in the loss, by how often it is labelled.

Chips are drawn around the points of each class in turn, and a click counts the same whatever it covers, so that classes
are balanced to a good part without any of this: weights of classes are for what is left, such as clicks of a common class
in the chips of a rare one, and for comparison with other systems.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError, require_one_of
from geopointseg.raster import Raster, read, read_labels

__all__ = ["By", "ClassWeights", "Rule", "label_amounts", "raised", "weigh_classes"]

Rule = Literal["none", "inverse", "sqrt-inverse", "effective-number", "median-frequency"]
By = Literal["click", "pixel"]

TILE = 1024  # pixels; masks are read tile by tile


@dataclass(frozen=True, slots=True)
class ClassWeights:
    """The weights of classes, and where they come from."""

    rule: Rule
    by: By
    names: tuple[str, ...]
    amounts: tuple[float, ...]
    """Of labels, by class: sums of pixel weights, or pixels."""
    weights: tuple[float, ...]
    """With mean 1 over the classes that have labels, 0 for the others."""
    factor: float
    """What the weights were divided by to that end: times it they are those of the rule, of shares that sum to 1."""

    @property
    def shares(self) -> tuple[float, ...]:
        """Of each class among all labels."""
        return tuple(amount / sum(self.amounts) for amount in self.amounts)

    @property
    def absent(self) -> tuple[str, ...]:
        """The classes without a label."""
        return tuple(name for name, amount in zip(self.names, self.amounts, strict=True) if not amount)

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON and for the checkpoint."""
        columns = zip(self.names, self.amounts, self.shares, self.weights, strict=True)
        rows = [{"name": n, "amount": a, "share": s, "weight": w} for n, a, s, w in columns]
        return {"rule": self.rule, "by": self.by, "factor": self.factor, "classes": rows}

    def __str__(self) -> str:
        """The account for people."""
        width = max(len("class"), *map(len, self.names))
        unit = "as clicks" if self.by == "click" else "pixels"
        lines = [f"class weights: {self.rule}, by {self.by}", f"  {'class':<{width}}  {unit:>12}   share  weight"]
        for name, amount, share, weight in zip(self.names, self.amounts, self.shares, self.weights, strict=True):
            lines.append(f"  {name:<{width}}  {amount:>12,.1f}  {share:>6.1%}  {weight:>6.3f}")
        if self.absent:
            lines.append(f"no labelled pixel, so weight 0 and not trained on: {', '.join(self.absent)}")
        return "\n".join(lines)


def raised(weights: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """Weights of pixels raised to a power; what is 0 or nodata (NaN) stays without weight."""
    weight: NDArray[np.float32] = np.nan_to_num(weights)
    return np.power(weight, power, out=weight, where=weight > 0)  # 0⁰ would be 1


def label_amounts(pairs: Sequence[tuple[Raster, Raster]], count: int, by: By = "click") -> NDArray[np.float64]:
    """How much each class is labelled in each pseudo-mask; held-out points have no part in these.

    Args:
        pairs: Pseudo-masks and their weights.
        count: Of classes.
        by: "click" sums the pixels' weights up, so that a click counts by its share and its purity, whatever it covers;
            "pixel" counts labelled pixels, so that it counts by its area.

    Returns:
        (masks, classes) amounts.

    Raises:
        GeoPointSegError: a mask holds an id that is no class, or they are counted by something else.
    """
    require_one_of(By, by, "what classes are counted by")
    amounts = np.zeros((len(pairs), UNLABELLED + 1))
    for row, (mask, weights) in zip(amounts, pairs, strict=True):
        for window in mask.grid.tiles(TILE):
            labels = read_labels(mask.path, window).ravel()
            counts = np.nan_to_num(read(weights, window)[0]).ravel() if by == "click" else None
            row += np.bincount(labels, counts, minlength=UNLABELLED + 1)
        foreign = np.flatnonzero(row[count:UNLABELLED]) + count
        if len(foreign):
            raise GeoPointSegError(
                f"expected class ids up to {count - 1} in {mask.path}, got {foreign[0]}: run 'geopointseg mask' again"
            )
    return amounts[:, :count]


def weigh_classes(
    amounts: ArrayLike, names: Sequence[str], rule: Rule, *, by: By = "click", beta: float = 0.999
) -> ClassWeights:
    """Weigh classes by how much each is labelled.

    - inverse: 1 / share of the labels.
    - sqrt-inverse: 1 / √share.
    - effective-number: (1 - β) / (1 - β^amount), since more labels of a class tell less and less that is new; Cui et al.,
      "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.
    - median-frequency: the median of the frequencies over that of the class, its share of the labels in those masks
      alone that hold it; Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a Common
      Multi-Scale Convolutional Architecture", ICCV 2015. With a single mask it is the inverse.

    Args:
        amounts: (masks, classes) as `label_amounts` has them.
        names: Of the classes.
        rule: One of those, or "none" for 1 throughout.
        by: What the amounts count.
        beta: Of the effective number, from 0 up to below 1; no class counts as more than 1 / (1 - β) labels.

    Returns:
        The weights, 0 for classes without labels.

    Raises:
        GeoPointSegError: there is no such rule, `beta` is outside, or no class has a label.
    """
    require_one_of(Rule, rule, "a rule of class weights")
    if not 0 <= beta < 1:
        raise GeoPointSegError(f"expected a beta from 0 up to below 1, got {beta}: try 0.999")
    by_mask = np.asarray(amounts, np.float64)
    total = by_mask.sum(axis=0)
    present = total > 0
    if not present.any():
        raise GeoPointSegError(
            "expected labelled pixels to weigh the classes by, got none: check that the points lie on the rasters and "
            "run 'geopointseg mask' again"
        )
    found = total[present]
    share = found / found.sum()
    if rule == "none":
        raw = np.ones(len(found))
    elif rule == "inverse":
        raw = 1 / share
    elif rule == "sqrt-inverse":
        raw = 1 / np.sqrt(share)
    elif rule == "effective-number":
        raw = (1 - beta) / (1 - beta**found)
    else:
        beside = (by_mask.sum(axis=1, keepdims=True) * (by_mask > 0)).sum(axis=0)[present]
        raw = np.median(found / beside) / (found / beside)
    weights = np.zeros(len(total))
    weights[present] = raw / raw.mean()
    return ClassWeights(rule, by, tuple(names), tuple(total.tolist()), tuple(weights.tolist()), float(raw.mean()))
