"""Where pixels lie: a raster's grid and whole-pixel windows on it.

Inside the package everything is integer rows and columns on one grid; coordinates appear only at its border.
The order is always (row, column) and (height, width).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import rasterio.windows
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import Geod
from rasterio.crs import CRS

from geopointseg.errors import GeoPointSegError

__all__ = ["Grid", "Window"]

WGS84 = Geod(ellps="WGS84")


class Window(NamedTuple):
    """A rectangle of whole pixels; it may reach beyond the grid."""

    row: int
    col: int
    height: int
    width: int

    def to_rasterio(self) -> rasterio.windows.Window:
        """The same rectangle as rasterio names it."""
        return rasterio.windows.Window(self.col, self.row, self.width, self.height)

    def grown(self, margin: int) -> "Window":
        """The rectangle with `margin` more pixels on every side.

        Examples:
            >>> Window(4, 4, 2, 2).grown(1)
            Window(row=3, col=3, height=4, width=4)
        """
        return Window(self.row - margin, self.col - margin, self.height + 2 * margin, self.width + 2 * margin)

    def within(self, height: int, width: int) -> "Window":
        """The part of the rectangle that lies on a grid of this height and width (may be empty).

        Examples:
            >>> Window(-2, 3, 5, 5).within(10, 6)
            Window(row=0, col=3, height=3, width=3)
        """
        top, left = min(max(self.row, 0), height), min(max(self.col, 0), width)
        bottom = max(top, min(self.row + self.height, height))
        right = max(left, min(self.col + self.width, width))
        return Window(top, left, bottom - top, right - left)


@dataclass(frozen=True, slots=True)
class Grid:
    """The georeference of a north-up raster: immutable, so that its parts cannot come to disagree.

    Raises:
        GeoPointSegError: the raster is rotated, sheared or south-up, or has no pixels.
    """

    crs: CRS
    """Coordinate reference system."""
    transform: Affine
    """Pixel corner (column, row) to coordinates (x, y)."""
    height: int
    """Rows."""
    width: int
    """Columns."""

    def __post_init__(self) -> None:
        """Refuse what the rest of the package could only get wrong silently."""
        t = self.transform
        if t.b != 0 or t.d != 0 or t.a <= 0 or t.e >= 0:
            raise GeoPointSegError(
                f"expected a north-up raster, got the rotated, sheared or flipped transform {tuple(t)[:6]}: "
                "straighten it first, for example with 'gdalwarp rotated.tif straight.tif'"
            )
        if self.height < 1 or self.width < 1:
            raise GeoPointSegError(f"expected at least one pixel, got a grid of {self.height} x {self.width}")

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def pixel_size(self) -> tuple[float, float]:
        """(height, width) of a pixel in units of the CRS, both positive."""
        return -self.transform.e, self.transform.a

    @property
    def ground_size(self) -> tuple[float, float]:
        """(height, width) of a pixel in metres, for a CRS in degrees at the raster's centre."""
        if not self.crs.is_geographic:
            metres = float(self.crs.linear_units_factor[1])
            return self.pixel_size[0] * metres, self.pixel_size[1] * metres
        west, south, east, north = self.bounds
        x, y = (west + east) / 2, (south + north) / 2
        height, width = self.pixel_size
        across = WGS84.inv([x, x], [y - height / 2, y], [x, x + width], [y + height / 2, y])[2]
        return float(across[0]), float(across[1])

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in units of the CRS."""
        return self.window_bounds(Window(0, 0, self.height, self.width))

    def window_bounds(self, window: Window) -> tuple[float, float, float, float]:
        """(west, south, east, north) of a window in units of the CRS."""
        west, north = self.transform * (window.col, window.row)
        east, south = self.transform * (window.col + window.width, window.row + window.height)
        return west, south, east, north

    def rowcol(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the pixels that hold the coordinates; they may lie outside the grid.

        Coordinates that are not finite (a failed reprojection) or absurd become (-1, -1), which no grid contains.
        """
        t = self.transform
        cols = np.floor((np.asarray(x, dtype=float) - t.c) / t.a)
        rows = np.floor((np.asarray(y, dtype=float) - t.f) / t.e)
        sane = (np.abs(rows) < 2**53) & (np.abs(cols) < 2**53)
        return np.where(sane, rows, -1).astype(np.int64), np.where(sane, cols, -1).astype(np.int64)

    def xy(self, rows: ArrayLike, cols: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of pixel centres."""
        t = self.transform
        return t.c + (np.asarray(cols) + 0.5) * t.a, t.f + (np.asarray(rows) + 0.5) * t.e

    def contains(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where the pixel lies on the grid."""
        return (rows >= 0) & (rows < self.height) & (cols >= 0) & (cols < self.width)

    def tiles(self, size: int) -> Iterator[Window]:
        """Windows of at most `size` x `size` pixels that cover the grid once, row by row."""
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield Window(row, col, size, size).within(self.height, self.width)

    def matches(self, other: "Grid") -> bool:
        """True where both grids have the same pixels, to a thousandth of a pixel."""
        tolerance = 1e-3 * min(self.pixel_size)
        corners = zip(self.bounds, other.bounds, strict=True)
        return self.crs == other.crs and self.shape == other.shape and all(abs(a - b) < tolerance for a, b in corners)
