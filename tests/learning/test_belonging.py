"""Masks made from other points are refused before anything is trained on them."""

import numpy as np
import pytest
import rasterio

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.belonging import labels_at, require_masks_of
from geopointseg.learning.sites import Sites

CLICKS = [(3, 4, 0, "train"), (40, 50, 1, "train"), (20, 30, 1, "test"), (60, 5, 0, "test")]


@pytest.fixture
def module(study):
    """Points and masks that belong together: class a everywhere but on what is held out."""
    picture = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64), np.zeros((64, 64)), np.ones((64, 64))
    return study({"a": picture}, CLICKS, chip=32)


def ask(module):
    """Hold the module's masks against its points."""
    require_masks_of(module.points, module.rasters, [mask.path for mask, _ in module.labels.pairs])


def test_masks_of_the_points_are_taken(module):
    ask(module)


def test_masks_of_other_classes_are_refused(module):
    with rasterio.open(module.labels.pairs[0][0].path, "r+") as mask:
        mask.update_tags(CLASSES=Classes.of(["a", "c"]).to_tag())
    with pytest.raises(
        GeoPointSegError, match=r"of the points' classes \(a, b\), got a, c in .*a.tif: run 'geopointseg mask'"
    ):
        ask(module)


def test_masks_that_label_what_is_held_out_are_refused(module):
    with rasterio.open(module.labels.pairs[0][0].path, "r+") as mask:
        mask.write(np.zeros((64, 64), np.uint8), 1)
    with pytest.raises(GeoPointSegError, match="without labels where points are held out, got 2 of 2 such places"):
        ask(module)


def test_every_site_finds_its_own_pixel(raster_file, monkeypatch):
    monkeypatch.setattr("geopointseg.learning.belonging.TILE", 16)
    labels = np.random.default_rng(0).integers(0, 255, (2, 50, 70)).astype(np.uint8)
    masks = [raster_file(each) for each in labels]
    raster, row, col = [1, 0, 1, 0], [49, 15, 16, 0], [69, 16, 0, 69]
    assert labels_at(Sites(raster, row, col, [0] * 4), masks).tolist() == labels[raster, row, col].tolist()
    assert len(labels_at(Sites([], [], [], []), masks)) == 0
