"""Dense truth in the layout of pseudo-masks: what a network could learn if every pixel were labelled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.labels.pseudomask import mask_paths
from geopointseg.raster import Raster, creating, open_raster, raster_classes
from pipelines.experiments.settings import Setting

__all__ = ["dense"]


def dense(setting: Setting) -> Path:
    """The folder of dense labels in the layout of pseudo-masks, made once."""
    folder = setting.folder / "masks" / "truth"
    if not mask_paths(folder, open_raster(setting.images[-1]))[1].exists():  # which is written last
        dense_masks(setting.images, setting.truth, raster_classes(setting.truth[0]), folder)
    return folder


def dense_masks(images: Sequence[Path], masks: Sequence[Path], classes: Classes, folder: Path) -> None:
    """Dense masks in the layout of pseudo-masks, every class with the same weight in all, as the points have."""
    dense = [ids(path, classes) for path in masks]
    count = sum(np.bincount(d.ravel(), minlength=256) for d in dense)
    weight_of = (1e6 / np.maximum(count, 1)).astype(np.float32)
    weight_of[UNLABELLED] = 0
    for raster, labels in zip(map(open_raster, images), dense, strict=True):
        labels_path, weights_path = mask_paths(folder, raster)
        write(labels_path, raster, labels, nodata=UNLABELLED, CLASSES=classes.to_tag())
        write(weights_path, raster, weight_of[labels], nodata=0)


def ids(mask_path: Path, classes: Classes) -> NDArray[np.uint8]:
    """(height, width) class ids of a mask of codes, 255 elsewhere."""
    lookup = np.full(256, UNLABELLED, np.uint8)
    lookup[list(classes.codes)] = range(len(classes))
    with rasterio.open(mask_path) as source:
        found: NDArray[np.uint8] = lookup[source.read(1)]
    return found


def write(path: Path, raster: Raster, values: NDArray[np.generic], *, nodata: float, **tags: str) -> None:
    """Write one band on a raster's grid."""
    with creating(path, raster.grid, dtype=str(values.dtype), nodata=nodata, overwrite=True) as target:
        target.write(values, 1)
        target.update_tags(**tags)
