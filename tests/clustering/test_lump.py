"""Clusters that look alike become one, the nearest first, and empty ones go."""

import numpy as np
import pytest

from geopointseg.clustering.lump import Tally, lump, tally
from geopointseg.grid import Window
from geopointseg.raster import open_raster
from geopointseg.statistics import Statistics


def tallied(clusters):
    """The tally of clusters given as lists of grey values."""
    values = [np.array(cluster, float) for cluster in clusters]
    return Tally(np.array([float(len(each)) for each in values]), np.array([[each.sum()] for each in values]))


def test_numbers_go_by_area_and_empty_clusters_go():
    lookup, means = lump(tallied([[0.1], [], [0.5, 0.5, 0.5], [0.9, 0.9]]), 0)
    assert lookup == (2, 255, 0, 1)
    np.testing.assert_allclose(means.ravel(), [0.5, 0.9, 0.1])


def test_the_nearest_join_first_and_count_as_one_then():
    found = tallied([[0.5], [0.6, 0.6, 0.6], [0.7]])  # the first two become 0.575, which is 0.125 from the third
    assert lump(found, 0.09)[0] == (1, 0, 2)
    lookup, means = lump(found, 0.11)
    assert lookup == (0, 0, 1)
    np.testing.assert_allclose(means.ravel(), [0.575, 0.7])
    assert lump(found, 0.13)[0] == (0, 0, 0)


def test_bands_count_by_their_mean_square():
    found = Tally(np.ones(2), np.array([[0.0, 0.0, 0.0, 0.0], [0.2, 0.0, 0.0, 0.0]]))
    assert lump(found, 0.09)[0] == (0, 1)
    assert lump(found, 0.11)[0] == (0, 0)


def test_windows_add_up(raster_file):
    image = np.array([[0, 100, 0, 200], [0, 100, 50, 200]], np.uint8)
    raster = open_raster(raster_file(image, nodata=50))
    statistics = Statistics((100.0,), (1.0,), (0.0,), (200.0,))
    ids = np.array([[0, 1, 0, 2], [0, 1, 255, 2]], np.uint8)
    windows = [(Window(0, 0, 2, 2), ids[:, :2]), (Window(0, 2, 2, 2), ids[:, 2:])]
    found = tally(iter(windows), raster, statistics, 3)
    assert found.pixels.tolist() == [3, 2, 2]
    assert found.sums.ravel().tolist() == pytest.approx([0, 1, 2])
