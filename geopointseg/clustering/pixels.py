"""What clustering sees of rasters: bands stretched alike, superpixels of the whole raster, tiles, and a sample of pixels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.grid import Grid, Window
from geopointseg.labels.superpixels import fitted_scale, scaled, superpixels
from geopointseg.raster import Raster, read, valid
from geopointseg.statistics import Statistics

__all__ = ["STRIDE", "TILE", "cut_superpixels", "sample", "seen", "tiles"]

TILE, STRIDE = 512, 448  # side of what the network sees at once, and from one to the next
WINDOW, HALO = 1024, 128  # superpixels are cut in windows that see this much more on every side
MIDDLE = 0.5  # of the stretched bands: stands for a band that a pixel lacks


def seen(pixels: NDArray[np.float32], statistics: Statistics) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Pixels as clustering takes them.

    Args:
        pixels: (bands, height, width) as read, NaN where there is no data.
        statistics: Of the rasters that were learnt from: their 2nd percentile becomes 0, their 98th 1.

    Returns:
        (bands, height, width) within 0 to 1, the middle where a pixel lacks a band; and (height, width) where there is data.
    """
    inside = valid(pixels)
    return np.nan_to_num(scaled(pixels, statistics), nan=MIDDLE), inside


def tiles(grid: Grid, size: int = TILE) -> list[Window]:
    """Square tiles, seven eighths of their side from one to the next; the last ones are moved back to the border."""
    stride = size * STRIDE // TILE
    rows, cols = (
        sorted({min(start, max(0, side - size)) for start in range(0, max(side - size, 0) + stride, stride)})
        for side in grid.shape
    )
    return [Window(row, col, size, size).within(*grid.shape) for row in rows for col in cols]


def cut_superpixels(raster: Raster, statistics: Statistics, path: Path, *, size: int) -> NDArray[np.int32]:
    """Cut a whole raster into superpixels, window by window, at one scale.

    A superpixel that a window's border crosses is two.

    Args:
        raster: What to cut.
        statistics: As for `seen`.
        path: A temporary file that holds the numbers, so that memory does not grow with the raster.
        size: Mean area in pixels.

    Returns:
        (height, width) int32, mapped to the file: 0 where there is no data, otherwise numbers that grow from window to
        window.
    """
    height, width = raster.grid.shape
    out = np.lib.format.open_memmap(path, "w+", np.int32, (height, width))
    middle = Window(max(0, (height - WINDOW) // 2), max(0, (width - WINDOW) // 2), WINDOW, WINDOW)
    scale = fitted_scale(scaled(read(raster, middle.within(height, width)), statistics), size)
    count = 0
    windows = list(raster.grid.tiles(WINDOW))
    for here in tqdm(windows, f"superpixels of {raster.path.name}", unit="window", disable=None, leave=False):
        around = here.grown(HALO).within(height, width)
        regions = superpixels(scaled(read(raster, around), statistics), size=size, scale=scale)
        core = regions[here.row - around.row :, here.col - around.col :][: here.height, : here.width]
        out[here.row : here.row + here.height, here.col : here.col + here.width] = np.where(core, core + count, 0)
        count += int(regions.max(initial=0))
    return out


def sample(rasters: Sequence[Raster], statistics: Statistics, count: int, *, seed: int) -> NDArray[np.float32]:
    """Pixels from all rasters, taken from a lattice over each and then at random: (at most `count`, bands)."""
    rng = np.random.default_rng(seed)
    total = sum(raster.grid.height * raster.grid.width for raster in rasters)
    step = max(1, int((total / (4 * count)) ** 0.5))
    kept = []
    for raster in rasters:
        pixels, inside = seen(read(raster, Window(0, 0, *raster.grid.shape), decimate=step), statistics)
        kept.append(pixels[:, inside].T)
    found = np.concatenate(kept)
    if len(found) > count:
        found = found[np.sort(rng.choice(len(found), count, replace=False))]
    return np.ascontiguousarray(found)
