"""Polygons fit together without gap or overlap, give the map back, and show no window."""

import shutil
import subprocess

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy.ndimage import gaussian_filter

from geopointseg.classes import Classes
from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.maps.polygons import find_polygons, polygons
from geopointseg.maps.write import write_map

CLASSES = Classes.of(["bare", "grass", "water"])
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 255]))
UTM, DEGREES = (
    (CRS.from_epsg(32633), Affine(10, 0, 4e5, 0, -10, 58e5)),
    (CRS.from_epsg(4326), Affine(0.1, 0, 12, 0, -0.2, 60)),
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A factory of class rasters, written by rasterio: path and grid."""
    path = tmp_path_factory.mktemp("ids") / "ids.tif"

    def write(ids, place=UTM):
        ids = np.asarray(ids, np.uint8)
        profile = {"height": ids.shape[0], "width": ids.shape[1], "count": 1, "dtype": "uint8", "nodata": 255}
        path.unlink(missing_ok=True)
        with rasterio.open(path, "w", driver="GTiff", crs=place[0], transform=place[1], **profile) as out:
            out.write(ids, 1)
        return path, Grid(*place, *ids.shape)

    return write


def sound(frame, ids, grid):
    """Whether polygons are a coverage that gives the ids back."""
    assert frame.geometry.is_valid.all()
    assert set(frame.geom_type) <= {"Polygon"}
    assert shapely.coverage_is_valid(frame.geometry.to_numpy())
    burned = np.full(grid.shape, 255, np.uint8)
    if len(frame):
        pairs = zip(frame.geometry, frame["class_id"], strict=True)
        burned = rasterize(pairs, out_shape=grid.shape, transform=grid.transform, fill=255, dtype="uint8")
    np.testing.assert_array_equal(burned, ids)


@pytest.mark.parametrize("place", [UTM, DEGREES], ids=["metres", "degrees"])
@given(ids=IMAGES, window=st.integers(1, 5))
def test_they_cover_the_map_once_and_windows_do_not_show(plain, place, ids, window):
    path, grid = plain(ids, place)
    whole, parts = (find_polygons(path, grid, CLASSES, window=side) for side in (1024, window))
    sound(whole, ids, grid)
    assert [g.normalize().wkb for g in parts.geometry] == [g.normalize().wkb for g in whole.geometry]
    assert parts["area_m2"].tolist() == whole["area_m2"].tolist()


@given(ids=IMAGES, tolerance=st.sampled_from([5.0, 15.0, 60.0]))
def test_simple_borders_stay_shared(plain, ids, tolerance):
    path, grid = plain(ids)
    frame = find_polygons(path, grid, CLASSES, simplify=tolerance)
    assert len(frame) == len(find_polygons(path, grid, CLASSES))
    assert shapely.coverage_is_valid(frame.geometry.to_numpy())


def test_a_border_has_no_vertex_but_where_it_turns_or_three_meet(plain):
    path, grid = plain([[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 2, 2]])
    for window in (1, 2, 3, 1024):
        top, left, right = find_polygons(path, grid, CLASSES, window=window).geometry
        corner = (400_020, 5_799_980)
        assert set(top.exterior.coords) == {
            (4e5, 58e5),
            (400_040, 58e5),
            (400_040, 5_799_980),
            (4e5, 5_799_980),
            corner,
        }
        assert len(left.exterior.coords) == len(right.exterior.coords) == 5


def test_areas_and_names_are_those_of_the_pixels(plain):
    path, grid = plain([[0, 0, 1], [0, 255, 1]])
    frame = find_polygons(path, grid, CLASSES)
    assert frame.drop(columns="geometry").to_numpy().tolist() == [[0, "bare", 300.0], [1, "grass", 200.0]]
    path, grid = plain([[2]], DEGREES)
    frame = find_polygons(path, grid, CLASSES)
    exact = abs(Geod(ellps="WGS84").polygon_area_perimeter([12, 12.1, 12.1, 12], [60, 60, 59.8, 59.8])[0])
    assert frame["area_m2"].item() == pytest.approx(exact, abs=0.001)


def test_a_map_without_data_has_no_polygons(plain):
    path, grid = plain([[255, 255]])
    assert len(find_polygons(path, grid, CLASSES)) == 0


@pytest.fixture
def land(tmp_path, grid):
    """A map of blocks with specks in them."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, size=(12, 15), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    ids[rng.random(ids.shape) < 0.02] = 1
    ids[:7, :9] = 255
    return write_map(tmp_path / "map.tif", grid(*ids.shape), CLASSES, [(Window(0, 0, *ids.shape), ids)])[0]


@pytest.mark.parametrize("name", ["parcels.gpkg", "parcels.fgb", "parcels.parquet"])
def test_each_format_reads_as_the_same(land, tmp_path, name):
    files = polygons(land, out=tmp_path / name, min_area=500)
    assert [file.name for file in files] == ([name] if name.endswith("gpkg") else [name, "parcels.qml"])
    frame = gpd.read_parquet(files[0]) if name.endswith("parquet") else pyogrio.read_dataframe(files[0], layer=0)
    assert frame.crs == "EPSG:32633"
    assert list(frame.columns) == ["class_id", "class_name", "area_m2", "geometry"]
    assert shapely.coverage_is_valid(frame.geometry.to_numpy())
    np.testing.assert_allclose(frame.geometry.area, frame["area_m2"])
    assert frame["area_m2"].min() >= 500
    with rasterio.open(land) as source:
        assert frame["area_m2"].sum() == (source.read(1) != 255).sum() * 100
    assert sorted(path.suffix for path in tmp_path.glob("parcels.*")) == sorted(file.suffix for file in files)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_geopackage_holds_its_style(land, tmp_path):
    (path,) = polygons(land, out=tmp_path / "parcels.gpkg")
    assert dict(pyogrio.list_layers(path)) == {"polygons": "Polygon", "layer_styles": None}
    styles = pyogrio.read_dataframe(path, layer="layer_styles")
    assert styles[["f_table_name", "useAsDefault"]].to_numpy().tolist() == [["polygons", True]]
    assert all(f'value="{name}"' in styles["styleQML"].item() for name in CLASSES.names)
    again = polygons(land, out=tmp_path / "again" / "parcels.gpkg")[0]
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.skipif(not shutil.which("ogrinfo"), reason="ogrinfo is not on PATH")
def test_ogrinfo_reads_it(land, tmp_path):
    (path,) = polygons(land, out=tmp_path / "parcels.gpkg")
    run = subprocess.run(["ogrinfo", "-so", path, "polygons"], capture_output=True, text=True, check=True)
    assert "Geometry: Polygon" in run.stdout
    fields = [line.partition(":")[0] for line in run.stdout.splitlines() if "(0.0)" in line]
    assert fields == ["class_id", "class_name", "area_m2"]


def test_what_cannot_be_is_refused(land, tmp_path, capsys):
    assert main(["polygons", str(land), "--out", str(tmp_path / "parcels.shp")]) == 2
    assert "expected --out to end in .gpkg, .fgb, .parquet" in capsys.readouterr().err
    with pytest.raises(GeoPointSegError, match="expected a tolerance above 0 m, got -1"):
        polygons(land, out=tmp_path / "parcels.gpkg", simplify=-1)
    (tmp_path / "parcels.qml").write_text("mine")
    with pytest.raises(GeoPointSegError, match=r"existing .*parcels\.qml: add --overwrite"):
        polygons(land, out=tmp_path / "parcels.fgb")
    assert not (tmp_path / "parcels.fgb").exists()
    assert (
        main(["polygons", str(land), "--out", str(tmp_path / "p.gpkg"), "--min-area", "300", "--simplify", "15"]) == 0
    )


@pytest.mark.slow
def test_a_map_of_a_size_as_people_have_fits_together_too(tmp_path, grid):
    noise = np.random.default_rng(0).random((3, 130, 110)).repeat(20, 1).repeat(20, 2)
    smooth = np.stack([gaussian_filter(each, 9) for each in noise])
    ids = smooth.argmax(axis=0).astype(np.uint8)
    ids[np.random.default_rng(1).random(ids.shape) < 0.003] = 2
    ids[900:1300, 1000:1500] = 255
    path, *_ = write_map(tmp_path / "m.tif", grid(*ids.shape), CLASSES, [(Window(0, 0, *ids.shape), ids)])
    frame = find_polygons(path, grid(*ids.shape), CLASSES)
    assert len(frame) > 10_000
    sound(frame, ids, grid(*ids.shape))
    simple = find_polygons(path, grid(*ids.shape), CLASSES, simplify=20)
    assert shapely.coverage_is_valid(simple.geometry.to_numpy())
    assert shapely.get_num_coordinates(simple.geometry).sum() < 0.7 * shapely.get_num_coordinates(frame.geometry).sum()
