"""Boundary scores: does the map draw the borders of its classes where the truth has them, within some metres?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window

__all__ = ["Boundaries", "count_boundaries", "halo_of", "metres_of"]

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Boundary pixels of every class, and how many have one of the other side near; counts of windows add up."""

    metres: float
    """How near."""
    counts: Counts
    """(classes, 4): of the map, of those near the truth's; of the truth, of those near the map's."""

    def figures(self, classes: Classes) -> dict[str, Any]:
        """Scores as plain values: F, precision and recall by class, and the mean F of the classes that have borders."""
        per_class = {}
        for name, (found, right, true, met) in zip(classes.names, self.counts.tolist(), strict=True):
            per_class[name] = {
                "f": _f(found, right, true, met),
                "precision": right / found if found else None,
                "recall": met / true if true else None,
            }
        present = [one["f"] for one in per_class.values() if one["f"] is not None]
        return {
            "metres": self.metres,
            "mean_f": float(np.mean(present)) if present else None,
            "per_class": per_class,
        }


def count_boundaries(
    truth: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    core: Window,
    *,
    classes: int,
    metres: float,
    ground: tuple[float, float],
) -> Counts:
    """Count boundary pixels in the core of a window.

    A pixel is on the boundary of its class if one of its four neighbours has another class. Pixels that are unlabelled in
    truth or map are in neither, and make no boundary. Distances are between centres of pixels, along the ground.

    Args:
        truth: (height, width) ids with 255, seen with a halo of `halo_of(…)` pixels.
        prediction: Likewise.
        core: Which pixels of them to count: row and column within the arrays.
        classes: How many classes there are.
        metres: How near a boundary counts as the same.
        ground: (height, width) of a pixel in metres.

    Returns:
        (classes, 4), see `Boundaries`.
    """
    both = (truth < classes) & (prediction < classes)
    edges = [_edges(np.where(both, ids, UNLABELLED)) for ids in (truth, prediction)]
    own = np.zeros(truth.shape, bool)
    own[core.row : core.row + core.height, core.col : core.col + core.width] = True
    counts = np.zeros((classes, 4), np.int64)
    for number in np.unique(np.concatenate([ids[edge] for ids, edge in zip((truth, prediction), edges, strict=True)])):
        true, found = ((ids == number) & edge for ids, edge in zip((truth, prediction), edges, strict=True))
        counts[number] = *_near(found & own, true, metres, ground), *_near(true & own, found, metres, ground)
    return counts


def halo_of(metres: float, ground: tuple[float, float]) -> int:
    """How many pixels around a window decide about the boundaries in it."""
    return int(np.ceil(metres / min(ground))) + 1


def metres_of(text: str, ground: tuple[float, float], path: Path) -> float:
    """A distance such as 10m or 2px in metres.

    Raises:
        GeoPointSegError: it is no such distance, or less than a pixel.
    """
    number, unit = (text[:-2], "px") if text.endswith("px") else (text.removesuffix("m"), "m")
    try:
        value = float(number) * (max(ground) if unit == "px" else 1.0)
    except ValueError as error:
        raise GeoPointSegError(f"expected a distance such as 10m or 2px as --boundary, got {text}") from error
    if not 0 <= value < 1000 * max(ground):
        raise GeoPointSegError(
            f"expected a distance of 0 to 1000 pixels as --boundary, got {text} for pixels of {max(ground):g} m in {path}"
        )
    return value


def _edges(ids: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(height, width) true where a neighbour has another class."""
    edge = np.zeros(ids.shape, bool)
    for first, second in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differ = (ids[first] != ids[second]) & (ids[first] != UNLABELLED) & (ids[second] != UNLABELLED)
        edge[first] |= differ
        edge[second] |= differ
    return edge


def _near(
    these: NDArray[np.bool_], those: NDArray[np.bool_], metres: float, ground: tuple[float, float]
) -> tuple[int, int]:
    """How many pixels there are, and how many of them have one of those within the distance."""
    count = int(these.sum())
    if not count or not those.any():
        return count, 0
    distance = distance_transform_edt(~those, sampling=ground)
    return count, int((distance[these] <= metres * (1 + 1e-9)).sum())  # a distance of pixels is not exact in metres


def _f(found: int, right: int, true: int, met: int) -> float | None:
    """Harmonic mean of precision and recall; 0 where only one side has a boundary, None where neither has."""
    if not found and not true:
        return None
    precision, recall = (right / found if found else 0.0), (met / true if true else 0.0)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
