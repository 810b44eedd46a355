"""Cells of the accuracy benchmark: one JSON file per setting, budget, method and seed, and the tables made of them."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import deviation, spread, table
from geopointseg import __version__
from geopointseg.confusion import scores
from pipelines.experiments.cells import commit, counts, micro_iou, write_lines

__all__ = ["Cells", "Place", "cell_path", "counts", "judge", "load", "micro_iou", "save", "tabulate"]

Matrix = NDArray[np.int64]
Cells = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
"""The cells of one setting by budget and method, one for each seed."""
MARGIN = 0.05  # mIoU above the better forest in the same place
SHARE = 0.95  # of dense supervision


@dataclass(frozen=True, slots=True)
class Place:
    """Which cell: what is fixed before anything is computed."""

    setting: str
    budget: str
    """Clicks per 512² pixels; `all` for dense supervision."""
    seed: int


def cell_path(results: Path, place: Place, method: str) -> Path:
    """Where a cell is kept, in the results of a data set."""
    return results / place.setting / place.budget / f"{method}-{place.seed}.json"


def save(
    results: Path, place: Place, method: str, names: Sequence[str], matrices: Sequence[Matrix], facts: Mapping[str, Any]
) -> Path:
    """Keep what a method reached, on every test image, and how."""
    cell = {
        "method": method,
        "setting": place.setting,
        "budget": place.budget,
        "seed": place.seed,
        **facts,
        "date": time.strftime("%Y-%m-%d"),
        "version": __version__,
        "commit": commit(),
        "classes": list(names),
        "confusion": sum(matrices).tolist(),
        "counts": [counts(matrix) for matrix in matrices],
    }
    return write_lines(cell_path(results, place, method), cell)


def load(results: Path, setting: str, methods: Sequence[str]) -> Cells:
    """All cells of a setting that are there."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for path in sorted((results / setting).glob("*/*.json")):
        cell = json.loads(path.read_text())
        if cell["method"] in methods:
            found.setdefault((cell["budget"], cell["method"]), []).append(cell)
    return found


def tabulate(cells: Cells, methods: Mapping[str, str], budgets: Sequence[str]) -> str:
    """The scores of a setting, two rows per method and a column per budget; – for what is missing.

    Args:
        cells: Of the setting.
        methods: What each method is, in words.
        budgets: Columns.
    """
    rows = [["method", "score", *(f"{budget} points" for budget in budgets)]]
    for method, words in methods.items():
        for number, score in enumerate(("mIoU", "micro-IoU")):
            row = [_cell(cells.get((budget, method)) or cells.get(("all", method)), score) for budget in budgets]
            rows.append([words if number == 0 else "", score, *row])
    return table(rows)


def _cell(seeds: Sequence[Mapping[str, Any]] | None, score: str) -> str:
    """Mean ± standard deviation, and from how many seeds if not from three."""
    if not seeds:
        return "–"
    return spread(_values(seeds, score)) + ("" if len(seeds) == 3 else f" ({len(seeds)})")


def _values(seeds: Sequence[Mapping[str, Any]], score: str) -> list[float]:
    """The score of each seed."""
    if score == "micro-IoU":
        return [micro_iou(cell["counts"]) for cell in seeds]
    return [scores(np.array(cell["confusion"]), cell["classes"])["miou"] for cell in seeds]


def judge(setting: str, cells: Cells, seeds: int) -> tuple[dict[str, float], dict[str, str], bool]:
    """Hold the default at 50 points against what the project promises.

    Args:
        setting: Its name.
        cells: Of the setting.
        seeds: How many must be there for a bound to be met.

    Returns:
        Figures, of the comparisons whose cells are there; the bounds of all; whether all are met.
    """
    found = {method: _values(each, "mIoU") for (budget, method), each in cells.items() if budget in ("50", "all")}
    forests = [name for name in ("pixel-forest", "pixel-forest-vote", "object-forest") if name in found]
    forest = max(forests, key=lambda name: np.mean(found[name]), default="pixel-forest-vote")
    ours = found.get("default")
    figures = {f"{setting}, {method}: mIoU": float(np.mean(values)) for method, values in found.items()}
    targets, met = {}, True
    for what, peer in (("share of dense supervision", "dense"), ("above LSSQPS", "lssqps"), ("above forests", forest)):
        name, theirs = f"{setting}, {what}", found.get(peer)
        targets[name] = {
            "share of dense supervision": f">= {SHARE}",
            "above LSSQPS": "> spread of both",
            "above forests": f">= {MARGIN}" if setting == "same-place" else "> spread of both",
        }[what]
        if ours is None or theirs is None:
            met = False
            continue
        met &= min(len(ours), len(theirs)) >= seeds
        gain = float(np.mean(ours) - np.mean(theirs))
        if peer == "dense":
            figures[name] = float(np.mean(ours) / np.mean(theirs))
            met &= figures[name] >= SHARE
        else:
            figures[name] = gain
            close = what == "above forests" and setting == "same-place"
            met &= gain >= MARGIN if close else gain > deviation(ours) + deviation(theirs)
    return figures, targets, met
