"""Whether overviews are by mode: the commonest class of the pixels below, counted anew."""

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

__all__ = ["wrong_modes"]

PLACES, SAMPLE = 4, 128  # along each side, and their side in pixels: where overviews are compared


def wrong_modes(below: DatasetReader, above: DatasetReader) -> tuple[int, int]:
    """Pixels of an overview that are not the mode of those below, of how many that were looked at; ties aside."""
    wrong = seen = 0
    starts = (sorted({int(x) for x in np.linspace(0, max(0, side - SAMPLE), PLACES)}) for side in above.shape)
    rows, cols = starts
    for top in rows:
        for left in cols:
            down, across = min(SAMPLE, above.height - top), min(SAMPLE, above.width - left)
            first_row, last_row = _reach(top, down, below.height / above.height, below.height)
            first_col, last_col = _reach(left, across, below.width / above.width, below.width)
            area = Window(first_col[0], first_row[0], last_col[-1] - first_col[0], last_row[-1] - first_row[0])
            fine = below.read(1, window=area)
            coarse = above.read(1, window=Window(left, top, across, down))
            mode, clear = _modes(
                fine,
                first_row - first_row[0],
                last_row - first_row[0],
                first_col - first_col[0],
                last_col - first_col[0],
            )
            seen += int(clear.sum())
            wrong += int((mode != coarse)[clear].sum())
    return wrong, seen


def _reach(start: int, count: int, ratio: float, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last + 1 of the pixels below each of some pixels in a row, as GDAL counts them."""
    at = np.arange(start, start + count)
    first, last = np.floor(at * ratio + 1e-5), np.ceil((at + 1) * ratio - 1e-5)
    return first.astype(np.int64), np.minimum(last, end).astype(np.int64)


def _modes(
    fine: NDArray[np.uint8],
    top: NDArray[np.int64],
    bottom: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The commonest value but 255 of each block, and whether no other is as common; 255 where there is nothing else."""
    most = np.zeros((len(top), len(left)), np.int64)
    mode, clear = np.full(most.shape, 255, np.uint8), np.ones(most.shape, bool)
    for value in np.setdiff1d(np.unique(fine), [255]):
        sums = np.pad(np.cumsum(np.cumsum(fine == value, axis=0), axis=1), ((1, 0), (1, 0)))
        counts = (
            sums[np.ix_(bottom, right)]
            - sums[np.ix_(top, right)]
            - sums[np.ix_(bottom, left)]
            + sums[np.ix_(top, left)]
        )
        clear = np.where(counts == most, clear & (counts == 0), clear | (counts > most))
        mode, most = np.where(counts > most, value, mode).astype(np.uint8), np.maximum(most, counts)
    return mode, clear
