"""Each superpixel takes the class that most of its pixels have, and windows do not show."""

import numpy as np
import pytest
from matplotlib.image import imread

from geopointseg.errors import GeoPointSegError
from geopointseg.maps.pool import pool, vote
from geopointseg.raster import open_raster


def test_most_pixels_decide_and_nodata_does_not_vote():
    labels = np.array([[1, 1, 0, 255], [2, 0, 255, 255]], np.uint8)
    regions = np.array([[1, 1, 1, 1], [2, 2, 3, 3]], np.int32)
    assert vote(labels, regions).tolist() == [[1, 1, 1, 1], [0, 0, 255, 255]]


def whole(path, raster, **options):
    out = np.full(raster.grid.shape, 99, np.uint8)
    for here, ids in pool(path, raster, **options):
        out[here.row : here.row + here.height, here.col : here.col + here.width] = ids
    return out


def test_specks_within_a_superpixel_go_and_nodata_stays(raster_file, class_map):
    halves = np.zeros((60, 80), np.uint8)
    halves[:, 40:] = 200
    ids = np.where(halves > 0, 3, 1)
    ids[5, 5], ids[50, 70], ids[:3, :3] = 4, 0, 255
    raster = open_raster(raster_file(halves))
    found = whole(class_map(ids), raster, size=500)
    expected = np.where(halves > 0, 3, 1)
    expected[:3, :3] = 255
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(GeoPointSegError, match="expected superpixels of at least 2 pixels, got 1"):
        whole(class_map(ids, "other.tif"), raster, size=1)


@pytest.mark.slow
def test_windows_do_not_show_on_a_real_raster(data, raster_file, class_map):
    picture = np.moveaxis(imread(data / "dubai_mbrsc" / "images" / "tile1_001.jpg"), -1, 0)
    raster = open_raster(raster_file(picture))
    ids = (picture[0] // 60 + np.random.default_rng(0).integers(2, size=picture.shape[1:])).clip(0, 4)
    path = class_map(ids)
    at_once, cut = whole(path, raster, window=4096), whole(path, raster, window=256)
    assert (at_once != ids).mean() > 0.1  # it does something
    assert (at_once == cut).mean() > 0.99
    seam = np.zeros(ids.shape, bool)
    for side in range(256, max(ids.shape), 256):
        seam[side - 1 : side + 1], seam[:, side - 1 : side + 1] = True, True
    assert (at_once == cut)[seam].mean() > 0.99
