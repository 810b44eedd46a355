"""What is known of a map as a STAC item, so that catalogues find it and programs know its classes."""

from collections.abc import Mapping
from typing import Any

import shapely
from pyproj import CRS
from rasterio.warp import transform_geom
from shapely.geometry import box, mapping, shape

from geopointseg import __version__
from geopointseg.classes import UNLABELLED, Classes
from geopointseg.grid import Grid
from geopointseg.stac import STAC, TIMELESS, extensions, stac_classes

__all__ = ["describe_map"]

EDGES = 16  # pieces that a side of the outline is cut into before it is bent into degrees


def describe_map(name: str, grid: Grid, classes: Classes, tags: Mapping[str, str]) -> dict[str, Any]:
    """The STAC item of a map, as plain values.

    A STAC 1.1.0 item with the extensions classification v2.0.0 and projection v2.0.0. It names no time: rasters do not
    tell in one way when they were taken.

    Args:
        name: The map's file name.
        grid: Its georeference.
        classes: What its ids mean.
        tags: Where it comes from, as in its GeoTIFF tags.
    """
    title = f"Land cover: {', '.join(classes.names)}"
    stem = name.rpartition(".")[0]
    return {
        "type": "Feature",
        "stac_version": STAC,
        "stac_extensions": extensions("classification", "processing", "projection"),
        "id": stem,
        **_footprint(grid),
        "properties": {
            "title": title,
            **TIMELESS,
            **({"gsd": max(grid.ground_size)} if grid.crs.is_geographic or grid.crs.is_projected else {}),
            "processing:software": {"geopointseg": __version__},
            **_projection(grid),
            "geopointseg:provenance": dict(tags),
        },
        "links": [],
        "assets": {
            "map": {
                "href": f"./{name}",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "title": title,
                "roles": ["data"],
                "data_type": "uint8",
                "nodata": UNLABELLED,
                "classification:classes": stac_classes(classes.records()),
            },
            "style": {
                "href": f"./{stem}.qml",
                "type": "application/xml",
                "title": "Names and colours for QGIS",
                "roles": ["metadata"],
            },
            "attribute_table": {
                "href": f"./{name}.aux.xml",
                "type": "application/xml",
                "title": "Category names and attribute table for GDAL",
                "roles": ["metadata"],
            },
        },
    }


def _projection(grid: Grid) -> dict[str, Any]:
    """The grid in the words of the projection extension: its CRS by code where it has one, else in full."""
    authority = CRS.from_wkt(grid.crs.to_wkt()).to_authority()
    crs = {"proj:code": ":".join(authority)} if authority else {"proj:code": None, "proj:wkt2": grid.crs.to_wkt()}
    return crs | {
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": list(grid.bounds),
    }


def _footprint(grid: Grid) -> dict[str, Any]:
    """Outline and box in degrees; no outline where the CRS has no place on Earth."""
    if CRS.from_wkt(grid.crs.to_wkt()).geodetic_crs is None:
        return {"geometry": None}
    west, south, east, north = grid.bounds
    outline = shapely.segmentize(box(*grid.bounds), max(east - west, north - south) / EDGES)
    geometry = transform_geom(grid.crs, "EPSG:4326", mapping(outline))
    return {"geometry": geometry, "bbox": list(shape(geometry).bounds)}
