"""Acquiring labels: which superpixels to ask about next, from a table of all that may be asked about.

Strategies, after the papers they are from:

* random: land at random, each superpixel by its area;
* stratified: clusters of like superpixels alike, each spread over the ground, the most typical one of every part: needs no
  model (typical ones first: Hacohen, Dekel and Weinshall, ICML 2022);
* uncertainty: where the model doubts most;
* class-balanced: doubt × exp(−share of the land that is predicted as this class) (Cai et al., CVPR 2021);
* core-set: what is least like anything labelled, k-centre greedy (Sener and Savarese, ICLR 2018);
* hybrid: drawn by chance in proportion to doubt × rarity of the predicted class × √area, and not both near to and like
  anything labelled or chosen (a Poisson disc on the ground and in features). Drawn, not ranked: what is worth most crowds
  where no answer helps, such as along borders, and a sample that leans towards the doubtful teaches more than one that
  consists of them (`benchmarks/query.py`).

Nobody answers more than what is there: where fewer are left than asked for, fewer are chosen.
"""

from dataclasses import dataclass, fields
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geopointseg.labels.strategies import share_out

__all__ = ["Candidates", "Strategy", "choose", "class_shares", "scores"]

Strategy = Literal["random", "stratified", "uncertainty", "class-balanced", "core-set", "hybrid"]
Floats = NDArray[np.floating]
Numbers = NDArray[np.int64]

POOL = 20_000  # superpixels that are compared with each other at most: the cost follows it and not the raster
CLUSTERS = 12  # of like superpixels at most
ROUNDS = 20  # of moving the middles of clusters
CHUNK = 128  # centres that distances are found to together
SAMPLE = 2000  # superpixels that tell how far apart features usually are
RARITY = 0.5  # power of a class's share that its rarity falls with


@dataclass(frozen=True, slots=True)
class Candidates:
    """Superpixels, one row each."""

    area: Floats
    """(n,) in pixels."""
    place: Floats
    """(n, 2) middle on the ground, x and y in pixels, those of all rasters on one plane."""
    features: Floats
    """(n, f) what it looks like; f may be 0."""
    shares: Floats
    """(n, classes) mean probability of each class; no classes before there is a model."""
    doubt: Floats
    """(n,) from 0 on, the more the less sure; 0 before there is a model."""
    asked: NDArray[np.bool_]
    """(n,) has a point in it or beside it: never chosen, but what is like it is known."""
    tile: Numbers
    """(n,) number of the piece of a raster that it was cut in."""
    label: Numbers
    """(n,) its number there."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.area)

    def at(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Some of the rows."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Several tables as one; at least one is given."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @property
    def class_id(self) -> Numbers:
        """(n,) the most probable class; −1 before there is a model."""
        if not self.shares.shape[1]:
            return np.full(len(self), -1, np.int64)
        return np.asarray(self.shares.argmax(axis=1), np.int64)


def choose(
    table: Candidates, n: int, *, strategy: Strategy, seed: int = 0, land: Floats | None = None
) -> NDArray[np.int64]:
    """Choose superpixels to ask about.

    Args:
        table: All superpixels.
        n: How many are wanted.
        strategy: See above.
        seed: Of what is drawn by chance.
        land: (classes,) share of the land predicted as each class; by default that of the table.

    Returns:
        Rows of the table, in the order they were chosen in; fewer than `n` where fewer are free.
    """
    free = np.flatnonzero(~table.asked & (table.area > 0))
    n = min(n, len(free))
    if not n:
        return np.zeros(0, np.int64)
    rng = np.random.default_rng(seed)
    if strategy == "random":
        return rng.choice(free, n, replace=False, p=table.area[free] / table.area[free].sum())
    if strategy == "stratified":
        return _stratified(table, free, n, rng)
    if strategy == "core-set":
        pool = free if len(free) <= POOL else np.sort(rng.choice(free, POOL, replace=False))
        return _spread_out(table, pool, n)
    worth = scores(table, strategy, land)[free]
    if strategy == "hybrid":
        return _drawn(table, free, worth, n, rng)
    return free[np.argsort(-worth, kind="stable")[:n]]


def scores(table: Candidates, strategy: Strategy, land: Floats | None = None) -> Floats:
    """How much each superpixel is worth by itself: (n,); 1 where the strategy has no score."""
    doubt, shares = table.doubt, class_shares(table) if land is None else land
    if strategy not in ("uncertainty", "class-balanced", "hybrid") or not len(shares):
        return np.ones(len(table))
    if strategy == "uncertainty":
        return doubt
    mine = shares[table.class_id]
    if strategy == "class-balanced":
        return doubt * np.exp(-mine)
    return doubt * np.maximum(mine, 1e-3) ** -RARITY * np.sqrt(table.area)


def class_shares(table: Candidates) -> Floats:
    """(classes,) share of the land that is predicted as each class; all 0 where there is no land."""
    found = np.bincount(table.class_id + 1, table.area, minlength=table.shares.shape[1] + 1)[1:]
    return found / max(float(found.sum()), 1.0)


def _drawn(table: Candidates, free: Numbers, worth: Floats, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw in proportion to worth, passing over what is near to and like anything asked or drawn, while there is more.

    Near is within half the spacing that as many points would have if they lay evenly; alike is nearer in features than half
    of any two usually are. Drawn by the largest of log worth + Gumbel noise (Efraimidis and Spirakis 2006).
    """
    key = np.log(np.maximum(worth, 1e-12)) + rng.gumbel(size=len(free))
    order = free[np.argsort(-key, kind="stable")]
    look, old = _standard(table), np.flatnonzero(table.asked)
    alike = _usual_distance(look, rng) / 2
    radius = np.sqrt(table.area.sum() / (len(old) + n)) / 2
    taken, passed = old, np.zeros(0, np.int64)
    for some in (order[i : i + 2 * n] for i in range(0, len(order), 2 * n)):
        near = _neighbours(table.place, some, taken, radius)
        for row, others in zip(some, near, strict=True):
            fresh = taken[len(old) :][_distance(table.place[taken[len(old) :]], table.place[row]) < radius]
            others = np.concatenate([others, fresh])
            if (_distance(look[others], look[row]) < alike).any():
                passed = np.append(passed, row)
            else:
                taken = np.append(taken, row)
            if len(taken) == len(old) + n:
                return taken[len(old) :]
    return np.concatenate([taken[len(old) :], passed])[:n]


