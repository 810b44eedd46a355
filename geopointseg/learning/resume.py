"""Going on after a kill: what is kept of a training while it runs, and how the next one takes it up.

Everything random in training depends on seed, process and step alone, so a checkpoint between two epochs is all it
takes: optimiser, schedule, the weights, the position of the sampler, and the log so far.
"""

import csv
import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning import LightningModule
from lightning.pytorch.loggers import CSVLogger

from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["Saving", "is_finished", "last_of", "plan_of", "read_broken_off", "refuse_finished", "steps_done"]

EVERY = 30.0  # seconds between two checkpoints at least: writing one takes a fraction of a second

Plan = Mapping[str, Any]


def plan_of(
    trainer: lightning.Trainer, task: PointSegmentationTask, data: PointDataModule, trained_on: Mapping[str, Any]
) -> dict[str, Any]:
    """All that the weights depend on, by name: where it is the same, so is the training."""
    own = {
        "weights": Path(str(task.weights)).name,  # no path of the machine
        "seed_everything": os.environ.get("PL_GLOBAL_SEED"),
        "batch_size": data.batch_size,
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "gradient_clip_val": trainer.gradient_clip_val,
        "processes": trainer.world_size,
        "precision": trainer.precision,
    }
    card = dict(task.hparams["card"])
    sampling = card.pop("sampling", {})
    learnt = {name: value for name, value in task.hparams.items() if name != "card"}
    return {**card, **sampling, **learnt, **own, "points and masks": trained_on}


def last_of(out: Path) -> Path:
    """Where the checkpoint of a running training lies."""
    return out / "log" / "last.ckpt"


class Saving(lightning.Callback):
    """Saves a training as it starts, and then between two epochs every half minute, in place of the one before."""

    def __init__(self, path: Path, plan: Plan) -> None:
        """Save at `path`, with `plan`: a later training of the same plan may go on from there."""
        self.path, self.plan = path, _plain(plan)
        self.saved = -math.inf
        self.logged: str | None = None

    def on_save_checkpoint(self, trainer: lightning.Trainer, _: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the plan, how the batch is cut, and what has been logged."""
        checkpoint |= {"plan": self.plan, "pieces": trainer.datamodule.pieces, "logged": ""}  # type: ignore[attr-defined]  # undeclared in 2.6
        if log := _csv(trainer):
            log.save()
            file = Path(log.experiment.metrics_file_path)
            checkpoint["logged"] = file.read_text(encoding="utf-8") if file.exists() else ""

    def on_load_checkpoint(
        self, _trainer: lightning.Trainer, _task: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep what had been logged until the log is open."""
        self.logged, self.saved = checkpoint["logged"], time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, _: LightningModule) -> None:
        """Put back what had been logged."""
        if self.logged is not None and (log := _csv(trainer)):  # what it has is of steps that come again, or deleted
            log.experiment.metrics = []
            log.experiment.metrics_keys = next(csv.reader(self.logged.splitlines()), [])
            Path(log.experiment.metrics_file_path).unlink(missing_ok=True)
            if self.logged:
                Path(log.experiment.metrics_file_path).write_text(self.logged, encoding="utf-8")

    def on_train_epoch_start(self, trainer: lightning.Trainer, _: LightningModule) -> None:
        """Save if the last time is long enough ago, all processes by the clock of the first.

        Not as an epoch ends: what a schedule makes of its score comes after that.
        """
        due = time.monotonic() - self.saved >= EVERY
        if trainer.strategy.broadcast(due):
            self._save(trainer)

    def _save(self, trainer: lightning.Trainer) -> None:
        """All processes take part, one writes."""
        place = replacing(self.path, overwrite=True) if trainer.is_global_zero else nullcontext(self.path)
        with place as partial:
            trainer.save_checkpoint(partial)
        self.saved = time.monotonic()


def _csv(trainer: lightning.Trainer) -> CSVLogger | None:
    """The logger that writes log/metrics.csv, in the process that does."""
    logs = [logger for logger in trainer.loggers if isinstance(logger, CSVLogger)]
    return logs[0] if logs and trainer.is_global_zero else None


def read_broken_off(path: Path, plan: Plan) -> dict[str, Any]:
    """The checkpoint of a training that was broken off.

    Raises:
        GeoPointSegError: it cannot be read, or is of another plan.
    """
    checkpoint = _read(path)
    if odd := _differences(checkpoint["plan"], plan):
        raise GeoPointSegError(
            f"expected the arguments of the training that was broken off, got others ({', '.join(odd)}) than those of "
            f"{path}: give the same to go on, or begin anew with --overwrite and without --resume"
        )
    return checkpoint


def is_finished(path: Path, plan: Plan) -> bool:
    """Whether a training of this plan has run to its end: `path` is the checkpoint that it leaves then."""
    return path.is_file() and not _differences(_read(path)["plan"], plan)


def refuse_finished(path: Path, plan: Plan) -> None:
    """Say what is another in a training that has ended than in the one that was to go on.

    Raises:
        GeoPointSegError: there is one, of another plan.
    """
    if path.is_file() and (odd := _differences(_read(path)["plan"], plan)):
        raise GeoPointSegError(
            f"expected the arguments of the training that has ended, got others ({', '.join(odd)}) than those of {path}: give "
            "the same, another folder, or --overwrite to begin anew"
        )


def steps_done(path: Path) -> int:
    """The training steps that a checkpoint has behind it."""
    steps: int = _read(path)["global_step"]
    return steps


def _read(path: Path) -> dict[str, Any]:
    """Read a checkpoint, running no code from it.

    Raises:
        GeoPointSegError: it is damaged, or not one of ours.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        json.loads(checkpoint["plan"])
    except Exception as error:  # torch raises many kinds on foreign and damaged files
        raise GeoPointSegError(
            f"expected a checkpoint to go on from, got {path} ({(str(error) or repr(error)).splitlines()[0]}): the file "
            "is damaged or of an older version; begin anew with --overwrite and without --resume"
        ) from error
    return checkpoint


def _plain(plan: Plan) -> str:
    """The plan as text, which can be compared: NaN is NaN there, and a tuple a list."""
    return json.dumps(plan, sort_keys=True, default=str)


def _differences(kept: str, plan: Plan) -> list[str]:
    """The names of what is not the same in both."""
    one, other = json.loads(kept), json.loads(_plain(plan))
    return sorted(key for key in one.keys() | other.keys() if repr(one.get(key)) != repr(other.get(key)))
