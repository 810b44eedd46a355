"""TorchGeo datasets over rasters, pseudo-masks and held-out points.

TorchGeo merges files that overlap. Rasters of one place at two dates must not be merged, so every raster gets a moment
of its own on TorchGeo's time axis: a query names the place and, by its moment, the raster.

A dataset holds paths and numbers but no open file: it goes through pickle to worker processes, which open their own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import torch
from torchgeo.datasets import RasterDataset
from torchgeo.datasets.utils import GeoSlice

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.adaptive import adaptive, least_area
from geopointseg.labels.burn import burn
from geopointseg.labels.pseudomask import mask_paths
from geopointseg.labels.superpixels import scaled
from geopointseg.learning.class_weights import raised
from geopointseg.learning.sites import Sites
from geopointseg.raster import Raster, open_raster, read, read_labels
from geopointseg.statistics import Statistics

__all__ = ["HeldOut", "Imagery", "Labels", "Regions", "query"]

Sample = dict[str, Any]

SCALE = 20.0  # of adaptive merging, for superpixels of some 70 pixels
FIRST, GAP = pd.Timestamp("2000-01-01"), pd.Timedelta(days=2)


def query(raster: Raster, number: int, window: Window) -> GeoSlice:
    """A window of the raster with this number, as TorchGeo asks for it; `Imagery.locate` is the inverse."""
    west, south, east, north = raster.grid.window_bounds(window)
    yres, xres = raster.grid.pixel_size
    start, stop = _moment(number)
    return slice(west, east, xres), slice(south, north, yres), slice(start, stop, 1)


def _moment(number: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The moment of a raster: a day of its own, with a gap before the next."""
    start = FIRST + number * GAP
    return start, start + GAP / 2


class Imagery(RasterDataset):
    """Rasters with a moment each; `image` is (bands, height, width) float32, NaN where there is no data.

    TorchGeo indexes the rasters; their pixels are read by `geopointseg.raster.read`, as in prediction: TorchGeo knows
    neither a CRS nor a nodata value given by the user, and fills what lies beyond a raster with 0.
    """

    def __init__(self, rasters: Sequence[Raster]) -> None:
        """Index the rasters; all must share CRS and pixel size."""
        self.rasters = list(rasters)
        first = self.rasters[0].grid
        for raster in self.rasters[1:]:
            if raster.grid.crs != first.crs or not np.allclose(raster.grid.pixel_size, first.pixel_size, rtol=1e-6):
                raise GeoPointSegError(
                    f"expected training rasters of one CRS and pixel size, got {self.rasters[0].path} ({first.crs}, "
                    f"{first.pixel_size}) and {raster.path} ({raster.grid.crs}, {raster.grid.pixel_size}): "
                    "bring them together with 'gdalwarp -t_srs … -tr …'"
                )
        self.paths = [str(raster.path) for raster in self.rasters]
        self.transforms = None
        self._res = first.pixel_size[::-1]
        moments = [_moment(i) for i in range(len(self.rasters))]
        self.index = gpd.GeoDataFrame(
            {"filepath": self.paths},
            index=pd.IntervalIndex.from_tuples(moments, closed="both", name="datetime"),
            geometry=[shapely.box(*raster.grid.bounds) for raster in self.rasters],
            crs=first.crs.to_wkt(),
        )

    def locate(self, query: GeoSlice) -> tuple[int, Window]:
        """The number of the raster and the window that a query of three slices names.

        By arithmetic: looking a moment up in TorchGeo's index takes longer than reading the chip.
        """
        x, y, t = cast(tuple[slice, slice, slice], query)
        number = round((t.start - FIRST) / GAP)
        grid = self.rasters[number].grid
        yres, xres = grid.pixel_size
        west, _, _, north = grid.bounds
        return number, Window(
            row=round((north - y.stop) / yres),
            col=round((x.start - west) / xres),
            height=round((y.stop - y.start) / yres),
            width=round((x.stop - x.start) / xres),
        )

    def __getitem__(self, query: GeoSlice) -> Sample:
        """Read the window that the query names."""
        number, window = self.locate(query)
        return {"image": torch.from_numpy(read(self.rasters[number], window))}


