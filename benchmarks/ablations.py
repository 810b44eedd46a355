"""What each part of the recipe is worth: one change at a time, against the same seed without it.

Data, clicks, pseudo-masks and trainings are those of `benchmarks.accuracy`. By default a third of Dubai's images is learnt from
and the validation tile is judged, so that what is chosen here is not chosen on the test tile. Every cell is a file; those that are
there are not computed again. `--quick` shows that all of it runs and what a step costs; after its 40 steps no network has learnt
enough for gains to mean anything.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import BUDGETS, ROOT
from benchmarks.accuracy_cells import Place, cell_path, load, save
from benchmarks.accuracy_data import DATA_SETS, SETTINGS, Setting, clicks, prepare, pseudo_masks
from benchmarks.harness import finish, parser, spread, table
from geopointseg.clustering.cluster import cluster
from geopointseg.confusion import scores
from geopointseg.labels.pseudomask import Spreading
from geopointseg.learning.augment import Augmentation
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.learning.unlabelled import Unlabelled
from geopointseg.learning.warm import warm_start
from geopointseg.raster import raster_classes
from pipelines.experiments.methods import matrices
from pipelines.experiments.settings import every
from pipelines.experiments.training import train_and_map

WARMING = 2.5  # steps of a warm start for each of training; together they take three times as long
USUAL, SPARSE = Spreading(), Spreading("reach")


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from the default: in how clicks are spread, in the data module, in the task."""

    spreading: Spreading = USUAL
    data: Mapping[str, Any] = field(default_factory=dict)
    task: Mapping[str, Any] = field(default_factory=dict)
    clusters: bool = False
    """Whether clusters that points have named guess, not looks."""
    warm: bool = False
    """Whether the encoder has seen the images before, without a label."""

    @property
    def base(self) -> str:
        """What it is compared with: what is made of unlabelled pixels shows where nothing is guessed, so that there are some."""
        return "reach" if "unlabelled" in self.task else "default"


VARIANTS = {
    "default": Variant(),
    # the click's weight and place
    "reach": Variant(SPARSE),
    "clusters": Variant(clusters=True),
    "single-pixel": Variant(Spreading("single-pixel")),
    "area-1": Variant(data={"weight_power": 1.0}),
    "area-0": Variant(data={"weight_power": 0.0}),
    "chips-by-point": Variant(data={"balance": "point"}),
    # weights of classes
    "inverse": Variant(data={"class_weights": "inverse"}),
    "sqrt-inverse": Variant(data={"class_weights": "sqrt-inverse"}),
    "effective-number": Variant(data={"class_weights": "effective-number"}),
    "median-frequency": Variant(data={"class_weights": "median-frequency"}),
    # augmentation
    "as-they-are": Variant(data={"augmentation": Augmentation(flips=False, turns=False)}),
    "light-0.25": Variant(data={"augmentation": Augmentation(jitter=0.25)}),
    "light-0.5": Variant(data={"augmentation": Augmentation(jitter=0.5)}),
    "scale-1.33": Variant(data={"augmentation": Augmentation(scale=1.33)}),
    "cutmix": Variant(data={"augmentation": Augmentation(cutmix=0.5)}),
    "classmix": Variant(data={"augmentation": Augmentation(classmix=0.5)}),
    # losses
    "focal": Variant(task={"loss": "focal"}),
    "with-dice": Variant(task={"loss": {"cross-entropy": 1, "dice": 0.5}}),
    "with-lovasz": Variant(task={"loss": {"cross-entropy": 1, "lovasz": 0.5}}),
    "generalised": Variant(task={"loss": "generalised-cross-entropy"}),
    "symmetric": Variant(task={"loss": "symmetric-cross-entropy"}),
    "squared-error": Variant(task={"loss": {"squared-error": {"softmax": True, "weighted": False}}}),
    # unlabelled pixels
    "pairwise": Variant(SPARSE, task={"unlabelled": Unlabelled(pairwise=0.1, ramp=100)}),
    "teacher": Variant(SPARSE, task={"unlabelled": Unlabelled(teacher=1.0, ramp=100)}),
    "teacher-by-pixel": Variant(SPARSE, task={"unlabelled": Unlabelled(teacher=1.0, gate=False, ramp=100)}),
    "grow": Variant(SPARSE, task={"unlabelled": Unlabelled(grow=1.0, ramp=100)}),
    "warm-start": Variant(warm=True),
}


