"""Each data set, from files in the layout it is published in: rasters and truth on one grid, the right pixels, the official split."""

import make
import numpy as np
import pytest
import rasterio

from geopointseg.cli import main
from geopointseg.datasets import flair, pets, potsdam, vaihingen
from geopointseg.datasets.prepare import prepare
from geopointseg.datasets.table import ADAPTERS
from geopointseg.errors import GeoPointSegError
from geopointseg.raster import open_raster, raster_classes
from geopointseg.statistics import open_rasters

# data set, split, options, images, how the truth is named in what `make` returns
CASES = [
    ("potsdam", "train", {}, 24, "{}"),
    ("potsdam", "test", {"imagery": "IRRG", "labels": "eroded"}, 14, "{}/eroded"),
    ("potsdam", "all", {"imagery": "RGBIR", "ndsm": True}, 38, "{}"),
    ("potsdam-patches", "train", {}, 3, "{}"),
    ("potsdam-patches", "val", {}, 2, "{}"),
    ("vaihingen", "train", {}, 16, "{}"),
    ("vaihingen", "test", {"labels": "eroded"}, 17, "{}/eroded"),
    ("vaihingen", "festa-train", {"labels": "line/an1"}, 11, "{}/line/an1"),
    ("vaihingen", "festa-test", {}, 5, "{}"),
    ("deepglobe", "train", {}, 3, "{}"),
    ("agriculture-vision", "train", {}, 6, "{}"),
    ("agriculture-vision", "val", {}, 3, "{}"),
    ("gid", "all", {"imagery": "NirRGB"}, 5, "{}"),
    ("gid", "test", {}, 1, "{}"),
    ("zurich", "train", {}, 15, "{}"),
    ("zurich", "test", {}, 5, "{}"),
    ("flair", "train", {}, 3, "{}"),
    ("flair", "test", {}, 1, "{}"),
    ("dubai", "all", {}, 72, "{}"),
    ("dubai", "test", {}, 9, "{}"),
    ("pets", "trainval", {}, 4, "{}"),
    ("lssqps", "train", {}, 3, "{}"),
]


@pytest.mark.parametrize(("name", "split", "options", "count", "key"), CASES)
def test_a_split_becomes_rasters_and_truth_on_one_grid(copy_of, tmp_path, name, split, options, count, key):
    root, truth = copy_of(name)
    report = prepare(name, root, split=split, out=tmp_path, **options)
    assert len(report.images) == len(report.truth) == count
    rasters, _ = open_rasters([str(tmp_path / "images")])  # all alike, and all with a place
    classes = ADAPTERS[name].DATASET.classes
    for raster, mask in zip(rasters, sorted(report.truth), strict=True):
        assert raster.path.stem == mask.stem
        assert open_raster(mask).grid.matches(raster.grid)
        assert raster_classes(mask) == classes
        with rasterio.open(mask) as source:
            np.testing.assert_array_equal(source.read(1), truth[key.format(mask.stem)])
            assert source.nodata == 255
    counted = sum(np.bincount(truth[key.format(mask.stem)].ravel(), minlength=256) for mask in report.truth)
    assert list(report.pixels) == counted[: len(classes)].tolist()
    assert report.unlabelled == counted[255]


@pytest.mark.parametrize(
    ("name", "options", "crs", "pixel", "bands", "dtype"),
    [
        (
            "potsdam",
            {"imagery": "RGBIR", "ndsm": True},
            32633,
            0.05,
            ("red", "green", "blue", "nir", "height"),
            "uint8",
        ),
        ("vaihingen", {}, 32632, 0.09, ("nir", "red", "green"), "uint8"),
        ("zurich", {}, 32632, 0.6155, ("nir", "red", "green", "blue"), "uint16"),
        ("flair", {}, 2154, 0.2, ("red", "green", "blue", "nir", "height"), "uint8"),
        ("agriculture-vision", {}, 32631, 0.1, ("red", "green", "blue", "nir"), "uint8"),
        ("gid", {"imagery": "NirRGB"}, 32631, 4.0, ("nir", "red", "green", "blue"), "uint8"),
    ],
)
def test_place_and_bands_are_known(copy_of, tmp_path, name, options, crs, pixel, bands, dtype):
    report = prepare(name, copy_of(name)[0], out=tmp_path, first=1, **options)
    raster = open_raster(report.images[0])
    assert raster.grid.crs.to_epsg() == crs
    assert raster.grid.pixel_size == pytest.approx((pixel, pixel))
    assert (raster.names, raster.dtype) == (bands, dtype)