class Regions(Imagery):
    """Rasters with the superpixels of each window, for labels that training makes itself.

    `regions` is (height, width) int64 from 1 on; 0 where there is no data, and in ground that is held out: what is judged there
    must not have grown from beside it. They are cut here so that it is done in the workers.
    """

    def __init__(self, rasters: Sequence[Raster], statistics: Statistics, held_out: gpd.GeoDataFrame) -> None:
        """Keep the polygons of what is held out."""
        super().__init__(rasters)
        self.statistics, self.held_out = statistics, held_out.to_crs(self.index.crs)

    def __getitem__(self, query: GeoSlice) -> Sample:
        """Read the window and cut it."""
        number, window = self.locate(query)
        sample, grid = super().__getitem__(query), self.rasters[number].grid
        regions = adaptive(scaled(sample["image"].numpy(), self.statistics), scale=SCALE, minimum=least_area(SCALE))
        west, south, east, north = grid.window_bounds(window)
        regions[burn(list(self.held_out.cx[west:east, south:north].geometry), grid, window, touched=True)] = 0
        return sample | {"regions": torch.from_numpy(regions).long()}


class Labels(Imagery):
    """The pseudo-masks of rasters, under the same moments.

    `mask` is (height, width) int64 with 255 = unlabelled, `weight` (height, width) float32 with 0 where unlabelled.
    """

    is_image = False

    def __init__(self, rasters: Sequence[Raster], folder: Path, *, power: float = 1.0) -> None:
        """Find the pseudo-masks and check that each lies on its raster's grid.

        Args:
            rasters: That they belong to.
            folder: Where they are.
            power: That the weights are raised to.

        Raises:
            GeoPointSegError: one is missing, unreadable, or on another grid.
        """
        super().__init__(rasters)
        self.power = power
        paths = [mask_paths(folder, raster) for raster in rasters]
        self.pairs = [
            (_on_grid(raster, mask), _on_grid(raster, weights))
            for raster, (mask, weights) in zip(rasters, paths, strict=True)
        ]

    def __getitem__(self, query: GeoSlice) -> Sample:
        """Read the window that the query names."""
        number, window = self.locate(query)
        mask, weights = self.pairs[number]
        labels = read_labels(mask.path, window)
        weight = raised(read(weights, window)[0], self.power)
        return {"mask": torch.from_numpy(labels).long(), "weight": torch.from_numpy(weight)}


class HeldOut(Imagery):
    """Rasters with the held-out points alone as `mask`: one pixel each, 255 elsewhere."""

    def __init__(self, rasters: Sequence[Raster], sites: Sites) -> None:
        """Keep the points."""
        super().__init__(rasters)
        self.sites = sites

    def __getitem__(self, query: GeoSlice) -> Sample:
        """Read the window and mark its points."""
        number, window = self.locate(query)
        mask = torch.full((window.height, window.width), UNLABELLED)
        s = self.sites
        rows, cols = s.row - window.row, s.col - window.col
        here = (s.raster == number) & (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
        mask[rows[here], cols[here]] = torch.from_numpy(s.class_id[here])
        return super().__getitem__(query) | {"mask": mask}


def _on_grid(raster: Raster, path: Path) -> Raster:
    """A class raster that lies on the grid of a raster.

    Raises:
        GeoPointSegError: it is missing, unreadable, or on another grid.
    """
    if not path.exists():
        raise GeoPointSegError(f"expected {path} for {raster.path}, got no such file: run 'geopointseg mask' first")
    found = open_raster(path, crs=raster.grid.crs.to_wkt())
    if not found.grid.matches(raster.grid):
        raise GeoPointSegError(
            f"expected {path} on the grid of {raster.path}, got another grid: run 'geopointseg mask' again"
        )
    return found
