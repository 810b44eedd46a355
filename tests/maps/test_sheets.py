"""Sheets show image, truth, points and map of the same windows, in the colours of the classes."""

import geopandas as gpd
import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from geopointseg.grid import Window
from geopointseg.labels.points import Points
from geopointseg.maps.report import draw_errors
from geopointseg.maps.sheets import Scene, draw_panels, telling_windows
from geopointseg.statistics import open_rasters


@pytest.fixture
def scene(raster_file, class_map, classes):
    """A raster of 64 x 96 pixels, its mask, map and truth; points of two classes in the north-west, of one in the east."""
    bands = np.random.default_rng(0).integers(1, 200, size=(3, 64, 96), dtype=np.uint8)
    (raster,), measured = open_rasters([raster_file(bands, names=("red", "green", "blue"))])
    ids = np.repeat(np.repeat(np.arange(4), 24)[None], 64, axis=0)
    mask, found, truth = (
        class_map(layer, f"{name}.tif") for layer, name in ((ids, "mask"), (ids, "map"), (ids * 0, "truth"))
    )
    rows, cols = np.array([5, 10, 40, 41]), np.array([3, 20, 90, 91])
    columns = {
        "class_id": [0, 1, 2, 2],
        "class_name": ["bare", "grass", "road", "road"],
        "status": "used",
        "reason": "",
    }
    where = gpd.points_from_xy(400_005 + 10 * cols, 5_799_995 - 10 * rows)
    frame = gpd.GeoDataFrame(columns | {"split": ["train", "test"] * 2}, geometry=where, crs="EPSG:32633")
    return Scene(raster, mask, found, truth), measured, Points(frame, classes, frame.iloc[:0])


def test_windows_with_most_classes_come_first_and_empty_ones_not(scene):
    one, _, points = scene
    assert telling_windows([one.raster], points, side=32) == [(0, Window(0, 0, 32, 32)), (0, Window(32, 64, 32, 32))]
    assert telling_windows([one.raster, one.raster], points, side=32, rows=3) == [
        (0, Window(0, 0, 32, 32)),
        (1, Window(0, 0, 32, 32)),
        (0, Window(32, 64, 32, 32)),
    ]
    moved = telling_windows([one.raster], points, side=40)  # the last tiles would be 24 and 16 pixels
    assert moved == [(0, Window(0, 0, 40, 40)), (0, Window(24, 56, 40, 40))]
    nobody = Points(points.frame.iloc[:0], points.classes, points.held_out)
    assert telling_windows([one.raster], nobody, side=32) == [(0, Window(0, 0, 32, 32))]


def share_of(path, color):
    picture = matplotlib.image.imread(path)[..., :3]
    return (np.abs(picture - to_rgb(color)).max(axis=-1) < 0.01).mean()


def test_a_sheet_shows_the_classes_in_their_colours(scene, classes, tmp_path):
    one, measured, points = scene
    path = draw_panels(tmp_path / "panels.png", [one], measured, points, side=64)
    assert share_of(path, classes.colors[0]) > 0.1  # the truth and a part of mask and map
    assert share_of(path, classes.colors[2]) > 0.02
    again = draw_panels(tmp_path / "again.png", [one], measured, points, side=64)
    assert path.read_bytes() == again.read_bytes()
    without = Scene(one.raster, one.mask, one.map, more={"forest": one.map})
    wide, narrow = (
        matplotlib.image.imread(draw_panels(tmp_path / name, [s], measured, points)).shape[1]
        for name, s in (("wide.png", without), ("narrow.png", Scene(one.raster, one.mask, one.map)))
    )
    assert wide > narrow


def test_errors_are_vermilion_where_the_map_is_wrong(scene, tmp_path):
    one, _, points = scene
    path = draw_errors(tmp_path / "errors.png", one.raster, points, one.map, one.truth)
    wrong, right = share_of(path, (213 / 255, 94 / 255, 0)), share_of(path, (222 / 255,) * 3)
    assert wrong / right == pytest.approx(3, rel=0.15)  # three quarters of the map
    alone = draw_errors(tmp_path / "alone.png", one.raster, points, one.map)
    assert share_of(alone, (213 / 255, 94 / 255, 0)) < 0.01
    nobody = Points(points.frame.iloc[:0], points.classes, points.held_out)
    assert draw_errors(tmp_path / "none.png", one.raster, nobody, one.map).stat().st_size > 1000
