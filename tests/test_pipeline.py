"""The whole story on a small scene: everything it promises is there, on the raster's grid, and the same again."""

import html
import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.pseudomask import Spreading
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource
from geopointseg.raster import raster_classes
from geopointseg.scene import write_scene
from pipelines.points_to_map import run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*does not have many workers")]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """320 x 320 pixels with dense truth."""
    return write_scene(tmp_path_factory.mktemp("scene"), height=320, width=320, seed=3)


@pytest.fixture(scope="module")
def clicks(scene, tmp_path_factory):
    """Fifteen points of each class of the truth, as an analyst's shapefile."""
    rng = np.random.default_rng(0)
    names = raster_classes(scene.truth).names
    with rasterio.open(scene.truth) as source:
        truth, transform = source.read(1), source.transform
    places = [(name, *rng.choice(np.argwhere(truth == i))) for i, name in enumerate(names) for _ in range(15)]
    xy = [transform @ (col + 0.5, row + 0.5) for _, row, col in places]
    path = tmp_path_factory.mktemp("clicks") / "samples.shp"
    frame = gpd.GeoDataFrame(
        {"cover": [name for name, *_ in places]}, geometry=gpd.points_from_xy(*zip(*xy, strict=True))
    )
    frame.set_crs("EPSG:32633").to_file(path)
    return path


@pytest.fixture(scope="module")
def made(scene, clicks, tmp_path_factory):
    """A run of 40 steps."""
    out = tmp_path_factory.mktemp("run") / "result"
    return out, run(
        raster=[str(scene.image)],
        source=PointSource(clicks, "cover"),
        split=Split(),
        spreading=Spreading(),
        out=out,
        truth=[str(scene.truth)],
        steps=40,
    )


def pixels(path):
    """The ids of a map."""
    with rasterio.open(path) as source:
        return source.read(1)


def test_every_file_it_names_is_there_and_no_other(made):
    out, report = made
    files = [file for path in report.files for file in (path.iterdir() if path.is_dir() else [path])]
    names = {str(path.relative_to(out)) for path in files}
    assert {"report.html", "map.tif", "map.qml", "map.tif.aux.xml", "model.ckpt", "scores.json", "points.gpkg"} <= names
    assert {"model/weights.safetensors", "model/model.json"} <= names
    assert {"masks/image.tif", "masks/image_weights.tif", "overview.png", "curves.png"} <= names
    assert {"errors.png", "panels.png"} <= names
    assert all(path.stat().st_size for path in files)
    there = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {name for name in there - names if not name.startswith("log/")} == set()
    assert "log/metrics.csv" in there
    assert report.files[0].name == "report.html"


def test_it_says_what_computed_the_map_and_why(made):
    out, report = made
    figures = json.loads((out / "scores.json").read_text())["prediction"]
    assert figures == report.predictor.figures()
    assert f"maps: computed by {figures['backend']} in " in str(report)
    assert html.escape(report.predictor.why) in (out / "report.html").read_text()
    with rasterio.open(out / "map.tif") as source:
        assert source.tags()["BACKEND"] == f"{figures['backend']} {figures['precision']}"


def test_the_steps_as_commands_give_the_same_map_and_scores(made, scene, tmp_path, capsys):
    out, report = made
    again = tmp_path / "again.tif"
    assert main(["predict", str(out / "model"), str(scene.image), "--out", str(again)]) == 0
    np.testing.assert_array_equal(pixels(again), pixels(out / "map.tif"))
    for basis, option in (
        ("held-out points", ["--points", str(out / "points.gpkg")]),
        ("dense truth", ["--truth", str(scene.truth)]),
    ):
        scores = tmp_path / f"{basis}.json"
        assert main(["assess", str(again), *option, "--out", str(scores)]) == 0
        assert str(scores) in capsys.readouterr().out
        assert json.loads(scores.read_text()) == report.figures()["scores"][basis]


def test_the_map_lies_on_the_rasters_grid(made, scene):
    out, _ = made
    with rasterio.open(out / "map.tif") as found, rasterio.open(scene.image) as source:
        assert (found.crs, found.transform, found.shape) == (source.crs, source.transform, source.shape)
        assert found.nodata == 255
    assert set(np.unique(pixels(out / "map.tif"))) <= set(range(len(raster_classes(scene.truth))))


