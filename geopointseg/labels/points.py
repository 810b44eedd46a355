"""Points: read from what an analyst hands over, kept as a GeoPackage once they are checked.

A checked layer has the user's own columns and CRS, and beside them:

* `class_id`, `class_name`: the class, empty where there is none;
* `status`: used, outside, nodata, duplicate, conflict, null_geometry or null_class, and `reason` in words;
* `split`: for used points train, test (held out), or gap (too near to a held-out block to train on).
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.qgis import layer_styles
from geopointseg.raster import Raster, parse_crs

__all__ = ["LABEL", "OWN_COLUMNS", "Points", "load_points", "locate", "read_points", "write_points"]

LABEL = "geopointseg_label"  # the class value until it is checked; a user's own column may well be "label"
OWN_COLUMNS = ("class_id", "class_name", "status", "reason", "split")


@dataclass(frozen=True, slots=True)
class Points:
    """A checked layer."""

    frame: gpd.GeoDataFrame
    """One row per input feature, with the columns named above."""
    classes: Classes
    held_out: gpd.GeoDataFrame
    """Polygons of the blocks held out for assessment, with their gap."""

    def used(self, split: str | None = None) -> gpd.GeoDataFrame:
        """The points in use, of one split or of all."""
        frame = self.frame[self.frame["status"] == "used"]
        return frame if split is None else frame[frame["split"] == split]


def read_points(
    path: Path, class_field: str, *, layer: str | None = None, crs: str | None = None
) -> tuple[gpd.GeoDataFrame, Classes, tuple[str, ...]]:
    """Read a vector layer with a class field.

    Args:
        path: Any vector file that GDAL reads: shapefile, GeoPackage, GeoJSON, …
        class_field: Column with the class, text or whole numbers.
        layer: Layer name, needed where the file has several.
        crs: Used where the layer has no CRS of its own.

    Returns:
        The layer with one Point per row and a `LABEL` column (text, whole number or None), its classes, and remarks.

    Raises:
        GeoPointSegError: unreadable, ambiguous or empty layer, unknown field, no CRS, or no class value.
    """
    path = Path(path)
    layers = _list_layers(path)
    spatial = [name for name, geometry in layers.items() if geometry is not None and name != "held_out"]
    if layer is None and len(spatial) > 1:
        raise GeoPointSegError(f"expected one layer, got {', '.join(spatial)} in {path}: choose with --layer")
    if not spatial or (layer is not None and layer not in spatial):
        raise GeoPointSegError(
            f"expected a layer of points, got {layer or path} among {spatial or 'no layers'}: check the file and --layer"
        )
    frame = pyogrio.read_dataframe(path, layer=layer or spatial[0])
    if class_field not in frame.columns:
        fields = ", ".join(str(c) for c in frame.columns if c != "geometry")
        raise GeoPointSegError(
            f"expected the class field {class_field!r} in {path}, got the fields {fields}: name one of them"
        )
    if frame.empty:
        raise GeoPointSegError(f"expected some points, got an empty layer in {path}: is it the right file, and saved?")
    if frame.crs is None:
        if crs is None:
            raise GeoPointSegError(f"expected points with a CRS, got {path} without one: add its .prj file or --crs")
        frame = frame.set_crs(parse_crs(crs).to_wkt())

    frame, remarks = _as_points(frame)
    frame[LABEL] = _labels(frame[class_field], class_field)
    labels = frame[LABEL].dropna()
    if labels.empty:
        raise GeoPointSegError(f"expected class values in {class_field!r}, got only empty ones in {path}")
    classes = Classes.of(labels)
    if class_field == "class_name" and "classes" in layers:  # our own layer: its classes keep ids, colours and codes
        classes = Classes.from_records(_table(path, "classes").to_dict("records"))
    return frame, classes, remarks


def write_points(points: Points, path: Path, *, overwrite: bool = False) -> Path:
    """Write a GeoPackage: layers `points` and `held_out`, table `classes`, and QGIS's `layer_styles`."""
    taken = "fid" in (column.lower() for column in points.frame.columns)  # QGIS exports one; it need not be unique
    options = {"geometry_type": "Point", "FID": "geopointseg_fid" if taken else "fid"}
    with replacing(path, overwrite=overwrite) as partial:
        pyogrio.write_dataframe(points.frame, partial, layer="points", driver="GPKG", **options)
        pyogrio.write_dataframe(points.held_out, partial, layer="held_out", geometry_type="Polygon", append=True)
        pyogrio.write_dataframe(pd.DataFrame(points.classes.records()), partial, layer="classes", append=True)
        pyogrio.write_dataframe(layer_styles(points.classes), partial, layer="layer_styles", append=True)
    return path


