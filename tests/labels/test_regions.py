"""What is known of regions adds up; each chooses the neighbour that is most like it, and none of another class."""

import numpy as np
import pytest

from geopointseg.labels.adjacency import Adjacency
from geopointseg.labels.regions import EVEN, Regions, best_neighbours, imbalance, leaf_regions, merged_regions

NONE = 255
NO_SEEDS = np.empty((0, 0), np.uint8)


def regions(means, areas, classes=None):
    count = len(means)
    classes = [NONE] * count if classes is None else classes
    return Regions(
        np.array(means, np.float32)[:, None],
        np.array(areas, np.int32),
        np.array(classes, np.uint8),
        np.arange(count, dtype=np.int32),
        np.zeros(count, np.float32),
    )


def chain(*worth):
    """Edges from each region to the next."""
    count = len(worth) + 1
    start = np.minimum(np.arange(count + 1), len(worth)).astype(np.int32)
    return Adjacency(start, np.arange(1, count, dtype=np.int32), np.array(worth, np.float32))


def test_leaves_know_their_area_colour_and_class():
    leaves = np.array([[1, 1, 2], [1, 0, 2]], np.int32)
    image = np.array([[[2, 4, 5], [6, np.nan, np.nan]]], np.float32)
    seeds = np.array([[NONE, 3, NONE], [NONE, 1, NONE]], np.uint8)
    found = leaf_regions(image, leaves, seeds, 2)
    assert found.area.tolist() == [3, 2]
    assert found.mean[0, 0] == pytest.approx(4)
    assert found.classes.tolist() == [3, NONE]  # the seed in the gap is nobody's
    assert found.head.tolist() == [0, 1]
    assert leaf_regions(image, leaves, NO_SEEDS, 2).classes.tolist() == [NONE, NONE]


def test_merged_regions_have_the_mean_of_all_their_pixels():
    found = merged_regions(
        regions([1, 4, 9], [2, 1, 5], [NONE, 7, NONE]), np.array([0, 0, 1], np.int32), np.array([1, 1, 2], np.int32), 2
    )
    assert found.area.tolist() == [3, 5]
    np.testing.assert_allclose(found.mean[:, 0], [2, 9])
    assert found.classes.tolist() == [7, NONE]  # what the root, region 1, holds
    assert found.head.tolist() == [1, 2]


def test_each_chooses_the_neighbour_most_like_it():
    partner, best = best_neighbours(chain(1, 1, 1), regions([0, 1, 1.5, 5], [1] * 4), np.float32(0))
    assert partner.tolist() == [1, 2, 1, 2]
    np.testing.assert_allclose(best, [1 / (1 + EVEN), 1 / (0.5 + EVEN), 1 / (0.5 + EVEN), 1 / (3.5 + EVEN)], rtol=1e-5)


def test_no_region_chooses_one_of_another_class():
    partner, _ = best_neighbours(chain(1, 1), regions([0, 0, 5], [1] * 3, [0, 1, NONE]), np.float32(0))
    assert partner.tolist() == [-1, 2, 1]


def test_balance_puts_large_regions_off():
    found = regions([0, 1, 2], [100, 10, 1])
    assert best_neighbours(chain(1, 1), found, np.float32(0))[0].tolist() == [
        1,
        0,
        1,
    ]  # a tie: the edge that came first
    assert best_neighbours(chain(1, 1), found, np.float32(1))[0].tolist() == [1, 2, 1]


def test_imbalance_is_the_entropy_that_merging_takes():
    assert imbalance(1, 1) == pytest.approx(2 * np.log(2))
    assert imbalance(3, 5) == imbalance(5, 3) == pytest.approx(8 * np.log(8) - 3 * np.log(3) - 5 * np.log(5))
