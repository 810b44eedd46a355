"""SLIC gives connected superpixels of about one size that follow what is in the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from partitions import assert_regions, picture
from scipy.ndimage import gaussian_filter, label
from skimage.segmentation import slic as skimage_slic

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.slic import ROWS, slic
from geopointseg.raster import valid

# Two fields whose border runs beside the grid of 4 × 4 pixels: two superpixels above, two below.
FIELDS = """
00000111
00000111
00000111
00000111
00000111
00000111
00000111
00000111
"""
LEVELS = np.array([list(map(int, line)) for line in FIELDS.split()], np.float32)[None]


def test_superpixels_follow_a_border_beside_the_grid():
    expected = np.kron([[1, 1, 1, 1, 1, 2, 2, 2], [3, 3, 3, 3, 3, 4, 4, 4]], np.ones((4, 1), int))
    np.testing.assert_array_equal(slic(LEVELS, size=16), expected)


def test_even_ground_is_cut_into_squares():
    squares = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((4, 4), int))
    np.testing.assert_array_equal(slic(np.zeros((2, 12, 12), np.float32), size=16), squares)


def test_a_speck_joins_the_neighbour_most_like_it():
    image = LEVELS.copy()
    image[0, 2, 1] = 0.6  # in the left field, as a superpixel of the right one
    np.testing.assert_array_equal(slic(image, size=16), slic(LEVELS, size=16))


@given(st.integers(0, 1000), st.sampled_from([1, 4, 20, 100, 1000]), st.integers(1, 5))
def test_regions_are_connected_and_cover_the_valid_area(number, size, bands):
    image = picture(number, (bands, 17, 23))
    assert_regions(slic(image, size=size), valid(image))


@given(st.integers(0, 1000), st.integers(0, 4), st.integers(0, 4))
def test_neither_the_order_of_bands_nor_the_origin_nor_threads_matter(number, down, right):
    image = picture(number, (3, ROWS + 9, 11), levels=10**6)
    expected = slic(image, size=25)
    np.testing.assert_array_equal(slic(image, size=25, threads=2), expected)
    padded = np.pad(image, ((0, 0), (down, 2), (right, 1)), constant_values=np.nan)
    np.testing.assert_array_equal(slic(padded, size=25)[down:-2, right:-1], expected)
    permuted = slic(image[[2, 0, 1]], size=25)
    assert (permuted == expected).mean() > 0.9  # float32 sums of another order: a pixel between two may change sides


def test_uint8_and_uint16_versions_of_an_image_agree():
    eight = np.random.default_rng(0).integers(0, 255, (3, 20, 20)).astype(np.float32)
    np.testing.assert_array_equal(slic(eight / 255, size=25), slic(eight * 257 / 65535, size=25))


def test_the_count_is_about_what_the_size_asks_for():
    image = gaussian_filter(np.random.default_rng(0).random((3, 96, 128), np.float32), (0, 2, 2)) * 3
    for size in (36, 150, 600):
        assert 0.8 < 96 * 128 / size / slic(image, size=size).max() < 1.25


def test_variance_within_is_lower_than_in_scikit_images_at_equal_count():
    image = np.nan_to_num(picture(2, (3, 96, 96)))
    ours = slic(image, size=64)
    theirs = skimage_slic(np.moveaxis(image, 0, -1), int(ours.max()), convert2lab=False, channel_axis=-1)

    def within(labels: np.ndarray) -> float:
        count = np.bincount(labels.ravel())
        means = [np.bincount(labels.ravel(), band.ravel()) / np.maximum(count, 1) for band in image]
        return float(sum(((band - mean[labels]) ** 2).sum() for band, mean in zip(image, means, strict=True)))

    assert ours.max() <= 1.2 * len(np.unique(theirs))
    assert within(ours) < within(theirs)


def test_a_gap_does_not_join_what_lies_at_its_sides():
    image = np.zeros((1, 6, 7), np.float32)
    image[:, :, 3] = np.nan
    labels = slic(image, size=1000)
    assert labels.max() == 2
    assert label(labels > 0)[1] == 2


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 2, 3), (2, 5, 1)])
def test_tiny_images_are_cut_too(shape):
    assert (slic(np.zeros(shape, np.float32), size=4) > 0).all()


def test_nothing_but_nodata_gives_nothing():
    assert (slic(np.full((3, 4, 5), np.nan, np.float32), size=4) == np.zeros((4, 5))).all()


def test_a_size_of_nothing_is_refused():
    with pytest.raises(GeoPointSegError, match="at least 1 pixel, got 0"):
        slic(LEVELS, size=0)