def test_the_scores_are_those_of_the_map(made, scene):
    out, report = made
    scores = json.loads((out / "scores.json").read_text())
    assert scores == report.figures()
    dense = scores["scores"]["dense truth"]
    places = [one for basis, one in scores["scores"].items() if basis.startswith("dense truth, ")]
    assert sum(one["count"] for one in places) == dense["count"]
    assert set(scores["hashes"]) >= {"points", "model", "configuration, hash", "pseudo-mask image.tif"}
    agree = (pixels(out / "map.tif") == pixels(scene.truth)).mean()
    assert dense["overall_accuracy"] == pytest.approx(agree)
    assert dense["overall_accuracy"] > 0.3  # of six classes: it has learnt something
    held_out = scores["scores"]["held-out points"]
    assert held_out["count"] + held_out["unmapped"] == scores["points"]["split"]["test"]
    assert sum(scores["points"]["split"].values()) == scores["points"]["status"]["used"]


def test_no_pixel_near_a_held_out_point_is_trained_on(made):
    out, report = made
    points = report.checked.points.used("test")
    with rasterio.open(out / "masks" / "image.tif") as source:
        values = [value[0] for value in source.sample(zip(points.geometry.x, points.geometry.y, strict=True))]
    assert len(values) > 3
    assert set(values) == {255}


def test_the_page_holds_scores_and_pictures(made):
    out, report = made
    page = (out / "report.html").read_text(encoding="utf-8")
    miou = report.assessments[0].figures()["miou"]
    assert f"{miou:.3f}" in page
    assert page.count("data:image/png;base64,") >= 3


def test_a_random_split_stands_beside_the_blocked_one_where_asked(scene, clicks, tmp_path):
    out = tmp_path / "result"
    report = run(
        raster=[str(scene.image)],
        source=PointSource(clicks, "cover"),
        split=Split(),
        spreading=Spreading(),
        out=out,
        steps=2,
        chip=32,
        batch_size=2,
        compare_splits=True,
    )
    splits = json.loads((out / "scores.json").read_text())["splits"]
    assert splits["blocked"] == report.figures()["scores"]["held-out points"]
    other = json.loads((out / "other_split" / "scores.json").read_text())
    assert splits["random"] == other["scores"]["held-out points"]
    assert "splits" not in other
    assert "The same recipe under two splits" in (out / "report.html").read_text()


def test_loss_and_weights_of_classes_are_reported(scene, clicks, tmp_path):
    out = tmp_path / "result"
    report = run(
        raster=[str(scene.image)],
        source=PointSource(clicks, "cover"),
        split=Split(),
        spreading=Spreading(),
        out=out,
        steps=2,
        loss={"cross-entropy": 1, "dice": 0.5},
        class_weights="inverse",
    )
    assert out / "class_weights.json" in report.files
    figures = json.loads((out / "scores.json").read_text())["training"]
    assert figures["loss"] == "cross-entropy + 0.5 × dice"
    assert figures["class_weights"] == json.loads((out / "class_weights.json").read_text())
    assert "class weights: inverse, by click" in str(report)
    assert "class weights: inverse, by click" in (out / "report.html").read_text()


def test_a_second_run_into_the_folder_is_refused(made, scene, clicks):
    out, _ = made
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(GeoPointSegError, match=r"expected a new or empty folder, got .*: add --overwrite"):
        run(
            raster=[str(scene.image)],
            source=PointSource(clicks, "cover"),
            split=Split(),
            spreading=Spreading(),
            out=out,
        )
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_backbone_that_nobody_knows_is_refused_before_anything_is_made(scene, clicks, tmp_path):
    with pytest.raises(
        GeoPointSegError, match="expected a backbone that segmentation-models-pytorch knows for unet, got 'foo'"
    ):
        run(
            raster=[str(scene.image)],
            source=PointSource(clicks, "cover"),
            split=Split(),
            spreading=Spreading(),
            out=tmp_path / "out",
            backbone="foo",
        )
    assert not (tmp_path / "out").exists()


