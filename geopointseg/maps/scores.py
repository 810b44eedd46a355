"""Scores: how sure the network was, as rasters beside the map that need a byte per pixel."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.files import replacing_files
from geopointseg.grid import Grid, Window
from geopointseg.maps.cog import creating_cog

__all__ = [
    "SCALE",
    "Add",
    "Score",
    "Scores",
    "drop_scores",
    "score_bytes",
    "score_path",
    "write_scores",
    "writing_score_bytes",
    "writing_scores",
]

Score = Literal["confidence", "probabilities", "margin", "entropy"]
Add = Callable[[Window, NDArray[np.float32]], None]

SCALE = 0.004
"""What a step of a byte is worth: 0 to 250 stand for 0 to 1, and 0.004 is exact in text."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What is written beside a map.

    Args:
        confidence: Write MAP_confidence.tif, too: how probable the class is.
        probabilities: Write MAP_probabilities.tif, too: how probable every class is, a band for each.
        margin: Write MAP_margin.tif, too: how much more probable the class is than the second.
    """

    confidence: bool = False
    probabilities: bool = False
    margin: bool = False

    @property
    def kinds(self) -> tuple[Score, ...]:
        """Those that are wanted."""
        asked: dict[Score, bool] = {
            "confidence": self.confidence, "probabilities": self.probabilities, "margin": self.margin
        }  # fmt: skip
        return tuple(kind for kind, wanted in asked.items() if wanted)


def score_path(path: Path, kind: Score) -> Path:
    """Where the scores of a map lie: map.tif and confidence give map_confidence.tif."""
    return path.with_name(f"{path.stem}_{kind}.tif")


@contextmanager
def writing_scores(
    path: Path,
    grid: Grid,
    classes: Classes,
    *,
    kind: Score,
    tags: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Iterator[Add]:
    """Open a raster of scores for probabilities; see `writing_score_bytes`.

    Yields:
        A function that takes a window and its probabilities, (classes, height, width), NaN where there is no data. What
        no window covers has no data.
    """
    with writing_score_bytes(path, grid, classes, kind=kind, tags=tags, overwrite=overwrite) as write:
        yield lambda window, probabilities: write(window, score_bytes(probabilities, kind))


@contextmanager
def writing_score_bytes(
    path: Path,
    grid: Grid,
    classes: Classes,
    *,
    kind: Score,
    tags: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Iterator[Callable[[Window, NDArray[np.uint8]], None]]:
    """Open a raster of scores; it appears at `path` as a COG when the block ends well.

    It is uint8 with nodata 255, GDAL scale 0.004 and offset 0, so that GDAL and QGIS show 0 to 1; overviews are averages.

    Args:
        path: The raster, ending in .tif.
        grid: Its georeference.
        classes: Of the probabilities.
        kind: `confidence`, the highest probability; `probabilities`, a band for every class; `margin`, the highest less
            the second; `entropy`, from 0 where one class is sure to 1 where all are alike.
        tags: More GeoTIFF tags.
        overwrite: Replace an existing file.

    Yields:
        A function that takes a window and what `score_bytes` makes of its probabilities.

    Raises:
        GeoPointSegError: see `geopointseg.files.replacing_files`.
    """
    names = classes.names if kind == "probabilities" else (kind,)
    count = len(names)
    with (
        replacing_files([path], overwrite=overwrite) as folder,
        creating_cog(folder / path.name, grid, overviews="AVERAGE", count=count) as target,
    ):
        target.update_tags(KIND=kind, CLASSES=classes.to_tag(), **(tags or {}))
        target.scales, target.offsets = (SCALE,) * count, (0.0,) * count
        for band, name in enumerate(names, 1):
            target.set_band_description(band, name)

        def write(window: Window, steps: NDArray[np.uint8]) -> None:
            target.write(steps, window=window.to_rasterio())

        yield write
    _notes_beside(path).unlink(missing_ok=True)  # statistics that GDAL noted of an earlier file


def drop_scores(path: Path, *, kept: Sequence[Score] = ()) -> None:
    """Remove the scores of an earlier map, but for kinds that were written anew.

    Args:
        path: The map.
        kept: Kinds that stay.
    """
    for kind in set(get_args(Score)) - set(kept):
        file = score_path(path, kind)
        if file.exists() and _kind(file) == kind:  # else somebody's raster that happens to be called so
            file.unlink()
            _notes_beside(file).unlink(missing_ok=True)


def _notes_beside(path: Path) -> Path:
    """Where GDAL notes what it finds out about a raster."""
    return path.with_name(path.name + ".aux.xml")


def _kind(path: Path) -> str | None:
    """The kind of scores that a raster of ours says it holds."""
    try:
        with rasterio.open(path) as source:
            kind: str | None = source.tags().get("KIND")
    except RasterioError:
        return None
    return kind


def write_scores(
    path: Path,
    grid: Grid,
    classes: Classes,
    windows: Iterable[tuple[Window, NDArray[np.float32]]],
    *,
    kind: Score,
    tags: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a raster of scores from windows of probabilities; see `writing_scores`."""
    with writing_scores(path, grid, classes, kind=kind, tags=tags, overwrite=overwrite) as add:
        for window, probabilities in windows:
            add(window, probabilities)
    return path


def score(probabilities: NDArray[np.float32], kind: Score) -> NDArray[np.float32]:
    """Scores of pixels.

    Args:
        probabilities: (classes, height, width), NaN where there is no data.
        kind: Which; see `writing_scores`.

    Returns:
        (1, height, width), or (classes, height, width) of probabilities; within 0 to 1, NaN kept.
    """
    if kind == "probabilities":
        return probabilities
    highest: NDArray[np.float32] = probabilities.max(axis=0, keepdims=True)
    if kind == "confidence" or (kind == "margin" and len(probabilities) == 1):
        return highest
    if kind == "margin":
        second: NDArray[np.float32] = np.partition(probabilities, -2, axis=0)[-2:-1]
        return highest - second
    terms = probabilities * np.log(np.maximum(probabilities, np.float32(1e-30)))
    sums: NDArray[np.float32] = -terms.sum(axis=0, keepdims=True)
    return sums / np.float32(max(np.log(len(probabilities)), 1e-30))  # 0 for a single class, which is always sure


def score_bytes(probabilities: NDArray[np.float32], kind: Score) -> NDArray[np.uint8]:
    """Scores of pixels in steps of `SCALE`, 255 for NaN; see `score`."""
    steps = np.clip(np.round(score(probabilities, kind) / np.float32(SCALE)), 0, round(1 / SCALE))
    return np.where(np.isnan(steps), UNLABELLED, steps).astype(np.uint8)
