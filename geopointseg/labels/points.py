"""Points: read from what an analyst hands over, kept as a GeoPackage once they are checked.

A checked layer has the user's own columns and CRS, and beside them:

* `source_fid`: the feature's id in the user's file;
* `class_id`, `class_name`: the class, empty where there is none;
* `status`: used, outside, nodata, duplicate, conflict, unknown_class, null_geometry or null_class, and `reason` in words;
* `split`: for used features train, test (held out), or gap (too near to what is held out to train on).

In the GeoPackage points, lines and polygons lie in layers of their own, which QGIS wants: `points`, `scribbles`, `areas`.
"""

from collections import ChainMap
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.labels.answers import EXTENTS, QUESTIONS, answered, is_asked, is_open, joined
from geopointseg.labels.geopackage import EPOCH, free_name, require_geopackage, take_over, written_at
from geopointseg.labels.vector import PointSource, list_layers, read_table, read_vector
from geopointseg.legend.classify import Classified, Legend, classify
from geopointseg.legend.files import read_legend
from geopointseg.legend.styles import own_style
from geopointseg.qgis import Layer, layer_styles

__all__ = [
    "OWN_COLUMNS",
    "Points",
    "holds_out",
    "is_checked",
    "load_points",
    "missing_field",
    "open_questions",
    "read_points",
    "write_points",
]

OWN_COLUMNS = ("source_fid", "class_id", "class_name", "status", "reason", "split")
KINDS: tuple[Layer, ...] = ("points", "scribbles", "areas")  # layers, by the dimension of their geometries
MARKS: dict[str, set[str]] = {
    kind: {"class_id", "status"} for kind in KINDS
}  # columns that tell our layers from a user's of the same name
MARKS |= {"held_out": {"block"}, "classes": {"id", "name", "color", "code"}}


@dataclass(frozen=True, slots=True)
class Points:
    """A checked layer."""

    frame: gpd.GeoDataFrame
    """One row per input feature, with the columns named above."""
    classes: Classes
    held_out: gpd.GeoDataFrame
    """Polygons of what is held out for assessment, with their gap."""

    def used(self, split: str | None = None) -> gpd.GeoDataFrame:
        """The points in use, of one split or of all."""
        frame = self.frame[self.frame["status"] == "used"]
        return frame if split is None else frame[frame["split"] == split]


def read_points(source: PointSource, crs: str | None = None) -> tuple[gpd.GeoDataFrame, Classified, list[str]]:
    """Read features with a class, from one file or several.

    Args:
        source: The files, their class field, and how to read them. Of a file of questions those that have no answer yet
            are left out, with a remark.
        crs: Used where a file has no CRS of its own.

    Returns:
        The features with the user's columns, the index being their id in the file; their classes; and remarks.

    Raises:
        GeoPointSegError: see `read_vector`, `read_legend` and `classify`; ambiguous layer, unknown field, no class value.
    """
    field, files = source.class_field, source.files
    read = [_read_file(replace(source, points=path), crs, alone=len(files) == 1) for path in files]
    frame, remarks = read[0].frame, [remark for file in read for remark in file.remarks]
    if len(files) > 1:
        frame, more = joined([file.frame for file in read], files)
        remarks += more
    labels = _labels(frame[field], field)
    if labels.isna().all():
        named = ", ".join(map(str, files))
        hint = ": answer some of its questions first" if all(map(is_asked, files)) else ""
        raise GeoPointSegError(f"expected class values in {field!r}, got only empty ones in {named}{hint}")
    ours = [file for file in read if file.ours]
    if source.classes is not None:
        legend = read_legend(source.classes)
    elif ours and field == "class_name":
        legend = _own_legend(ours[0].path)
    else:
        legend = Legend()
    styles = [own_style(file.path, file.layer, field) for file in read if not file.ours]
    found = classify(labels, legend, colors=dict(ChainMap(*styles)), fold_case=source.fold_case)
    return frame, found, [*remarks, *found.remarks]


