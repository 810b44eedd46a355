"""The worked examples of Olofsson et al. (2014) and Stehman (2014) come out to the printed digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.errors import GeoPointSegError
from geopointseg.maps.estimators import Z95, Stratum, cochran, estimate, share_out

# Olofsson et al. 2014, table 8: rows are the map, columns the reference
CHANGE = ("deforestation", "forest gain", "stable forest", "stable non-forest")
COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
PIXELS = (200_000, 150_000, 3_200_000, 6_450_000)  # of Landsat: 0.09 ha

# Stehman 2014, table 1: 40 points in four strata
STRATA = "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10
MAPPED = "AAAAAAABBB" + "ABBBBBBBBB" + "BBCCCCCCBB" + "DDDDDDDDDD"
REFERENCE = "AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB"


def by_letter(text):
    return np.array(["ABCD".index(letter) for letter in text])


@pytest.fixture(scope="module")
def olofsson():
    mapped, reference = (np.repeat(ids.ravel(), COUNTS.ravel()) for ids in np.indices(COUNTS.shape))
    strata = [Stratum(name, pixels, 0.09 * pixels) for name, pixels in zip(CHANGE, PIXELS, strict=True)]
    return estimate(mapped, mapped, reference, strata=strata, classes=CHANGE)


@pytest.fixture(scope="module")
def stehman():
    strata = [Stratum(name, n, float(n)) for name, n in zip("ABCD", (40_000, 30_000, 20_000, 10_000), strict=True)]
    ids = (by_letter(STRATA), by_letter(MAPPED), by_letter(REFERENCE))
    return estimate(*ids, strata=strata, classes=tuple("ABCD"))


def test_olofssons_areas_in_hectares(olofsson):
    # page 54: 21,158 ± 6158 ha, 11,686 ± 3756, 285,770 ± 15,510, 581,386 ± 16,282
    assert [round(one.value) for one in olofsson.area] == [21_158, 11_686, 285_770, 581_386]
    assert [round(Z95 * one.error) for one in olofsson.area] == [6_158, 3_756, 15_510, 16_282]
    assert sum(one.value for one in olofsson.area) == pytest.approx(900_000)


def test_olofssons_accuracies(olofsson):
    assert [round(one.value, 2) for one in olofsson.users] == [0.88, 0.73, 0.93, 0.96]
    assert [round(Z95 * one.error, 2) for one in olofsson.users] == [0.07, 0.10, 0.04, 0.02]
    assert [round(one.value, 2) for one in olofsson.producers] == [0.75, 0.85, 0.93, 0.96]
    assert round(Z95 * olofsson.producers[0].error, 2) == 0.21
    assert (round(olofsson.overall.value, 2), round(Z95 * olofsson.overall.error, 2)) == (0.95, 0.02)


def test_olofssons_table_9_of_area_shares(olofsson):
    expected = [
        [0.0176, 0, 0.0013, 0.0011],
        [0, 0.0110, 0.0016, 0.0024],
        [0.0019, 0, 0.2967, 0.0213],
        [0.0040, 0.0020, 0.0179, 0.6212],
    ]
    np.testing.assert_array_equal(olofsson.matrix.round(4), expected)
    np.testing.assert_array_equal(olofsson.counts, COUNTS)


def test_olofssons_sample_size():
    shares, accuracies = np.array(PIXELS) / sum(PIXELS), (0.7, 0.6, 0.9, 0.95)
    assert cochran(shares, accuracies, 0.01) == 641


def test_stehmans_example(stehman):
    assert stehman.area[0].value / 100_000 == pytest.approx(0.35)
    assert stehman.area[2].value / 100_000 == pytest.approx(0.20)
    assert stehman.overall.value == pytest.approx(0.63)
    assert round(stehman.users[1].value, 3) == 0.574
    assert round(stehman.producers[1].value, 3) == 0.794
    assert stehman.matrix[1, 2] == pytest.approx(0.08)
    assert [round(stehman.area[i].error / 100_000, 3) for i in (0, 2)] == [0.082, 0.064]
    assert round(stehman.overall.error, 3) == 0.085
    assert round(stehman.users[1].error, 3) == 0.125
    assert round(stehman.producers[1].error, 3) == 0.117


def olofsson_formulas(counts, area):
    """Equations 5 to 11 of the paper, written out."""
    n, share = counts.sum(axis=1), area / area.sum()
    p = counts / n[:, None]
    users = np.diag(p)
    estimated = share @ p
    variance = (share[:, None] ** 2 * p * (1 - p) / (n[:, None] - 1)).sum(axis=0)
    return estimated * area.sum(), np.sqrt(variance) * area.sum(), users, np.sqrt(users * (1 - users) / (n - 1))


@given(st.lists(st.lists(st.integers(1, 9), min_size=3, max_size=3), min_size=3, max_size=3))
def test_where_strata_are_the_classes_stehman_is_olofsson(rows):
    counts = np.array(rows)
    strata = [Stratum(str(i), 10**7, area) for i, area in enumerate((100.0, 20.0, 3.0))]
    mapped, reference = (np.repeat(ids.ravel(), counts.ravel()) for ids in np.indices(counts.shape))
    found = estimate(mapped, mapped, reference, strata=strata, classes=("a", "b", "c"))
    area, area_error, users, users_error = olofsson_formulas(counts, np.array([100.0, 20.0, 3.0]))
    np.testing.assert_allclose([one.value for one in found.area], area)
    np.testing.assert_allclose([one.error for one in found.area], area_error)
    np.testing.assert_allclose([one.value for one in found.users], users)
    np.testing.assert_allclose([one.error for one in found.users], users_error, atol=1e-12)


def test_estimates_are_right_on_average():
    rng = np.random.default_rng(0)
    reference = rng.choice(3, 3000, p=(0.7, 0.2, 0.1))
    mapped = np.where(rng.random(3000) < 0.8, reference, rng.integers(0, 3, 3000))
    pools = [np.flatnonzero(mapped == i) for i in range(3)]
    strata = [Stratum(str(i), len(pool), float(len(pool))) for i, pool in enumerate(pools)]
    areas, covered = [], 0
    for _ in range(400):
        drawn = np.concatenate([rng.choice(pool, 30, replace=False) for pool in pools])
        found = estimate(mapped[drawn], mapped[drawn], reference[drawn], strata=strata, classes=("a", "b", "c"))
        areas.append([one.value for one in found.area])
        low, high = found.area[0].interval()
        covered += low <= (reference == 0).sum() <= high
    np.testing.assert_allclose(np.mean(areas, axis=0), np.bincount(reference), rtol=0.02)
    assert 0.9 <= covered / 400 <= 0.99


def test_what_the_sample_does_not_tell_is_none():
    strata = [Stratum("a", 1000, 10.0), Stratum("b", 1000, 10.0)]
    found = estimate([0, 0, 1], [0, 0, 1], [0, 0, 0], strata=strata, classes=("a", "b"))
    assert found.area[0].value == 20
    assert found.area[0].error is None  # one point alone tells nothing of the spread in its stratum
    assert found.area[0].interval() is None
    assert found.producers[1].value is None
    with pytest.raises(GeoPointSegError, match="expected a reference point in every stratum, got none in b"):
        estimate([0, 0], [0, 0], [0, 0], strata=strata, classes=("a", "b"))


def test_a_stratum_drawn_whole_leaves_no_doubt():
    strata = [Stratum("a", 3, 3.0)]
    found = estimate([0, 0, 0], [0, 0, 1], [0, 1, 1], strata=strata, classes=("a", "b"))
    assert (found.area[1].value, found.area[1].error) == (pytest.approx(2), 0)


def test_points_are_shared_out_by_area_but_rare_classes_get_enough():
    shares = np.array(PIXELS) / sum(PIXELS)
    points = share_out(640, shares, least=75, most=PIXELS)
    assert points.tolist() == [75, 75, 162, 328]  # the paper rounds the last two to 165 and 325
    assert share_out(100, [0.5, 0.5], least=10, most=[20, 1000]).tolist() == [20, 80]
    assert share_out(100, [0.5, 0.5], least=10, most=[20, 30]).tolist() == [20, 30]
    assert share_out(100, [1.0, 0.0], least=10, most=[1000, 4]).tolist() == [96, 4]
    with pytest.raises(GeoPointSegError, match="expected at least 20 points for 2 classes of 10 each, got 19"):
        share_out(19, [0.5, 0.5], least=10, most=[100, 100])


@given(st.lists(st.integers(1, 500), min_size=1, max_size=6), st.integers(1, 400), st.integers(0, 20))
def test_shares_add_up_and_stay_within_their_bounds(pixels, total, least):
    floor = np.minimum(least, pixels)
    if floor.sum() > total:
        return
    points = share_out(total, np.array(pixels) / sum(pixels), least=least, most=pixels)
    assert points.sum() == min(total, sum(pixels))
    assert (points >= floor).all()
    assert (points <= pixels).all()


def test_a_margin_that_is_none_is_refused():
    for accuracies, error in (((1.2,), 0.01), ((0.9,), 0.0)):
        with pytest.raises(GeoPointSegError, match="change --expected or --margin"):
            cochran((1.0,), accuracies, error)
    assert cochran((1.0,), (1.0,), 0.1) == 1
