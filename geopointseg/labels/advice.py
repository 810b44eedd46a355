"""Advice: what an analyst should know of points that are few, crowded or in the wrong place."""

from collections.abc import Iterator, Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.warp import transform_bounds
from scipy.spatial import cKDTree

from geopointseg.classes import Classes
from geopointseg.labels.burn import locate
from geopointseg.raster import Raster, left_out
from geopointseg.statistics import suspect_nodata

__all__ = ["explain_miss", "remarks_on_places", "remarks_on_rasters"]

FEW = 5  # usable features of a class
CLUSTERED = 0.5  # nearest-neighbour index below which points lie in clusters; 1 is random, 0 all on one spot
CORNER = 0.25  # of the rasters' area: what clustered points cover at most to be called a corner
NEAR = 2  # pixels
SAMPLE = 1000  # points that are enough to recognise a wrong CRS by
UTM = [f"EPSG:{base + zone}" for base in (32600, 32700) for zone in range(1, 61)]
UTM += [f"EPSG:{25800 + zone}" for zone in range(28, 39)]


def remarks_on_places(frame: gpd.GeoDataFrame, classes: Classes, rasters: Sequence[Raster]) -> Iterator[str]:
    """What the number and the places of the used features mean for the map."""
    used = frame[frame["status"] == "used"]
    per_class = used["class_name"].value_counts()
    for name in classes.names:
        if (n := int(per_class.get(name, 0))) < FEW:
            yield f"usable points of class {name!r}: {n}; expect little of it below about {FEW}"
    crowded, places, pixels = set[int](), [], 0
    for raster in rasters:
        rows, cols = locate(used.geometry, raster.grid)
        here = raster.grid.contains(rows, cols)
        spots = np.column_stack([rows[here], cols[here]]).astype(float)
        pixels += raster.grid.height * raster.grid.width
        if len(spots) > 1:
            distance = cKDTree(spots).query(spots, k=2)[0][:, 1]
            crowded |= {*np.flatnonzero(here)[distance <= NEAR].tolist()}
            places.append((spots, distance))
    if crowded:
        yield f"{len(crowded)} points lie within {NEAR} pixels of another: together they say little more than one"
    if places:
        yield from _corner(places, pixels)


def _corner(places: list[tuple[NDArray[np.float64], NDArray[np.float64]]], pixels: int) -> Iterator[str]:
    """Say that all points lie in a corner, by the nearest-neighbour index of Clark and Evans (Ecology 35, 1954).

    Args:
        places: Rows and columns of the points of each raster, and the distance of each to its nearest neighbour, in pixels.
        pixels: Of all rasters.
    """
    count = sum(len(spots) for spots, _ in places)
    expected = 0.5 * np.sqrt(pixels / count)
    index = np.concatenate([distance for _, distance in places]).mean() / expected
    covered = sum(np.prod(np.ptp(spots, axis=0) + 1) for spots, _ in places) / pixels
    if count >= FEW and index < CLUSTERED and covered < CORNER:
        yield (
            f"all points lie in {covered:.0%} of the rasters' area (nearest-neighbour index {index:.2f}; 1 would be "
            "random): elsewhere the map is a guess that nothing here can check"
        )


def remarks_on_rasters(frame: gpd.GeoDataFrame, rasters: Sequence[Raster]) -> Iterator[str]:
    """What was done to fit points and rasters together, and what the rasters lack."""
    other = {r.grid.crs.to_string()[:40] for r in rasters if frame.crs != r.grid.crs.to_wkt()}
    if other:
        yield f"points reprojected from {frame.crs.to_string()[:40]} to {', '.join(sorted(other))}"
    yield from left_out(rasters[0])
    for raster in rasters:
        if (value := suspect_nodata(raster)) is not None:
            yield (
                f"{raster.path.name} declares no nodata, but many pixels hold {value:g} in every band: "
                f"if that is the empty collar, add --nodata {value:g}"
            )


def explain_miss(frame: gpd.GeoDataFrame, rasters: Sequence[Raster]) -> str:
    """Say where points that miss every raster lie, in degrees, and what would bring them onto it, if anything would."""
    geometry = frame.geometry.dropna().representative_point()
    degrees = geometry.to_crs(4326)
    degrees = degrees[np.isfinite(degrees.x)]
    if degrees.empty:
        return "None of them has a place on the earth in their CRS: check it, or add --points-crs"
    west, south, east, north = degrees.total_bounds
    boxes = np.array([transform_bounds(r.grid.crs, "EPSG:4326", *r.grid.bounds) for r in rasters])
    box = *boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)
    return (
        f"In degrees the points span {west:.4f} to {east:.4f} east and {south:.4f} to {north:.4f} north, "
        f"the rasters {box[0]:.4f} to {box[2]:.4f} and {box[1]:.4f} to {box[3]:.4f}: "
        + (_remedy(geometry.iloc[:: -(-len(geometry) // SAMPLE)], rasters) or "check the CRS of both")
    )


def _remedy(points: gpd.GeoSeries, rasters: Sequence[Raster]) -> str:
    """What would bring most of the points onto the rasters: other axes, or another CRS; empty if nothing would."""
    x, y = points.x.to_numpy(), points.y.to_numpy()
    own = CRS(points.crs)
    enough = max(1, len(points) // 2)
    if (hits := _hits(y, x, own, rasters)) >= enough:
        return (
            f"with x and y swapped {_share(hits, points)} would fall on them; name the columns of a table east first "
            "with --xy, or use QGIS's 'Swap X and Y coordinates'"
        )
    for name in dict.fromkeys([rasters[0].grid.crs.to_string(), "EPSG:4326", *UTM]):
        if (hits := _hits(x, y, CRS(name), rasters)) >= enough:
            return f"read as {name} {_share(hits, points)} would fall on them; if that is their CRS, add --points-crs {name}"
    return ""


def _share(hits: int, points: pd.Series) -> str:
    """So many of so many."""
    return "all of them" if hits == len(points) else f"{hits} of {len(points)}"


def _hits(x: NDArray[np.float64], y: NDArray[np.float64], crs: CRS, rasters: Sequence[Raster]) -> int:
    """How many of these coordinates, in this CRS, fall on a raster."""
    hit = np.zeros(len(x), bool)
    if crs.is_geographic and (np.abs(x).max() > 360 or np.abs(y).max() > 90):
        return 0
    for raster in rasters:
        transformer = Transformer.from_crs(crs, CRS(raster.grid.crs.to_wkt()), always_xy=True)
        hit |= raster.grid.contains(*raster.grid.rowcol(*transformer.transform(x, y)))
    return int(hit.sum())
