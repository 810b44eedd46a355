"""The command `geopointseg train`: a training from a YAML file."""

import warnings
from argparse import ArgumentError
from pathlib import Path

from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.data import EPOCH, PointDataModule
from geopointseg.learning.fit import TrainReport, fit, loggers, max_time, trainer_options
from geopointseg.learning.keeping import LAST, Keeping
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["train"]


def train(arguments: list[str]) -> TrainReport | tuple[()]:
    """Train from a YAML file: its keys are the arguments of PointDataModule, PointSegmentationTask and Trainer.

    Args:
        arguments: As on the command line: --config FILE, and any --data.…, --model.… or --trainer.… to override it.

    Returns:
        The files made, and the account of the loss; nothing in all but the first of several processes.
    """
    defaults = trainer_options(Path(), steps=EPOCH) | {"logger": False}  # those of the file come on top of ours
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
                trainer_defaults={k: v for k, v in defaults.items() if k not in ("max_steps", "max_time")},
                auto_configure_optimizers=False,  # the task has its own
                parser_kwargs={"prog": "geopointseg train", "exit_on_error": False},
            )
        except ArgumentError as error:
            raise GeoPointSegError(f"{error}: see 'geopointseg train --help'") from error
        except ValueError as error:  # a logger or callback whose class cannot be built
            _, named, reason = str(error).partition("Problem with given class_path")
            if not named:
                raise
            raise GeoPointSegError(
                f"expected a class that can be built, got{reason.split('- Expected')[0]}: install the package that it "
                "needs, or correct its arguments in the configuration"
            ) from error
    out = Path(parsed.config["out"])
    trainer = parsed.trainer
    trainer.loggers = loggers(out) + trainer.loggers
    trainer.log_every_n_steps = min(trainer.log_every_n_steps, parsed.datamodule.epoch_steps)  # type: ignore[attr-defined]  # undeclared in 2.6
    own = {name: parsed.config[name] for name in ("overwrite", "resume")}
    report = fit(trainer, parsed.model, parsed.datamodule, out, keeping=parsed.config_init["keeping"], **own)
    return report if trainer.is_global_zero else ()


class _CommandLine(LightningCLI):
    """LightningCLI with our outputs, and what the task learns from the data linked."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add and link arguments."""
        parser.add_argument("--out", type=str, default="result", help="Folder for model/, model.ckpt and log/.")
        parser.add_argument("--overwrite", type=bool, default=False, help="Replace an existing model.")
        text = "Go on with a training that was broken off, if there is one: the same arguments give the same model."
        parser.add_argument("--resume", action="store_true", help=text)
        parser.add_argument("--keeping", type=Keeping, default=LAST)
        parser.link_arguments("data.card", "model.card", apply_on="instantiate")
        parser.link_arguments("data.steps", "model.steps")
        parser.link_arguments("data.steps", "trainer.max_steps")
        parser.link_arguments("model.minutes", "trainer.max_time", compute_fn=max_time)
