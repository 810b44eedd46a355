"""The training task: TorchGeo's segmentation task with normalisation inside, a masked loss, and scores on points."""

import dataclasses
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.confusion import confusion_matrix, scores
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.agreement import Agreement
from geopointseg.learning.losses import masked_cross_entropy
from geopointseg.learning.models import Model, build_model, default_backbone
from geopointseg.learning.objective import Loss, read_loss, weighted_sum
from geopointseg.learning.optimizer import Optimizer, build_optimizer
from geopointseg.learning.schedule import Schedule, plateau, read_schedule, rise
from geopointseg.learning.teacher import Teacher
from geopointseg.learning.unlabelled import (
    NOTHING,
    Unlabelled,
    generator,
    growth,
    lesson,
    read_unlabelled,
    smoothness,
)
from geopointseg.statistics import Statistics

if TYPE_CHECKING or sys.version_info < (3, 12):  # TorchGeo 0.8, the last for Python 3.11
    from torchgeo.trainers import SemanticSegmentationTask
else:
    from torchgeo.tasks import SemanticSegmentation as SemanticSegmentationTask

__all__ = ["PointSegmentationTask"]

AUXILIARY = 0.5  # weight of an auxiliary head's loss: torchvision, references/segmentation/train.py


class PointSegmentationTask(SemanticSegmentationTask):
    """Semantic segmentation from partly labelled pixels.

    The card (bands, statistics, classes, pixel size) is among the hyperparameters and so in every checkpoint.
    """

    band_mean: Tensor
    band_std: Tensor
    class_weights: Tensor | None
    agreement: Agreement | None = None
    """Of bfloat16 with float32, once it has been checked; kept with the weights."""

    def __init__(
        self,
        card: dict[str, Any],
        model: Model = "unet",
        backbone: str | None = None,
        weights: str | bool | None = None,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        steps: int = 600,
        minutes: float | None = None,
        loss: Loss = "cross-entropy",
        optimizer: Optimizer = "adamw",
        schedule: Schedule = "cosine",
        warm_up: int = 20,
        unlabelled: Unlabelled = NOTHING,
    ) -> None:
        """Build model, loss and metrics.

        Args:
            card: What the data module says of its rasters and classes.
            model: The network; see docs/models.md.
            backbone: Encoder of unet, linknet, deeplabv3+, upernet, segformer and dpt, by SMP's name, or by timm's
                behind 'tu-'; by default resnet18, and tu-vit_tiny_patch16_224 for dpt.
            weights: 'imagenet' (or true), a TorchGeo weight name, a local file or a Hugging Face repository as
                hf://org/name to start from; 'none' (or null) for a random start.
            lr: Highest learning rate.
            weight_decay: Of the optimiser.
            steps: Steps after which the schedule is at its end.
            minutes: Time after which it is, if that comes first.
            loss: What is made small: a loss by its name, or several with their shares and options, as docs/losses.md
                lists them.
            optimizer: What moves the weights: adamw, adam, or sgd with momentum 0.9.
            schedule: How the learning rate goes: cosine, poly, step, plateau or constant, by its name or with its options,
                as docs/training-recipes.md lists them.
            warm_up: Steps that the learning rate takes to rise to its highest.
            unlabelled: What is made of the pixels that nobody has labelled; by default nothing. See docs/unlabelled.md.

        Raises:
            GeoPointSegError: a model, a loss or a schedule that cannot be.
        """
        self.weights = weights
        self.course = read_schedule(schedule, warm_up)
        self.teacher: Teacher | None = None  # only while it trains
        self.taught: Mapping[str, Any] | None = None  # the teacher of a training that goes on
        self.unlabelled = read_unlabelled(unlabelled)
        # Lightning keeps arguments as they stand here: logs and checkpoints hold plain values.
        unlabelled = dataclasses.asdict(self.unlabelled)  # type: ignore[assignment]
        super().__init__(
            model=model,  # type: ignore[arg-type]  # TorchGeo knows fewer, and builds none of them
            backbone=backbone,  # type: ignore[arg-type]
            weights=weights,
            in_channels=len(card["bands"]),
            num_classes=len(card["classes"]),
            ignore_index=UNLABELLED,
            lr=lr,
        )
        self.started = self.spent = 0.0

    def configure_models(self) -> None:
        """Build the model and the buffers that normalise its input."""
        card = self.hparams["card"]
        own = {"in_channels": len(card["bands"]), "num_classes": len(card["classes"])}
        name, backbone = self.hparams["model"], self.hparams["backbone"]
        self.model = build_model(name, **own, weights=self.weights, backbone=backbone)
        self.hparams.update(own | {"backbone": backbone or default_backbone(name)})  # should the default change one day
        self.hparams.pop("weights", None)  # they are in the checkpoint: who loads it need not have them
        for name in ("mean", "std"):
            values = torch.tensor(card[name], dtype=torch.float32)
            self.register_buffer(f"band_{name}", values[None, :, None, None])
        self.to(memory_format=torch.channels_last)

    def configure_losses(self) -> None:
        """Read what the loss is made of, and how much the classes weigh, which the data have told."""
        card = self.hparams["card"]
        self.terms = read_loss(self.hparams["loss"])
        rows = card["class_weights"]["classes"] if "class_weights" in card else None
        weights = None if rows is None else torch.tensor([row["weight"] for row in rows])
        self.register_buffer("class_weights", weights, persistent=False)  # the card has them already

    def configure_metrics(self) -> None:
        """Start the one confusion matrix that all scores come from."""
        self.classes = Classes.from_records(self.hparams["card"]["classes"])
        self.confusion = np.zeros((len(self.classes),) * 2, np.int64)

    def forward(self, x: Tensor) -> Tensor:
        """Classify raw pixel values.

        Args:
            x: (batch, bands, height, width) in the raster's own units, NaN where there is no data.

        Returns:
            (batch, classes, height, width) logits.
        """
        teacher = None if self.training else self.teacher
        return self._all_logits(x, teacher.network if teacher else None)[0]

    def _all_logits(self, x: Tensor, network: nn.Module | None = None) -> tuple[Tensor, ...]:
        """Logits; in training, those of an auxiliary head too, if the model has one."""
        x = torch.nan_to_num(self._normalised(x))  # a missing pixel looks like the mean
        network = self.model if network is None else network
        found = network(x.contiguous(memory_format=torch.channels_last))
        return found if isinstance(found, tuple) else (found,)

    def _normalised(self, x: Tensor) -> Tensor:
        """Pixels in standard deviations of the bands, NaN where there is no data."""
        return (x - self.band_mean) / self.band_std

    def on_train_start(self) -> None:
        """Start the clock of the learning-rate schedule, or set it to where it was; call the teacher.

        Raises:
            GeoPointSegError: the schedule waits for the loss of held-out points, and there are none.
        """
        if self.course.name == "plateau" and not sum(self.trainer.num_val_batches):
            raise GeoPointSegError(
                "expected held-out points for the schedule plateau, which goes by their loss, got none: hold some out "
                "('geopointseg check --held-out 0.2'), or take another schedule, such as cosine"
            )
        self.started = time.monotonic() - self.spent
        if self.unlabelled.teacher:
            self.teacher = Teacher(self.model, len(self.classes))
            if self.taught:
                self.teacher.restore(self.taught)
                self.taught = None

    def on_train_end(self) -> None:
        """Put the teacher's weights in the student's place: an average of networks errs less, and one is enough to keep."""
        if self.teacher:
            self.teacher.follow(self.model, self.unlabelled.decay)
            self.model.load_state_dict(self.teacher.network.state_dict())
            self.teacher = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time that training has taken so far and, beside the student, the teacher of one that is not over."""
        checkpoint["seconds"] = time.monotonic() - self.started
        if self.agreement:
            checkpoint["bfloat16"] = dataclasses.asdict(self.agreement)
        if self.teacher:
            checkpoint["teacher"] = self.teacher.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the time, and the teacher for a training that goes on."""
        self.spent = checkpoint.get("seconds", 0.0)
        self.taught = checkpoint.get("teacher")

    def training_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """The masked loss of a batch; nothing is scored on pseudo-labels."""
        loss = torch.zeros((), device=self.device)
        found = self._all_logits(batch["image"])
        for share, logits in zip((1, AUXILIARY), found, strict=False):
            loss = loss + share * weighted_sum(self.terms, logits, batch["mask"], batch["weight"], self.class_weights)
        if self.unlabelled.any:
            loss = loss + self.unlabelled.faded_in(self.global_step) * self._of_unlabelled(batch, found[0])
        self.log("train_loss", loss, batch_size=len(batch["image"]), prog_bar=True)
        return loss

    def _of_unlabelled(self, batch: Any, logits: Tensor) -> Tensor:
        """What unlabelled pixels add to the loss, given the student's logits of the batch."""
        how, loss = self.unlabelled, torch.zeros((), device=self.device)
        if how.pairwise:
            loss = loss + how.pairwise * smoothness(how, logits, self._normalised(batch["image"]))
        if how.grow:
            loss = loss + how.grow * growth(how, logits, batch, self.global_step)
        if self.teacher:
            card, draw = self.hparams["card"], generator(self.hparams["card"], self.global_rank, self.global_step)
            self.teacher.follow(self.model, how.decay)
            with torch.no_grad():
                taught = self._all_logits(batch["image"], self.teacher.network)[0]
            view, share = lesson(how, self.teacher, batch, taught, Statistics(card["mean"], card["std"], (), ()), draw)
            self.log("teacher_share", share, batch_size=len(batch["image"]))
            for part, again in zip((1, AUXILIARY), self._all_logits(view["image"]), strict=False):
                loss = loss + part * how.teacher * share * masked_cross_entropy(again, view["mask"])
        return loss

    def on_train_epoch_end(self) -> None:
        """Do nothing: TorchGeo 0.10 would log training metrics, and there are none."""

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's counts."""
        self.confusion[:] = 0

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Count hits and misses on the held-out points, and their cross-entropy, whatever the loss of the training."""
        logits = self(batch["image"])
        self.log("val_loss", masked_cross_entropy(logits, batch["mask"]), batch_size=len(batch["image"]))
        predicted = logits.max(dim=1).indices  # argmax over a strided dimension is many times slower on CPUs
        self.confusion += confusion_matrix(batch["mask"].cpu(), predicted.cpu(), len(self.classes))

    def on_validation_epoch_end(self) -> None:
        """Log overall accuracy, mean IoU, and each class's IoU."""
        result = scores(self.confusion, self.classes.names)
        if result["count"]:
            self.log("val_oa", result["overall_accuracy"])
            self.log("val_miou", result["miou"], prog_bar=True)
            for name, one in result["per_class"].items():
                if one["iou"] is not None:
                    self.log(f"val_iou_{name}", one["iou"])

    def configure_optimizers(self) -> Any:
        """The optimiser, and the schedule of its rate: over steps or minutes, whichever end first, or by validation."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        lr, weight_decay = self.hparams["lr"], self.hparams["weight_decay"]
        optimizer = build_optimizer(self.hparams["optimizer"], parameters, lr=lr, weight_decay=weight_decay)
        if self.course.name == "plateau":
            falling = plateau(optimizer, **self.course.options)
            return [optimizer], [
                {"scheduler": rise(optimizer, self.course.warm_up), "interval": "step"},
                {"scheduler": falling, "interval": "epoch", "monitor": "val_loss"},
            ]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        """Learning rate as a share of its highest value."""
        done = step / self.hparams["steps"]
        if self.hparams["minutes"] and self.started:
            done = max(done, (time.monotonic() - self.started) / (60 * self.hparams["minutes"]))
        return self.course.rate(step, done)
