"""Assessment: a map against points or dense truth, by one confusion matrix."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.files import sidecar, write_json
from geopointseg.labels.burn import burn_by_tile, locate
from geopointseg.labels.points import Points, load_points
from geopointseg.maps.assessment import Assessment
from geopointseg.maps.calibration import confidence_file, draw_reliability, read_confidence
from geopointseg.maps.partitions import Partition, holds_clusters, partition_of_points, partition_of_truth
from geopointseg.maps.tally import Tally
from geopointseg.maps.truth import Trained, against_truth, by_place, pair_truth, shared_classes, to_ids
from geopointseg.raster import find_rasters, open_raster, read_labels

__all__ = ["Assessment", "Trained", "against_points", "against_truth", "assess", "by_place", "pair_truth", "to_ids"]

TILE = 2048
BASIS = {"test": "held-out points", "train": "training points", None: "all points"}
EVERY_PIXEL = {"test": "pixels of held-out points, scribbles and areas", "train": "pixels trained on"}


def against_points(
    maps: Sequence[Path],
    points: Points,
    split: str | None = "test",
    *,
    by: Literal["feature", "pixel"] = "feature",
    background: str | None = None,
) -> Assessment:
    """Judge maps on points; a point on several maps counts on each.

    Args:
        maps: Maps of one set of classes.
        points: Checked points; classes are matched by name.
        split: Use only this split, or all used points.
        by: Each feature counts by one pixel; or by every pixel that it covers, for reference areas.
        background: The class that is none, see `geopointseg.confusion.scores`.
    """
    classes = shared_classes(maps)
    frame = points.used(split)
    id_of = {name: i for i, name in enumerate(classes.names)}
    ids = frame["class_name"].map(id_of).fillna(UNLABELLED).to_numpy(np.int64)
    sums = Tally(classes, background)
    for path in maps:
        grid, sure = open_raster(path).grid, confidence_file(path)
        sums.begin()
        if by == "pixel":
            for window, feature, row, col in burn_by_tile(frame.geometry, grid, TILE):
                if len(feature):
                    steps = None if sure is None else read_confidence(sure, window)[row, col]
                    sums.add(ids[feature], read_labels(path, window)[row, col], steps)
        else:
            rows, cols = locate(frame.geometry, grid)
            here = grid.contains(rows, cols)
            centres = list(zip(*grid.xy(rows[here], cols[here]), strict=True))
            steps = None if sure is None else _sampled(sure, centres).max(axis=1, initial=0)
            sums.add(ids[here], _sampled(path, centres)[:, 0], steps)
    basis = EVERY_PIXEL.get(split or "", "pixels of all points, scribbles and areas") if by == "pixel" else BASIS[split]
    return sums.assessment(basis)


def assess(
    maps: Sequence[str],
    *,
    truth: list[str] | None = None,
    points: Path | None = None,
    split: Literal["test", "train", "all"] = "test",
    by: Literal["feature", "pixel"] = "feature",
    boundary: str | None = None,
    background: str | None = None,
    clusters: bool = False,
    out: Path = Path("scores.json"),
    overwrite: bool = False,
) -> Assessment | Partition:
    """Assess maps against dense truth or against points.

    Args:
        maps: Maps of 'geopointseg predict' or 'run': files, folders or globs.
        truth: Dense class rasters, one for each map: same file name, or same order.
        points: Checked points, instead of truth.
        split: Which points: test (held out), train, or all.
        by: What counts of points, scribbles and areas: one pixel of each feature, or every pixel it covers.
        boundary: Judge the borders of the classes too, within a distance such as 10m or 2px; with --truth.
        background: The class that is none, for the mean IoU without it; by default the one called background.
        clusters: Take the ids of the maps for clusters, as those of 'geopointseg cluster' are taken anyway.
        out: JSON file for the scores; the reliability plot goes beside it where a map's confidence lies beside the map.
        overwrite: Replace an existing JSON file.

    Returns:
        One assessment over all maps.

    Raises:
        GeoPointSegError: neither or both of truth and points; maps and truth do not pair up; nothing to compare.
    """
    if (truth is None) == (points is None):
        raise GeoPointSegError("expected either --truth or --points, got " + ("neither" if truth is None else "both"))
    if boundary is not None and truth is None:
        raise GeoPointSegError(
            "expected --boundary with --truth, got it with points, which have no borders: leave it out"
        )
    files = find_rasters(maps)
    chosen = None if split == "all" else split
    result: Assessment | Partition
    if clusters or holds_clusters(files[0]):
        if points is not None:
            result = partition_of_points(
                files, load_points(points), chosen, EVERY_PIXEL.get(split, "pixels of all points")
            )
        else:
            result = partition_of_truth(files, pair_truth(files, find_rasters(truth or [])))
        count = int(result.table.sum())
    else:
        if points is not None:
            result = against_points(files, load_points(points), chosen, by=by, background=background)
        else:
            pairs = pair_truth(files, find_rasters(truth or []))
            result = against_truth(files, pairs, boundary=boundary, background=background)
        count = int(result.matrix.sum())
    if not count:
        what = (
            f"{split} points on the maps, got none: choose another --split" if points else "truth on the maps, got none"
        )
        raise GeoPointSegError(f"expected {what}")
    written = [write_json(out, result.figures(), overwrite=overwrite)]
    if isinstance(result, Assessment) and result.calibration is not None:
        written.append(draw_reliability(sidecar(out, "_reliability.png"), result.calibration, result.basis))
    return replace(result, files=tuple(written))


def _sampled(path: Path, centres: Sequence[tuple[float, float]]) -> NDArray[np.uint8]:
    """(points, bands) values at coordinates."""
    with rasterio.open(path) as source:
        values = list(source.sample(centres))
        return np.array(values, dtype=np.uint8).reshape(len(values), source.count)
