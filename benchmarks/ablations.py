"""What unlabelled pixels are worth: each way of using them alone, against the default, on Dubai.

Data, clicks, pseudo-masks and trainings are those of `benchmarks.accuracy`; only the task's `unlabelled` differs from row to
row. By default maps of the validation tile are judged, so that what is chosen here is not chosen on the test tile. Every cell is
a file; those that are there are not computed again. `--quick` shows that all of it runs and what a step costs; after its 40 steps
no network has learnt enough for gains to mean anything.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from benchmarks.accuracy import BUDGETS, ROOT, Plan, matrices, train_and_map
from benchmarks.accuracy_cells import Place, cell_path, load, save
from benchmarks.accuracy_data import SETTINGS, Setting, clicks, dubai, prepare, pseudo_masks, synthetic
from benchmarks.harness import finish, parser, spread, table
from geopointseg.confusion import scores
from geopointseg.labels.pseudomask import Spreading
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.learning.unlabelled import NOTHING, Unlabelled
from geopointseg.raster import raster_classes

VARIANTS = {
    "default": NOTHING,
    "pairwise": Unlabelled(pairwise=0.1),
    "teacher": Unlabelled(teacher=1.0),
    "teacher-by-pixel": Unlabelled(teacher=1.0, gate=False),
    "grow": Unlabelled(grow=1.0),
}
Spread = Literal["reach", "single-pixel"]
"""How clicks are spread: as by default, or not at all, where there is most to gain."""


def third(setting: Setting) -> Setting:
    """Every third image to learn from; judged on as many in the same place, on all in another."""
    part = slice(None, None, 3)
    learnt = {name: getattr(setting, name)[part] for name in ("images", "truth", "ground")}
    judged = {name: getattr(setting, name)[part] for name in ("tests", "judged")}
    return replace(
        setting, folder=setting.folder / "third", **learnt, **(judged if setting.name == "same-place" else {})
    )


def run(setting: Setting, place: Place, how: Unlabelled, plan: Plan, spread_by: Spread) -> tuple[Any, dict[str, Any]]:
    """One training: confusion matrices of the test images, and the facts of the run."""
    masks = pseudo_masks(setting, int(place.budget), place.seed, Spreading(spread_by))
    data = PointDataModule(
        [str(image) for image in setting.images],
        masks,
        clicks(setting, int(place.budget), place.seed),
        chip=plan.chip,
        steps=plan.steps,
        seed=place.seed,
    )
    maps, facts = train_and_map(setting, data, place.seed, plan, make=partial(PointSegmentationTask, unlabelled=how))
    return matrices(setting, maps), facts | {
        "unlabelled": asdict(how),
        "spread": spread_by,
        "images": len(data.rasters),
    }


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    made = parser(__doc__ or "")
    made.add_argument("--setting", choices=SETTINGS, default="validation")
    made.add_argument("--third", action="store_true", help="learn from every third image only")
    made.add_argument("--spread", choices=get_args(Spread), default="reach", help="of the clicks")
    made.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    made.add_argument("--budget", choices=BUDGETS, default="50", help="clicks per 512² pixels")
    made.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    made.add_argument("--minutes", type=float, help="of training at most, for each network")
    made.add_argument("--steps", type=int, default=600, help="of training: the same for all unless minutes end them")
    made.add_argument("--chip", type=int, default=256, help="side of a training chip in pixels")
    made.add_argument("--again", action="store_true", help="compute cells anew that are there")
    made.add_argument("--table", action="store_true", help="only print what is there")
    made.add_argument("--cache", type=Path, default=ROOT / ".cache" / "accuracy", help="for images, clicks and masks")
    made.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "ablations", help="for cells")
    given = made.parse_args()
    if given.quick:
        given.seeds, given.again, given.results = [0], True, given.cache / "synthetic" / "ablations"
    given.results /= f"{given.spread}{'-third' if given.third else ''}"
    return given


def main() -> None:
    """Fill in what is missing and print the table."""
    given = arguments()
    plan = Plan(40, None, 64) if given.quick else Plan(given.steps, given.minutes, given.chip)
    if not given.table:
        fill(given, plan)
    cells = load(given.results, given.setting, given.variants)
    found = {name: cells.get((given.budget, name), []) for name in given.variants}
    rows, figures = tabulated({name: {cell["seed"]: cell for cell in seeds} for name, seeds in found.items()})
    title = (
        f"{given.setting}, {given.budget} clicks per 512², {given.spread}, "
        f"{'a third' if given.third else 'all'} of the images; gain: against the default of the same seed"
    )
    finish(f"{title}\n\n{table(rows)}", figures, {}, met=True, out=given.out)


def fill(given: argparse.Namespace, plan: Plan) -> None:
    """Compute the cells that are missing, seed by seed."""
    data = synthetic(given.cache / "synthetic") if given.quick else dubai(given.cache / "dubai")
    setting = prepare(data, given.setting)
    if given.third:
        setting = third(setting)
    names = raster_classes(setting.judged[0]).names
    for seed in given.seeds:
        place = Place(given.setting, given.budget, seed)
        for name in given.variants:
            if given.again or not cell_path(given.results, place, name).exists():
                how = replace(VARIANTS[name], ramp=20, decay=0.9) if given.quick else VARIANTS[name]
                found, facts = run(setting, place, how, plan, given.spread)
                save(given.results, place, name, names, found, facts)
                print(f"{name}, seed {seed}: {facts['steps']} steps in {facts['seconds']['training']} s", flush=True)


def tabulated(cells: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> tuple[list[list[str]], dict[str, float]]:
    """Rows of the table and the figures, from the cells of each variant by seed."""
    rows, figures = [["variant", "mIoU", "gain", "seeds", "ms a step"]], {}
    base = {seed: miou(cell) for seed, cell in cells.get("default", {}).items()}
    for name, seeds in cells.items():
        if not seeds:
            rows.append([name, "–", "–", "0", "–"])
            continue
        reached = {seed: miou(cell) for seed, cell in seeds.items()}
        gains = [reached[seed] - base[seed] for seed in reached if seed in base]
        pace = float(np.mean([1000 * cell["seconds"]["training"] / cell["steps"] for cell in seeds.values()]))
        compared = name != "default" and gains
        rows.append(
            [name, spread([*reached.values()]), spread(gains) if compared else "–", str(len(seeds)), f"{pace:.0f}"]
        )
        figures[f"{name}: mIoU"] = float(np.mean([*reached.values()]))
        if compared:
            figures[f"{name}: gain"] = float(np.mean(gains))
    return rows, figures


def miou(cell: Mapping[str, Any]) -> float:
    """The mean IoU of a cell."""
    return float(scores(np.array(cell["confusion"]), cell["classes"])["miou"])


if __name__ == "__main__":
    main()
