"""ISODATA of single pixels, for comparison: K-means whose clusters split where they are wide and join where they are near.

Ball and Hall, "ISODATA, a novel method of data analysis and pattern classification", 1965, in the form of textbooks (Tou and
Gonzalez, "Pattern Recognition Principles", 1974).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geopointseg.clustering.kmeans import nearest

__all__ = ["Limits", "isodata"]

Centres = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Limits:
    """What makes clusters split, join and go; bands are within 0 to 1."""

    wide: float = 0.1
    """Standard deviation in a band above which a cluster may split."""
    near: float = 0.17
    """Difference of mean colours, the root of the mean square over bands, below which two clusters join."""
    small: float = 0.002
    """Share of the pixels below which a cluster goes."""
    pairs: int = 2
    """Pairs that join in one round, at most."""
    rounds: int = 20


def isodata(
    pixels: NDArray[np.float32],
    k: int,
    *,
    seed: int = 0,
    limits: Limits = Limits(),
) -> Centres:
    """Centres of clusters.

    Args:
        pixels: (pixels, bands).
        k: Clusters wanted, which it starts with; half as many or fewer split more readily, and it never has more.
        seed: Of the pixels that it starts from.
        limits: What makes clusters split, join and go.

    Returns:
        (clusters, bands), at least one.
    """
    different = np.unique(pixels, axis=0)
    start = np.random.default_rng(seed).choice(len(different), min(k, len(different)), replace=False)
    centres = different[np.sort(start)]
    idle = 0
    for number in range(limits.rounds):
        centres, own = _settled(pixels, centres, limits)
        split = centres
        if number < limits.rounds - 1 and (len(centres) <= k / 2 or number % 2 == 0):
            split = _split(pixels, centres, own, k, limits)
        if len(split) > len(centres):
            centres, idle = split, 0
            continue
        joined = _joined(centres, np.bincount(own, minlength=len(centres)), limits)
        idle = idle + 1 if len(joined) == len(centres) else 0
        if idle == 2:
            break  # neither splits nor joins
        centres = joined
    return _settled(pixels, centres, limits)[0]


def _settled(pixels: NDArray[np.float32], centres: Centres, limits: Limits) -> tuple[Centres, NDArray[np.int64]]:
    """Centres moved to the means of their pixels, without those of few; and the cluster of each pixel."""
    own = nearest(pixels, centres)
    counts = np.bincount(own, minlength=len(centres))
    keep = counts >= max(1.0, limits.small * len(pixels))
    if not keep.any():
        keep = counts == counts.max()
    centres = centres[keep]
    own = nearest(pixels, centres)
    keep = np.bincount(own, minlength=len(centres)) > 0
    own = (np.cumsum(keep) - 1)[own]
    return _means(pixels, own, int(keep.sum())), own


def _means(pixels: NDArray[np.float32], own: NDArray[np.int64], count: int) -> Centres:
    """(count, bands) the mean of each cluster's pixels; none is empty."""
    sums = np.stack([np.bincount(own, band, minlength=count) for band in pixels.T], axis=1)
    means: Centres = (sums / np.bincount(own, minlength=count)[:, None]).astype(np.float32)
    return means


def _split(pixels: NDArray[np.float32], centres: Centres, own: NDArray[np.int64], k: int, limits: Limits) -> Centres:
    """Two centres for every cluster that is wide, and loose and large beside the others; no more than k in all."""
    counts = np.bincount(own, minlength=len(centres))
    apart = pixels - centres[own]
    spread = np.sqrt(_means(apart**2, own, len(centres)))
    distance = np.sqrt((apart**2).sum(axis=1))
    loose = np.bincount(own, distance, minlength=len(centres)) / counts
    large = counts > 2 * (limits.small * len(pixels) + 1)
    made = list(centres)
    for cluster in np.argsort(-spread.max(axis=1), kind="stable"):
        few = len(made) <= k / 2
        wide = spread[cluster].max() > limits.wide
        if wide and len(made) < k and (few or (loose[cluster] > distance.mean() and large[cluster])):
            step = np.zeros(centres.shape[1], np.float32)
            band = int(spread[cluster].argmax())
            step[band] = spread[cluster, band] / 2
            made[cluster] = centres[cluster] - step
            made.append(centres[cluster] + step)
    return np.array(made, np.float32)


def _joined(centres: Centres, counts: NDArray[np.int64], limits: Limits) -> Centres:
    """One centre for the nearest pairs of clusters, each cluster in one pair at most."""
    rows, cols = np.triu_indices(len(centres), 1)
    distance = np.sqrt(((centres[rows] - centres[cols]) ** 2).mean(axis=1))
    gone: set[int] = set()
    made: dict[int, NDArray[np.float32]] = dict(enumerate(centres))
    pairs = 0
    for pair in np.argsort(distance, kind="stable"):
        a, b = int(rows[pair]), int(cols[pair])
        if pairs == limits.pairs or distance[pair] >= limits.near:
            break
        if a in gone or b in gone:
            continue
        made[a] = (counts[a] * centres[a] + counts[b] * centres[b]) / (counts[a] + counts[b])
        del made[b]
        gone |= {a, b}
        pairs += 1
    return np.array([made[i] for i in sorted(made)], np.float32)
