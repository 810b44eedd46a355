"""Which of the weights that training passes through are kept: by default the last.

Held-out points are there to judge a map. Who lets them choose the weights, or when to stop, has tuned on them, and their
scores are optimistic from then on; the report says so.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from lightning import Callback
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint

from geopointseg.errors import GeoPointSegError, require_one_of

__all__ = ["LAST", "Keeping"]

Keep = Literal["last", "best"]
SCORE, BEST = "val_miou", "best"


@dataclass(frozen=True)  # without slots: jsonargparse reads a default's fields from its __dict__
class Keeping:
    """Which weights a training keeps, and whether held-out points have a say in it."""

    ema: float | None = None
    """Average the weights over the steps, each step's counting this much less at the next: 0.99 looks back some 100
    steps."""
    patience: int | None = None
    """End training when the mean IoU on held-out points has not risen for so many epochs of 50 steps."""
    keep: Keep = "last"
    """The last weights, or those with the best mean IoU on held-out points."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises:
            GeoPointSegError: unknown weights, an average that never moves or does not look back, or no patience at all.
        """
        require_one_of(Keep, self.keep, "which weights to keep")
        if self.ema is not None and not 0 < self.ema < 1:
            raise GeoPointSegError(f"expected an ema above 0 and below 1, got {self.ema}: try 0.99")
        if self.patience is not None and self.patience < 1:
            raise GeoPointSegError(f"expected a patience of at least one epoch, got {self.patience}: try 5")

    @property
    def tunes(self) -> bool:
        """Whether held-out points decide."""
        return self.patience is not None or self.keep == "best"

    def __str__(self) -> str:
        """For the report."""
        average = "" if self.ema is None else f", averaged over steps ({self.ema:g})"
        end = "" if self.patience is None else f"; training ends after {self.patience} epochs without a better score"
        warning = "; held-out points decided, so scores on them are optimistic" if self.tunes else ""
        return f"weights: the {self.keep}{average}{end}{warning}"

    def callbacks(self, folder: Path) -> list[Callback]:
        """What does it during training; the best weights lie in `folder` as best.ckpt meanwhile."""
        found: list[Callback] = []
        if self.ema is not None:
            found.append(EMAWeightAveraging(decay=self.ema))  # in validation the average stands for the weights
        if self.patience is not None:  # asked after validation: at the end of the epoch our own checkpoint is written
            found.append(EarlyStopping(SCORE, mode="max", patience=self.patience, check_on_train_epoch_end=False))
        if self.keep == "best":
            best = ModelCheckpoint(
                folder,
                BEST,
                monitor=SCORE,
                mode="max",
                save_weights_only=True,
                save_on_train_epoch_end=False,
                enable_version_counter=False,
            )
            found.append(best)
        return found

    def take(self, task: torch.nn.Module, callbacks: list[Callback]) -> None:
        """Give a trained task the weights to keep, and let go of what was only needed in training."""
        for callback in list(callbacks):
            if isinstance(callback, EMAWeightAveraging):
                callbacks.remove(callback)  # it would put its own, without the shares of the classes, in checkpoints
            if isinstance(callback, ModelCheckpoint) and Path(callback.best_model_path).name == BEST + ".ckpt":
                best = torch.load(callback.best_model_path, map_location="cpu", weights_only=True)
                task.load_state_dict(best["state_dict"])


LAST = Keeping()
