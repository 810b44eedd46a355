"""What is asked: on valid pixels, away from points, in a layer that is read first and can be filled in and handed back."""

import json
import shutil

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.check import check
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource
from geopointseg.maps.query import query
from geopointseg.raster import open_raster, read, valid

NODATA_ROWS = 30


@pytest.fixture
def image(raster_file):
    """Two bands of 160 × 200 pixels in patches of 20; the first rows have no data."""
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(60, 140, (2, 8, 10)), np.ones((20, 20))) + rng.integers(0, 9, (2, 160, 200))
    picture[:, :NODATA_ROWS] = 0
    return raster_file(picture.astype(np.uint8), "image.tif", nodata=0, names=["red", "green"])


@pytest.fixture
def clicks(image, points_file):
    """Four points of two classes, in the user's own words, with a column beside."""
    with rasterio.open(image) as source:
        xy = [source.transform @ (col + 0.5, row + 0.5) for row, col in ((50, 20), (60, 120), (100, 60), (150, 190))]
    rows = [(x, y, name) for (x, y), name in zip(xy, ["grass", "water"] * 2, strict=True)]
    return points_file(rows, columns={"who": ["me"] * 4, "year": [2024] * 4})


def layer(path):
    """The first layer, which a reader gets who names none."""
    return pyogrio.read_dataframe(path, layer=pyogrio.list_layers(path)[0][0])


def pixels(frame, image):
    grid = open_raster(image).grid
    return np.stack(grid.rowcol(frame.geometry.x, frame.geometry.y), axis=1)


@pytest.mark.parametrize("strategy", ["hybrid", "random", "stratified", "uncertainty", "class-balanced", "core-set"])
def test_questions_are_on_valid_pixels_apart_from_points(strategy, image, clicks, checkpoint, tmp_path):
    report = query(
        raster=[str(image)],
        model=[str(checkpoint)],
        points=[clicks],
        class_field="landcover",
        n=12,
        size=200,
        strategy=strategy,
        out=tmp_path / "next.gpkg",
    )
    frame = layer(tmp_path / "next.gpkg")
    assert (len(frame), frame.crs) == (12, gpd.read_file(clicks).crs)
    assert frame["rank"].tolist() == list(range(1, 13))
    at = pixels(frame, image)
    good = valid(read(open_raster(image), Window(0, 0, 160, 200)))
    for row, col in at:
        assert good[row - 1 : row + 2, col - 1 : col + 2].all()  # clear of nodata, and of the edge
    known = pixels(layer(clicks), image)
    away = np.abs(at[:, None] - known[None]).max(axis=2)
    assert away.min() > 8
    assert len(np.unique(at, axis=0)) == 12
    assert report.beside >= 4
    assert json.loads((tmp_path / "next.query.json").read_text())["asked"] == 12


def test_the_layer_has_the_users_columns_and_what_the_model_thinks(image, clicks, checkpoint, tmp_path):
    query(
        raster=[str(image)],
        model=[str(checkpoint)],
        points=[clicks],
        class_field="landcover",
        n=5,
        out=tmp_path / "next.gpkg",
    )
    frame = layer(tmp_path / "next.gpkg")
    assert list(frame.columns) == ["landcover", "who", "year", "rank", "suggested", "confidence", "why", "geometry"]
    assert frame[["landcover", "who", "year"]].isna().all(axis=None)
    assert set(frame["suggested"]) <= {"bare", "grass", "road", "water", "woodland"}
    assert frame["confidence"].between(0.2, 1).all()
    assert frame["why"].str.contains(" or ").all()
    names = [name for name, _ in pyogrio.list_layers(tmp_path / "next.gpkg")]
    assert names == ["questions", "extents", "layer_styles"]
    extents = pyogrio.read_dataframe(tmp_path / "next.gpkg", layer="extents")
    assert all(box.contains(point) for box, point in zip(extents.geometry, frame.geometry, strict=True))
    style = pyogrio.read_dataframe(tmp_path / "next.gpkg", layer="layer_styles", read_geometry=False)["styleQML"][0]
    assert "ValueMap" in style
    assert 'value="woodland"' in style


def test_before_there_is_a_model(image, clicks, tmp_path):
    report = query(raster=[str(image)], n=9, size=200, out=tmp_path / "first.gpkg")
    assert report.strategy == "stratified"
    frame = layer(tmp_path / "first.gpkg")
    assert list(frame.columns) == ["class", "rank", "suggested", "confidence", "why", "geometry"]
    assert frame["suggested"].isna().all()
    again = query(
        raster=[str(image)], n=9, size=200, points=[clicks], class_field="landcover", out=tmp_path / "two.gpkg"
    )
    assert len(again.asked) == 9
    style = pyogrio.read_dataframe(tmp_path / "two.gpkg", layer="layer_styles", read_geometry=False)["styleQML"][0]
    assert 'value="grass"' in style
    assert 'value="woodland"' not in style


def test_codes_are_answered_with_codes(image, points_file, tmp_path):
    with rasterio.open(image) as source:
        xy = [source.transform @ (col, 80) for col in (20, 60, 120)]
    numbers = points_file([(*at, code) for at, code in zip(xy, [7, 30, 7], strict=True)], "numbers.gpkg")
    query(raster=[str(image)], points=[numbers], class_field="landcover", n=3, out=tmp_path / "next.gpkg")
    assert str(layer(tmp_path / "next.gpkg")["landcover"].dtype).lower().startswith(("int", "float"))
    style = pyogrio.read_dataframe(tmp_path / "next.gpkg", layer="layer_styles", read_geometry=False)["styleQML"][0]
    assert 'value="30"' in style


