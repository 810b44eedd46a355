"""Agreement of two partitions whose ids mean nothing to each other, all from one contingency table that adds up.

A table counts how often row id i and column id j met; tables of windows, files and processes add up to the table of the
whole. Which cluster is which class does not matter to any of these scores.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["adapted_rand_error", "adjusted_mutual_information", "contingency_table", "fowlkes_mallows"]

FEW = 10_000  # up to this expected count the hypergeometric distribution is summed, above it is expanded
REACH = 12.0  # standard deviations on each side of the mean that are summed


def contingency_table(rows: ArrayLike, columns: ArrayLike, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Count pairs of ids.

    Args:
        rows: Ids of any shape, such as the truth's; ids outside 0…shape[0]-1 (such as 255) are left out.
        columns: Ids of the same shape, such as the clusters'; likewise.
        shape: How many ids there are in each.

    Returns:
        Counts of the given shape.
    """
    first, second = np.asarray(rows).ravel().astype(np.int64), np.asarray(columns).ravel().astype(np.int64)
    keep = (first >= 0) & (first < shape[0]) & (second >= 0) & (second < shape[1])
    return np.bincount(first[keep] * shape[1] + second[keep], minlength=shape[0] * shape[1]).reshape(shape)


def fowlkes_mallows(table: NDArray[np.int64]) -> float | None:
    """Geometric mean of pairwise precision and recall (Fowlkes & Mallows 1983).

    Args:
        table: (rows, columns) counts.

    Returns:
        0 to 1; 1 for equal partitions, 0 where no pair is together in both, None for an empty table.
    """
    both, row, column = _pairs(table)
    if not table.sum():
        return None
    return float((both / row) ** 0.5 * (both / column) ** 0.5) if both else 0.0


def adapted_rand_error(table: NDArray[np.int64]) -> float | None:
    """One minus the F-score of pairs that are together (SNEMI3D's measure; Arganda-Carreras et al. 2015).

    Args:
        table: (rows, columns) counts.

    Returns:
        0 to 1; 0 for equal partitions; None where no pair is together in either partition, as in an empty table.
    """
    both, row, column = _pairs(table)
    return 1 - 2 * both / (row + column) if row + column else None


def adjusted_mutual_information(table: NDArray[np.int64]) -> float | None:
    """Mutual information adjusted for chance, by the arithmetic mean of the entropies (Vinh, Epps & Bailey 2010).

    The expectation is exact for small tables; where a pair of ids is expected to meet more than 10 000 times, its term
    is expanded to the fourth moment, whose error is far below what the counts themselves are known to. So a table of
    billions of pixels takes no longer than one of thousands.

    Args:
        table: (rows, columns) counts.

    Returns:
        1 for equal partitions, about 0 for independent ones, seldom below; None for an empty table.
    """
    total = int(table.sum())
    if not total:
        return None
    kept = table[table.any(axis=1)][:, table.any(axis=0)]
    if kept.shape == (1, 1):
        return 1.0  # neither says anything, and they say the same
    row, column = kept.sum(axis=1), kept.sum(axis=0)
    i, j = np.nonzero(kept)
    share = kept[i, j] / total
    information = float((share * (np.log(share) - np.log(row[i] / total) - np.log(column[j] / total))).sum())
    expected = _expected_information(row, column, total)
    above, below = information - expected, (_entropy(row) + _entropy(column)) / 2 - expected
    if abs(below) < 1e-12:  # every id is met once in both: chance alone reaches the highest value
        return 1.0 if abs(above) < 1e-12 else 0.0
    return above / below


def _pairs(table: NDArray[np.int64]) -> tuple[int, int, int]:
    """Ordered pairs that are together in both partitions, in the rows' and in the columns'; exact for any count."""
    total = int(table.sum())
    squares = [sum(int(n) ** 2 for n in counts) for counts in (table.ravel(), table.sum(axis=1), table.sum(axis=0))]
    return squares[0] - total, squares[1] - total, squares[2] - total


def _entropy(counts: NDArray[np.int64]) -> float:
    """In nats; counts are above 0."""
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def _expected_information(row: NDArray[np.int64], column: NDArray[np.int64], total: int) -> float:
    """Mean mutual information over all tables with these margins: hypergeometric counts in every cell."""
    if total == 1:
        return 0.0
    result = 0.0
    for a in row.astype(float):
        b = column.astype(float)
        mean = a * b / total
        many = mean > FEW
        result += float(_expanded(a, b[many], float(total)).sum())
        result += sum(_summed(a, one, float(total)) for one in b[~many])
    return result


def _expanded(a: float, b: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """Expected n/N·log(N·n/(a·b)) by the moments of n about its mean, up to the fourth."""
    mean = a * b / total
    variance = mean * (total - a) * (total - b) / (total * (total - 1))
    skewed = variance * (total - 2 * a) * (total - 2 * b) / (total * max(total - 2, 1))
    # (1 + e)·log(1 + e) = e + e²/2 − e³/6 + e⁴/12 − …; the fourth moment is 3·variance² but for terms of lower order
    return mean / total * (variance / mean**2 / 2 - skewed / mean**3 / 6 + 3 * variance**2 / mean**4 / 12)


def _summed(a: float, b: float, total: float) -> float:
    """The same, summed over the counts that matter; probabilities by their ratios, so that no large number is lost."""
    mean = a * b / total
    spread = REACH * (mean * (total - a) * (total - b) / (total * (total - 1))) ** 0.5 + 30
    low, high = max(0.0, a + b - total, np.floor(mean - spread)), min(a, b, np.ceil(mean + spread))
    n = np.arange(low, high + 1)
    ratios = np.log((a - n[:-1]) * (b - n[:-1])) - np.log((n[:-1] + 1) * (total - a - b + n[:-1] + 1))
    log_weight = np.concatenate([[0.0], np.cumsum(ratios)])
    weight = np.exp(log_weight - log_weight.max())
    terms = np.where(n > 0, n / total * np.log(np.maximum(n, 1) * total / (a * b)), 0.0)
    return float((weight * terms).sum() / weight.sum())
