"""A synthetic scene on disk: raster and truth on one grid, named classes, the same for the same seed."""

import numpy as np
import pytest
import rasterio

from geopointseg.errors import GeoPointSegError
from geopointseg.raster import open_raster, raster_classes
from geopointseg.scene import write_scene
from geopointseg.synthetic import CLASS_NAMES, draw_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("scene"), height=128, width=160, bands=4, dtype="uint16", seed=3)


def test_raster_and_truth_lie_on_one_grid(scene):
    image, truth = (open_raster(path) for path in scene.files)
    assert image.grid == truth.grid
    assert image.grid.shape == (128, 160)
    assert image.grid.pixel_size == (0.5, 0.5)
    assert (image.names, image.dtype) == (("red", "green", "blue", "nir"), "uint16")
    assert truth.nodata == 255


def test_every_truth_pixel_keeps_its_class_name(scene):
    _, drawn = draw_scene(128, 160, bands=4, dtype="uint16", seed=3)
    names = raster_classes(scene.truth).names
    assert sorted(names) == sorted(CLASS_NAMES)
    with rasterio.open(scene.truth) as source:
        ids = source.read(1)
    np.testing.assert_array_equal(np.array(names)[ids], np.array(CLASS_NAMES)[drawn])


def test_the_shares_are_those_of_the_truth(scene):
    with rasterio.open(scene.truth) as source:
        ids = source.read(1)
    names = raster_classes(scene.truth).names
    assert scene.shares == {name: pytest.approx((ids == i).mean()) for i, name in enumerate(names)}
    assert sum(scene.shares.values()) == pytest.approx(1)
    assert all(name in str(scene) for name in names)


def test_the_palette_shows_every_class_in_its_colour(scene):
    with rasterio.open(scene.truth) as source:
        palette = source.colormap(1)
    classes = raster_classes(scene.truth)
    assert [palette[i][:3] for i in range(len(classes))] == classes.rgb()


def test_the_same_seed_gives_the_same_files(scene, tmp_path):
    options = {"height": 128, "width": 160, "bands": 4, "dtype": "uint16"}
    same, other = write_scene(tmp_path / "same", seed=3, **options), write_scene(tmp_path / "other", seed=4, **options)
    assert [p.read_bytes() for p in same.files] == [p.read_bytes() for p in scene.files]
    assert other.image.read_bytes() != scene.image.read_bytes()


def test_degrees_are_laid_out_in_degrees(tmp_path):
    scene = write_scene(tmp_path, height=128, width=128, crs="EPSG:4326", res=0.0001)
    assert open_raster(scene.image).grid.bounds == pytest.approx((13.4, 52.4 - 0.0128, 13.4128, 52.4))


def test_an_existing_scene_is_kept_unless_told(scene, tmp_path):
    made = write_scene(tmp_path, height=128, width=128)
    before = [p.read_bytes() for p in made.files]
    with pytest.raises(GeoPointSegError, match="--overwrite"):
        write_scene(tmp_path, height=128, width=128, seed=1)
    assert [p.read_bytes() for p in made.files] == before
    write_scene(tmp_path, height=128, width=128, seed=1, overwrite=True)
    assert made.image.read_bytes() != before[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.tif", "truth.tif"]


def test_an_unknown_crs_leaves_nothing_behind(tmp_path):
    with pytest.raises(GeoPointSegError, match="expected a CRS"):
        write_scene(tmp_path / "scene", height=128, width=128, crs="nowhere")
    assert list(tmp_path.iterdir()) == []
