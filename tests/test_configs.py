"""Every recipe in configs/ trains as it stands; default.yaml is what `geopointseg run` does."""

import dataclasses
import inspect
from pathlib import Path

import pandas as pd
import pytest
import yaml

from geopointseg.cli import main
from geopointseg.labels.draw import draw
from geopointseg.labels.pseudomask import Spreading, mask
from geopointseg.learning.augment import Augmentation
from geopointseg.learning.bundle import load
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.keeping import Keeping
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.scene import write_scene
from pipelines.points_to_map import run
from pipelines.presets import PRESETS

RECIPES = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
EVERY_STEP = ["--trainer.log_every_n_steps", "1"]
QUICKLY = ["--data.steps", "2", "--data.batch_size", "2", "--data.num_workers", "0"]
OFFLINE = ["--model.weights", "none"]
TOO_LARGE = {"best_gpu": ["--data.chip", "64"]}  # for a CPU; the others keep their chips


def keys(name):
    """What a recipe says."""
    return yaml.safe_load(next(path for path in RECIPES if path.stem == name).read_text(encoding="utf-8"))


def defaults(function):
    """The arguments of a function, and what they are by default."""
    return {one.name: one.default for one in inspect.signature(function).parameters.values()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a small demo/ as 'geopointseg demo' leaves it."""
    folder = tmp_path_factory.mktemp("recipes")
    scene = write_scene(folder / "demo" / "scene", height=192, width=192)
    points = folder / "demo" / "points.gpkg"
    draw([str(scene.truth)], per_class=10, out=points)
    mask([str(scene.image)], points=points, spreading=Spreading(), out=folder / "demo" / "masks")
    return folder


def test_the_recipes_are_these():
    names = [path.stem for path in RECIPES]
    assert names == ["best_gpu", "default", "fast", "lssqps", "potsdam_pce", "smp_pce"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [path.stem for path in RECIPES])
def test_a_recipe_trains_as_it_stands(recipe, place, monkeypatch):
    monkeypatch.chdir(place)
    path = next(path for path in RECIPES if path.stem == recipe)
    assert main(["train", "--config", str(path), *QUICKLY, *OFFLINE, *EVERY_STEP, *TOO_LARGE.get(recipe, [])]) == 0
    made = place / keys(recipe)["out"]
    losses = pd.read_csv(made / "log" / "metrics.csv")["train_loss"].dropna()
    assert len(losses) == 2
    assert losses.between(0, 1e6).all()
    task, said = load(made / "model"), keys(recipe)["model"]
    named = {name: value for name, value in said.items() if name not in ("weights", "backbone")}
    assert {name: task.hparams[name] for name in named} == named


def test_the_default_recipe_is_what_a_run_does():
    said, ours = keys("default"), defaults(run)
    preset = dataclasses.asdict(PRESETS[ours["preset"]])
    ours |= {name: preset[name] for name in ("steps", "chip", "batch_size")}
    data, task = defaults(PointDataModule.__init__), defaults(PointSegmentationTask.__init__)
    assert {*said} == {"seed_everything", "out", "data", "model", "keeping"}
    assert Keeping(**said["keeping"]) == ours["keeping"]
    given = {name: value for name, value in said["data"].items() if name not in ("rasters", "masks", "points")}
    given["augmentation"] = Augmentation(**given["augmentation"])
    assert given == {name: data[name] for name in given}
    assert said["model"] == {name: task[name] for name in said["model"]}
    shared = (data | task).keys() & ours.keys() - {"crs", "nodata", "backbone"}
    assert {name: ours[name] for name in shared} == {name: (data | task)[name] for name in shared}
    assert shared >= {"chip", "steps", "minutes", "loss", "class_weights", "seed"}
    assert said["seed_everything"] == ours["seed"]
