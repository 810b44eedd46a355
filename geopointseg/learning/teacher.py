"""A mean teacher: the average of the networks so far labels what nobody has labelled, where it is sure.

Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017: the teacher's weights follow the student's,
θ' ← α·θ' + (1 - α)·θ. Sohn et al., "FixMatch", NeurIPS 2020: it sees a chip as it is, the student a harder view of it.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from geopointseg.classes import UNLABELLED

__all__ = ["Teacher", "agreed", "confident", "running_confidence", "thresholds"]

MOMENTUM = 0.99  # of the running confidence: a hundred steps back it counts a third
SHARE = 0.9  # of a region's pixels that must agree


class Teacher:
    """A network that follows another, and how sure it has been of each class.

    It is no module of the task: the optimiser, the number of parameters and the saved model know one network.
    """

    def __init__(self, student: nn.Module, classes: int) -> None:
        """Begin as a copy of the student, as sure of every class as can be: thresholds start high."""
        self.network = copy.deepcopy(student).eval().requires_grad_(False)
        self.confidence = torch.ones(classes, device=next(student.parameters()).device)
        self.updates = 0

    @torch.no_grad()
    def follow(self, student: nn.Module, decay: float) -> None:
        """Go a step towards the student: all the way at first, 1 - `decay` of it later.

        α = min(`decay`, 1 - 1 / (updates + 1)), as in Tarvainen and Valpola's code. What batch normalisation has counted
        is averaged like the weights.
        """
        alpha = min(decay, 1 - 1 / (self.updates + 1))
        self.updates += 1
        for mine, its in zip(self.network.state_dict().values(), student.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(its, 1 - alpha)
            else:
                mine.copy_(its)

    def state(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {"network": self.network.state_dict(), "confidence": self.confidence, "updates": self.updates}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.network.load_state_dict(state["network"])
        self.confidence.copy_(state["confidence"])
        self.updates = state["updates"]


def running_confidence(confidence: Tensor, probabilities: Tensor, inside: Tensor) -> Tensor:
    """How sure the teacher is of each class by now: m_c ← λ·m_c + (1 - λ)·mean of max p over the pixels it gives to c.

    Args:
        confidence: (classes,) so far.
        probabilities: (batch, classes, height, width).
        inside: (batch, height, width) true where there is data.

    Returns:
        (classes,); as before for a class to which no pixel is given.
    """
    highest, likely = (values[inside] for values in probabilities.max(dim=1))
    count = torch.bincount(likely, minlength=len(confidence))
    total = torch.zeros_like(confidence).index_add_(0, likely, highest.to(confidence.dtype))
    now = total / count.clamp_min(1)
    return torch.where(count > 0, confidence.lerp(now, 1 - MOMENTUM), confidence)


def thresholds(confidence: Tensor, threshold: float) -> Tensor:
    """What a class's probability has to reach: τ_c = τ · m_c / max m, lower where the class is harder.

    The form is that of Wang et al., "FreeMatch", ICLR 2023; there m_c is the class's mean probability over all pixels,
    which in a map says how common it is, not how hard: here it is the mean confidence on the pixels given to it.

    Args:
        confidence: (classes,) m, above 0.
        threshold: τ, of the class of which the teacher is most sure.

    Returns:
        (classes,)
    """
    return threshold * confidence / confidence.max()


def confident(probabilities: Tensor, least: Tensor) -> Tensor:
    """The most probable class where it reaches its threshold.

    Args:
        probabilities: (batch, classes, height, width).
        least: (classes,) thresholds.

    Returns:
        (batch, height, width) int64 class ids, 255 elsewhere.
    """
    highest, likely = probabilities.max(dim=1)
    return likely.where(highest >= least[likely], UNLABELLED)


def agreed(labels: Tensor, regions: Tensor, classes: int, share: float = SHARE) -> Tensor:
    """The labels of whole regions, where enough of a region's pixels have one and the same.

    Args:
        labels: (batch, height, width) int64 class ids, 255 = none.
        regions: (batch, height, width) int64 numbers from 1 on, of their own in each chip; 0 is no region.
        classes: How many there are.
        share: Of a region's pixels that must have the label.

    Returns:
        (batch, height, width) class ids, 255 in regions that do not agree.
    """
    count = int(regions.max()) + 1
    area = torch.bincount(regions.flatten(), minlength=count)
    labelled = labels != UNLABELLED
    votes = torch.bincount(regions[labelled] * classes + labels[labelled], minlength=count * classes)
    most, winner = votes.view(count, classes).max(dim=1)
    of_region = winner.where(most >= share * area.clamp_min(1), UNLABELLED)
    of_region[0] = UNLABELLED
    return of_region[regions]
