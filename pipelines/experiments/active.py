"""A simulated annotator: answers questions from dense truth, with mistakes if wanted, to measure what asking is worth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.grid import Window
from geopointseg.labels.answers import EXTENTS, QUESTIONS, is_asked
from geopointseg.labels.burn import locate
from geopointseg.labels.draw import flip_labels
from geopointseg.labels.vector import read_table
from geopointseg.raster import find_rasters, open_raster, raster_classes, read_labels

__all__ = ["annotate", "answer"]

Ids = NDArray[np.int64]


def answer(truth: Ids, *, error_rate: float = 0.0, seed: int = 0) -> Ids:
    """What an annotator says of pixels.

    Args:
        truth: (n,) true class ids; 255 where even the truth does not know, which stays without an answer.
        error_rate: Share of the answers that are another class.
        seed: Of the mistakes.

    Returns:
        (n,) class ids, 255 for no answer.

    Raises:
        GeoPointSegError: the rate is no share.
    """
    if not 0 <= error_rate <= 1:
        raise GeoPointSegError(f"expected an error rate from 0 to 1, got {error_rate}")
    said = truth.copy()
    known = np.flatnonzero(truth != UNLABELLED)
    if len(known):
        said[known] = flip_labels(truth[known], error_rate, np.random.default_rng([seed, len(truth)]))
    return said


def annotate(
    questions: Path,
    truth: Sequence[str],
    *,
    class_field: str = "class_name",
    out: Path = Path("answers.gpkg"),
    error_rate: float = 0.0,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Fill in a layer of questions from dense truth, as an analyst would in QGIS.

    Args:
        questions: What `geopointseg query` wrote.
        truth: Class rasters that carry the names of their classes: files, folders or globs.
        class_field: Column that the answers go to: names if it holds text, else codes.
        out: GeoPackage to write.
        error_rate: Share of the answers that are another class.
        seed: Of the mistakes.
        overwrite: Replace an existing file.

    Returns:
        The layer with its answers; a question beyond the truth, or where it is 255, stays open.

    Raises:
        GeoPointSegError: no questions, or a truth without class names.
    """
    if not is_asked(questions):
        raise GeoPointSegError(f"expected a layer of questions, got {questions}: make one with 'geopointseg query'")
    frame = pyogrio.read_dataframe(questions, layer=QUESTIONS)
    paths = find_rasters(truth)
    classes = raster_classes(paths[0])
    found = np.full(len(frame), UNLABELLED, np.int64)
    for path in paths:
        grid = open_raster(path).grid
        rows, cols = locate(frame.geometry, grid)
        for i in np.flatnonzero(grid.contains(rows, cols)):
            found[i] = read_labels(path, Window(int(rows[i]), int(cols[i]), 1, 1))[0, 0]
    frame[class_field] = _said(answer(found, error_rate=error_rate, seed=seed), classes, frame[class_field])
    with replacing(out, overwrite=overwrite) as partial:
        pyogrio.write_dataframe(frame, partial, layer=QUESTIONS, driver="GPKG", geometry_type="Point")
        pyogrio.write_dataframe(pyogrio.read_dataframe(questions, layer=EXTENTS), partial, layer=EXTENTS)
        pyogrio.write_dataframe(read_table(questions, "layer_styles"), partial, layer="layer_styles")
    return out


def _said(ids: Ids, classes: Classes, column: pd.Series) -> pd.Series:
    """Answers in the form that the column has."""
    integer = pd.api.types.is_numeric_dtype(column)
    values = classes.codes if integer else classes.names
    said = [values[i] if i != UNLABELLED else None for i in ids.tolist()]
    return pd.Series(pd.array(said, "Int64" if integer else "string"), index=column.index)
