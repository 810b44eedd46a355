"""The experiment command: compute the cells that are missing, then the table, the tests and the picture."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, replacing, write_json
from geopointseg.raster import raster_classes
from pipelines.experiments.cells import load_cell, save_cell
from pipelines.experiments.data import write_data
from pipelines.experiments.figure import draw_experiment
from pipelines.experiments.orfeo import orfeo_missing
from pipelines.experiments.plan import Cell, Experiment, cells, read_experiment, shard_of
from pipelines.experiments.settings import prepare
from pipelines.experiments.setup import METHODS, TRAINED
from pipelines.experiments.table import find_knees, markdown, rows_of, tidy, write_tidy

log = logging.getLogger(__name__)

__all__ = ["ExperimentReport", "experiment"]


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """What an experiment found."""

    files: tuple[Path, ...]
    text: str
    """The table, or what is still missing."""

    def __str__(self) -> str:
        """The account for people."""
        return self.text


def experiment(
    config: Path,
    *,
    root: Path | None = None,
    out: Path = Path("experiment"),
    cache: Path | None = None,
    data: str | None = None,
    every: int | None = None,
    steps: int | None = None,
    chip: int | None = None,
    seeds: list[int] | None = None,
    methods: list[str] | None = None,
    shard: str | None = None,
    table: bool = False,
) -> ExperimentReport:
    """Run an experiment, or go on with it: a grid of setups × seeds on one data set.

    Every cell is a file in OUT/cells; those that are there are not computed again. Once all are there, the table is written.

    Args:
        config: The experiment, such as configs/experiments/points.yaml; docs/experiments.md has its keys.
        root: Folder of the real data sets; synthetic ones need none.
        out: Folder for cells, tables and the picture.
        cache: Folder for images, clicks and pseudo-masks, which several experiments can share; by default OUT/cache.
        data: Data set: dubai, korea, india, synthetic or synthetic-seasons; by default the YAML's, as are the next four.
        every: Learn from every image, every second, third, …
        steps: Training steps of networks.
        chip: Side of a training chip in pixels.
        seeds: Of clicks and trainings.
        methods: Only the cells of these methods.
        shard: Compute only the i-th of n parts of the cells, as i/n; the last to end writes the table.
        table: Compute nothing; write the table of what is there.

    Returns:
        The files written and the table.

    Raises:
        GeoPointSegError: the YAML, a setup or the data are not what they should be.
    """
    planned = read_experiment(config, data=data, every=every, steps=steps, chip=chip, seeds=seeds)
    wanted = _wanted(planned, methods)
    folder = new_folder(out) / "cells"
    every_cell, skipped = _possible(wanted, folder)
    if not table:
        here = [cell for cell in shard_of(wanted, shard) if cell in every_cell]
        missing = [cell for cell in here if load_cell(folder, cell) is None]
        if missing:
            _fill(missing, folder, root, cache or out / "cache")
    kept = [(cell, load_cell(folder, cell)) for cell in every_cell]
    found = [(cell, said) for cell, said in kept if said is not None]
    if not found or (len(found) < len(kept) and not table):
        text = f"{len(found)} of {len(kept)} cells are there; the table comes with the last, or with --table"
        return ExperimentReport((), "\n".join([text, *skipped]))
    return _write(planned, found, out, command(planned, methods), [*_unfinished(kept), *skipped])


def _wanted(planned: Experiment, methods: Sequence[str] | None) -> list[Cell]:
    """The cells of some methods, or all."""
    if strange := set(methods or ()) - set(METHODS):
        raise GeoPointSegError(
            f"expected methods among {', '.join(METHODS)}, got {', '.join(strange)}: change --methods"
        )
    wanted = [cell for cell in cells(planned) if methods is None or cell.level.setup.method in methods]
    if not wanted:
        raise GeoPointSegError(
            f"expected cells of {', '.join(methods or ())} in {planned.name}, got none: change --methods"
        )
    return wanted


def _possible(wanted: Sequence[Cell], folder: Path) -> tuple[list[Cell], list[str]]:
    """The cells that are there or can be computed here, and why others are not."""
    program = orfeo_missing()
    out = [
        cell
        for cell in wanted
        if program and cell.level.setup.method == "orfeo-forest" and not (folder / cell.name).exists()
    ]
    if not out:
        return list(wanted), []
    note = f"orfeo-forest was left out: no {program} on the path; Debian's otb-bin has it"
    return [cell for cell in wanted if cell not in out], [note]


def _fill(missing: Sequence[Cell], folder: Path, root: Path | None, cache: Path) -> None:
    """Compute cells, each kept before the next is begun."""
    from pipelines.experiments.methods import check_setup, compute  # torch: not needed for a table

    planned = missing[0].experiment
    for cell in missing:
        check_setup(cell.level.setup)
    setting = prepare(write_data(planned.data, root, cache / planned.data), planned.setting)
    names = raster_classes(setting.judged[0]).names
    for cell in tqdm(missing, planned.name, unit="cell", disable=None):
        found, facts = compute(setting, cell.level.setup, cell.seed, planned.effort)
        save_cell(folder, cell, names, found, facts)
        log.info("%s, seed %d: %s s", cell.level.label, cell.seed, facts["seconds"])


def _unfinished(kept: Sequence[tuple[Cell, Mapping[str, Any] | None]]) -> list[str]:
    """How many cells are not there."""
    missing = sum(said is None for _, said in kept)
    return [f"{missing} of {len(kept)} cells are not there yet"] if missing else []


def _write(
    planned: Experiment,
    found: Sequence[tuple[Cell, Mapping[str, Any]]],
    out: Path,
    command_line: str,
    notes: Sequence[str],
) -> ExperimentReport:
    """Table, picture and figures of the cells that are there."""
    rows = rows_of(planned, found)
    text = markdown(planned, rows, _how(planned, found)) + "".join(f"\n{note}.\n" for note in notes)
    with replacing(out / "table.md", overwrite=True) as partial:
        partial.write_text(text, encoding="utf-8")
    picture = draw_experiment(planned, rows, out / "figure.png")
    knees = {name: asdict(one) for name, one in find_knees(planned, rows).items()}
    facts: dict[str, Any] = {
        "name": planned.name,
        "about": planned.about,
        "data": planned.data,
        "setting": planned.setting,
        "seeds": list(planned.seeds),
        "every": planned.effort.every,
        "steps": planned.effort.steps,
        "chip": planned.effort.chip,
        "command": command_line,
        "how": _how(planned, found),
        "notes": list(notes),
        "dates": sorted({said["date"] for _, said in found}),
        "commits": sorted({str(said["commit"]) for _, said in found}),
        "devices": sorted({said["device"] for _, said in found}),
        "knees": knees,
        "comparisons": [
            {"level": row.level.label, "baseline": row.reference.label, **asdict(row.gain)}
            for row in rows
            if row.reference is not None and row.gain is not None
        ],
    }
    figures = write_json(out / "experiment.json", facts)
    with replacing(out / "command.txt", overwrite=True) as partial:
        made = f"{', '.join(facts['dates'])}, {', '.join(facts['devices'])}, commit {', '.join(facts['commits'])}"
        partial.write_text(f"{command_line}\n{made}\n", encoding="utf-8")
    files = (out / "table.md", picture, *write_tidy(tidy(found), out), figures, out / "command.txt")
    return ExperimentReport(files, text)


def command(planned: Experiment, methods: Sequence[str] | None = None) -> str:
    """The command line that gives these cells; where data and results lie is the reader's."""
    effort, usual = planned.effort, planned.levels[0]
    words = ["geopointseg", "experiment", f"configs/experiments/{planned.name}.yaml", "--data", planned.data]
    words += [] if planned.data.startswith("synthetic") else ["--root", "DATA"]
    words += ["--out", "OUT", "--every", str(effort.every), "--seeds", *map(str, planned.seeds)]
    if usual.setup.method in TRAINED or any(level.setup.method in TRAINED for level in planned.levels):
        words += ["--steps", str(effort.steps), "--chip", str(effort.chip)]
    words += ["--methods", *methods] if methods else []
    return shlex.join(words)


def _how(planned: Experiment, found: Sequence[tuple[Cell, Mapping[str, Any]]]) -> str:
    """What was learnt from and judged, and how long networks trained."""
    images = sorted({(said["images"], said["test_images"]) for _, said in found})
    learnt = " or ".join(str(one) for one in sorted({n for n, _ in images}))
    judged = " or ".join(str(one) for one in sorted({n for _, n in images}))
    place = {"same-place": "other blocks of the same images", "validation": "the validation images"}
    where = place.get(planned.setting, "images of other places")
    text = f"Learnt from {learnt} images, judged on {where} ({judged})"
    ways = sorted(
        {
            f"{said['steps']} steps of {said['batch']} chips of {said['chip']} pixels on {said['device']}"
            for cell, said in found
            if cell.level.setup.method in TRAINED
        }
    )
    if not ways:
        return f"{text}; no network."
    random = not any(level.setup.task.get("weights") for level in planned.levels)
    return f"{text}; networks trained for {' or '.join(ways)}{', from random weights' if random else ''}."
