"""Stratified estimators of accuracy and area from a reference sample.

Stehman (2014), International Journal of Remote Sensing 35, 4923–4939, for strata of any kind; where the strata are the map's
classes this is what Olofsson et al. (2014), Remote Sensing of Environment 148, 42–57, give. The finite population correction, which
Stehman's formulas have and Olofsson's have not, is left out where less than a twentieth of a stratum was drawn (Cochran 1977).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopointseg.errors import GeoPointSegError

__all__ = ["Z95", "Estimate", "Estimates", "Stratum", "cochran", "estimate", "share_out"]

Z95 = 1.96
"""How many standard errors lie on each side of an estimate in a 95 % interval, as both papers have it."""
SMALL = 0.05  # share of a stratum below which drawing it leaves it as good as whole

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stratum:
    """What a part of the sample was drawn from."""

    name: str
    pixels: int
    area: float
    """In hectares."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its standard error; None where the sample does not tell."""

    value: float | None
    error: float | None

    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval, which may reach beyond what is possible."""
        if self.value is None or self.error is None:
            return None
        return self.value - Z95 * self.error, self.value + Z95 * self.error


@dataclass(frozen=True, slots=True)
class Estimates:
    """What a reference sample says of a map."""

    classes: tuple[str, ...]
    area: tuple[Estimate, ...]
    """Of each class in the reference, in hectares."""
    users: tuple[Estimate, ...]
    """User's accuracy of each class."""
    producers: tuple[Estimate, ...]
    """Producer's accuracy of each class."""
    overall: Estimate
    matrix: Floats
    """(classes, classes) estimated shares of the area: rows are the map, columns the reference."""
    counts: NDArray[np.int64]
    """(strata, classes) points by stratum and reference class."""


def estimate(
    stratum: ArrayLike, mapped: ArrayLike, reference: ArrayLike, *, strata: Sequence[Stratum], classes: Sequence[str]
) -> Estimates:
    """Estimate accuracy and area from a stratified random sample.

    Within a stratum every hectare has had the same chance to be drawn.

    Args:
        stratum: (points,) of which stratum each is, from 0 on.
        mapped: (points,) class id on the map; a number that is no class for none.
        reference: (points,) class id in the reference.
        strata: What was sampled; points are weighted by the strata's areas.
        classes: Names of map and reference.

    Raises:
        GeoPointSegError: a stratum without a point: of what lies in it the sample says nothing.
    """
    h, m, r = (np.asarray(ids, dtype=np.int64) for ids in (stratum, mapped, reference))
    counted = np.bincount(h, minlength=len(strata))
    if missing := [one.name for one, count in zip(strata, counted, strict=True) if not count]:
        raise GeoPointSegError(
            f"expected a reference point in every stratum, got none in {', '.join(missing)}: interpret some there"
        )
    weight = np.array([one.area for one in strata])
    pixels = np.array([one.pixels for one in strata])
    drawn = counted / np.maximum(pixels, counted)
    design = _Design(h, weight, np.where(drawn < SMALL, 1.0, 1 - drawn), counted)
    ids, total = np.arange(len(classes)), float(weight.sum())
    hit = m == r
    counts = np.zeros((len(strata), len(classes)), np.int64)
    np.add.at(counts, (h, r), 1)
    return Estimates(
        tuple(classes),
        tuple(design.total(r == i) for i in ids),
        tuple(design.ratio(hit & (m == i), m == i) for i in ids),
        tuple(design.ratio(hit & (r == i), r == i) for i in ids),
        design.total(hit, per=total),
        np.array([[design.mean_sum((m == i) & (r == j)) / total for j in ids] for i in ids]),
        counts,
    )


