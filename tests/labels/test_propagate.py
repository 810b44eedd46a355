"""Clicks tell how far their class reaches: by hand on a small picture, and by rule on any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.classes import UNLABELLED
from geopointseg.labels.propagate import Clicks, Cut, Reach, Trial, cut, find_reach, hold, leave_out, paint

# Four fields of 6 x 6 pixels, and five clicks: two on the first field, one on each other.
FIELDS = np.kron([[0.0, 0.3], [0.6, 1.0]], np.ones((6, 6))).astype(np.float32)[None]
SPOTS = [(1, 1, 0), (4, 2, 0), (2, 9, 1), (9, 2, 2), (8, 9, 0)]


def clicks(*spots, feature=None):
    rows, cols, ids = np.array(spots, np.int64).reshape(-1, 3).T
    feature = np.arange(len(rows)) if feature is None else np.array(feature)
    return Clicks(rows, cols, ids, 1 / np.bincount(feature)[feature], feature)


def everywhere(scales, classes):
    return Reach(
        np.ones((scales, classes), bool), np.full((scales, classes), 0.9), np.zeros((scales, classes), np.int64)
    )


EXPECTED = [  # where four fields meet, smoothed colours give two pixels away
    "000000111111",
    "000000111111",
    "000000111111",
    "000000111111",
    "000000111111",
    "000001111111",
    "222222200000",
    "222222000000",
    "222222000000",
    "222222000000",
    "222222000000",
    "222222000000",
]


def test_four_fields_and_five_clicks():
    found = cut(FIELDS, clicks(*SPOTS), scales=(3, 25, 100))
    painted = paint(found, FIELDS, clicks(*SPOTS), everywhere(3, 3))
    assert ["".join(map(str, row)) for row in painted.labels] == EXPECTED
    for row, col, _ in SPOTS:
        assert painted.purity[row, col] == 1
    assert 4 < painted.weights.sum() <= 5  # every click counts once, less where its surroundings look unlike it


REGIONS = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 0, 4]], np.int32)


def test_leaving_out_by_hand():
    at = clicks((0, 0, 0), (1, 1, 0), (0, 2, 1), (1, 3, 0), (2, 0, 1), (2, 2, 1))
    trial = leave_out(hold([REGIONS], at), at, 2, np.array([True] * 5 + [False]))
    # region 1: each of two of class 0 is given 0; region 2: each is given the other's; region 3: nobody else is there
    assert trial.given.tolist() == [[0, 0, 0, 1, UNLABELLED]]
    assert trial.class_ids.tolist() == [0, 0, 1, 0, 1]
    assert trial.area.tolist() == [[4, 2]]


def test_a_scribble_does_not_vouch_for_itself():
    at = clicks((0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 2, 1), feature=[0, 0, 1, 2])
    assert leave_out(hold([REGIONS], at), at, 2, np.ones(4, bool)).given.tolist() == [[0, 0, 0, UNLABELLED]]
    alone = clicks((0, 0, 0), (0, 1, 0), (0, 2, 1), feature=[0, 0, 1])
    assert (leave_out(hold([REGIONS], alone), alone, 2, np.ones(3, bool)).given == UNLABELLED).all()


def trial(given, class_ids, area=100):

    given = np.array(given)
    return Trial(np.array(class_ids), given, np.full((len(given), 2), area))


def test_a_class_stops_where_its_clicks_disagree():
    _ = UNLABELLED
    own = [0] * 10 + [1] * 10
    vouched = [[_] * 10 + [1] * 10, [0] * 10 + [1] * 10, [0] * 20]
    reach = find_reach([trial(vouched, own)], scales=(25, 100, 400))
    assert reach.allowed[:, 1].tolist() == [True, False, False]  # at 100 nothing fresh vouches for it
    assert reach.allowed[:, 0].tolist() == [True, True, False]  # at 400 it only claims what is labelled already
    wrong = [[_] * 20, [0] * 20, [_] * 20]
    reach = find_reach([trial(wrong, own)], scales=(25, 100, 400))
    assert reach.allowed[:, 0].tolist() == [True, False, False]
    assert reach.purity[1, 0] == pytest.approx((10 + 2) / (20 + 2))
    assert reach.evidence[1].tolist() == [20, 0]


def test_a_coarse_region_leaves_finer_ones_of_other_classes_alone():
    fine, coarse = np.array([[1, 1, 2, 2, 3, 3]], np.int32), np.array([[1, 1, 1, 1, 2, 2]], np.int32)
    at = clicks((0, 0, 0), (0, 2, 1), (0, 4, 1))
    painted = paint(hold([fine, coarse, np.ones_like(fine)], at), np.zeros((1, 1, 6), np.float32), at, everywhere(3, 2))
    assert painted.labels.tolist() == [[0, 0, 1, 1, 1, 1]]


def test_what_a_coarser_region_leaves_of_a_finer_one_is_not_labelled():
    fine, coarse = np.array([[1, 1, 1, 2, 2, 2]], np.int32), np.array([[1, 1, 2, 2, 2, 2]], np.int32)
    at = clicks((0, 0, 0), (0, 4, 1))
    painted = paint(hold([fine, coarse], at), np.zeros((1, 1, 6), np.float32), at, everywhere(2, 2))
    assert painted.labels.tolist() == [[0, 0, UNLABELLED, 1, 1, 1]]
    np.testing.assert_allclose(painted.weights, [[1 / 2, 0.45, 0, 0.3, 1 / 3, 0.3]], rtol=1e-6)


def test_coarse_scales_need_evidence():
    _ = UNLABELLED
    few = [[_] * 20, [0] * 3 + [_] * 7 + [1] * 4 + [_] * 6, [_] * 20]
    reach = find_reach([trial(few, [0] * 10 + [1] * 10)], scales=(25, 100, 400))
    assert reach.allowed.tolist() == [[True, True], [False, True], [False, False]]
    told = reach.records(("a", "b"), (25, 100, 400))
    assert told[0] == {"class": "a", "scale": 25, "purity": None, "left_out_clicks": 0}
    assert told[1] == {"class": "b", "scale": 100, "purity": 1.0, "left_out_clicks": 4}


def picture(seed, shape=(2, 24, 30)):
    rng = np.random.default_rng(seed)
    image = np.kron(rng.random((shape[0], 4, 5)), np.ones((1, 6, 6))).astype(np.float32)
    image += rng.normal(0, 0.02, image.shape).astype(np.float32)
    image[:, 4:8, 10:16] = np.nan
    return image


spots = st.lists(
    st.tuples(st.integers(0, 23), st.integers(0, 29), st.integers(0, 2)),
    min_size=1,
    max_size=12,
    unique_by=lambda s: s[:2],
)


@given(spots, st.integers(0, 20))
def test_rules_of_painting(drawn, seed):
    image, at = picture(seed), clicks(*drawn)
    found = cut(image, at)
    painted = paint(found, image, at, everywhere(len(found.regions), 3))
    gap = np.isnan(image[0])
    assert (painted.labels[gap] == UNLABELLED).all()
    np.testing.assert_array_equal(painted.labels != UNLABELLED, painted.regions > 0)
    np.testing.assert_array_equal(painted.labels != UNLABELLED, painted.weights > 0)
    assert painted.weights.sum() <= len(drawn) + 1e-4
    for row, col, id_ in drawn:
        assert painted.labels[row, col] == (UNLABELLED if gap[row, col] else id_)
    for number in range(1, painted.regions.max() + 1):
        assert len({*painted.labels[painted.regions == number]}) <= 1


@given(spots, st.integers(0, 20))
def test_neither_bands_nor_threads_nor_the_order_of_clicks_matter(drawn, seed):
    image, at = picture(seed, (3, 24, 30)), clicks(*drawn)
    reach = everywhere(10, 3)
    expected = paint(cut(image, at), image, at, reach)
    permuted = image[[2, 0, 1]]
    other = clicks(*drawn[::-1])
    for got in (
        paint(cut(permuted, at, threads=2), permuted, at, reach),
        paint(cut(image, other), image, other, reach),
    ):
        np.testing.assert_array_equal(got.labels, expected.labels)
        np.testing.assert_allclose(got.weights, expected.weights, rtol=1e-4, atol=1e-6)


@given(spots, st.integers(0, 20), st.integers(0, 4), st.integers(0, 4))
def test_the_origin_does_not_matter(drawn, seed, down, right):
    image, reach = picture(seed), everywhere(10, 3)
    expected = paint(cut(image, clicks(*drawn)), image, clicks(*drawn), reach)
    padded = np.pad(image, ((0, 0), (down, 2), (right, 1)), constant_values=np.nan)
    moved = clicks(*[(row + down, col + right, id_) for row, col, id_ in drawn])
    got = paint(cut(padded, moved), padded, moved, reach)
    np.testing.assert_array_equal(got.labels[down:-2, right:-1], expected.labels)
    np.testing.assert_array_equal(got.weights[down:-2, right:-1], expected.weights)


def test_nothing_is_held_without_clicks():
    found = hold([REGIONS], clicks())
    assert isinstance(found, Cut)
    assert (found.regions == 0).all()
