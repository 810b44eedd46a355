"""What a pseudo-mask has right is counted per class, by pixels and by clicks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.correctness import mask_quality

TRUTH = np.array(
    [
        [0, 0, 0, 1, 1],
        [0, 0, 0, 1, 255],
    ],
    np.uint8,
)
MASK = np.array(
    [
        [0, 0, 255, 0, 1],
        [1, 0, 255, 255, 1],
    ],
    np.uint8,
)
WEIGHTS = np.array(
    [
        [0.2, 0.2, 0.0, 0.4, 0.9],
        [0.1, 0.2, 0.0, 0.0, 5.0],
    ],
    np.float32,
)

SHAPE = (4, 5)
ids = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, 255]))


def test_a_mask_worked_out_by_hand():
    got = mask_quality(MASK, TRUTH, 3).figures()
    assert got == {
        "pixels": 9,  # the tenth is of unknown truth, though labelled
        "labelled_share": pytest.approx(6 / 9),
        "correct_share": pytest.approx(4 / 6),
        "per_class": [
            {"pixels": 6, "labelled_share": pytest.approx(4 / 6), "correct_share": pytest.approx(3 / 4)},
            {"pixels": 3, "labelled_share": pytest.approx(2 / 3), "correct_share": pytest.approx(1 / 2)},
            {"pixels": 0, "labelled_share": None, "correct_share": None},
        ],
    }


def test_weights_worked_out_by_hand():
    got = mask_quality(MASK, TRUTH, 3, WEIGHTS).figures()
    assert got["weighted_correct_share"] == pytest.approx((0.6 + 0.9) / (0.6 + 0.4 + 0.9 + 0.1))
    shares = [each["weighted_correct_share"] for each in got["per_class"]]
    assert shares == [pytest.approx(0.6 / 1.0), pytest.approx(0.9 / 1.0), None]
    plain = mask_quality(MASK, TRUTH, 3).figures()
    assert {name: got[name] for name in plain if name != "per_class"} == {
        name: value for name, value in plain.items() if name != "per_class"
    }


def test_the_truth_as_mask_is_wholly_labelled_and_right():
    got = mask_quality(TRUTH, TRUTH, 2, np.ones(TRUTH.shape)).figures()
    assert (got["labelled_share"], got["correct_share"], got["weighted_correct_share"]) == (1, 1, 1)


def test_an_empty_mask_has_no_correct_share():
    got = mask_quality(np.full_like(MASK, 255), TRUTH, 2, WEIGHTS).figures()
    assert (got["labelled_share"], got["correct_share"], got["weighted_correct_share"]) == (0, None, None)


@given(ids, ids, ids, ids)
def test_counts_of_parts_add_up_to_the_whole(mask, truth, mask2, truth2):
    weights = np.random.default_rng(0).random((2, *SHAPE))
    apart = mask_quality(mask, truth, 3, weights[0]) + mask_quality(mask2, truth2, 3, weights[1])
    whole = mask_quality(np.vstack([mask, mask2]), np.vstack([truth, truth2]), 3, np.vstack(list(weights)))
    np.testing.assert_array_equal(apart.matrix, whole.matrix)
    np.testing.assert_array_equal(apart.unlabelled, whole.unlabelled)
    np.testing.assert_allclose(apart.weights, whole.weights)
    assert (apart + mask_quality(mask, truth, 3)).weights is None


@given(ids, ids)
def test_weights_all_alike_change_nothing(mask, truth):
    got = mask_quality(mask, truth, 3, np.full(SHAPE, 0.5)).figures()
    for each in (got, *got["per_class"]):
        assert each["weighted_correct_share"] == pytest.approx(each["correct_share"])


def test_what_is_no_class_is_refused():
    with pytest.raises(
        GeoPointSegError, match="ids from 0 to 1 or 255 in the mask, got 7: map its values to ids first"
    ):
        mask_quality(np.where(MASK == 1, 7, MASK), TRUTH, 2)
    with pytest.raises(GeoPointSegError, match="in the truth, got -1"):
        mask_quality(MASK, np.where(TRUTH == 1, -1, TRUTH.astype(int)), 2)
    with pytest.raises(GeoPointSegError, match="expected mask and weights of one height and width"):
        mask_quality(MASK, TRUTH, 2, WEIGHTS.T)
