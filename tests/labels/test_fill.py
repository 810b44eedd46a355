"""Filling: what no click reaches is guessed from how it looks, for a fraction of a click, and clicks always go before."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from geopointseg.labels.fill import SHARE, Seen, guess, learn
from geopointseg.labels.looks import pixel_looks, region_looks


@pytest.fixture
def seen():
    """Eight clicks on dark ground of class 1, eight on bright ground of class 4."""
    looks = np.array([[i / 100] for i in range(8)] + [[0.9 + i / 100] for i in range(8)], np.float32)
    return [Seen(looks[:8], np.full(8, 1)), Seen(looks[8:], np.full(8, 4))]


@pytest.fixture
def kept(tmp_path):
    """A window of no data, a dark superpixel of four pixels, and a bright one of two."""
    regions = np.array([[0, 0, 1, 1], [2, 2, 1, 1]], np.int32)
    np.savez(tmp_path / "looks.npz", regions=regions, looks=np.array([[0], [0.03], [0.95]], np.float32))
    return tmp_path / "looks.npz"


def test_a_superpixel_gets_the_class_it_looks_like_at_a_quarter_of_a_clicks_weight(seen, kept):
    labels, weights = guess(learn(seen), kept)
    assert labels.tolist() == [[255, 255, 1, 1], [4, 4, 1, 1]]
    assert_allclose([weights[labels == 1].sum(), weights[labels == 4].sum()], SHARE, rtol=0.05)
    assert (weights[labels == 255] == 0).all()


def test_what_could_be_any_class_counts_little(seen, kept):
    mixed = [Seen(one.looks, np.where(np.arange(8) % 2, 1, 4)) for one in seen]  # both classes look alike
    assert guess(learn(mixed), kept).weights.sum() < 0.2 * guess(learn(seen), kept).weights.sum()


@pytest.mark.parametrize("clicks", [[], [Seen(np.zeros((9, 1), np.float32), np.zeros(9, int))]])
def test_without_two_classes_to_tell_apart_nothing_is_guessed(clicks):
    assert learn(clicks) is None


def test_with_fewer_clicks_than_two_leaves_take_nothing_is_guessed(seen):
    assert learn([Seen(one.looks[:2], one.class_ids[:2]) for one in seen]) is None


def test_looks_are_the_band_and_mean_and_spread_around_it():
    pixels = np.full((1, 40, 40), 3, np.float32)
    pixels[0, :, 20:] = 7
    looks = pixel_looks(pixels)
    assert looks.shape == (5, 40, 40)
    assert_allclose(looks[:, 5, 5], [3, 3, 0, 3, 0], atol=1e-3)
    assert_allclose(looks[[1, 2], 5, 20], [np.mean([3, 3, 7, 7, 7]), np.std([3, 3, 7, 7, 7])], rtol=1e-3)


def test_no_data_say_nothing_of_what_is_around_them():
    pixels = np.full((2, 30, 30), 5, np.float32)
    pixels[:, :, :11] = np.nan
    looks = pixel_looks(pixels)
    assert_allclose(looks[2:4, 15, 11], 5, rtol=1e-4)  # means beside the gap
    assert np.isfinite(looks).all()


def test_looks_of_a_region_are_means_and_spreads():
    looks = np.array([[[1, 3, 9]]], np.float32)
    assert_allclose(region_looks(looks, np.array([[1, 1, 2]], np.int32))[1:], [[2, 1], [9, 0]])