def _neighbours(place: Floats, rows: Numbers, others: Numbers, radius: float) -> list[Numbers]:
    """For each row those of the others within a radius on the ground."""
    if not len(others):
        return [others] * len(rows)
    found = cKDTree(place[others]).query_ball_point(place[rows], radius)
    return [others[np.array(near, np.int64)] for near in found]


def _spread_out(table: Candidates, pool: Numbers, n: int) -> NDArray[np.int64]:
    """Take one after the other, each time the one that is least like anything asked or taken (k-centre greedy)."""
    look = _standard(table)
    away = _nearest(look[pool], look[table.asked])
    if not np.isfinite(away).any():  # nothing is labelled: begin in the middle
        away = -_distance(look[pool], look[pool].mean(axis=0)) + 1e6
    taken: list[int] = []
    for _ in range(n):
        best = int(np.argmax(away))
        taken.append(best)
        away = np.minimum(away, _distance(look[pool], look[pool[best]]))
        away[best] = -np.inf
    return pool[taken]


def _stratified(table: Candidates, free: Numbers, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Clusters alike, each cut into parts of the ground, of each part the most typical superpixel."""
    look = _standard(table)
    cluster, off = _clusters(look, free, min(CLUSTERS, n), rng)
    sizes = np.bincount(cluster)
    shares = share_out({number: int(size) for number, size in enumerate(sizes) if size}, n)
    chosen = []
    for number, share in shares.items():
        mine = np.flatnonzero(cluster == number)
        for part in _parts(mine, table.place[free], share):
            chosen.append(free[part[np.argmin(off[part])]])
    return rng.permutation(np.array(chosen, np.int64))


def _clusters(look: Floats, free: Numbers, count: int, rng: np.random.Generator) -> tuple[Numbers, Floats]:
    """The cluster of each free superpixel, and how far it is from the cluster's middle."""
    if count < 2 or not look.shape[1]:
        return np.zeros(len(free), np.int64), _distance(look[free], look[free].mean(axis=0))
    sample = look[rng.choice(free, min(POOL, len(free)), replace=False)]
    different = np.unique(sample, axis=0)
    count = min(count, len(different))
    middle = different[rng.choice(len(different), count, replace=False)]
    for _ in range(ROUNDS):
        nearest = _each_nearest(sample, middle)
        sums = np.stack([np.bincount(nearest, column, minlength=count) for column in sample.T], axis=1)
        held = np.bincount(nearest, minlength=count)[:, None]
        middle = np.where(held > 0, sums / np.maximum(held, 1), middle)
    cluster = _each_nearest(look[free], middle)
    return cluster, np.sqrt(((look[free] - middle[cluster]) ** 2).sum(axis=1))


def _each_nearest(points: Floats, middle: Floats) -> Numbers:
    """The middle that is nearest to each point."""
    squared = (middle**2).sum(axis=1) - 2 * points @ middle.T
    return np.asarray(squared.argmin(axis=1), np.int64)


def _parts(members: Numbers, place: Floats, n: int) -> list[Numbers]:
    """Members in `n` compact parts of equal number: halved across their longer side until there are as many."""
    if n < 1:
        return []
    if n == 1:
        return [members]
    xy = place[members]
    order = members[np.argsort(xy[:, int(np.argmax(np.ptp(xy, axis=0)))], kind="stable")]
    cut = round(len(order) * (n // 2) / n)
    return [*_parts(order[:cut], place, n // 2), *_parts(order[cut:], place, n - n // 2)]


def _standard(table: Candidates) -> Floats:
    """Features with mean 0 and spread 1; a probability enters by its square root, as in Hellinger's distance."""
    look = np.hstack([table.features, np.sqrt(np.clip(table.shares, 0, None))]).astype(np.float32)
    if not len(look):
        return look
    spread = look.std(axis=0)
    scaled: Floats = (look - look.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
    return np.asarray(scaled / np.sqrt(max(look.shape[1], 1)))


def _usual_distance(look: Floats, rng: np.random.Generator) -> float:
    """The median distance of two superpixels; 1 where all are alike."""
    a, b = (look[rng.integers(len(look), size=SAMPLE)] for _ in range(2))
    usual = float(np.median(np.sqrt(((a - b) ** 2).sum(axis=1))))
    return usual if usual > 0 else 1.0


def _nearest(points: Floats, centres: Floats) -> Floats:
    """Distance of every point to the nearest centre; infinite where there is none."""
    found, own = np.full(len(points), np.inf), (points**2).sum(axis=1)
    for some in (centres[i : i + CHUNK] for i in range(0, len(centres), CHUNK)):
        found = np.minimum(found, ((some**2).sum(axis=1) - 2 * points @ some.T).min(axis=1))
    return np.asarray(np.sqrt(np.maximum(found + own, 0)))


def _distance(points: Floats, centre: Floats) -> Floats:
    """Distance of every point to one."""
    away: Floats = np.sqrt(((points - centre) ** 2).sum(axis=1))
    return away
