"""Each superpixel takes the commonest class of its pixels, or the likeliest on their mean, and windows do not show."""

import numpy as np
import pytest
from matplotlib.image import imread

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.maps import pool as module
from geopointseg.maps.pool import mean_class, pool, pool_mean, vote
from geopointseg.maps.spool import STEPS, as_steps, spooled_probabilities
from geopointseg.raster import open_raster, valid
from geopointseg.statistics import statistics


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


# by mean probability


def test_the_likeliest_on_the_mean_decides_even_against_most_pixels():
    sure = np.array([[0.45, 0.45, 0.45, 0.95], [0.3, 0.3, 0.3, np.nan]])  # of the second class
    shares = np.stack([1 - sure, sure])
    steps = as_steps(shares)
    assert steps.dtype == np.uint16
    np.testing.assert_allclose(np.where(steps == 65535, np.nan, steps / STEPS), shares, atol=1e-5)
    regions = np.array([[1, 1, 1, 1], [2, 2, 2, 0]], np.int32)
    assert vote(np.where(sure > 0.5, 1, 0).astype(np.uint8), regions)[0].tolist() == [0, 0, 0, 0]
    assert mean_class(steps, regions).tolist() == [[1, 1, 1, 1], [0, 0, 0, 255]]


def test_ties_go_to_the_lowest_id_and_regions_without_data_stay_so():
    shares = np.full((3, 1, 4), STEPS // 3, np.uint16)
    shares[:, 0, 2:] = 65535
    assert mean_class(shares, np.array([[1, 1, 2, 0]], np.int32)).tolist() == [[0, 0, 255, 255]]
    assert mean_class(np.full((3, 2, 2), 65535, np.uint16), np.zeros((2, 2), np.int32)).tolist() == [[255] * 2] * 2


def laid(raster, shares, near):
    """A spool of probabilities (classes, height, width) that come in windows of 40 x 50."""

    def windows():
        for row in range(0, raster.grid.height, 40):
            for col in range(0, raster.grid.width, 50):
                here = Window(row, col, 40, 50).within(*raster.grid.shape)
                yield here, as_steps(shares[:, row : row + here.height, col : col + here.width].astype(np.float32))

    return spooled_probabilities(windows(), raster.grid, len(shares), near=near)


def whole_mean(path, raster, **options):
    out, visits = np.full(raster.grid.shape, 99, np.uint8), np.zeros(raster.grid.shape, int)
    for here, ids in pool_mean(path, raster, **options):
        area = np.s_[here.row : here.row + here.height, here.col : here.col + here.width]
        out[area], visits[area] = ids, visits[area] + 1
    assert (visits == 1).all()
    return out


def two_halves(seed=0):
    """A picture of a dark and a bright half, and probabilities of which most, but not the mean, are for class 0."""
    halves = np.zeros((60, 80), np.uint8)
    halves[:, 40:] = 200
    second = np.where(np.random.default_rng(seed).random((60, 80)) < 0.6, 0.4, 0.9)
    bright = np.where(halves > 0, 0.2, second)
    return halves, np.stack([1 - bright, bright])


@pytest.mark.parametrize("window", [16, 1024])
def test_every_superpixel_takes_its_likeliest_class_window_by_window(raster_file, tmp_path, window):
    halves, shares = two_halves()
    halves = np.stack([halves, np.full_like(halves, 7)])
    halves[:, :3, :3] = 99
    shares[:, :3, :3] = np.nan
    raster = open_raster(raster_file(halves, nodata=99))
    with laid(raster, shares, tmp_path / "map.tif") as path:
        found = whole_mean(path, raster, size=2000, window=window)
    expected = np.where(halves[0] > 0, 0, 1)
    expected[:3, :3] = 255
    np.testing.assert_array_equal(found, expected)
    assert list(tmp_path.iterdir()) == []  # the spool is gone


def test_a_raster_without_data_stays_without(raster_file, tmp_path):
    raster = open_raster(raster_file(np.full((20, 30), 9, np.uint8), nodata=9))
    with laid(raster, np.full((2, 20, 30), np.nan), tmp_path / "map.tif") as path:
        assert (whole_mean(path, raster) == 255).all()
        with pytest.raises(GeoPointSegError, match="expected superpixels of at least 2 pixels, got 1"):
            whole_mean(path, raster, size=1)


def test_a_raster_smaller_than_a_superpixel_takes_one_class(raster_file, tmp_path):
    raster = open_raster(raster_file(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40))
    shares = np.stack([np.full((2, 3), 0.35), np.full((2, 3), 0.65)])
    shares[:, 0, 0] = 1, 0
    with laid(raster, shares, tmp_path / "map.tif") as path:
        assert (whole_mean(path, raster, size=100) == 1).all()


@pytest.mark.slow
def test_windows_do_not_show_in_means_on_a_real_raster(data, raster_file, tmp_path):
    picture = np.moveaxis(imread(data / "dubai_mbrsc" / "images" / "tile1_001.jpg"), -1, 0)
    raster = open_raster(raster_file(picture))
    noise = np.random.default_rng(0).dirichlet(np.ones(3), picture.shape[1:]).transpose(2, 0, 1)
    shares = 0.3 * noise + 0.7 * (picture + 1.0) / (picture + 1.0).sum(axis=0)
    with laid(raster, shares, tmp_path / "map.tif") as path:
        at_once, cut = whole_mean(path, raster, window=4096), whole_mean(path, raster, window=256)
    assert (at_once != shares.argmax(axis=0)).mean() > 0.1  # it does something
    assert (at_once == cut).mean() > 0.99


def test_how_finely_to_cut_is_found_where_there_are_data(raster_file, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WINDOW", 32)
    noise = np.random.default_rng(0).integers(1, 250, (160, 160), dtype=np.uint8)
    noise[32:, :] = noise[:, 32:] = 0  # nothing but one corner
    raster = open_raster(raster_file(noise, nodata=0))
    assert valid(module._sample(raster, statistics([raster]))).all()
    monkeypatch.setattr(module, "WINDOW", 1024)
    sample = module._sample(raster, statistics([raster]))
    assert sample.shape == (1, 160, 160)


# by vote on a real raster


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
