"""Training: one call from data to model."""

import logging
import sys
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing, require_new, require_new_folder, write_json
from geopointseg.learning import bundle
from geopointseg.learning.backends import with_torch
from geopointseg.learning.class_weights import ClassWeights
from geopointseg.learning.curves import draw_curves
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.judge import check_bfloat16, judge
from geopointseg.learning.keeping import LAST, Keeping
from geopointseg.learning.objective import Term
from geopointseg.learning.precision import Precision, precision, to_predict_in
from geopointseg.learning.quiet import quiet
from geopointseg.learning.resume import (
    Saving,
    is_finished,
    last_of,
    plan_of,
    read_broken_off,
    refuse_finished,
    steps_done,
)
from geopointseg.learning.sites import sites
from geopointseg.learning.task import PointSegmentationTask

log = logging.getLogger(__name__)

__all__ = ["TrainReport", "fit", "loggers", "max_time", "trainer_options"]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training made small, and the files it wrote."""

    out: Path
    terms: tuple[Term, ...]
    """Of the loss."""
    class_weights: ClassWeights | None
    keeping: Keeping
    notes: tuple[str, ...] = ()
    """What else people should know."""

    @property
    def model(self) -> Path:
        """The folder to predict with."""
        return self.out / "model"

    @property
    def files(self) -> tuple[Path, ...]:
        """The model's folder, Lightning's checkpoint, the weights of the classes if weighed, the curves if logged."""
        perhaps = (self.out / "class_weights.json", self.curves)
        return (self.model, self.out / "model.ckpt", *(file for file in perhaps if file.exists()))

    @property
    def curves(self) -> Path:
        """The picture of losses and scores."""
        return self.out / "curves.png"

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        return {
            "loss": " + ".join(map(str, self.terms)),
            "class_weights": self.class_weights.figures() if self.class_weights else None,
            "keeping": asdict(self.keeping),
        }

    def __str__(self) -> str:
        """The account for people."""
        kept = [] if self.keeping == LAST else [str(self.keeping)]
        loss, weights = self.figures()["loss"], str(self.class_weights or "class weights: none")
        return "\n".join([f"loss: {loss}", weights, *kept, *self.notes])


def trainer_options(
    out: Path,
    *,
    steps: int,
    minutes: float | None = None,
    wanted: Precision = "auto",
    deterministic: bool = False,
) -> dict[str, Any]:
    """Arguments of Lightning's Trainer: a fixed number of steps, no choice of weights by the held-out points.

    Args:
        out: Folder whose `log/` gets the CSV and TensorBoard logs.
        steps: Training steps.
        minutes: Stop after this time if the steps are not done before.
        wanted: Number format.
        deterministic: Use operations that give the same result each time, for the rest of this process, and warn of those
            that torch does not have in such a form; on the CPU training gives the same without.
    """
    return {
        "max_steps": steps,
        "max_epochs": -1,
        "max_time": max_time(minutes),
        "precision": precision(wanted),
        "deterministic": "warn" if deterministic else None,  # False would end what the caller has asked of torch
        "devices": 1,
        "use_distributed_sampler": False,  # ours gives every process its own chips
        "num_sanity_val_steps": 0,
        "log_every_n_steps": min(10, steps),
        "gradient_clip_val": 1.0,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": sys.stderr.isatty(),
        "logger": loggers(out),
    }


def loggers(out: Path) -> list[Logger]:
    """The logs that every training writes."""
    return [CSVLogger(out, name="", version="log"), TensorBoardLogger(out, name="", version="log")]


def max_time(minutes: float | None) -> dict[str, int] | None:
    """Minutes as Lightning's Trainer takes them, in whole seconds."""
    return None if minutes is None else {"seconds": max(1, round(60 * minutes))}


