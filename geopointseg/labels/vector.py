"""Vector files: whatever an analyst hands over, read into one GeoDataFrame of points, scribbles and areas."""

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely
from geopandas.array import GeometryDtype
from pyogrio.errors import DataLayerError, DataSourceError
from shapely.errors import GEOSException

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.encoding import broken_text, encoding_of, undecodable
from geopointseg.raster import parse_crs
from geopointseg.words import counted

__all__ = ["PointSource", "list_layers", "read_table", "read_vector"]

TABLES = (".csv", ".tsv")
PARQUET = (".parquet", ".geoparquet", ".pq")
# Headings of coordinates that need no --xy, most telling first; GDAL compares them without case.
LONGITUDE, LATITUDE = "lon,long,longitude,lng", "lat,latitude"
EASTING = "x,easting,east,coord_x,x_coord,point_x,xcoord,rechtswert"
NORTHING = "y,northing,north,coord_y,y_coord,point_y,ycoord,hochwert"
STRAIGHT = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
CURVED = ("CIRCULARSTRING", "COMPOUNDCURVE", "CURVEPOLYGON", "MULTICURVE", "MULTISURFACE", "CURVE", "SURFACE")


@dataclass(frozen=True, slots=True)
class PointSource:
    """Where labelled points come from, and how they are to be read."""

    points: Path | Sequence[Path]
    """Vector files with the labelled points: any that GDAL reads, GeoParquet, or a table with coordinates."""
    class_field: str
    """Column with the class, text or whole numbers."""
    layer: str | None = None
    """Layer name, where the file has several."""
    where: str | None = None
    """Take only these features, in OGR SQL, such as "year = 2024"."""
    encoding: str | None = None
    """Of the text in a shapefile without .cpg that is not UTF-8, such as cp1252."""
    xy: tuple[str, str] | None = None
    """Columns of a table with the coordinates, east first, where they are not called x and y or lon and lat."""
    points_crs: str | None = None
    """CRS of the points, whatever their file says."""
    classes: Path | None = None
    """Names, colours, order and merging of the classes: a YAML file, a CSV or a QGIS style (.qml)."""
    fold_case: bool = False
    """Take spellings of a class that differ only in case or spaces for one."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, one or several.

        Raises:
            GeoPointSegError: there are none.
        """
        files = (self.points,) if isinstance(self.points, str | Path) else tuple(self.points)
        if not files:
            raise GeoPointSegError("expected a file of points, got none: name one")
        return tuple(Path(file) for file in files)

    @property
    def path(self) -> Path:
        """The only file, or the first."""
        return self.files[0]


