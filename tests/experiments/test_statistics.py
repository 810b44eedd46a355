"""Paired tests say what SciPy says, also where there is nothing to test; Holm's correction is that of the worked example."""

import numpy as np
import pytest
from scipy import stats

from pipelines.experiments.statistics import gain, holm, mean_and_deviation, with_holm


def by_seed(values):
    return dict(enumerate(values))


def test_a_gain_is_paired_by_seed():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.6, 0.1, 8), rng.normal(0.5, 0.1, 8)
    one = gain(by_seed(ours), by_seed(theirs))
    expected = stats.ttest_rel(ours, theirs)
    interval = expected.confidence_interval(0.95)
    assert one.pairs == 8
    assert one.mean == pytest.approx(np.mean(ours - theirs))
    assert one.p == pytest.approx(expected.pvalue)
    assert (one.low, one.high) == pytest.approx((interval.low, interval.high))
    assert one.wilcoxon == pytest.approx(stats.wilcoxon(ours, theirs).pvalue)


def test_only_seeds_that_both_have_are_compared():
    one = gain({0: 0.9, 1: 0.5, 2: 0.6}, {1: 0.4, 2: 0.4, 3: 0.0})
    assert one.pairs == 2
    assert one.mean == pytest.approx(0.15)
    assert one.wilcoxon is None  # fewer than six pairs cannot tell
    assert gain({0: 0.9}, {1: 0.4}) is None


def test_what_cannot_be_tested_has_no_p():
    one = gain({0: 0.5}, {0: 0.4})
    assert (one.pairs, one.low, one.high, one.p, one.wilcoxon) == (1, None, None, None, None)
    assert gain(by_seed([0.5] * 3), by_seed([0.5] * 3)).p == 1  # nothing differs
    assert gain(by_seed([0.75] * 3), by_seed([0.5] * 3)).p is None  # all differ alike: no spread to compare with
    assert gain(by_seed([0.5] * 6), by_seed([0.5] * 6)).wilcoxon == 1


def test_holms_correction_of_a_worked_example():
    # by hand: 3 × .01, max(.03, 2 × .02) = .04, max(.04, 1 × .04)
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_holms_correction_rejects_what_the_step_down_procedure_rejects(seed):
    p = np.random.default_rng(seed).uniform(0, 0.1, 12)
    rejected = set()
    for rank, number in enumerate(np.argsort(p)):  # as Holm states it: stop at the first that is not rejected
        if p[number] > 0.05 / (len(p) - rank):
            break
        rejected.add(number)
    assert {i for i, value in enumerate(holm(p.tolist())) if value <= 0.05} == rejected


def test_the_correction_counts_tests_that_there_are():
    tested, single = gain({0: 0.5, 1: 0.7}, {0: 0.4, 1: 0.5}), gain({0: 1.0}, {0: 0.5})
    corrected = with_holm([None, tested, single, tested])
    assert [one and one.p_holm for one in corrected] == [None, min(1, 2 * tested.p), None, min(1, 2 * tested.p)]


def test_one_value_has_no_deviation():
    assert mean_and_deviation([0.5]) == (0.5, None)
    assert mean_and_deviation([0.4, 0.6]) == pytest.approx((0.5, np.sqrt(0.02)))
