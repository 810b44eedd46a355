"""From a map by way of a random sample to hectares with intervals; what the points cannot tell is said."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from affine import Affine
from pyproj import Geod
from rasterio.crs import CRS

from geopointseg.classes import Classes
from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.labels.points import Points, write_points
from geopointseg.maps import strata as module
from geopointseg.maps.area import area
from geopointseg.maps.reference import is_reference, read_reference
from geopointseg.maps.sample import draw_pixels, sample
from geopointseg.maps.strata import measure, pixel_hectares
from geopointseg.maps.write import write_map


@pytest.fixture
def pair():
    """A map of 120 x 150 pixels and its truth: three classes, one rare, a fifth of the map wrong, a hole."""
    rng = np.random.default_rng(1)
    truth = np.zeros((120, 150), np.uint8)
    truth[:, 60:], truth[10:22, 10:30] = 1, 3
    found = np.where(rng.random(truth.shape) < 0.8, truth, rng.choice([0, 1, 3], truth.shape)).astype(np.uint8)
    found[100:, 140:] = 255
    return found, truth


def interpret(path, truth, share=1.0, empty=0):
    """Fill in what the truth says at each point."""
    frame, draws = (pyogrio.read_dataframe(path, layer=name) for name in ("reference", "draws"))
    where = draws.set_index("sample_id").loc[frame["sample_id"]]
    names = np.array(["bare", "grass", "road", "water", "woodland"], dtype=object)
    frame["reference_class"] = names[truth[where["row"], where["col"]]]
    frame.loc[: empty - 1, "reference_class"] = ""
    pyogrio.write_dataframe(frame.iloc[: int(share * len(frame))], path, layer="reference", driver="GPKG")


# hectares of pixels


def test_pixels_in_degrees_have_the_area_of_the_ellipsoid():
    grid = Grid(CRS.from_epsg(4326), Affine(0.01, 0, 10, 0, -0.02, 60), 3000, 10)
    found = pixel_hectares(grid)
    geod = Geod(ellps="WGS84")
    for row in (0, 1500, 2999):
        # a parallel is no geodesic: many vertices stand for it
        x = np.linspace(10, 10.01, 50)
        top, bottom = 60 - 0.02 * row, 60 - 0.02 * (row + 1)
        ring_x, ring_y = np.r_[x, x[::-1]], np.r_[np.full(50, bottom), np.full(50, top)]
        expected, _ = geod.polygon_area_perimeter(ring_x, ring_y)
        assert found[row] == pytest.approx(expected / 10_000, rel=1e-6)
    world = Grid(CRS.from_epsg(4326), Affine(1, 0, -180, 0, -1, 90), 180, 360)
    assert pixel_hectares(world).sum() * 360 == pytest.approx(510_065_621.7e2, rel=1e-9)  # the Earth's, in hectares


def test_pixels_in_metres_and_feet():
    metres = Grid(CRS.from_epsg(32633), Affine(10, 0, 0, 0, -20, 0), 2, 3)
    assert pixel_hectares(metres).tolist() == pytest.approx([0.02, 0.02])
    feet = Grid(CRS.from_epsg(2263), Affine(10, 0, 0, 0, -20, 0), 2, 3)
    assert pixel_hectares(feet).tolist() == pytest.approx([0.02 * (1200 / 3937) ** 2] * 2)


def test_windows_do_not_show_in_what_is_measured(class_map, pair, monkeypatch):
    path = class_map(pair[0])
    whole = measure(path)
    assert whole.pixels.tolist() == [int((pair[0] == i).sum()) for i in range(5)]
    assert whole.hectares.tolist() == pytest.approx((whole.pixels * 0.01).tolist())
    monkeypatch.setattr(module, "TILE", 32)
    np.testing.assert_array_equal(measure(path).pixels, whole.pixels)


# drawing


def test_a_sample_is_drawn_by_class_and_hides_the_map(class_map, pair, tmp_path):
    path = class_map(pair[0])
    report = sample(path, n=200, out=tmp_path / "reference.gpkg", seed=3)
    assert is_reference(report.files[0])
    read = read_reference(report.files[0])
    assert [one.name for one in read.strata] == ["bare", "grass", "water"]
    assert np.bincount(read.stratum).tolist()[2] == 50
    assert len(read.frame) == 200
    assert list(read.frame.columns) == ["sample_id", "reference_class", "note", "geometry"]
    draws = pyogrio.read_dataframe(report.files[0], layer="draws").set_index("sample_id").loc[read.frame["sample_id"]]
    assert (pair[0][draws["row"], draws["col"]] == np.array([0, 1, 3])[read.stratum]).all()
    x = 400_005 + 10 * draws["col"].to_numpy()
    np.testing.assert_allclose(read.frame.geometry.x, x)
    assert not draws.duplicated(["row", "col"]).any()
    strata = pyogrio.read_dataframe(report.files[0], layer="strata")
    assert strata["share"].sum() == pytest.approx(1)
    assert "200 points of 3 classes" in str(report)
    shown = sample(path, n=200, out=tmp_path / "shown.gpkg", seed=3, show_classes=True)
    frame = read_reference(shown.files[0]).frame
    assert (frame["map_class"] == np.array(["bare", "grass", "water"])[read.stratum]).all()


def test_the_same_seed_draws_the_same_and_another_does_not(class_map, pair, tmp_path):
    path = class_map(pair[0])
    one, two, other = (
        sample(path, n=160, out=tmp_path / f"{name}.gpkg", seed=seed).files[0].read_bytes()
        for name, seed in (("one", 0), ("two", 0), ("other", 1))
    )
    assert one == two
    assert one != other


def test_every_hectare_has_the_same_chance(tmp_path):
    ids = np.zeros((40, 50), np.uint8)
    grid = Grid(CRS.from_epsg(4326), Affine(0.5, 0, 0, 0, -2, 80), 40, 50)  # pixels at 80° are six times narrower
    path = write_map(tmp_path / "map.tif", grid, Classes.of(["a"]), [(Window(0, 0, 40, 50), ids)])[0]
    cover, drawn = measure(path), np.zeros(40)
    for seed in range(60):
        _, rows, _ = draw_pixels(cover, np.array([40]), seed)
        drawn += np.bincount(rows, minlength=40)
    expected = 2400 * pixel_hectares(grid) / pixel_hectares(grid).sum()
    # forty of two thousand without replacement: a little more even than chance
    assert ((drawn - expected) ** 2 / expected).sum() < 65  # chi-square of 39 degrees of freedom: 0.995 lies at 65.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected either --n or --margin, got neither"),
        ({"n": 9, "margin": 0.1}, "got both"),
        ({"n": 100}, "expected at least 150 points for 3 classes of 50 each, got 100"),
        ({"n": 100, "per_class": 1}, "expected at least 2 points of a class"),
        ({"margin": 0.0}, "change --expected or --margin"),
        ({"margin": 0.1, "expected": {"moon": 0.5}}, "expected classes of the map .* in --expected, got moon"),
        ({"n": 200, "seed": -1}, "expected a seed from 0 on"),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused(class_map, pair, tmp_path, options, message):
    with pytest.raises(GeoPointSegError, match=message):
        sample(class_map(pair[0]), out=tmp_path / "reference.gpkg", **options)
    assert not (tmp_path / "reference.gpkg").exists()


def test_a_margin_says_how_many(class_map, pair, tmp_path):
    report = sample(class_map(pair[0]), margin=0.05, expected={"bare": 0.9}, per_class=10, out=tmp_path / "r.gpkg")
    share = measure(tmp_path / "map.tif").hectares
    share = share / share.sum()
    deviation = share[0] * 0.3 + (share[1] + share[3]) * 0.4  # of 0.9, and of 0.8 for the others
    assert len(report.reference.frame) == int(np.ceil((deviation / (0.05 / 1.96)) ** 2))
    with pytest.raises(GeoPointSegError, match="add --overwrite"):
        sample(tmp_path / "map.tif", n=200, out=tmp_path / "r.gpkg")


# estimating


def test_from_map_to_hectares_by_the_command_line(class_map, pair, tmp_path, capsys):
    found, truth = pair
    path, points, out = class_map(found), tmp_path / "reference.gpkg", tmp_path / "area.json"
    assert main(["sample", str(path), "--n", "600", "--out", str(points)]) == 0
    assert f"next: geopointseg area MAP --points {points}" in capsys.readouterr().out
    interpret(points, truth)
    assert main(["area", str(path), "--points", str(points), "--out", str(out)]) == 0
    text, figures, table = capsys.readouterr().out, json.loads(out.read_text()), pd.read_csv(tmp_path / "area.csv")
    assert figures["warnings"] == [  # every point of water in the truth is one in the map
        "the producer's accuracy of water has no spread in these points; its interval is too narrow"
    ]
    assert f"warning: {figures['warnings'][0]}" in text
    ground = truth[found != 255]
    for i, name in ((0, "bare"), (1, "grass")):  # of water the warning says that its interval is not to be trusted
        one = figures["per_class"][name]
        low, high = one["area_ha"]["interval_95"]
        assert low <= 0.01 * (ground == i).sum() <= high, name
        assert one["mapped_ha"] == pytest.approx(0.01 * (found == i).sum())
        assert table.set_index("class").loc[name, "area_ha"] == pytest.approx(one["area_ha"]["value"])
    assert figures["overall_accuracy"]["value"] == pytest.approx((found == truth)[found != 255].mean(), abs=0.04)
    total = sum(one["area_ha"]["value"] for one in figures["per_class"].values())
    assert total == pytest.approx(0.01 * (found != 255).sum())


def test_another_map_of_the_same_ground_is_judged_after_stehman(class_map, pair, tmp_path):
    found, truth = pair
    sample(class_map(found), n=200, out=tmp_path / "r.gpkg")
    interpret(tmp_path / "r.gpkg", truth)
    perfect = class_map(np.where(found == 255, 255, truth), "perfect.tif")
    report = area(perfect, points=tmp_path / "r.gpkg", out=tmp_path / "area.json")
    assert report.estimates.overall.value == pytest.approx(1)
    assert "the strata are not the classes of this map: estimated after Stehman (2014)" in report.warnings
    assert any("has no spread in these points" in text for text in report.warnings)
    with pytest.raises(GeoPointSegError, match="expected no --strata with"):
        area(perfect, points=tmp_path / "r.gpkg", strata=perfect, out=tmp_path / "other.json")


def test_gaps_in_the_interpretation_are_said(class_map, pair, tmp_path):
    path = class_map(pair[0])
    sample(path, n=200, out=tmp_path / "r.gpkg")
    with pytest.raises(GeoPointSegError, match=r"got none in .*: fill in reference_class first"):
        area(path, points=tmp_path / "r.gpkg", out=tmp_path / "area.json")
    interpret(tmp_path / "r.gpkg", pair[1], empty=5)
    report = area(path, points=tmp_path / "r.gpkg", out=tmp_path / "area.json")
    assert report.points == 195
    assert report.warnings[0].startswith("5 of 200 points are not interpreted and left out")
    frame = pyogrio.read_dataframe(tmp_path / "r.gpkg", layer="reference")
    pyogrio.write_dataframe(pd.concat([frame, frame[:1]]), tmp_path / "r.gpkg", layer="reference", driver="GPKG")
    with pytest.raises(GeoPointSegError, match="that was not drawn by chance cannot be weighted"):
        area(path, points=tmp_path / "r.gpkg", out=tmp_path / "area2.json")


def test_points_that_were_clicked_are_not_taken_for_a_sample(class_map, tmp_path):
    path = class_map(np.repeat(np.uint8([[0, 1]]), 20, axis=1).repeat(10, axis=0))
    names = np.array(["bare", "grass"] * 10, dtype=object)
    columns = {"class_id": [0, 1] * 10, "class_name": names, "status": "used", "reason": ""}
    x = np.where(names == "bare", 400_055, 400_255) + 10 * (np.arange(20) // 2)
    frame = gpd.GeoDataFrame(
        columns | {"split": ["test"] * 12 + ["train"] * 8},
        geometry=gpd.points_from_xy(x, np.full(20, 5_799_955)),
        crs=32633,
    )
    empty = gpd.GeoDataFrame({"block": np.zeros(0, np.int64)}, geometry=[], crs=32633)
    clicks = write_points(Points(frame, Classes.of(["bare", "grass"]), empty), tmp_path / "points.gpkg")
    report = area(path, points=clicks, out=tmp_path / "area.json")
    assert report.points == 12
    assert "the sisters of the training points: they were clicked, not drawn by chance" in report.warnings[0]
    frame.to_file(tmp_path / "own.gpkg")
    other = area(path, points=tmp_path / "own.gpkg", class_field="class_name", out=tmp_path / "other.json")
    assert other.points == 20
    assert "own.gpkg does not say how its points were drawn" in other.warnings[0]
    with pytest.raises(GeoPointSegError, match="class field 'kind'"):
        area(path, points=tmp_path / "own.gpkg", class_field="kind", out=tmp_path / "third.json")


def test_strata_of_ones_own_points_and_too_few_of_them(class_map, tmp_path):
    ids = np.zeros((10, 20), np.uint8)
    ids[:, 10:] = 1
    strata = class_map(np.where(ids, 3, 2).astype(np.uint8), "strata.tif")  # named road and water
    rows = [("bare", 0), ("bare", 1), ("grass", 2), ("bare", 3), ("grass", 12), ("moon", 40)]
    x = [400_005 + 10 * col for _, col in rows]
    frame = gpd.GeoDataFrame(
        {"kind": [name for name, _ in rows]}, geometry=gpd.points_from_xy(x, [5_799_995] * 6), crs=32633
    )
    frame.to_file(tmp_path / "own.gpkg")
    options = {"points": tmp_path / "own.gpkg", "class_field": "kind", "strata": strata}
    report = area(class_map(ids), **options, out=tmp_path / "area.json")
    assert [one.name for one in report.strata] == ["road", "water"]
    assert report.estimates.area[0].value == pytest.approx(1 * 3 / 4)
    assert report.estimates.area[0].error is None
    assert any("fewer than 2 points in water" in text for text in report.warnings)
    assert any("1 of 6 points lie on no stratum" in text for text in report.warnings)
    assert "±     –" in str(report)
    json.dumps(report.figures(), allow_nan=False)


def test_intervals_that_cannot_be_are_named(class_map, pair, tmp_path):
    found, truth = pair
    wrong = np.where((truth == 0) & (np.arange(150) == 5), 4, truth)  # a strip of woodland that the map has not
    path = class_map(np.where(found == 4, 0, found))
    sample(path, n=200, out=tmp_path / "r.gpkg", seed=2)
    interpret(tmp_path / "r.gpkg", wrong)
    report = area(path, points=tmp_path / "r.gpkg", out=tmp_path / "area.json")
    (woodland,) = (
        one for name, one in zip(report.estimates.classes, report.estimates.area, strict=True) if name == "woodland"
    )
    assert woodland.value > 0
    assert any("the area of woodland reaches below 0 ha, which cannot be" in text for text in report.warnings)
