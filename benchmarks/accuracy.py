"""Accuracy on real images: what simulated clicks give, in the place they lie in and in a place never seen.

`same-place`: every image is cut into blocks, clicks lie in one half of them, the other half is judged. `new-place`: the images
to train on are learnt from, those of other places are judged; on Dubai tiles 1, 4, 5 and 6, and tile 7. `validation`: as
`new-place`, but judged where choices are made, on Dubai tile 3. Networks start at random and train for some minutes. Every cell
of the tables is a file; those that are there are not computed again, so that the tables can be filled in over several sittings.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_cells import Cells, Place, cell_path, judge, load, save, tabulate
from benchmarks.accuracy_data import DATA_SETS, SETTINGS, Setting, clicks, dense, prepare, pseudo_masks
from benchmarks.harness import finish, parser
from geopointseg.labels.pseudomask import Spreading
from geopointseg.learning.backends import AUTO, Computing
from geopointseg.learning.data import PointDataModule
from geopointseg.raster import raster_classes
from pipelines.experiments.forests import object_forest, pixel_forest, voted
from pipelines.experiments.lssqps import BATCH, CHIP, SPREADING, LssqpsData, lssqps_task
from pipelines.experiments.methods import matrices
from pipelines.experiments.training import device, train_and_map

Matrices = list[NDArray[np.int64]]
Outcome = tuple[dict[str, Matrices], dict[str, Any]]
"""Confusion matrices of every test image by method, and the facts of the run."""

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = ("10", "20", "30", "40", "50")
METHODS = {
    "pixel-forest": "pixel forest",
    "pixel-forest-vote": "pixel forest, superpixel vote",
    "object-forest": "object forest",
    "lssqps": "LSSQPS recipe",
    "points-only": "partial CE on points only",
    "default": "default (fill)",
    "default-vote": "default, superpixel vote",
    "best": "best (default, test-time augmentation)",
    "dense": "dense supervision",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How networks are trained."""

    steps: int
    """Of 8 chips; more for a recipe whose batches are smaller, so that it takes as long."""
    chip: int
    """Side of a chip in pixels."""


def run_pixel_forest(setting: Setting, place: Place, plan: Plan) -> Outcome:
    """A forest on pixels, and its vote in superpixels."""
    points = clicks(setting, int(place.budget), place.seed)
    start = time.perf_counter()
    plain = pixel_forest(setting.images, points, setting.tests, setting.judged, place.seed)
    polled = voted(plain, setting.tests)
    facts = {"seconds": round(time.perf_counter() - start, 1), "device": device(cpu=True)}
    return {"pixel-forest": matrices(setting, plain), "pixel-forest-vote": matrices(setting, polled)}, facts


def run_object_forest(setting: Setting, place: Place, plan: Plan) -> Outcome:
    """A forest on superpixels."""
    points = clicks(setting, int(place.budget), place.seed)
    start = time.perf_counter()
    found = object_forest(setting.images, points, setting.tests, place.seed)
    facts = {"seconds": round(time.perf_counter() - start, 1), "device": device(cpu=True)}
    return {"object-forest": matrices(setting, found)}, facts


def run_lssqps(setting: Setting, place: Place, plan: Plan) -> Outcome:
    """The LSSQPS recipe."""
    points = clicks(setting, int(place.budget), place.seed)
    masks = pseudo_masks(setting, int(place.budget), place.seed, SPREADING)
    images = [str(image) for image in setting.images]
    chip = min(CHIP, plan.chip)
    steps = round(1.5 * plan.steps)  # its batches have 2.6 times fewer pixels, but take two thirds of the time
    data = LssqpsData(images, masks, points, chip=chip, batch_size=BATCH, steps=steps, seed=place.seed)
    (maps,), facts = train_and_map(setting.tests, data, seed=place.seed, steps=steps, make=lssqps_task(data))
    return {"lssqps": matrices(setting, maps)}, facts


def run_points_only(setting: Setting, place: Place, plan: Plan) -> Outcome:
    """Partial cross-entropy on the clicks' own pixels."""
    masks = pseudo_masks(setting, int(place.budget), place.seed, Spreading("single-pixel"))
    (maps,), facts = run_network(setting, masks, int(place.budget), place.seed, plan)
    return {"points-only": matrices(setting, maps)}, facts


def run_default(setting: Setting, place: Place, plan: Plan) -> Outcome:
    """What `geopointseg run` does; with the majority in each superpixel; and every window in eight flips and turns."""
    masks = pseudo_masks(setting, int(place.budget), place.seed, Spreading())
    ways = (AUTO, Computing(tta=True))
    (maps, best), facts = run_network(setting, masks, int(place.budget), place.seed, plan, ways)
    made = {"default": maps, "default-vote": voted(maps, setting.tests), "best": best}
    return {method: matrices(setting, those) for method, those in made.items()}, facts


