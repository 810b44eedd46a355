"""Assessment on dense truth, window by window: everywhere, or apart for ground that training has and has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.labels.burn import burn
from geopointseg.labels.points import Points
from geopointseg.maps.assessment import Assessment
from geopointseg.maps.boundaries import Boundaries, count_boundaries, halo_of, metres_of
from geopointseg.maps.calibration import confidence_file, read_confidence
from geopointseg.maps.tally import Tally
from geopointseg.raster import open_raster, raster_classes, read_labels, reading

__all__ = ["Trained", "against_truth", "by_place", "pair_truth", "shared_classes", "to_ids"]

TILE = 2048


@dataclass(frozen=True, slots=True)
class Trained:
    """The ground that training has seen."""

    points: Points
    chip: int
    """Side of a training chip in pixels: what is nearer to a training feature may have been in one."""

    def reached(self, grid: Grid) -> shapely.STRtree:
        """What each training feature may have been seen with: boxes in the grid's CRS."""
        bounds = self.points.used("train").geometry.to_crs(grid.crs.to_wkt()).bounds.to_numpy().reshape(-1, 4)
        height, width = ((self.chip - 1) * side for side in grid.pixel_size)
        return shapely.STRtree(shapely.box(*(bounds + np.array([-width, -height, width, height])).T))


def _seen(reached: shapely.STRtree, grid: Grid, window: Window) -> NDArray[np.bool_]:
    """(height, width) true where a pixel may have been in a training chip."""
    near = reached.query(shapely.box(*grid.window_bounds(window)))
    return burn(list(reached.geometries[near]), grid, window, touched=True)


def against_truth(
    maps: Sequence[Path], truth: Sequence[Path], *, boundary: str | None = None, background: str | None = None
) -> Assessment:
    """Judge maps on dense truth of the same grids, window by window.

    Args:
        maps: Maps of one set of classes.
        truth: For each map its truth; matched by the class names it carries, else by the classes' codes.
        boundary: Judge the borders of the classes too, within this distance, such as 10m or 2px.
        background: The class that is none, see `geopointseg.confusion.scores`.

    Raises:
        GeoPointSegError: the grids differ, or the truth holds no class of the map.
    """
    return _against_truth(maps, truth, None, boundary, background)[0]


def by_place(
    maps: Sequence[Path], truth: Sequence[Path], trained: Trained, *, background: str | None = None
) -> tuple[Assessment, list[Assessment]]:
    """Judge maps on dense truth apart for the ground that training has seen and for ground it has not.

    Args:
        maps: Maps of one set of classes.
        truth: For each map its truth.
        trained: What training has seen.
        background: The class that is none.

    Returns:
        On all ground, as `against_truth` has it. And on new ground (no pixel of it was ever in a training chip) and on ground
        around training points; one of them where there is no other.

    Raises:
        GeoPointSegError: see `against_truth`.
    """
    whole, *places = _against_truth(maps, truth, trained, None, background)
    return whole, [one for one in places if one.matrix.sum()]


