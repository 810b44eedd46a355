"""Sheets: a raster with the features that label it, window by window."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.burn import Burned, burn, burn_by_tile
from geopointseg.labels.edges import Affinity
from geopointseg.labels.graph import NEIGHBOURS
from geopointseg.labels.points import Points
from geopointseg.labels.propagate import Clicks
from geopointseg.labels.superpixels import scaled
from geopointseg.raster import Raster, open_raster, read
from geopointseg.statistics import Statistics

__all__ = ["HALO", "TILE", "Sheet", "open_sheet"]

TILE = 1024  # pixels of a window whose points are spread together; a multiple of the GeoTIFF block
HALO = 64  # pixels around it that superpixels see, so that they do not end at the window

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A raster with the features on it."""

    raster: Raster
    statistics: Statistics
    """Of all rasters, to scale pixels by."""
    maps: Raster | None
    """Affinity maps to grow regions by; None for colours."""
    classes: Classes
    frame: gpd.GeoDataFrame
    """Features in use or in conflict, in their own CRS."""
    held_out: gpd.GeoDataFrame
    """Blocks in which no click labels anything, in the raster's CRS."""
    train: NDArray[np.bool_]
    """(features,) those that label something."""
    wide: NDArray[np.bool_]
    """(features,) those that are areas."""
    ids: NDArray[np.int64]
    """(features,) their classes."""
    share: NDArray[np.float64]
    """(features,) how much each of its pixels counts: 1 over their number."""
    clicks: Clicks
    """Pixels of the clicks and scribbles to train on."""

    def windows(self) -> list[Window]:
        """Every window."""
        return list(self.raster.grid.tiles(TILE))

    def burned(self) -> Iterator[Burned]:
        """The pixels that features cover, for every window."""
        yield from burn_by_tile(self.frame.geometry, self.raster.grid, TILE)

    def progress(self, windows: Iterable[T], what: str) -> Iterator[T]:
        """What there is for every window, with a progress bar."""
        name, total = f"{what} of {self.raster.path.name}", len(self.windows())
        yield from tqdm(windows, name, total=total, unit="window", disable=None, leave=False)

    def seen(self, window: Window) -> Window:
        """The window with its halo."""
        return window.grown(HALO).within(*self.raster.grid.shape)

    def image(self, window: Window) -> NDArray[np.float32]:
        """The scaled pixels of a window, (bands, height, width)."""
        return scaled(read(self.raster, window), self.statistics)

    def affinity(self, window: Window) -> Affinity:
        """What makes neighbours alike in a window."""
        return "colour" if self.maps is None else read(self.maps, window) / np.float32(255)

    def held_out_in(self, window: Window) -> NDArray[np.bool_]:
        """(height, width) true for pixels that a held-out block touches."""
        west, south, east, north = self.raster.grid.window_bounds(window)
        return burn(list(self.held_out.cx[west:east, south:north].geometry), self.raster.grid, window, touched=True)


def open_sheet(raster: Raster, statistics: Statistics, points: Points, affinities: Path | None) -> Sheet:
    """Find the pixels of clicks and scribbles on a raster; those of areas are found window by window.

    Args:
        raster: The raster.
        statistics: Of all rasters.
        points: Checked points.
        affinities: Folder of affinity maps, one for each raster; None to do without.

    Raises:
        GeoPointSegError: the raster's affinity maps are missing, or not on its grid.
    """
    frame = points.frame[points.frame["status"].isin(["used", "conflict"])]
    train = (frame["split"] == "train").to_numpy(bool)
    ids = frame["class_id"].to_numpy(dtype=np.int64)
    wide = shapely.get_dimensions(frame.geometry.to_numpy()) == 2
    covered, found = np.zeros(len(frame), np.int64), []
    for window, feature, rows, cols in burn_by_tile(frame.geometry, raster.grid, TILE):
        covered += np.bincount(feature, minlength=len(frame))
        seed = train[feature] & ~wide[feature]
        found.append(np.stack([rows[seed] + window.row, cols[seed] + window.col, feature[seed]]))
    share = 1 / np.maximum(covered, 1)
    rows, cols, feature = np.hstack(found)
    return Sheet(
        raster=raster,
        statistics=statistics,
        maps=None if affinities is None else _open_maps(affinities / f"{raster.path.stem}.tif", raster),
        classes=points.classes,
        frame=frame,
        held_out=points.held_out.to_crs(raster.grid.crs.to_wkt()),
        train=train,
        wide=wide,
        ids=ids,
        share=share,
        clicks=Clicks(rows, cols, ids[feature], share[feature], feature),
    )


def _open_maps(path: Path, raster: Raster) -> Raster:
    """The affinity maps of a raster."""
    maps = open_raster(path)
    if not maps.grid.matches(raster.grid) or len(maps.bands) != len(NEIGHBOURS):
        raise GeoPointSegError(
            f"expected eight affinity maps on the grid of {raster.path}, got {len(maps.bands)} in {path}: "
            "make them with 'geopointseg affinity'"
        )
    return maps