def run_dense(setting: Setting, place: Place, plan: Plan) -> Outcome:
    """The truth of the very ground that clicks may lie on; chips lie where 50 clicks per 512² put them."""
    (maps,), facts = run_network(setting, dense(setting), 50, place.seed, plan)
    return {"dense": matrices(setting, maps)}, facts


RUNS: dict[tuple[str, ...], Callable[[Setting, Place, Plan], Outcome]] = {
    ("pixel-forest", "pixel-forest-vote"): run_pixel_forest,
    ("object-forest",): run_object_forest,
    ("lssqps",): run_lssqps,
    ("points-only",): run_points_only,
    ("default", "default-vote", "best"): run_default,
    ("dense",): run_dense,
}
"""What computes which methods."""


def run_network(
    setting: Setting, masks: Path, budget: int, seed: int, plan: Plan, computing: Sequence[Computing] = (AUTO,)
) -> tuple[list[list[NDArray[np.uint8]]], dict[str, Any]]:
    """As `train_and_map`, on chips around clicks."""
    images = [str(image) for image in setting.images]
    points = clicks(setting, budget, seed)
    data = PointDataModule(images, masks, points, chip=plan.chip, steps=plan.steps, seed=seed)
    return train_and_map(setting.tests, data, seed=seed, steps=plan.steps, computing=computing)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    made = parser(__doc__ or "")
    made.add_argument("--data", choices=DATA_SETS, default="dubai", help="images to learn from and to judge on")
    made.add_argument("--settings", nargs="+", choices=SETTINGS, default=SETTINGS[:2])
    made.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    made.add_argument("--budgets", nargs="+", choices=BUDGETS, help="default: 50, and 10 for the default method")
    made.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    made.add_argument("--steps", type=int, default=400, help="of training with 8 chips: 6 to 11 minutes of one thread")
    made.add_argument("--chip", type=int, default=256, help="side of a training chip in pixels")
    made.add_argument("--again", action="store_true", help="compute cells anew that are there")
    made.add_argument("--table", action="store_true", help="only print what is there")
    made.add_argument("--cache", type=Path, default=ROOT / ".cache" / "accuracy", help="for images, clicks and masks")
    made.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "accuracy", help="for cells")
    given = made.parse_args()
    if given.quick:
        given.seeds, given.again, given.results = [0], True, given.cache / "results"
        given.data, given.steps, given.chip = "synthetic", 40, 64
    given.results /= given.data
    return given


def wanted(given: argparse.Namespace) -> list[tuple[Place, tuple[str, ...]]]:
    """The runs that are to be done, seed by seed."""
    runs = []
    for seed in given.seeds:
        for setting in given.settings:
            for made in RUNS:
                chosen = set(made) & set(given.methods)
                usual = ("50", "10") if "default" in made else ("50",)
                for budget in ("all",) if "dense" in made else given.budgets or usual:
                    place = Place(setting, budget, seed)
                    if any(given.again or not cell_path(given.results, place, name).exists() for name in chosen):
                        runs.append((place, made))
    return runs


def fill(given: argparse.Namespace) -> None:
    """Compute the cells that are missing."""
    data, plan, runs = DATA_SETS[given.data](given.cache / given.data), Plan(given.steps, given.chip), wanted(given)
    for number, (place, made) in enumerate(runs, 1):
        setting = prepare(data, place.setting)
        found, facts = RUNS[made](setting, place, plan)
        names = raster_classes(setting.judged[0]).names
        for method in made:
            save(given.results, place, method, names, found[method], facts)
        print(f"{number}/{len(runs)}: {place.setting}, {place.budget} points, seed {place.seed}: {made[0]}", flush=True)


def main() -> None:
    """Fill in what is missing and print the tables."""
    given = arguments()
    if not given.table:
        fill(given)
    texts, figures, targets, met = [], {}, {}, True
    for setting in given.settings:
        cells = load(given.results, setting, list(METHODS))
        texts.append(f"{setting}: {describe(cells)}\n\n{tabulate(cells, METHODS, BUDGETS)}")
        if setting != "validation":
            found, bounds, reached = judge(setting, cells, 1 if given.quick else 3)
            figures, targets, met = figures | found, targets | bounds, met and reached
    note = "points: per 512² pixels of known truth; (n): from n seeds, not three; –: not computed"
    finish("\n\n".join([*texts, note]), figures, targets, met=bool(targets) and met, out=given.out)


def describe(cells: Cells) -> str:
    """How the networks of these cells were trained; where there are several ways, all are named."""
    ways: dict[str, list[float]] = {}
    for cell in (cell for seeds in cells.values() for cell in seeds if "steps" in cell):
        way = f"{cell['steps']} steps of {cell['batch']} chips of {cell['chip']} px on {cell['device']}"
        ways.setdefault(way, []).append(cell["seconds"]["training"] / 60)
    found = [f"{way} in {np.median(minutes):.1f} min" for way, minutes in sorted(ways.items())]
    return "networks trained for " + "; ".join(found) if found else "no network yet"


if __name__ == "__main__":
    main()
