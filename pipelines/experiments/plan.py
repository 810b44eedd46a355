"""The plan of an experiment: from a YAML to its cells, each with a name and a hash of all that its result depends on."""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from geopointseg.errors import GeoPointSegError
from pipelines.experiments.settings import SETTINGS, SettingName
from pipelines.experiments.setup import TRAINED, Setup, read_setup, show, spell

__all__ = [
    "Cell",
    "Effort",
    "Experiment",
    "Level",
    "baseline_of",
    "cells",
    "read_experiment",
    "shard_of",
    "short",
    "words",
]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done."""

    every: int = 1
    """Learn from every image, every second, third, …"""
    steps: int = 400
    """Training steps of 8 chips."""
    chip: int = 256
    """Side of a training chip in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One line of the table: what the grid says, and the whole setup that makes."""

    said: Mapping[str, Any]
    setup: Setup

    @property
    def label(self) -> str:
        """In words."""
        return ", ".join(words(key, value) for key, value in self.said.items())


@dataclass(frozen=True, slots=True)
class Experiment:
    """A grid of setups × seeds on one data set."""

    name: str
    about: str
    """What is asked, in a sentence or two."""
    data: str
    setting: SettingName
    seeds: tuple[int, ...]
    effort: Effort
    levels: tuple[Level, ...]
    baseline: Mapping[str, Any]
    """What a level is compared with: itself, but for these keys."""
    base: Mapping[str, Any] = field(default_factory=dict)
    """What all levels share."""
    axis: str | None = None
    """The key that is drawn as the horizontal axis; None for one row per level."""
    knee: bool = False
    """Whether to ask where the curve along the axis flattens."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One level with one seed."""

    experiment: Experiment
    level: Level
    seed: int

    @property
    def identity(self) -> dict[str, Any]:
        """All that the result depends on, but for the code."""
        one = self.experiment
        effort = asdict(one.effort)
        if self.level.setup.method not in TRAINED:
            effort = {"every": effort["every"]}
        own = {"data": one.data, "setting": one.setting, **effort, "seed": self.seed}
        return own | {"setup": spell(self.level.setup)}

    @property
    def name(self) -> str:
        """Of its file: readable, and different where anything differs."""
        words = re.sub(r"[^A-Za-z0-9.]+", "-", self.level.label).strip("-")[:80]
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:8]
        return f"{words}-{self.seed}-{digest}.json"


KEYS = ("about", "data", "setting", "seeds", "every", "steps", "chip", "base", "grid", "baseline", "axis", "knee")


def read_experiment(
    path: Path,
    *,
    data: str | None = None,
    every: int | None = None,
    steps: int | None = None,
    chip: int | None = None,
    seeds: Sequence[int] | None = None,
) -> Experiment:
    """Read an experiment; what is given replaces what the YAML says.

    Args:
        path: The YAML; docs/experiments.md has its keys.
        data: Data set.
        every: Learn from every image, every second, third, …
        steps: Training steps.
        chip: Side of a training chip in pixels.
        seeds: Of clicks and trainings.

    Raises:
        GeoPointSegError: it is not such a YAML.
    """
    said = _said(path)
    given = {"every": every, "steps": steps, "chip": chip}
    effort = Effort(**{k: said.get(k, getattr(Effort(), k)) if v is None else v for k, v in given.items()})
    if min(asdict(effort).values()) < 1:
        raise GeoPointSegError(f"expected every, steps and chip from 1 on, got {effort}: change them")
    setting = said.get("setting", "new-place")
    if setting not in SETTINGS:
        raise GeoPointSegError(f"expected a setting among {', '.join(SETTINGS)}, got {setting}: change it in {path}")
    chosen = tuple(said.get("seeds", (0, 1, 2)) if seeds is None else seeds)
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise GeoPointSegError(f"expected different seeds from 0 on, got {list(chosen)}: change them")
    base = said.get("base") or {}
    levels = _levels(said["grid"], base)
    axis = said.get("axis")
    if axis is not None and not all(isinstance(level.said.get(axis), int | float) for level in levels):
        raise GeoPointSegError(f"expected a number as {axis} in every cell, for it is the axis: change {path}")
    return Experiment(
        path.stem,
        " ".join(str(said.get("about", "")).split()),
        said["data"] if data is None else data,
        setting,
        chosen,
        effort,
        levels,
        said.get("baseline") or {},
        base,
        axis,
        bool(said.get("knee", False)),
    )


def _said(path: Path) -> dict[str, Any]:
    """What the YAML says."""
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GeoPointSegError(
            f"expected an experiment as YAML, got {path} ({error}): see docs/experiments.md"
        ) from error
    if not isinstance(said, dict) or not {"data", "grid"} <= said.keys() <= set(KEYS):
        found = ", ".join(map(str, said)) if isinstance(said, dict) else type(said).__name__
        raise GeoPointSegError(
            f"expected in {path} data, grid and some of {', '.join(KEYS)}, got {found}: see docs/experiments.md"
        )
    return said


def _levels(grid: object, base: Mapping[str, Any]) -> tuple[Level, ...]:
    """All combinations of a grid, or of several one after the other; the same setup comes once."""
    grids = grid if isinstance(grid, list) else [grid]
    levels: list[Level] = []
    for one in grids:
        if not isinstance(one, dict) or not one or not all(isinstance(v, list) and v for v in one.values()):
            raise GeoPointSegError(f"expected as grid keys with lists of values, got {one!r}: see docs/experiments.md")
        for values in itertools.product(*one.values()):
            said = dict(zip(one, values, strict=True))
            setup = read_setup({**base, **said})
            if all(setup != level.setup for level in levels):
                levels.append(Level(said, setup))
    return tuple(levels)


def cells(experiment: Experiment) -> list[Cell]:
    """All cells, seed by seed, so that what is done first is a whole table of fewer seeds."""
    return [Cell(experiment, level, seed) for seed in experiment.seeds for level in experiment.levels]


def baseline_of(experiment: Experiment, level: Level) -> Level | None:
    """What a level is compared with; None where the grid does not hold it, or where it is the level itself."""
    if not experiment.baseline:
        return None
    wanted = read_setup({**experiment.base, **level.said, **experiment.baseline})
    found = next((other for other in experiment.levels if other.setup == wanted), None)
    return None if found is level else found


def shard_of(every: Sequence[Cell], shard: str | None) -> list[Cell]:
    """The cells of the i-th of n shards, i from 1 on, given as i/n; all without.

    Raises:
        GeoPointSegError: it is not given so.
    """
    if shard is None:
        return list(every)
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise GeoPointSegError(f"expected a shard as 1/4, 2/4, … 4/4, got {shard}: change --shard")
    return list(every)[int(found[1]) - 1 :: int(found[2])]


def words(key: str, value: object) -> str:
    """A key and its value in words; a method speaks for itself."""
    return show(value) if key == "method" else f"{short(key)} {show(value)}"


def short(key: str) -> str:
    """A key in a table."""
    part, _, name = key.partition(".")
    return {"spreading.method": "algorithm", "images.train": "learnt", "images.test": "judged"}.get(key, name or part)
