"""The LSSQPS recipe (arXiv 2309.05490, as its code has it), on our network: what is compared is labels, loss and training.

Majority in about 100 SLIC superpixels per 512², squared error on raw outputs with classes divided by their frequency, Adam at
1e-4, batches of 4 chips of 224 pixels drawn anywhere, pixel values from 0 to 1, no augmentation. Two things differ, to its
advantage or alike for all: its chips are whole tiles shrunk to 224 pixels, these have the full resolution; its networks start
from weights that cannot be fetched here, these at random as all others do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from geopointseg.labels.pseudomask import Spreading
from geopointseg.learning.augment import Augmentation
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.objective import Loss
from geopointseg.learning.sites import Sites
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["BATCH", "CHIP", "SPREADING", "LssqpsData", "lssqps_task"]

SPREADING = Spreading("majority", method="slic", size=512**2 // 100)
CHIP, BATCH, RATE = 224, 4, 1e-4


class LssqpsData(PointDataModule):
    """Chips from anywhere on the rasters, as they are; classes weigh one over their share of the labelled pixels."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 (handed on as they come)
        """Take what PointDataModule takes."""
        options["augmentation"] = Augmentation(flips=False, turns=False)
        super().__init__(*args, **(options | {"class_weights": "inverse", "class_weights_by": "pixel"}))
        places = []
        for number, raster in enumerate(self.rasters):
            rows, cols = np.mgrid[16 : raster.grid.height : 32, 16 : raster.grid.width : 32]
            places.append(np.stack([np.full(rows.size, number), rows.ravel(), cols.ravel(), np.zeros(rows.size)]))
        self.train_sites = Sites(*np.hstack(places))


def lssqps_task(data: LssqpsData) -> Callable[..., PointSegmentationTask]:
    """What makes the task, from the card and the plan of training.

    The rate is constant: theirs would fall only after 15 epochs without gain.
    """
    factor = data.class_weights.factor if data.class_weights else 1.0
    loss: Loss = {"squared-error": {"share": factor, "weighted": False}}

    def make(card: dict[str, Any], *, steps: int) -> PointSegmentationTask:
        bands = len(card["bands"])
        card = card | {"mean": [0.0] * bands, "std": [255.0] * bands}
        return PointSegmentationTask(
            card, loss=loss, optimizer="adam", lr=RATE, weight_decay=0, schedule="constant", warm_up=0, steps=steps
        )

    return make
