"""Training: one call from data to model."""

import logging
import sys
import warnings
from argparse import ArgumentError
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing, require_new_folder, write_json
from geopointseg.learning import bundle
from geopointseg.learning.class_weights import ClassWeights
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.infer import Precision, judge, precision
from geopointseg.learning.objective import Term
from geopointseg.learning.priors import estimate_priors, sample_probabilities
from geopointseg.learning.task import PointSegmentationTask

for name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.WARNING)  # no hardware lists and tips among our own lines

__all__ = ["TrainReport", "fit", "train", "trainer_options"]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training made small, and the files it wrote."""

    out: Path
    terms: tuple[Term, ...]
    """Of the loss."""
    class_weights: ClassWeights | None

    @property
    def model(self) -> Path:
        """The folder to predict with."""
        return self.out / "model"

    @property
    def files(self) -> tuple[Path, ...]:
        """The model's folder, Lightning's checkpoint, and the weights of the classes where they were weighed."""
        weighed = [self.out / "class_weights.json"] if self.class_weights else []
        return (self.model, self.out / "model.ckpt", *weighed)

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        return {
            "loss": " + ".join(map(str, self.terms)),
            "class_weights": self.class_weights.figures() if self.class_weights else None,
        }

    def __str__(self) -> str:
        """The account for people."""
        return f"loss: {self.figures()['loss']}\n{self.class_weights or 'class weights: none'}"


def trainer_options(
    out: Path, *, steps: int, minutes: float | None = None, wanted: Precision = "auto"
) -> dict[str, Any]:
    """Arguments of Lightning's Trainer: a fixed number of steps, no choice of weights by the held-out points.

    Args:
        out: Folder whose `log/` gets the CSV and TensorBoard logs.
        steps: Training steps.
        minutes: Stop after this time if the steps are not done before.
        wanted: Number format.
    """
    return {
        "max_steps": steps,
        "max_epochs": -1,
        "max_time": _as_time(minutes),
        "precision": precision(wanted),
        "devices": 1,
        "use_distributed_sampler": False,  # ours gives every process its own chips
        "num_sanity_val_steps": 0,
        "log_every_n_steps": min(10, steps),
        "gradient_clip_val": 1.0,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": sys.stderr.isatty(),
        "logger": [CSVLogger(out, name="", version="log"), TensorBoardLogger(out, name="", version="log")],
    }


def fit(
    trainer: lightning.Trainer,
    task: PointSegmentationTask,
    data: PointDataModule,
    out: Path,
    *,
    overwrite: bool = False,
) -> TrainReport:
    """Train, learn from the rasters how common the classes are, and save the last weights.

    Returns:
        What was made: the folder `model/`, to predict with and to share; `model.ckpt`, Lightning's own checkpoint with the
        state of the optimiser; `class_weights.json`, where the data weigh the classes.

    Raises:
        GeoPointSegError: one of them exists and `overwrite` is false.
        KeyboardInterrupt: the user stopped it; neither is written.
    """
    model, checkpoint = out / "model", out / "model.ckpt"
    first = not getattr(rank_zero_only, "rank", 0)  # of several processes, the one that writes
    if first:
        require_new_folder(model, bundle.FILES, overwrite=overwrite)
    with replacing(checkpoint, overwrite=overwrite) if first else nullcontext(checkpoint) as partial:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # reading is a small part
            warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # the log folder of an --overwrite
            warnings.filterwarnings("ignore", message=".*across ranks is zero.*")  # no point is held out
            warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # every process judges all held-out points
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning 2.6 on torch 2.15
            try:
                trainer.fit(task, data)
            except SystemExit:  # what Lightning makes of Ctrl-C
                raise KeyboardInterrupt from None
        task.eval()
        task.set_priors(estimate_priors(sample_probabilities(task, data.rasters)))
        trainer.save_checkpoint(partial)
        if first:
            trained_on = bundle.fingerprint(data.points, [raster.path for pair in data.labels.pairs for raster in pair])
            bundle.save(task, model, training_data=trained_on, scores=judge(task, data), overwrite=overwrite)
    report = TrainReport(out, task.terms, data.class_weights)
    if first and data.class_weights:
        write_json(out / "class_weights.json", data.class_weights.figures())
    elif first:  # those of an earlier training would belong to another model
        (out / "class_weights.json").unlink(missing_ok=True)
    return report


def train(arguments: list[str]) -> TrainReport:
    """Train from a YAML file: its keys are the arguments of PointDataModule, PointSegmentationTask and Trainer.

    Args:
        arguments: As on the command line: --config FILE, and any --data.…, --model.… or --trainer.… to override it.

    Returns:
        The files made, and the account of the loss.
    """
    defaults = trainer_options(Path(), steps=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LightningCLI's args parameter.*")  # that is how we call it
        warnings.filterwarnings("ignore", message="(?s).*(Jsonargparse|was deprecated in v4)")  # within Lightning 2.6
        try:
            parsed = _CommandLine(
                PointSegmentationTask,
                PointDataModule,
                args=arguments,
                run=False,
                save_config_callback=None,
                seed_everything_default=0,
                trainer_defaults={k: v for k, v in defaults.items() if k not in ("max_steps", "max_time", "logger")},
                parser_kwargs={"prog": "geopointseg train", "exit_on_error": False},
            )
        except ArgumentError as error:
            raise GeoPointSegError(f"{error}: see 'geopointseg train --help'") from error
    out = Path(parsed.config["out"])
    trainer = parsed.trainer
    trainer.loggers = [CSVLogger(out, name="", version="log"), TensorBoardLogger(out, name="", version="log")]
    return fit(trainer, parsed.model, parsed.datamodule, out, overwrite=parsed.config["overwrite"])


class _CommandLine(LightningCLI):
    """LightningCLI with our outputs, and what the task learns from the data linked."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add and link arguments."""
        parser.add_argument("--out", type=str, default="result", help="Folder for model/, model.ckpt and log/.")
        parser.add_argument("--overwrite", type=bool, default=False, help="Replace an existing model.")
        parser.link_arguments("data.card", "model.card", apply_on="instantiate")
        parser.link_arguments("data.steps", "model.steps")
        parser.link_arguments("data.steps", "trainer.max_steps")
        parser.link_arguments("model.minutes", "trainer.max_time", compute_fn=_as_time)


def _as_time(minutes: float | None) -> dict[str, float] | None:
    """Minutes as Lightning's Trainer takes them."""
    return None if minutes is None else {"minutes": minutes}