def read_vector(source: PointSource, layer: str | None, crs: str | None = None) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Read one layer with its own columns and CRS.

    Args:
        source: The file, and how to read it.
        layer: Layer name; None where the file has but one.
        crs: Used where the file has no CRS of its own.

    Returns:
        One row per feature, a MultiPoint taken apart into a row per part; the index is the feature's id in the file.
        Remarks in words.

    Raises:
        GeoPointSegError: unreadable or empty file, broken text, no coordinates or CRS, curved geometries.
    """
    path = source.path
    is_table = path.suffix.lower() in TABLES
    if source.xy and not is_table:
        raise GeoPointSegError(f"expected a table such as a CSV with --xy, got {path}: leave --xy out")
    if path.suffix.lower() in PARQUET:
        frame = _read_parquet(path, source.where)
    elif is_table:
        frame = _read_coordinates(source)
    else:
        _refuse_curves(path, layer)
        frame = _read(path, layer=layer, where=source.where, encoding=encoding_of(path, source.encoding))
    if frame.empty:
        what = f"no feature where {source.where}" if source.where else "an empty layer"
        raise GeoPointSegError(f"expected some points, got {what} in {path}: is it the right file, and saved?")
    frame, remarks = _plain(frame.rename_axis(None))
    remarks += _set_crs(frame, source, crs)
    remarks += broken_text(frame, path)
    if is_table and (lost := int(frame.geometry.isna().sum())):
        remarks.append(
            f"{counted(lost, 'row')} of {path.name} without geometry: their coordinates are empty or no numbers"
        )
    frame, parts = _take_apart(frame, path)
    return frame, [*remarks, *parts]


def list_layers(path: Path) -> dict[str, str | None]:
    """Layer names and their geometry types (None for a plain table).

    Raises:
        GeoPointSegError: the file is missing or GDAL cannot read it.
    """
    if not path.exists():
        raise GeoPointSegError(f"expected a vector file, got {path}, which does not exist: check the path")
    if path.is_dir() and path.suffix.lower() != ".gdb":
        raise GeoPointSegError(f"expected a vector file, got the folder {path}: name a file in it")
    if path.suffix.lower() in PARQUET:
        return {path.stem: "Unknown"}
    if path.suffix.lower() in TABLES:
        return {path.stem: "Point"}
    try:
        return {str(name): geometry for name, geometry in pyogrio.list_layers(path)}
    except (DataSourceError, DataLayerError) as error:
        raise _unreadable(path, error) from error


def read_table(path: Path, layer: str) -> pd.DataFrame:
    """A layer without its geometry."""
    return pyogrio.read_dataframe(path, layer=layer, read_geometry=False)


def _unreadable(path: Path, error: Exception) -> GeoPointSegError:
    """What to say of a file that GDAL refuses."""
    reason = str(error).partition("; It might help")[0]  # what GDAL advises is for programmers
    return GeoPointSegError(f"expected a vector file that GDAL reads, got {path} ({reason}): check the file")


def _read(path: Path, *, layer: str | None, where: str | None, **options: str | None) -> gpd.GeoDataFrame:
    """What GDAL reads, with the feature ids as index."""
    try:
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # what it means is told by us
            frame = pyogrio.read_dataframe(path, layer=layer, where=where, fid_as_index=True, **options)
    except UnicodeDecodeError as error:
        raise GeoPointSegError(undecodable(path, layer, options["encoding"] or "UTF-8")) from error
    except GEOSException as error:
        raise GeoPointSegError(
            f"expected points, lines or polygons, got another kind of geometry in {path} ({error}): convert it in QGIS"
        ) from error
    except (DataSourceError, DataLayerError, ValueError) as error:
        if where and "SQL" in str(error):
            raise GeoPointSegError(
                f'expected a condition in OGR SQL, got --where {where}: write for example --where "year = 2024"'
            ) from error
        raise _unreadable(path, error) from error
    if not isinstance(frame, gpd.GeoDataFrame):
        raise GeoPointSegError(f"expected a layer with geometries, got the plain table {layer} of {path}: see --layer")
    return frame


def _read_parquet(path: Path, where: str | None) -> gpd.GeoDataFrame:
    """GeoParquet by geopandas; a condition is left to GDAL, so that it means the same as for any other file."""
    try:
        frame = gpd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise GeoPointSegError(f"expected GeoParquet, got {path} ({error}): check the file") from error
    if where is None:
        return frame.reset_index(drop=True)
    with TemporaryDirectory() as folder:
        passed = Path(folder) / f"{path.stem}.fgb"
        pyogrio.write_dataframe(frame, passed, SPATIAL_INDEX="NO")
        return _read(passed, layer=None, where=where)


def _read_coordinates(source: PointSource) -> gpd.GeoDataFrame:
    """A table whose columns hold the coordinates (or WKT)."""
    path = source.path
    try:
        columns = [str(c) for c in pyogrio.read_info(path)["fields"]] if path.stat().st_size else []
    except UnicodeDecodeError as error:
        raise GeoPointSegError(
            f"expected a table in UTF-8, got {path} in another encoding: save it as UTF-8"
        ) from error
    except DataSourceError as error:
        raise _unreadable(path, error) from error
    given = {c.lower() for c in columns}
    if source.xy:
        pairs = [source.xy]
    else:
        pairs = [(x, y) for x in LONGITUDE.split(",") for y in LATITUDE.split(",")]
        pairs += list(zip(EASTING.split(","), NORTHING.split(","), strict=True))
    found = [(x, y) for x, y in pairs if {x.lower(), y.lower()} <= given]
    if not found and ("wkt" not in given or source.xy):
        raise GeoPointSegError(
            f"expected columns with coordinates ({' and '.join(source.xy or ('x', 'y'))}) in {path}, "
            f"got {', '.join(columns) or 'none'}: name them with --xy, east first"
        )
    if not found:
        _refuse_curves(path, None)
    names = dict(zip(("X_POSSIBLE_NAMES", "Y_POSSIBLE_NAMES"), found[0], strict=True)) if found else {}
    where, encoding = source.where, source.encoding or "UTF-8"
    frame = _read(path, layer=None, where=where, encoding=encoding, AUTODETECT_TYPE="YES", **names)
    degrees = found and found[0][0].lower() in LONGITUDE.split(",")
    return frame.set_crs(4326) if degrees and not source.points_crs else frame


def _plain(frame: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Columns that a GeoPackage holds: lists and the like as JSON, other geometries as WKT, every name once."""
    frame, remarks, seen = frame.copy(), [], set[str]()
    names: list[str] = []
    for place, name in enumerate(map(str, frame.columns)):
        column = frame.iloc[:, place]
        if name != frame.geometry.name:
            if isinstance(column.dtype, GeometryDtype):
                frame[name] = column.to_wkt()
            elif pd.api.types.is_timedelta64_dtype(column) or column.dtype == "uint64":
                frame[name] = column.astype("string")
            elif column.dtype == object and not column.dropna().map(lambda v: isinstance(v, str | date)).all():
                frame[name] = column.map(_as_text)
        names.append(name if name.lower() not in seen else f"{name}_{place}")
        if names[-1] != name:  # SQLite takes Class and class for one
            remarks.append(f"the field {name} is kept as {names[-1]}: another differs from it only in case")
        seen.add(names[-1].lower())
    frame.columns = names
    return frame, remarks


