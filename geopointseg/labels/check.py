"""Checking points: what can be used, what cannot and why, and what is held out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rasterio.warp import transform_bounds

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import write_json
from geopointseg.labels.points import LABEL, OWN_COLUMNS, Points, locate, read_points, write_points
from geopointseg.labels.split import hold_out
from geopointseg.raster import Raster, left_out, open_rasters, read, suspect_nodata, valid

__all__ = ["CheckReport", "check", "check_points"]

TILE = 512  # pixels; points are looked up tile by tile, so that a raster is never held whole
REASONS = {
    "used": "",
    "outside": "outside every raster",
    "nodata": "on a pixel without data",
    "duplicate": "same pixel and class as an earlier point",
    "conflict": "same pixel as a point of another class",
    "null_geometry": "no geometry",
    "null_class": "no class value",
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
        counts = ", ".join(f"{n} {name}" for name, n in status.value_counts().items())
        raise GeoPointSegError(
            f"expected points of at least two classes on valid pixels, got {len(kept)} of {only} ({counts}): "
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
    account = out.with_suffix(".check.json")
    if out.suffix.lower() != ".gpkg" and not out.is_dir():
        raise GeoPointSegError(f"expected a GeoPackage as --out, got {out}: give it the ending .gpkg")
    if out.resolve() == points.resolve():
        raise GeoPointSegError(
            f"expected another file as --out, got the points themselves, {out}: they are not touched"
        )
    opened, _ = open_rasters(rasters, crs=crs, nodata=nodata)
    frame, classes, remarks = read_points(points, class_field, layer=layer, crs=crs)
    frame, more = check_points(frame, classes, opened)
    frame, blocks = hold_out(frame, opened[0].grid, share=held_out, seed=seed)
    checked = Points(frame, classes, blocks)
    notes = (*remarks, *more, *_split_remarks(checked))
    report = CheckReport(checked, (out, account), notes)
    write_points(checked, out, overwrite=overwrite)
    write_json(account, report.figures())
    return report


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
            yield f"usable points of class {name!r}: {n}; expect little of it below about 5"
    if frame.crs != rasters[0].grid.crs.to_wkt():
        yield f"points reprojected from {frame.crs.to_string()[:40]} to {rasters[0].grid.crs.to_string()[:40]}"
    yield from left_out(rasters[0])
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
    if missing:
        yield f"not assessed, since none of their points is held out: {', '.join(sorted(missing))}"
