"""What is smaller than the unit goes to the neighbour with the longest border, whatever the windows."""

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.transform import Affine
from skimage.measure import label

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid
from geopointseg.maps.patches import find_patches, row_areas
from geopointseg.maps.sieve import sieve

UTM = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_800_000), 1, 1)
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 2, 255]))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A factory of class rasters of 10 m pixels, written by rasterio."""
    folder, count = tmp_path_factory.mktemp("ids"), iter(range(10**6))

    def write(ids, transform=UTM.transform, crs=UTM.crs):
        ids = np.asarray(ids, np.uint8)
        path = folder / f"{next(count)}.tif"
        profile = {"height": ids.shape[0], "width": ids.shape[1], "count": 1, "dtype": "uint8", "nodata": 255}
        with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **profile) as out:
            out.write(ids, 1)
        return path, Grid(crs, transform, *ids.shape)

    return write


def sieved(path, grid, unit, **options):
    out = np.full(grid.shape, 99, np.uint8)
    for window, ids in sieve(path, grid, unit, **options):
        out[window.row : window.row + window.height, window.col : window.col + window.width] = ids
    return out.tolist()


CASES = {
    "a speck": ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], 200, [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    "as large as the unit": ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], 100, [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    # 1 touches 0 with one side and 2 with two, although 0 is larger
    "the longest border": ([[0, 0, 0, 2], [0, 0, 1, 2], [0, 0, 0, 2], [0, 0, 0, 2]], 101, [[0, 0, 0, 2], [0, 0, 0, 2], [0, 0, 0, 2], [0, 0, 0, 2]]),
    "two sides of three": ([[0, 0, 0, 0], [2, 2, 1, 0], [2, 2, 2, 0]], 101, [[0, 0, 0, 0], [2, 2, 0, 0], [2, 2, 2, 0]]),
    "a tie goes to the larger": ([[0, 0, 1, 2, 2, 2]], 101, [[0, 0, 2, 2, 2, 2]]),
    "of the same size to the lower class": ([[2, 2, 1, 0, 0]], 101, [[2, 2, 0, 0, 0]]),
    "corners do not connect": ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 101, [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    "an island in nodata stays": ([[255, 255, 255], [255, 1, 255]], 900, [[255, 255, 255], [255, 1, 255]]),
    "nodata never goes": ([[0, 0, 0], [0, 255, 0]], 900, [[0, 0, 0], [0, 255, 0]]),
    "it joins two": ([[1, 0, 1], [2, 2, 2], [2, 2, 2]], 101, [[2, 2, 2], [2, 2, 2], [2, 2, 2]]),
    "small ones grow together": ([[0, 1, 2, 0, 0, 0]], 201, [[0, 0, 0, 0, 0, 0]]),
}  # fmt: skip


@pytest.mark.parametrize(("ids", "unit", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("window", [2, 1024])
def test_by_hand(plain, ids, unit, expected, window):
    assert sieved(*plain(ids), unit, window=window) == expected


@given(ids=IMAGES, window=st.integers(1, 4), unit=st.sampled_from([150, 350, 1000]))
def test_windows_do_not_show_and_nothing_small_is_left(plain, ids, window, unit):
    path, grid = plain(ids)
    whole = sieved(path, grid, unit)
    assert sieved(path, grid, unit, window=window) == whole
    out = np.array(whole, np.uint8)
    np.testing.assert_array_equal(out == 255, ids == 255)
    regions = label(out, background=255, connectivity=1)
    islands = label(ids != 255, connectivity=1)
    for region in range(1, regions.max() + 1):
        here = regions == region
        alone = here.sum() == (islands == islands[here][0]).sum()
        assert here.sum() * 100 >= unit or alone


@given(ids=IMAGES, window=st.integers(1, 4))
def test_patches_are_those_of_the_whole_map(plain, ids, window):
    path, grid = plain(ids)
    patches = find_patches(path, grid, window=window)
    whole = label(ids, background=255, connectivity=1) - 1
    found = np.full(ids.shape, -2)
    for number, here in enumerate(patches.windows):
        found[here.row : here.row + here.height, here.col : here.col + here.width] = patches.labels(number)
    np.testing.assert_array_equal(found, whole)  # scikit-image numbers by the first pixel, too
    np.testing.assert_array_equal(patches.area, 100 * np.bincount(whole[whole >= 0], minlength=len(patches.kind)))
    sides = np.zeros((len(patches.kind),) * 2)
    for one, other in ((whole[:, :-1], whole[:, 1:]), (whole[:-1], whole[1:])):
        for a, b in zip(one.ravel(), other.ravel(), strict=True):
            if a != b and min(a, b) >= 0:
                sides[a, b] += 10
                sides[b, a] += 10
    np.testing.assert_array_equal(patches.borders.toarray(), sides)


def test_pixels_in_degrees_have_the_area_of_their_row(plain):
    where = Grid(CRS.from_epsg(4326), Affine(0.01, 0, 12, 0, -0.01, 60), 100, 1)
    areas = row_areas(where, 0, 100)
    for row in (0, 99):
        north, south = 60 - 0.01 * row, 59.99 - 0.01 * row
        along = np.linspace(12, 12.01, 50)
        ring = [*[(x, north) for x in along], *[(x, south) for x in along[::-1]]]
        exact = abs(Geod(ellps="WGS84").polygon_area_perimeter(*zip(*ring, strict=True))[0])
        assert areas[row] == pytest.approx(exact, rel=1e-6)
    assert areas[0] < areas[99]
    # 0.1 degree further south a pixel is larger: one unit between the two keeps one and not the other
    ids = np.zeros((100, 3), np.uint8)
    ids[1, 1] = ids[98, 1] = 1
    path, grid = plain(ids, where.transform, where.crs)
    kept = np.array(sieved(path, grid, (areas[1] + areas[98]) / 2, window=7))
    assert (kept[1, 1], kept[98, 1]) == (0, 1)


def test_a_unit_of_nothing_is_refused(plain):
    with pytest.raises(GeoPointSegError, match="expected a minimum mapping unit above 0 m², got 0"):
        sieved(*plain([[0]]), 0)
