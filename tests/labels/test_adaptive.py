"""Adaptive merging is exactly the plain algorithm, whatever the tiles and threads; seeds of two classes stay apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from partitions import assert_one_class_each, assert_regions, picture, same_partition, some_seeds
from skimage.segmentation import felzenszwalb

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.adaptive import adaptive, least_area, merge
from geopointseg.labels.edges import edge_weights
from geopointseg.labels.graph import STEPS, seed_map
from geopointseg.labels.hers import hers
from geopointseg.raster import valid


def plainly(weights: np.ndarray, inside: np.ndarray, scale: float, minimum: int, seeds: np.ndarray) -> np.ndarray:
    """The published algorithm, edge by edge over the whole image."""
    height, width = inside.shape
    home = np.arange(height * width).reshape(height, width)
    region = {i: {i} for i in range(height * width)}
    of = list(range(height * width))
    limit = [np.float32(scale)] * (height * width)
    classes = [{int(c)} - {255} for c in seeds.ravel()]
    edges = []
    for row, col, direction in zip(*np.nonzero(~np.isnan(weights)), strict=True):
        down, right = STEPS[direction]
        edges.append((weights[row, col, direction], home[row, col], home[row + down, col + right]))
    edges.sort(key=lambda edge: edge[0])  # stable
    for last in (False, True):
        for weight, i, j in edges:
            a, b = of[i], of[j]
            if a == b or len(classes[a] | classes[b]) > 1:
                continue
            small = len(region[a]) < minimum or len(region[b]) < minimum
            if small if last else (weight <= limit[a] and weight <= limit[b]):
                for k in region[b]:
                    of[k] = a
                region[a] |= region.pop(b)
                classes[a] |= classes[b]
                limit[a] = weight + np.float32(scale) / len(region[a])
    return np.where(inside, np.array(of).reshape(height, width) + 1, 0)


# Two fields that differ by 1 and a speck in each: 9 beside 0 and 1.
SPECKS = """
000000111111
000000111111
009000111111
000000111911
000000111111
"""
FIELDS = np.array([list(map(int, line)) for line in SPECKS.split()], np.float32)[None]


def test_two_fields_and_two_specks_by_hand():
    left = np.repeat([[1] * 6 + [2] * 6], 5, axis=0)
    specks = left.copy()
    specks[2, 2], specks[3, 9] = 3, 4
    np.testing.assert_array_equal(adaptive(FIELDS, scale=100, minimum=1, sigma=0), specks)
    np.testing.assert_array_equal(adaptive(FIELDS, scale=100, minimum=2, sigma=0), left)
    assert (adaptive(FIELDS, scale=1_000_000, sigma=0) == 1).all()


def test_seeds_keep_even_ground_apart_and_those_of_one_class_do_not():
    even = np.zeros((1, 1, 8), np.float32)
    seeds = seed_map((1, 8), np.array([0, 0, 0]), np.array([0, 3, 6]), np.array([1, 1, 2]))
    got = adaptive(even, scale=100, seeds=seeds)
    assert (got[0, [0, 3]] == 1).all()
    assert got[0, 6] == 2
    assert got.max() == 2
    small = adaptive(even, scale=100, minimum=8, seeds=seeds)  # nor does the minimum size unite them
    np.testing.assert_array_equal(small, got)


@given(st.integers(0, 1000), st.sampled_from([3, 5, 8, 16, 64]), st.sampled_from([4, 255]), st.integers(1, 9))
def test_every_tiling_gives_what_the_plain_algorithm_gives(number, tile, levels, minimum):
    image = picture(number, levels=levels)
    inside, seeds = valid(image), some_seeds(number, (17, 23))
    for scale, classes in ((0.3, np.full_like(seeds, 255)), (2.0, seeds)):
        weights = edge_weights(image, sigma=0)
        expected = plainly(weights, inside, scale, minimum, classes)
        got = merge(weights, inside, scale=scale, minimum=minimum, seeds=classes, tile=tile, threads=1 + tile % 2)
        assert same_partition(got, expected)
        assert_regions(got, inside)
        assert_one_class_each(got, classes)


@given(st.integers(0, 1000), st.sampled_from(["colour", "gradient"]), st.integers(0, 4), st.integers(0, 4))
def test_neither_the_order_of_bands_nor_the_origin_nor_threads_matter(number, affinity, down, right):
    image = picture(number)
    seeds = some_seeds(number, (17, 23))
    options = {"scale": 60, "minimum": 5, "affinity": affinity}
    expected = adaptive(image, seeds=seeds, **options)
    np.testing.assert_array_equal(adaptive(image[[2, 0, 1]], seeds=seeds, **options), expected)
    np.testing.assert_array_equal(adaptive(image, seeds=seeds, threads=2, **options), expected)
    around = ((down, 2), (right, 1))
    padded = np.pad(image, ((0, 0), *around), constant_values=np.nan)
    shifted = adaptive(padded, seeds=np.pad(seeds, around, constant_values=255), **options)
    np.testing.assert_array_equal(shifted[down:-2, right:-1], expected)


def test_uint8_and_uint16_versions_of_an_image_agree():
    eight = np.random.default_rng(0).integers(0, 255, (3, 20, 20)).astype(np.float32)
    once, twice = adaptive(eight / 255, scale=300), adaptive(eight * 257 / 65535, scale=300)
    np.testing.assert_array_equal(once, twice)


def test_as_many_regions_as_scikit_image_finds_within_a_few():
    image = np.nan_to_num(picture(5, (3, 96, 96)))
    ours, theirs = (
        adaptive(image, scale=50, minimum=25).max(),
        felzenszwalb(np.moveaxis(image, 0, -1), scale=50, sigma=0.8, min_size=25).max() + 1,
    )
    assert abs(int(ours) - int(theirs)) <= 0.1 * theirs


def test_affinity_maps_decide_alone():
    image = picture(1, (2, 8, 8))
    image[:] = 0
    maps = np.ones((8, 8, 8), np.float32)
    maps[[2, 4, 7], :, 3] = 0  # from column 3 eastwards, and back
    maps[[0, 3, 5], :, 4] = 0
    expected = np.repeat([[1] * 4 + [2] * 4], 8, axis=0)
    np.testing.assert_array_equal(adaptive(image, scale=50, affinity=maps), expected)


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 2, 3), (2, 5, 1)])
def test_tiny_images_are_one_region(shape):
    assert (adaptive(np.zeros(shape, np.float32), scale=10) == 1).all()
    assert (hers(np.zeros(shape, np.float32)).labels(1) == 1).all()


def test_nothing_but_nodata_gives_nothing():
    assert (adaptive(np.full((3, 4, 5), np.nan, np.float32), scale=10) == np.zeros((4, 5))).all()


def test_a_scale_of_nothing_is_refused():
    with pytest.raises(GeoPointSegError, match="a scale above 0, got 0"):
        adaptive(FIELDS, scale=0)


def test_the_least_area_is_half_the_scale_in_whole_pixels():
    assert [least_area(scale) for scale in (0.5, 2, 3, 25, 99.9, 1600)] == [1, 1, 1, 12, 49, 800]
