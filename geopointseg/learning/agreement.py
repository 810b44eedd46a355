"""How often two ways to compute a network give the same class, and whether that is often enough."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["SAFE", "Agreement", "Ask", "Pixels", "compare"]

SAFE = 0.995
"""The least share of equal pixels with which bfloat16 may take the place of float32."""

Pixels = NDArray[np.float32]
Ask = Callable[[Pixels], Pixels]
"""Raw pixels (batch, bands, height, width), NaN where there is no data, to probabilities (batch, classes, height, width)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """On how many of so many pixels two ways give the same class."""

    equal: float
    """Share of the pixels; 1 where there are none."""
    pixels: int
    chips: str
    """What the pixels are, in words."""

    @property
    def safe(self) -> bool:
        """Whether one may stand for the other."""
        return bool(self.pixels) and self.equal >= SAFE

    def __str__(self) -> str:
        """For people; rounded down, so that no share looks better than it is."""
        return f"{np.floor(self.equal * 1e4) / 1e2:.2f} % of {self.pixels:,} pixels of {self.chips}"


def compare(one: Ask, other: Ask, batches: Iterable[Pixels], *, chips: str) -> Agreement:
    """Count the pixels that two ways give the same class.

    Args:
        one: A way.
        other: Another.
        batches: (batch, bands, height, width); a pixel without data in any band is not counted.
        chips: What they are, in words.
    """
    equal = total = 0
    for pixels in batches:
        seen = ~np.isnan(pixels).all(axis=1)
        equal += int(np.count_nonzero((classes(one(pixels)) == classes(other(pixels))) & seen))
        total += int(np.count_nonzero(seen))
    return Agreement(equal / total if total else 1.0, total, chips)


def classes(probabilities: Pixels) -> NDArray[np.int64]:
    """The likeliest class of each pixel: (batch, classes, height, width) to (batch, height, width)."""
    found: NDArray[np.int64] = torch.from_numpy(probabilities).max(dim=1).indices.numpy()  # argmax is many times slower
    return found
