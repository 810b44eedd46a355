"""Suspicion: which labels are probably wrong, from what is said of each point by all the others.

Every point is predicted without itself: kernel ridge regression has its leave-one-out predictions in closed form, so that
no label vouches for itself and nothing has to be trained again. They are ranked by the margin by which another class is more
probable. Taken for wrong is a label where that class is as probable as it usually is for its own points, as in confident
learning (Northcutt, Jiang and Chuang, JAIR 2021), and the given one less than half as probable as it usually is. The first
alone suspects three good points for each wrong one where classes look alike (`benchmarks/suspects.py`), and to take those out
costs more than the wrong ones do.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST", "Suspicion", "leave_one_out", "suspicion"]

Floats = NDArray[np.floating]
Ids = NDArray[np.int64]

WAVES = 400  # random Fourier features that stand for the Gaussian kernel (Rahimi and Recht 2007)
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)  # of which the one is taken whose leave-one-out predictions err least
WEAK = 0.5  # share of what is usual below which a label has little to say for it
FEWEST = 2  # points of a class, so that one is left to learn from


class Suspicion(NamedTuple):
    """What is thought of every label."""

    score: Floats
    """(n,) from −1, surely right, to 1, surely wrong; sort by it."""
    other: Ids
    """(n,) the class that speaks most against it."""
    suspected: NDArray[np.bool_]
    """(n,) whether confident learning takes it for wrong."""


def leave_one_out(features: Floats, class_id: Ids, classes: int, *, seed: int = 0) -> Floats:
    """Probabilities of each point's classes, learnt from all others.

    Args:
        features: (n, f), finite.
        class_id: (n,) given labels.
        classes: How many there are.
        seed: Of the kernel's waves.

    Returns:
        (n, classes), rows sum to 1; 1 over the number of classes where nothing can be said.
    """
    n = len(class_id)
    nothing = np.full((n, classes), 1 / max(classes, 1))
    if n < FEWEST or len(np.unique(class_id)) < 2:
        return nothing
    spread = features.std(axis=0)
    look = (features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
    rng = np.random.default_rng(seed)
    pairs = rng.integers(n, size=(2, 2000))
    width = float(np.median(np.sqrt(((look[pairs[0]] - look[pairs[1]]) ** 2).sum(axis=1)))) or 1.0
    waves = rng.normal(0, 1 / width, (look.shape[1], WAVES))
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    design = np.hstack([np.cos(look @ waves + phase) * np.sqrt(2 / WAVES), np.ones((n, 1))])
    said = np.eye(classes)[class_id]
    count = np.bincount(class_id, minlength=classes)
    weight = 1 / (count[class_id] * np.count_nonzero(count))  # every class alike
    best, error = nothing, np.inf
    for ridge in RIDGES:
        inner = (design * weight[:, None]).T @ design + ridge / n**0.5 * np.eye(design.shape[1])
        solved = np.linalg.solve(inner, design.T)
        fitted = design @ (solved @ (said * weight[:, None]))
        own = np.clip(weight * np.einsum("nf,fn->n", design, solved), 0, 0.999)[:, None]
        left_out = (fitted - own * said) / (1 - own)
        missed = float((weight * (left_out.argmax(axis=1) != class_id)).sum())
        if missed < error:
            best, error = left_out, missed
    shares = np.clip(best, 1e-6, None)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def suspicion(shares: Floats, class_id: Ids) -> Suspicion:
    """Judge labels by predictions that did not see them.

    Args:
        shares: (n, classes) probabilities.
        class_id: (n,) given labels.
    """
    n, classes = shares.shape
    if not n or classes < 2:
        return Suspicion(np.zeros(n), class_id.copy(), np.zeros(n, bool))
    count = np.bincount(class_id, minlength=classes)
    own = shares[np.arange(n), class_id]
    usual = np.bincount(class_id, own, minlength=classes) / np.maximum(count, 1)
    usual[count < FEWEST] = np.inf  # a class of one point or none speaks for nothing
    rivals = shares.copy()
    rivals[np.arange(n), class_id] = -np.inf
    rivals[:, count == 0] = -np.inf
    other = rivals.argmax(axis=1).astype(np.int64)
    score = np.where(count[class_id] < FEWEST, 0.0, shares[np.arange(n), other] - own)
    suspected = (shares[np.arange(n), other] >= usual[other]) & (own < usual[class_id] * WEAK) & (score > 0)
    return Suspicion(score, other, suspected)
