"""The knee of known curves is where they were made to bend, and a curve that does not flatten has none."""

import numpy as np
import pytest

from pipelines.experiments.knee import bend, find_knee

X = np.array([10.0, 20, 30, 40, 50])


@pytest.mark.parametrize("place", [20, 23, 30, 37.5, 40])
def test_two_lines_meet_where_they_were_made_to(place):
    assert bend(X, 0.2 + 0.01 * np.minimum(X, place)) == pytest.approx(place, abs=0.11)


def test_the_second_line_may_rise_half_as_steeply_and_no_more():
    assert bend(X, np.minimum(X, 30) + 0.45 * np.maximum(X - 30, 0)) == pytest.approx(30, abs=0.11)
    assert bend(X, np.minimum(X, 30) + 0.55 * np.maximum(X - 30, 0)) is None


@pytest.mark.parametrize("curve", [X, -X, X**2, np.full(5, 0.5), np.maximum(X, 30)], ids=str)
def test_a_curve_that_does_not_flatten_has_no_knee(curve):
    assert bend(X, curve) is None


def test_a_curve_that_saturates_sooner_has_its_knee_sooner():
    x = np.arange(5, 105, 5.0)
    knees = [bend(x, 1 - np.exp(-x / rate)) for rate in (8, 16, 32)]
    assert knees == sorted(knees)
    assert all(rate < knee < 4 * rate for rate, knee in zip((8, 16, 32), knees, strict=True))


def curves(places, noise=0.0):
    rng = np.random.default_rng(0)
    return {
        seed: dict(zip(X.tolist(), np.minimum(X, place) / 100 + noise * rng.standard_normal(5), strict=True))
        for seed, place in enumerate(places)
    }


def test_seeds_that_agree_leave_no_interval():
    knee = find_knee(curves([30, 30, 30]))
    assert (knee.at, knee.low, knee.high) == pytest.approx((30, 30, 30), abs=0.11)
    assert (knee.found, knee.seeds) == (1, 3)
    assert str(knee).startswith("knee at 30, 95 % interval 30 to 30 (100%")


def test_the_interval_holds_the_knee_and_widens_with_the_spread_of_seeds():
    narrow, wide = find_knee(curves([28, 30, 32])), find_knee(curves([20, 30, 40]))
    for knee in (narrow, wide):
        assert knee.low <= knee.at <= knee.high
    assert wide.high - wide.low > narrow.high - narrow.low


def test_the_same_seed_gives_the_same_interval():
    noisy = curves([25, 30, 35, 30], noise=0.02)
    assert find_knee(noisy) == find_knee(noisy)


def test_a_straight_curve_has_none_whatever_the_seeds():
    knee = find_knee({seed: {x: x * (1 + seed) for x in X.tolist()} for seed in range(3)})
    assert (knee.at, knee.low, knee.high, knee.found) == (None, None, None, 0)
    assert str(knee) == "no knee (0% of the bootstrap's curves have one; 3 seeds)"


def test_seeds_without_the_whole_curve_are_left_out():
    some = curves([30, 30, 30])
    del some[1][10.0]
    assert find_knee(some).seeds == 2


def test_too_short_a_curve_is_not_asked():
    assert find_knee({0: {1.0: 0.1, 2.0: 0.2, 3.0: 0.2}}) is None
    assert find_knee({}) is None
