"""Answers: what comes back of a layer of questions, and several files of points as one."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geopointseg.labels.vector import list_layers
from geopointseg.words import counted

__all__ = ["ASIDE", "EXTENTS", "QUESTIONS", "answered", "is_asked", "is_open", "joined"]

QUESTIONS, EXTENTS = "questions", "extents"
"""Layers of a file of questions."""
ASIDE = ("rank", "suggested", "confidence", "why")
"""Columns of a question beside those of the user's points."""


def is_asked(path: Path) -> bool:
    """Whether a file holds questions."""
    return {QUESTIONS, EXTENTS} <= list_layers(path).keys()


def is_open(frame: gpd.GeoDataFrame, field: str) -> NDArray[np.bool_]:
    """(n,) which questions have no answer yet."""
    text = frame[field].astype("string").str.strip()
    empty: NDArray[np.bool_] = (text.isna() | (text == "")).to_numpy(bool)
    return empty


def answered(frame: gpd.GeoDataFrame, field: str, path: Path) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The questions that have an answer, without what was said beside them; and a remark on the others."""
    waiting = is_open(frame, field)
    beside = {name for own in ASIDE for name in (own, f"asked_{own}")} - {field}
    kept = frame[~waiting].drop(columns=[name for name in frame.columns if name in beside])
    if not waiting.any():
        return kept, []
    return kept, [f"{int(waiting.sum())} of {counted(len(frame), 'question')} in {path.name} not answered yet"]


def joined(frames: Sequence[gpd.GeoDataFrame], paths: Sequence[Path]) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Several layers as one, in the CRS of the first; the column `source_file` says where a feature is from.

    Args:
        frames: Their features; some layers may have none.
        paths: The file of each.

    Returns:
        All features, each with its index; remarks.
    """
    first, remarks, parts = frames[0].crs, [], []
    for frame, path in zip(frames, paths, strict=True):
        if not len(frame):
            continue
        if frame.crs != first:
            remarks.append(f"points of {path.name} reprojected to the CRS of {paths[0].name}")
            frame = frame.to_crs(first)
        geometry = frame.geometry.name
        frame = frame if geometry == "geometry" else frame.rename_geometry("geometry")
        held = [name for name in frame.columns if name == "geometry" or frame[name].notna().any()]
        frame = frame[held]  # pandas takes the type of a column without values for one that counts
        own = frame["source_file"].astype("string") if "source_file" in frame else pd.Series(pd.NA, frame.index)
        parts.append(frame.assign(source_file=own.fillna(path.name).astype("string")))
    if not parts:
        return frames[0], remarks
    columns = dict.fromkeys(name for frame in frames for name in frame.columns if name != frame.geometry.name)
    whole = gpd.GeoDataFrame(pd.concat(parts), crs=first)
    for name in columns:
        if name not in whole:  # a field without any value is kept all the same
            whole[name] = pd.array([None] * len(whole), "string")
    return whole, remarks
