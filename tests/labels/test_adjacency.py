"""Of all edges between two regions the best one is kept, listed once, with the lower region."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.labels.adjacency import adjacency, contracted
from geopointseg.labels.graph import STEPS


def listed(edges):
    """{(lower, higher): worth}, each pair once."""
    pairs = [(a, int(edges.to[i])) for a in range(len(edges.start) - 1) for i in range(*edges.start[a : a + 2])]
    assert len(set(pairs)) == len(pairs) == len(edges.to)
    return dict(zip(pairs, edges.worth.tolist(), strict=True))


def test_three_regions_and_a_gap_by_hand():
    leaves = np.array([[1, 1, 2], [3, 0, 2]], np.int32)
    worth = np.full((2, 3, 4), np.nan, np.float32)
    worth[0, 0, 0] = 9  # within region 1
    worth[0, 1, 0] = 1  # east, to region 2
    worth[0, 1, 1] = 5  # south-east, to region 2
    worth[0, 1, 3] = 2  # south-west, to region 3
    worth[0, 0, 2] = 3  # south, to region 3
    worth[0, 0, 1] = 7  # south-east, to the gap
    edges = adjacency(leaves, worth, 3)
    assert listed(edges) == {(0, 1): 5, (0, 2): 3}


def test_regions_that_become_one_share_their_edges():
    leaves = np.array([[1, 2, 3, 4]], np.int32)
    worth = np.full((1, 4, 4), np.nan, np.float32)
    worth[0, :3, 0] = 1, 2, 3
    edges = adjacency(leaves, worth, 4)
    assert listed(edges) == {(0, 1): 1, (1, 2): 2, (2, 3): 3}
    assert listed(contracted(edges, np.array([0, 0, 1, 0], np.int32), 2)) == {(0, 1): 3}


@given(st.integers(0, 1000), st.integers(1, 9))
def test_every_pair_of_neighbours_is_found_with_its_best_edge(number, count):
    rng = np.random.default_rng(number)
    leaves = rng.integers(0, count + 1, (5, 6)).astype(np.int32)
    worth = rng.integers(0, 9, (5, 6, 4)).astype(np.float32)
    expected: dict[tuple[int, int], float] = {}
    for row, col, direction in np.ndindex(worth.shape):
        down, right = STEPS[direction]
        if row + down >= 5 or not 0 <= col + right < 6:
            worth[row, col, direction] = np.nan
            continue
        pair = sorted((leaves[row, col] - 1, leaves[row + down, col + right] - 1))
        if 0 <= pair[0] < pair[1]:
            key = int(pair[0]), int(pair[1])
            expected[key] = max(expected.get(key, 0), float(worth[row, col, direction]))
    edges = adjacency(leaves, worth, count)
    assert listed(edges) == expected
    tree = rng.integers(0, 3, count).astype(np.int32)
    merged: dict[tuple[int, int], float] = {}
    for (a, b), value in expected.items():
        low, high = sorted((int(tree[a]), int(tree[b])))
        if low < high:
            merged[low, high] = max(merged.get((low, high), 0), value)
    assert listed(contracted(edges, tree, 3)) == merged