@pytest.mark.parametrize("copy", [False, True])
def test_the_pixels_are_those_of_the_data_set(copy_of, tmp_path, copy):
    root, _ = copy_of("potsdam")
    report = prepare("potsdam", root, out=tmp_path, imagery="RGBIR", ndsm=True, copy=copy, first=1)
    with rasterio.open(report.images[0]) as made:
        pixels, transform = made.read(), made.transform
        assert not any(color.name == "alpha" for color in made.colorinterp)  # the fourth band is infrared
    with rasterio.open(root / "4_Ortho_RGBIR" / "top_potsdam_2_10_RGBIR.tif") as source:
        np.testing.assert_array_equal(pixels[:4], source.read())
        assert transform.almost_equals(source.transform)  # the world file's
    heights = np.asarray(make.Image.open(root / "1_DSM_normalisation" / "dsm_potsdam_02_10_normalized_lastools.jpg"))
    np.testing.assert_array_equal(pixels[4], heights)


def test_a_height_model_that_lacks_a_column_is_told_of(copy_of, tmp_path):
    report = prepare("potsdam", copy_of("potsdam")[0], split="test", out=tmp_path, ndsm=True)
    assert "dsm_potsdam_03_13_normalized_lastools.jpg lacks 1 rows or columns" in str(report)
    with rasterio.open(tmp_path / "images" / "potsdam_3_13.vrt") as made:
        assert (made.read(4)[:, -1] == 0).all()
        assert made.read(4)[:, -2].any()


def test_an_unknown_colour_is_an_error_that_counts_it(tmp_path):
    truth = make.make_potsdam(tmp_path / "data", tiles=["2_10"], size=32)
    pixels = make.drawn(truth["potsdam_2_10"], make.ISPRS)
    pixels[:, :2, :5] = np.array([1, 2, 3])[:, None, None]
    pixels[:, 9, 9] = 77
    make.tif(tmp_path / "data" / "5_Labels_all" / "top_potsdam_2_10_label.tif", pixels)
    with pytest.raises(GeoPointSegError, match=r"got 11 pixels of others: #010203 \(10\), #4d4d4d \(1\): fetch"):
        prepare("potsdam", tmp_path / "data", out=tmp_path / "out")
    assert not list((tmp_path / "out" / "truth").iterdir())


def test_truth_of_another_size_is_refused(tmp_path):
    make.make_potsdam(tmp_path / "data", tiles=["2_10"], size=32)
    make.tif(tmp_path / "data" / "5_Labels_all" / "top_potsdam_2_10_label.tif", np.zeros((3, 32, 31), np.uint8))
    with pytest.raises(GeoPointSegError, match="expected truth of 32 × 32 pixels"):
        prepare("potsdam", tmp_path / "data", out=tmp_path / "out")


def test_truth_in_another_place_is_refused(tmp_path):
    make.make_flair(tmp_path / "data")
    path = next((tmp_path / "data").rglob("MSK_062613.tif"))
    with rasterio.open(path, "r+") as source:
        source.transform = source.transform @ make.Affine.translation(5, 0)
    with pytest.raises(GeoPointSegError, match="expected truth in the place of"):
        prepare("flair", tmp_path / "data", out=tmp_path / "out")


def test_a_lost_world_file_is_named(tmp_path):
    make.make_potsdam(tmp_path / "data", tiles=["2_10"], size=32)
    (tmp_path / "data" / "2_Ortho_RGB" / "top_potsdam_2_10_RGB.tfw").unlink()
    with pytest.raises(GeoPointSegError, match=r"is the world file \(.tfw\) missing beside it\?"):
        prepare("potsdam", tmp_path / "data", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("lists", "counts"),
    [
        (potsdam.TILES, {"train": 24, "test": 14}),
        (vaihingen.AREAS, {"train": 16, "test": 17, "festa-train": 11, "festa-test": 5}),
        (flair.DOMAINS, {"train": 40, "test": 10}),
    ],
)
def test_official_splits_have_their_lengths_and_nothing_twice(lists, counts):
    assert {name: len(set(entries)) for name, entries in lists.items()} == counts
    assert not set(lists["train"]) & set(lists["test"])
    assert not set(lists.get("festa-train", ())) & set(lists.get("festa-test", ()))


def test_potsdam_and_vaihingen_are_split_as_published():
    assert set(potsdam.TILES["train"]) == set(make.POTSDAM["train"].split())
    assert set(potsdam.TILES["test"]) == set(make.POTSDAM["test"].split())
    assert sorted(vaihingen.AREAS["train"] + vaihingen.AREAS["test"]) == make.VAIHINGEN