def load_points(path: Path) -> Points:
    """Read what `write_points` wrote.

    Raises:
        GeoPointSegError: the file is missing or was not written by `geopointseg check` or `draw`.
    """
    layers = _list_layers(Path(path))
    if not {"points", "classes", "held_out"} <= layers.keys():
        raise GeoPointSegError(
            f"expected checked points, got {path} with the layers {', '.join(layers)}: "
            "run 'geopointseg check' on it first"
        )
    frame = pyogrio.read_dataframe(path, layer="points")
    classes = Classes.from_records(_table(path, "classes").to_dict("records"))
    return Points(frame, classes, pyogrio.read_dataframe(path, layer="held_out"))


def locate(points: gpd.GeoDataFrame, raster: Raster) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of points on a raster's grid; points without geometry get (-1, -1)."""
    geometry = points.geometry.to_crs(raster.grid.crs.to_wkt())
    return raster.grid.rowcol(geometry.x, geometry.y)


def _list_layers(path: Path) -> dict[str, str | None]:
    """Layer names and their geometry types (None for a plain table)."""
    if not path.exists():
        raise GeoPointSegError(f"expected a vector file, got {path}, which does not exist: check the path")
    try:
        return {str(name): geometry for name, geometry in pyogrio.list_layers(path)}
    except (DataSourceError, DataLayerError) as error:
        raise GeoPointSegError(f"expected a vector file that GDAL reads, got {path} ({error})") from error


def _table(path: Path, layer: str) -> pd.DataFrame:
    """A layer without geometry."""
    return pyogrio.read_dataframe(path, layer=layer, read_geometry=False)


def _as_points(frame: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, tuple[str, ...]]:
    """One Point per row: multipoints taken apart, a line or an area stands for one point on it."""
    frame, remarks = frame.copy(), []
    frame.loc[frame.is_empty, frame.geometry.name] = None
    several = frame.geom_type == "MultiPoint"
    if several.any():
        parts = frame[several].explode()
        remarks.append(f"{several.sum()} MultiPoint features taken apart into {len(parts)} points")
        frame = pd.concat([frame[~several], parts]).sort_index(kind="stable").reset_index(drop=True)
    other = frame.geometry.notna() & (frame.geom_type != "Point")
    if other.any():
        kinds = ", ".join(f"{n} {kind}" for kind, n in frame.geom_type[other].value_counts().items())
        remarks.append(f"{kinds} features: each counts as one point inside it")
        frame.loc[other, frame.geometry.name] = frame.geometry[other].representative_point()
    return frame, tuple(remarks)


def _labels(values: pd.Series, field: str) -> pd.Series:
    """Class values as text or whole numbers, None where there is none."""
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        numbers = pd.to_numeric(values)
        fractions = numbers.dropna()[numbers.dropna() % 1 != 0]
        if len(fractions):
            raise GeoPointSegError(
                f"expected text or whole numbers in {field!r}, got {fractions.iloc[0]}: is it the class field?"
            )
        return numbers.astype("Int64").astype(object).where(numbers.notna(), None)
    text = values.astype("string").str.strip()
    return text.astype(object).where(text.notna() & (text != ""), None)
