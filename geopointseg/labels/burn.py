"""Which pixels features cover: a point its pixel, a scribble what it crosses, an area what lies inside."""

from collections.abc import Iterator
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from geopointseg.grid import Grid, Window

__all__ = ["Burned", "burn", "burn_by_tile", "locate", "stations"]

TILE = 1024  # pixels
BLOCK = 512  # pixels that lines and areas are burned in at a time
MARGIN = 2  # pixels; GDAL clips a line at the edge of what it burns, and may miss a corner there

Integers = NDArray[np.int64]


class Burned(NamedTuple):
    """The pixels that features cover within one window; a pixel comes once for every feature that covers it."""

    window: Window
    feature: Integers
    """Positions of the features in the layer, ascending."""
    rows: Integers
    """Within the window."""
    cols: Integers


def locate(features: gpd.GeoSeries, grid: Grid) -> tuple[Integers, Integers]:
    """Rows and columns of one pixel per feature: a point's own, for others one inside; (-1, -1) without geometry."""
    shapes = _on_grid(features, grid)
    wide = shapely.get_dimensions(shapes) > 0
    shapes[wide] = shapely.point_on_surface(shapes[wide])
    return grid.rowcol(shapely.get_x(shapes), shapely.get_y(shapes))


def burn_by_tile(features: gpd.GeoSeries, grid: Grid, size: int) -> Iterator[Burned]:
    """The pixels that features cover, for every tile of the grid, also those that hold none.

    A scribble covers every pixel it touches; an area covers the pixels whose centre it holds and one more inside it, so
    that an area smaller than a pixel is not lost. The tile size does not change what is covered.

    Args:
        features: Points, lines and polygons in any CRS; None for none.
        grid: The raster's grid.
        size: Side of a tile in pixels.
    """
    shapes = _on_grid(features, grid)
    rows, cols = locate(features, grid)  # also the pixel that every line and area has for certain
    across = -(-grid.width // size)
    tile = np.where(grid.contains(rows, cols), rows // size * across + cols // size, -1)
    order = np.argsort(tile, kind="stable")
    starts = np.searchsorted(tile[order], np.arange(across * -(-grid.height // size) + 1))
    wide = np.flatnonzero(shapely.get_dimensions(shapes) > 0)
    tree = shapely.STRtree(shapes[wide])
    for number, window in enumerate(grid.tiles(size)):
        own = order[starts[number] : starts[number + 1]]
        found: list[tuple[Integers, ...]] = [(own, rows[own] - window.row, cols[own] - window.col)]
        for feature in wide[tree.query(shapely.box(*grid.window_bounds(window)))] if len(wide) else ():
            for block in _blocks(window):
                r, c = _covered(shapes[feature], grid, block)
                r, c = r - window.row, c - window.col
                here = (r >= 0) & (r < window.height) & (c >= 0) & (c < window.width)
                found.append((np.full(here.sum(), feature), r[here], c[here]))
        feature_of, *pixel = (np.concatenate(column) for column in zip(*found, strict=True))
        yield Burned(window, *_once(feature_of, *pixel, window=window))


def stations(features: gpd.GeoSeries, grid: Grid, spacing: int) -> tuple[Integers, Integers, Integers]:
    """Pixels to look at a feature from: one for a point, more for a long scribble or a large area.

    Returns:
        Positions of the features in the layer, rows and columns: for every feature the pixel that `locate` gives, and of
        lines and areas also the pixels they cover in every `spacing`-th row and column.
    """
    rows, cols = locate(features, grid)
    feature = np.flatnonzero(grid.contains(rows, cols))
    found = [(feature, rows[feature], cols[feature])]
    wide = features.where(shapely.get_dimensions(features.to_numpy()) > 0, None)
    if wide.notna().any():
        for window, feature, r, c in burn_by_tile(wide, grid, TILE):
            kept = ((window.row + r) % spacing == 0) & ((window.col + c) % spacing == 0)
            found.append((feature[kept], window.row + r[kept], window.col + c[kept]))
    return tuple(np.unique(np.hstack([np.stack(part) for part in found]), axis=1))


def burn(shapes: list[shapely.Geometry], grid: Grid, window: Window, *, touched: bool) -> NDArray[np.bool_]:
    """(height, width) true where a pixel of the window lies in one of the shapes.

    Args:
        shapes: In the grid's CRS.
        grid: The raster's grid.
        window: Which pixels.
        touched: Count pixels that a shape only touches, too.
    """
    if not len(shapes) or not window.height or not window.width:
        return np.zeros((window.height, window.width), bool)
    seen = window.grown(MARGIN)
    transform = grid.transform @ grid.transform.translation(seen.col, seen.row)
    burned: NDArray[np.uint8] = rasterize(
        shapes, (seen.height, seen.width), transform=transform, all_touched=touched, dtype=np.uint8
    )
    return burned[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(bool)


def _blocks(window: Window) -> Iterator[Window]:
    """The blocks of the grid that a window touches: what a line covers at a pixel's corner depends on where GDAL begins."""
    for row in range(window.row // BLOCK, -(-(window.row + window.height) // BLOCK)):
        for col in range(window.col // BLOCK, -(-(window.col + window.width) // BLOCK)):
            yield Window(row * BLOCK, col * BLOCK, BLOCK, BLOCK)


def _covered(shape: shapely.Geometry, grid: Grid, block: Window) -> tuple[Integers, Integers]:
    """Rows and columns of the pixels of a block that a line or an area covers."""
    west, south, east, north = shape.bounds
    (top, bottom), (left, right) = grid.rowcol([west, east], [north, south])
    row, col = max(block.row, int(top) - 1), max(block.col, int(left) - 1)
    height, width = min(block.row + BLOCK, int(bottom) + 2) - row, min(block.col + BLOCK, int(right) + 2) - col
    near = Window(row, col, max(height, 0), max(width, 0))
    rows, cols = np.nonzero(burn([shape], grid, near, touched=shapely.get_dimensions(shape) == 1))
    return rows + row, cols + col


def _once(feature: Integers, rows: Integers, cols: Integers, *, window: Window) -> tuple[Integers, Integers, Integers]:
    """Every pair of feature and pixel once, in ascending order."""
    pixels = window.height * window.width
    pairs = np.unique(feature.astype(np.int64) * pixels + rows * window.width + cols)
    feature, pixel = np.divmod(pairs, pixels)
    return feature, *np.divmod(pixel, window.width)


def _on_grid(features: gpd.GeoSeries, grid: Grid) -> NDArray[np.object_]:
    """The geometries in the grid's CRS."""
    shapes: NDArray[np.object_] = np.array(features.to_crs(grid.crs.to_wkt()).to_numpy(), dtype=object)
    return shapes
