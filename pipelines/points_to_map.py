"""The main job: rasters and labelled points go in, a styled land-cover map and its report come out."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning

from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder
from geopointseg.labels.check import check
from geopointseg.labels.painter import refuse_idle
from geopointseg.labels.pseudomask import Spreading, mask
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource
from geopointseg.learning.bundle import load
from geopointseg.learning.carry import carry_on
from geopointseg.learning.class_weights import Rule
from geopointseg.learning.data import PointDataModule, check_plan
from geopointseg.learning.fit import fit, trainer_options
from geopointseg.learning.keeping import LAST, Keeping
from geopointseg.learning.models import build_model
from geopointseg.learning.objective import Loss, read_loss
from geopointseg.learning.precision import Precision
from geopointseg.learning.resume import last_of
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.assess import Assessment, Trained, against_points, by_place, pair_truth
from geopointseg.maps.page import Comparison
from geopointseg.maps.predict import predict
from geopointseg.raster import find_rasters
from pipelines.account import RunReport, Steps, write_account
from pipelines.presets import PresetName, choose

__all__ = ["RunReport", "run", "take_folder"]

SEEN = "; it may have been trained on points that are held out now: --held-out-from POINTS keeps what the last round held out"
KNOWING = ", which may know points that are held out now"
OTHER = "other_split"  # folder of the same run under another split


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
    compare_splits: bool = False,
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
        compare_splits: Train a second time under a random split of the points (or under blocks, where the split is random),
            and show both scores side by side: how much a random split would flatter the map. That run is kept in
            other_split/.

    Returns:
        The files made, and the account of points, pseudo-mask and scores.

    Raises:
        GeoPointSegError: the input is not what the work needs.
    """
    plan = choose(preset, steps=steps, chip=chip, batch_size=batch_size, backbone=backbone)
    check_plan(chip=plan.chip, steps=plan.steps, minutes=minutes, seed=seed)
    read_loss(loss)
    if backbone and not warm_start:
        build_model("unet", 1, 2, backbone=backbone)  # refuses an unknown one before anything is done
    if compare_splits and warm_start:
        raise GeoPointSegError(
            "expected a training from the start to compare splits, got a warm start, whose model may have seen the points "
            "that are held out: leave out --compare-splits or --warm-start"
        )
    if compare_splits and spreading.guesses:
        raise GeoPointSegError(
            "expected guesses from looks to compare splits, got a map, which may know the points that are held out: leave out "
            "--compare-splits or --guesses"
        )
    refuse_idle(spreading)
    last = load(warm_start) if warm_start else None  # before it is replaced, should it lie in `out`
    if not resume:
        take_folder(out, overwrite=overwrite)
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
    started = _start(task, last, split)
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
    whole, places = by_place(map_files, truth_files, Trained(checked.points, plan.chip)) if truth_files else (None, [])
    held_out = against_points(map_files, checked.points)
    assessments = [*places, *([held_out] if held_out.matrix.sum() else [])]
    comparison = None
    if compare_splits:
        other = run(
            raster=raster,
            source=source,
            split=Split(split.held_out, "blocks" if split.split == "random" else "random"),
            spreading=spreading,
            out=out / OTHER,
            crs=crs,
            nodata=nodata,
            preset=preset,
            steps=steps,
            chip=chip,
            batch_size=batch_size,
            backbone=backbone,
            minutes=minutes,
            loss=loss,
            class_weights=class_weights,
            keeping=keeping,
            precision=precision,
            deterministic=deterministic,
            seed=seed,
            overwrite=replace,
            resume=resume and last_of(out / OTHER).exists(),
        )
        comparison = _compare(held_out, other.assessments, split)
    done = Steps(
        data=data,
        checked=checked,
        masked=masked,
        trained=trained,
        maps=maps,
        map_files=tuple(map_files),
        truth_files=tuple(truth_files),
        whole=whole,
        assessments=tuple(assessments),
        comparison=comparison,
        started=started,
        knowing=KNOWING if spreading.guesses and split.held_out and split.held_out_from is None else "",
    )
    configuration = {
        "split": asdict(split),
        "spreading": asdict(spreading),
        "plan": asdict(plan),
        "minutes": minutes,
        "started_from": started,
        "loss": loss,
        "class_weights": class_weights,
        "keeping": asdict(keeping),
        "precision": precision,
        "deterministic": deterministic,
        "nodata": nodata,
        "seed": seed,
    }
    return write_account(out, done, configuration)


def _network_of(last: PointSegmentationTask, backbone: str | None) -> dict[str, Any]:
    """The network of an earlier training, with another backbone where one is asked for, which `carry_on` refuses."""
    return {"model": last.hparams["model"], "backbone": backbone or last.hparams["backbone"]}


def _start(task: PointSegmentationTask, last: PointSegmentationTask | None, split: Split) -> str:
    """Start from the last model, if there is one: what was taken of it, and whether it may know what it is judged on."""
    if last is None:
        return ""
    started = carry_on(task, last)
    return started + SEEN if split.held_out and split.held_out_from is None else started


def _compare(held_out: Assessment, others: Sequence[Assessment], split: Split) -> Comparison:
    """Two splits side by side.

    Raises:
        GeoPointSegError: under one of them nothing was held out.
    """
    if not held_out.matrix.sum() or not others:
        raise GeoPointSegError(
            "expected held-out points under both splits to compare them, got none: leave out --compare-splits, or give "
            "every class at least five points"
        )
    (other,) = others
    blocked, random = (other, held_out) if split.split == "random" else (held_out, other)
    return Comparison(blocked, random)


def take_folder(out: Path, *, overwrite: bool) -> None:
    """Make the folder, or clear it of what an earlier run logged and drew.

    Raises:
        GeoPointSegError: it holds something and `overwrite` is false.
    """
    if any(new_folder(out).iterdir()) and not overwrite:
        going_on = ", --resume to go on with the training that was broken off there" if last_of(out).exists() else ""
        raise GeoPointSegError(
            f"expected a new or empty folder, got {out}: add --overwrite{going_on}, or choose another --out"
        )
    for stale in (*out.glob("log/*"), *out.glob("confusion_*.png"), *out.glob("reliability_*.png")):
        stale.unlink()
