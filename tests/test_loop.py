"""The loop closes: ask, answer, run, ask again; what is answered goes through `run`, which starts from the last model."""

import json

import numpy as np
import pyogrio
import pytest

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.check import check
from geopointseg.labels.pseudomask import Spreading
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource
from geopointseg.maps.query import query
from geopointseg.scene import write_scene
from pipelines.experiments.active import annotate, answer
from pipelines.points_to_map import run


def test_an_annotator_errs_as_often_as_told_and_leaves_open_what_nobody_knows():
    truth = np.array([0, 1, 2, UNLABELLED] * 50)
    np.testing.assert_array_equal(answer(truth), truth)
    said = answer(truth, error_rate=0.2, seed=3)
    assert (said == UNLABELLED).sum() == 50
    assert (said != truth).sum() == 30
    assert answer(truth[:0]).size == 0
    with pytest.raises(GeoPointSegError, match="error rate from 0 to 1"):
        answer(truth, error_rate=1.5)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """192 × 192 pixels with dense truth."""
    return write_scene(tmp_path_factory.mktemp("scene"), height=192, width=192)


def asked(scene, out, n=20, **given):
    return query(raster=[str(scene.image)], n=n, size=150, out=out, **given)


def test_answers_join_the_points_and_open_questions_are_counted(scene, tmp_path):
    asked(scene, tmp_path / "first.gpkg")
    first = annotate(tmp_path / "first.gpkg", [str(scene.truth)], class_field="class", out=tmp_path / "points.gpkg")
    asked(scene, tmp_path / "next.gpkg", points=[first], class_field="class", seed=1)
    after = annotate(tmp_path / "next.gpkg", [str(scene.truth)], class_field="class", out=tmp_path / "filled.gpkg")
    frame = pyogrio.read_dataframe(after, layer="questions")
    frame.loc[:6, "class"] = None  # seven are left open
    extents = pyogrio.read_dataframe(after, layer="extents")
    after = tmp_path / "partly.gpkg"
    pyogrio.write_dataframe(frame, after, layer="questions")
    pyogrio.write_dataframe(extents, after, layer="extents")
    source = PointSource([first, after], "class")
    report = check([str(scene.image)], source=source, split=Split(0), out=tmp_path / "all.gpkg")
    assert len(report.points.used()) == 33
    assert report.points.frame["source_file"].value_counts().to_dict() == {"points.gpkg": 20, "partly.gpkg": 13}
    assert "7 of 20 questions in partly.gpkg not answered yet" in report.notes
    assert not {"rank", "suggested", "confidence", "why"} & set(report.points.frame.columns)
    again = PointSource([tmp_path / "all.gpkg", after], "class_name")
    with pytest.raises(GeoPointSegError, match="got the fields class"):  # it asked for another field
        check([str(scene.image)], source=again, split=Split(0), out=tmp_path / "more.gpkg")


def test_a_checked_layer_and_answers_to_it_are_one(scene, tmp_path):
    asked(scene, tmp_path / "first.gpkg")
    first = annotate(tmp_path / "first.gpkg", [str(scene.truth)], class_field="class", out=tmp_path / "points.gpkg")
    checked = tmp_path / "checked.gpkg"
    check([str(scene.image)], source=PointSource(first, "class"), split=Split(0), out=checked)
    asked(scene, tmp_path / "next.gpkg", points=[checked])
    after = annotate(tmp_path / "next.gpkg", [str(scene.truth)], out=tmp_path / "filled.gpkg")
    source = PointSource([checked, after], "class_name")
    report = check([str(scene.image)], source=source, split=Split(0), out=tmp_path / "all.gpkg")
    assert len(report.points.used()) == 40
    assert len(report.points.frame.columns) == len(set(report.points.frame.columns))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_answers_go_through_run_and_start_from_the_last_model(tmp_path):
    seed = 1
    scene = write_scene(tmp_path / "scene", height=192, width=192, seed=seed)
    truth = [str(scene.truth)]
    options = {"raster": [str(scene.image)], "truth": truth, "split": Split(0), "spreading": Spreading(), "seed": seed}
    options |= {"chip": 64, "batch_size": 4, "steps": 60}
    asked(scene, tmp_path / "first.gpkg", 10, seed=seed)
    points = annotate(tmp_path / "first.gpkg", truth, class_field="class", out=tmp_path / "points.gpkg")
    one = run(**options, source=PointSource(points, "class"), out=tmp_path / "one")
    model = str(tmp_path / "one" / "model")
    asked(scene, tmp_path / "next.gpkg", 40, model=[model], points=[points], class_field="class", seed=seed)
    more = annotate(tmp_path / "next.gpkg", truth, class_field="class", out=tmp_path / "filled.gpkg")
    two = run(**options, source=PointSource([points, more], "class"), out=tmp_path / "two", warm_start=model)
    assert json.loads((tmp_path / "two" / "scores.json").read_text())["training"]["started_from"] == two.started
    assert "the last model" in two.started
    assert len(two.checked.points.used()) > len(one.checked.points.used())
