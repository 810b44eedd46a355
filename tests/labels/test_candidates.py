"""Superpixels measured, window by window: sums against the plain way, and pixels that lie well inside."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from geopointseg.grid import Grid, Window
from geopointseg.labels.acquire import Candidates
from geopointseg.labels.candidates import cut, doubt_of, interior, measure, near_points, thinned

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -20, 5_800_000), 100, 100)


def shares_of(*values):
    """(classes, 1, pixels) probabilities."""
    return np.array(values, np.float32).T[:, None]


def test_sums_are_those_of_the_plain_way():
    rng = np.random.default_rng(0)
    regions = rng.integers(0, 5, (20, 30)).astype(np.int32)
    image, doubt = rng.random((2, 20, 30), np.float32), rng.random((20, 30), np.float32)
    image[1, regions == 2] = np.nan  # a band without data there
    shares = rng.dirichlet(np.ones(3), (20, 30)).astype(np.float32).transpose(2, 0, 1)
    table = measure(regions, image, shares, doubt, window=Window(10, 20, 20, 30), grid=GRID, tile=7)
    assert len(table) == 4
    assert (table.label.tolist(), set(table.tile)) == ([1, 2, 3, 4], {7})
    for i in range(4):
        here = regions == i + 1
        assert table.area[i] == here.sum()
        np.testing.assert_allclose(table.doubt[i], doubt[here].mean(), rtol=1e-5)
        np.testing.assert_allclose(table.shares[i], shares[:, here].mean(axis=1), rtol=1e-4)
        np.testing.assert_allclose(table.features[i, 0], image[0, here].mean(), rtol=1e-4)
        np.testing.assert_allclose(table.features[i, 2], image[0, here].std(), rtol=1e-3)
        row, col = np.argwhere(here).mean(axis=0) + np.array([10, 20])
        x, y = 400_000 + (col + 0.5) * 10, 5_800_000 - (row + 0.5) * 20
        np.testing.assert_allclose(table.place[i], (x / 10, y / 20))
    assert table.features[1, 1] == 0


def test_a_window_without_data_has_no_rows():
    nothing = np.full((2, 8, 8), np.nan, np.float32)
    regions = cut(nothing, size=10)
    table = measure(regions, nothing, nothing[:0], nothing[0], window=Window(0, 0, 8, 8), grid=GRID)
    assert (len(table), regions.max()) == (0, 0)
    assert len(Candidates.joined([table, table])) == 0
    assert near_points(regions, np.array([3]), np.array([3]), 2)[0].size == 0


def test_margin_entropy_and_disagreement():
    one, other = (
        shares_of([0.5, 0.3, 0.2], [1, 0, 0], [np.nan] * 3),
        shares_of([0.5, 0.3, 0.2], [0, 1, 0], [np.nan] * 3),
    )
    np.testing.assert_allclose(doubt_of([one], "margin")[0], [0.8, 0, np.nan], atol=1e-6)
    entropy = -(np.array([0.5, 0.3, 0.2]) * np.log([0.5, 0.3, 0.2])).sum() / np.log(3)
    np.testing.assert_allclose(doubt_of([one], "entropy")[0], [entropy, 0, np.nan], atol=1e-5)
    np.testing.assert_allclose(doubt_of([one, other], "disagreement")[0], [0, np.log(2) / np.log(3), np.nan], atol=1e-5)
    np.testing.assert_allclose(doubt_of([one, other], "margin")[0], [0.8, 1, np.nan], atol=1e-6)


def test_a_model_of_one_class_has_no_doubt():
    np.testing.assert_array_equal(doubt_of([shares_of([1], [np.nan])], "margin")[0], [0, np.nan])


def test_the_most_interior_pixel_is_clear_of_borders_nodata_and_edge():
    regions = np.zeros((21, 40), np.int32)
    regions[2:19, 3:20], regions[2:19, 20:39] = 1, 2
    regions[:, 30:] = 0
    rows, cols = interior(regions, np.array([2, 1]))
    assert (rows.tolist(), cols.tolist()) == ([10, 10], [24, 11])
    assert [a.size for a in interior(regions, np.zeros(0, np.int64))] == [0, 0]


def test_an_interior_pixel_lies_in_its_superpixel_however_bent():
    regions = np.ones((15, 15), np.int32)
    regions[3:, 3:] = 2  # superpixel 1 is a hook around it
    rows, cols = interior(regions, np.array([1]))
    assert regions[rows[0], cols[0]] == 1


@pytest.mark.parametrize(
    ("point", "apart", "found", "away"),
    [
        ((5, 5), 0, [1], [0]),
        ((5, 5), 4, [1], [0]),
        ((5, 5), 5, [1, 2], [0, 5]),
        ((-3, 5), 2, [], []),
        ((-3, 5), 3, [1], [3]),
        ((50, 50), 3, [], []),
    ],
)
def test_superpixels_beside_a_point(point, apart, found, away):
    regions = np.repeat([[1] * 10 + [2] * 10], 12, axis=0).astype(np.int32)
    numbers, distance = near_points(regions, *(np.array([value]) for value in point), apart)
    assert (numbers.tolist(), distance.tolist()) == (found, away)


def test_a_table_is_thinned_to_the_most_doubtful_and_some_others():
    n = 1000
    table = Candidates(
        np.full(n, 10.0),
        np.zeros((n, 2)),
        np.zeros((n, 1)),
        np.zeros((n, 1)),
        np.linspace(0, 1, n),
        np.arange(n) == 2,
        np.zeros(n, np.int64),
        np.arange(n),
    )
    less = thinned(table, 100)
    assert len(less) == len(set(less.label.tolist())) == 100
    assert {2, *range(951, 1000)} <= set(less.label.tolist())
    assert thinned(table, n) is table
