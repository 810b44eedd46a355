"""Any folder of images and masks, with a palette as people have it."""

import shutil

import make
import numpy as np
import pytest
import rasterio

from geopointseg.cli import main
from geopointseg.datasets.folder import pair_up, prepare_folder
from geopointseg.errors import GeoPointSegError
from geopointseg.raster import open_raster, raster_classes

COLORS = [(10, 200, 30), (200, 30, 10), (30, 10, 200)]
CSV = "name,code,color\nforest,5,#0ac81e\nroof,7,#c81e0a\nwater,9,#1e0ac8\n"
QML = """<qgis><pipe><rasterrenderer type="paletted"><colorPalette>
<paletteEntry value="5" label="forest" color="#0ac81e"/><paletteEntry value="7" label="roof" color="#c81e0a"/>
<paletteEntry value="9" label="water" color="#1e0ac8"/></colorPalette></rasterrenderer></pipe></qgis>"""
YAML = """classes:
  - {name: forest, code: 5, color: "#0ac81e"}
  - {name: roof, code: 7, color: "#c81e0a"}
  - {name: water, code: 9, color: "#1e0ac8"}
drop: ["#000000", "0"]
"""
PALETTES = {"classes.csv": CSV, "classes.qml": QML, "classes.yaml": YAML}


@pytest.fixture
def folder(tmp_path):
    """Three photographs with masks in colours and in codes, all known; their ids by name."""
    rng = np.random.default_rng(0)
    truth = {}
    for number in range(3):
        ids = make.blobs(rng, 20, 24, 3)
        make.pil(tmp_path / "photos" / f"IMG_{number}_rgb.jpg", make.picture(rng, ids).astype(np.uint8))
        make.pil(tmp_path / "colours" / f"IMG_{number}_mask.png", make.drawn(ids, COLORS))
        make.pil(tmp_path / "codes" / f"label{number}.png", np.array([5, 7, 9], np.uint8)[ids])
        truth[f"IMG_{number}_rgb"] = ids
    for name, text in PALETTES.items():
        (tmp_path / name).write_text(text)
    return tmp_path, truth


def prepared(folder, kind, palette, **options):
    images, masks = str(folder / "photos" / "*.jpg"), str(folder / kind / "*.png")
    return prepare_folder(images=images, masks=masks, palette=folder / palette, out=folder / "out", **options)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("kind", ["colours", "codes"])
def test_masks_read_by_any_palette(folder, kind, palette):
    root, truth = folder
    report = prepared(root, kind, palette, pixel=0.5)
    assert report.classes.names == ("forest", "roof", "water")
    assert report.classes.codes == (5, 7, 9)
    assert report.classes.colors == ("#0ac81e", "#c81e0a", "#1e0ac8")
    for image, mask in zip(report.images, report.truth, strict=True):
        assert open_raster(image).grid.matches(open_raster(mask).grid)
        assert open_raster(image).grid.pixel_size == (0.5, 0.5)
        assert raster_classes(mask) == report.classes
        with rasterio.open(mask) as source:
            np.testing.assert_array_equal(source.read(1), truth[mask.stem])


def test_what_the_palette_drops_is_unlabelled_and_the_rest_an_error(folder):
    root, truth = folder
    ids = truth["IMG_1_rgb"].copy()
    ids[:3] = 255
    for kind, name, values in (
        ("colours", "IMG_1_mask", make.drawn(ids, COLORS)),
        ("codes", "label1", np.append(np.array([5, 7, 9], np.uint8), np.zeros(253, np.uint8))[ids]),
    ):
        make.pil(root / kind / f"{name}.png", values)
        report = prepared(root, kind, "classes.yaml", overwrite=True)
        assert report.unlabelled == 3 * 24
        shutil.rmtree(root / "out")
        with pytest.raises(
            GeoPointSegError,
            match=r"got 72 pixels of others: (#000000|0) \(72\): add a class to .*csv, or .* --unlabelled",
        ):
            prepared(root, kind, "classes.csv")
        assert not [path for path in (root / "out").rglob("*") if path.is_file()]  # nor what came before it
        assert prepared(root, kind, "classes.csv", unlabelled=["#000", "0"]).unlabelled == 3 * 24
    with pytest.raises(GeoPointSegError, match=r"expected a colour .* for '--unlabelled' in the command, got 'black'"):
        prepared(root, "codes", "classes.csv", unlabelled=["black"])


def test_a_world_file_and_a_crs_are_a_place(folder):
    root, _ = folder
    for number in range(3):
        make.world_file(root / "photos" / f"IMG_{number}_rgb.jpg", 0.2, 400_000.0, 5_800_000.0)
        path = root / "photos" / f"IMG_{number}_rgb.tfw"
        path.rename(path.with_suffix(".jgw"))
    report = prepared(root, "codes", "classes.csv", crs="EPSG:32633")
    grid = open_raster(report.images[0]).grid
    assert (grid.crs.to_epsg(), grid.bounds[0], grid.bounds[3]) == (32633, 400_000, 5_800_000)
    assert "not known" not in str(report)


def test_names_pair_by_what_differs(tmp_path):
    def paths(*names):
        return [tmp_path / name for name in names]

    matched = pair_up(paths("tile_10_sat.jpg", "tile_20_sat.jpg"), paths("gt_tile_10.png", "gt_tile_20.png"))
    assert {image.name: mask.name for image, mask in matched.values()} == {
        "tile_10_sat.jpg": "gt_tile_10.png",
        "tile_20_sat.jpg": "gt_tile_20.png",
    }
    assert list(pair_up(paths("x.jpg"), paths("y.png"))) == ["x"]
    assert len(pair_up(paths("a.jpg", "b.jpg"), paths("b.png", "a.png"))) == 2
    with pytest.raises(GeoPointSegError, match=r"3 images and 2 masks whose names do not pair up, such as c"):
        pair_up(paths("a.jpg", "b.jpg", "c.jpg"), paths("a.png", "b.png"))
    with pytest.raises(GeoPointSegError, match=r"expected every name once"):
        pair_up(paths("a.jpg", "a.png"), paths("a.tif", "b.tif"))


def test_a_palette_without_what_the_masks_hold_is_refused(folder):
    root, _ = folder
    (root / "names.csv").write_text("name,code\nforest,5\nroof,7\nwater,9\n")
    (root / "colors.csv").write_text("name,color\nforest,#0ac81e\nroof,#c81e0a\n")
    with pytest.raises(GeoPointSegError, match=r"expected a colour for every class in names.csv.* none for forest"):
        prepared(root, "colours", "names.csv")
    with pytest.raises(GeoPointSegError, match=r"expected a code for every class in colors.csv.* none for forest"):
        prepared(root, "codes", "colors.csv")
    with pytest.raises(GeoPointSegError, match=r"--images .*photos, which matches none: name the files in the folder"):
        prepare_folder(images=str(root / "photos"), masks=str(root / "codes" / "*"), palette=root / "classes.csv")
    with pytest.raises(GeoPointSegError, match=r"--images .* matches none"):
        prepare_folder(images=str(root / "no*.jpg"), masks=str(root / "codes" / "*"), palette=root / "classes.csv")


def test_the_command_prepares_a_folder(folder, capsys):
    root, _ = folder
    command = ["prepare-folder", "--images", str(root / "photos" / "*.jpg"), "--masks", str(root / "codes" / "*.png")]
    assert main([*command, "--palette", str(root / "classes.csv"), "--out", str(root / "out")]) == 0
    assert "3 images, 3 with truth" in capsys.readouterr().out
