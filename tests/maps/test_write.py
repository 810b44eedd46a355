"""A map is a COG that GDAL and QGIS show with names and colours, and it is there whole or not at all."""

import json
import shutil
import subprocess
from functools import partial
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.warp import transform_bounds
from rio_cogeo import cog_validate

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.maps.write import write_map

# in every square of 2 x 2 pixels three are woodland (4) and one is bare (0), the one that nearest would take
CHECKS = np.tile(np.array([[0, 4], [4, 4]], np.uint8), (600, 550))


@pytest.fixture
def big(class_map):
    """A map large enough for overviews: 1200 x 1100, half of it without data below."""
    ids = CHECKS.copy()
    ids[600:] = 255
    ids[602:700, 100:200] = 2
    return class_map(ids), ids


def test_it_is_a_valid_cog(big):
    path, _ = big
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.block_shapes == [(512, 512)]
        assert source.overviews(1) == [2, 4]


def test_its_pixels_are_the_ids(big, pixels):
    path, ids = big
    np.testing.assert_array_equal(pixels(path), ids)


def test_its_overviews_are_by_mode(big):
    path, ids = big
    with rasterio.open(path, overview_level=0) as source:
        half = source.read(1)
    expected = ids[1::2, 1::2]  # three of four pixels
    np.testing.assert_array_equal(half, expected)
    with rasterio.open(path, overview_level=1) as source:
        assert set(np.unique(source.read(1))) == {2, 4, 255}  # none between 0 and 4, as averaging would invent


def test_it_says_what_it_is(big, classes, grid):
    with rasterio.open(big[0]) as source:
        assert source.driver == "GTiff"
        assert source.dtypes == ("uint8",)
        assert source.nodata == 255
        assert (source.crs, source.transform, source.shape) == (
            grid(1200, 1100).crs,
            grid(1200, 1100).transform,
            (1200, 1100),
        )
        assert source.tags()["AREA_OR_POINT"] == "Area"
        assert source.tags()["CLASSES"] == classes.to_tag()
        assert source.colorinterp == (ColorInterp.palette,)
        palette = source.colormap(1)
    assert [palette[i] for i in range(5)] == [(*rgb, 255) for rgb in classes.rgb()]
    assert palette[0][3] == 255  # class 0 is opaque, not background
    assert palette[255][3] == 0


@pytest.mark.skipif(not shutil.which("gdalinfo"), reason="gdalinfo is not on PATH")
def test_gdalinfo_shows_palette_names_nodata_and_crs(big, classes):
    run = subprocess.run(["gdalinfo", "-json", big[0]], capture_output=True, text=True, check=True)
    info = json.loads(run.stdout)
    assert "UTM zone 33N" in info["coordinateSystem"]["wkt"]
    assert info["geoTransform"] == [400_000, 10, 0, 5_800_000, 0, -10]
    (band,) = info["bands"]
    assert band["noDataValue"] == 255
    assert band["colorInterpretation"] == "Palette"
    assert band["colorTable"]["entries"][:5] == [[*rgb, 255] for rgb in classes.rgb()]
    assert len(band["overviews"]) == 2
    assert band["categories"] == list(classes.names)
    table = info["rat"]
    assert [field["name"] for field in table["fieldDefn"]] == ["value", "class", "code", "red", "green", "blue"]
    rows = zip(classes.names, classes.codes, classes.rgb(), strict=True)
    assert [row["f"] for row in table["row"]] == [[i, name, code, *rgb] for i, (name, code, rgb) in enumerate(rows)]


def test_the_files_beside_it_name_every_class_in_its_colour(class_map, classes):
    path = class_map([[0, 4]])
    style = ET.parse(path.with_suffix(".qml")).getroot()
    entries = [dict(entry.attrib) for entry in style.iter("paletteEntry")]
    assert entries == [
        {"value": str(i), "color": color, "label": name, "alpha": "255"}
        for i, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
    ]
    table = ET.parse(path.with_name("map.tif.aux.xml")).getroot()
    assert [node.text for node in table.iter("Category")] == list(classes.names)
    rows = [[cell.text for cell in row] for row in table.iter("Row")]
    expected = zip(classes.names, classes.codes, classes.rgb(), strict=True)
    assert rows == [[str(i), name, str(code), *map(str, rgb)] for i, (name, code, rgb) in enumerate(expected)]


def test_the_item_says_where_it_lies_and_what_its_ids_mean(class_map, classes):
    item = json.loads(class_map([[0, 4]]).with_suffix(".json").read_text(encoding="utf-8"))
    assert (item["type"], item["stac_version"], item["id"]) == ("Feature", "1.1.0", "map")
    properties, asset = item["properties"], item["assets"]["map"]
    assert {key: value for key, value in properties.items() if key.startswith("proj:")} == {
        "proj:code": "EPSG:32633",
        "proj:shape": [1, 2],
        "proj:transform": [10, 0, 400_000, 0, -10, 5_800_000],
        "proj:bbox": [400_000, 5_799_990, 400_020, 5_800_000],
    }
    bounds = transform_bounds(32633, 4326, 400_000, 5_799_990, 400_020, 5_800_000)
    assert item["bbox"] == pytest.approx(bounds, abs=1e-7)
    assert item["geometry"]["type"] == "Polygon"
    assert asset["href"] == "./map.tif"
    assert [(row["value"], row["title"], row["color_hint"]) for row in asset["classification:classes"]] == [
        (i, name, color[1:].upper()) for i, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
    ]
    assert {schema.split("/")[3] for schema in item["stac_extensions"]} == {
        "classification",
        "processing",
        "projection",
    }


