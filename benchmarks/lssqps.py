"""The LSSQPS recipe (arXiv 2309.05490, as its code has it), on our network: what is compared is labels, loss and training.

Majority in about 100 SLIC superpixels per 512², squared error on raw outputs with classes divided by their frequency, Adam at
1e-4, batches of 4 chips of 224 pixels drawn anywhere, pixel values from 0 to 1, no augmentation. Two things differ, to its
advantage or alike for all: its chips are whole tiles shrunk to 224 pixels, these have the full resolution; its networks start
from weights that cannot be fetched here, these at random as all others do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geopointseg.grid import Window
from geopointseg.labels.pseudomask import Spreading, mask_paths
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.losses import masked_squared_error
from geopointseg.learning.sites import Sites
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.raster import read_labels

__all__ = ["BATCH", "CHIP", "SPREADING", "LssqpsData", "LssqpsTask", "lssqps_task"]

SPREADING = Spreading("majority", method="slic", size=512**2 // 100)
CHIP, BATCH, RATE = 224, 4, 1e-4


class LssqpsData(PointDataModule):
    """Chips from anywhere on the rasters, as they are."""

    def setup(self, stage: str) -> None:
        """Draw chips around every 32nd row and column instead of around clicks."""
        places = []
        for number, raster in enumerate(self.rasters):
            rows, cols = np.mgrid[16 : raster.grid.height : 32, 16 : raster.grid.width : 32]
            places.append(np.stack([np.full(rows.size, number), rows.ravel(), cols.ravel(), np.zeros(rows.size)]))
        self.train_sites = Sites(*np.hstack(places))
        super().setup(stage)

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int) -> dict[str, Tensor]:
        """Leave the chips as they are."""
        return batch


class LssqpsTask(PointSegmentationTask):
    """Squared error, Adam, and no class shares."""

    class_weights_of_lssqps: Tensor
    """(classes,) one over the share of each class among labelled pixels; 0 where there is none."""

    def training_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Tensor:  # noqa: ANN401
        """The loss of a batch; every labelled pixel counts the same."""
        weights = self.class_weights_of_lssqps.to(self.device)
        return masked_squared_error(self(batch["image"]).float(), batch["mask"], class_weights=weights)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam at a constant rate: theirs would fall only after 15 epochs without gain."""
        return torch.optim.Adam(self.parameters(), RATE)

    def set_priors(self, shares: object) -> None:
        """Take outputs as they are: they are no probabilities."""


def lssqps_task(data: PointDataModule, masks: Path) -> Callable[..., LssqpsTask]:
    """What makes the task, from the card and the plan of training.

    Args:
        data: Of the rasters.
        masks: Their pseudo-masks, which class frequencies are counted in.
    """
    count = np.zeros(256)
    for raster in data.rasters:
        labels = read_labels(mask_paths(masks, raster)[0], Window(0, 0, *raster.grid.shape))
        count += np.bincount(labels.ravel(), minlength=256)
    count = count[: len(data.points.classes)]
    weights = np.divide(count.sum(), count, out=np.zeros(len(count)), where=count > 0)

    def make(card: dict[str, Any], **plan: float | None) -> LssqpsTask:
        bands = len(card["bands"])
        task = LssqpsTask(card | {"mean": [0.0] * bands, "std": [255.0] * bands}, **plan)
        task.class_weights_of_lssqps = torch.tensor(weights, dtype=torch.float32)
        return task

    return make
