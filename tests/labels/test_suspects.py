"""Suspects: flipped labels come first, and no label vouches for itself."""

import json

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.draw import flip_labels
from geopointseg.labels.suspects import suspects
from geopointseg.labels.suspicion import leave_one_out, suspicion


def clouds(n=240, classes=4, seed=0):
    """Points of each class around a middle of its own, with some overlap."""
    rng = np.random.default_rng(seed)
    true = np.arange(n) % classes
    return true, rng.normal(0, 1, (n, 6)) + 3 * np.eye(classes, 6)[true]


@pytest.mark.parametrize("share", [0.1, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_flipped_labels_are_found(share, seed):
    true, features = clouds(seed=seed)
    given = flip_labels(true, share, np.random.default_rng(seed))
    found = suspicion(leave_one_out(features, given, 4), given)
    flipped = given != true
    first = np.argsort(-found.score)[: flipped.sum()]
    assert flipped[first].mean() > 0.7  # by chance: the share itself
    assert flipped[found.suspected].mean() > 0.8  # who is taken for wrong should be; not all who are wrong
    assert found.suspected[flipped].mean() > 0.3
    assert (found.other[flipped] == true[flipped]).mean() > 0.6


def test_predictions_are_those_of_a_fit_without_the_point():
    true, features = clouds(n=24, classes=2)
    shares = leave_one_out(features, true, 2)
    changed = true.copy()
    changed[5] = 1 - changed[5]  # its own label must not matter to what is said of it, but for how many each class has
    again = leave_one_out(features, changed, 2)
    assert abs(shares[5] - again[5]).max() < 0.1
    assert shares[5].argmax() == true[5]
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_too_little_to_judge():
    assert leave_one_out(np.zeros((0, 3)), np.zeros(0, np.int64), 2).shape == (0, 2)
    one_class = leave_one_out(np.zeros((4, 3)), np.zeros(4, np.int64), 2)
    assert not suspicion(one_class, np.zeros(4, np.int64)).suspected.any()
    assert suspicion(np.zeros((0, 2)), np.zeros(0, np.int64)).score.size == 0
    lonely = np.array([0] * 10 + [1])  # the only point of its class is not doubted: nobody knows what it looks like
    found = suspicion(leave_one_out(np.zeros((11, 2)), lonely, 2), lonely)
    assert not found.suspected[10]


@pytest.fixture
def scene(raster_file, points_file):
    """A raster dark on its left and bright on its right half; 40 points, two of them with the other's name."""
    picture = np.repeat([[60] * 80 + [180] * 80], 120, axis=0) + np.random.default_rng(0).integers(0, 20, (2, 120, 160))
    image = raster_file(picture.astype(np.uint8), "image.tif")
    rng = np.random.default_rng(1)
    rows, cols = rng.integers(2, 118, 40), np.concatenate([rng.integers(5, 75, 20), rng.integers(85, 155, 20)])
    names = np.array(["dark"] * 20 + ["bright"] * 20, object)
    names[[3, 27]] = "bright", "dark"
    with rasterio.open(image) as source:
        xy = [source.transform @ (col + 0.5, row + 0.5) for row, col in zip(rows, cols, strict=True)]
    return image, points_file([(*at, name) for at, name in zip(xy, names, strict=True)])


def test_the_wrong_points_of_a_file_are_named(scene, tmp_path):
    image, points = scene
    out = tmp_path / "suspects.gpkg"
    report = suspects(raster=[str(image)], points=[points], class_field="landcover", out=out)
    frame = pyogrio.read_dataframe(out, layer="suspects")
    expected = gpd.read_file(points).geometry.iloc[[3, 27]]
    assert {point.wkt for point in frame.geometry} == {point.wkt for point in expected}
    assert sorted(zip(frame["class_name"], frame["looks_like"], strict=True)) == [
        ("bright", "dark"),
        ("dark", "bright"),
    ]
    assert frame["rank"].tolist() == [1, 2]
    assert frame["why"].str.startswith("the other points say").all()
    figures = json.loads(out.with_suffix(".suspects.json").read_text())
    assert (figures["points"], figures["suspected"]) == (40, 2)
    assert "2 of 40 points are probably wrong\n2 points in the layer: look at them in the order of rank" in str(report)
    assert "1 bright that looks like dark" in str(report)


def test_as_many_as_are_wanted_and_the_command(scene, tmp_path, capsys):
    image, points = scene
    out = tmp_path / "some.gpkg"
    given = ["suspects", "--raster", str(image), "--points", str(points), "--out", str(out)]
    assert main(given) == 2
    assert "expected --class-field" in capsys.readouterr().err
    assert main([*given, "--class-field", "landcover", "--n", "5"]) == 0
    assert len(pyogrio.read_dataframe(out, layer="suspects")) == 5
    assert "2 of 40 points are probably wrong\n5 points in the layer" in capsys.readouterr().out


def test_no_suspects_wanted_is_refused(scene, tmp_path):
    image, points = scene
    with pytest.raises(GeoPointSegError, match="at least 1 suspect"):
        suspects(raster=[str(image)], points=[points], class_field="landcover", n=0, out=tmp_path / "a.gpkg")


def some_of(points, tmp_path, rows):
    """A few of the points."""
    path = tmp_path / "some_points.gpkg"
    gpd.read_file(points).iloc[rows].to_file(path)
    return path


@pytest.mark.parametrize(
    ("rows", "got"), [([0, 25], "1 of dark, 1 of bright"), ([0, 1, 2, 25], "3 of dark, 1 of bright")]
)
def test_too_few_points_are_refused_with_how_many_are_needed(scene, tmp_path, rows, got):
    image, points = scene
    few = some_of(points, tmp_path, rows)
    with pytest.raises(
        GeoPointSegError, match=f"at least 2 usable points in each of two classes, .*, got {got}: label"
    ):
        suspects(raster=[str(image)], points=[few], class_field="landcover", out=tmp_path / "a.gpkg")
    none = some_of(points, tmp_path, [])
    with pytest.raises(GeoPointSegError, match="got an empty layer in"):
        suspects(raster=[str(image)], points=[none], class_field="landcover", out=tmp_path / "a.gpkg")


def test_none_suspected_and_one_not_judged_are_said(scene, tmp_path):
    image, points = scene
    frame = gpd.read_file(points).drop(index=[3, 27])
    frame.loc[39, "landcover"] = "lonely"
    frame.to_file(tmp_path / "good.gpkg")
    given = {"raster": [str(image)], "points": [tmp_path / "good.gpkg"], "class_field": "landcover"}
    report = suspects(**given, out=tmp_path / "a.gpkg")
    assert "0 of 38 points are probably wrong\nno point in the layer: none is suspected" in str(report)
    assert "note: not judged, the only point of its class: lonely" in str(report)
    with pytest.raises(GeoPointSegError, match="one of --points, which would be lost"):
        suspects(**given, out=given["points"][0], overwrite=True)