def test_fewer_are_asked_where_there_is_no_more_and_it_says_so(raster_file, points_file, checkpoint, tmp_path):
    tiny = raster_file(np.full((2, 12, 12), 100, np.uint8), "tiny.tif", nodata=0, names=["red", "green"])
    with rasterio.open(tiny) as source:
        x, y = source.transform @ (6, 6)
    near = points_file([(x, y, "grass"), (x + 40, y, "water")])
    where = {"raster": [str(tiny)], "points": [near], "class_field": "landcover"}
    for model in (None, [str(checkpoint)]):
        report = query(**where, model=model, n=10, apart=8, out=tmp_path / "none.gpkg", overwrite=True)
        assert (len(report.asked), report.wanted) == (0, 10)
        assert "there is no more to ask about" in str(report)
        assert len(layer(tmp_path / "none.gpkg")) == 0
    report = query(raster=[str(tiny)], n=10, size=50, out=tmp_path / "few.gpkg")
    assert 0 < len(report.asked) < 10


def test_a_raster_without_data_is_refused_or_gives_no_question(raster_file, checkpoint, tmp_path):
    empty = raster_file(np.zeros((2, 40, 40), np.uint8), "empty.tif", nodata=0, names=["red", "green"])
    with pytest.raises(GeoPointSegError, match="expected some valid pixels"):
        query(raster=[str(empty)], out=tmp_path / "a.gpkg")
    assert not list(tmp_path.glob("?.gpkg"))
    report = query(raster=[str(empty)], model=[str(checkpoint)], out=tmp_path / "b.gpkg")
    assert (len(report.asked), report.superpixels) == (0, 0)


def test_held_out_ground_is_not_asked_about(image, clicks, tmp_path):
    rng = np.random.default_rng(1)
    grid = open_raster(image).grid
    rows, cols = rng.integers(NODATA_ROWS + 2, 160, 40), rng.integers(0, 200, 40)
    names = np.where(rng.random(40) < 0.5, "grass", "water")
    frame = gpd.GeoDataFrame(
        {"landcover": names}, geometry=gpd.points_from_xy(*grid.xy(rows, cols)), crs=grid.crs.to_wkt()
    )
    frame.to_file(tmp_path / "many.gpkg")
    points = tmp_path / "points.gpkg"
    check([str(image)], source=PointSource(tmp_path / "many.gpkg", "landcover"), split=Split(0.3), out=points)
    report = query(raster=[str(image)], points=[points], n=30, size=60, apart=2, out=tmp_path / "next.gpkg")
    closed = pyogrio.read_dataframe(points, layer="held_out").union_all()
    assert report.held_out > 0
    asked = layer(tmp_path / "next.gpkg")
    assert "class_name" in asked.columns
    assert "status" not in asked.columns
    assert not asked.within(closed.buffer(-100)).any()  # a superpixel's middle decides, not its pixel


def test_several_models_and_their_disagreement(image, checkpoint, tmp_path):
    options = {"raster": [str(image)], "n": 4, "overwrite": True, "out": tmp_path / "next.gpkg"}
    twin = shutil.copy(checkpoint, tmp_path / "twin.ckpt")
    twins = [str(checkpoint), str(twin)]
    same = query(**options, model=twins, uncertainty="disagreement")
    assert same.asked["doubt"].abs().max() < 1e-3  # a model agrees with itself
    one = query(**options, model=[str(checkpoint)])
    both = query(**options, model=twins)
    np.testing.assert_allclose(one.asked["doubt"], both.asked["doubt"], atol=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 0}, "at least 1 question to ask for, got --n 0: say how many"),
        ({"size": 1}, "superpixels of at least 2 pixels on average, got --size 1: leave --size out"),
        ({"apart": -1}, "0 pixels or more, got --apart -1: leave --apart out"),
        ({"seed": -2}, "a seed of 0 or more, got --seed -2: take another"),
        ({"model": ["model", "./model"]}, "expected every model once, got model and ./model, which are the same"),
        ({"strategy": "hybrid"}, "expected a --model for --strategy hybrid"),
        ({"uncertainty": "disagreement"}, "expected several models"),
        ({"window": 100}, "multiple of 32"),
        ({"out": "next.shp"}, "expected a GeoPackage"),
        ({"class_field": "fid"}, "expected a class field that the layer of questions does not need itself, got fid"),
        ({"class_field": "rank"}, "does not need itself, got rank"),
    ],
)
def test_what_cannot_work_is_refused(given, message, image, tmp_path):
    options = {"out": "next.gpkg"} | given
    with pytest.raises(GeoPointSegError, match=message):
        query(raster=[str(image)], **options | {"out": tmp_path / options["out"]})


def test_the_command_names_its_file_and_what_comes_next(image, tmp_path, capsys):
    out = tmp_path / "next.gpkg"
    assert main(["query", "--raster", str(image), "--n", "4", "--size", "200", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "4 questions by strategy stratified" in said
    assert f"fill in {out} in QGIS" in said
    assert main(["query", "--raster", str(image), "--out", str(out)]) == 2
