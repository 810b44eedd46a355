"""ISODATA splits what is wide, joins what is near, and drops what is small; K-means takes what there is."""

import numpy as np
import pytest

from geopointseg.clustering.isodata import Limits, isodata
from geopointseg.clustering.kmeans import kmeans, nearest


@pytest.fixture
def blobs():
    """Three clouds of 200 pixels in two bands."""
    rng = np.random.default_rng(0)
    middles = np.array([[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]])
    return (middles[:, None] + rng.normal(0, 0.02, (3, 200, 2))).reshape(-1, 2).astype(np.float32), middles


@pytest.mark.parametrize("k", [3, 6, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_isodata_finds_clouds_whatever_the_count_it_starts_with(blobs, k, seed):
    pixels, middles = blobs
    centres = isodata(pixels, k, seed=seed)
    np.testing.assert_allclose(sorted(centres.tolist()), sorted(middles.tolist()), atol=0.01)


def test_a_wide_cluster_splits_and_near_ones_join():
    pixels = np.linspace(0, 1, 400, dtype=np.float32)[:, None]
    assert len(isodata(pixels, 4, limits=Limits(wide=0.1, near=0.05))) > 2
    assert len(isodata(pixels, 4, limits=Limits(wide=1, near=2))) == 1


def test_a_cluster_of_few_pixels_goes(blobs):
    pixels = np.concatenate([blobs[0], np.full((1, 2), 5, np.float32)])
    assert isodata(pixels, 30).max() < 1.5


@pytest.mark.parametrize("find", [kmeans, isodata])
def test_flat_pixels_are_one_cluster_and_seeds_are_kept(blobs, find):
    flat = np.full((50, 3), 0.25, np.float32)
    np.testing.assert_allclose(find(flat, 8), [[0.25] * 3])
    np.testing.assert_array_equal(find(blobs[0], 5, seed=3), find(blobs[0], 5, seed=3))


def test_nearest_is_the_first_of_equals():
    centres = np.array([[0.0], [1.0], [1.0]], np.float32)
    assert nearest(np.array([[0.2], [0.9], [0.5]], np.float32), centres).tolist() == [0, 1, 0]
