"""Classes are weighed by their labels in the pseudo-masks: by clicks, or by pixels."""

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.class_weights import label_amounts, weigh_classes
from geopointseg.learning.losses import masked_squared_error
from geopointseg.learning.task import PointSegmentationTask

NAMES = ("basin", "hedge", "road")


def weights(amounts, rule, **options):
    """The weights alone."""
    return weigh_classes(np.atleast_2d(amounts), NAMES[: np.shape(amounts)[-1]], rule, **options).weights


# rules


def test_none_is_one_throughout():
    assert weights([5, 1, 1], "none") == (1, 1, 1)


def test_inverse():
    assert_allclose(weights([1, 3], "inverse"), [1.5, 0.5])  # as 3 to 1, with mean 1


def test_square_root_of_the_inverse():
    assert_allclose(weights([1, 9], "sqrt-inverse"), [1.5, 0.5])


def test_effective_number():
    assert_allclose(weights([1, 2], "effective-number", beta=0.5), [1.2, 0.8])  # one label tells 1, two tell 1.5
    assert_allclose(weights([1, 9], "effective-number", beta=0), [1, 1])
    assert_allclose(weights([1, 9], "effective-number", beta=1 - 1e-9), weights([1, 9], "inverse"), rtol=1e-6)


def test_median_frequency_counts_a_class_in_the_masks_that_hold_it():
    found = weigh_classes([[8, 2, 0], [0, 4, 6]], NAMES, "median-frequency")
    frequency = np.array([8 / 10, 6 / 20, 6 / 10])  # basin and road are in one mask of ten labels each
    expected = np.median(frequency) / frequency
    assert_allclose(found.weights, expected / expected.mean())
    assert found.factor == pytest.approx(expected.mean())


def test_with_one_mask_median_frequency_is_the_inverse():
    assert_allclose(weights([5, 2, 1], "median-frequency"), weights([5, 2, 1], "inverse"))


@pytest.mark.parametrize("rule", ["none", "inverse", "sqrt-inverse", "effective-number", "median-frequency"])
def test_a_class_without_labels_weighs_nothing_and_the_others_one_on_average(rule):
    found = weigh_classes([[6, 0, 2]], NAMES, rule)
    assert found.weights[1] == 0
    assert sum(found.weights) == pytest.approx(2)
    assert found.absent == ("hedge",)
    assert str(found).endswith("no labelled pixel, so weight 0 and not trained on: hedge")


def test_the_factor_gives_back_the_squared_error_of_lssqps():
    """Theirs divides by shares that sum to 1; ours has mean 1, so that losses of a sum keep their proportions."""
    found = weigh_classes([[6, 1, 3]], NAMES, "inverse", by="pixel")
    logits, target = torch.randn(1, 3, 2, 5), torch.tensor([[[0] * 5, [0, 1, 2, 2, 2]]])
    theirs = masked_squared_error(logits, target, None, 1 / torch.tensor(found.shares))
    ours = masked_squared_error(logits, target, None, torch.tensor(found.weights))
    torch.testing.assert_close(found.factor * ours, theirs)


def test_an_unknown_rule_is_refused():
    with pytest.raises(GeoPointSegError, match=r"expected a rule of class weights \(none, .*\), got inverze"):
        weights([1, 2], "inverze")


@pytest.mark.parametrize("beta", [-0.1, 1, 2])
def test_a_beta_out_of_range_is_refused(beta):
    with pytest.raises(GeoPointSegError, match=f"beta from 0 up to below 1, got {beta}"):
        weights([1, 2], "effective-number", beta=beta)


def test_masks_without_labels_are_refused():
    with pytest.raises(GeoPointSegError, match="expected labelled pixels to weigh the classes by, got none"):
        weights([0, 0], "inverse")


# amounts


@pytest.fixture
def basin_and_hedges(study):
    """A click on a basin of 99 pixels, two on hedges of one pixel each; a held-out one, which is in no mask."""
    mask, weight = np.full((64, 64), 255, np.uint8), np.zeros((64, 64), np.float32)
    mask[:9, :11], weight[:9, :11] = 0, 1 / 99
    mask[40, 40], mask[50, 50], weight[40, 40], weight[50, 50] = 1, 1, 1, 1
    image = np.random.default_rng(0).integers(200, size=(1, 64, 64)).astype(np.uint8)
    clicks = [(4, 4, 0, "train"), (40, 40, 1, "train"), (50, 50, 1, "train"), (60, 5, 0, "test")]

    def make(names=NAMES, masks=mask, **options):
        return study({"a": (image, masks, weight)}, clicks, names=names, chip=32, batch_size=2, **options)

    return make


def test_a_click_counts_by_its_weight_and_a_pixel_by_itself(basin_and_hedges):
    pairs = basin_and_hedges().labels.pairs
    assert_allclose(label_amounts(pairs, 3, "click"), [[1, 2, 0]], rtol=1e-6)
    assert label_amounts(pairs, 3, "pixel").tolist() == [[99, 2, 0]]


def test_masks_larger_than_a_tile_are_counted_whole(basin_and_hedges, monkeypatch):
    monkeypatch.setattr("geopointseg.learning.class_weights.TILE", 7)
    pairs = basin_and_hedges().labels.pairs
    assert label_amounts([*pairs, *pairs], 3, "pixel").tolist() == [[99, 2, 0]] * 2


def test_an_id_that_is_no_class_is_refused(basin_and_hedges):
    with pytest.raises(GeoPointSegError, match=r"expected class ids up to 0 in .*a\.tif, got 1"):
        label_amounts(basin_and_hedges().labels.pairs, 1, "pixel")


# from the data to the loss


def test_by_default_classes_are_not_weighed(basin_and_hedges):
    module = basin_and_hedges()
    assert module.class_weights is None
    assert "class_weights" not in module.card
    assert PointSegmentationTask(module.card).class_weights is None


def test_the_data_tell_the_task(basin_and_hedges):
    module = basin_and_hedges(class_weights="inverse")
    assert_allclose(module.class_weights.weights, [4 / 3, 2 / 3, 0], rtol=1e-6)
    by_pixel = basin_and_hedges(class_weights="inverse", class_weights_by="pixel")
    assert_allclose(by_pixel.class_weights.weights, [4 / 101, 198 / 101, 0])
    told = module.card["class_weights"]
    assert json.loads(json.dumps(told)) == told == module.class_weights.figures()
    task = PointSegmentationTask(module.card)
    assert task.class_weights.tolist() == pytest.approx([4 / 3, 2 / 3, 0])
    assert "class_weights" not in task.state_dict()  # checkpoints of before can be loaded


def test_the_account_names_every_class(basin_and_hedges):
    text = str(basin_and_hedges(class_weights="sqrt-inverse").class_weights)
    assert text.splitlines()[0] == "class weights: sqrt-inverse, by click"
    assert [line.split()[0] for line in text.splitlines()[2:5]] == list(NAMES)
    assert text.splitlines()[2].split() == ["basin", "1.0", "33.3%", "1.172"]
