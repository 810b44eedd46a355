"""What came of an experiment: one tidy table for programs, one in Markdown for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from geopointseg.files import replacing
from pipelines.experiments.cells import scores_of
from pipelines.experiments.knee import Knee, find_knee
from pipelines.experiments.plan import Cell, Experiment, Level, baseline_of, short, words
from pipelines.experiments.setup import show
from pipelines.experiments.statistics import Gain, gain, mean_and_deviation, with_holm

__all__ = ["Row", "find_knees", "markdown", "rows_of", "tidy", "write_tidy"]

Found = Sequence[tuple[Cell, Mapping[str, Any]]]
"""Cells and what is kept of each."""
LABELS = ("labelled", "correct", "superpixels")  # facts of pseudo-masks


@dataclass(frozen=True, slots=True)
class Row:
    """One level over all seeds."""

    level: Level
    values: dict[str, list[float]]
    """Scores of the seeds, by name."""
    by_seed: dict[int, float]
    """The mIoU."""
    gain: Gain | None
    """Of the mIoU, over the baseline."""
    reference: Level | None
    """The baseline."""


def tidy(found: Found) -> pd.DataFrame:
    """One row per cell: what was done, and every score; shares and IoUs are 0 to 1, times in seconds."""
    rows = []
    for cell, kept in found:
        one = cell.experiment
        said = {key: _plain(cell.level.said.get(key)) for key in _keys(one)}
        own = {"experiment": one.name, "data": one.data, "setting": one.setting, "method": cell.level.setup.method}
        effort = {key: kept.get(key) for key in ("every", "steps", "chip", "images", "test_images")}
        labels = {key: kept.get(key) for key in LABELS}
        seconds = {f"seconds {key}": value for key, value in kept["seconds"].items()}
        rows.append(
            {
                **own,
                **said,
                "level": cell.level.label,
                "seed": cell.seed,
                **effort,
                **scores_of(kept),
                **labels,
                **seconds,
            }
        )
    return pd.DataFrame(rows)


def _keys(experiment: Experiment) -> list[str]:
    """The keys that the grid varies, in order; `method` has a column of its own."""
    keys = dict.fromkeys(key for level in experiment.levels for key in level.said)
    return [key for key in keys if key != "method"]


def _plain(value: object) -> object:
    """A number as it is, anything else in words, None as nothing."""
    return value if value is None or isinstance(value, bool | int | float) else show(value)


def write_tidy(frame: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """Write results.csv and results.parquet."""
    csv, parquet = folder / "results.csv", folder / "results.parquet"
    with replacing(csv, overwrite=True) as partial:
        frame.to_csv(partial, index=False, lineterminator="\n", float_format="%.6g")
    with replacing(parquet, overwrite=True) as partial:
        mixed = {
            name: "string" for name in frame if frame[name].dtype == object and frame[name].map(type).nunique() > 1
        }
        frame.astype(mixed).to_parquet(partial, index=False)
    return csv, parquet


def rows_of(experiment: Experiment, found: Found) -> list[Row]:
    """One row per level that has cells, with its gain over its baseline; p-values are corrected over all rows."""
    values: dict[int, dict[int, float]] = {}
    scores: dict[int, list[dict[str, float | None]]] = {}
    number = {id(level): i for i, level in enumerate(experiment.levels)}
    for cell, kept in found:
        got = scores_of(kept) | {key: kept.get(key) for key in LABELS}
        place = number[id(cell.level)]
        values.setdefault(place, {})[cell.seed] = float(got["miou"] or 0.0)
        scores.setdefault(place, []).append(got)
    rows = []
    for i, level in enumerate(experiment.levels):
        if i not in values:
            continue
        reference = baseline_of(experiment, level)
        against = values.get(number[id(reference)]) if reference is not None else None
        names = dict.fromkeys(name for one in scores[i] for name in one)
        kept_values = {name: [value for one in scores[i] if (value := one.get(name)) is not None] for name in names}
        compared = gain(values[i], against) if against is not None else None
        rows.append(Row(level, kept_values, values[i], compared, reference))
    corrected = with_holm([row.gain for row in rows])
    return [replace(row, gain=one) for row, one in zip(rows, corrected, strict=True)]


def find_knees(experiment: Experiment, rows: Sequence[Row]) -> dict[str, Knee]:
    """The knee of every curve along the axis, by what tells the curves apart."""
    axis = experiment.axis
    if axis is None or not experiment.knee:
        return {}
    curves: dict[str, dict[int, dict[float, float]]] = {}
    for row in rows:
        one = curves.setdefault(curve_name(row.level, axis), {})
        for seed, value in row.by_seed.items():
            one.setdefault(seed, {})[float(row.level.said[axis])] = value
    knees = {name: find_knee(curve) for name, curve in curves.items()}
    return {name: knee for name, knee in knees.items() if knee is not None}


def curve_name(level: Level, axis: str) -> str:
    """What tells a curve from the others: all that is said but for the axis."""
    rest = [words(key, value) for key, value in level.said.items() if key != axis]
    return ", ".join(rest) or "mIoU"


def markdown(experiment: Experiment, rows: Sequence[Row], facts: str) -> str:
    """The table for people: mean ± standard deviation over seeds, and paired tests against the baseline.

    Args:
        experiment: What was asked.
        rows: One per level.
        facts: How the cells were computed, in a sentence.
    """
    keys = dict.fromkeys(key for level in experiment.levels for key in level.said)
    extra = [key for key in LABELS if any(row.values.get(key) for row in rows)]
    head = [
        *map(short, keys),
        "seeds",
        "mIoU",
        "OA",
        "mean F1",
        *("made" if key == "superpixels" else key for key in extra),
    ]
    compared = any(row.reference is not None for row in rows)
    if compared:
        head += ["gain in mIoU [95 %]", "p", "p, Holm", "p, Wilcoxon"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        said = [show(row.level.said[key]) if key in row.level.said else "–" for key in keys]
        scores = [_spread(row.values[name]) for name in ("miou", "overall_accuracy", "mean_f1")]
        labels = [_spread(row.values.get(key, []), 0 if key == "superpixels" else 3) for key in extra]
        cells = [*said, str(len(row.by_seed)), *scores, *labels]
        lines.append(cells + (_tests(row) if compared else []))
    table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
    notes = [f"# {experiment.name}, {experiment.data}", experiment.about, table, facts]
    notes.append(
        "± is the standard deviation over seeds, which draw other clicks and start other networks; – is nothing to say."
    )
    if compared:
        same = ", ".join(words(key, value) for key, value in experiment.baseline.items())
        notes.append(
            f"Gains are paired by seed, over the same setup but for: {same}. p is of the paired t-test, two-sided; Holm's "
            "correction is over all rows; Wilcoxon's test needs six seeds. A p above 0.05 does not say that there is no gain."
        )
    knees = find_knees(experiment, rows)
    notes += [f"{name}: {knee}" for name, knee in knees.items()]
    return "\n\n".join(note for note in notes if note) + "\n"


def _spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation."""
    if not values:
        return "–"
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")


def _tests(row: Row) -> list[str]:
    """Gain with interval, and the three p-values."""
    one = row.gain
    if row.reference is None:
        return ["baseline", "", "", ""]
    if one is None:
        return ["–"] * 4
    reach = f" [{one.low:+.3f}, {one.high:+.3f}]" if one.low is not None and one.high is not None else ""
    return [f"{one.mean:+.3f}{reach}", *(_p(value) for value in (one.p, one.p_holm, one.wilcoxon))]


def _p(value: float | None) -> str:
    """A p-value."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