def open_questions(source: PointSource, crs: str | None = None) -> gpd.GeoSeries:
    """Where the questions that have no answer yet stand, of all files of a source."""
    found = [gpd.GeoSeries([], crs=4326)]
    for path in filter(is_asked, source.files):
        frame, _ = read_vector(replace(source, points=path), QUESTIONS, crs)
        found.append(frame.geometry[is_open(frame, source.class_field)].dropna())
    crs_of_all = found[-1].crs
    return gpd.GeoSeries(np.concatenate([part.to_crs(crs_of_all).to_numpy() for part in found]), crs=crs_of_all)


class _File(NamedTuple):
    """What was read from a file."""

    path: Path
    layer: str
    ours: bool
    frame: gpd.GeoDataFrame
    remarks: list[str]


def _read_file(source: PointSource, crs: str | None, *, alone: bool) -> _File:
    """The features of the one file of a source."""
    path, field = source.path, source.class_field
    layers = list_layers(path)
    asked = is_asked(path)
    layer = QUESTIONS if asked and _means_another(source, layers, alone=alone) else source.layer
    aside = {"held_out", EXTENTS} if asked else {"held_out"}
    spatial = [name for name, geometry in layers.items() if geometry is not None and name not in aside]
    ours = layer is None and is_checked(path)
    if layer is None and not ours and len(spatial) > 1:
        raise GeoPointSegError(f"expected one layer, got {', '.join(spatial)} in {path}: choose with --layer")
    if not spatial or (layer is not None and layer not in spatial):
        raise GeoPointSegError(
            f"expected a layer of points, got {layer or path} among {spatial or 'no layers'}: check the file and --layer"
        )
    if ours:
        frame, remarks = _read_own(source, [name for name in KINDS if name in layers], crs)
    else:
        layer = layer or spatial[0]
        frame, remarks = read_vector(source, None if len(layers) == 1 else layer, crs)
    if field not in frame.columns or field == frame.geometry.name:
        raise missing_field(f"the class field {field!r} in {path}", field, frame)
    if asked:
        frame, more = answered(frame, field, path)
        remarks += more
    return _File(path, layer or spatial[0], ours, frame, remarks)


def _means_another(source: PointSource, layers: Collection[str], *, alone: bool) -> bool:
    """Whether the layer that is named, if one is, lies in another file than this one of questions."""
    return source.layer is None or (source.layer not in layers and not alone)


def write_points(points: Points, path: Path, *, overwrite: bool = False) -> Path:
    """Write a GeoPackage: layers `points`, `scribbles`, `areas` and `held_out`, table `classes`, and `layer_styles`.

    An existing GeoPackage keeps its other layers.

    Raises:
        GeoPointSegError: the file exists and `overwrite` is false, is open elsewhere, or holds layers of these names that
            are not ours.
    """
    require_geopackage(path)
    options = {
        "VERSION": "1.2",  # of the GeoPackage: QGIS 3.22 warns of later ones
        "FID": free_name("fid", points.frame),
        "GEOMETRY_NAME": free_name("geom", points.frame),
    }
    by_kind = dict(zip(KINDS, _by_dimension(points.frame), strict=True))
    with replacing(path, overwrite=overwrite) as partial, written_at(EPOCH):
        before = take_over(path, partial, MARKS) if path.exists() else {}
        layers = [kind for kind in KINDS if kind == "points" or kind in before or len(by_kind[kind])]
        for kind in layers:
            pyogrio.write_dataframe(
                by_kind[kind], partial, layer=kind, driver="GPKG", **_shape(kind, points), **options
            )
        pyogrio.write_dataframe(
            points.held_out, partial, layer="held_out", geometry_type="MultiPolygon", promote_to_multi=True
        )
        pyogrio.write_dataframe(pd.DataFrame(points.classes.records()), partial, layer="classes")
        styles = layer_styles(points.classes, (*layers, "held_out"))
        styles.loc[styles["f_table_name"] != "held_out", "f_geometry_column"] = options["GEOMETRY_NAME"]
        if "layer_styles" in before:
            others = read_table(partial, "layer_styles")
            others = others[~others["f_table_name"].isin(MARKS)]
            styles = pd.concat([styles, others[styles.columns]], ignore_index=True) if len(others) else styles
        pyogrio.write_dataframe(styles, partial, layer="layer_styles")
    return path


