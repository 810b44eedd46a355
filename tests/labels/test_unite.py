"""Regions unite along what they chose, best first; the larger keeps its head, and classes stay apart."""

import numpy as np
from test_regions import NONE, regions

from geopointseg.labels.unite import mapped, trees, unite


def round_of(found, partner, best):
    """Unite; the trees of the regions, the merges done, and where and when each leaf was hung."""
    count = len(partner)
    hung = np.arange(count, dtype=np.int32), np.full(count, count, np.int32), np.full(count, np.inf, np.float32)
    parent, merges = unite(np.array(partner, np.int32), np.array(best, np.float32), found, hung, 0)
    return trees(parent)[0].tolist(), merges, *(column.tolist() for column in hung)


def test_two_pairs_by_hand():
    found = regions([0, 0, 5, 5], [3, 1, 1, 1])
    tree, merges, above, step, height = round_of(found, [1, 0, 3, 2], [0.5, 0.5, 2, 2])
    assert tree == [0, 0, 1, 1]
    assert merges == 2
    assert above == [0, 0, 2, 2]  # the smaller below the larger; of two alike the later below the earlier
    assert step == [4, 1, 4, 0]  # the better edge first; 4 for never
    assert height == [np.inf, 2, np.inf, 0.5]


def test_a_chain_unites_as_a_whole():
    tree, merges, *_ = round_of(regions([0] * 4, [1] * 4), [1, 2, 3, 2], [1, 2, 3, 3])
    assert tree == [0, 0, 0, 0]
    assert merges == 3


def test_classes_that_meet_by_way_of_a_third_region_stay_apart():
    found = regions([0] * 3, [1] * 3, [0, NONE, 1])  # both choose the one between: the better gets it
    tree, merges, above, step, _ = round_of(found, [1, 2, 1], [1, 2, 2])
    assert tree == [0, 1, 1]
    assert merges == 1
    assert above == [0, 1, 1]
    assert step == [3, 3, 0]


def test_nobody_to_choose_is_no_merge():
    tree, merges, *_ = round_of(regions([0] * 2, [1] * 2), [-1, -1], [-1, -1])
    assert (tree, merges) == ([0, 1], 0)


def test_trees_are_drawn_in_place_of_leaves():
    leaves = np.array([[1, 2, 0], [3, 3, 2]], np.int32)
    assert mapped(leaves, np.array([0, 1, 0], np.int32)).tolist() == [[1, 2, 0], [1, 1, 2]]
