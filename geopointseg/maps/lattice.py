"""The lattice: where windows lie over a raster, and how it is cut into shards. One for all of a raster, whatever is computed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window

__all__ = ["Lattice", "Shard", "Windowing"]

STRIP = 8192  # columns that are worked on together, at most: what bounds the open row band on a wide raster


@dataclass(frozen=True, slots=True)
class Windowing:
    """How the network looks at a raster.

    Args:
        window: Side of the square the model sees at once, a multiple of 32.
        overlap: Pixels shared by neighbouring windows, blended across.
        batch_size: Windows classified together.
        shard_rows: Rows of windows in a shard, which is what a worker does at a time and what is kept if the run ends
            early.
    """

    window: int = 768
    overlap: int = 64
    batch_size: int = 1
    shard_rows: int = 5

    def __post_init__(self) -> None:
        """Refuse what cannot cover a raster.

        Raises:
            GeoPointSegError: so it is.
        """
        if self.window < 32 or self.window % 32 or not 0 <= self.overlap < self.window // 2 or self.batch_size < 1:
            raise GeoPointSegError(
                "expected a window that is a multiple of 32, an overlap below half of it and at least 1 window in a batch, "
                f"got {self.window}, {self.overlap} and {self.batch_size}"
            )
        if self.shard_rows < 1:
            raise GeoPointSegError(
                f"expected at least 1 row of windows in a shard, got {self.shard_rows}: change --shard-rows"
            )


class Shard(NamedTuple):
    """Some rows of windows in a strip of columns."""

    number: int
    """Counted from 1."""
    left: int
    """Its first column of pixels."""
    right: int
    """The column behind its last."""
    first: int
    """Its first row of windows."""
    end: int
    """The row of windows behind its last."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """Windows over a raster of this height and width."""

    height: int
    width: int
    windowing: Windowing

    @property
    def stride(self) -> int:
        """Pixels from a window to the next."""
        return self.windowing.window - self.windowing.overlap

    @property
    def rows(self) -> range:
        """The first row of pixels of each row of windows; the outermost reach beyond the raster."""
        return self._starts(self.height)

    @property
    def columns(self) -> range:
        """The first column of pixels of each column of windows."""
        return self._starts(self.width)

    def _starts(self, size: int) -> range:
        overlap = self.windowing.overlap
        return range(-overlap // 2, size - overlap // 2, self.stride)

    @property
    def strips(self) -> list[tuple[int, int]]:
        """(first column, column behind the last) of strips of about the same width."""
        count = -(-self.width // STRIP)
        edges = [self.width * i // count for i in range(count + 1)]
        return list(pairwise(edges))

    def shards(self) -> list[Shard]:
        """All shards, strip by strip from top to bottom."""
        starts = range(0, len(self.rows), self.windowing.shard_rows)
        parts = [
            (*strip, first, min(first + self.windowing.shard_rows, len(self.rows)))
            for strip in self.strips
            for first in starts
        ]
        return [Shard(number, *part) for number, part in enumerate(parts, 1)]

    def core(self, shard: Shard) -> Window:
        """The pixels that are a shard's own."""
        parts = [self.finished(shard, row) for row in (shard.first, shard.end - 1)]
        top, bottom = parts[0].row, parts[1].row + parts[1].height
        return Window(top, shard.left, bottom - top, shard.right - shard.left)

    def finished(self, shard: Shard, row: int) -> Window:
        """The pixels that no later row of windows reaches once this one is added."""
        height = self.windowing.window if row == len(self.rows) - 1 else self.stride
        return Window(self.rows[row], shard.left, height, shard.right - shard.left).within(self.height, self.width)

    def batches(self, shard: Shard, row: int) -> Iterator[list[Window]]:
        """The windows of a row that touch a shard, as they are asked together.

        That depends on the strip alone: a network may give other last digits to a batch of other windows.
        """
        side, batch = self.windowing.window, self.windowing.batch_size
        touching = [
            Window(self.rows[row], col, side, side)
            for col in self.columns
            if col < shard.right and col + side > shard.left
        ]
        for start in range(0, len(touching), batch):
            yield touching[start : start + batch]

    def asked(self) -> int:
        """How many windows the network sees if shards of a strip follow each other."""
        return len(self.rows) * sum(
            sum(1 for col in self.columns if col < right and col + self.windowing.window > left)
            for left, right in self.strips
        )

    def taper(self) -> NDArray[np.float32]:
        """Weights that rise smoothly over the middle half of the overlap and whose neighbours sum to one: (window, window).

        The outermost quarters count for nothing: there the network sees least around a pixel, and its neighbour far more.
        """
        window, overlap = self.windowing.window, self.windowing.overlap
        middle = np.clip(2 * (np.arange(overlap) + 0.5) / max(overlap, 1) - 0.5, 0, 1)
        ramp = np.sin(np.pi / 2 * middle) ** 2
        line = np.concatenate([ramp, np.ones(window - 2 * overlap), ramp[::-1]])
        return np.outer(line, line).astype(np.float32)
