"""Finding the clusters of a partition in a raster, streamed, so that memory does not grow with it.

Networks see overlapping windows, whose answers are added up as floats under a taper; centres see pixels.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import UNLABELLED
from geopointseg.clustering.kmeans import nearest
from geopointseg.clustering.network import device
from geopointseg.clustering.partition import Partition
from geopointseg.clustering.pixels import MIDDLE, STRIDE, TILE, seen
from geopointseg.grid import Window
from geopointseg.raster import Raster, read, valid

__all__ = ["raw_clusters"]

STRIP = 2048  # columns that are worked on together
OVERLAP = TILE - STRIDE
PIXELS = 1024  # side of the windows of centres


def raw_clusters(partition: Partition, raster: Raster) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Raw ids of a raster's pixels; a cluster that has become none is given to no pixel.

    Yields:
        (window, ids): ids (height, width) uint8, 255 where there is no data.
    """
    alive = np.array(partition.lookup) != UNLABELLED
    if "centres" in partition.tensors:
        return _of_centres(partition, raster, np.flatnonzero(alive))
    return _of_network(partition, raster, alive)


def _of_centres(
    partition: Partition, raster: Raster, alive: NDArray[np.int64]
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Pixels by their nearest centre."""
    centres = partition.tensors["centres"].numpy()[alive]
    windows = list(raster.grid.tiles(PIXELS))
    for here in tqdm(windows, f"clusters of {raster.path.name}", unit="window", disable=None, leave=False):
        pixels, inside = seen(read(raster, here), partition.statistics)
        ids = np.full(inside.shape, UNLABELLED, np.uint8)
        ids[inside] = alive[nearest(pixels[:, inside].T, centres)]
        yield here, ids


def _of_network(
    partition: Partition, raster: Raster, alive: NDArray[np.bool_]
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Windows on a lattice over the raster, and mirrored beyond it; finished rows as soon as no window adds to them."""
    height, width = raster.grid.shape
    rows = range(-OVERLAP // 2, height - OVERLAP // 2, STRIDE)
    columns = range(-OVERLAP // 2, width - OVERLAP // 2, STRIDE)
    strips = [(left, min(left + STRIP, width)) for left in range(0, width, STRIP)]
    taper, network = _taper(), partition.network.to(device()).to(memory_format=torch.channels_last)
    total = sum(len(_touching(columns, *strip)) for strip in strips) * len(rows)
    progress = tqdm(total=total, desc=f"clusters of {raster.path.name}", unit="window", disable=None, leave=False)
    for left, right in strips:
        held = np.zeros((partition.raw, OVERLAP, right - left), np.float32)
        for row in rows:
            band = np.zeros((partition.raw, TILE, right - left), np.float32)
            band[:, :OVERLAP] = held
            for col in _touching(columns, left, right):
                answer = _answer(network, partition, raster, Window(row, col, TILE, TILE))
                a, b = max(col, left), min(col + TILE, right)
                band[:, :, a - left : b - left] += (answer * taper)[:, :, a - col : b - col]
                progress.update()
            held = band[:, STRIDE:].copy()
            done = Window(row, left, TILE if row == rows[-1] else STRIDE, right - left)
            inside = done.within(height, width)
            if inside.height:
                finished = band[alive, inside.row - row :][:, : inside.height]
                ids = np.flatnonzero(alive)[finished.argmax(axis=0)].astype(np.uint8)
                ids[~valid(read(raster, inside))] = UNLABELLED
                yield inside, ids
    progress.close()


def _touching(columns: range, left: int, right: int) -> list[int]:
    """The windows that reach into a strip."""
    return [col for col in columns if col < right and col + TILE > left]


def _answer(network: torch.nn.Module, partition: Partition, raster: Raster, window: Window) -> NDArray[np.float32]:
    """(raw, height, width) probabilities of a window; only as much as is needed of what lies beyond the raster."""
    inside = window.within(*raster.grid.shape)
    pixels, known = seen(read(raster, inside), partition.statistics)
    out = np.zeros((partition.raw, window.height, window.width), np.float32)
    if not known.any():
        return out
    before = inside.row - window.row, inside.col - window.col
    after = window.height - before[0] - inside.height, window.width - before[1] - inside.width
    after = min(after[0], OVERLAP), min(after[1], OVERLAP)  # beyond that nothing is looked at
    framed = np.pad(pixels, ((0, 0), *zip(before, after, strict=True)), mode="symmetric") - np.float32(MIDDLE)
    with torch.inference_mode():
        shares = network(torch.from_numpy(framed)[None].to(device())).softmax(dim=1)[0].cpu().numpy()
    out[:, : shares.shape[1], : shares.shape[2]] = shares
    return out


def _taper() -> NDArray[np.float32]:
    """(TILE, TILE) weights that rise over the overlap and whose neighbours sum to one."""
    ramp = (np.arange(OVERLAP) + 0.5) / OVERLAP
    line = np.concatenate([ramp, np.ones(TILE - 2 * OVERLAP), ramp[::-1]])
    return np.outer(line, line).astype(np.float32)
