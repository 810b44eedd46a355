"""An experiment that was killed goes on and ends with the same table; shards end with it too."""

import json
from pathlib import Path

import pandas as pd
import pytest

from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from pipelines.experiments import experiment as command
from pipelines.experiments import methods
from pipelines.experiments.experiment import experiment
from pipelines.experiments.plan import read_experiment

CONFIGS = Path(__file__).parents[2] / "configs" / "experiments"
WRITTEN = ["table.md", "figure.png", "results.csv", "results.parquet", "experiment.json", "command.txt"]
YAML = """
about: Do neighbours need clicks?
data: synthetic-seasons
grid:
  clicks.count: [10, 20, 40, 80]
  method: [nearest]
baseline: {clicks.count: 80}
axis: clicks.count
knee: true
seeds: [0, 1]
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "forests.yaml"
    path.write_text(YAML)
    return path


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, cache):
    """The experiment in one go."""
    folder = tmp_path_factory.mktemp("unbroken")
    path = folder / "forests.yaml"
    path.write_text(YAML)
    report = experiment(path, out=folder / "out", cache=cache)
    assert [file.name for file in report.files] == WRITTEN
    return folder / "out"


def frame(folder):
    """The results, but for the time they took."""
    found = pd.read_csv(folder / "results.csv")
    return found.drop(columns=[name for name in found if name.startswith("seconds")])


def same(first, second):
    assert (first / "table.md").read_text() == (second / "table.md").read_text()
    assert (first / "figure.png").read_bytes() == (second / "figure.png").read_bytes()
    pd.testing.assert_frame_equal(frame(first), frame(second))


def test_a_killed_experiment_goes_on_and_ends_with_the_same_table(config, cache, unbroken, tmp_path, monkeypatch):
    computed = []
    compute = methods.compute

    def killed(*arguments):
        if len(computed) == 3:
            raise KeyboardInterrupt
        computed.append(arguments)
        return compute(*arguments)

    out = tmp_path / "out"
    monkeypatch.setattr(methods, "compute", killed)
    with pytest.raises(KeyboardInterrupt):
        experiment(config, out=out, cache=cache)
    assert len([*(out / "cells").iterdir()]) == 3  # and nothing half-written
    assert not (out / "table.md").exists()
    before = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}

    monkeypatch.setattr(methods, "compute", lambda *arguments: computed.append(arguments) or compute(*arguments))
    experiment(config, out=out, cache=cache)
    assert len(computed) == 8
    assert {path: path.stat().st_mtime_ns for path in before} == before
    same(out, unbroken)


def test_shards_end_with_the_same_table(config, cache, unbroken, tmp_path):
    out = tmp_path / "out"
    first = experiment(config, out=out, cache=cache, shard="1/2")
    assert first.files == ()
    assert str(first).startswith("4 of 8 cells are there")
    assert experiment(config, out=out, cache=cache, shard="2/2").files
    same(out, unbroken)


def test_a_table_of_what_is_there_says_what_is_not(config, cache, tmp_path):
    out = tmp_path / "out"
    assert experiment(config, out=out, cache=cache, table=True).files == ()
    experiment(config, out=out, cache=cache, shard="1/8")
    report = experiment(config, out=out, cache=cache, table=True)
    assert "7 of 8 cells are not there yet" in str(report)
    assert len(frame(out)) == 1


def test_the_table_has_means_and_tests_and_the_tidy_one_every_cell(unbroken):
    found = frame(unbroken)
    assert len(found) == 8
    assert {"miou", "micro_iou", "overall_accuracy", "iou water", "clicks.count", "method", "seed"} <= set(found)
    pd.testing.assert_frame_equal(
        pd.read_parquet(unbroken / "results.parquet")[["level", "seed", "miou"]],
        found[["level", "seed", "miou"]],
        rtol=1e-5,
        check_dtype=False,
    )
    lines = (unbroken / "table.md").read_text().splitlines()
    ten, eighty = (line.split(" | ") for line in lines if line.startswith(("| 10 |", "| 80 |")))
    chosen = found[found["clicks.count"] == 80]["miou"]
    assert eighty[3] == f"{chosen.mean():.3f} ± {chosen.std():.3f}"
    assert eighty[6] == "baseline"
    nearest = found.set_index(["clicks.count", "seed"])["miou"]
    assert ten[6].startswith(f"{(nearest[10] - nearest[80]).mean():+.3f} [")
    said = json.loads((unbroken / "experiment.json").read_text())
    assert set(said["knees"]) == {"nearest"}
    assert said["command"] == (
        "geopointseg experiment configs/experiments/forests.yaml --data synthetic-seasons --out OUT --every 1 --seeds 0 1"
    )


def test_one_damaged_cell_is_named(config, cache, tmp_path):
    out = tmp_path / "out"
    experiment(config, out=out, cache=cache, shard="1/8")
    cell = next((out / "cells").iterdir())
    cell.write_text("{}")
    with pytest.raises(GeoPointSegError, match="remove the file"):
        experiment(config, out=out, cache=cache, table=True)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"base": "{data.colour: red}"}, "data.colour"),
        ({"base": "{task.loss: magic}"}, "magic"),
        ({"base": "{method: nearest, task.loss: focal}"}, "with the method network"),
        ({"base": "{data.class_weights: inverze}"}, "data.class_weights.*inverze"),
        ({"base": "{data.augmentation: {flip: true}}"}, "augmentation.flip"),
        ({"base": "{task.unlabelled: {teecher: 1}}"}, "unlabelled.teecher"),
        ({"base": "{task.unlabelled: {teacher: -1}}"}, "unlabelled.teacher from 0"),
        ({"base": "{task.lr: fast}"}, "task.lr.*fast"),
    ],
)
def test_what_no_method_knows_is_refused_before_anything_is_made(keys, message, tmp_path):
    path = tmp_path / "wrong.yaml"
    lines = [f"{key}: {value}" for key, value in keys.items()]
    path.write_text("\n".join(["data: synthetic", "grid: {clicks.count: [10]}", *lines]))
    with pytest.raises(GeoPointSegError, match=message):
        experiment(path, out=tmp_path / "out")
    assert not (tmp_path / "out" / "cache").exists()


def test_methods_are_chosen_by_name(config, tmp_path):
    with pytest.raises(GeoPointSegError, match="--methods"):
        experiment(config, out=tmp_path, methods=["magic"])
    with pytest.raises(GeoPointSegError, match="--methods"):
        experiment(config, out=tmp_path, methods=["network"])


TINY = ["--data", "synthetic-seasons", "--seeds", "0", "--steps", "2", "--chip", "32"]


def test_without_orfeo_the_others_are_computed_and_it_is_said(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "orfeo_missing", lambda: "otbcli_Program")
    path = tmp_path / "peers.yaml"
    path.write_text("data: synthetic-seasons\nseeds: [0]\ngrid: {method: [nearest, orfeo-forest]}")
    report = experiment(path, out=tmp_path / "out", cache=cache)
    assert frame(tmp_path / "out")["method"].tolist() == ["nearest"]
    assert "orfeo-forest was left out: no otbcli_Program" in str(report)
    alone = experiment(path, out=tmp_path / "out", cache=cache, methods=["orfeo-forest"])
    assert alone.files == ()
    assert "0 of 0 cells" in str(alone)
    assert "left out" in str(alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method"), [("season", "pixel-forest"), ("bands", "network"), ("peers", "lssqps"), ("peers", "dense")]
)
def test_a_ready_made_experiment_runs_in_tiny_form(name, method, cache, tmp_path, capsys):
    out = tmp_path / name
    where = [str(CONFIGS / f"{name}.yaml"), "--out", str(out), "--cache", str(cache), "--methods", method]
    assert main(["experiment", *where, *TINY]) == 0
    assert "table.md" in capsys.readouterr().out
    found = frame(out)
    planned = read_experiment(CONFIGS / f"{name}.yaml")
    assert len(found) == sum(level.setup.method == method for level in planned.levels)
    assert found["miou"].between(0, 1).all()
    assert found["labelled"].between(0, 1).all() or method != "network"
    assert {path.name for path in out.iterdir()} == {"cells", *WRITTEN}