def third(setting: Setting) -> Setting:
    """Every third image to learn from; judged on as many in the same place, on all in another."""
    return every(setting, 3)


def run(setting: Setting, place: Place, variant: Variant, *, steps: int, chip: int) -> tuple[Any, dict[str, Any]]:
    """One training: confusion matrices of the test images, and the facts of the run."""
    points = clicks(setting, int(place.budget), place.seed)
    images = [str(image) for image in setting.images]
    spreading = variant.spreading
    if variant.clusters:
        named = setting.folder / "masks" / f"clusters-{place.budget}-{place.seed}"
        cluster(images, out=named, method="kmeans", points=points, seed=place.seed, overwrite=True)
        spreading = replace(spreading, guesses=named)
    masks = pseudo_masks(setting, int(place.budget), place.seed, spreading)
    data = PointDataModule(images, masks, points, chip=chip, steps=steps, seed=place.seed, **variant.data)
    task = dict(variant.task)
    if variant.warm:
        seen = setting.folder / f"warm-{place.seed}.safetensors"
        warm_start(images, out=seen, steps=round(WARMING * steps), seed=place.seed, overwrite=True)
        task["weights"] = str(seen)
    make = partial(PointSegmentationTask, **task)
    (maps,), facts = train_and_map(setting.tests, data, seed=place.seed, steps=steps, make=make)
    return matrices(setting, maps), facts | {"images": len(images)}


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    made = parser(__doc__ or "")
    made.add_argument("--data", choices=DATA_SETS, default="dubai", help="images to learn from and to judge on")
    made.add_argument("--setting", choices=SETTINGS, default="validation")
    made.add_argument("--all-images", action="store_true", help="learn from all images, not from every third")
    made.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    made.add_argument("--budget", choices=BUDGETS, default="50", help="clicks per 512² pixels")
    made.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    made.add_argument("--steps", type=int, default=400, help="of training, with 8 chips")
    made.add_argument("--chip", type=int, default=256, help="side of a training chip in pixels")
    made.add_argument("--again", action="store_true", help="compute cells anew that are there")
    made.add_argument("--table", action="store_true", help="only print what is there")
    made.add_argument("--cache", type=Path, default=ROOT / ".cache" / "accuracy", help="for images, clicks and masks")
    made.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "ablations", help="for cells")
    given = made.parse_args()
    if given.quick:
        given.seeds, given.again, given.results = [0], True, given.cache / "ablations"
        given.data, given.steps, given.chip = "synthetic", 40, 64
    given.results /= f"{given.data}{'' if given.all_images else '-third'}"
    return given


def main() -> None:
    """Fill in what is missing and print the table."""
    given = arguments()
    if not given.table:
        fill(given)
    cells = load(given.results, given.setting, given.variants)
    found = {name: cells.get((given.budget, name), []) for name in given.variants}
    rows, figures = tabulated({name: {cell["seed"]: cell for cell in seeds} for name, seeds in found.items()})
    title = (
        f"{given.data}, {given.setting}, {given.budget} clicks per 512², {'all' if given.all_images else 'a third'} of the "
        "images; gain: of the same seed, against the default; of teacher, growth and pairwise against reach"
    )
    finish(f"{title}\n\n{table(rows)}", figures, {}, met=True, out=given.out)


def fill(given: argparse.Namespace) -> None:
    """Compute the cells that are missing, seed by seed."""
    setting = prepare(DATA_SETS[given.data](given.cache / given.data), given.setting)
    if not given.all_images:
        setting = third(setting)
    names = raster_classes(setting.judged[0]).names
    for seed in given.seeds:
        place = Place(given.setting, given.budget, seed)
        for name in given.variants:
            if given.again or not cell_path(given.results, place, name).exists():
                found, facts = run(setting, place, VARIANTS[name], steps=given.steps, chip=given.chip)
                save(given.results, place, name, names, found, facts)
                print(f"{name}, seed {seed}: {facts['steps']} steps in {facts['seconds']['training']} s", flush=True)


def tabulated(cells: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> tuple[list[list[str]], dict[str, float]]:
    """Rows of the table and the figures, from the cells of each variant by seed."""
    rows, figures = [["variant", "mIoU", "gain", "seeds", "ms a step"]], {}
    for name, seeds in cells.items():
        if not seeds:
            rows.append([name, "–", "–", "0", "–"])
            continue
        reached = {seed: miou(cell) for seed, cell in seeds.items()}
        base = {seed: miou(cell) for seed, cell in cells.get(VARIANTS[name].base, {}).items()}
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