def test_the_lists_of_pets_have_the_lengths_they_say(copy_of):
    root, _ = copy_of("pets")
    for split, count in pets.COUNTS.items():
        assert len((root / "annotations" / f"{split}.txt").read_text().split("\n")) == count + 1


def test_photographs_of_any_kind_get_three_bands(copy_of, tmp_path):
    root, _ = copy_of("pets")
    report = prepare("pets", root, out=tmp_path, copy=True)
    for path in report.images:
        with rasterio.open(path) as made, make.Image.open(root / "images" / f"{path.stem}.jpg") as source:
            expected = np.asarray(source.convert("RGB")).transpose(2, 0, 1)
            off = 8 if source.format == "JPEG" else 0  # two libraries unpack JPEG a little differently
            np.testing.assert_allclose(made.read(), expected, atol=off)
    assert "the place of 4 images is not known" in str(report)


def test_crops_of_one_field_lie_beside_each_other(copy_of, tmp_path):
    prepare("agriculture-vision", copy_of("agriculture-vision")[0], out=tmp_path)
    grids = {path.stem: open_raster(path).grid for path in (tmp_path / "images").iterdir()}
    left, right, far = (grids[f"1AD76MIZN_{rest}"] for rest in ("0-0-32-32", "32-0-64-32", "6774-3675-6806-3707"))
    assert left.bounds[2] == pytest.approx(right.bounds[0])
    assert left.bounds[3] == pytest.approx(right.bounds[3])
    assert (far.bounds[0] - left.bounds[0], left.bounds[3] - far.bounds[3]) == pytest.approx((677.4, 367.5))


def test_made_up_places_do_not_overlap(copy_of, tmp_path):
    prepare("dubai", copy_of("dubai")[0], out=tmp_path)
    bounds = np.array([open_raster(path).grid.bounds for path in (tmp_path / "images").iterdir()])
    west, south, east, north = bounds.T[:, :, None]
    meet = (west < east.T) & (east > west.T) & (south < north.T) & (north > south.T)
    assert meet.sum() == len(bounds)  # each with itself


@pytest.mark.slow
def test_torchgeo_reads_what_is_prepared(copy_of, tmp_path):
    from torchgeo.datasets import RasterDataset  # takes seconds

    root, truth = copy_of("potsdam")
    prepare("potsdam", root, out=tmp_path, first=1)

    class Images(RasterDataset):
        filename_glob = "*.vrt"

    class Truth(RasterDataset):
        filename_glob = "*.tif"
        is_image = False

    both = Images(tmp_path / "images") & Truth(tmp_path / "truth")
    sample = both[both.bounds]
    np.testing.assert_array_equal(np.asarray(sample["mask"]).squeeze(), truth["potsdam_2_10"])
    assert tuple(sample["image"].shape) == (3, 64, 64)


def test_what_a_data_set_has_not_is_refused(copy_of, tmp_path):
    root, _ = copy_of("dubai")
    for options, message in (
        ({"split": "valid"}, "expected --split all or train or val or test of Dubai"),
        ({"imagery": "RGB"}, "expected no --imagery with Dubai"),
        ({"first": 0}, "at least 1 image as --first"),
    ):
        with pytest.raises(GeoPointSegError, match=message):
            prepare("dubai", root, out=tmp_path / "out", **options)
    with pytest.raises(GeoPointSegError, match="expected the name of a data set"):
        prepare("dubay", root, out=tmp_path / "out")


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_empty_folder_says_how_to_get_the_data_set(name, tmp_path):
    with pytest.raises(GeoPointSegError, match=r"expected .* got none: ") as error:
        prepare(name, tmp_path, out=tmp_path / "out")
    dataset = ADAPTERS[name].DATASET
    assert (f"geopointseg download {name}" if dataset.files else dataset.by_hand) in str(error.value)
    assert not (tmp_path / "out").exists()


def test_the_command_prepares(copy_of, tmp_path, capsys):
    root, _ = copy_of("zurich")
    assert main(["prepare", "zurich", str(root), "--split", "test", "--out", str(tmp_path / "zurich")]) == 0
    text = capsys.readouterr().out
    assert "5 images, 5 with truth" in text
    assert "geopointseg draw" in text
    assert main(["prepare", "zurich", str(root), "--split", "test", "--out", str(tmp_path / "zurich")]) == 2
    assert "--overwrite" in capsys.readouterr().err