def test_same_seed_same_map(scene, clicks, tmp_path):
    maps = []
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        out = tmp_path / name
        run(
            raster=[str(scene.image)],
            source=PointSource(clicks, "cover"),
            split=Split(),
            spreading=Spreading(),
            out=out,
            steps=5,
            seed=seed,
        )
        maps.append(out / "map.tif")
    assert maps[0].read_bytes() == maps[1].read_bytes()
    losses = [(path.parent / "log" / "metrics.csv").read_text() for path in maps]
    assert losses[0] != losses[2]  # after so few steps the maps may still be of one class


def test_a_resumed_run_makes_the_same_map(scene, clicks, tmp_path, monkeypatch):
    monkeypatch.setattr("geopointseg.learning.data.EPOCH", 3)
    monkeypatch.setattr("geopointseg.learning.resume.EVERY", 0)
    given = {"raster": [str(scene.image)], "source": PointSource(clicks, "cover"), "split": Split(), "steps": 8}
    given |= {"spreading": Spreading(), "precision": "32-true"}
    run(**given, out=tmp_path / "whole")

    def stop(task, *_):
        if task.trainer.global_step == 4:
            raise RuntimeError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr("geopointseg.learning.task.PointSegmentationTask.on_train_batch_start", stop)
        with pytest.raises(RuntimeError, match="power"):
            run(**given, out=tmp_path / "broken")
    assert not (tmp_path / "broken" / "map.tif").exists()
    with pytest.raises(GeoPointSegError, match="--resume to go on with the training that was broken off"):
        run(**given, out=tmp_path / "broken")
    run(**given, out=tmp_path / "broken", resume=True)
    one, other = tmp_path / "whole", tmp_path / "broken"
    assert (one / "map.tif").read_bytes() == (other / "map.tif").read_bytes()
    assert (one / "scores.json").read_text() == (other / "scores.json").read_text()


def test_a_raster_smaller_than_a_chip_with_codes_for_classes(raster_file, points_file, tmp_path):
    halves = np.where(np.arange(90) < 45, 40, 160)[None, None].repeat(3, 0).repeat(100, 1)
    halves = (halves + np.random.default_rng(0).integers(20, size=halves.shape)).astype(np.uint16)
    halves[:, :, 80:] = 0
    rows = [
        (400_005 + 10 * x, 5_799_995 - 10 * y, 10 if x < 45 else 22531)
        for x in (5, 30, 55, 75)
        for y in range(5, 95, 9)
    ]
    out = tmp_path / "result"
    run(
        raster=[str(raster_file(halves, nodata=0))],
        source=PointSource(points_file(rows), "landcover"),
        split=Split(),
        spreading=Spreading(),
        out=out,
        steps=30,
    )
    ids = pixels(out / "map.tif")
    assert ids.shape == (100, 90)
    np.testing.assert_array_equal(ids == 255, (halves == 0).all(axis=0))
    own = raster_classes(out / "map.tif")
    assert own.codes == (10, 22531)
    assert own.names == ("10", "22531")
    sides = ids[:, :40], ids[:, 50:80]
    assert [np.bincount(side.ravel()).argmax() for side in sides] == [0, 1]


def test_two_rasters_give_two_maps(scene, clicks, raster_file, tmp_path):
    with rasterio.open(scene.image) as source:
        bands, origin = source.read(), (source.bounds.left, source.bounds.top)
    files = [
        raster_file(bands[:, :, :160], "west.tif", origin=origin, pixel=(0.5, 0.5)),
        raster_file(bands[:, :, 160:], "east.tif", origin=(origin[0] + 80, origin[1]), pixel=(0.5, 0.5)),
    ]
    out = tmp_path / "result"
    run(
        raster=[str(path) for path in files],
        source=PointSource(clicks, "cover"),
        split=Split(),
        spreading=Spreading(),
        out=out,
        steps=3,
    )
    assert sorted(path.name for path in (out / "maps").glob("*.tif")) == ["east.tif", "west.tif"]
