"""Labels that grow: what a point labelled spreads, ring by ring, over pixels of which the network is sure."""

import torch
from torch import Tensor
from torch.nn import functional as F

from geopointseg.classes import UNLABELLED

__all__ = ["grow"]

AROUND = tuple((row, col) for row in range(3) for col in range(3) if (row, col) != (1, 1))


def grow(labels: Tensor, probabilities: Tensor, threshold: float, steps: int) -> Tensor:
    """Let labels grow into their surroundings.

    In every step an unlabelled pixel takes the class that the network thinks most probable there, if it is at least as
    probable as `threshold` and one of the eight neighbours has that label already. Xu and Ghamisi, "Consistency-Regularized
    Region-Growing Network for Semantic Segmentation of Urban Scenes With Point-Level Annotations", TIP 2022; there it is
    done on an eighth of the resolution and the border of what has grown is taken off again, here neither.

    Args:
        labels: (batch, height, width) int64 class ids, 255 = unlabelled.
        probabilities: (batch, classes, height, width).
        threshold: From 0 to 1.
        steps: How many pixels labels grow at most.

    Returns:
        (batch, height, width) class ids; what was labelled keeps its label.
    """
    confidence, likely = probabilities.max(dim=1)
    open_to = (labels == UNLABELLED) & (confidence >= threshold)
    height, width = labels.shape[-2:]
    for _ in range(steps):
        framed = F.pad(labels, (1, 1, 1, 1), value=UNLABELLED)
        beside = torch.zeros_like(open_to)
        for row, col in AROUND:
            beside |= framed[:, row : row + height, col : col + width] == likely
        labels = torch.where(open_to & beside, likely, labels)
    return labels
