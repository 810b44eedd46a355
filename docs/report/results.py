"""The results files: experiments, and the cells of the accuracy benchmark."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geopointseg.confusion import scores
from pipelines.experiments.statistics import mean_and_deviation

__all__ = ["Found", "accuracy_tables", "experiments"]


@dataclass(frozen=True, slots=True)
class Found:
    """One experiment on one data set, as it was kept."""

    folder: Path
    facts: Mapping[str, Any]
    """Of experiment.json."""
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Of table.md."""


def experiments(folder: Path) -> list[Found]:
    """All experiments that are kept, by name and data set."""
    found = []
    for path in sorted(folder.glob("*/*/experiment.json")):
        lines = (path.parent / "table.md").read_text(encoding="utf-8").splitlines()
        head, _, *rows = (
            [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")
        )
        found.append(Found(path.parent, json.loads(path.read_text(encoding="utf-8")), head, rows))
    return found


def accuracy_tables(folder: Path) -> Iterator[tuple[str, str, list[str], list[list[str]]]]:
    """The cells of the accuracy benchmark or of the ablations, a table for each data set and setting: they are never mixed.

    Yields:
        Data set, setting, head and rows.
    """
    groups: dict[tuple[str, str], dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for path in sorted(folder.glob("*/*/*/*.json")):
        data, setting = path.parts[-4], path.parts[-3]
        cell = json.loads(path.read_text(encoding="utf-8"))
        groups.setdefault((data, setting), {}).setdefault((cell["budget"], cell["method"]), []).append(cell)
    head = ["clicks per 512²", "method", "seeds", "mIoU", "OA", "mean F1", "training, min"]
    for (data, setting), lines in groups.items():
        rows = []
        for (budget, method), cells in sorted(lines.items()):
            got = [scores(np.array(cell["confusion"]), cell["classes"]) for cell in cells]
            values = [spread([one[name] for one in got]) for name in ("miou", "overall_accuracy", "mean_f1")]
            minutes = [cell["seconds"]["training"] / 60 for cell in cells if isinstance(cell["seconds"], dict)]
            took = f"{np.mean(minutes):.1f}" if minutes else "–"
            rows.append([budget, method, str(len(cells)), *values, took])
        yield data, setting, head, rows


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")
