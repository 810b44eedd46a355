"""Integer rows and columns inside, coordinates at the border: both ways agree, and what cannot be right is refused."""

import numpy as np
import pytest
import rasterio.transform
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window

UTM, DEGREES = CRS.from_epsg(32633), CRS.from_epsg(4326)
GRIDS = {
    "square": Grid(UTM, Affine(10, 0, 400_000, 0, -10, 5_800_000), 6, 9),
    "wide pixels": Grid(UTM, Affine(2.5, 0, 392_117.3, 0, -0.7, 5_806_233.9), 6, 9),
    "degrees, odd origin": Grid(DEGREES, Affine(1 / 3600, 0, 13.123456789, 0, -1 / 7200, 52.987654321), 6, 9),
    "southern and western": Grid(DEGREES, Affine(0.1, 0, -72.35, 0, -0.1, -0.05), 6, 9),
}
grids = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


@grids
def test_the_centre_of_every_pixel_lies_in_that_pixel(grid):
    rows, cols = np.indices(grid.shape)
    x, y = grid.xy(rows, cols)
    np.testing.assert_array_equal(grid.rowcol(x, y), (rows, cols))


@grids
def test_coordinates_agree_with_rasterio(grid):
    rows, cols = np.indices(grid.shape).reshape(2, -1)
    x, y = rasterio.transform.xy(grid.transform, rows, cols)
    np.testing.assert_allclose(grid.xy(rows, cols), (x, y), rtol=1e-12)
    assert grid.bounds == pytest.approx(rasterio.transform.array_bounds(grid.height, grid.width, grid.transform))


@given(x=st.floats(399_900, 400_200), y=st.floats(5_799_900, 5_800_100))
def test_a_point_lies_within_the_bounds_of_its_pixel(x, y):
    grid = GRIDS["square"]
    row, col = (int(i) for i in grid.rowcol(x, y))
    west, south, east, north = grid.window_bounds(Window(row, col, 1, 1))
    assert west - 1e-6 <= x <= east + 1e-6
    assert south - 1e-6 <= y <= north + 1e-6


@pytest.mark.parametrize(
    ("x", "y", "pixel", "on_grid"),
    [
        (400_000, 5_800_000, (0, 0), True),  # the corner belongs to the first pixel
        (400_009.99, 5_799_990.01, (0, 0), True),
        (400_010, 5_799_990, (1, 1), True),
        (399_999.99, 5_800_000.01, (-1, -1), False),
        (400_090, 5_799_940, (6, 9), False),
        (np.nan, 5_800_000, (-1, -1), False),
        (np.inf, -np.inf, (-1, -1), False),
    ],
)
def test_rows_and_columns_by_hand(x, y, pixel, on_grid):
    grid = GRIDS["square"]
    rows, cols = grid.rowcol([x], [y])
    assert (rows[0], cols[0]) == pixel
    assert grid.contains(rows, cols).tolist() == [on_grid]


def test_height_comes_before_width():
    grid = Grid(UTM, Affine(2, 0, 100, 0, -3, 200), 4, 5)
    assert grid.shape == (4, 5)
    assert grid.pixel_size == (3, 2)
    assert grid.bounds == (100, 188, 110, 200)
    assert grid.window_bounds(Window(1, 2, 3, 1)) == (104, 188, 106, 197)


@pytest.mark.parametrize(
    "transform",
    [
        Affine.translation(400_000, 5_800_000) @ Affine.rotation(10) @ Affine.scale(10, -10),
        Affine(10, 0.5, 400_000, 0, -10, 5_800_000),
        Affine(10, 0, 400_000, 0, 10, 5_800_000),
        Affine(-10, 0, 400_000, 0, -10, 5_800_000),
    ],
    ids=["rotated", "sheared", "south-up", "mirrored"],
)
def test_what_is_not_north_up_is_refused_with_the_remedy(transform):
    with pytest.raises(GeoPointSegError, match="gdalwarp"):
        Grid(UTM, transform, 4, 4)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
def test_a_grid_without_pixels_is_refused(shape):
    with pytest.raises(GeoPointSegError, match="at least one pixel"):
        Grid(UTM, GRIDS["square"].transform, *shape)


def test_a_grid_cannot_change():
    with pytest.raises(AttributeError):
        GRIDS["square"].height = 7


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window(1, 2, 3, 4), Window(1, 2, 3, 4)),
        (Window(-2, -1, 4, 4), Window(0, 0, 2, 3)),
        (Window(4, 7, 5, 5), Window(4, 7, 2, 2)),
        (Window(-5, -5, 50, 50), Window(0, 0, 6, 9)),
        (Window(-5, 2, 3, 3), Window(0, 2, 0, 3)),
        (Window(9, 12, 3, 3), Window(6, 9, 0, 0)),
    ],
)
def test_the_part_of_a_window_on_the_grid(window, expected):
    assert window.within(6, 9) == expected


def test_a_grown_window_has_the_margin_on_every_side():
    assert Window(2, 3, 4, 5).grown(2) == Window(0, 1, 8, 9)


def test_rasterio_gets_the_same_rectangle():
    assert Window(1, 2, 3, 4).to_rasterio().toslices() == (slice(1, 4), slice(2, 6))


@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(1, 50))
def test_tiles_cover_every_pixel_once(height, width, size):
    grid, seen = Grid(UTM, GRIDS["square"].transform, height, width), np.zeros((height, width), int)
    for row, col, h, w in grid.tiles(size):
        assert 1 <= h <= size
        assert 1 <= w <= size
        seen[row : row + h, col : col + w] += 1
    assert (seen == 1).all()


@grids
def test_grids_match_within_a_thousandth_of_a_pixel(grid):
    def shifted(by: float) -> Grid:
        return Grid(grid.crs, Affine.translation(by * grid.transform.a, 0) @ grid.transform, *grid.shape)

    assert grid.matches(grid)
    assert grid.matches(shifted(1e-5))
    assert not grid.matches(shifted(0.5))
    assert not grid.matches(Grid(grid.crs, grid.transform, grid.height, grid.width + 1))
    assert not grid.matches(Grid(CRS.from_epsg(32634), grid.transform, *grid.shape))
