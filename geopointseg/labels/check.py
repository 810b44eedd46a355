"""Checking points: what can be used, what cannot and why, and what is held out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from geopointseg.errors import GeoPointSegError
from geopointseg.files import write_json
from geopointseg.labels.advice import explain_miss, remarks_on_places, remarks_on_rasters
from geopointseg.labels.covered import covered, why_not
from geopointseg.labels.geopackage import require_geopackage
from geopointseg.labels.points import (
    OWN_COLUMNS,
    Points,
    is_checked,
    load_points,
    missing_field,
    read_points,
    write_points,
)
from geopointseg.labels.split import Split, hold_out
from geopointseg.labels.vector import PointSource
from geopointseg.legend.classify import Classified
from geopointseg.raster import Raster, parse_crs
from geopointseg.statistics import open_rasters
from geopointseg.words import counted

__all__ = ["STATUS", "CheckReport", "check", "check_file", "check_points"]

STATUS = {  # in the words of the notes; each feature's own reason says more
    "outside": "outside every raster",
    "nodata": "on pixels without data",
    "duplicate": "on the same pixel as an earlier one of their class",
    "conflict": "on the same pixel as one of another class",
    "unknown_class": "of a class that is not wanted",
    "null_geometry": "without geometry",
    "null_class": "without a class value",
}


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
        label = frame["class_name"].astype(object).fillna("(no class)")
        status = frame["status"].where(frame["status"] != "used", "used, " + frame["split"].astype(str))
        return pd.crosstab(label.rename("class"), status.rename("status"), margins=True, margins_name="all")

    def figures(self) -> dict[str, Any]:
        """The counts as plain values, for JSON."""
        frame = self.points.frame
        used = self.points.used()
        per_class = pd.crosstab(frame["class_name"].astype(object).fillna("(no class)"), frame["status"])
        return {
            "features": len(frame),
            "status": frame["status"].value_counts().to_dict(),
            "split": used["split"].value_counts().to_dict(),
            "used_per_class": used["class_name"].value_counts().to_dict(),
            "status_per_class": per_class.to_dict("index"),
            "classes": self.points.classes.records(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """The table and the notes, for people."""
        return "\n".join([self.table().to_string(), *(f"note: {note}" for note in self.notes)])


def check(
    rasters: Sequence[str],
    *,
    source: PointSource,
    split: Split,
    out: Path = Path("points.gpkg"),
    crs: str | None = None,
    nodata: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> CheckReport:
    """Check points against rasters and keep them as a GeoPackage.

    Args:
        rasters: Raster files, folders or globs.
        source: The labelled points.
        split: What is held out.
        out: GeoPackage to write.
        crs: CRS of rasters or points that have none, for example EPSG:32633.
        nodata: No-data value of rasters that declare none.
        seed: Of the choice of what is held out.
        overwrite: Replace our layers in an existing GeoPackage; its other layers stay.

    Returns:
        The checked points and the account of every feature.

    Raises:
        GeoPointSegError: see `read_points`, `check_points` and `hold_out`.
    """
    require_geopackage(out)
    if any(out.resolve() == file.resolve() for file in source.files) and not (overwrite and is_checked(out)):
        raise GeoPointSegError(
            f"expected another file as --out, got the points themselves, {out}: they are not touched"
            + (", but for a checked layer, with --overwrite" if is_checked(out) else "")
        )
    opened, _ = open_rasters(rasters, crs=crs, nodata=nodata)
    features, found, remarks = read_points(source, crs)
    frame, more = check_points(features, found, opened)
    groups = _groups(features, split.split_field)
    before = None if split.held_out_from is None else load_points(split.held_out_from).held_out
    grids = [raster.grid for raster in opened]
    frame, blocks = hold_out(frame, grids, split, groups=groups, before=before, seed=seed)
    checked = Points(frame, found.classes, blocks)
    notes = (*remarks, *_remarks_on_options(opened, crs, nodata), *more, *_remarks_on_split(checked, split))
    report = CheckReport(checked, (out, check_file(out)), notes)
    write_points(checked, out, overwrite=overwrite)
    write_json(check_file(out), report.figures())
    return report


def _groups(features: gpd.GeoDataFrame, field: str | None) -> pd.Series | None:
    """The user's column to split by, which may bear the name of one of ours."""
    if field is None:
        return None
    if field not in features.columns or field == features.geometry.name:
        raise missing_field(f"the field {field!r} to split by", field, features)
    return features[field].reset_index(drop=True)


