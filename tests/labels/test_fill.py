"""Filling: what no click reaches is guessed from how it looks, for a fraction of a click, and clicks always go before."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from geopointseg.grid import Window
from geopointseg.labels.fill import SHARE, Seen, around, by_looks, lack, learn, looks_of
from geopointseg.labels.looks import FAR, brightness, distances, pixel_looks, region_looks, shares, superpixel_looks

NO_AREAS = np.zeros(0, np.int64)


@pytest.fixture
def seen():
    """On each of two rasters eight clicks on dark ground of class 1, and eight on bright ground of class 4."""
    looks = np.array([[i / 100] for i in range(8)] + [[0.9 + i / 100] for i in range(8)], np.float32)
    return [Seen(looks, np.repeat([1, 4], 8))] * 2


@pytest.fixture
def kept(tmp_path):
    """A window of no data, a dark superpixel of four pixels, and, not beside it, a bright one of two."""
    regions = np.array([[0, 0, 0, 1, 1], [2, 2, 0, 1, 1]], np.int32)
    looks = np.array([[0], [0.035], [0.935]], np.float32)
    np.savez(looks_of(tmp_path, 0), regions=regions, looks=looks)
    return tmp_path


def guessed(seen, on, kept):
    """What clicks guess in the window of a raster with some of them."""
    return by_looks(learn(seen, 5), on, kept)(0, Window(0, 0, 2, 5))


def test_a_superpixel_gets_the_class_it_looks_like_at_a_quarter_of_a_clicks_weight(seen, kept):
    labels, weights = guessed(seen, seen[0], kept)
    assert labels.tolist() == [[255, 255, 255, 1, 1], [4, 4, 255, 1, 1]]
    assert_allclose([weights[labels == 1].sum(), weights[labels == 4].sum()], SHARE, rtol=0.05)
    assert (weights[labels == 255] == 0).all()


def test_what_could_be_any_class_counts_little(seen, kept):
    rng = np.random.default_rng(0)  # each look has both classes, ten times
    looks = np.tile(seen[0].looks, (10, 1))
    mixed = [Seen(looks, rng.permutation(np.repeat([1, 4], 80)))]
    unsure, sure = (guessed(some, some[0], kept).weights.sum() for some in (mixed, seen))
    assert unsure < 0.2 * sure


def test_a_class_without_a_click_on_the_raster_can_be_guessed_there(seen, kept):
    dark = Seen(seen[0].looks[:8], seen[0].class_ids[:8])
    assert 4 in guessed([seen[0], dark], dark, kept).labels


def test_on_a_raster_without_clicks_those_of_others_tell(seen, kept):
    nobody = Seen(np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    assert guessed([*seen, nobody], nobody, kept).labels[:, 3:].tolist() == [[1, 1], [1, 1]]


def test_neighbours_speak_for_each_other_by_how_long_they_touch():
    regions = np.array([[1, 1, 2], [1, 1, 3], [0, 0, 0], [4, 4, 4]], np.int32)
    values = np.array([[9], [0], [10], [20], [5]], float)
    assert_allclose(around(regions, values).ravel()[1:], [15, 10, 5, 5])  # 2 touches 1 and 3, 4 only what is outside


def test_a_click_is_told_by_others_not_by_itself():
    clicks = np.array([[0, 0], [0, 1], [0, 3]], np.float32)
    found = distances(clicks, np.array([0, 0, 2]), 3)(clicks)
    far = FAR * 1  # from click to click it is 1, 1 and 2
    assert_allclose(found, [[1 / far, 1, 3 / far], [1 / far, 1, 2 / far], [2 / far, 1, 1]])


@pytest.mark.parametrize("looks", [[[0, 0]], [[5, 5], [5, 5]]])
def test_clicks_of_classes_that_look_the_same_tell_them_apart_by_nothing(looks):
    clicks = np.array(looks, np.float32)
    assert (distances(clicks, np.arange(len(clicks)), 3)(clicks) == 1).all()


def test_shade_changes_no_share():
    pixels = np.array([[[10, 5, np.nan, 0, -10]], [[30, 15, np.nan, 0, 30]]], np.float32)
    assert_allclose(shares(pixels, brightness(pixels))[:, 0], [[0.25, 0.25, 0, 0, -0.25], [0.75, 0.75, 0, 0, 0.75]])


@pytest.mark.parametrize(
    ("clicks", "got"),
    [([], "0 in 0"), ([Seen(np.zeros((9, 1), np.float32), np.zeros(9, np.int64))], "1 in 9")],
)
def test_without_two_classes_to_tell_apart_nothing_is_guessed(clicks, got):
    assert lack(clicks, NO_AREAS, []) == f"that takes clicks of 2 classes in 6 superpixels, got {got}"


def test_with_fewer_clicks_than_two_leaves_take_nothing_is_guessed(seen):
    few = [Seen(one.looks[7:9], one.class_ids[7:9]) for one in seen]
    assert lack(few, NO_AREAS, []) == "that takes clicks of 2 classes in 6 superpixels, got 2 in 4"


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


def test_many_bands_are_looked_at_a_few_at_a_time_to_the_same_end():
    rng = np.random.default_rng(0)
    pixels = rng.random((6, 30, 20)).astype(np.float32)
    pixels[:5, 4:9, 3:7] = np.nan
    regions = rng.integers(0, 5, (30, 20)).astype(np.int32)
    looks = np.concatenate([pixel_looks(pixels), shares(pixels, brightness(pixels))])
    assert (superpixel_looks(pixels, regions) == region_looks(looks, regions)).all()


def test_values_that_have_no_square_are_looked_at_all_the_same():
    pixels = np.full((1, 20, 20), -3.4e38, np.float32)  # no data that nobody has declared
    pixels[:, :, 10:] = 7
    found = superpixel_looks(pixels, np.where(np.arange(20) < 10, 1, 2) * np.ones((20, 1), np.int32))
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("by_area", "why"),
    [([], ""), ([1, 4], ""), ([0, 4], "no click tells what this looks like: water")],
)
def test_a_class_that_areas_alone_show_is_taken_for_no_other(seen, by_area, why):
    assert lack(seen, np.array(by_area, np.int64), ["water", "soil", "road", "roof", "grass"]) == why
