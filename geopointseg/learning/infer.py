"""From pixels to class probabilities."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geopointseg.confusion import confusion_matrix, scores
from geopointseg.grid import Window
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.samplers import TileGeoSampler
from geopointseg.learning.sites import sites
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.raster import Raster, read

__all__ = ["Precision", "judge", "precision", "probabilities"]

Precision = Literal["auto", "32-true", "bf16-mixed"]


def precision(wanted: Precision = "auto", device: str | None = None) -> Literal["32-true", "bf16-mixed"]:
    """The number format to train and predict in: bfloat16 where the processor computes in it, else float32.

    On a CPU with AVX-512 BF16 or AMX a training step of the default network is several times faster in bfloat16 (see
    benchmarks/results); on one without, it is emulated and slower.
    """
    if wanted != "auto":
        return wanted
    if device == "cuda" or (device is None and torch.cuda.is_available()):
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    # torch has no public question for this yet
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"


@torch.inference_mode()
def probabilities(task: PointSegmentationTask, raster: Raster, windows: Sequence[Window]) -> NDArray[np.float32]:
    """Class probabilities of windows, which may reach beyond the raster: there its image is mirrored.

    Args:
        task: In evaluation mode.
        raster: With the bands of the task's card.
        windows: All of one size.

    Returns:
        (windows, classes, height, width).
    """
    pixels = np.stack([_mirrored(raster, window) for window in windows])
    x = torch.from_numpy(pixels).to(task.device)
    with torch.autocast(
        task.device.type, dtype=torch.bfloat16, enabled=precision(device=task.device.type) == "bf16-mixed"
    ):
        logits: Tensor = task(x)
    found: NDArray[np.float32] = logits.float().softmax(dim=1).cpu().numpy()
    return found


def _mirrored(raster: Raster, window: Window) -> NDArray[np.float32]:
    """A window's pixels; what lies beyond the raster mirrors what lies within."""
    inside = window.within(*raster.grid.shape)
    pixels = read(raster, inside)
    top, left = inside.row - window.row, inside.col - window.col
    bottom, right = window.height - top - inside.height, window.width - left - inside.width
    return np.pad(pixels, ((0, 0), (top, bottom), (left, right)), mode="symmetric")


def judge(task: PointSegmentationTask, data: PointDataModule) -> dict[str, Any]:
    """Score a task on the held-out points, each seen in the chip that it lies in.

    Returns:
        The scores of `geopointseg.confusion.scores`, and `confusion`, the matrix itself; ratios are None where no point
        is held out.
    """
    held_out = sites(data.points, data.rasters, "test")
    matrix = np.zeros((len(task.classes),) * 2, np.int64)
    for number, row, col in TileGeoSampler(data.rasters, held_out, chip=data.chip).tiles:
        window = Window(int(row) * data.chip, int(col) * data.chip, data.chip, data.chip)
        ids = probabilities(task, data.rasters[number], [window])[0].argmax(axis=0)
        rows, cols = held_out.row - window.row, held_out.col - window.col
        here = (held_out.raster == number) & (rows // data.chip == 0) & (cols // data.chip == 0)
        matrix += confusion_matrix(held_out.class_id[here], ids[rows[here], cols[here]], len(task.classes))
    return scores(matrix, task.classes.names) | {"confusion": matrix.tolist()}