def load_points(path: Path) -> Points:
    """Read what `write_points` wrote.

    Raises:
        GeoPointSegError: the file is missing or was not written by `geopointseg check` or `draw`.
    """
    layers = list_layers(Path(path))
    if not is_checked(path):
        raise GeoPointSegError(
            f"expected checked points, got {path} with the layers {', '.join(layers)}: "
            "run 'geopointseg check' on it first"
        )
    read = [pyogrio.read_dataframe(path, layer=kind) for kind in KINDS if kind in layers]
    frame = pd.concat([f for f in read if len(f)] or read[:1], ignore_index=True)
    if (fresh := int(frame["status"].isna().sum())) > 0:
        raise GeoPointSegError(
            f"expected checked points, got {fresh} in {path} that were added since: "
            "run 'geopointseg check … --class-field class_name' on it again, with the same --out and --overwrite"
        )
    classes = Classes.from_records(read_table(path, "classes").to_dict("records"))
    return Points(frame, classes, pyogrio.read_dataframe(path, layer="held_out"))


def holds_out(path: Path) -> bool:
    """Whether a file is a checked layer in which some ground is held out."""
    return path.is_file() and is_checked(path) and _has_features(path, "held_out")


def is_checked(path: Path) -> bool:
    """Whether a file is a GeoPackage that `write_points` wrote."""
    return {"points", "classes", "held_out"} <= list_layers(path).keys()


def _read_own(source: PointSource, layers: list[Layer], crs: str | None) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The layers of a GeoPackage of ours as one; features that were added since have no id in the user's file."""
    read = [read_vector(source, layer, crs) for layer in layers if _has_features(source.path, layer)]
    if not read:
        raise GeoPointSegError(f"expected some points, got empty layers in {source.path}: is it the right file?")
    frame = pd.concat([frame for frame, _ in read])
    return frame.set_index("source_fid").rename_axis(None), [remark for _, more in read for remark in more]


def _has_features(path: Path, layer: str) -> bool:
    """Whether a layer holds anything."""
    return int(pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"]) > 0


def missing_field(wanted: str, field: str, frame: gpd.GeoDataFrame) -> GeoPointSegError:
    """What to say of a column that a layer lacks."""
    fields = [str(c) for c in frame.columns if c != frame.geometry.name]
    alike = next((c for c in fields if c.casefold() == field.casefold()), None)
    hint = f"did you mean {alike}?" if alike else "name one of them"
    return GeoPointSegError(f"expected {wanted}, got the fields {', '.join(fields)}: {hint}")


def _own_legend(path: Path) -> Legend:
    """The classes of a layer of ours that is checked again."""
    classes = Classes.from_records(read_table(path, "classes").to_dict("records"))
    colors = dict(zip(classes.names, classes.colors, strict=True))
    codes = dict(zip(classes.names, classes.codes, strict=True))
    advice = ": to take it in, give --classes a file that lists all of them"
    return Legend(names=classes.names, colors=colors, codes=codes, source=path.name, advice=advice)


def _by_dimension(frame: gpd.GeoDataFrame) -> list[gpd.GeoDataFrame]:
    """The points (and what has no geometry), the lines, the polygons."""
    kind = frame.geom_type
    line, area = (kind.isin([name, f"Multi{name}"]) for name in ("LineString", "Polygon"))
    return [frame[~line & ~area], frame[line], frame[area]]


def _shape(kind: str, points: Points) -> dict[str, object]:
    """What pyogrio has to know of a layer's geometries."""
    tall = " Z" if points.frame.has_z.any() else ""
    if kind == "points":
        return {"geometry_type": f"Point{tall}"}
    return {
        "geometry_type": {"scribbles": "MultiLineString", "areas": "MultiPolygon"}[kind] + tall,
        "promote_to_multi": True,
    }


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
    text = values.astype("string")
    return text.astype(object).where(text.notna() & (text.str.strip() != ""), None)
