"""Points in the wrong place say where they lie and what would bring them home; crowded and few ones are named."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from pyproj import Transformer

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.check import check_points
from geopointseg.legend.classify import classify
from geopointseg.raster import open_raster

RNG = np.random.default_rng(0)
HOME = 400_000 + RNG.uniform(0, 6000, 40), 5_800_000 - RNG.uniform(0, 5000, 40)  # on the raster, in EPSG:32633


@pytest.fixture
def raster(raster_file):
    return open_raster(raster_file(np.ones((500, 600), np.uint8)))


def judged(raster, x, y, crs, labels=("a", "b")):
    frame = gpd.GeoDataFrame(geometry=gpd.points_from_xy(x, y), crs=crs)
    names = [labels[i % len(labels)] for i in range(len(frame))]
    return check_points(frame, classify(pd.Series(names)), [raster])


def missed(raster, x, y, crs):
    """What is said of points that fall on no raster."""
    with pytest.raises(GeoPointSegError) as caught:
        judged(raster, x, y, crs)
    assert str(caught.value).startswith("expected points on the raster, got 40 outside. In degrees the points span ")
    return str(caught.value)


def test_swapped_axes_are_recognised(raster):
    lon, lat = Transformer.from_crs(32633, 4326, always_xy=True).transform(*HOME)
    for x, y, crs in ((lat, lon, 4326), (HOME[1], HOME[0], 32633)):
        assert "with x and y swapped all of them would fall on them" in missed(raster, x, y, crs)


@pytest.mark.parametrize("zone", [32631, 32632, 32634, 32733])
def test_the_wrong_utm_zone_is_recognised(raster, zone):
    message = missed(raster, *HOME, zone)
    assert (
        "read as EPSG:32633 all of them would fall on them; if that is their CRS, add --points-crs EPSG:32633"
        in message
    )


def test_a_zone_that_is_not_the_rasters_is_recognised(raster):
    x, y = Transformer.from_crs(32633, 32632, always_xy=True).transform(*HOME)
    assert "read as EPSG:32632 all of them" in missed(raster, x, y, 32634)


def test_degrees_taken_for_metres_are_recognised(raster):
    lon, lat = Transformer.from_crs(32633, 4326, always_xy=True).transform(*HOME)
    message = missed(raster, lon, lat, 32633)
    assert (
        "read as EPSG:4326 all of them would fall on them; if that is their CRS, add --points-crs EPSG:4326" in message
    )


def test_points_that_nothing_brings_home_are_not_guessed_at(raster):
    lon, lat = RNG.uniform(100, 101, 40), RNG.uniform(-20, -19, 40)
    message = missed(raster, lon, lat, 4326)
    assert message.endswith("check the CRS of both")
    assert f"span {lon.min():.4f} to {lon.max():.4f} east and {lat.min():.4f} to {lat.max():.4f} north" in message


def test_coordinates_that_cannot_be_reprojected_do_not_break_the_message(raster):
    with pytest.raises(GeoPointSegError, match="expected points on the raster, got 3 outside"):
        judged(raster, [1e30, 500, 12], [0, 1e30, 40], "EPSG:4326")


def test_points_in_one_corner_are_warned_of(raster):
    x, y = 400_000 + RNG.uniform(0, 600, 60), 5_800_000 - RNG.uniform(0, 600, 60)
    _, remarks = judged(raster, x, y, 32633)
    (corner,) = [r for r in remarks if "nearest-neighbour index" in r]
    assert corner.startswith("all points lie in 1% of the rasters' area (nearest-neighbour index 0.1")
    _, remarks = judged(raster, *HOME, 32633)
    assert not any("nearest-neighbour index" in r for r in remarks)


def test_points_side_by_side_are_counted(raster):
    cols, rows = np.array([10, 12, 100, 103, 200, 202]), np.array([10, 10, 50, 50, 90, 91])
    _, remarks = judged(raster, 400_005 + 10 * cols, 5_799_995 - 10 * rows, 32633)
    assert "2 points lie within 2 pixels of another: together they say little more than one" in remarks


def test_classes_of_few_points_are_named(raster):
    _, remarks = judged(raster, *(c[:9] for c in HOME), 32633, labels=("a", "a", "b"))
    assert "usable points of class 'b': 3; expect little of it below about 5" in remarks
    assert not any("class 'a'" in r for r in remarks)
