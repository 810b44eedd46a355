"""Cells on disk: one JSON file each, whole or absent, so that what was computed is not computed again."""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopointseg import __version__
from geopointseg.confusion import scores
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from pipelines.experiments.plan import Cell
from pipelines.experiments.setup import spell

__all__ = ["commit", "counts", "load_cell", "micro_iou", "save_cell", "scores_of", "write_lines"]

Matrix = NDArray[np.int64]


def save_cell(
    folder: Path, cell: Cell, names: Sequence[str], matrices: Sequence[Matrix], facts: Mapping[str, Any]
) -> Path:
    """Keep what came of a cell, on every test image, and how."""
    said = {
        "experiment": cell.experiment.name,
        "level": dict(cell.level.said),
        **cell.identity,
        **facts,
        "date": time.strftime("%Y-%m-%d"),
        "version": __version__,
        "commit": commit(),
        "classes": list(names),
        "confusion": np.sum(matrices, axis=0).tolist(),
        "counts": [counts(matrix) for matrix in matrices],
    }
    return write_lines(folder / cell.name, said)


def write_lines(path: Path, said: Mapping[str, Any]) -> Path:
    """Write a JSON object with one key a line, so that a person can compare two of them."""
    with replacing(path, overwrite=True) as partial:
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in said.items())
        partial.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    return path


def load_cell(folder: Path, cell: Cell) -> dict[str, Any] | None:
    """What is kept of a cell; None where it has not been computed.

    Raises:
        GeoPointSegError: the file is none of ours, or of another setup.
    """
    path = folder / cell.name
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = found["setup"] == json.loads(json.dumps(spell(cell.level.setup))) and found["seed"] == cell.seed
    except (ValueError, KeyError, TypeError) as error:
        raise GeoPointSegError(f"expected a cell in {path}, got something else ({error}): remove the file") from error
    if not same:
        raise GeoPointSegError(f"expected the cell {cell.level.label} in {path}, got another: remove the file")
    return found


def scores_of(cell: Mapping[str, Any]) -> dict[str, float | None]:
    """The scores of a cell; those of absent classes are None."""
    found = scores(np.array(cell["confusion"]), cell["classes"])
    ious = {f"iou {name}": one["iou"] for name, one in found["per_class"].items()}
    overall = {name: found[name] for name in ("miou", "overall_accuracy", "mean_f1")}
    return {**overall, "micro_iou": micro_iou(cell["counts"]), **ious}


def counts(matrix: Matrix) -> list[int]:
    """Pixels that are right, that are predicted, and that are truly of a class: the sums of the LSSQPS micro-IoU.

    A map of classes is taken for one channel per class with a threshold: every pixel is in one channel, so that a wrong one
    is a false pixel in one channel and a missed one in another.
    """
    return [int(np.trace(matrix)), int(matrix.sum()), int(matrix.sum())]


def micro_iou(images: Sequence[Sequence[int]]) -> float:
    """IoU pooled over the channels of all classes, averaged over images (LSSQPS: torchmetrics' `micro`).

    Args:
        images: For each image, `counts`; images without known truth are left out.
    """
    return float(np.mean([hit / (predicted + true - hit) for hit, predicted, true in images if true]))


def commit() -> str | None:
    """The commit that is checked out, with a + where files differ from it; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
