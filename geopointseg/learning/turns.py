"""Test-time augmentation: a picture is seen in the eight flips and turns of the square, and the answers are averaged."""

import numpy as np

from geopointseg.learning.agreement import Ask, Pixels

__all__ = ["VIEWS", "turned"]

VIEWS: tuple[tuple[int, bool], ...] = tuple((quarters, flipped) for flipped in (False, True) for quarters in range(4))
"""Quarter turns, and whether the columns are reversed after them; as it is comes first."""


def turned(ask: Ask) -> Ask:
    """Ask for all eight views of the pixels, turn the probabilities back, and average them.

    What comes out turns with the picture: a network's liking for one direction is gone. It takes eight times as long.

    Args:
        ask: What computes the network; it is asked for one view of the whole batch after the other, in one order.

    Returns:
        A function that takes (batch, bands, height, width), square or not, and gives probabilities.
    """

    def asked(pixels: Pixels) -> Pixels:
        total = ask(pixels).copy()
        for quarters, flipped in VIEWS[1:]:
            total += _back(ask(_view(pixels, quarters, flipped)), quarters, flipped)
        total /= np.float32(len(VIEWS))
        return total

    return asked


def _view(pixels: Pixels, quarters: int, flipped: bool) -> Pixels:
    """A view in memory of its own: backends take no array that runs backwards."""
    view = np.rot90(pixels, quarters, axes=(-2, -1))
    return np.ascontiguousarray(view[..., ::-1] if flipped else view)


def _back(answer: Pixels, quarters: int, flipped: bool) -> Pixels:
    """The answer to a view, as the picture lay."""
    straight = answer[..., ::-1] if flipped else answer
    return np.rot90(straight, -quarters, axes=(-2, -1))
