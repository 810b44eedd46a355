"""What is asked: on valid pixels, away from points, in a layer that is read first and can be filled in and handed back."""

import json
import re
import shutil

import geopandas as gpd
import numpy as np
import pandas as pd
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


def test_disagreement_of_thinned_copies_of_one_model(image, checkpoint, tmp_path):
    options = {"raster": [str(image)], "model": [str(checkpoint)], "n": 6, "size": 200, "strategy": "uncertainty"}
    options |= {"uncertainty": "dropout", "window": 64, "overlap": 16}
    one, again, other = (query(**options, seed=s, out=tmp_path / f"{i}.gpkg") for i, s in enumerate((0, 0, 1)))
    assert one.asked["doubt"].between(1e-4, 1).all()
    assert one.asked["doubt"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(one.asked, again.asked)
    assert not np.allclose(one.asked["doubt"], other.asked["doubt"])
    good = valid(read(open_raster(image), Window(0, 0, 160, 200)))
    assert good[tuple(pixels(layer(tmp_path / "0.gpkg"), image).T)].all()


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
        ({"uncertainty": "dropout"}, "expected one model for --uncertainty dropout, got 0: name one"),
        ({"uncertainty": "dropout", "model": ["a", "b"]}, "got 2: name one after --model, or choose disagreement"),
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


def filled(path, out, answers):
    """A copy of a layer of questions in which the first ones have an answer."""
    frame = pyogrio.read_dataframe(path, layer="questions")
    frame.loc[: len(answers) - 1, "landcover"] = answers
    extents = pyogrio.read_dataframe(path, layer="extents")
    pyogrio.write_dataframe(frame, out, layer="questions")
    pyogrio.write_dataframe(extents, out, layer="extents")
    return out


def test_what_is_not_answered_yet_is_not_asked_again_unless_told(image, clicks, tmp_path):
    options = {"raster": [str(image)], "class_field": "landcover", "n": 8, "size": 200, "strategy": "core-set"}
    query(**options, points=[clicks], out=tmp_path / "first.gpkg")
    partly = filled(tmp_path / "first.gpkg", tmp_path / "partly.gpkg", ["grass", "water", "grass"])
    both = [clicks, partly]
    open_ = pixels(layer(partly).iloc[3:], image)

    def nearest(name):
        at = pixels(layer(tmp_path / name), image)
        return np.abs(at[:, None] - open_[None]).max(axis=2).min()

    report = query(**options, points=both, out=tmp_path / "next.gpkg")
    assert nearest("next.gpkg") > 8
    assert "5 earlier questions are not answered yet: left as before, and nothing is asked there again" in str(report)
    assert json.loads((tmp_path / "next.query.json").read_text())["waiting"] == 5
    report = query(**options, points=both, again=True, out=tmp_path / "again.gpkg")
    assert nearest("again.gpkg") == 0
    assert "their places may be asked about again" in str(report)
    assert layer(partly)["landcover"].isna().sum() == 5
    with pytest.raises(GeoPointSegError, match=r"only empty ones in .*first\.gpkg: answer some of its questions first"):
        query(**options, points=[tmp_path / "first.gpkg"], out=tmp_path / "none.gpkg")
    with pytest.raises(GeoPointSegError, match=r"expected another file as --out, got .*partly\.gpkg, one of --points"):
        query(**options, points=both, out=partly, overwrite=True)


def test_points_beside_the_raster_are_refused(image, clicks, tmp_path):
    far = gpd.read_file(clicks)
    far.geometry = far.geometry.translate(1e6)
    far.to_file(tmp_path / "far.gpkg")
    options = {"raster": [str(image)], "class_field": "landcover", "out": tmp_path / "next.gpkg"}
    with pytest.raises(GeoPointSegError, match=r"expected points on the raster, got 4 outside\. In degrees"):
        query(**options, points=[tmp_path / "far.gpkg"])
    assert len(query(**options, points=[tmp_path / "far.gpkg", clicks], n=3).asked) == 3  # some of them do lie there


def test_too_much_room_around_points_names_what_would_fit(image, clicks, tmp_path):
    options = {"raster": [str(image)], "points": [clicks], "class_field": "landcover", "size": 200, "overwrite": True}
    options |= {"n": 60, "out": tmp_path / "next.gpkg"}
    report = query(**options, apart=90)
    assert len(report.asked) < 60
    said = re.search(
        "60 were wanted, .* nearer to a point than --apart 90: --apart (\\d+) leaves room for", str(report)
    )
    room = int(said[1])
    assert len(query(**options, apart=room).asked) == 60
    assert len(query(**options, apart=room + 1).asked) < 60
    none = query(**options | {"n": 5000}, apart=90)
    assert "take smaller superpixels than --size 200, or come nearer to points than --apart 90" in str(none)


def test_one_is_one(image, tmp_path):
    report = query(raster=[str(image)], n=1, size=200, out=tmp_path / "next.gpkg")
    assert str(report).startswith("1 question by strategy stratified, of ")
    assert "not asked about: 0 superpixels with a point in or beside" in str(report)


def test_the_command_names_its_file_and_what_comes_next(image, clicks, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "result").mkdir()
    out = tmp_path / "the next {1}.gpkg"
    given = ["query", "--raster", str(image), "--n", "4", "--size", "200", "--out", str(out)]
    assert main([*given, "--points", str(clicks), "--class-field", "landcover"]) == 0
    said = capsys.readouterr().out
    assert "4 questions by strategy stratified" in said
    assert f"fill in {out} in QGIS, then geopointseg run --raster {image} --points {clicks} '{out}'" in said
    assert said.endswith(" --class-field landcover --out result2\n")
    assert main(given) == 2
    assert "add --overwrite" in capsys.readouterr().err


def test_what_comes_next_starts_from_the_model(image, checkpoint, tmp_path):
    report = query(raster=[str(image)], model=[str(checkpoint)], n=2, nodata=0, out=tmp_path / "next.gpkg")
    assert f"--class-field class --nodata 0 --warm-start {checkpoint} --out result" in report.following
