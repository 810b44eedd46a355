"""Points: read from what an analyst hands over, check against the rasters, account for every one, keep as a GeoPackage.

A checked layer has the user's own columns and CRS, and beside them:

* `class_id`, `class_name`: the class, empty where there is none;
* `status`: used, outside, nodata, duplicate, conflict, null_geometry or null_class, and `reason` in words;
* `split`: for used points train, test (held out), or gap (too near to a held-out block to train on).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.warp import transform_bounds

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing, write_json
from geopointseg.labels.split import hold_out
from geopointseg.qgis import layer_styles
from geopointseg.raster import Raster, open_rasters, parse_crs, read, suspect_nodata, valid

__all__ = ["CheckReport", "Points", "check", "check_points", "load_points", "locate", "read_points", "write_points"]

LABEL = "geopointseg_label"  # the class value until it is checked; a user's own column may well be "label"
OWN_COLUMNS = ("class_id", "class_name", "status", "reason", "split")
TILE = 512  # pixels; points are looked up tile by tile, so that a raster is never held whole


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


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What became of every feature."""

    points: Points
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    """Warnings and remarks in words."""

    def table(self) -> pd.DataFrame:
        """Features by class (rows) and status (columns), with the split of the used ones."""
        frame = self.points.frame
        label = frame["class_name"].fillna("(no class)")
        status = frame["status"].where(frame["status"] != "used", "used, " + frame["split"].astype(str))
        return pd.crosstab(label.rename("class"), status.rename("status"), margins=True, margins_name="all")

    def figures(self) -> dict[str, Any]:
        """The counts as plain values, for JSON."""
        frame = self.points.frame
        return {
            "features": len(frame),
            "status": frame["status"].value_counts().to_dict(),
            "split": self.points.used()["split"].value_counts().to_dict(),
            "used_per_class": self.points.used()["class_name"].value_counts().to_dict(),
            "classes": self.points.classes.records(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The table and the notes, for people."""
        return "\n".join([self.table().to_string(), *(f"note: {note}" for note in self.notes)])


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
        raise GeoPointSegError(f"expected a layer of points, got {layer or path} among {spatial or 'no layers'}")
    frame = pyogrio.read_dataframe(path, layer=layer or spatial[0])
    if class_field not in frame.columns:
        fields = ", ".join(str(c) for c in frame.columns if c != "geometry")
        raise GeoPointSegError(f"expected the class field {class_field!r} in {path}, got the fields {fields}")
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


def check_points(
    frame: gpd.GeoDataFrame, classes: Classes, rasters: Sequence[Raster]
) -> tuple[gpd.GeoDataFrame, tuple[str, ...]]:
    """Say of every point whether it can be used, and why not.

    Args:
        frame: Layer with a `LABEL` column, as `read_points` gives it.
        classes: The classes the labels belong to.
        rasters: A point is used if it falls on a valid pixel of at least one of them.

    Returns:
        The layer with `class_id`, `class_name`, `status`, `reason` and `split` ("train") instead of `LABEL`; remarks.

    Raises:
        GeoPointSegError: no point falls on any raster, none on a valid pixel, or only one class is left.
    """
    ids = {name: i for i, name in enumerate(classes.names)} | {code: i for i, code in enumerate(classes.codes)}
    class_id = frame[LABEL].map(ids)
    status = pd.Series("outside", index=frame.index)
    pixel = pd.Series(pd.NA, index=frame.index, dtype="string")  # the first valid pixel, as a key
    for number, raster in enumerate(rasters):
        rows, cols = locate(frame, raster)
        inside = raster.grid.contains(rows, cols)
        good = inside.copy()
        good[inside] = _valid_at(raster, rows[inside], cols[inside])
        status[inside & ~good & (status == "outside")] = "nodata"
        status[good] = "used"
        fresh = good & pixel.isna().to_numpy()
        pixel[fresh] = [f"{number}:{r}:{c}" for r, c in zip(rows[fresh], cols[fresh], strict=True)]
    status[class_id.isna()] = "null_class"
    status[frame.geometry.isna()] = "null_geometry"
    _refuse_hopeless(frame, status, rasters)

    used = status == "used"
    shared = class_id[used].groupby(pixel[used]).transform("nunique") > 1
    status[shared.index[shared]] = "conflict"
    repeated = pixel[status == "used"].duplicated()
    status[repeated.index[repeated]] = "duplicate"

    kept = class_id[status == "used"]
    if kept.nunique() < 2:
        only = classes.names[int(kept.iloc[0])] if len(kept) else "none"
        raise GeoPointSegError(
            f"expected points of at least two classes on valid pixels, got {len(kept)} of {only}: "
            "add points of another class, or check --class-field"
        )
    replaced = [c for c in frame.columns if c.lower() in OWN_COLUMNS]  # SQLite takes Status and status for one
    out = frame.drop(columns=[LABEL, *replaced])
    out["class_id"] = class_id.astype("Int64")
    out["class_name"] = class_id.map(dict(enumerate(classes.names)))
    out["status"] = status
    out["reason"] = status.map(REASONS)
    out["split"] = np.where(status == "used", "train", "")
    remarks = list(_remarks(out, classes, rasters))
    if replaced and set(replaced) != set(OWN_COLUMNS):  # all of them: a layer of ours, checked again
        remarks.append(f"columns of the layer that ours of the same name replace: {', '.join(replaced)}")
    return out, tuple(remarks)


REASONS = {
    "used": "",
    "outside": "outside every raster",
    "nodata": "on a pixel without data",
    "duplicate": "same pixel and class as an earlier point",
    "conflict": "same pixel as a point of another class",
    "null_geometry": "no geometry",
    "null_class": "no class value",
}


def check(
    rasters: Sequence[str],
    *,
    points: Path,
    class_field: str,
    out: Path = Path("points.gpkg"),
    layer: str | None = None,
    crs: str | None = None,
    nodata: float | None = None,
    held_out: float = 0.2,
    seed: int = 0,
    overwrite: bool = False,
) -> CheckReport:
    """Check points against rasters and keep them as a GeoPackage.

    Args:
        rasters: Raster files, folders or globs.
        points: Vector layer with the labelled points.
        class_field: Column with the class, text or whole numbers.
        out: GeoPackage to write.
        layer: Layer name, where the file has several.
        crs: CRS of rasters or points that have none, for example EPSG:32633.
        nodata: No-data value of rasters that declare none.
        held_out: Share of the points kept aside for assessment, by spatial block; 0 for none.
        seed: Of the choice of held-out blocks.
        overwrite: Replace an existing GeoPackage.

    Returns:
        The checked points and the account of every feature.

    Raises:
        GeoPointSegError: see `read_points` and `check_points`.
    """
    opened, _ = open_rasters(rasters, crs=crs, nodata=nodata)
    frame, classes, remarks = read_points(points, class_field, layer=layer, crs=crs)
    frame, more = check_points(frame, classes, opened)
    frame, blocks = hold_out(frame, opened[0].grid, share=held_out, seed=seed)
    checked = Points(frame, classes, blocks)
    notes = (*remarks, *more, *_split_remarks(checked))
    report = CheckReport(checked, (out, out.with_name("check.json")), notes)
    write_points(checked, out, overwrite=overwrite)
    write_json(out.with_name("check.json"), report.figures())
    return report


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


def _valid_at(raster: Raster, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True where the pixel has data, read tile by tile."""
    out = np.zeros(len(rows), dtype=bool)
    tile_of = rows // TILE * (1 + raster.grid.width // TILE) + cols // TILE
    for window in raster.grid.tiles(TILE):
        here = np.flatnonzero(tile_of == window.row // TILE * (1 + raster.grid.width // TILE) + window.col // TILE)
        if len(here):
            out[here] = valid(read(raster, window))[rows[here] - window.row, cols[here] - window.col]
    return out


def _refuse_hopeless(frame: gpd.GeoDataFrame, status: pd.Series, rasters: Sequence[Raster]) -> None:
    """Raise where no point can be used, and say where points and rasters lie."""
    if (status == "used").any():
        return
    counts = ", ".join(f"{n} {name}" for name, n in status.value_counts().items())
    if (status == "nodata").any():
        raise GeoPointSegError(f"expected points on valid pixels, got {counts}: check the raster's nodata value")
    if not (status == "outside").any():
        raise GeoPointSegError(f"expected points with a geometry and a class, got {counts}: check the layer")
    west, south, east, north = frame.to_crs(4326).total_bounds
    boxes = np.array([transform_bounds(r.grid.crs, "EPSG:4326", *r.grid.bounds) for r in rasters])
    box = *boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)
    raise GeoPointSegError(
        f"expected points on the raster, got {counts}. In degrees the points span {west:.4f} to {east:.4f} east and "
        f"{south:.4f} to {north:.4f} north, the rasters {box[0]:.4f} to {box[2]:.4f} and {box[1]:.4f} to {box[3]:.4f}: "
        "check the CRS of both"
    )


def _remarks(frame: gpd.GeoDataFrame, classes: Classes, rasters: Sequence[Raster]) -> Iterable[str]:
    """What an analyst should know although the work goes on."""
    lost = frame["status"].value_counts().drop("used", errors="ignore")
    for status, count in lost.items():
        yield f"{count} of {len(frame)} features not used: {REASONS[str(status)]}"
    per_class = frame.loc[frame["status"] == "used", "class_name"].value_counts()
    for name in classes.names:
        if (n := int(per_class.get(name, 0))) < 5:
            yield f"class {name!r} has {n} usable points: expect little of it below about 5"
    if frame.crs != rasters[0].grid.crs.to_wkt():
        yield f"points reprojected from {frame.crs.to_string()[:40]} to {rasters[0].grid.crs.to_string()[:40]}"
    if (value := suspect_nodata(rasters[0])) is not None:
        yield (
            f"{rasters[0].path.name} declares no nodata, but many pixels hold {value:g} in every band: "
            f"if that is the empty collar, add --nodata {value:g}"
        )


def _split_remarks(points: Points) -> Iterable[str]:
    """What the split means for the assessment."""
    used = points.used()
    if (gap := int((used["split"] == "gap").sum())) > 0:
        yield f"{gap} points set aside: too near to a held-out block to train on"
    missing = set(used["class_name"]) - set(used.loc[used["split"] == "test", "class_name"])
    if missing and (used["split"] == "test").any():
        yield f"not assessed, since no point could be held out: {', '.join(sorted(missing))}"
