"""Scores agree with scikit-learn's, and matrices of parts add up to that of the whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_jaccard_index, multilabel_jaccard_index

from geopointseg.confusion import background_id, confusion_matrix, micro_iou, scores
from geopointseg.errors import GeoPointSegError

ids = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60).map(np.array)


def test_rows_are_the_truth():
    matrix = confusion_matrix([[0, 0], [1, 2]], [[0, 1], [1, 1]], 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


@given(ids)
def test_the_matrix_is_that_of_sklearn(pairs):
    truth, prediction = pairs.T
    expected = metrics.confusion_matrix(truth, prediction, labels=range(4))
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 4), expected)


@given(ids, st.integers(0, 60))
def test_parts_add_up_to_the_whole(pairs, cut):
    truth, prediction = pairs.T
    parts = confusion_matrix(truth[:cut], prediction[:cut], 4) + confusion_matrix(truth[cut:], prediction[cut:], 4)
    np.testing.assert_array_equal(parts, confusion_matrix(truth, prediction, 4))


def test_unlabelled_pixels_do_not_count():
    truth, prediction = np.array([0, 255, 1, 1, -1], int), np.array([0, 1, 255, 0, 0], int)
    assert confusion_matrix(truth, prediction, 2).tolist() == [[1, 0], [1, 0]]
    as_bytes = confusion_matrix(np.uint8([200, 255]), np.uint8([200, 0]), 201)  # 200 * 201 overflows a byte
    assert as_bytes[200, 200] == as_bytes.sum() == 1


@given(ids)
def test_scores_are_those_of_sklearn(pairs):
    truth, prediction = pairs.T
    names = ["a", "b", "c", "d"]
    got = scores(confusion_matrix(truth, prediction, 4), names)
    assert got["overall_accuracy"] == pytest.approx(metrics.accuracy_score(truth, prediction))
    assert got["count"] == len(truth)
    present = np.unique(pairs)
    options = {"labels": present, "average": None, "zero_division": np.nan}
    expected = {
        "iou": metrics.jaccard_score(truth, prediction, labels=present, average=None, zero_division=0),
        "f1": metrics.f1_score(truth, prediction, **options),
        "precision": metrics.precision_score(truth, prediction, **options),
        "recall": metrics.recall_score(truth, prediction, **options),
    }
    for score, values in expected.items():
        ours = [got["per_class"][names[i]][score] for i in present]
        np.testing.assert_allclose(np.array(ours, float), values)  # None becomes NaN
    assert got["miou"] == pytest.approx(expected["iou"].mean())
    assert got["mean_f1"] == pytest.approx(expected["f1"].mean())
    assert [got["per_class"][name]["count"] for name in names] == np.bincount(truth, minlength=4).tolist()


def test_a_class_that_is_nowhere_has_no_scores_and_one_only_predicted_counts_as_nought():
    got = scores(np.array([[2, 0, 2], [0, 0, 0], [0, 0, 0]]), ["there", "nowhere", "only predicted"])
    assert got["per_class"]["nowhere"] == {"iou": None, "f1": None, "precision": None, "recall": None, "count": 0}
    assert got["per_class"]["only predicted"] == {"iou": 0, "f1": 0, "precision": 0, "recall": None, "count": 0}
    assert got["miou"] == pytest.approx((0.5 + 0) / 2)


def test_nothing_to_score_gives_none_rather_than_a_number():
    got = scores(np.zeros((2, 2), int), ["a", "b"])
    assert (got["overall_accuracy"], got["miou"], got["mean_f1"], got["count"]) == (None, None, None, 0)


@settings(deadline=None, derandomize=True)
@given(ids)
def test_further_scores_are_those_of_sklearn_and_torchmetrics(pairs):
    truth, prediction = pairs.T
    matrix = confusion_matrix(truth, prediction, 4)
    got = scores(matrix, ["a", "b", "c", "Background"])
    present = np.unique(truth)
    recalls = metrics.recall_score(truth, prediction, labels=present, average=None)
    assert got["balanced_accuracy"] == pytest.approx(
        recalls.mean()
    )  # as balanced_accuracy_score, which warns of others
    if len(np.unique(pairs)) > 1:
        assert got["kappa"] == pytest.approx(metrics.cohen_kappa_score(truth, prediction))
    else:
        assert got["kappa"] is None
    t, p = torch.tensor(truth), torch.tensor(prediction)
    weighted = multiclass_jaccard_index(p, t, num_classes=4, average="weighted")
    assert got["frequency_weighted_iou"] == pytest.approx(weighted.item(), abs=1e-6)
    foreground = [i for i in np.unique(pairs) if i != 3]
    without = (
        metrics.jaccard_score(truth, prediction, labels=foreground, average=None, zero_division=0).mean()
        if foreground
        else None
    )
    assert got["miou_without_background"] == (None if without is None else pytest.approx(without))
    one_hot = [torch.nn.functional.one_hot(ids, 4)[:, :3] for ids in (p, t)]
    if foreground:
        pooled = multilabel_jaccard_index(*one_hot, num_labels=3, average="micro").item()
        assert micro_iou(matrix, background=3) == pytest.approx(pooled, abs=1e-6)
    else:
        assert micro_iou(matrix, background=3) is None


def test_the_background_is_the_class_named_or_the_one_called_so():
    assert background_id(["a", "BackGround"]) == 1
    assert background_id(["a", "background"], "a") == 0
    assert background_id(["a", "b"]) is None
    with pytest.raises(GeoPointSegError, match="expected one of the classes a, b as --background, got c"):
        background_id(["a", "b"], "c")
    assert scores(np.eye(2, dtype=np.int64), ["a", "b"])["miou_without_background"] is None


def test_one_class_and_none_have_no_kappa():
    assert scores(np.array([[7]]), ["a"])["kappa"] is None
    empty = scores(np.zeros((2, 2), np.int64), ["a", "b"])
    assert {empty[key] for key in ("kappa", "balanced_accuracy", "frequency_weighted_iou")} == {None}
    assert micro_iou(np.zeros((2, 2), np.int64)) is None
