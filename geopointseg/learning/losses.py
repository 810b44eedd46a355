"""Losses on partly labelled pixels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from geopointseg.classes import UNLABELLED

__all__ = ["masked_cross_entropy"]


def masked_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Weighted mean of the cross-entropy over labelled pixels.

    Σ w·CE / Σ w over pixels whose target is not 255; exactly 0, with zero gradient, where no pixel is labelled (torch's
    own mean is NaN there).

    Args:
        logits: (batch, classes, height, width), any float type; summed up in float32.
        target: (batch, height, width) int64 class ids, 255 = unlabelled.
        weight: (batch, height, width) non-negative weights; 1 by default.

    Returns:
        A float32 scalar.
    """
    labelled = target != UNLABELLED
    weight = labelled.float() if weight is None else weight.float() * labelled
    loss = F.cross_entropy(logits.float(), target, ignore_index=UNLABELLED, reduction="none")
    # Weights may be as small as one click over a lake: guard against 0 / 0, not against small sums.
    return (loss * weight).sum() / weight.sum().clamp_min(torch.finfo(torch.float32).tiny)
