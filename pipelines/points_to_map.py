"""The main job: rasters and labelled points go in, a styled land-cover map and its report come out.

`run` is the story; `demo` tells it on a synthetic scene, whose truth is known everywhere.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, write_json
from geopointseg.grid import Window
from geopointseg.labels.check import CheckReport, check
from geopointseg.labels.draw import draw
from geopointseg.labels.pseudomask import MaskReport, Spreading, mask
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource
from geopointseg.learning.backends import Predictor
from geopointseg.learning.bundle import load
from geopointseg.learning.carry import carry_on
from geopointseg.learning.class_weights import Rule
from geopointseg.learning.data import PointDataModule, check_plan
from geopointseg.learning.fit import TrainReport, fit, trainer_options
from geopointseg.learning.keeping import LAST, Keeping
from geopointseg.learning.objective import Loss, read_loss
from geopointseg.learning.precision import Precision
from geopointseg.learning.resume import last_of
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.assess import Assessment, against_points, against_truth, pair_truth
from geopointseg.maps.predict import PredictReport, predict
from geopointseg.maps.report import draw_confusion, draw_overview, write_page
from geopointseg.raster import creating, find_rasters, open_raster, raster_classes, read_labels
from geopointseg.scene import write_scene
from pipelines.presets import PresetName, choose

__all__ = ["RunReport", "demo", "run"]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run made."""

    files: tuple[Path, ...]
    """The report first, then the maps, the model and the rest."""
    checked: CheckReport
    masked: MaskReport
    trained: TrainReport
    predictor: Predictor
    """What computed the maps."""
    assessments: tuple[Assessment, ...]
    """On dense truth, where there is one, and on held-out points, where some could be held out."""
    started: str = ""
    """What training started from, where that was an earlier model."""

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        scores = {assessment.basis: assessment.figures() for assessment in self.assessments}
        return {
            "points": self.checked.figures(),
            "pseudo_mask": self.masked.figures(),
            "training": self.trained.figures() | ({"started_from": self.started} if self.started else {}),
            "prediction": self.predictor.figures(),
            "scores": scores,
        }

    def __str__(self) -> str:
        """The account for people."""
        scores = [str(assessment) for assessment in self.assessments]
        trained = f"started from {self.started}\n{self.trained}" if self.started else str(self.trained)
        parts = [str(self.checked), str(self.masked), trained, f"maps: {self.predictor}"]
        return "\n\n".join([*parts, *(scores or ["nothing to assess the map on"])])


