"""Scores of partitions against scikit-learn and scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import adapted_rand_error as skimage_error
from sklearn.metrics import adjusted_mutual_info_score, fowlkes_mallows_score

from geopointseg import contingency
from geopointseg.contingency import (
    adapted_rand_error,
    adjusted_mutual_information,
    contingency_table,
    fowlkes_mallows,
)

TABLES = arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 12))


def labellings(table):
    """Ids whose table this is."""
    i, j = np.indices(table.shape)
    return np.repeat(i.ravel(), table.ravel()), np.repeat(j.ravel(), table.ravel())


@settings(deadline=None, derandomize=True)
@given(TABLES)
def test_agrees_with_scikit_learn_and_scikit_image(table):
    first, second = labellings(table)
    np.testing.assert_array_equal(contingency_table(first, second, table.shape), table)
    if not table.sum():
        assert adjusted_mutual_information(table) is fowlkes_mallows(table) is adapted_rand_error(table) is None
        return
    assert fowlkes_mallows(table) == pytest.approx(fowlkes_mallows_score(first, second), abs=1e-12)
    if max(table.sum(axis=0).max(), table.sum(axis=1).max()) > 1:  # else scikit-learn divides rounding by rounding
        assert adjusted_mutual_information(table) == pytest.approx(adjusted_mutual_info_score(first, second), abs=1e-9)
        with np.errstate(invalid="ignore"):  # it divides nought by nought where only one partition has pairs
            error, _, _ = skimage_error(first + 1, second + 1, ignore_labels=())
        assert adapted_rand_error(table) == pytest.approx(error, abs=1e-12)


def test_one_class():
    alone = np.array([[9]])
    assert adjusted_mutual_information(alone) == fowlkes_mallows(alone) == 1.0
    assert adapted_rand_error(alone) == 0.0
    split = np.array([[4, 5]])  # one class in two clusters: no information
    assert adjusted_mutual_information(split) == pytest.approx(0, abs=1e-12)


def test_partitions_into_single_pixels_are_equal():
    assert adjusted_mutual_information(np.eye(4, dtype=np.int64)) == 1.0
    assert fowlkes_mallows(np.eye(4, dtype=np.int64)) == 0.0  # as scikit-learn has it: no pair is together
    assert adapted_rand_error(np.eye(4, dtype=np.int64)) is None


def test_ids_outside_are_left_out():
    table = contingency_table([0, 1, 255, -1, 0], [1, 2, 0, 0, 255], (2, 3))
    assert table.tolist() == [[0, 1, 0], [0, 0, 1]]


def test_expanding_the_expectation_changes_nothing_that_counts(monkeypatch):
    table = np.array([[90_000, 20_000, 400], [30_000, 50_000, 9_000]])
    near = contingency._expected_information(table.sum(axis=1), table.sum(axis=0), int(table.sum()))
    monkeypatch.setattr(contingency, "FEW", 1e12)
    summed = contingency._expected_information(table.sum(axis=1), table.sum(axis=0), int(table.sum()))
    assert near == pytest.approx(summed, rel=1e-7)
    assert near == pytest.approx((2 - 1) * (3 - 1) / 2 / table.sum(), rel=1e-2)  # the known limit of many pixels


def test_billions_of_pixels():
    table = np.array([[3, 1], [1, 3]]) * 10**10  # squares of these overflow 64 bits
    assert fowlkes_mallows(table) == pytest.approx(fowlkes_mallows(np.array([[3, 1], [1, 3]]) * 1000), abs=1e-3)
    assert adapted_rand_error(table) == pytest.approx(0.375, abs=1e-6)
    assert adjusted_mutual_information(table) == pytest.approx(
        1 - (-(0.75 * np.log(0.75) + 0.25 * np.log(0.25))) / np.log(2)
    )
