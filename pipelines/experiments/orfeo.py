"""Orfeo ToolBox's random forest on pixels: what an analyst reaches for today, on the same clicks.

Its command-line programs must be on the path: Debian's otb-bin has them.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.points import load_points
from geopointseg.raster import open_raster
from pipelines.experiments.forests import by_image, click_sites

__all__ = ["PROGRAMS", "orfeo_forest", "orfeo_missing"]

PROGRAMS = ("otbcli_TrainImagesClassifier", "otbcli_ImageClassifier")


def orfeo_missing() -> str | None:
    """Which of the programs is not there; None where all are."""
    return next((program for program in PROGRAMS if shutil.which(program) is None), None)


def orfeo_forest(
    images: Sequence[Path], points: Path, tests: Sequence[Path], seed: int
) -> tuple[list[NDArray[np.uint8]], dict[str, Any]]:
    """Train on the pixels of the clicks, and classify the test images.

    Args:
        images: To train on.
        points: Checked points on them.
        tests: To classify.
        seed: Of the forest.

    Returns:
        (height, width) class ids of every test image, and the facts of the run.

    Raises:
        GeoPointSegError: it is not installed, or fails.
    """
    if missing := orfeo_missing():
        raise GeoPointSegError(f"expected Orfeo ToolBox on the path, got no {missing}: install Debian's otb-bin")
    train, classify = PROGRAMS
    frame, clicks = load_points(points).frame, click_sites(images, points)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        holding, layers = [], []
        for image, row, _ in by_image(images, clicks):
            if not len(row):
                continue
            inside = open_raster(image).grid.bounds
            here = frame.to_crs(open_raster(image).grid.crs.to_wkt()).cx[inside[0] : inside[2], inside[1] : inside[3]]
            layer = folder / f"{image.stem}.shp"
            numbered = here[["class_id", "geometry"]].rename(columns={"class_id": "code"})
            numbered.astype({"code": int}).to_file(layer)
            holding.append(str(image))
            layers.append(str(layer))
        model = folder / "model.rf"
        forest = ["-classifier", "rf", "-classifier.rf.max", "15", "-classifier.rf.nbtrees", "100"]
        samples = ["-sample.vfn", "code", "-sample.vtr", "0", "-sample.bm", "0", "-sample.mt", "-1", "-sample.mv", "-1"]
        read = ["-io.il", *holding, "-io.vd", *layers, "-io.out", str(model)]
        _run(train, *read, *samples, *forest, "-rand", str(seed))
        maps = []
        for image in tests:
            out = folder / f"{image.stem}_map.tif"
            _run(classify, "-in", str(image), "-model", str(model), "-out", str(out), "uint8")
            with rasterio.open(out) as source:
                found: NDArray[np.uint8] = source.read(1)
            maps.append(found)
    return maps, {"orfeo": _version(train)}


def _run(*command: str) -> str:
    """Run a program of theirs."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise GeoPointSegError(
            f"expected {command[0]} to work, got status {done.returncode} ({' '.join(said[-2:])}): is otb-bin whole?"
        )
    return done.stdout + done.stderr


def _version(program: str) -> str:
    """What it says of itself."""
    done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[-1] if done.stdout + done.stderr else "unknown"
