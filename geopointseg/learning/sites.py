"""Where training looks: the points of a split as rows and columns on the rasters that hold them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.burn import stations
from geopointseg.labels.points import Points
from geopointseg.raster import Raster

__all__ = ["Sites", "share", "sites"]

SPACING = 32  # pixels between the places of a scribble or an area that chips are drawn around


class Sites:
    """Where the points of one split lie on the rasters: arrays of one entry per point and raster that holds it."""

    def __init__(self, raster: ArrayLike, row: ArrayLike, col: ArrayLike, class_id: ArrayLike) -> None:
        """Keep the four columns as integer arrays."""
        columns = (np.asarray(c, dtype=np.int64) for c in (raster, row, col, class_id))
        self.raster, self.row, self.col, self.class_id = columns

    def __len__(self) -> int:
        """How many there are."""
        return len(self.raster)

    @property
    def places(self) -> tuple[list[int], list[int], list[int]]:
        """Rasters, rows and columns as plain numbers."""
        return self.raster.tolist(), self.row.tolist(), self.col.tolist()

    @property
    def rasters(self) -> list[int]:
        """The numbers of the rasters that hold any, each once, in order."""
        return [int(number) for number in np.unique(self.raster)]

    def on(self, rasters: ArrayLike) -> "Sites":
        """Those on the rasters with these numbers."""
        kept = np.isin(self.raster, rasters)
        return Sites(self.raster[kept], self.row[kept], self.col[kept], self.class_id[kept])


def sites(points: Points, rasters: Sequence[Raster], split: str) -> Sites:
    """The points of a split on every raster that holds them; a scribble or an area has one in every few pixels."""
    frame = points.used(split)
    ids = frame["class_id"].to_numpy(dtype=np.int64)
    found = [np.zeros((4, 0), np.int64)]
    for number, raster in enumerate(rasters):
        feature, rows, cols = stations(frame.geometry, raster.grid, SPACING)
        found.append(np.stack([np.full(len(feature), number), rows, cols, ids[feature]]))
    return Sites(*np.hstack(found))


def share(sites: Sites, rasters: Sequence[Raster], fraction: float, *, seed: int = 0) -> Sites:
    """The sites on a share of the rasters, for studies of how much ground is enough.

    Only rasters that hold sites are counted. They are shuffled, and the first of them taken: as many as come nearest to
    the wanted share of all their pixels, and one at least. So with one seed, a smaller share lies within a larger one.

    Args:
        sites: On the rasters.
        rasters: All of them, of one pixel size.
        fraction: Wanted share of the area, more than 0 and at most 1.
        seed: Of the shuffle.

    Raises:
        GeoPointSegError: the fraction is no share.
    """
    if not 0 < fraction <= 1:
        raise GeoPointSegError(f"expected a train_fraction above 0 and up to 1, got {fraction}: 0.25 takes a quarter")
    if fraction == 1 or not len(sites):
        return sites
    order = np.random.default_rng(seed).permutation(sites.rasters)
    areas = np.cumsum([rasters[number].grid.height * rasters[number].grid.width for number in order])
    taken = np.abs(areas - fraction * areas[-1]).argmin() + 1
    return sites.on(order[:taken])