def test_a_place_that_is_not_on_earth_has_no_outline(tmp_path, classes):
    local = CRS.from_wkt('LOCAL_CS["quarry",UNIT["metre",1]]')
    where = Grid(local, Affine(1, 0, 0, 0, -1, 5), 5, 5)
    *_, item = write_map(tmp_path / "map.tif", where, classes, [])
    told = json.loads(item.read_text(encoding="utf-8"))
    assert told["geometry"] is None
    assert told["properties"]["proj:code"] is None
    assert "quarry" in told["properties"]["proj:wkt2"]


def test_names_with_marks_of_xml_and_of_other_alphabets_survive(class_map, tmp_path):
    own = Classes.of(["<b> & 'quoted'", "Gewässer", "논"])
    path = class_map([[0, 1], [2, 255]], own=own)
    style = ET.parse(path.with_suffix(".qml")).getroot()
    assert [entry.get("label") for entry in style.iter("paletteEntry")] == list(own.names)
    table = ET.parse(path.with_name("map.tif.aux.xml")).getroot()
    assert [node.text for node in table.iter("Category")] == list(own.names)


def test_windows_come_in_any_order_and_what_none_covers_is_nodata(tmp_path, grid, classes, pixels):
    parts = [(Window(40, 10, 2, 3), np.full((2, 3), 4, np.uint8)), (Window(0, 0, 1, 2), np.zeros((1, 2), np.uint8))]
    path, *_ = write_map(tmp_path / "map.tif", grid(50, 20), classes, parts)
    expected = np.full((50, 20), 255)
    expected[40:42, 10:13], expected[0, :2] = 4, 0
    np.testing.assert_array_equal(pixels(path), expected)


def test_more_tags_are_kept(tmp_path, grid, classes):
    path, *_ = write_map(tmp_path / "map.tif", grid(4, 4), classes, [], tags={"MODEL": "m.ckpt"})
    with rasterio.open(path) as source:
        assert source.tags()["MODEL"] == "m.ckpt"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_halfway_leaves_nothing(tmp_path, grid, classes, error):
    def windows():
        yield Window(0, 0, 1, 2), np.zeros((1, 2), np.uint8)
        raise error

    with pytest.raises(error):
        write_map(tmp_path / "new" / "map.tif", grid(50, 20), classes, windows())
    assert list((tmp_path / "new").iterdir()) == []


def test_a_failure_halfway_leaves_the_old_map_as_it_was(tmp_path, class_map, grid, classes):
    class_map([[0, 4]])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 4

    def windows():
        yield Window(0, 0, 1, 2), np.zeros((1, 2), np.uint8)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_map(tmp_path / "map.tif", grid(1, 2), classes, windows(), overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_map_that_does_not_pass_its_check_is_not_written(tmp_path, grid, classes):
    seen = []

    def refuse(path):
        seen.extend(sorted(file.name for file in path.parent.iterdir()))
        raise GeoPointSegError("no")

    with pytest.raises(GeoPointSegError, match="no"):
        write_map(tmp_path / "map.tif", grid(4, 4), classes, [], check=refuse)
    assert seen == ["map.json", "map.qml", "map.tif", "map.tif.aux.xml"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["map.tif.aux.xml", "map.qml", "map.json"])
def test_a_file_where_a_companion_would_go_is_kept(tmp_path, grid, classes, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(GeoPointSegError, match=rf"expected a new file, got the existing .*{name}: add --overwrite"):
        write_map(tmp_path / "map.tif", grid(4, 4), classes, [])
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.slow
def test_a_map_of_more_than_4_gb_is_a_bigtiff(tmp_path, classes, monkeypatch):
    copy = rasterio.shutil.copy
    monkeypatch.setattr("rasterio.shutil.copy", partial(copy, overviews="NONE"))  # most of the time would go into them
    where = Grid(CRS.from_epsg(32633), Affine(1, 0, 400_000, 0, -1, 5_800_000), 64_000, 68_000)
    assert where.height * where.width > 2**32
    corner = Window(63_998, 67_997, 2, 3)
    path, *_ = write_map(tmp_path / "map.tif", where, classes, [(corner, np.full((2, 3), 4, np.uint8))])
    with path.open("rb") as file:
        assert file.read(4) == b"II\x2b\0"
    with rasterio.open(path) as source:
        assert source.read(1, window=corner.to_rasterio()).tolist() == [[4] * 3] * 2
        assert source.read(1, window=((0, 1), (0, 2))).tolist() == [[255, 255]]


def test_the_same_windows_give_the_same_bytes(tmp_path, grid, classes):
    ids = np.random.default_rng(0).integers(5, size=(1500, 1600), dtype=np.uint8)
    windows = [(Window(row, 0, 100, 1600), ids[row : row + 100]) for row in range(0, 1500, 100)]
    files = [write_map(tmp_path / name / "map.tif", grid(1500, 1600), classes, windows) for name in "ab"]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


def test_an_existing_map_is_kept_unless_it_may_go(class_map, grid, classes, pixels):
    path = class_map([[0, 4]])
    with pytest.raises(GeoPointSegError, match=r"expected a new file, got the existing .*map\.tif: add --overwrite"):
        write_map(path, grid(1, 1), classes, [])
    assert pixels(path).tolist() == [[0, 4]]
    write_map(path, grid(1, 1), classes, [], overwrite=True)
    assert pixels(path).tolist() == [[255]]
