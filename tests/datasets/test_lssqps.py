"""The folders of LSSQPS, in and out."""

import make
import numpy as np
import pytest
from PIL import Image

from geopointseg.classes import Classes
from geopointseg.cli import main
from geopointseg.datasets import lssqps
from geopointseg.datasets.lssqps import to_lssqps
from geopointseg.datasets.prepare import prepare, write_pairs
from geopointseg.errors import GeoPointSegError


@pytest.fixture
def scene(tmp_path, raster_file):
    """A raster and its class raster of 40 × 70 pixels: a factory that takes the classes."""

    def get(names, codes=None):
        rng = np.random.default_rng(0)
        ids = make.blobs(rng, 40, 70, len(names), 0.1)
        folder = tmp_path / "truth"
        folder.mkdir()
        image = raster_file(make.picture(rng, ids).astype(np.uint8), "a.tif")
        truth = raster_file(ids, "a.tif", folder=folder, nodata=255)
        with make.rasterio.open(truth, "r+") as source:
            source.update_tags(CLASSES=Classes.colored(names, codes or range(len(names))).to_tag())
        return image, truth, ids

    return get


def test_tiles_have_the_layout_and_the_values(scene, tmp_path):
    image, truth, ids = scene(["background", "building", "woodland"])
    report = to_lssqps([str(image)], truth=[str(truth)], part="Val", out=tmp_path / "Dataset", tile=20)
    names = [f"a_{i}" for i in (0, 1, 2, 4, 5, 6)]  # two rows of four, whose last ones are not full
    assert sorted(path.stem for path in (tmp_path / "Dataset" / "Val" / "Images").glob("*.jpg")) == names
    assert sorted(path.stem for path in (tmp_path / "Dataset" / "Val" / "Target").glob("*.png")) == names
    assert report.tiles == 6
    target = np.asarray(Image.open(tmp_path / "Dataset" / "Val" / "Target" / "a_5.png"))
    part = ids[20:40, 20:40]
    np.testing.assert_array_equal(target, np.where(part == 255, 0, part))  # background is 0, as LSSQPS has it
    assert "0 background, 1 building, 2 woodland" in str(report)


def test_what_goes_out_comes_in_again(scene, tmp_path):
    image, truth, ids = scene(["impervious", "car", "tree"])  # no background: no class may become 0
    to_lssqps([str(image)], truth=[str(truth)], out=tmp_path / "Dataset", tile=20)
    report = prepare("lssqps", tmp_path, out=tmp_path / "out")
    assert report.classes.names == ("impervious", "car", "tree")
    for path in report.truth:
        number = int(path.stem.rpartition("_")[2])
        row, col = number // 4 * 20, number % 4 * 20
        with make.rasterio.open(path) as source:
            np.testing.assert_array_equal(source.read(1), ids[row : row + 20, col : col + 20])


def test_tiles_of_another_split_are_left_out(scene, tmp_path):
    image, truth, ids = scene(["a", "b"])
    with make.rasterio.open(truth, "r+") as source:
        ids[:20, 20:40] = 255
        source.write(ids, 1)
    to_lssqps([str(image)], truth=[str(truth)], out=tmp_path / "Dataset", tile=20)
    names = {path.stem for path in (tmp_path / "Dataset" / "Train" / "Target").glob("*.png")}
    assert names == {"a_0", "a_2", "a_4", "a_5", "a_6"}


def test_the_users_codes_are_the_values(scene, tmp_path):
    image, truth, _ = scene(["road", "field"], [20, 10])
    report = to_lssqps([str(image)], truth=[str(truth)], out=tmp_path / "Dataset", tile=20)
    assert report.values == (("road", 20), ("field", 10))
    assert lssqps.classes(tmp_path).codes == (20, 10)


def test_pixels_of_the_images_are_kept_but_for_jpeg(scene, tmp_path):
    image, truth, _ = scene(["a", "b"])
    to_lssqps([str(image)], truth=[str(truth)], out=tmp_path / "Dataset", tile=20)
    pairs = lssqps.pairs(tmp_path, "train")
    report = write_pairs(pairs, lssqps.classes(tmp_path), tmp_path / "i", tmp_path / "t")
    with make.rasterio.open(report.images[0]) as made, make.rasterio.open(image) as source:
        assert abs(made.read().astype(int) - source.read()[:, :20, :20]).mean() < 6


def test_what_lssqps_cannot_hold_is_refused(raster_file, scene, tmp_path):
    _, truth, _ = scene(["a", "b"])
    deep = raster_file(np.ones((3, 40, 70)), "a.tif", dtype="uint16")
    with pytest.raises(GeoPointSegError, match=r"expected three bands of uint8.* got 3 of uint16"):
        to_lssqps([str(deep)], truth=[str(truth)], out=tmp_path / "d")
    assert not (tmp_path / "d").exists()
    small = raster_file(np.ones((3, 40, 70)), "a.tif", dtype="uint8")
    with pytest.raises(GeoPointSegError, match=r"expected labelled tiles of 512 × 512 pixels, got none"):
        to_lssqps([str(small)], truth=[str(truth)], out=tmp_path / "e")
    with pytest.raises(GeoPointSegError, match=r"expected a --tile of 1 pixel or more, got 0"):
        to_lssqps([str(small)], truth=[str(truth)], out=tmp_path / "e", tile=0)
    other, third = (raster_file(np.zeros((4, 4), np.uint8), name) for name in ("x.tif", "y.tif"))
    with pytest.raises(GeoPointSegError, match=r"expected one class raster for each of 1 rasters, got 2"):
        to_lssqps([str(small)], truth=[str(other), str(third)], out=tmp_path / "f")


def test_another_part_has_the_same_classes(scene, tmp_path):
    image, truth, _ = scene(["a", "b"])
    options = {"truth": [str(truth)], "out": tmp_path / "Dataset", "tile": 20}
    to_lssqps([str(image)], **options)
    to_lssqps([str(image)], part="Val", **options)
    with make.rasterio.open(truth, "r+") as source:
        source.update_tags(CLASSES=Classes.colored(["b", "c"], range(2)).to_tag())
    with pytest.raises(
        GeoPointSegError, match=r"expected the classes of .*classes.csv, a, b, got b, c: choose another --out"
    ):
        to_lssqps([str(image)], part="Test", **options)
    assert not (tmp_path / "Dataset" / "Test").exists()


def test_the_command_writes_and_prepare_reads(scene, tmp_path, capsys):
    image, truth, _ = scene(["background", "building"])
    command = ["to-lssqps", str(image), "--truth", str(truth), "--out", str(tmp_path / "Dataset"), "--tile", "20"]
    assert main(command) == 0
    assert "6 tiles; values of the targets: 0 unlabelled, 0 background, 1 building" in capsys.readouterr().out
    assert main(["prepare", "lssqps", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert "6 images, 6 with truth" in capsys.readouterr().out
