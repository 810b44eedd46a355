"""One training as `geopointseg run` does it, for so many steps, from the data module to the maps of the test images."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from geopointseg.learning.backends import AUTO, Computing
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.fit import fit, trainer_options
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.predict import predict
from pipelines.experiments.clicks import read_whole

__all__ = ["device", "train_and_map"]


def train_and_map(
    tests: Sequence[Path],
    data: PointDataModule,
    *,
    seed: int,
    steps: int,
    make: Callable[..., PointSegmentationTask] = PointSegmentationTask,
    computing: Sequence[Computing] = (AUTO,),
) -> tuple[list[list[NDArray[np.uint8]]], dict[str, Any]]:
    """Train and classify the test images.

    Args:
        tests: Images to classify.
        data: What is learnt from.
        seed: Of the network's first weights.
        steps: Training steps.
        make: Makes the task from the card of the data and `steps`.
        computing: How the maps are computed; several ways give as many maps of each image.

    Returns:
        For each way of computing (height, width) class ids of each test image; and the facts of the run, the time of
        prediction in the first way.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        start = time.perf_counter()
        lightning.seed_everything(seed, verbose=False)
        trainer = lightning.Trainer(**trainer_options(out, steps=steps))
        model = fit(trainer, make(data.card, steps=steps), data, out, overwrite=True).model
        trained = time.perf_counter()
        done = []
        for number, how in enumerate(computing):
            predict(model, [str(test) for test in tests], out=out / f"maps_{number}", computing=how)
            done.append(time.perf_counter())
        maps = [[read_whole(out / f"maps_{n}" / test.name) for test in tests] for n in range(len(computing))]
    seconds = {"training": round(trained - start, 1), "prediction": round(done[0] - trained, 1)}
    facts = {"seconds": seconds, "steps": steps, "chip": data.chip, "batch": data.batch_size}
    return maps, facts | {"device": device(), "torch": torch.__version__}


def device(*, cpu: bool = False) -> str:
    """What computes, in words."""
    if torch.cuda.is_available() and not cpu:
        return str(torch.cuda.get_device_name())
    return f"CPU, {os.cpu_count()} cores"
