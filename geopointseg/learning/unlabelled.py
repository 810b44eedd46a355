"""What training makes of pixels that nobody has labelled; nothing, unless it is asked to.

unlabelled: {pairwise: 0.1}
unlabelled: {teacher: 0.5, threshold: 0.9, gate: false}
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.augment import Augmentation, augment
from geopointseg.learning.grow import grow
from geopointseg.learning.losses import masked_cross_entropy
from geopointseg.learning.pairwise import gated_crf
from geopointseg.learning.teacher import Teacher, agreed, confident, running_confidence, thresholds
from geopointseg.statistics import Statistics

__all__ = ["NOTHING", "Unlabelled", "generator", "growth", "lesson", "read_unlabelled", "smoothness"]

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)  # without slots: jsonargparse reads a default's fields from its __dict__
class Unlabelled:
    """What is made of unlabelled pixels: shares of the loss, 0 for nothing, and how."""

    pairwise: float = 0.0
    """Share of the gated CRF loss; its paper's is 0.1."""
    pairwise_radius: int = 4
    """How far it looks, in pixels."""
    pairwise_step: int = 2
    """From one neighbour it looks at to the next, in pixels."""
    pairwise_colour: float = 0.5
    """Difference in colour that makes strangers, in standard deviations of the bands."""
    pairwise_distance: float = 6.0
    """Distance that does, in pixels."""
    teacher: float = 0.0
    """Share of the loss on what a mean teacher labels; 1 is usual."""
    decay: float = 0.99
    """How much of the teacher stays in a step."""
    threshold: float = 0.95
    """Probability from which a pixel is labelled; for a mean teacher of the class it is most sure of, less for others."""
    gate: bool = True
    """Take the teacher's labels by superpixel, where nine tenths of one agree."""
    jitter: float = 0.5
    """Light of the student's view, as in the augmentation."""
    classmix: float = 0.5
    """Share of the student's chips that get half of the classes of another."""
    grow: float = 0.0
    """Share of the loss on labels that grow from the labelled pixels; 1 is usual."""
    rings: int = 10
    """How many pixels they grow at most."""
    ramp: int = 200
    """Steps over which all of this fades in."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises:
            GeoPointSegError: a negative share, a number out of its range.
        """
        ranges = (
            (("pairwise", "teacher", "grow", "jitter"), 0, math.inf),
            (("pairwise_radius", "pairwise_step", "rings", "ramp"), 1, math.inf),
            (("pairwise_colour", "pairwise_distance"), 1e-3, math.inf),
            (("decay", "threshold", "classmix"), 0, 1),
        )
        for names, least, most in ranges:
            for name in names:
                value = getattr(self, name)
                if not (least <= value <= most and math.isfinite(value)):
                    upto = "" if most == math.inf else f" to {most}"
                    raise GeoPointSegError(
                        f"expected unlabelled.{name} from {least}{upto}, got {value}: leave it out, or correct it"
                    )
        if self.pairwise_step > self.pairwise_radius:
            raise GeoPointSegError(
                f"expected an unlabelled.pairwise_step up to the radius, got {self.pairwise_step} and "
                f"{self.pairwise_radius}: there would be no neighbour; try 2 and 4"
            )

    def __str__(self) -> str:
        """The shares of what is made of them: for the account."""
        shares = {"pairwise": self.pairwise, "teacher": self.teacher, "grow": self.grow}
        return ", ".join(f"{name} {share:g}" for name, share in shares.items() if share)

    @property
    def any(self) -> bool:
        """Whether anything is made of them."""
        return bool(self.pairwise or self.teacher or self.grow)

    @property
    def cuts(self) -> bool:
        """Whether it takes superpixels, which also say where labels may be made."""
        return bool(self.teacher or self.grow)

    def faded_in(self, step: int) -> float:
        """How much it counts after so many steps: exp(-5·(1 - t)²), t from 0 to 1.

        Laine and Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017.
        """
        return math.exp(-5 * (1 - min(1.0, step / self.ramp)) ** 2)


NOTHING = Unlabelled()


