"""Outlines: the labelled regions as polygons, so that an analyst sees in QGIS what each click became."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely.geometry import shape

from geopointseg.classes import Classes
from geopointseg.files import replacing, sidecar
from geopointseg.grid import Grid, Window
from geopointseg.labels.geopackage import EPOCH, written_at
from geopointseg.labels.propagate import Painted
from geopointseg.qgis import layer_styles, regions_style

__all__ = ["find_outlines", "write_outlines", "write_styled"]


def find_outlines(
    painted: Painted, grid: Grid, window: Window, classes: Classes, fids: NDArray[np.object_]
) -> gpd.GeoDataFrame:
    """The labelled regions of a window as polygons.

    Args:
        painted: What is labelled in the window.
        grid: The raster's grid.
        window: Which part of it.
        classes: Of the labels.
        fids: Of all features, their id in the user's file.

    Returns:
        One row per region, which may have several parts: `region` (its number), `class_name`, `purity` (estimated), `weight`
        (of all its pixels together), `clicks` (the features that label it), and `status` used.
    """
    present, first, place = np.unique(painted.regions.ravel(), return_index=True, return_inverse=True)
    area, kept = np.bincount(place), present > 0
    names = np.array([*classes.names, *[""] * (256 - len(classes))], dtype=object)
    region, feature = painted.held
    clicks = pd.Series(np.array([str(fid) for fid in fids], dtype=object)[feature]).groupby(region).agg(", ".join)
    table = pd.DataFrame(
        {
            "region": present[kept],
            "class_name": names[painted.labels.ravel()[first[kept]]],
            "purity": (np.bincount(place, painted.purity.ravel()) / area)[kept].round(3),
            "weight": np.bincount(place, painted.weights.ravel())[kept].round(3),
            "clicks": clicks.reindex(present[kept]).fillna("").to_numpy(),
            "status": "used",
        },
        index=present[kept],
    )
    transform = grid.transform @ grid.transform.translation(window.col, window.row)
    drawn = shapes(painted.regions, painted.regions > 0, connectivity=8, transform=transform)
    parts = [(shape(each), int(number)) for each, number in drawn]
    polygons = gpd.GeoDataFrame(
        {"at": [number for _, number in parts]}, geometry=[each for each, _ in parts], crs=grid.crs.to_wkt()
    )
    return polygons.dissolve("at").join(table).reset_index(drop=True)


def write_outlines(
    parts: Sequence[gpd.GeoDataFrame], path: Path, classes: Classes, *, overwrite: bool = False
) -> tuple[Path, Path]:
    """Write the regions of all windows as a GeoPackage, in the colours of their classes.

    Returns:
        The GeoPackage, and beside it a QGIS style for the raster of their numbers, which has the same name.
    """
    frame = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)
    with replacing(path, overwrite=overwrite) as partial:
        write_styled(frame, partial, layer_styles(classes, ("areas",)), layer="regions", kind="MultiPolygon")
    style = sidecar(path, ".qml")  # QGIS takes the GeoPackage's own style for the polygons
    with replacing(style, overwrite=overwrite) as partial:
        partial.write_text(regions_style(frame["region"], frame["class_name"]), encoding="utf-8")
    return path, style


def write_styled(frame: gpd.GeoDataFrame, path: Path, style: pd.DataFrame, *, layer: str, kind: str) -> None:
    """Write polygons as the one layer of a new GeoPackage, with the style that QGIS opens it in.

    Args:
        frame: The polygons.
        path: The GeoPackage.
        style: A row of `layer_styles`, whatever layer it names.
        layer: What the layer is called.
        kind: Polygon, or MultiPolygon for those of several parts.
    """
    options = {"driver": "GPKG", "geometry_type": kind, "promote_to_multi": kind == "MultiPolygon", "VERSION": "1.2"}
    with written_at(EPOCH):
        pyogrio.write_dataframe(frame, path, layer=layer, **options)
        pyogrio.write_dataframe(style.assign(f_table_name=layer), path, layer="layer_styles")