def check_file(out: Path) -> Path:
    """Where the counts of a GeoPackage lie: check.json beside points.gpkg, NAME.check.json beside NAME.gpkg."""
    return out.with_name("check.json" if out.stem == "points" else f"{out.stem}.check.json")


def check_points(
    features: gpd.GeoDataFrame, found: Classified, rasters: Sequence[Raster]
) -> tuple[gpd.GeoDataFrame, tuple[str, ...]]:
    """Say of every feature whether it can be used, and why not.

    A feature is used if on some raster it covers at least one pixel that has data, that no feature of another class
    covers, and that no earlier feature of its class does.

    Args:
        features: The user's layer; the index is the feature's id in the file.
        found: The class of each feature.
        rasters: What the features are to label.

    Returns:
        The features with the columns `OWN_COLUMNS` (`split` is "train" or ""); remarks.

    Raises:
        GeoPointSegError: no feature covers any raster, none a valid pixel, or only one class is left.
    """
    names = np.array([*found.classes.names, ""], dtype=object)  # of class -1
    ids = found.class_id.fillna(-1).to_numpy(np.int64)
    counts = covered(features.geometry.where(ids >= 0, None), ids, rasters)
    status = np.select(
        [counts.fresh > 0, counts.contested > 0, counts.valid > 0, counts.seen > 0],
        ["used", "conflict", "duplicate", "nodata"],
        "outside",
    ).astype(object)
    unknown = found.unknown.to_numpy(object)
    status[ids < 0] = np.where(unknown[ids < 0] != "", "unknown_class", "null_class")
    status[features.geometry.isna().to_numpy()] = "null_geometry"
    _refuse_hopeless(features, pd.Series(status), rasters)

    fid = features.index.to_numpy()
    rival = names[counts.rival]
    reason = np.full(len(features), "", object)
    reason[status == "outside"] = "outside every raster"
    reason[status == "nodata"] = "on a pixel without data"
    reason[status == "null_geometry"] = "no geometry"
    reason[status == "null_class"] = "no class value"
    reason[status == "unknown_class"] = unknown[status == "unknown_class"]
    for i in np.flatnonzero(status == "conflict"):
        reason[i] = f"same pixel as a feature of class {rival[i]!r}"
    for i in np.flatnonzero(status == "duplicate"):
        reason[i] = f"same pixel and class as feature {fid[counts.twin[i]]}"
    partly = (status == "used") & (counts.fresh < counts.seen) & (counts.seen > 1)
    for i in np.flatnonzero(partly):
        reason[i] = f"labels {counts.fresh[i]} of its {counts.seen[i]} pixels: the others " + why_not(
            counts, i, rival[i]
        )

    ours = {*OWN_COLUMNS} - {"source_fid"} <= {*features.columns}  # a layer of ours, checked again
    theirs = {c: f"user_{c}" for c in features.columns if c.lower() in OWN_COLUMNS}  # SQLite ignores case
    out = (features.drop(columns=list(theirs)) if ours else features.rename(columns=theirs)).reset_index(drop=True)
    out["source_fid"] = fid
    out["class_id"] = pd.array(np.where(ids >= 0, ids, 0), "Int64")
    out.loc[ids < 0, "class_id"] = pd.NA
    out["class_name"] = pd.array(np.where(ids >= 0, names[ids], None), "string")
    out["status"], out["reason"] = pd.array(status, "string"), pd.array(reason, "string")
    out["split"] = pd.array(np.where(status == "used", "train", ""), "string")
    _refuse_one_class(out)
    remarks = list(_remarks_on_status(out))
    if theirs and not ours:
        kept = ", ".join(f"{old} is kept as {new}" for old, new in theirs.items())
        remarks.append(f"fields with the name of one of ours: {kept}")
    remarks += [*remarks_on_places(out, found.classes, rasters), *remarks_on_rasters(out, rasters)]
    return out, tuple(remarks)