def read_unlabelled(given: Unlabelled | Mapping[str, Any]) -> Unlabelled:
    """The options from what a checkpoint or a bundle holds of them.

    Raises:
        GeoPointSegError: one has no such name, or a value out of its range.
    """
    if isinstance(given, Unlabelled):
        return given
    known = [field.name for field in dataclasses.fields(Unlabelled)]
    if odd := sorted(set(given) - set(known)):
        raise GeoPointSegError(f"expected options of unlabelled ({', '.join(known)}), got {odd[0]}: correct the name")
    return Unlabelled(**given)


def smoothness(how: Unlabelled, logits: Tensor, image: Tensor) -> Tensor:
    """The pairwise term of a batch: see `gated_crf`."""
    return gated_crf(
        logits,
        image,
        radius=how.pairwise_radius,
        step=how.pairwise_step,
        colour=how.pairwise_colour,
        distance=how.pairwise_distance,
    )


def growth(how: Unlabelled, logits: Tensor, batch: Batch, step: int) -> Tensor:
    """The cross-entropy on what labels have grown into, each further the longer training lasts.

    Args:
        how: The options.
        logits: (batch, classes, height, width), of which the labels are grown too.
        batch: `mask` with 255 = unlabelled, and `regions`, 0 where nothing may grow.
        step: Of the training.

    Raises:
        GeoPointSegError: there are no regions.
    """
    mask, regions = batch["mask"], _regions(batch)
    rings = math.ceil(how.rings * min(1.0, step / how.ramp))
    probabilities = logits.detach().float().softmax(dim=1)
    reachable = probabilities.where((regions > 0)[:, None], -1.0)  # no threshold is as low
    found = grow(mask, reachable, how.threshold, rings)
    return masked_cross_entropy(logits, found.where(mask == UNLABELLED, UNLABELLED))


@torch.no_grad()
def lesson(
    how: Unlabelled, teacher: Teacher, batch: Batch, logits: Tensor, statistics: Statistics, draw: torch.Generator
) -> tuple[dict[str, Tensor], Tensor]:
    """What the teacher gives the student to learn: a harder view of the batch, and labels for it.

    Labelled pixels keep their label. A region whose labels contradict the teacher's does not agree.

    Args:
        how: The options.
        teacher: Its running confidence is brought up to date.
        batch: `image`, `mask`, and `regions` as `agreed` wants them, 0 where nothing may be labelled.
        logits: (batch, classes, height, width) of the teacher.
        statistics: Of the bands.
        draw: Random numbers of the view, on the CPU.

    Returns:
        The view with `image` and `mask`, and how many pixels of it have a label, as a share of those that may have one.

    Raises:
        GeoPointSegError: there are no regions.
    """
    mask, regions = batch["mask"], _regions(batch)
    inside = regions > 0
    probabilities = logits.float().softmax(dim=1)
    teacher.confidence = running_confidence(teacher.confidence, probabilities, inside)
    found = confident(probabilities, thresholds(teacher.confidence, how.threshold)).where(inside, UNLABELLED)
    found = mask.where(mask != UNLABELLED, found)
    if how.gate:
        found = mask.where(mask != UNLABELLED, agreed(found, regions, logits.shape[1]))
    share = ((found != UNLABELLED) & inside).sum() / inside.sum().clamp_min(1)
    harder = Augmentation(flips=False, turns=False, classmix=how.classmix, jitter=how.jitter)
    view = {"image": batch["image"], "mask": found, "weight": torch.ones_like(found, dtype=torch.float32)}
    return augment(view, harder, statistics, draw), share


def _regions(batch: Batch) -> Tensor:
    """The superpixels of a batch.

    Raises:
        GeoPointSegError: there are none.
    """
    if "regions" not in batch:
        raise GeoPointSegError("expected batches with regions, got none: take PointDataModule, which makes them")
    return batch["regions"]


def generator(card: Mapping[str, Any], rank: int, step: int) -> torch.Generator:
    """Random numbers that depend on seed, process and step alone, and are not those of the data's augmentation."""
    seed = card.get("sampling", {}).get("seed", 0)
    (state,) = np.random.SeedSequence((seed, rank, step, 1)).generate_state(1)
    return torch.Generator().manual_seed(int(state))
