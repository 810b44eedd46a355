"""Strategies: how many points each class gives, on which pixels, and how they lie to each other and to the borders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, gaussian_filter, label
from scipy.spatial import cKDTree

from geopointseg.labels.strategies import (
    border_distance,
    draw_points,
    interior_points,
    lssqps_shares,
    near_borders,
    share_out,
    spread_points,
)

IGNORE = (255, 7)
TRUTHS = (
    st.integers(1, 9)
    .flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([0, 3, 4, 7, 255]), min_size=width, max_size=width), min_size=1, max_size=9
        )
    )
    .map(lambda rows: np.array(rows, np.uint8))
)


def rng(seed=0):
    return np.random.default_rng(seed)


def grown(text):
    """Truth from a drawing: digits are classes, dots are unlabelled."""
    return np.array([[255 if c == "." else int(c) for c in line] for line in text.split()], np.uint8)


def patches(seed=0):
    """Four classes in irregular patches, 300 × 300."""
    field = gaussian_filter(rng(seed).random((300, 300)), 8)
    return np.digitize(field, np.quantile(field, [0.3, 0.6, 0.9]))


def counts(truth, rows, cols):
    return {int(code): int(n) for code, n in zip(*np.unique(truth[rows, cols], return_counts=True), strict=True)}


def has(truth):
    codes = [int(code) for code in np.unique(truth) if code not in IGNORE]
    return {code: int((truth == code).sum()) for code in codes}


@pytest.mark.parametrize("strategy", ["random", "stratified", "boundary-biased"])
@given(truth=TRUTHS, count=st.integers(1, 30), seed=st.integers(0, 99))
def test_each_class_gives_as_many_pixels_as_asked_or_all_it_has(strategy, truth, count, seed):
    rows, cols = draw_points(truth, count, rng(seed), strategy=strategy, ignore=IGNORE)
    assert len({*zip(rows, cols, strict=True)}) == len(rows)
    assert truth[rows, cols].tolist() == [c for c, n in has(truth).items() for _ in range(min(n, count))]


@pytest.mark.parametrize("strategy", ["random", "stratified", "boundary-biased", "per-image"])
@given(truth=TRUTHS, count=st.integers(1, 90), seed=st.integers(0, 99))
def test_a_budget_per_image_is_met_where_pixels_suffice(strategy, truth, count, seed):
    rows, cols = draw_points(truth, count, rng(seed), strategy=strategy, per="image", ignore=IGNORE)
    assert len({*zip(rows, cols, strict=True)}) == len(rows) == min(count, sum(has(truth).values()))
    assert not np.isin(truth[rows, cols], IGNORE).any()
    if strategy != "per-image":
        assert counts(truth, rows, cols) == {c: n for c, n in share_out(has(truth), count).items() if n}


@given(truth=TRUTHS, count=st.integers(1, 90), seed=st.integers(0, 99))
def test_lssqps_gives_each_class_the_floor_of_its_share_or_nothing(truth, count, seed):
    rows, cols = draw_points(truth, count, rng(seed), strategy="lssqps", per="image", ignore=IGNORE)
    quota = count // len(np.unique(truth))
    expected = {c: quota for c in (3, 4) if (truth == c).sum() > quota > 0}
    assert counts(truth, rows, cols) == expected
    assert len({*zip(rows, cols, strict=True)}) == len(rows)


@given(truth=TRUTHS, min_area=st.integers(1, 6))
def test_every_component_of_the_area_gives_one_point(truth, min_area):
    rows, cols = draw_points(truth, 99, rng(), strategy="per-object", ignore=IGNORE, min_area=min_area)
    found = []
    for code in (0, 3, 4):
        parts, number = label(truth == code, np.ones((3, 3)))
        areas = np.bincount(parts.ravel(), minlength=number + 1)
        here = parts[rows, cols][truth[rows, cols] == code]
        assert sorted(here) == [i for i in range(1, number + 1) if areas[i] >= min_area]
        assert (np.diff(areas[here]) <= 0).all()  # the largest first
        found += [code] * len(here)
    assert truth[rows, cols].tolist() == found


@given(st.dictionaries(st.integers(-2, 9), st.integers(0, 20), max_size=6), st.integers(0, 60))
def test_shares_are_as_equal_as_the_pixels_allow(available, count):
    shares = share_out(available, count)
    assert list(shares) == sorted(available)
    assert sum(shares.values()) == min(count, sum(available.values()))
    assert all(shares[c] <= n for c, n in available.items())
    short = [n for c, n in shares.items() if n < available[c]]
    assert max(short, default=0) - min(short, default=0) <= 1
    assert all(n <= min(short, default=99) + 1 for n in shares.values())
    assert short == sorted(short, reverse=True)  # the remainder to the first


def test_shares_checked_by_hand():
    assert share_out({1: 99, 2: 99, 3: 99}, 11) == {1: 4, 2: 4, 3: 3}
    assert share_out({1: 99, 2: 1, 3: 99}, 11) == {1: 5, 2: 1, 3: 5}
    assert share_out({1: 2, 2: 1}, 11) == {1: 2, 2: 1}
    assert share_out({}, 11) == {}


@pytest.mark.parametrize(("classes", "points"), [(2, 25), (3, 32), (4, 36), (5, 40)])
def test_lssqps_gives_what_its_own_code_gives(classes, points):
    """50 points in a mask with background: the numbers in seed-systems.md A.2."""
    assert sum(lssqps_shares(dict.fromkeys(range(classes), 1000), 50).values()) == points


def test_lssqps_gives_nothing_to_a_class_that_just_has_its_share():
    assert lssqps_shares({0: 500, 1: 10, 2: 11, 3: 9, 255: 5}, 50) == {1: 0, 2: 11 - 1, 3: 0}


def test_fair_lssqps_throws_nothing_away():
    assert lssqps_shares({0: 500, 1: 10, 2: 99, 3: 99, 255: 5}, 50, fair=True) == {1: 10, 2: 20, 3: 20}
    truth = np.repeat([0, 1, 2, 255], [30, 4, 30, 36]).reshape(10, 10)
    rows, cols = draw_points(truth, 20, rng(), strategy="lssqps", fair=True)
    assert counts(truth, rows, cols) == {1: 4, 2: 16}
    rows, cols = draw_points(truth, 20, rng(), strategy="lssqps")
    assert counts(truth, rows, cols) == {2: 5}


def test_per_image_draws_classes_as_common_as_they_are():
    truth = np.repeat([1, 2, 255], [1600, 400, 500]).reshape(50, 50)
    rows, cols = draw_points(truth, 1000, rng(), strategy="per-image")
    assert counts(truth, rows, cols)[1] == pytest.approx(800, abs=40)


@pytest.mark.parametrize(
    ("drawing", "spots"),
    [
        ("11111 11111 11111", [(1, 2)]),  # the middle of the ridge; the raster's edge is a border
        ("1111111 1111111 11111.. 1111111 1111111", [(2, 2)]),  # unlabelled pixels are a border
        ("111111 111111 111111 111111", [(1, 2)]),  # of four in the middle the first
        ("22222222 21112222 21112222 21112222 22222222", [(2, 2), (2, 5)]),
        ("111... 111... 111... ...111 ...111 ...111", [(1, 1)]),  # one component: corners connect
        ("111.222 111.222 111.222 ....... 2222... 2222... 2222...", [(1, 1), (5, 1), (1, 5)]),  # the larger first
        ("11. 1.. ...", []),  # too small
    ],
)
def test_the_most_interior_pixels(drawing, spots):
    rows, cols = interior_points(grown(drawing), min_area=4)
    assert [*zip(rows.tolist(), cols.tolist(), strict=True)] == spots


def test_the_budget_takes_the_largest_components():
    truth = grown("111.222 111.222 111.222 ....... 2222... 2222... 2222...")
    rows, cols = draw_points(truth, 1, rng(), strategy="per-object", min_area=4)
    assert [*zip(rows, cols, strict=True)] == [(1, 1), (5, 1)]
    rows, cols = draw_points(truth, 2, rng(), strategy="per-object", min_area=4, per="image")
    assert [*zip(rows, cols, strict=True)] == [(1, 1), (5, 1)]
    rows, cols = draw_points(truth, 1, rng(), strategy="per-object", min_area=10)
    assert [*zip(rows, cols, strict=True)] == [(5, 1)]


@given(truth=TRUTHS, edge=st.booleans())
def test_the_distance_is_that_to_the_nearest_border_pixel_of_the_own_class(truth, edge):
    distance = np.sqrt(border_distance(truth, edge=edge))
    framed = np.pad(truth.astype(int), 1, "edge")
    if edge:
        framed[[0, -1]] = framed[:, [0, -1]] = -1
    beside = np.logical_or.reduce([np.roll(framed, step, axis) != framed for axis in (0, 1) for step in (1, -1)])
    for code in np.unique(truth):
        mine = truth == code
        border = mine & beside[1:-1, 1:-1]
        expected = distance_transform_edt(~border)[mine] if border.any() else 0
        np.testing.assert_allclose(distance[mine], expected)


def clark_evans(truth, code, rows, cols):
    """Mean distance to the nearest other point, over that of a random pattern (1 random, 2.15 a triangular grid)."""
    of = truth[rows, cols] == code
    spots = np.column_stack([rows[of], cols[of]])
    nearest = cKDTree(spots).query(spots, 2)[0][:, 1]
    return nearest.mean() * 2 * np.sqrt(len(spots) / (truth == code).sum())


@pytest.mark.parametrize("truth", [np.zeros((300, 300), np.uint8), patches()], ids=["one class", "patches"])
def test_stratified_points_lie_farther_apart_than_random_ones(truth):
    for code in np.unique(truth):
        spread, chance = (
            np.mean([clark_evans(truth, code, *draw_points(truth, 150, rng(s), strategy=how)) for s in range(5)])
            for how in ("stratified", "random")
        )
        assert spread > 1.12 * chance


def test_stratified_points_fall_on_every_pixel_alike():
    """Unlike one per cell of a grid, which favours the pixels of cells that the class hardly touches."""
    truth = grown("11111... 11111... 11111... 11111... .......1 ......11 .....111 ...1111. ..111111 ...1111.")
    assert (truth == 1).sum() == 40
    hits = np.zeros(truth.shape)
    for seed in range(3000):
        hits[spread_points(truth, {1: 4}, rng(seed))] += 1
    np.testing.assert_allclose(hits[truth == 1] / 3000, 0.1, atol=0.03)  # five standard deviations


def test_every_stratum_gives_one_point():
    truth = np.zeros((16, 16), np.uint8)
    rows, cols = spread_points(truth, {0: 16}, rng())
    assert sorted(zip(rows // 4, cols // 4, strict=True)) == [(i, j) for i in range(4) for j in range(4)]


def test_boundary_biased_points_lie_near_borders():
    truth = patches()
    distance = np.sqrt(border_distance(truth))
    biased, chance = (
        distance[draw_points(truth, 100, rng(), strategy=how)].mean() for how in ("boundary-biased", "random")
    )
    assert biased < 0.7 * chance


def test_the_chance_near_borders_falls_by_e_in_three_pixels():
    truth = np.array([[9, 2, 2, 2, 2, 2, 2]])
    cols = [near_borders(truth, {2: 1}, rng(seed))[1][0] for seed in range(6000)]
    weight = np.exp(-np.arange(6) / 3)
    np.testing.assert_allclose(np.bincount(cols, minlength=7)[1:] / 6000, weight / weight.sum(), atol=0.03)


@pytest.mark.parametrize("strategy", ["random", "stratified", "per-object", "boundary-biased", "lssqps", "per-image"])
def test_the_same_seed_draws_the_same(strategy):
    one, two, other = (draw_points(patches(), 60, rng(s), strategy=strategy, per="image") for s in (5, 5, 6))
    assert np.array_equal(one, two)
    assert len(one[0]) > 0
    assert strategy == "per-object" or not np.array_equal(one, other)


@pytest.mark.parametrize("strategy", ["random", "stratified", "per-object", "boundary-biased", "lssqps", "per-image"])
@pytest.mark.parametrize("truth", [np.full((3, 3), 255, np.uint8), np.zeros((0, 4), np.uint8)])
def test_nothing_labelled_gives_nothing(strategy, truth):
    rows, cols = draw_points(truth, 5, rng(), strategy=strategy)
    assert rows.shape == cols.shape == (0,)
    assert rows.dtype == cols.dtype == np.int64
