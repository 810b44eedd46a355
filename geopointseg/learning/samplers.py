"""Which chips are read: around training points, in an order that seed and epoch decide; and tiles of held-out points."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torchgeo.datasets.utils import GeoSlice
from torchgeo.samplers import GeoSampler

from geopointseg.errors import GeoPointSegError, require_one_of
from geopointseg.grid import Window
from geopointseg.learning.datasets import query
from geopointseg.learning.sites import Sites
from geopointseg.raster import Raster

__all__ = ["Balance", "PointGeoSampler", "Shard", "TileGeoSampler"]

Balance = Literal["class", "point"]


@dataclass(frozen=True, slots=True)
class Shard:
    """What part of the chips one of several training processes takes: of every step, its block of `batch` chips.

    Put together in the order of their ranks, the batches of a step are the batch of one process that takes them all.
    """

    rank: int = 0
    ranks: int = 1
    batch: int = 1

    def own(self, length: int) -> list[int]:
        """The numbers of its chips, of `length` chips in all."""
        return [i for i in range(length) if i // self.batch % self.ranks == self.rank]


class PointGeoSampler(GeoSampler):
    """Draws chips around points, in shuffled order, each at a random place in its chip.

    The draw depends on the seed and the epoch alone. Chips stay on the raster unless it is smaller than a chip.
    """

    def __init__(
        self,
        rasters: Sequence[Raster],
        sites: Sites,
        *,
        chip: int,
        length: int,
        balance: Balance = "class",
        seed: int = 0,
        shard: Shard | None = None,
    ) -> None:
        """Plan the chips of an epoch.

        Args:
            rasters: What chips are cut from.
            sites: The points on them.
            chip: Side of a chip in pixels.
            length: Chips per epoch, of all processes together.
            balance: The classes in turn, however many points each has; or all points alike.
            seed: Of the draw.
            shard: What part of the chips this process takes; all by default.

        Raises:
            GeoPointSegError: there is no such balance, there are no sites, or the length does not give every process the
                same number of batches.
        """
        require_one_of(Balance, balance, "a balance of chips")
        if not len(sites):
            raise GeoPointSegError("expected training points on the rasters, got none: check the points' split column")
        self.shard = shard or Shard()
        if length % (self.shard.batch * self.shard.ranks):
            raise GeoPointSegError(
                f"expected whole steps of {self.shard.ranks} x {self.shard.batch} chips, got {length} chips: "
                "processes that end a step apart would wait for each other forever"
            )
        self.rasters, self.sites, self.chip, self.length, self.seed = rasters, sites, chip, length, seed
        kinds = sites.class_id if balance == "class" else np.zeros(len(sites))
        self.groups = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
        self.epoch = 0

    def __len__(self) -> int:
        """Chips per epoch of this process."""
        return self.length // self.shard.ranks

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch: Lightning calls this, so that a resumed training goes on where it was."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[GeoSlice]:
        """The chips of the next epoch."""
        rng = np.random.default_rng((self.seed, self.epoch))
        self.epoch += 1
        turns = [_endless(group, rng) for group in self.groups]
        drawn = [next(turns[i % len(turns)]) for i in range(self.length)]
        shifts = rng.integers(self.chip, size=(self.length, 2))
        for i in self.shard.own(self.length):
            yield self._around(drawn[i], *shifts[i])

    def _around(self, site: int, above: int, left: int) -> GeoSlice:
        """The chip that has so many pixels above and left of the site, moved onto the raster."""
        number = int(self.sites.raster[site])
        grid = self.rasters[number].grid
        row = int(np.clip(self.sites.row[site] - above, 0, max(0, grid.height - self.chip)))
        col = int(np.clip(self.sites.col[site] - left, 0, max(0, grid.width - self.chip)))
        return query(self.rasters[number], number, Window(row, col, self.chip, self.chip))


def _endless(items: np.ndarray, rng: np.random.Generator) -> Iterator[int]:
    """The items in shuffled order, again and again."""
    while True:
        yield from rng.permutation(items)


class TileGeoSampler(GeoSampler):
    """Every tile of the rasters that holds a point, once: so that each held-out point is judged once.

    It is not sharded: every process judges all points, and so has the whole score.
    """

    def __init__(self, rasters: Sequence[Raster], sites: Sites, *, chip: int) -> None:
        """Find the tiles."""
        self.rasters, self.chip = rasters, chip
        self.tiles = sorted({*zip(sites.raster, sites.row // chip, sites.col // chip, strict=True)})

    def __len__(self) -> int:
        """How many tiles there are."""
        return len(self.tiles)

    def __iter__(self) -> Iterator[GeoSlice]:
        """The tiles, raster by raster."""
        for number, row, col in self.tiles:
            window = Window(int(row) * self.chip, int(col) * self.chip, self.chip, self.chip)
            yield query(self.rasters[number], int(number), window)
