"""The account of a run: what a reader wants to see of it, as pictures, one page and figures for programs."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio

from geopointseg.files import write_json
from geopointseg.labels.check import STATUS, CheckReport
from geopointseg.labels.pseudomask import MaskReport
from geopointseg.learning.backends import Predictor
from geopointseg.learning.bundle import fingerprint
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.fit import TrainReport
from geopointseg.maps.assess import Assessment
from geopointseg.maps.calibration import draw_reliability
from geopointseg.maps.page import Comparison, Extras, explain, write_page
from geopointseg.maps.predict import PredictReport
from geopointseg.maps.report import draw_confusion, draw_errors, draw_overview
from geopointseg.maps.sheets import Scene, draw_panels

__all__ = ["RunReport", "Steps", "write_account"]


@dataclass(frozen=True, slots=True)
class Steps:
    """What the steps of a run answered."""

    data: PointDataModule
    checked: CheckReport
    masked: MaskReport
    trained: TrainReport
    maps: PredictReport
    map_files: tuple[Path, ...]
    """One for each raster."""
    truth_files: tuple[Path, ...]
    """One for each map, or none."""
    whole: Assessment | None
    """On all dense truth, whatever place."""
    assessments: tuple[Assessment, ...]
    """On dense truth by place, where there is some, and on held-out points, where some could be held out."""
    comparison: Comparison | None = None
    """Of the same recipe under a random split, where asked for."""
    started: str = ""
    """What training started from, where that was an earlier model."""
    knowing: str = ""
    """What to remark on a map that guesses."""

    @property
    def training(self) -> str:
        """The account of the training."""
        return f"started from {self.started}\n{self.trained}" if self.started else str(self.trained)


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run made."""

    files: tuple[Path, ...]
    """The report first, then the maps, the model and the rest."""
    steps: Steps
    hashes: Mapping[str, str]
    """Of data, model and configuration."""

    @property
    def checked(self) -> CheckReport:
        """What became of every point."""
        return self.steps.checked

    @property
    def assessments(self) -> tuple[Assessment, ...]:
        """On dense truth by place, where there is some, and on held-out points, where some could be held out."""
        return self.steps.assessments

    @property
    def started(self) -> str:
        """What training started from, where that was an earlier model."""
        return self.steps.started

    @property
    def predictor(self) -> Predictor:
        """What computed the maps."""
        return self.steps.maps.predictor

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        steps = self.steps
        every = [*([steps.whole] if steps.whole else []), *steps.assessments]
        figures = {
            "points": steps.checked.figures(),
            "pseudo_mask": steps.masked.figures(),
            "training": steps.trained.figures() | ({"started_from": steps.started} if steps.started else {}),
            "prediction": self.predictor.figures(),
            "scores": {assessment.basis: assessment.figures() for assessment in every},
            "hashes": dict(self.hashes),
        }
        if steps.comparison is not None:
            both = {"random": steps.comparison.random, "blocked": steps.comparison.blocked}
            figures["splits"] = {name: one.figures() for name, one in both.items()}
        return figures

    def __str__(self) -> str:
        """The account for people."""
        steps = self.steps
        scores = [str(assessment) for assessment in steps.assessments]
        parts = [str(steps.checked), str(steps.masked), steps.training, f"maps: {self.predictor}"]
        if steps.comparison is not None:
            scores.append(explain(steps.comparison))
        return "\n\n".join([*parts, *(scores or ["nothing to assess the map on"])])


