"""HERS grows the hierarchy that the paper describes; any number is read off it, and seeds of two classes stay apart."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from partitions import assert_one_class_each, assert_regions, picture, same_partition, some_seeds

from geopointseg.labels.adaptive import adaptive
from geopointseg.labels.edges import edge_weights
from geopointseg.labels.graph import NEIGHBOURS, STEPS, seed_map
from geopointseg.labels.hers import _worth, hers
from geopointseg.labels.hierarchy import merge_tree
from geopointseg.raster import valid

SHAPE = (17, 23)

# Four fields of two levels each, and their order: 1|2 and 5|6 are near, 1 and 9 are far.
FIELDS = """
0000 1111 9999
0000 1111 9999
0000 1111 9999
5555 6666 9999
5555 6666 9999
5555 6666 9999
"""
LEVELS = np.array([list(map(int, line.replace(" ", ""))) for line in FIELDS.split("\n")[1:-1]], np.float32)[None] / 9


def test_fields_merge_in_the_order_of_their_likeness():
    hierarchy = hers(LEVELS)
    five = np.kron([[1, 2, 3], [4, 5, 3]], np.ones((3, 4), int))
    np.testing.assert_array_equal(hierarchy.labels(5), five)
    np.testing.assert_array_equal(hierarchy.cut(0.05 / 9), five)
    three = np.kron([[1, 1, 2], [3, 3, 2]], np.ones((3, 4), int))
    np.testing.assert_array_equal(hierarchy.labels(3), three)
    assert (hierarchy.labels(1) == 1).all()
    assert (hierarchy.finest, hierarchy.coarsest) == (72, 1)


def test_seeds_stop_the_hierarchy_where_classes_meet():
    seeds = seed_map((6, 12), np.array([0, 0, 5]), np.array([0, 11, 4]), np.array([0, 1, 0]))
    hierarchy = hers(LEVELS, seeds=seeds)
    assert hierarchy.coarsest == 2
    expected = np.kron([[1, 1, 2], [1, 1, 2]], np.ones((3, 4), int))
    np.testing.assert_array_equal(hierarchy.labels(1), expected)  # 2 is the fewest there are


def entropy_gain(a: float, load: float, other: float) -> float:
    def term(x: float) -> float:
        return x * np.log(x) if x > 0 else 0.0

    return term(load) + term(other) - term(load - a) - term(other - a) - 2 * term(a)


def test_gains_are_those_of_the_paper_times_the_sum_of_affinities():
    rng = np.random.default_rng(0)
    maps = np.zeros((8, 3, 4), np.float32)
    edges = {}
    for row, col, (direction, (down, right)) in itertools.product(range(3), range(4), enumerate(STEPS)):
        if row + down < 3 and 0 <= col + right < 4:
            a = rng.random(dtype=np.float32)
            maps[NEIGHBOURS.index((down, right)), row, col] = a
            maps[NEIGHBOURS.index((-down, -right)), row + down, col + right] = a
            edges[(row, col, direction)] = ((row, col), (row + down, col + right), float(a))
    load = np.zeros((3, 4))
    for here, there, a in edges.values():
        load[here] += a
        load[there] += a
    total = load.sum()
    got = _worth(np.zeros((1, 3, 4), np.float32), maps, 0.0, 1)
    assert (~np.isnan(got)).sum() == len(edges)
    for edge, (here, there, a) in edges.items():
        expected = entropy_gain(a / total, load[here] / total, load[there] / total) * total
        assert got[edge] == pytest.approx(expected, rel=1e-4)


def plainly(image: np.ndarray, worth: np.ndarray, seeds: np.ndarray) -> list[tuple[int, int]]:
    """The pixels whose regions merge, merge by merge, as the paper has it: all edges looked at in every round."""
    _, height, width = image.shape
    home = np.arange(height * width).reshape(height, width)
    edges = []
    for row, col, direction in zip(*np.nonzero(~np.isnan(worth)), strict=True):
        down, right = STEPS[direction]
        edges.append((home[row, col], home[row + down, col + right], float(worth[row, col, direction])))
    colours = np.nan_to_num(image).reshape(len(image), -1).T.astype(np.float64)
    members = {i: [i] for i in range(height * width)}
    of = list(range(height * width))
    classes = [{int(c)} - {255} for c in seeds.ravel()]
    merges: list[tuple[int, int]] = []
    while True:
        mean = {a: colours[each].mean(axis=0) for a, each in members.items()}
        best: dict[int, tuple[float, int, int]] = {}
        for i, j, gain in edges:
            a, b = of[i], of[j]
            if a != b and len(classes[a] | classes[b]) < 2:
                value = gain / (np.abs(mean[a] - mean[b]).mean() + 1e-6)
                for region in (a, b):
                    best[region] = max(best.get(region, (-1.0, 0, 0)), (value, i, j))
        if not best:
            return merges
        for _, i, j in sorted(set(best.values()), reverse=True):
            a, b = of[i], of[j]
            if a != b and len(classes[a] | classes[b]) < 2:
                merges.append((i, j))
                for k in members[b]:
                    of[k] = a
                members[a] += members.pop(b)
                classes[a] |= classes[b]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("seeded", [False, True])
def test_the_rounds_are_those_of_the_paper(number, seeded):
    image = picture(number, levels=10**6)  # hardly two values alike, so that there are no ties
    seeds = some_seeds(number, SHAPE) if seeded else np.full(SHAPE, 255, np.uint8)
    hierarchy = hers(image, seeds=seeds)
    merges = plainly(image, _worth(image, "colour", 0.0, 1), seeds)
    assert len(merges) == hierarchy.finest - hierarchy.coarsest
    of = np.arange(image[0].size)
    for done, (i, j) in enumerate(merges, 1):
        of[of == of[j]] = of[i]
        if done % 20 == 0 or done > len(merges) - 20:
            expected = np.where(valid(image), of.reshape(SHAPE) + 1, 0)
            assert same_partition(hierarchy.labels(hierarchy.finest - done), expected), done


affinities = st.sampled_from(["colour", "gradient"])


@given(st.integers(0, 1000), affinities, st.sampled_from([0, 0.01]), st.booleans(), st.sampled_from([4, 10**6]))
def test_regions_of_any_number_are_connected_nested_and_free_of_conflict(number, affinity, balance, grown, levels):
    image = picture(number, levels=levels)
    seeds, inside = some_seeds(number, SHAPE), valid(image)
    leaves = adaptive(image, scale=20, seeds=seeds) if grown else None
    hierarchy = hers(image, affinity=affinity, balance=balance, seeds=seeds, leaves=leaves)
    assert hierarchy.finest == (leaves.max() if grown else inside.sum())
    finer = hierarchy.labels(hierarchy.finest)
    assert_regions(finer, inside)
    for count in (60, 20, 7, 1):
        labels = hierarchy.labels(count)
        assert labels.max() == min(max(count, hierarchy.coarsest), hierarchy.finest)
        assert_regions(labels, inside)
        assert_one_class_each(labels, seeds)
        assert len(np.unique(np.stack([finer, labels]).reshape(2, -1), axis=1).T) == len(np.unique(finer))  # nested
        finer = labels
    heights = hierarchy.height[np.isfinite(hierarchy.height)]
    assert_regions(hierarchy.cut(float(np.median(heights)) if len(heights) else 0.0), inside)
    assert hierarchy.cut(np.inf).max() == hierarchy.coarsest


@given(st.integers(0, 1000), affinities, st.integers(0, 4), st.integers(0, 4))
def test_neither_the_order_of_bands_nor_the_origin_nor_threads_matter(number, affinity, down, right):
    image, seeds = picture(number), some_seeds(number, SHAPE)
    expected = hers(image, affinity=affinity, seeds=seeds).labels(20)
    permuted = hers(image[[2, 0, 1]], affinity=affinity, seeds=seeds, threads=2)
    np.testing.assert_array_equal(permuted.labels(20), expected)
    around = ((down, 2), (right, 1))
    padded = np.pad(image, ((0, 0), *around), constant_values=np.nan)
    shifted = hers(padded, affinity=affinity, seeds=np.pad(seeds, around, constant_values=255))
    np.testing.assert_array_equal(shifted.labels(20)[down:-2, right:-1], expected)


def test_uint8_and_uint16_versions_of_an_image_agree():
    eight = np.random.default_rng(0).integers(0, 255, (3, 20, 20)).astype(np.float32)
    once, twice = hers(eight / 255), hers(eight * 257 / 65535)
    np.testing.assert_array_equal(once.labels(20), twice.labels(20))


def test_even_ground_is_one_region_and_parts_without_a_bridge_stay_parts():
    image = np.zeros((2, 6, 9), np.float32)
    assert (hers(image).labels(1) == 1).all()
    image[:, :, 4] = np.nan
    parts = np.repeat([[1] * 4 + [0] + [2] * 4], 6, axis=0)
    np.testing.assert_array_equal(hers(image).labels(1), parts)


def test_balance_evens_areas():
    image = np.nan_to_num(picture(3, (3, 48, 48)))
    spread = [np.bincount(hers(image, balance=balance).labels(40).ravel())[1:].std() for balance in (0, 1)]
    assert spread[1] < spread[0]


def test_nothing_but_nodata_gives_nothing():
    hierarchy = hers(np.full((3, 4, 5), np.nan, np.float32))
    assert (hierarchy.finest, hierarchy.coarsest) == (0, 0)
    assert (hierarchy.labels(3) == np.zeros((4, 5))).all()


@pytest.mark.parametrize("leaves", [None, 40])
@pytest.mark.parametrize("number", range(3))
def test_the_tree_knows_every_region(number, leaves):
    image, seeds = picture(number), some_seeds(number, SHAPE)
    hierarchy, weights = hers(image, seeds=seeds), edge_weights(image, sigma=0)
    tree = merge_tree(hierarchy, image, weights, leaves=leaves)
    count = leaves or hierarchy.finest
    np.testing.assert_array_equal(tree.leaves, hierarchy.labels(count))
    nodes = len(tree.parent)
    assert nodes == 2 * count - hierarchy.coarsest
    regions = [set(np.flatnonzero(tree.leaves == leaf)) for leaf in range(1, count + 1)]
    for node in range(count, nodes):
        a, b = tree.children[node]
        assert tree.parent[a] == tree.parent[b] == node
        assert tree.height[node] >= max(tree.height[a], tree.height[b])
        regions.append(regions[a] | regions[b])
        region = np.isin(np.arange(image[0].size), list(regions[node])).reshape(SHAPE)
        pixels = np.nan_to_num(image[:, region].astype(np.float64))
        assert tree.area[node] == region.sum()
        np.testing.assert_allclose(tree.mean[node], pixels.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(tree.variance[node], pixels.var(axis=1), atol=1e-6)
        crossed = [
            weights[row, col, direction]
            for row, col, direction in zip(*np.nonzero(~np.isnan(weights)), strict=True)
            if region[row, col] != region[row + STEPS[direction][0], col + STEPS[direction][1]]
        ]
        assert tree.outline[node] == len(crossed)
        assert tree.contrast[node] == pytest.approx(np.mean(crossed) if crossed else 0, abs=1e-5)
    row, col = np.argwhere(valid(image))[0]
    way = tree.ancestors(row, col)
    assert way[0] == tree.leaves[row, col] - 1
    assert tree.parent[way[-1]] == -1
    assert all(row * SHAPE[1] + col in regions[node] for node in way)
    gap = np.argwhere(~valid(image))[0]
    assert len(tree.ancestors(*gap)) == 0