def _against_truth(
    maps: Sequence[Path],
    truth: Sequence[Path],
    trained: Trained | None,
    boundary: str | None,
    background: str | None,
) -> list[Assessment]:
    """Over all ground; and, knowing what training has seen, over new ground and over that."""
    classes = shared_classes(maps)
    names = ["dense truth", *([] if trained is None else ["dense truth, new place", "dense truth, same place"])]
    places = [Tally(classes, background) for _ in names]
    edges, metres = np.zeros((len(classes), 4), np.int64), 0.0
    for map_path, truth_path in zip(maps, truth, strict=True):
        grid, sure = open_raster(map_path).grid, confidence_file(map_path)
        truth_grid = open_raster(truth_path, crs=grid.crs.to_wkt()).grid
        if not grid.matches(truth_grid):
            raise GeoPointSegError(
                f"expected truth on the map's grid, got {truth_path} {truth_grid.shape} for {map_path} {grid.shape}: "
                "cut or warp it to the map first"
            )
        metres = metres_of(boundary, grid.ground_size, map_path) if boundary else 0.0
        reached = None if trained is None else trained.reached(grid)
        for sums in places:
            sums.begin()
        for core in grid.tiles(TILE):
            halo = halo_of(metres, grid.ground_size) if boundary else 0
            window = core.grown(halo).within(*grid.shape)
            inner = Window(core.row - window.row, core.col - window.col, core.height, core.width)
            true, foreign = _read_truth(truth_path, window, classes)
            predicted = read_labels(map_path, window)
            if boundary:
                ground = grid.ground_size
                edges += count_boundaries(true, predicted, inner, classes=len(classes), metres=metres, ground=ground)
            cut = np.s_[inner.row : inner.row + inner.height, inner.col : inner.col + inner.width]
            true, foreign, predicted = true[cut], foreign[cut], predicted[cut]
            steps = None if sure is None else read_confidence(sure, core)
            places[0].add(true, predicted, steps, foreign)
            if reached is not None:
                seen = _seen(reached, grid, core)
                for sums, here in zip(places[1:], (~seen, seen), strict=True):
                    sums.add(true[here], predicted[here], None if steps is None else steps[here], foreign[here])
    if not any(sums.matrix.sum() or sums.unmapped for sums in places):
        raise GeoPointSegError(f"expected the codes {list(classes.codes)} in {truth[0]}, got none of them")
    found = [sums.assessment(name) for sums, name in zip(places, names, strict=True)]
    return [replace(one, boundaries=Boundaries(metres, edges)) for one in found] if boundary else found


def pair_truth(maps: Sequence[Path], truth: Sequence[Path]) -> list[Path]:
    """The truth of each map: the file of its name where every map has one, else by order.

    Raises:
        GeoPointSegError: there are not as many truth rasters as maps.
    """
    by_name = {path.stem: path for path in truth}
    if all(path.stem in by_name for path in maps):
        return [by_name[path.stem] for path in maps]
    if len(truth) != len(maps):
        raise GeoPointSegError(f"expected one truth raster for each of {len(maps)} maps, got {len(truth)}")
    return list(truth)


def _read_truth(path: Path, window: Window, classes: Classes) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Ids of a window of truth, and where it holds something that is no class of the map."""
    with reading(path, window) as source:
        values, nodata = source.read(1, window=window.to_rasterio()), source.nodata
    true = to_ids(values, path, classes)
    return true, (true == UNLABELLED) & ~np.isin(values, [UNLABELLED, UNLABELLED if nodata is None else nodata])


def to_ids(values: NDArray[np.generic], path: Path, classes: Classes) -> NDArray[np.uint8]:
    """Class ids of the values of a class raster.

    Args:
        values: Read from `path`, of any number type.
        path: A class raster with the names of its classes, or a plain one, whose values are the classes' codes.
        classes: What the ids shall mean.

    Returns:
        Ids of the same shape, 255 for what is no class.
    """
    try:
        own = raster_classes(path).names
        codes = np.array([own.index(name) if name in own else UNLABELLED for name in classes.names])
    except GeoPointSegError:
        codes = np.array(classes.codes)
    order = codes.argsort()
    nearest = order[np.searchsorted(codes, values, sorter=order).clip(max=len(codes) - 1)]
    return np.where((codes[nearest] == values) & (values != UNLABELLED), nearest, UNLABELLED).astype(np.uint8)


def shared_classes(maps: Sequence[Path]) -> Classes:
    """The classes of the maps.

    Raises:
        GeoPointSegError: they differ.
    """
    classes = raster_classes(maps[0])
    for path in maps[1:]:
        if (own := raster_classes(path)).names != classes.names:
            raise GeoPointSegError(
                f"expected maps of the classes {', '.join(classes.names)}, got {', '.join(own.names)} in {path}: "
                "assess them apart"
            )
    return classes
