"""How much ground each class of a map covers: what a sample is drawn from and weighted by, counted window by window."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import Classes
from geopointseg.grid import Grid
from geopointseg.maps.estimators import Stratum
from geopointseg.raster import open_raster, raster_classes, read_labels

__all__ = ["Cover", "measure", "pixel_hectares"]

TILE = 1024
SEMI_MAJOR, FLATTENING = 6_378_137.0, 1 / 298.257223563  # WGS 84


@dataclass(frozen=True, slots=True)
class Cover:
    """What the classes of a map cover."""

    path: Path
    grid: Grid
    classes: Classes
    pixels: NDArray[np.int64]
    """(classes,)"""
    hectares: NDArray[np.float64]
    """(classes,)"""

    def strata(self) -> tuple[Stratum, ...]:
        """One for each class, in their order."""
        rows = zip(self.classes.names, self.pixels.tolist(), self.hectares.tolist(), strict=True)
        return tuple(Stratum(name, pixels, area) for name, pixels, area in rows)


def measure(path: Path) -> Cover:
    """Count the pixels of a map by class and row.

    Raises:
        GeoPointSegError: it is no map of ours, or damaged.
    """
    classes, grid = raster_classes(path), open_raster(path).grid
    area = pixel_hectares(grid)
    pixels, hectares = np.zeros(len(classes), np.int64), np.zeros(len(classes))
    tiles = tqdm(list(grid.tiles(TILE)), "counting pixels", unit="window", disable=None, leave=False)
    for window in tiles:
        ids = read_labels(path, window)
        rows = np.broadcast_to(np.arange(window.height)[:, None], ids.shape)
        known = ids < len(classes)
        table = np.bincount(
            ids[known].astype(np.int64) * window.height + rows[known], minlength=len(classes) * window.height
        ).reshape(len(classes), window.height)
        pixels += table.sum(axis=1)
        hectares += table @ area[window.row : window.row + window.height]
    return Cover(path, grid, classes, pixels, hectares)


def pixel_hectares(grid: Grid) -> NDArray[np.float64]:
    """(height,) hectares of a pixel of each row: on the ellipsoid for a CRS in degrees, else in the plane of the CRS."""
    if not grid.crs.is_geographic:
        height, width = grid.ground_size
        return np.full(grid.height, height * width / 10_000)
    _, north = grid.transform @ (0, 0)
    edges = np.radians(np.clip(north - np.arange(grid.height + 1) * grid.pixel_size[0], -90, 90))
    e = np.sqrt(FLATTENING * (2 - FLATTENING))
    sine = np.sin(edges)
    # area from the equator to a parallel, for one radian of longitude
    zone = (SEMI_MAJOR * (1 - FLATTENING)) ** 2 / 2 * (sine / (1 - (e * sine) ** 2) + np.arctanh(e * sine) / e)
    hectares: NDArray[np.float64] = -np.diff(zone) * np.radians(grid.pixel_size[1]) / 10_000
    return hectares
