"""Polygons: a map as parcels for a GIS, that share their borders and leave neither gap nor overlap."""

from contextlib import ExitStack
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing_files, require_new, sidecar
from geopointseg.grid import WGS84, Grid
from geopointseg.labels.outline import write_styled
from geopointseg.maps.patches import WINDOW, find_patches
from geopointseg.maps.sieve import sieve
from geopointseg.maps.spool import spooled
from geopointseg.maps.trace import trace
from geopointseg.qgis import layer_styles, polygons_style
from geopointseg.raster import open_raster, raster_classes

__all__ = ["find_polygons", "polygons"]

ENDINGS = (".gpkg", ".fgb", ".parquet")


def polygons(
    map: Path,
    *,
    out: Path = Path("parcels.gpkg"),
    min_area: float | None = None,
    simplify: float | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Turn a map into polygons with class names and areas.

    Small patches are sieved from the pixels before anything is drawn, so that polygons and the map of 'predict --mmu' are
    the same, and no polygon has to be cut into its neighbours'.

    Args:
        map: A map of 'geopointseg predict' or 'run'.
        out: GeoPackage (.gpkg), FlatGeobuf (.fgb) or GeoParquet (.parquet).
        min_area: Area in m² below which a patch goes to the neighbour with which it shares the longest border.
        simplify: Tolerance in metres within which borders are straightened; neighbours keep sharing them.
        overwrite: Replace existing files.

    Returns:
        The polygons; beside FlatGeobuf and GeoParquet a .qml with their style, which a GeoPackage holds within.

    Raises:
        GeoPointSegError: no map of ours, another ending, or an area or a tolerance that is not above 0.
    """
    if out.suffix.lower() not in ENDINGS:
        raise GeoPointSegError(f"expected --out to end in {', '.join(ENDINGS)}, got {out}: choose one of them")
    if simplify is not None and not simplify > 0:
        raise GeoPointSegError(f"expected a tolerance above 0 m, got {simplify}: leave --simplify out to keep borders")
    files = (out,) if out.suffix.lower() == ".gpkg" else (out, sidecar(out, ".qml"))
    for file in files:
        require_new(file, overwrite=overwrite)
    classes, grid = raster_classes(map), open_raster(map).grid
    with replacing_files(files, overwrite=overwrite) as folder, ExitStack() as stack:
        source = map
        if min_area is not None:
            source = stack.enter_context(spooled(sieve(map, grid, min_area), grid, near=folder / out.name))
        frame = find_polygons(source, grid, classes, simplify=simplify)
        made = folder / out.name
        if len(files) == 1:
            write_styled(frame, made, layer_styles(classes, ("polygons",)), layer="polygons", kind="Polygon")
        else:
            (folder / files[1].name).write_text(polygons_style(classes), encoding="utf-8")
            if out.suffix.lower() == ".fgb":
                pyogrio.write_dataframe(frame, made, driver="FlatGeobuf", geometry_type="Polygon")
            else:
                frame.to_parquet(made)
    return files


def find_polygons(
    path: Path, grid: Grid, classes: Classes, *, simplify: float | None = None, window: int = WINDOW
) -> gpd.GeoDataFrame:
    """The patches of a map as polygons, in the order of their first pixels.

    Args:
        path: A class raster.
        grid: Its georeference.
        classes: What its ids mean.
        simplify: Tolerance in metres, None to keep the sides of pixels.
        window: Side of the windows that pixels are read in.

    Returns:
        One row per patch: `class_id`, `class_name`, `area_m2`, and a polygon in the map's CRS.
    """
    patches = find_patches(path, grid, window=window)
    shapes = trace(patches, grid) if len(patches.kind) else np.zeros(0, object)
    if simplify is not None and len(shapes):
        units = min(size / ground for size, ground in zip(grid.pixel_size, grid.ground_size, strict=True))
        shapes = shapely.coverage_simplify(shapes, simplify * units)
    columns = {
        "class_id": patches.kind.astype(np.int16),
        "class_name": np.array(classes.names, dtype=object)[patches.kind],
        "area_m2": _areas(shapes, grid).round(3),
    }
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=grid.crs.to_wkt())


def _areas(shapes: NDArray[np.object_], grid: Grid) -> NDArray[np.float64]:
    """Areas in m²; on the ellipsoid for a CRS in degrees."""
    if grid.crs.is_geographic:
        return np.array([abs(WGS84.geometry_area_perimeter(each)[0]) for each in shapes], np.float64)
    area: NDArray[np.float64] = shapely.area(shapes) * grid.crs.linear_units_factor[1] ** 2
    return area
