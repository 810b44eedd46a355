"""A point covers its pixel, a scribble what it crosses, an area what lies inside; tiles change nothing."""

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS
from shapely.geometry import LineString, MultiLineString, MultiPolygon, Point, Polygon, box

from geopointseg.grid import Grid
from geopointseg.labels.burn import burn_by_tile, locate, stations

GRID = Grid(CRS.from_epsg(32633), Affine(1, 0, 0, 0, -1, 6), 6, 8)  # x is the column, 6 - y the row


def picture(shape, size=100, grid=GRID):
    """What one shape covers, as text: # where it does."""
    covered = np.full(grid.shape, ".")
    for window, _, rows, cols in burn_by_tile(gpd.GeoSeries([shape], crs=grid.crs.to_wkt()), grid, size):
        covered[window.row + rows, window.col + cols] = "#"
    return ["".join(row) for row in covered]


SHAPES = {
    "point": (Point(2.5, 4.5), ["........", "..#.....", "........", "........", "........", "........"]),
    "line": (
        LineString([(1.5, 4.5), (4.5, 4.5)]),
        ["........", ".####...", "........", "........", "........", "........"],
    ),
    "slanted line": (
        LineString([(0.5, 5.5), (2.5, 3.6)]),
        ["##......", ".##.....", "..#.....", "........", "........", "........"],
    ),
    "area": (
        box(0.6, 1.4, 4.6, 3.6),
        ["........", "........", ".####...", ".####...", ".####...", "........"],
    ),
    "area with a hole": (
        Polygon([(0, 0), (5, 0), (5, 5), (0, 5)], [[(1, 1), (4, 1), (4, 4), (1, 4)]]),
        ["........", "#####...", "#...#...", "#...#...", "#...#...", "#####..."],
    ),
    "area within a pixel": (box(6.1, 0.1, 6.2, 0.2), ["........"] * 5 + ["......#."]),
    "two areas": (
        MultiPolygon([box(0, 5, 1, 6), box(7, 0, 8, 1)]),
        ["#.......", "........", "........", "........", "........", ".......#"],
    ),
    "beyond the grid": (box(6, 4, 99, 99), ["......##", "......##", "........", "........", "........", "........"]),
    "far away": (Point(50, 50), ["........"] * 6),
    "nothing": (None, ["........"] * 6),
}


@pytest.mark.parametrize(("shape", "expected"), SHAPES.values(), ids=SHAPES)
def test_what_a_shape_covers(shape, expected):
    assert picture(shape) == expected


numbers = st.floats(-3, 11, allow_nan=False).map(lambda v: round(v, 2))
corners = st.tuples(numbers, numbers)
shapes = st.one_of(
    corners.map(Point),
    st.lists(corners, min_size=2, max_size=4, unique=True).map(LineString),
    st.tuples(numbers, numbers, st.floats(0.01, 6), st.floats(0.01, 6)).map(
        lambda b: box(b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
)


@given(st.lists(shapes, max_size=6), st.sampled_from([1, 2, 3, 5]))
def test_tiles_change_nothing(drawn, size):
    layer = gpd.GeoSeries(drawn, crs=GRID.crs.to_wkt())

    def covered(size):
        found = set()
        for window, feature, rows, cols in burn_by_tile(layer, GRID, size):
            assert ((rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)).all()
            here = {*zip(feature, window.row + rows, window.col + cols, strict=True)}
            assert len(here) == len(feature), "a pair of feature and pixel comes twice"
            assert not here & found
            found |= here
        return found

    whole = covered(100)
    assert covered(size) == whole
    rows, cols = locate(layer, GRID)
    for feature in np.flatnonzero(GRID.contains(rows, cols)):
        assert (feature, rows[feature], cols[feature]) in whole, "the inner pixel of a feature is not covered"


def test_every_tile_comes_also_those_without_features():
    tiles = [tile.window for tile in burn_by_tile(gpd.GeoSeries([Point(0.5, 5.5)], crs=GRID.crs.to_wkt()), GRID, 3)]
    assert tiles == list(GRID.tiles(3))


@given(st.integers(0, 5), st.integers(0, 7), st.sampled_from(["EPSG:4326", "EPSG:3857", "EPSG:32632", "EPSG:25833"]))
def test_a_reprojected_point_lands_in_the_same_pixel(row, col, crs):
    grid = Grid(CRS.from_epsg(32633), Affine(2, 0, 400_000, 0, -3, 5_800_000), 6, 8)
    x, y = Transformer.from_crs(32633, crs, always_xy=True).transform(*grid.xy([row], [col]))
    rows, cols = locate(gpd.GeoSeries(gpd.points_from_xy(x, y), crs=crs), grid)
    assert (rows.item(), cols.item()) == (row, col)


def test_long_and_large_features_are_looked_at_from_several_places():
    grid = Grid(CRS.from_epsg(32633), Affine(1, 0, 0, 0, -1, 100), 100, 200)
    line = MultiLineString([[(0.5, 40.5), (150.5, 40.5)]])
    layer = gpd.GeoSeries([Point(3.5, 96.5), None, box(0, 0, 70, 70), line, Point(-5, 0)], crs=grid.crs.to_wkt())
    feature, rows, cols = stations(layer, grid, 20)
    assert {*zip(*(c[feature == 0].tolist() for c in (rows, cols)), strict=True)} == {(3, 3)}
    area = {*zip(*(c[feature == 2].tolist() for c in (rows, cols)), strict=True)}
    assert {(r, c) for r in (40, 60, 80) for c in (0, 20, 40, 60)} <= area
    assert len(area) <= 13  # and the inner one
    assert set(feature) == {0, 2, 3}
    assert (rows[feature == 3] == 59).all()


def test_points_alone_are_looked_at_from_their_pixels_in_their_order():
    layer = gpd.GeoSeries(gpd.points_from_xy([5.5, 0.5, 5.5, 90], [1.5, 2.5, 1.5, 1]), crs=GRID.crs.to_wkt())
    assert [c.tolist() for c in stations(layer, GRID, 2)] == [[0, 1, 2], [4, 3, 4], [5, 0, 5]]