def _as_text(value: object) -> str | None:
    """A list, mapping or number among other things as JSON; None for nothing."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value.tolist() if hasattr(value, "tolist") else value, ensure_ascii=False, default=str)


def _refuse_curves(path: Path, layer: str | None) -> None:
    """Refuse arcs: GDAL would replace them by hundreds of corners without a word."""
    info = pyogrio.read_info(path, layer=layer)
    kind = str(info["geometry_type"])
    if kind.split(" ")[0] in STRAIGHT:
        return
    sql = f'SELECT DISTINCT OGR_GEOMETRY FROM "{info["layer_name"]}"'
    kinds = pyogrio.read_dataframe(path, sql=sql, sql_dialect="OGRSQL", read_geometry=False)["OGR_GEOMETRY"]
    curved = sorted(k for k in kinds.dropna() if str(k).split(" ")[0] in CURVED)
    if curved:
        raise GeoPointSegError(
            f"expected straight geometries, got {', '.join(curved)} in {path}: "
            "straighten them with QGIS's 'Segmentize by maximum angle' or 'ogr2ogr -nlt CONVERT_TO_LINEAR'"
        )


def _set_crs(frame: gpd.GeoDataFrame, source: PointSource, crs: str | None) -> Iterator[str]:
    """Give the points their CRS, in place: the one the user insists on, their own, or the one for what has none."""
    own = frame.crs
    if source.points_crs:
        wanted = parse_crs(source.points_crs).to_wkt()
        frame.set_crs(wanted, allow_override=True, inplace=True)
        if own is not None and own != frame.crs:
            yield f"points taken as {source.points_crs}, although their file says {own.to_string()[:40]}"
    elif own is None and crs is None:
        raise GeoPointSegError(f"expected points with a CRS, got {source.path} without one: add its .prj file or --crs")
    elif own is None:
        frame.set_crs(parse_crs(str(crs)).to_wkt(), inplace=True)
    elif crs is not None and own != parse_crs(crs).to_wkt():
        yield f"--crs {crs} is not used for the points: their own CRS is {own.to_string()[:40]}"


def _take_apart(frame: gpd.GeoDataFrame, path: Path) -> tuple[gpd.GeoDataFrame, list[str]]:
    """One row per part of a MultiPoint, in the order of the features; empty geometries become None."""
    frame = frame.set_geometry(frame.geometry.where(~frame.is_empty, None))
    strange = sorted(set(frame.geom_type.dropna()) - {*STRAIGHT, "LinearRing"})
    if strange:
        raise GeoPointSegError(
            f"expected points, lines or polygons, got {', '.join(strange)} in {path}: "
            "take them apart with QGIS's 'Multipart to singleparts'"
        )
    remarks = []
    several = frame.geom_type == "MultiPoint"
    if several.any():
        parts = frame[several].explode(index_parts=False)
        if len(parts) > several.sum():  # QGIS calls many a layer MultiPoint whose features have one point each
            remarks.append(
                f"{counted(several.sum(), 'MultiPoint feature')} taken apart into {counted(len(parts), 'point')}"
            )
        place = pd.Series(range(len(frame)), index=frame.index)
        frame = pd.concat([frame[~several], parts])
        frame = frame.iloc[place[frame.index].argsort(kind="stable")]
    wide = frame.geom_type.isin(["LineString", "MultiLineString", "LinearRing", "Polygon", "MultiPolygon"])
    if wide.any():
        kinds = ", ".join(f"{n} {kind}" for kind, n in frame.geom_type[wide].value_counts().items())
        lines = "lines label the superpixels they cross" if (shapely.get_dimensions(frame.geometry) == 1).any() else ""
        areas = "areas label every pixel inside" if (shapely.get_dimensions(frame.geometry) == 2).any() else ""
        remarks.append(
            f"{kinds} {'feature' if wide.sum() == 1 else 'features'}: {', '.join(filter(None, (lines, areas)))}"
        )
    height = frame.has_z
    if height.any() and not height[frame.geometry.notna()].all():
        frame = frame.set_geometry(shapely.force_3d(frame.geometry.to_numpy()), crs=frame.crs)
    return frame, remarks
