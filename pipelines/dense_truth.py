"""From images with dense truth to a map and a table, stage by stage: what the pipelines of the data sets share.

Clicks are drawn from the truth of the training split, and nothing else of it is used; the maps of the test split are
judged on its dense truth. Where both are of one image, no pseudo-label reaches out of the tiles of the training split.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import lightning
import numpy as np
import shapely

from geopointseg.classes import Classes
from geopointseg.datasets.dataset import Pair
from geopointseg.datasets.prepare import write_pairs
from geopointseg.datasets.write import grid_of
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing, write_json
from geopointseg.labels.draw import draw
from geopointseg.labels.points import Points, load_points, write_points
from geopointseg.labels.pseudomask import Spreading, mask
from geopointseg.labels.strategies import Strategy
from geopointseg.learning.data import PointDataModule, check_plan
from geopointseg.learning.fit import fit, trainer_options
from geopointseg.learning.objective import Loss, read_loss
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.assess import Assessment, against_truth, pair_truth
from geopointseg.maps.predict import predict
from geopointseg.maps.report import draw_confusion, draw_overview, write_page
from geopointseg.raster import find_rasters, raster_classes
from geopointseg.statistics import open_rasters
from pipelines.stages import stage

__all__ = ["Plan", "StoryReport", "story"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many clicks, and how long to train what network on them."""

    per_class: int | None = None
    """Clicks per class and image; 20 unless per_image is given."""
    per_image: int | None = None
    """Clicks per image instead, shared among its classes."""
    strategy: Strategy = "random"
    """Which pixels are clicked, as in 'geopointseg draw'."""
    steps: int = 2000
    """Training steps."""
    chip: int = 256
    """Side of a training chip in pixels."""
    batch_size: int = 8
    """Chips per step."""
    backbone: str = "resnet18"
    """Encoder of the U-Net."""
    weights: str = "imagenet"
    """Weights that it starts from; none needs no network."""
    loss: Loss = "cross-entropy"
    """As in 'geopointseg run'."""
    seed: int = 0
    """Of every random choice."""


@dataclass(frozen=True, slots=True)
class StoryReport:
    """What the job has made, and what it found done."""

    files: tuple[Path, ...]
    """The page first, then the scores, the folder of maps and the model."""
    made: tuple[str, ...]
    """Stages that were not current."""
    skipped: tuple[str, ...]
    assessments: tuple[Assessment, ...]

    def __str__(self) -> str:
        """The tables, and which stages were made."""
        done = f"made: {', '.join(self.made) or 'nothing'}; current already: {', '.join(self.skipped) or 'nothing'}"
        return "\n\n".join([*map(str, self.assessments), done])


def story(
    title: str,
    classes: Classes,
    train: Sequence[Pair],
    test: Mapping[str, Sequence[Pair]],
    *,
    out: Path,
    plan: Plan,
    spreading: Spreading,
    facts: Mapping[str, str],
) -> StoryReport:
    """Make what is not current of: data, points, masks, training, maps, scores; each a folder in `out`.

    Args:
        title: Of the page.
        classes: Of the data set.
        train: What clicks are drawn from and the network learns on.
        test: What is mapped and judged, by the name of its truth; all of the same images.
        out: Folder of the job.
        plan: Clicks and training.
        spreading: How a click becomes more than a pixel.
        facts: Short statements for the page.

    Raises:
        GeoPointSegError: images without truth, or see the stages.
    """
    plan = replace(plan, per_class=20) if plan.per_class is None and plan.per_image is None else plan
    check_plan(chip=plan.chip, steps=plan.steps, seed=plan.seed)
    read_loss(plan.loss)
    made: dict[str, bool] = {}

    def run(
        name: str, make: Callable[[Path], object], inputs: list[Path], options: Mapping[str, Any], resume: bool = False
    ) -> Path:
        folder, made[name] = stage(out, name, make, inputs=inputs, options=options, resume=resume)
        return folder

    kinds = {"truth": train}
    learnt = run("train-data", lambda to: _data(kinds, classes, to, out / "train-data"), *_sources(kinds, classes))
    judged = run("test-data", lambda to: _data(test, classes, to, out / "test-data"), *_sources(test, classes))
    images, tests = [str(learnt / "images")], [str(judged / "images")]
    clicks = {key: getattr(plan, key) for key in ("per_class", "per_image", "strategy", "seed")}
    points = run("points", lambda to: _points(learnt / "truth", train, clicks, to), [learnt], clicks) / "points.gpkg"
    masks = run(
        "masks",
        lambda to: mask(images, points=points, spreading=spreading, out=to),
        [learnt / "images", points],
        {"spreading": spreading},
    )
    training = run(
        "training",
        lambda to: _train(images, masks, points, plan, to),
        [learnt / "images", masks, points],
        {"plan": plan},
        resume=True,
    )
    model = training / "model"
    maps = run("maps", lambda to: predict(model, tests, out=to, allow=("values",)), [model, judged / "images"], {})
    told = dict(facts) | {"training images": f"{len(train)}", "clicks": f"{len(load_points(points).used('train'))}"}
    scores = run(
        "scores",
        lambda to: _scores(title, told, judged, list(test), maps, points, training, to),
        [maps, judged, points],
        {"title": title, "facts": told},
    )
    files = (scores / "report.html", scores / "scores.json", scores / "table.txt", maps, model)
    assessments = tuple(_judged(scores / "scores.json", raster_classes(find_rasters([maps])[0])))
    skipped = tuple(name for name, new in made.items() if not new)
    return StoryReport(files, tuple(name for name, new in made.items() if new), skipped, assessments)