@dataclass(frozen=True, slots=True)
class _Design:
    """A stratified random sample: the strata of its points, what those weigh, what is left of their variance, and how many."""

    stratum: NDArray[np.int64]
    weight: Floats
    correction: Floats
    count: NDArray[np.int64]

    def means(self, y: NDArray[np.generic]) -> Floats:
        """(strata,) means."""
        return np.bincount(self.stratum, y.astype(float), minlength=len(self.count)) / self.count

    def mean_sum(self, y: NDArray[np.generic]) -> float:
        """Estimated total of y over the ground."""
        return float((self.weight * self.means(y)).sum())

    def total(self, y: NDArray[np.generic], *, per: float = 1.0) -> Estimate:
        """Stehman's equations 2 and 25, divided by `per`."""
        return Estimate(self.mean_sum(y) / per, self._error(y.astype(float), per))

    def ratio(self, y: NDArray[np.generic], x: NDArray[np.generic]) -> Estimate:
        """Stehman's equations 27 and 28; none where there is no x."""
        below = self.mean_sum(x)
        if not below:
            return Estimate(None, None)
        value = self.mean_sum(y) / below
        # variance(y) + R²·variance(x) − 2R·covariance is the variance of y − R·x
        return Estimate(value, self._error(y.astype(float) - value * x.astype(float), below))

    def _error(self, residual: Floats, per: float) -> float | None:
        """Standard error of the total of the residuals over `per`; None where a single point has to tell of a stratum."""
        spread = residual - self.means(residual)[self.stratum]
        squares = np.bincount(self.stratum, spread**2, minlength=len(self.count))
        alone = self.count < 2
        if (alone & (self.correction > 0)).any():
            return None
        variance = squares / np.maximum(self.count - 1, 1)
        return float(np.sqrt((self.weight**2 * self.correction * variance / self.count).sum())) / per


def cochran(shares: ArrayLike, accuracies: ArrayLike, error: float) -> int:
    """How many points a stratified sample needs for a standard error of overall accuracy (Cochran 1977; Olofsson's eq. 13).

    Args:
        shares: (classes,) of the map's area; they sum to 1.
        accuracies: (classes,) user's accuracies to expect.
        error: Standard error wanted, above 0.

    Raises:
        GeoPointSegError: an accuracy or the error is out of range.
    """
    w, u = np.asarray(shares, float), np.asarray(accuracies, float)
    if not error > 0 or not ((u >= 0) & (u <= 1)).all():
        raise GeoPointSegError(
            f"expected accuracies from 0 to 1 and a margin above 0, got {u.tolist()} and {error:g}: "
            "change --expected or --margin"
        )
    needed = float((w * np.sqrt(u * (1 - u))).sum() / error) ** 2
    return max(1, int(np.ceil(round(needed, 6))))


def share_out(total: int, shares: ArrayLike, *, least: int, most: ArrayLike) -> NDArray[np.int64]:
    """Share points out by area, but for classes that would get too few, which get the least there may be.

    Args:
        total: How many points.
        shares: (classes,) of the map's area.
        least: The fewest of a class.
        most: (classes,) pixels there are, which no class can exceed.

    Returns:
        (classes,) points; their sum is `total`, or less where there are not so many pixels.

    Raises:
        GeoPointSegError: the fewest of all classes are more than the total.
    """
    w, cap = np.asarray(shares, float), np.asarray(most, np.int64)
    floor = np.minimum(least, cap)
    if floor.sum() > total:
        raise GeoPointSegError(
            f"expected at least {floor.sum()} points for {len(w)} classes of {least} each, got {total}: "
            "raise --n, or lower --per-class"
        )
    points, open_ = floor.copy(), np.ones(len(w), bool)
    while True:  # at most once for every class
        left = total - points[~open_].sum()
        part = left * w * open_ / max(float((w * open_).sum()), 1e-300)
        low, high = open_ & (part < floor), open_ & (part > cap)
        if not low.any() and not high.any():
            break
        first = high if high.any() else low
        points[first] = np.where(high, cap, floor)[first]
        open_ &= ~first
        if not open_.any():
            return points
    whole = np.floor(part).astype(np.int64)
    rest = np.argsort(-(part - whole), kind="stable")[: round(left - whole.sum())]
    whole[rest] += open_[rest]
    points[open_] = whole[open_]
    return points