def write_account(out: Path, steps: Steps, configuration: Mapping[str, Any]) -> RunReport:
    """Draw and write what a reader wants to see.

    Args:
        out: The run's folder.
        steps: What its steps answered.
        configuration: Everything that was chosen, as plain values.
    """
    data, points, first = steps.data, steps.checked.points, steps.data.rasters[0]
    truth = steps.truth_files[0] if steps.truth_files else None
    masks = [out / "masks" / f"{raster.path.stem}.tif" for raster in data.rasters]
    layers = {"pseudo-mask": masks[0], "map": steps.map_files[0]} | ({"truth": truth} if truth else {})
    files = zip(data.rasters, masks, steps.map_files, steps.truth_files or [None] * len(masks), strict=True)
    pictures = {
        "Raster, points and maps": draw_overview(out / "overview.png", first, data.statistics, points, layers),
        "Where the map is wrong": draw_errors(out / "errors.png", first, points, steps.map_files[0], truth),
        "Where the points are telling": draw_panels(
            out / "panels.png", [Scene(*one) for one in files], data.statistics, points
        ),
        "Training": steps.trained.curves,
    }
    for assessment in steps.assessments:
        name = assessment.basis.replace(",", "").replace(" ", "_")
        pictures[f"Confusion, {assessment.basis}"] = draw_confusion(out / f"confusion_{name}.png", assessment)
        if assessment.calibration is not None:
            file = out / f"reliability_{name}.png"
            pictures[f"Calibration, {assessment.basis}"] = draw_reliability(
                file, assessment.calibration, assessment.basis
            )
    facts = {
        "rasters": _list([raster.path.name for raster in data.rasters]),
        "grid": f"{first.grid.height} × {first.grid.width} pixels, {data.card['crs'][:60]}",
        "bands": _list(data.card["band_names"]),
        "points": f"{len(points.used('train'))} for training, {len(points.used('test'))} held out",
        "labelled by points": f"{(sum(steps.masked.pixels) - steps.masked.guessed) / steps.masked.total:.1%} of the pixels",
        "guessed": f"{steps.masked.guessed / steps.masked.total:.1%} of the pixels, by {steps.masked.guesser}{steps.knowing}",
    }
    tables = {
        "Points": str(steps.checked),
        "Pseudo-mask": str(steps.masked),
        "Training": steps.training,
        "Maps": str(steps.maps),
    }
    hashes = _hashes(steps, masks, configuration)
    extras = Extras(_dropped(steps), hashes, steps.comparison)
    title = "Land cover from points"
    page = write_page(out / "report.html", title, facts, tables, steps.assessments, pictures, extras)
    scores = out / "scores.json"
    written = (page, *steps.maps.files, *steps.trained.files, scores, *steps.checked.files, *steps.masked.files)
    report = RunReport(tuple(dict.fromkeys((*written, *pictures.values()))), steps, hashes)
    write_json(scores, report.figures())
    return report


def _hashes(steps: Steps, masks: list[Path], configuration: Mapping[str, Any]) -> dict[str, str]:
    """What tells whether another run would come to the same: SHA-256 of points, masks, raster, model and configuration."""
    text = json.dumps(configuration, sort_keys=True, default=lambda path: Path(path).name)
    prints = fingerprint(steps.checked.points, masks)
    with rasterio.open(steps.map_files[0]) as source:
        tags = source.tags()
    return {
        "software": tags["SOFTWARE"],
        "points": prints["points"],
        **{f"pseudo-mask {name}": value for name, value in list(prints["masks"].items())[:8]},
        f"raster {tags['RASTER']} (its metadata)": tags["RASTER_SHA256"],
        "model": tags["MODEL_SHA256"],
        "options of the map": tags["OPTIONS"],
        "configuration, hash": hashlib.sha256(text.encode()).hexdigest(),
        "configuration": text,
    }


def _dropped(steps: Steps) -> dict[str, int]:
    """Why points were not used, and how many for each reason."""
    frame = steps.checked.points.frame
    counts = frame.loc[frame["status"] != "used", "status"].value_counts()
    reasons = {STATUS.get(status, str(status)): int(count) for status, count in counts.items()}
    near = int(((frame["status"] == "used") & (frame["split"] == "gap")).sum())
    later = {
        "too near to what is held out to train on": near,
        "another class disputes what they would label": steps.masked.conflicts,
    }
    return reasons | {reason: count for reason, count in later.items() if count}


def _list(names: list[str], most: int = 8) -> str:
    """The names, or the first of them and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