def _refuse_hopeless(features: gpd.GeoDataFrame, status: pd.Series, rasters: Sequence[Raster]) -> None:
    """Raise where no feature can be used, and say where features and rasters lie."""
    if (status == "used").any():
        return
    counts = ", ".join(f"{n} {name}" for name, n in status.value_counts().items())
    if (status == "conflict").any():
        return  # told with the classes
    if (status == "nodata").any():
        raise GeoPointSegError(f"expected points on valid pixels, got {counts}: check the raster's nodata value")
    if not (status == "outside").any():
        raise GeoPointSegError(f"expected points with a geometry and a class, got {counts}: check the layer")
    missed = features[(status == "outside").to_numpy()]
    raise GeoPointSegError(f"expected points on the raster, got {counts}. {explain_miss(missed, rasters)}")


def _refuse_one_class(frame: gpd.GeoDataFrame) -> None:
    """Raise where there is nothing to tell apart."""
    used = frame.loc[frame["status"] == "used", "class_name"]
    if used.nunique() < 2:
        counts = ", ".join(f"{n} {name}" for name, n in frame["status"].value_counts().items())
        raise GeoPointSegError(
            f"expected points of at least two classes on valid pixels, got {len(used)} of "
            f"{used.iloc[0] if len(used) else 'none'} ({counts}): add points of another class, or check --class-field"
        )


def _remarks_on_status(frame: gpd.GeoDataFrame) -> Iterable[str]:
    """How many features are not used, and why."""
    for status, count in frame["status"].value_counts().drop("used", errors="ignore").items():
        yield f"{count} of {counted(len(frame), 'feature')} not used: {STATUS[str(status)]}"
    for reason, count in frame.loc[frame["status"] == "unknown_class", "reason"].value_counts().head(20).items():
        yield f"{counted(count, 'feature')}: {reason}"


def _remarks_on_options(rasters: Sequence[Raster], crs: str | None, nodata: float | None) -> Iterable[str]:
    """Which options had no effect, since the files say otherwise."""
    for raster in rasters:
        if nodata is not None and raster.nodata != nodata:
            yield f"--nodata {nodata:g} is not used for {raster.path.name}, which declares {raster.nodata:g} itself"
        if crs is not None and raster.grid.crs != parse_crs(crs):
            yield f"--crs {crs} is not used for {raster.path.name}, whose own CRS is {raster.grid.crs.to_string()[:40]}"


def _remarks_on_split(points: Points, plan: Split) -> Iterable[str]:
    """What the split means for the assessment."""
    used = points.used()
    if plan.held_out_from is not None:
        yield f"held out is the ground that {plan.held_out_from} holds out"
    if lacking := set(used["class_name"]) - set(used.loc[used["split"] == "train", "class_name"]):
        yield f"not trained on, since all their points are held out or near to it: {', '.join(sorted(lacking))}"
    if (gap := int((used["split"] == "gap").sum())) > 0:
        yield f"{counted(gap, 'point')} set aside: too near to what is held out to train on"
    if plan.held_out and not (used["split"] == "test").any():
        yield (
            "nothing is held out: whatever was, a class would have nothing to train on, or has less than five points; "
            "try a smaller --block or --gap"
        )
        return
    missing = set(used["class_name"]) - set(used.loc[used["split"] == "test", "class_name"])
    if missing:
        yield f"not assessed, since none of their points is held out: {', '.join(sorted(missing))}"
