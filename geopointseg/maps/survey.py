"""Survey: all superpixels of some rasters as one table, with what models think of them, window by window."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geopointseg.grid import Grid, Window
from geopointseg.labels.acquire import Candidates
from geopointseg.labels.burn import stations
from geopointseg.labels.candidates import MOST, Uncertainty, cut, doubt_of, interior, measure, near_points, thinned
from geopointseg.labels.superpixels import scaled
from geopointseg.learning.agreement import Ask
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.classify import blended, classify
from geopointseg.maps.lattice import Lattice, Windowing
from geopointseg.raster import Raster, read, valid
from geopointseg.statistics import Statistics

__all__ = ["Known", "Stream", "Survey", "doubting", "predicted", "survey", "unpredicted"]

PIECE = 512  # columns of a row band, and sides of a window before there is a model, that superpixels are cut in
Shares = NDArray[np.float32]
Stream = Iterator[tuple[Window, Shares, Shares]]
"""Pieces of a raster, each with (classes, height, width) probabilities and (height, width) doubt."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is labelled already."""

    geometry: gpd.GeoSeries
    """Of the points, whatever became of them."""
    held_out: gpd.GeoSeries
    """Ground that is kept for assessment."""

    def on(self, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the pixels of points, scribbles and areas."""
        if not len(self.geometry):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        _, rows, cols = stations(self.geometry, grid, 8)
        return rows, cols


@dataclass(frozen=True, slots=True)
class Survey:
    """All superpixels."""

    table: Candidates
    land: NDArray[np.float64]
    """(classes,) share of the land that is predicted as each class; all 0 where there is no land."""
    pieces: list[tuple[Raster, Window]]
    """What `table.tile` counts."""
    superpixels: int
    """Of all the land, those that are not in the table too."""
    beside: int
    """Those with a point in them or beside."""
    held_out: int
    """Those on held-out ground, which are not in the table."""
    near: NDArray[np.int64]
    """(beside,) how far, in pixels, each of those is from the nearest point; without those on held-out ground."""

    def room(self, n: int) -> int | None:
        """The largest distance to points that leaves `n` superpixels to ask about; None where not even 0 does."""
        short = n - int(np.count_nonzero(~self.table.asked & (self.table.area > 0)))
        far = np.sort(self.near)[::-1]
        return int(far[short - 1]) - 1 if 0 < short <= len(far) and far[short - 1] > 0 else None

    def places(self, chosen: Candidates, measured: Statistics, size: int) -> list[tuple[Grid, int, int]]:
        """The most interior pixel of each superpixel; its piece is cut once more, which gives the same superpixels."""
        rows, cols = np.zeros((2, len(chosen)), np.int64)
        for number in np.unique(chosen.tile):
            raster, piece = self.pieces[number]
            here = np.flatnonzero(chosen.tile == number)
            r, c = interior(cut(scaled(read(raster, piece), measured), size=size), chosen.label[here])
            rows[here], cols[here] = r + piece.row, c + piece.col
        grids = [self.pieces[number][0].grid for number in chosen.tile]
        return [(grid, int(row), int(col)) for grid, row, col in zip(grids, rows, cols, strict=True)]


def survey(
    streams: Iterable[tuple[Raster, Stream]],
    known: Known,
    measured: Statistics,
    *,
    size: int,
    apart: int,
    classes: int,
    seed: int = 0,
) -> Survey:
    """Cut and measure what streams by.

    Args:
        streams: Rasters, of which the first gives the plane that places are measured on, and their pieces.
        known: What is labelled already.
        measured: Statistics of the rasters.
        size: Mean area of the superpixels, in pixels.
        apart: A superpixel at most so many pixels from a point counts as asked.
        classes: Of the models; 0 before there are any.
        seed: Of which superpixels are kept where there are too many.
    """
    pieces: list[tuple[Raster, Window]] = []
    tables: list[Candidates] = []
    distances = [np.zeros(0, np.int64)]
    land = np.zeros(classes)
    first: Grid | None = None
    total = beside = held_out = kept = 0
    for raster, stream in streams:
        first = first or raster.grid
        rows, cols = known.on(raster.grid)
        closed = list(known.held_out.to_crs(raster.grid.crs.to_wkt())) if len(known.held_out) else []
        for piece, shares, doubt in stream:
            image = scaled(read(raster, piece), measured)
            regions, number = cut(image, size=size), len(pieces)
            table = measure(regions, image, shares, doubt, window=piece, grid=raster.grid, first=first, tile=number)
            near, away = near_points(regions, rows - piece.row, cols - piece.col, apart)
            table.asked[near - 1] = True
            if classes:
                land += np.bincount(table.class_id, table.area, minlength=classes)
            total, beside = total + len(table), beside + int(table.asked.sum())
            if closed:
                within = _within(table, closed, first)
                away, kept_out = away[~within[near - 1]], within & ~table.asked
                held_out += int(kept_out.sum())
                table = table.at(~kept_out)
            distances.append(away)
            pieces.append((raster, piece))
            tables.append(table)
            kept += len(table)
            if kept > 2 * MOST:
                tables = [thinned(Candidates.joined(tables), seed=seed)]
                kept = len(tables[0])
    whole = thinned(Candidates.joined(tables), seed=seed)
    return Survey(whole, land / max(float(land.sum()), 1.0), pieces, total, beside, held_out, np.concatenate(distances))


def predicted(
    tasks: Sequence[PointSegmentationTask],
    asks: Sequence[Ask],
    raster: Raster,
    uncertainty: Uncertainty,
    options: dict[str, int],
) -> Stream:
    """Pieces of a raster with probabilities and doubt, as prediction gets to them."""
    held: list[list[tuple[Window, Shares]]] = [[] for _ in tasks]
    streams = []
    for task, ask, kept in zip(tasks, asks, held, strict=True):

        def add(place: Window, shares: Shares, kept: list[tuple[Window, Shares]] = kept) -> None:
            kept.append((place, shares))

        streams.append(classify(task, raster, ask=ask, adding=[add], **options))
    for _ in zip(*streams, strict=True):
        while all(held):
            found = [kept.pop(0) for kept in held]
            band = found[0][0]
            for left in range(0, band.width, PIECE):
                every = [np.ascontiguousarray(shares[..., left : left + PIECE]) for _, shares in found]
                mean = every[0] if len(every) == 1 else np.asarray(np.mean(np.stack(every), axis=0), np.float32)
                piece = Window(band.row, band.col + left, band.height, every[0].shape[-1])
                yield piece, mean, doubt_of(every, uncertainty)
            del found, every, mean  # a band is large: the next must not find this one in memory


def doubting(classes: int, ask: Ask, raster: Raster, options: dict[str, int]) -> Stream:
    """As `predicted`, of one model whose answer has the doubt as one more layer after those of the classes."""
    lattice = Lattice(*raster.grid.shape, Windowing(**options))
    for _, band, weighed in blended(ask, classes + 1, raster, lattice, lattice.shards()):
        found = weighed / weighed[:classes].sum(axis=0)
        found[:, ~valid(read(raster, band))] = np.nan
        for left in range(0, band.width, PIECE):
            piece = np.ascontiguousarray(found[..., left : left + PIECE])
            yield Window(band.row, band.col + left, *piece.shape[1:]), piece[:classes], piece[classes]
        del found, piece  # a band is large: the next must not find this one in memory


def unpredicted(raster: Raster) -> Stream:
    """Pieces of a raster that no model has seen."""
    for piece in raster.grid.tiles(PIECE):
        yield piece, np.zeros((0, piece.height, piece.width), np.float32), np.zeros(piece[2:], np.float32)


def _within(table: Candidates, shapes: list[shapely.Geometry], first: Grid) -> NDArray[np.bool_]:
    """Whether the middle of each superpixel lies on some ground; shapes are in the CRS of its raster."""
    height, width = first.pixel_size
    return np.asarray(
        shapely.intersects_xy(shapely.union_all(shapes), table.place[:, 0] * width, table.place[:, 1] * height)
    )