def _sources(kinds: Mapping[str, Sequence[Pair]], classes: Classes) -> tuple[list[Path], dict[str, Any]]:
    """What a stage of data is made of: files, and what is taken of them."""
    files = [path for pairs in kinds.values() for pair in pairs for path in (pair.image, *pair.more, *pair.truth)]
    tiles = {
        pair.name: pair.tiles.chosen.astype(int).tolist() for pairs in kinds.values() for pair in pairs if pair.tiles
    }
    options = {kind: [[pair.name, pair.names] for pair in pairs] for kind, pairs in kinds.items()}
    return list(dict.fromkeys(files)), {"pairs": options, "tiles": tiles, "classes": classes.to_tag()}


def _data(kinds: Mapping[str, Sequence[Pair]], classes: Classes, folder: Path, final: Path) -> None:
    """Write the rasters, and a folder of truth of each kind."""
    for kind, pairs in kinds.items():
        if lacking := [pair.name for pair in pairs if not pair.truth]:
            raise GeoPointSegError(
                f"expected truth of every image, got none of {len(lacking)}, such as {lacking[0]}: fetch the archive of its labels"
            )
        write_pairs(pairs, classes, folder / "images", folder / kind, final=final / "images", overwrite=True)


def _points(truth: Path, train: Sequence[Pair], clicks: Mapping[str, Any], folder: Path) -> None:
    """Draw the clicks, and close all ground that is not of the training split."""
    path = folder / "points.gpkg"
    draw([str(truth)], **clicks, held_out=0, out=path)
    points = load_points(path)
    closed = []
    for pair in train:
        if pair.tiles is not None:
            grid = grid_of(pair)
            inset = 0.01 * min(grid.pixel_size)  # or the pixels beside it would be closed, too
            boxes = [
                shapely.box(*grid.window_bounds(window)).buffer(-inset) for window in pair.tiles.others(*grid.shape)
            ]
            closed += [shapely.union_all(boxes)] if boxes else []
    if closed:
        blocks = gpd.GeoDataFrame({"block": range(len(closed))}, geometry=closed, crs=points.frame.crs)
        write_points(Points(points.frame, points.classes, blocks), path, overwrite=True)


def _train(images: list[str], masks: Path, points: Path, plan: Plan, folder: Path) -> None:
    """Train, or go on with a training that was broken off."""
    data = PointDataModule(
        images, masks, points, chip=plan.chip, batch_size=plan.batch_size, steps=plan.steps, seed=plan.seed
    )
    lightning.seed_everything(plan.seed, verbose=False)
    task = PointSegmentationTask(
        data.card, backbone=plan.backbone, weights=plan.weights, steps=plan.steps, loss=plan.loss
    )
    trainer = lightning.Trainer(**trainer_options(folder, steps=plan.steps))
    fit(trainer, task, data, folder, resume=True)


def _assess(maps: Path, judged: Path, kinds: Sequence[str]) -> list[Assessment]:
    """The maps against each truth."""
    files = find_rasters([maps])
    found = [(kind, against_truth(files, pair_truth(files, find_rasters([judged / kind])))) for kind in kinds]
    return [replace(one, basis=BASIS.get(kind, kind)) for kind, one in found]


def _judged(path: Path, classes: Classes) -> list[Assessment]:
    """The assessments as they were written: no map is read again where all is current."""
    found = json.loads(path.read_text(encoding="utf-8")).values()
    return [
        Assessment(np.array(one["confusion"], np.int64), classes, one["basis"], one["unmapped"], one["foreign"])
        for one in found
    ]


BASIS = {"truth": "dense truth", "eroded": "dense truth, boundaries eroded"}


def _scores(
    title: str,
    facts: Mapping[str, str],
    judged: Path,
    kinds: Sequence[str],
    maps: Path,
    points: Path,
    training: Path,
    folder: Path,
) -> None:
    """Write the table, the figures and the page."""
    assessments = _assess(maps, judged, kinds)
    write_json(folder / "scores.json", {one.basis: one.figures() for one in assessments})
    table = "\n\n".join(map(str, assessments))
    with replacing(folder / "table.txt") as partial:
        partial.write_text(table + "\n", encoding="utf-8")
    rasters, statistics = open_rasters([judged / "images"])
    first = rasters[0]
    layers = {"map": maps / f"{first.path.stem}.tif", "truth": judged / kinds[0] / f"{first.path.stem}.tif"}
    overview = draw_overview(folder / "overview.png", first, statistics, load_points(points), layers)
    pictures = {"The first test image, its map and its truth": overview}
    if (training / "curves.png").exists():
        pictures["Training"] = training / "curves.png"
    for number, one in enumerate(assessments):
        pictures[f"Confusion, {one.basis}"] = draw_confusion(folder / f"confusion_{number}.png", one)
    write_page(folder / "report.html", title, facts, {"Scores": table}, assessments, pictures)
