"""What the accuracy benchmark learns from and is judged on: the data and settings of experiments, with its budgets of clicks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.harness import DATA
from geopointseg.labels.pseudomask import Spreading
from pipelines.experiments import clicks as simulated
from pipelines.experiments.clicks import Clicks
from pipelines.experiments.data import DATA_SETS as MADE
from pipelines.experiments.data import Data, write_data, write_scenes
from pipelines.experiments.dense import dense
from pipelines.experiments.settings import SETTINGS, Setting, cores, prepare

__all__ = [
    "DATA_SETS",
    "SETTINGS",
    "Data",
    "Setting",
    "clicks",
    "cores",
    "dense",
    "prepare",
    "pseudo_masks",
    "write_scenes",
]

DATA_SETS: dict[str, Callable[[Path], Data]] = {name: partial(write_data, name, DATA) for name in MADE}
"""What writes each data set into a folder, once."""


def clicks(setting: Setting, budget: int, seed: int) -> Path:
    """Simulated clicks, drawn once: so many per 512² pixels of known truth, each class of an image alike."""
    return simulated.draw_clicks(setting, Clicks(budget), seed)


def pseudo_masks(setting: Setting, budget: int, seed: int, spreading: Spreading) -> Path:
    """The folder of pseudo-masks from these clicks, made once, and again when the code that makes them has changed."""
    return simulated.pseudo_masks(setting, Clicks(budget), seed, spreading)