def run(
    *,
    raster: list[str],
    source: PointSource,
    split: Split,
    spreading: Spreading,
    out: Path = Path("result"),
    truth: list[str] | None = None,
    crs: str | None = None,
    nodata: float | None = None,
    preset: PresetName = "balanced",
    steps: int | None = None,
    chip: int | None = None,
    batch_size: int | None = None,
    backbone: str | None = None,
    minutes: float | None = None,
    warm_start: str | None = None,
    loss: Loss = "cross-entropy",
    class_weights: Rule = "none",
    keeping: Keeping = LAST,
    precision: Precision = "auto",
    deterministic: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    resume: bool = False,
) -> RunReport:
    """From rasters and labelled points to a land-cover map, a model and a report.

    Args:
        raster: Raster files, folders or globs.
        source: The labelled points.
        split: What is held out for assessment.
        spreading: How a click becomes more than a pixel.
        out: Folder for everything that is made.
        truth: Dense class rasters to assess the maps on too, one for each raster: same file name, or same order.
        crs: CRS of rasters or points that have none, for example EPSG:32633.
        nodata: No-data value of rasters that declare none.
        preset: How much work to do; the next four are its unless given. docs/training.md has the table.
        steps: Training steps.
        chip: Side of a training chip in pixels, 32 or more; a larger one sees more around a point, and is slower.
        batch_size: Chips per training step.
        backbone: Encoder of the U-Net, by its name in docs/models.md.
        minutes: End training after this time if the steps are not done before.
        warm_start: Model to start from, as predict takes it: the last one, when points have been added.
        loss: What training makes small: a loss by its name, or several with their shares, such as
            '{cross-entropy: 1, dice: 0.5}'.
        class_weights: How much each class weighs in it: a rule of how many clicks it has.
        keeping: Which weights are kept.
        precision: Number format of training.
        deterministic: On a GPU, use operations that give the same each time, which are slower, and warn of those that torch
            does not have in such a form; a CPU gives the same anyway.
        seed: Of every random choice.
        overwrite: Replace the files of an earlier run.
        resume: Go on with a run that was broken off, with the same arguments: points and masks are made again, training
            goes on from log/last.ckpt, and what comes out is the same as of an unbroken run.

    Returns:
        The files made, and the account of points, pseudo-mask and scores.

    Raises:
        GeoPointSegError: the input is not what the work needs.
    """
    plan = choose(preset, steps=steps, chip=chip, batch_size=batch_size, backbone=backbone)
    check_plan(chip=plan.chip, steps=plan.steps, minutes=minutes, seed=seed)
    read_loss(loss)
    last = load(warm_start) if warm_start else None  # before it is replaced, should it lie in `out`
    if not resume:
        _take_folder(out, overwrite=overwrite)
    replace = overwrite or resume

    checked = check(
        raster,
        source=source,
        split=split,
        out=out / "points.gpkg",
        crs=crs,
        nodata=nodata,
        seed=seed,
        overwrite=replace,
    )
    masked = mask(
        raster,
        points=out / "points.gpkg",
        spreading=spreading,
        out=out / "masks",
        crs=crs,
        nodata=nodata,
        overwrite=replace,
    )
    data = PointDataModule(
        raster,
        out / "masks",
        out / "points.gpkg",
        chip=plan.chip,
        batch_size=plan.batch_size,
        steps=plan.steps,
        augmentation=plan.augmentation,
        crs=crs,
        nodata=nodata,
        seed=seed,
        class_weights=class_weights,
    )
    lightning.seed_everything(seed, verbose=False)
    own = {"backbone": plan.backbone} if last is None else _network_of(last, backbone)
    task = PointSegmentationTask(data.card, **own, steps=plan.steps, minutes=minutes, loss=loss)
    started = carry_on(task, last) if last else ""
    options = trainer_options(out, steps=plan.steps, minutes=minutes, wanted=precision, deterministic=deterministic)
    trainer = lightning.Trainer(**options)
    trained = fit(trainer, task, data, out, overwrite=overwrite, resume=resume, keeping=keeping)

    maps = predict(
        trained.model,
        raster,
        out=out / "map.tif" if len(data.rasters) == 1 else out / "maps",
        crs=crs,
        nodata=nodata,
        allow=("values",),  # it was trained on them
        overwrite=replace,
    )
    map_files = [file for file in maps.files if file.suffix == ".tif"]
    truth_files = pair_truth(map_files, find_rasters(truth)) if truth else []
    assessments = [
        *([against_truth(map_files, truth_files)] if truth_files else []),
        against_points(map_files, checked.points),
    ]
    layers = {"pseudo-mask": masked.files[0], "map": map_files[0]} | ({"truth": truth_files[0]} if truth_files else {})
    assessments = [assessment for assessment in assessments if assessment.matrix.sum()]
    return _report(out, data, checked, masked, trained, assessments, layers, maps, started)


def _network_of(last: PointSegmentationTask, backbone: str | None) -> dict[str, Any]:
    """The network of an earlier training, with another backbone where one is asked for, which `carry_on` refuses."""
    return {"model": last.hparams["model"], "backbone": backbone or last.hparams["backbone"]}


def _take_folder(out: Path, *, overwrite: bool) -> None:
    """Make the folder, or clear it of what an earlier run logged and drew.

    Raises:
        GeoPointSegError: it holds something and `overwrite` is false.
    """
    if any(new_folder(out).iterdir()) and not overwrite:
        going_on = ", --resume to go on with the training that was broken off there" if last_of(out).exists() else ""
        raise GeoPointSegError(
            f"expected a new or empty folder, got {out}: add --overwrite{going_on}, or choose another --out"
        )
    for stale in (*out.glob("log/*"), *out.glob("confusion_*.png")):
        stale.unlink()


