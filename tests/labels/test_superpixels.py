"""Superpixels follow what is in the image, number every valid pixel, and leave nodata at 0."""

import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.superpixels import fitted_scale, scaled, superpixels
from geopointseg.statistics import Statistics

OURS = ["adaptive", "hers", "slic"]
OPENCV = ["opencv-seeds", "opencv-slic", "opencv-lsc"]
methods = pytest.mark.parametrize("method", [*OURS, "felzenszwalb", "skimage-slic", "watershed"])
band_counts = pytest.mark.parametrize("bands", [1, 3, 8])
QUADRANT = np.kron([[0, 1], [2, 3]], np.ones((16, 16), int))  # (32, 32)


def texture(*shape: int) -> np.ndarray:
    """Smooth patches about 5 pixels wide, from 0 to 1: (bands, height, width)."""
    patches = gaussian_filter(np.random.default_rng(0).random(shape, np.float32), (0, 3, 3), mode="nearest")
    return (patches - patches.min()) / max(np.ptp(patches), 1e-6)


def statistics(low: list[float], high: list[float]) -> Statistics:
    ones = (1.0,) * len(low)
    return Statistics(ones, ones, tuple(low), tuple(high))


@band_counts
@pytest.mark.parametrize("method", ["adaptive", "hers", "felzenszwalb", "skimage-slic"])
def test_four_quadrants_are_four_regions(method, bands):
    image = np.repeat((QUADRANT[None] / 3).astype(np.float32), bands, axis=0)
    regions = superpixels(image, method=method, size=256)
    assert np.unique(regions).tolist() == [1, 2, 3, 4]
    inner = np.zeros((16, 16), bool)
    inner[2:-2, 2:-2] = True  # felzenszwalb smooths first: the outlines may move by a pixel or two
    inner = np.tile(inner, (2, 2))
    names = [set(regions[inner & (q == QUADRANT)]) for q in range(4)]
    assert all(len(name) == 1 for name in names)
    assert len(set.union(*names)) == 4


@methods
@band_counts
def test_nodata_is_0_and_the_rest_is_numbered_without_gaps(method, bands):
    image = texture(bands, 40, 50)
    image[:, :25, 10:40] = np.nan
    regions = superpixels(image, method=method, size=20)
    assert regions.dtype == np.int32
    assert regions.shape == (40, 50)
    holes = np.isnan(image[0])
    np.testing.assert_array_equal(regions == 0, holes)
    assert np.unique(regions[~holes]).tolist() == list(range(1, regions.max() + 1))
    assert regions.max() > 1


@methods
def test_a_pixel_missing_in_one_band_only_is_still_in_a_region(method):
    image = texture(3, 20, 20)
    image[1, 5:9, 5:9] = np.nan
    assert (superpixels(image, method=method, size=20) > 0).all()


@methods
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 2, 3), (2, 5, 1)])
def test_tiny_images_are_cut_too(method, shape):
    assert (superpixels(texture(*shape), method=method) > 0).all()


@methods
def test_nothing_but_nodata_gives_nothing(method):
    assert (superpixels(np.full((3, 6, 7), np.nan, np.float32), method=method) == np.zeros((6, 7))).all()


@methods
def test_a_single_valid_pixel_is_one_region(method):
    image = np.full((3, 6, 7), np.nan, np.float32)
    image[:, 2, 3] = 0.5
    expected = np.zeros((6, 7))
    expected[2, 3] = 1
    np.testing.assert_array_equal(superpixels(image, method=method), expected)


@methods
def test_nodata_after_the_last_region_is_0_too(method):
    image = texture(3, 30, 30)
    image[:, 20:] = np.nan
    image[:, :20] += 0.5  # so that nodata is a region of its own while it is cut
    regions = superpixels(image, method=method, size=20)
    assert (regions[20:] == 0).all()
    assert np.unique(regions[:20]).tolist() == list(range(1, regions.max() + 1))


@methods
def test_larger_sizes_give_fewer_regions(method):
    image = texture(3, 64, 64)
    counts = [superpixels(image, method=method, size=size).max() for size in (8, 32, 128)]
    assert counts[0] > counts[1] > counts[2]


@methods
@pytest.mark.parametrize("size", [30, 120])
def test_superpixels_have_about_the_mean_area_asked_for(method, size):
    image = texture(3, 128, 128)
    got = image[0].size / superpixels(image, method=method, size=size).max()
    assert size / 1.6 < got < size * 1.6
    if method == "hers":
        assert superpixels(image, method=method, size=size).max() == round(image[0].size / size)


@pytest.mark.parametrize("method", ["adaptive", "felzenszwalb"])
def test_a_scale_that_is_given_is_not_looked_for(method):
    image = texture(3, 64, 64)
    fitted = fitted_scale(image, 60)
    given = superpixels(image, method=method, size=999, scale=fitted)
    np.testing.assert_array_equal(given, superpixels(image, method=method, size=60))


@pytest.mark.parametrize("method", OPENCV)
def test_opencv_cuts_too_where_it_is_there(method):
    pytest.importorskip("cv2.ximgproc")
    image = texture(3, 64, 96)
    image[:, :9] = np.nan
    regions = superpixels(image, method=method, size=100)
    assert ((regions == 0) == np.isnan(image[0])).all()
    assert 20 < regions.max() < 200


@pytest.mark.parametrize("method", OPENCV)
@pytest.mark.parametrize("shape", [(5, 5), (12, 40), (19, 300), (1, 1)])
def test_opencv_does_not_crash_on_small_images(method, shape):
    pytest.importorskip("cv2.ximgproc")
    assert (superpixels(texture(3, *shape), method=method) > 0).all()


def test_opencv_that_is_missing_is_told_with_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        GeoPointSegError, match=r"OpenCV .* for opencv-seeds, got none: pip install .geopointseg\[opencv\]"
    ):
        superpixels(texture(3, 16, 16), method="opencv-seeds")


@pytest.mark.parametrize("times", [4, 16])
def test_the_number_of_bands_alone_does_not_change_the_regions(times):
    image = texture(3, 48, 48)
    np.testing.assert_array_equal(superpixels(np.tile(image, (times, 1, 1)), size=40), superpixels(image, size=40))


@methods
def test_the_same_image_is_cut_the_same_way(method):
    image = texture(3, 32, 32)
    np.testing.assert_array_equal(superpixels(image, method=method), superpixels(image.copy(), method=method))


def test_the_image_is_not_changed():
    image = texture(3, 16, 16)
    image[:, :4] = np.nan
    before = image.copy()
    superpixels(image)
    np.testing.assert_array_equal(image, before)


def test_adaptive_merging_is_the_default():
    image = texture(3, 64, 64)
    np.testing.assert_array_equal(superpixels(image), superpixels(image, method="adaptive", size=400))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": 1}, "at least 2 pixels, got 1"), ({"method": "seeds"}, "a method among adaptive, .*, got 'seeds'")],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(GeoPointSegError, match=message):
        superpixels(texture(3, 8, 8), **options)


def test_scaling_puts_the_percentiles_at_0_and_1():
    pixels = np.array([[[10, 20, 30], [0, 40, np.nan]], [[-1, 0, 1], [-9, 9, np.nan]]], np.float32)
    expected = [[[0, 0.5, 1], [0, 1, np.nan]], [[0, 0.5, 1], [0, 1, np.nan]]]
    got = scaled(pixels, statistics([10, -1], [30, 1]))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_a_constant_band_stays_valid():
    got = scaled(np.full((1, 2, 2), 1000, np.float32), statistics([1000], [1000 + 1e-6]))
    np.testing.assert_array_equal(got, np.zeros((1, 2, 2)))
