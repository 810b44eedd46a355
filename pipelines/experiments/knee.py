"""The knee: from how many clicks on more of them gain little.

Two straight lines that meet are laid through the curve (segmented regression; Muggeo, Statistics in Medicine 2003), by least
squares, for every place where they could meet. Where they meet is the knee, if the second line rises at most half as steeply
as the first; a curve that does not bend so has none. It can be found from the second to the last but one of the abscissae only,
so that both lines have two points at least. The interval is a bootstrap over seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Knee", "bend", "find_knee"]

PLACES = 201  # where the lines could meet
FLATTER = 0.5  # how steep the second line may be, against the first
LEAST = 1e-9  # what a curve must rise by to rise at all, for lines through equal values are not quite level
ENOUGH = 6  # seeds: fewer give so few different draws that the bootstrap's interval is too short
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Knee:
    """Where a curve flattens."""

    at: float | None
    """In units of the axis; None where it does not."""
    low: float | None
    """2.5th percentile of the bootstrap's knees; None without any."""
    high: float | None
    """97.5th percentile."""
    found: float
    """Share of the bootstrap's curves that have a knee."""
    seeds: int
    """Seeds that have the whole curve."""

    def __str__(self) -> str:
        """In words."""
        if self.at is None or self.low is None or self.high is None:
            return f"no knee ({self.found:.0%} of the bootstrap's curves have one; {self.seeds} seeds)"
        few = ", too few for the interval to be trusted" if self.seeds < ENOUGH else ""
        return (
            f"knee at {self.at:.0f}, 95 % interval {self.low:.0f} to {self.high:.0f} "
            f"({self.found:.0%} of the bootstrap's curves have one; {self.seeds} seeds{few})"
        )


def find_knee(curves: Mapping[int, Mapping[float, float]], *, draws: int = 1000, seed: int = 0) -> Knee | None:
    """Where the mean curve flattens, with an interval.

    Args:
        curves: For each seed, the score at each abscissa. Seeds that lack an abscissa of others are left out.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        The knee; None where fewer than four abscissae are there, or no seed has all of them.
    """
    places = sorted({place for curve in curves.values() for place in curve})
    whole = [curve for curve in curves.values() if len(curve) == len(places)]
    if len(places) < 4 or not whole:
        return None
    x = np.array(places, float)
    y = np.array([[curve[place] for place in places] for curve in whole], float)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(y), size=(draws, len(y)))
    kept: dict[tuple[int, ...], float | None] = {}  # few seeds give few different draws
    knees = []
    for numbers in np.sort(drawn, axis=1):
        key = tuple(numbers.tolist())
        if key not in kept:
            kept[key] = bend(x, y[numbers].mean(axis=0))
        knees.append(kept[key])
    present = [one for one in knees if one is not None]
    low, high = np.percentile(present, (2.5, 97.5)).tolist() if present else (None, None)
    return Knee(bend(x, y.mean(axis=0)), low, high, len(present) / draws, len(y))


def bend(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Where two straight lines through a curve meet, if the second is flat enough.

    Args:
        x: (n,) rising abscissae, four at least.
        y: (n,) values.

    Returns:
        The abscissa; None where the curve does not rise and then flatten.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    best: tuple[float, float, float, float] | None = None
    for place in np.linspace(x[1], x[-2], PLACES):
        lines = np.stack([np.ones_like(x), x, np.maximum(x - place, 0)], axis=1)
        fitted = np.linalg.lstsq(lines, y, rcond=None)[0]
        error = float(((lines @ fitted - y) ** 2).sum())
        if best is None or error < best[0] - 1e-15:
            best = error, float(place), float(fitted[1]), float(fitted[1] + fitted[2])
    if best is None:
        return None
    _, place, before, after = best
    rises = before * (x[-1] - x[0]) > LEAST
    return place if rises and after <= FLATTER * before else None
