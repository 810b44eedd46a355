"""A preset says what is not given; balanced is what a run does by default."""

import inspect

import pytest

from geopointseg.learning.data import PointDataModule, check_plan
from pipelines.points_to_map import run
from pipelines.presets import PRESETS, choose


def test_what_is_given_goes_before_the_preset():
    chosen = choose("fast", steps=7, chip=None, backbone="resnet50")
    assert (chosen.steps, chosen.backbone) == (7, "resnet50")
    assert (chosen.chip, chosen.batch_size) == (PRESETS["fast"].chip, PRESETS["fast"].batch_size)


def test_balanced_is_what_training_does_by_default():
    assert inspect.signature(run).parameters["preset"].default == "balanced"
    defaults = {name: p.default for name, p in inspect.signature(PointDataModule).parameters.items()}
    chosen = PRESETS["balanced"]
    for name in ("steps", "chip", "batch_size", "augmentation"):
        assert getattr(chosen, name) == defaults[name]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_work_and_costs_more_than_the_one_before(name):
    chosen = PRESETS[name]
    check_plan(chip=chosen.chip, steps=chosen.steps)
    works = [p.steps * p.chip**2 * p.batch_size for p in PRESETS.values()]
    assert works == sorted(set(works))
