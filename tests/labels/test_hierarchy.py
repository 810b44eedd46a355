"""Any number of regions is read off one order of merges; the tree above them knows what each region holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from partitions import assert_regions

from geopointseg.labels.edges import colour_edges
from geopointseg.labels.hierarchy import Hierarchy, merge_tree

# Four leaves in a row and a gap: 2 joins 1, then 4 joins 3; the two pairs never meet.
ROW = Hierarchy(
    leaves=np.array([[1, 2, 0, 3, 4]], np.int32),
    above=np.array([0, 0, 2, 2], np.int32),
    step=np.array([4, 0, 4, 1], np.int32),
    height=np.array([np.inf, 0.2, np.inf, 0.7], np.float32),
)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (9, [1, 2, 0, 3, 4]),
        (4, [1, 2, 0, 3, 4]),
        (3, [1, 1, 0, 2, 3]),
        (2, [1, 1, 0, 2, 2]),
        (1, [1, 1, 0, 2, 2]),  # there are no fewer
    ],
)
def test_regions_by_number(count, expected):
    assert ROW.labels(count).tolist() == [expected]


@pytest.mark.parametrize(
    ("height", "expected"), [(0.1, [1, 2, 0, 3, 4]), (0.2, [1, 1, 0, 2, 3]), (0.7, [1, 1, 0, 2, 2])]
)
def test_regions_by_height_include_merges_of_that_height(height, expected):
    assert ROW.cut(height).tolist() == [expected]


def test_the_finest_and_the_coarsest():
    assert (ROW.finest, ROW.coarsest) == (4, 2)


@given(st.integers(0, 1000), st.integers(1, 12))
def test_each_merge_leaves_one_region_less_within_those_before(number, count):
    rng = np.random.default_rng(number)
    above, step, heads = np.arange(count), np.full(count, count), list(range(count))
    for merge in range(rng.integers(0, count)):  # a leaf in a row joins the head before it
        at = int(rng.integers(1, len(heads)))
        above[heads[at]], step[heads[at]] = heads[at - 1], merge
        del heads[at]
    leaves = np.arange(1, count + 1, dtype=np.int32)[None]
    hierarchy = Hierarchy(leaves, above.astype(np.int32), step.astype(np.int32), step.astype(np.float32))
    assert hierarchy.coarsest == len(heads)
    finer = hierarchy.labels(count)
    for wanted in range(count, 0, -1):
        labels = hierarchy.labels(wanted)
        assert labels.max() == max(wanted, len(heads))
        assert_regions(labels, np.ones((1, count), bool))
        assert len(np.unique(np.stack([finer, labels]).reshape(2, -1), axis=1).T) == finer.max()
        finer = labels


def test_the_tree_of_a_row_by_hand():
    image = np.array([[[1, 3, np.nan, 5, 9]]], np.float32)
    tree = merge_tree(ROW, image, colour_edges(image, sigma=0))
    assert tree.parent.tolist() == [4, 4, 5, 5, -1, -1]
    assert tree.children.tolist() == [[-1, -1]] * 4 + [[0, 1], [2, 3]]
    assert tree.area.tolist() == [1, 1, 1, 1, 2, 2]
    np.testing.assert_allclose(tree.height, [0, 0, 0, 0, 0.2, 0.7], rtol=1e-6)
    np.testing.assert_allclose(tree.mean[:, 0], [1, 3, 5, 9, 2, 7])
    np.testing.assert_allclose(tree.variance[:, 0], [0, 0, 0, 0, 1, 4])
    assert tree.outline.tolist() == [1, 1, 1, 1, 0, 0]
    np.testing.assert_allclose(tree.contrast, np.array([2, 2, 4, 4, 0, 0]) * np.sqrt(3), rtol=1e-6)
    assert tree.ancestors(0, 4).tolist() == [3, 5]
    assert tree.ancestors(0, 2).tolist() == []


def test_the_tree_can_start_from_larger_regions():
    image = np.array([[[1, 3, np.nan, 5, 9]]], np.float32)
    tree = merge_tree(ROW, image, colour_edges(image, sigma=0), leaves=3)
    assert tree.leaves.tolist() == [[1, 1, 0, 2, 3]]
    assert tree.parent.tolist() == [-1, 3, 3, -1]
    assert tree.area.tolist() == [2, 1, 1, 2]
