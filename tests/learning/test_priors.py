import numpy as np
import pytest

from geopointseg.learning.priors import FLOOR, estimate_priors


def posteriors(shares, pixels=20_000, seed=0):
    """What a perfect classifier trained on equal shares says of classes that lie on a line, 1.5 sigma apart."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(len(shares), pixels, p=shares)
    seen = rng.normal(1.5 * classes)
    likelihood = np.exp(-0.5 * (seen[:, None] - 1.5 * np.arange(len(shares))) ** 2)
    return likelihood / likelihood.sum(axis=1, keepdims=True), classes


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.6, 0.3, 0.1), (0.02, 0.28, 0.7)])
def test_shares_are_found_without_a_label(shares):
    found, _ = posteriors(shares)
    np.testing.assert_allclose(estimate_priors(found), shares, atol=0.02)


def test_the_shares_found_make_the_classifier_right_more_often():
    found, classes = posteriors((0.9, 0.1))
    plain = (found.argmax(axis=1) == classes).mean()
    adjusted = ((found * estimate_priors(found)).argmax(axis=1) == classes).mean()
    assert adjusted > plain + 0.05


def test_no_class_is_ruled_out():
    shares = estimate_priors(np.tile([1.0, 0.0], (100, 1)))
    assert shares.min() >= FLOOR / 2
    assert shares.sum() == pytest.approx(1)


def test_without_pixels_all_classes_are_equally_common():
    assert estimate_priors(np.zeros((0, 4))).tolist() == [0.25] * 4
