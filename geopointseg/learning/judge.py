"""Judging a trained network: on the points held out, and in bfloat16 against float32."""

from typing import Any

import numpy as np

from geopointseg.classes import Classes
from geopointseg.confusion import confusion_matrix, scores
from geopointseg.grid import Window
from geopointseg.learning.agreement import Agreement, Ask, Pixels, classes, compare
from geopointseg.learning.backends import with_torch
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.infer import mirrored
from geopointseg.learning.precision import precision
from geopointseg.learning.samplers import TileGeoSampler
from geopointseg.learning.sites import sites
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["check_bfloat16", "judge"]

CHECKED, EMULATED = 16, 2  # chips that bfloat16 is checked on at most, and where it is emulated, which is slow


def check_bfloat16(task: PointSegmentationTask, data: PointDataModule) -> Agreement:
    """Compare bfloat16 with float32 on the chips of held-out points, or on those of training where none is held out.

    Args:
        task: Trained, in evaluation mode.
        data: What it was trained on; of many chips, some are taken, spread over all.
    """
    held_out = sites(data.points, data.rasters, "test")
    chips = "held-out chips" if len(held_out) else "training chips"
    tiles = TileGeoSampler(data.rasters, held_out if len(held_out) else data.train_sites, chip=data.chip).tiles
    most = min(len(tiles), CHECKED if precision(device=task.device.type) == "bf16-mixed" else EMULATED)
    some = [tiles[i] for i in np.unique(np.linspace(0, len(tiles) - 1, most, dtype=int))]
    batches = (_chip(data, tile)[None] for tile in some)
    return compare(with_torch(task, "32-true"), with_torch(task, "bf16-mixed"), batches, chips=chips)


def judge(ask: Ask, data: PointDataModule) -> dict[str, Any]:
    """Score a network on the held-out points, each seen in the chip that it lies in.

    Returns:
        The scores of `geopointseg.confusion.scores`, and `confusion`, the matrix itself; ratios are None where no point
        is held out.
    """
    held_out = sites(data.points, data.rasters, "test")
    names = Classes.from_records(data.card["classes"]).names
    matrix = np.zeros((len(names),) * 2, np.int64)
    for tile in TileGeoSampler(data.rasters, held_out, chip=data.chip).tiles:
        ids = classes(ask(_chip(data, tile)[None]))[0]
        number, row, col = tile
        rows, cols = held_out.row - row * data.chip, held_out.col - col * data.chip
        here = (held_out.raster == number) & (rows // data.chip == 0) & (cols // data.chip == 0)
        matrix += confusion_matrix(held_out.class_id[here], ids[rows[here], cols[here]], len(names))
    return scores(matrix, names) | {"confusion": matrix.tolist()}


def _chip(data: PointDataModule, tile: tuple[int, int, int]) -> Pixels:
    """The pixels of a tile (raster, row and column of tiles): (bands, chip, chip)."""
    number, row, col = map(int, tile)
    return mirrored(data.rasters[number], Window(row * data.chip, col * data.chip, data.chip, data.chip))
