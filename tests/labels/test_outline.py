"""Each labelled region is a row: its polygon in the raster's CRS, its class, and the features that label it."""

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import box

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.labels.outline import find_outlines, write_outlines
from geopointseg.labels.propagate import Painted

CLASSES = Classes.of(["road", "water"])
GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_800_000), 100, 100)
FIDS = np.array([71, "b", 73], object)

REGIONS = np.array([[4, 4, 0], [4, 9, 9]], np.int32)
PAINTED = Painted(
    labels=np.array([[1, 1, UNLABELLED], [1, 0, 0]], np.uint8),
    weights=np.array([[0.5, 0.25, 0], [0.25, 0.5, 0.5]], np.float32),
    purity=np.array([[1, 0.8, 0], [0.6, 1, 1]], np.float32),
    regions=REGIONS,
    held=np.array([[4, 4, 9, 12], [0, 2, 1, 1]]),  # the last region has not come to label anything
)


def outlines(painted=PAINTED):
    return find_outlines(painted, GRID, Window(20, 30, 2, 3), CLASSES, FIDS)


def test_two_regions_by_hand():
    frame = outlines()
    assert frame.drop(columns="geometry").to_dict("records") == [
        {"region": 4, "class_name": "water", "purity": 0.8, "weight": 1, "clicks": "71, 73", "status": "used"},
        {"region": 9, "class_name": "road", "purity": 1, "weight": 1, "clicks": "b", "status": "used"},
    ]
    west, north = 400_300, 5_799_800
    water = box(west, north - 10, west + 20, north).union(box(west, north - 20, west + 10, north))
    assert frame.geometry[0].equals(water)
    assert frame.geometry[1].equals(box(west + 10, north - 20, west + 30, north - 10))
    assert frame.crs == "EPSG:32633"


def test_parts_of_a_region_are_one_row():
    regions = np.array([[4, 0, 4], [0, 0, 0]], np.int32)
    frame = outlines(PAINTED._replace(regions=regions, labels=np.where(regions, 1, UNLABELLED).astype(np.uint8)))
    assert len(frame) == 1
    assert frame.geometry[0].area == 200
    assert len(frame.geometry[0].geoms) == 2


def test_nothing_labelled_is_no_row():
    frame = outlines(PAINTED._replace(regions=np.zeros_like(REGIONS)))
    assert len(frame) == 0
    assert list(frame.columns) == list(outlines().columns)


def test_the_regions_of_all_windows_are_written_with_their_styles(tmp_path):
    empty = outlines(PAINTED._replace(regions=np.zeros_like(REGIONS)))
    path, style = write_outlines([empty, outlines()], tmp_path / "a_regions.gpkg", CLASSES)
    assert gpd.read_file(path, layer="regions")["region"].tolist() == [4, 9]
    styles = pyogrio.read_dataframe(path, layer="layer_styles")
    assert styles["f_table_name"].tolist() == ["regions"]
    assert style == tmp_path / "a_regions.qml"
    assert 'label="4 water"' in style.read_text()
    again, _ = write_outlines([empty, outlines()], tmp_path / "b_regions.gpkg", CLASSES)
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(GeoPointSegError, match="--overwrite"):
        write_outlines([outlines()], path, CLASSES)