def _report(
    out: Path,
    data: PointDataModule,
    checked: CheckReport,
    masked: MaskReport,
    trained: TrainReport,
    assessments: list[Assessment],
    layers: dict[str, Path],
    maps: PredictReport,
    started: str,
) -> RunReport:
    """Draw and write what a reader wants to see."""
    first = data.rasters[0]
    pictures = {
        "Raster, points and maps": draw_overview(out / "overview.png", first, data.statistics, checked.points, layers),
        "Training": trained.curves,
    }
    for assessment in assessments:
        name = f"confusion_{assessment.basis.replace(' ', '_')}.png"
        pictures[f"Confusion, {assessment.basis}"] = draw_confusion(out / name, assessment)
    facts = {
        "rasters": _list([raster.path.name for raster in data.rasters]),
        "grid": f"{first.grid.height} × {first.grid.width} pixels, {data.card['crs'][:60]}",
        "bands": _list(data.card["band_names"]),
        "points": f"{len(checked.points.used('train'))} for training, {len(checked.points.used('test'))} held out",
        "labelled by points": f"{sum(masked.pixels) / masked.total:.1%} of the pixels",
    }
    training = f"started from {started}\n{trained}" if started else str(trained)
    tables = {"Points": str(checked), "Pseudo-mask": str(masked), "Training": training, "Maps": str(maps)}
    page = write_page(out / "report.html", "Land cover from points", facts, tables, assessments, pictures)
    scores = out / "scores.json"
    written = dict.fromkeys(
        (page, *maps.files, *trained.files, scores, *checked.files, *masked.files, *pictures.values())
    )
    report = RunReport(tuple(written), checked, masked, trained, maps.predictor, tuple(assessments), started)
    write_json(scores, report.figures())
    return report


def _list(names: list[str], most: int = 8) -> str:
    """The names, or the first of them and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def demo(*, out: Path = Path("demo"), seed: int = 0, steps: int = 500, overwrite: bool = False) -> RunReport:
    """The whole job on a synthetic scene: points on its western half, dense truth on its eastern half.

    Args:
        out: Folder for everything that is made.
        seed: Of the scene and of every random choice.
        steps: Training steps.
        overwrite: Replace the files of an earlier demo.

    Returns:
        The files made, and the account of points, pseudo-mask and scores.
    """
    check_plan(chip=128, steps=steps, seed=seed)
    _take_folder(out, overwrite=overwrite)
    scene = write_scene(out / "scene", seed=seed, overwrite=overwrite)
    clicks, unseen = out / "scene" / "points.gpkg", out / "scene" / "truth_east.tif"
    west, south, east, north = open_raster(scene.truth).grid.bounds
    middle = (west + east) / 2
    draw(
        [str(scene.truth)],
        per_class=100,
        out=clicks,
        bounds=(west, south, middle, north),
        seed=seed,
        overwrite=overwrite,
    )
    _blank_west(scene.truth, unseen)
    return run(
        raster=[str(scene.image)],
        source=PointSource(clicks, "class_name"),
        split=Split(),
        spreading=Spreading(),
        out=out,
        truth=[str(unseen)],
        steps=steps,
        seed=seed,
        overwrite=True,
    )


def _blank_west(truth: Path, out: Path) -> None:
    """Copy a truth raster without its western half."""
    raster = open_raster(truth)
    grid, classes = raster.grid, raster_classes(truth)
    ids = read_labels(truth, Window(0, 0, *grid.shape))
    ids[:, : grid.width // 2] = UNLABELLED
    with creating(out, grid, nodata=UNLABELLED, overwrite=True) as target:
        target.write(ids, 1)
        target.update_tags(CLASSES=classes.to_tag())
