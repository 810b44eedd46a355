"""Classifying: windows with overlap and a taper, streamed by row bands, so that memory does not grow with the raster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import UNLABELLED
from geopointseg.grid import Window
from geopointseg.learning.agreement import Ask, Pixels
from geopointseg.learning.backends import with_torch
from geopointseg.learning.infer import probabilities
from geopointseg.learning.overlap import in_order
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.lattice import Lattice, Shard, Windowing
from geopointseg.maps.scores import Add
from geopointseg.raster import Raster, read, valid

__all__ = ["blended", "classify", "decided"]

ROWS = 128  # of a band that are decided at once


def classify(
    task: PointSegmentationTask,
    raster: Raster,
    *,
    ask: Ask | None = None,
    window: int = 768,
    overlap: int = 64,
    batch_size: int = 1,
    lanes: int = 1,
    adding: Sequence[Add] = (),
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Class ids of a raster, band of rows by band of rows.

    Windows lie on one lattice over the raster, whatever the strips; where they overlap, probabilities are averaged with
    weights that fall off towards the window's edge. Beyond the raster the image is mirrored. What computes the task's
    network, `ask`, is torch in float32 unless given, and asked from so many threads, `lanes`. What `adding` holds is given the
    probabilities of the same windows, NaN where the raster has no data.

    Yields:
        (window, ids): ids (height, width) uint8, 255 where the raster has no data.
    """
    lattice = Lattice(*raster.grid.shape, Windowing(window, overlap, batch_size))
    ask = ask or with_torch(task)
    for _, inside, weighed in blended(ask, len(task.classes), raster, lattice, lattice.shards(), lanes=lanes):
        ids = decided(raster, inside, weighed, adding)
        del weighed
        yield inside, ids


def blended(
    ask: Ask, count: int, raster: Raster, lattice: Lattice, shards: Sequence[Shard], *, lanes: int = 1
) -> Iterator[tuple[Shard, Window, NDArray[np.float32]]]:
    """Probabilities of shards, band of rows by band of rows: bit by bit the same, whatever the shards and their order.

    What a shard needs of the row of windows above it is kept from the shard before, or else computed again.

    Args:
        ask: What computes the network.
        count: Of classes.
        raster: With the bands of the network.
        lattice: Where windows lie.
        shards: Which to compute.
        lanes: From how many threads the network is asked at once.

    Yields:
        (shard, window, probabilities): (classes, height, width), times what the weights of the windows sum to.
    """
    taper, asked = lattice.taper(), partial(in_order, partial(probabilities, ask, raster), threads=lanes)
    held: NDArray[np.float32] | None = None  # probabilities of the rows that the next row of windows adds to
    upto: tuple[int, int] | None = None  # the strip and the row of windows that they are for
    progress = tqdm(
        total=sum(shard.end - shard.first for shard in shards),
        desc=raster.path.name,
        unit="band",
        disable=None,
        leave=False,
    )
    for shard in shards:
        if upto != (shard.left, shard.first):
            held = _band(asked, count, lattice, shard, shard.first - 1, taper) if shard.first else None
            held = None if held is None else held[:, lattice.stride :].copy()
        for row in range(shard.first, shard.end):
            band = _band(asked, count, lattice, shard, row, taper, held)
            held = band[:, lattice.stride :].copy()
            inside = lattice.finished(shard, row)
            top = inside.row - lattice.rows[row]
            yield shard, inside, band[:, top : top + inside.height]
            del band  # before there is another, which is as large
            progress.update()
        upto = shard.left, shard.end
    progress.close()


def _band(
    asked: Callable[[Iterable[list[Window]]], Iterator[Pixels]],
    count: int,
    lattice: Lattice,
    shard: Shard,
    row: int,
    taper: NDArray[np.float32],
    held: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """A row of windows over the strip of a shard, on top of what the row above left: (classes, window, columns)."""
    band = np.zeros((count, lattice.windowing.window, shard.right - shard.left), np.float32)
    if held is not None:
        band[:, : held.shape[1]] = held
    batches = list(lattice.batches(shard, row))
    for batch, shares in zip(batches, asked(batches), strict=True):
        for place, share in zip(batch, shares, strict=True):
            a, b = max(place.col, shard.left), min(place.col + place.width, shard.right)
            band[:, :, a - shard.left : b - shard.left] += (share * taper)[:, :, a - place.col : b - place.col]
    return band


def decided(
    raster: Raster, inside: Window, weighed: NDArray[np.float32], adding: Sequence[Add] = ()
) -> NDArray[np.uint8]:
    """The likeliest classes of what `blended` gives, 255 where the raster has no data: (height, width)."""
    ids = np.empty(weighed.shape[1:], np.uint8)
    for top in range(0, inside.height, ROWS):  # a band is large, and its pixels and 64-bit ids would be larger
        part = slice(top, top + ROWS)
        ids[part] = torch.from_numpy(weighed[:, part]).max(dim=0).indices.numpy()
        rows = Window(inside.row + top, inside.col, min(ROWS, inside.height - top), inside.width)
        ids[part][~valid(read(raster, rows))] = UNLABELLED
    if adding:
        shares = weighed / weighed.sum(axis=0)
        shares[:, ids == UNLABELLED] = np.nan  # in place, as it is large
        for add in adding:
            add(inside, shares)
    return ids
