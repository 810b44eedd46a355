"""Choosing what to hold out: about the wanted share of every class, in groups or feature by feature."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["choose_features", "choose_groups"]

Integers = NDArray[np.int64]


def choose_features(class_of: Integers, share: float, rng: np.random.Generator) -> Integers:
    """Features at random, the share of each class."""
    want = _wanted(np.bincount(class_of), share)
    picks = [rng.permutation(np.flatnonzero(class_of == c))[:n] for c, n in enumerate(want)]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *picks]))


def _wanted(total: Integers, share: float) -> Integers:
    """How many of each class are to be held out: of less than five none, else at least one."""
    want: Integers = np.where(total >= 5, np.maximum(1, np.round(share * total)), 0).astype(np.int64) * (share > 0)
    return want


def choose_groups(held: Integers, lost: Integers, share: float, rng: np.random.Generator) -> Integers:
    """Groups to hold out, greedily: the one that serves the classes still short of their share best, while it pays.

    Args:
        held: (groups, classes) features.
        lost: (groups, classes) features with those in the gap: none of them trains.
        share: Share of each class wanted.
        rng: Breaks ties.
    """
    total = held.sum(axis=0)
    want = _wanted(total, share)
    weight = np.where(want > 0, 1 / np.maximum(want, 1), 1.0)
    left, order, chosen = want.copy(), rng.permutation(len(held)), []
    gone = np.zeros_like(total)
    while len(order):
        served = np.minimum(held[order], np.maximum(left, 0)) @ weight
        spilt = np.maximum(held[order] - np.maximum(left, 0), 0) @ weight
        gain = served - 0.5 * spilt
        gain[(gone + lost[order] >= total).any(axis=1)] = 0  # would leave a class nothing to train on
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        chosen.append(order[best])
        left -= held[order[best]]
        gone += lost[order[best]]
        order = np.delete(order, best)
    return np.sort(np.array(chosen, dtype=np.int64))
