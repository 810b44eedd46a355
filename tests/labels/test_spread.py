"""A click labels its region, its pixel, a disc, or what a random walker reaches; every click counts the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.classes import UNLABELLED
from geopointseg.labels.spread import discs, single_pixels, spread, walk

REGIONS = np.array(
    [
        [1, 1, 1, 2, 2, 2],
        [1, 1, 1, 2, 2, 2],
        [3, 3, 0, 0, 4, 4],
        [3, 3, 0, 0, 4, 4],
        [5, 5, 5, 5, 6, 6],
        [5, 5, 5, 5, 6, 6],
    ],
    np.int32,
)
CLICKS = np.array(
    [  # row, column, class
        (0, 0, 0),  # region 1: one click of class 0
        (0, 3, 1),  # region 2: three of class 1
        (1, 3, 1),
        (1, 5, 1),
        (2, 0, 1),  # region 3: one of 1, one of 0: a tie
        (3, 1, 0),
        (2, 4, 2),  # region 4: two of 2, one of 1
        (2, 5, 1),
        (3, 5, 2),
        (2, 2, 1),  # region 0: no data
        (4, 4, 2),  # region 6: one of 2; nobody clicked in region 5
    ]
).T
_ = 255
UNLABELLED_MASK = [
    [0, 0, 0, 1, 1, 1],
    [0, 0, 0, 1, 1, 1],
    [_, _, _, _, _, _],
    [_, _, _, _, _, _],
    [_, _, _, _, 2, 2],
    [_, _, _, _, 2, 2],
]
UNLABELLED_WEIGHTS = [
    [1 / 6, 1 / 6, 1 / 6, 3 / 6, 3 / 6, 3 / 6],
    [1 / 6, 1 / 6, 1 / 6, 3 / 6, 3 / 6, 3 / 6],
    [0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 1 / 4, 1 / 4],
    [0, 0, 0, 0, 1 / 4, 1 / 4],
]
MAJORITY_MASK = [
    [0, 0, 0, 1, 1, 1],
    [0, 0, 0, 1, 1, 1],
    [0, 0, _, _, 2, 2],
    [0, 0, _, _, 2, 2],
    [_, _, _, _, 2, 2],
    [_, _, _, _, 2, 2],
]
MAJORITY_WEIGHTS = [
    [1 / 6, 1 / 6, 1 / 6, 3 / 6, 3 / 6, 3 / 6],
    [1 / 6, 1 / 6, 1 / 6, 3 / 6, 3 / 6, 3 / 6],
    [1 / 4, 1 / 4, 0, 0, 2 / 4, 2 / 4],
    [1 / 4, 1 / 4, 0, 0, 2 / 4, 2 / 4],
    [0, 0, 0, 0, 1 / 4, 1 / 4],
    [0, 0, 0, 0, 1 / 4, 1 / 4],
]


@pytest.mark.parametrize(
    ("conflict", "labels", "weights", "lost"),
    [("unlabelled", UNLABELLED_MASK, UNLABELLED_WEIGHTS, 5), ("majority", MAJORITY_MASK, MAJORITY_WEIGHTS, 2)],
)
def test_spread_by_hand(conflict, labels, weights, lost):
    got = spread(REGIONS, *CLICKS, conflict=conflict)
    np.testing.assert_array_equal(got[0], labels)
    np.testing.assert_allclose(got[1], weights)
    assert got[2].sum() == lost
    assert (got[0].dtype, got[1].dtype) == (np.uint8, np.float32)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 253)), max_size=40),
    st.sampled_from(["unlabelled", "majority"]),
)
def test_every_click_counts_once_or_is_lost(clicks, conflict):
    rows, cols, ids = np.array(clicks, int).reshape(-1, 3).T
    labels, weights, lost = spread(REGIONS, rows, cols, ids, conflict=conflict)
    on_data = (REGIONS[rows, cols] > 0).sum()
    assert weights.sum() == pytest.approx(on_data - lost.sum())
    np.testing.assert_array_equal(weights > 0, labels != UNLABELLED)
    assert (labels[REGIONS == 0] == UNLABELLED).all()
    for region in range(1, 7):
        here = ids[REGIONS[rows, cols] == region]
        winners = {UNLABELLED} if not len(here) else {*np.flatnonzero(np.bincount(here) == np.bincount(here).max())[:1]}
        if conflict == "unlabelled" and len(set(here)) > 1:
            winners = {UNLABELLED}
        assert set(labels[region == REGIONS]) == winners


# without superpixels

INSIDE = np.ones((7, 9), bool)
INSIDE[:, 8] = False
SPOTS = tuple(np.array(column) for column in ([1, 1, 5, 3], [1, 4, 2, 8], [0, 1, 1, 0]))  # the last has no data
ONES = np.ones(4)


def test_a_click_labels_its_own_pixel():
    labels, weights, lost = single_pixels(INSIDE, *SPOTS, ONES)
    expected = np.full(INSIDE.shape, UNLABELLED)
    expected[1, 1], expected[1, 4], expected[5, 2] = 0, 1, 1
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(weights, (expected != UNLABELLED).astype(float))
    assert not lost.any()


def test_discs_of_two_classes_dispute_what_both_reach():
    labels, weights, lost = discs(INSIDE, *SPOTS, ONES, radius=1.5)
    assert ["".join("." if v == UNLABELLED else str(v) for v in row) for row in labels] == [
        "000111...",
        "000111...",
        "000111...",
        ".........",
        ".111.....",
        ".111.....",
        ".111.....",
    ]
    np.testing.assert_allclose(weights[labels != UNLABELLED], 1 / 9)
    assert not lost.any()
    labels, weights, lost = discs(INSIDE, *SPOTS, ONES, radius=2)
    assert "".join("." if v == UNLABELLED else str(v) for v in labels[1]) == "00..111.."
    assert weights[1, 2] == weights[1, 3] == 0


def test_a_random_walker_stays_on_its_side_of_an_outline():
    image = np.zeros((1, 12, 16), np.float32)
    image[:, :, 8:] = 1
    image[:, :3] = np.nan
    labels, weights, lost = walk(image, np.array([6, 9]), np.array([2, 13]), np.array([3, 1]), np.ones(2))
    np.testing.assert_array_equal(labels[3:, :8], 3)
    np.testing.assert_array_equal(labels[3:, 8:], 1)
    assert (labels[:3] == UNLABELLED).all()
    assert weights.sum() == pytest.approx(2)
    assert not lost.any()


def test_on_even_ground_the_nearest_click_is_met_first():
    labels, weights, _ = walk(
        np.full((2, 5, 6), 0.5, np.float32), np.array([2, 2]), np.array([0, 5]), np.array([1, 0]), ONES[:2]
    )
    assert labels.tolist() == [[1, 1, 1, 0, 0, 0]] * 5
    assert weights.sum() == pytest.approx(2)
