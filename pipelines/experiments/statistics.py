"""Is a level better than its baseline? Paired over seeds, with the number of comparisons accounted for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

__all__ = ["ENOUGH", "Gain", "gain", "holm", "mean_and_deviation", "with_holm"]

ENOUGH = 6  # pairs: with fewer no outcome of Wilcoxon's test is below 0.05
SAME = 1e-12  # a spread of differences that counts as none


@dataclass(frozen=True, slots=True)
class Gain:
    """What a level gains over its baseline."""

    pairs: int
    """Seeds that both have."""
    mean: float
    low: float | None
    """Lower end of the 95 % interval of the mean, by Student's t; None of fewer than two pairs."""
    high: float | None
    p: float | None
    """Paired t-test, two-sided; None of fewer than two pairs, or where all pairs differ by exactly the same."""
    wilcoxon: float | None
    """Wilcoxon's signed-rank test, two-sided; None of fewer than six pairs."""
    p_holm: float | None = None
    """`p`, after Holm's correction for all comparisons of the experiment."""


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation of a sample; None where one value cannot tell."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def gain(values: Mapping[int, float], baseline: Mapping[int, float]) -> Gain | None:
    """Compare two levels on the seeds that both have.

    Args:
        values: A score by seed.
        baseline: Likewise.

    Returns:
        What is gained; None where no seed is in both.
    """
    differences = np.array([values[seed] - baseline[seed] for seed in sorted(values.keys() & baseline.keys())])
    if not len(differences):
        return None
    mean, spread = mean_and_deviation(differences.tolist())
    if spread is None:
        return Gain(1, mean, None, None, None, None)
    signed = None
    if len(differences) >= ENOUGH:
        signed = float(stats.wilcoxon(differences).pvalue) if np.abs(differences).max() > SAME else 1.0
    if spread < SAME:
        return Gain(len(differences), mean, mean, mean, 1.0 if abs(mean) < SAME else None, signed)
    error = spread / math.sqrt(len(differences))
    reach = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    p = float(stats.ttest_1samp(differences, 0).pvalue)
    return Gain(len(differences), mean, mean - reach, mean + reach, p, signed)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics, 1979) of p-values, in their order."""
    corrected, worst = [0.0] * len(values), 0.0
    for rank, number in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        worst = max(worst, min(1.0, (len(values) - rank) * values[number]))
        corrected[number] = worst
    return corrected


def with_holm(gains: Sequence[Gain | None]) -> list[Gain | None]:
    """The gains with `p_holm`, over all of them that have a p."""
    tested = [one.p for one in gains if one is not None and one.p is not None]
    corrected = iter(holm(tested))
    return [one if one is None or one.p is None else replace(one, p_holm=next(corrected)) for one in gains]