def fit(
    trainer: lightning.Trainer,
    task: PointSegmentationTask,
    data: PointDataModule,
    out: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    keeping: Keeping = LAST,
) -> TrainReport:
    """Train and save the last weights.

    While it runs, `log/last.ckpt` is kept: its state between two epochs, every half minute. Where the GPU's memory is too
    small for a batch, training goes on from there with pieces of it, whose gradients are added up.

    Args:
        trainer: With `trainer_options`.
        task: What is trained.
        data: What it is trained on.
        out: Gets the files.
        overwrite: Replace an earlier model, and forget a training that was broken off.
        resume: Go on from `log/last.ckpt`, if there is one, to the very weights that the unbroken training would have
            given (on the CPU in float32; a clock that ends training does so after as many minutes in all); a training of
            the same arguments that has ended is not repeated.
        keeping: Which weights are kept.

    Returns:
        What was made: the folder `model/`, to predict with and to share; `model.ckpt`, Lightning's own checkpoint with the
        state of the optimiser; `curves.png`; `class_weights.json`, where the data weigh the classes.

    Raises:
        GeoPointSegError: one of them exists and `overwrite` is false, or what is to be resumed is damaged or had other
            arguments.
        KeyboardInterrupt: the user stopped it; neither is written.
    """
    last, checkpoint = last_of(out), out / "model.ckpt"
    first = not getattr(rank_zero_only, "rank", 0)  # of several processes, the one that writes
    if first and not resume:
        _require_free(out, overwrite=overwrite)
    if keeping.ema is not None and task.unlabelled.teacher:
        raise GeoPointSegError(
            "expected an ema or a teacher, got both: the teacher is such an average already; leave keeping.ema out"
        )
    if keeping.tunes and not len(sites(data.points, data.rasters, "test")):
        raise GeoPointSegError(
            "expected held-out points to choose the weights by, got none: hold some out, or leave out patience and keep"
        )
    used = (f"unlabelled pixels: {task.unlabelled}",) if task.unlabelled.any else ()
    report = TrainReport(out, task.terms, data.class_weights, keeping, (*used, *data.notes))
    trained_on = bundle.fingerprint(data.points, [raster.path for pair in data.labels.pairs for raster in pair])
    plan = plan_of(trainer, task, data, trained_on) | {"keeping": asdict(keeping)}
    if not (resume and is_finished(checkpoint, plan)):
        start = last if resume and last.exists() else None
        if first and resume and not start:
            if not overwrite:
                refuse_finished(checkpoint, plan)
            _require_free(out, overwrite=overwrite)
        if start:
            data.pieces = read_broken_off(start, plan)["pieces"]
        callbacks: list[lightning.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # undeclared in 2.6
        callbacks += [*keeping.callbacks(last.parent), Saving(last, plan)]
        with replacing(checkpoint, overwrite=overwrite or resume) if first else nullcontext(checkpoint) as partial:
            try:
                _train(trainer, task, data, start, last)
            except KeyboardInterrupt:
                if first and last.exists() and (done := steps_done(last)):
                    log.warning("the same command with --resume goes on from step %d", done)
                raise
            keeping.take(task, callbacks)
            task.eval()
            task.agreement = check_bfloat16(task, data)
            trainer.save_checkpoint(partial)
            if first:
                ask = with_torch(task, to_predict_in(task)[0])
                figures = {"training_data": trained_on, "scores": judge(ask, data)}
                bundle.save(task, report.model, **figures, overwrite=overwrite or resume)
    if first and data.class_weights:
        write_json(out / "class_weights.json", data.class_weights.figures())
    elif first:  # those of an earlier training would belong to another model
        (out / "class_weights.json").unlink(missing_ok=True)
    if first:
        if (logged := last.parent / "metrics.csv").exists():  # by trainer_options' logger
            draw_curves(report.curves, logged)
        for pattern in ("last.ckpt", "best.ckpt", ".last.partial-*"):  # the third of a kill while it was written
            for file in last.parent.glob(pattern):
                file.unlink()
    return report


def _require_free(out: Path, *, overwrite: bool) -> None:
    """Refuse to replace a model, or to lose hours of a training that was broken off.

    Raises:
        GeoPointSegError: there is one, and `overwrite` is false.
    """
    require_new_folder(out / "model", bundle.FILES, overwrite=overwrite)
    require_new(out / "model.ckpt", overwrite=overwrite)
    last = last_of(out)
    if not overwrite and last.exists() and steps_done(last):
        raise GeoPointSegError(
            f"expected a new training, got {last} of one that was broken off: add --resume to go on, or --overwrite to "
            "begin anew"
        )
    last.unlink(missing_ok=True)


def _train(
    trainer: lightning.Trainer, task: PointSegmentationTask, data: PointDataModule, start: Path | None, last: Path
) -> None:
    """Train from `start`, if given; where memory is too small, go back to `last` and cut batches into smaller pieces.

    Raises:
        GeoPointSegError: there is not room for one chip, or several processes would have to go back together.
        KeyboardInterrupt: the user stopped it.
    """
    accumulated = trainer.accumulate_grad_batches
    while True:
        trainer.accumulate_grad_batches = accumulated * data.pieces
        try:
            return _fit(trainer, task, data, start)
        except torch.OutOfMemoryError as error:
            if trainer.world_size > 1 or not last.exists():
                raise GeoPointSegError(
                    f"expected memory for {data.batch_size // data.pieces} chips in each process, got too little "
                    f"({str(error).splitlines()[0]}): take a smaller data.batch_size and as much more "
                    "trainer.accumulate_grad_batches, smaller chips or a smaller network"
                ) from error
            data.cut()
        start = last
        torch.cuda.empty_cache()  # here, where the error holds on to no tensors any more
        log.warning(
            "memory was too small for %d chips at once: going on with %d pieces of %d",
            data.batch_size,
            data.pieces,
            data.batch_size // data.pieces,
        )


def _fit(trainer: lightning.Trainer, task: PointSegmentationTask, data: PointDataModule, start: Path | None) -> None:
    """Lightning's training.

    Raises:
        GeoPointSegError: the network takes no single chip.
        KeyboardInterrupt: the user stopped it.
    """
    with quiet():
        try:
            trainer.fit(task, data, ckpt_path=start, weights_only=True)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise GeoPointSegError(
                f"expected 2 chips or more at a time for {task.hparams['model']}, whose coarsest level is a single pixel, got 1: "
                "take a larger data.batch_size, or another network"
            ) from error
