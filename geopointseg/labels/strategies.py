"""Strategies of drawing simulated points: which pixels of a dense truth an imagined analyst would click.

Truth is a (height, width) array of class codes. Shares say how many points each code gives, `{code: points}`; no code is
asked for more than it has. Every answer is rows and columns, each pixel once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.measure import label

from geopointseg.classes import UNLABELLED

__all__ = [
    "Strategy",
    "border_distance",
    "draw_points",
    "interior_points",
    "lssqps_shares",
    "near_borders",
    "random_points",
    "share_out",
    "spread_points",
]

Strategy = Literal["random", "stratified", "per-object", "boundary-biased", "lssqps", "per-image"]
Truth = NDArray[np.integer]
Pixels = tuple[NDArray[np.int64], NDArray[np.int64]]

BACKGROUND = 0  # what LSSQPS takes for "no class of interest"
BORDER_REACH = 3.0  # pixels over which the density of boundary-biased points falls to 1/e
PER_STRATUM = 64  # pixels that stand for a stratum, so that the cost follows the points and not the raster


def draw_points(
    truth: Truth,
    count: int,
    rng: np.random.Generator,
    *,
    strategy: Strategy = "random",
    per: Literal["class", "image"] = "class",
    ignore: Collection[int] = (UNLABELLED,),
    min_area: int = 25,
    fair: bool = False,
) -> Pixels:
    """Draw pixels by one of the strategies.

    Args:
        truth: (height, width) class codes.
        count: Points, where the truth has enough.
        rng: Source of the draw.
        strategy: See `geopointseg.labels.draw.draw`.
        per: Whether `count` is of each class or of all together; lssqps and per-image know only the latter.
        ignore: Codes that are no class.
        min_area: Pixels of the smallest component that per-object looks at.
        fair: Let lssqps throw no points away.

    Returns:
        Rows and columns of distinct pixels; class by class in ascending code, but for per-image.
    """
    values, pixels = np.unique(truth, return_counts=True)
    has = dict(zip(values.tolist(), pixels.tolist(), strict=True))
    available = {code: n for code, n in has.items() if code not in ignore}
    if not available:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if strategy == "per-image":
        chosen = np.flatnonzero(np.isin(truth, list(available)))
        return _unravel(rng.choice(chosen, min(count, len(chosen)), replace=False), truth)
    if strategy == "lssqps":
        return random_points(truth, lssqps_shares(has, count, ignore=ignore, fair=fair), rng)

    spots = interior_points(truth, min_area=min_area, ignore=ignore) if strategy == "per-object" else None
    if spots is not None:
        codes, components = np.unique(truth[spots], return_counts=True)
        available = dict(zip(codes.tolist(), components.tolist(), strict=True))
    shares = share_out(available, count) if per == "image" else {c: min(n, count) for c, n in available.items()}
    if spots is not None:
        kept = _joined(np.flatnonzero(truth[spots] == code)[:share] for code, share in shares.items())
        return spots[0][kept], spots[1][kept]
    choose = {"random": random_points, "stratified": spread_points, "boundary-biased": near_borders}[strategy]
    return choose(truth, shares, rng)


def share_out(available: Mapping[int, int], count: int) -> dict[int, int]:
    """Share a budget equally; what a class cannot give passes to the others, the remainder to the first in order.

    Args:
        available: The most that each code can give.
        count: Points in total, reached unless all classes together have fewer.
    """
    shares, left = {}, count
    waiting = sorted(available, key=lambda code: available[code])
    while waiting and available[waiting[0]] <= left // len(waiting):
        code = waiting.pop(0)
        shares[code] = available[code]
        left -= available[code]
    for place, code in enumerate(sorted(waiting)):
        shares[code] = left // len(waiting) + (place < left % len(waiting))
    return dict(sorted(shares.items()))


def lssqps_shares(
    has: Mapping[int, int], count: int, *, ignore: Collection[int] = (UNLABELLED,), fair: bool = False
) -> dict[int, int]:
    """Points per class as LSSQPS shares them (arXiv 2309.05490, the released code).

    With K distinct values in the mask, background 0 and the ignored ones among them, each class gives floor(count / K).
    Background and ignored values give none, and their shares are thrown away; so is the share of a class that has no
    more pixels than it.

    Args:
        has: Pixels of every value in the mask.
        count: Points in total, never quite reached.
        ignore: Codes that are no class.
        fair: Share everything out among the classes other than background instead; small ones give all they have.
    """
    classes = {code: n for code, n in has.items() if code != BACKGROUND and code not in ignore}
    if fair:
        return share_out(classes, count)
    quota = count // max(1, len(has))
    return {code: quota if n > quota else 0 for code, n in classes.items()}


def random_points(truth: Truth, shares: Mapping[int, int], rng: np.random.Generator) -> Pixels:
    """Every pixel of a class alike."""
    return _each(truth, shares, lambda pixels, n: rng.choice(pixels, n, replace=False))


def spread_points(truth: Truth, shares: Mapping[int, int], rng: np.random.Generator) -> Pixels:
    """Every pixel of a class alike, but spread out: one at random from each of `n` compact strata of equal size.

    Strata are cells of a k-d tree: the class is halved across its longer side until there is a stratum per point. With
    one point per cell of a square grid, cells that the class only touches would count in full and draw the points
    towards its borders.
    """

    def pick(pixels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        sample = pixels if len(pixels) <= PER_STRATUM * n else rng.choice(pixels, PER_STRATUM * n, replace=False)
        strata = _strata(sample, n, truth.shape[1])
        return np.array([stratum[rng.integers(len(stratum))] for stratum in strata], np.int64)

    return _each(truth, shares, pick)


def _strata(pixels: NDArray[np.int64], n: int, width: int) -> Iterable[NDArray[np.int64]]:
    """The pixels (flat index) in `n` compact parts of equal size, to within a pixel."""
    if n < 2:
        yield from [pixels] * n
        return
    rows, cols = np.divmod(pixels, width)
    across = pixels if np.ptp(rows) >= np.ptp(cols) else cols * (rows.max() + 1) + rows
    cut = round(len(pixels) * (n // 2) / n)
    order = np.argpartition(across, cut)
    yield from _strata(pixels[order[:cut]], n // 2, width)
    yield from _strata(pixels[order[cut:]], n - n // 2, width)


def near_borders(truth: Truth, shares: Mapping[int, int], rng: np.random.Generator) -> Pixels:
    """Pixels in proportion to exp(-d / 3), with d the distance to the border of their class in pixels.

    Without replacement, by the largest of log weight + Gumbel noise (Efraimidis and Spirakis 2006).
    """
    distance = border_distance(truth).ravel()

    def pick(pixels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        key = rng.gumbel(size=len(pixels)) - np.sqrt(distance[pixels]) / BORDER_REACH
        return pixels[np.argpartition(key, len(key) - n)[len(key) - n :]] if n else pixels[:0]

    return _each(truth, shares, pick)


def interior_points(truth: Truth, *, min_area: int = 25, ignore: Collection[int] = (UNLABELLED,)) -> Pixels:
    """The most interior pixel of every 8-connected component, the largest components of a class first.

    That is the pixel farthest from the component's border, from unlabelled pixels and from the raster's edge; of several
    the one nearest to the centroid, then the first.

    Args:
        truth: (height, width) class codes.
        min_area: Pixels; smaller components give no point.
        ignore: Codes that are no class.
    """
    region = label(truth, background=int(truth.min()) - 1, connectivity=2)
    area = np.bincount(region.ravel())
    code = np.zeros(len(area), np.int64)
    code[region] = truth
    wanted = (area >= min_area) & ~np.isin(code, list(ignore))

    depth = border_distance(truth, edge=True)
    deepest = np.zeros(len(area), depth.dtype)
    np.maximum.at(deepest, region.ravel(), depth.ravel())
    rows, cols = np.nonzero(wanted[region] & (depth == deepest[region]))
    of = region[rows, cols]
    off = np.zeros(len(of))
    for at, places in ((rows, np.arange(truth.shape[0])[:, None]), (cols, np.arange(truth.shape[1]))):
        total = np.zeros(len(area), np.int64)
        np.add.at(total, region, np.broadcast_to(places, region.shape))  # without it NumPy 2.4.6 reads astray
        off += (at - total[of] / area[of]) ** 2

    order = np.lexsort((off, of))
    best = order[np.unique(of[order], return_index=True)[1]]
    best = best[np.lexsort((-area[of[best]], code[of[best]]))]
    return rows[best], cols[best]


def border_distance(truth: Truth, *, edge: bool = False) -> NDArray[np.int32]:
    """Squared distance, in pixels, of every pixel to the nearest one that has another value beside it.

    That one is always of the same class and component, so that one transform serves all classes.

    Args:
        truth: (height, width) class codes.
        edge: The raster's edge is a border too.

    Returns:
        (height, width) int32; 0 on the border, and everywhere if there is none.
    """
    border = np.zeros(truth.shape, bool)
    for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = truth[a] != truth[b]
        border[a] |= differs
        border[b] |= differs
    if edge:
        border[[0, -1]] = border[:, [0, -1]] = True
    if not border.any():
        return np.zeros(truth.shape, np.int32)
    offset: NDArray[np.int32] = distance_transform_edt(~border, return_distances=False, return_indices=True)
    offset[0] -= np.arange(truth.shape[0], dtype=np.int32)[:, None]
    offset[1] -= np.arange(truth.shape[1], dtype=np.int32)
    squared: NDArray[np.int32] = np.square(offset, out=offset).sum(axis=0, dtype=np.int32)
    return squared


def _each(
    truth: Truth, shares: Mapping[int, int], pick: Callable[[NDArray[np.int64], int], NDArray[np.int64]]
) -> Pixels:
    """What `pick` takes of the pixels (flat index) of each class."""
    flat = truth.ravel()
    return _unravel(_joined(pick(np.flatnonzero(flat == code), share) for code, share in shares.items()), truth)


def _joined(parts: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The parts one after the other; there may be none."""
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _unravel(index: NDArray[np.int64], truth: Truth) -> Pixels:
    """Rows and columns of flat indices."""
    return np.divmod(index, truth.shape[1])
