"""The pixels that features cover: how many there are, hold data, and belong to no other feature."""

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from geopointseg.labels.burn import burn_by_tile
from geopointseg.raster import Raster, read, valid

__all__ = ["Covered", "covered", "why_not"]

TILE = 512  # pixels; features are looked up tile by tile, so that a raster is never held whole


@dataclass(frozen=True, slots=True)
class Covered:
    """Of every feature, over all rasters."""

    seen: NDArray[np.int64]
    """Pixels it covers."""
    valid: NDArray[np.int64]
    """Those with data."""
    contested: NDArray[np.int64]
    """Those of them that a feature of another class covers, too."""
    fresh: NDArray[np.int64]
    """Those of the others that no earlier feature covers."""
    rival: NDArray[np.int64]
    """Another class that covers a contested pixel; -1 for none."""
    twin: NDArray[np.int64]
    """Position of an earlier feature of the same class that covers one of its pixels; -1 for none."""


def covered(geometry: gpd.GeoSeries, ids: NDArray[np.int64], rasters: Sequence[Raster]) -> Covered:
    """Count the pixels of every feature, tile by tile.

    Args:
        geometry: Of the features; nothing where one is not to be looked at.
        ids: (features,) their classes.
        rasters: What they lie on.
    """
    n = len(geometry)
    counts = Covered(*(np.zeros(n, np.int64) for _ in range(4)), *(np.full(n, -1, np.int64) for _ in range(2)))
    for raster in rasters:
        for window, feature, rows, cols in burn_by_tile(geometry, raster.grid, TILE):
            if not len(feature):
                continue
            good = valid(read(raster, window))[rows, cols]
            np.add.at(counts.seen, feature, 1)
            np.add.at(counts.valid, feature[good], 1)
            feature, pixel = feature[good], (rows * window.width + cols)[good]
            order = np.lexsort((feature, pixel))
            feature, pixel = feature[order], pixel[order]
            first = np.flatnonzero(np.diff(pixel, prepend=-1))  # the earliest feature of every pixel
            size = np.diff(np.append(first, len(pixel)))
            lowest = np.repeat(np.minimum.reduceat(ids[feature], first), size) if len(first) else ids[:0]
            highest = np.repeat(np.maximum.reduceat(ids[feature], first), size) if len(first) else ids[:0]
            contested, earliest = lowest < highest, np.repeat(feature[first], size)
            np.add.at(counts.contested, feature[contested], 1)
            rival = np.where(ids[feature] == lowest, highest, lowest)
            counts.rival[feature[contested]] = rival[contested]
            fresh = ~contested & (feature == earliest)
            np.add.at(counts.fresh, feature[fresh], 1)
            repeated = ~contested & ~fresh
            counts.twin[feature[repeated]] = earliest[repeated]
    return counts


def why_not(counts: Covered, i: np.int64, rival: str) -> str:
    """Why a used feature does not label all its pixels."""
    parts = {
        "hold no data": counts.seen[i] - counts.valid[i],
        f"are shared with class {rival!r}": counts.contested[i],
        "are covered by an earlier feature": counts.valid[i] - counts.contested[i] - counts.fresh[i],
    }
    return ", ".join(f"{what} ({n})" for what, n in parts.items() if n)
