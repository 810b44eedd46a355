"""What the accuracy benchmarks share: dense truth in the layout of pseudo-masks, and one training from data to checkpoint."""

from collections.abc import Callable
from pathlib import Path

import lightning
import numpy as np
import rasterio
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.labels.pseudomask import mask_paths
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.fit import fit, trainer_options
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.raster import Raster, creating, open_raster

__all__ = ["dense_masks", "ids", "network"]


def ids(mask_path: Path, classes: Classes) -> NDArray[np.uint8]:
    """(height, width) class ids of a mask of codes, 255 elsewhere."""
    lookup = np.full(256, UNLABELLED, np.uint8)
    lookup[list(classes.codes)] = range(len(classes))
    with rasterio.open(mask_path) as source:
        found: NDArray[np.uint8] = lookup[source.read(1)]
    return found


def dense_masks(images: list[Path], masks: list[Path], classes: Classes, folder: Path) -> None:
    """Dense masks in the layout of pseudo-masks, every class with the same weight in all, as the points have."""
    dense = [ids(path, classes) for path in masks]
    count = sum(np.bincount(d.ravel(), minlength=256) for d in dense)
    weight_of = (1e6 / np.maximum(count, 1)).astype(np.float32)
    weight_of[UNLABELLED] = 0
    for raster, labels in zip(map(open_raster, images), dense, strict=True):
        labels_path, weights_path = mask_paths(folder, raster)
        write(labels_path, raster, labels, nodata=UNLABELLED)
        write(weights_path, raster, weight_of[labels], nodata=0)


def write(path: Path, raster: Raster, values: NDArray[np.generic], *, nodata: float) -> None:
    """Write one band on a raster's grid."""
    with creating(path, raster.grid, dtype=str(values.dtype), nodata=nodata, overwrite=True) as target:
        target.write(values, 1)


def network(
    data: PointDataModule,
    out: Path,
    *,
    steps: int,
    seed: int,
    make: Callable[..., PointSegmentationTask] = PointSegmentationTask,
) -> Path:
    """Train as `geopointseg run` does, for so many steps.

    Returns:
        The model.
    """
    lightning.seed_everything(seed, verbose=False)
    trainer = lightning.Trainer(**trainer_options(out, steps=steps))
    return fit(trainer, make(data.card, steps=steps), data, out, overwrite=True).model
