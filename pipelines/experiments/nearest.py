"""The nearest clicks: what can be had without any model.

`nearest` gives every pixel the class that most of the clicks that look most like it have, by colour and texture; `nearest-place`
the class of the click that lies nearest on the ground, which only makes sense where clicks and judged pixels share a place.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from pipelines.experiments.clicks import read_whole
from pipelines.experiments.forests import by_image, click_sites, looks

__all__ = ["nearest_clicks", "nearest_place"]

Maps = list[NDArray[np.uint8]]
NEIGHBOURS = 5


def nearest_clicks(images: Sequence[Path], points: Path, tests: Sequence[Path], judged: Sequence[Path]) -> Maps:
    """The majority of the five clicks that are nearest by standardised colour and texture; ties go to the lowest id.

    Args:
        images: That the clicks lie on.
        points: Checked points on them.
        tests: To classify.
        judged: Truth of `tests`, class ids; only pixels with known truth are classified.

    Returns:
        (height, width) class ids of every test image, 255 where truth is unknown.
    """
    clicks = click_sites(images, points)
    drawn = np.hstack([looks(image)[:, row, col] for image, row, col in by_image(images, clicks)]).T
    middle, spread = drawn.mean(axis=0), np.maximum(drawn.std(axis=0), 1e-6)
    tree = KDTree((drawn - middle) / spread)
    maps = []
    for image, path in zip(tests, judged, strict=True):
        known = read_whole(path) != UNLABELLED
        asked = (looks(image)[:, known].T - middle) / spread
        _, found = tree.query(asked, min(NEIGHBOURS, len(drawn)))
        maps.append(_painted(known, majority(clicks.class_id[found.reshape(len(asked), -1)])))
    return maps


def nearest_place(images: Sequence[Path], points: Path, tests: Sequence[Path], judged: Sequence[Path]) -> Maps:
    """The class of the click that is nearest on the ground; see `nearest_clicks`.

    Raises:
        GeoPointSegError: a test image holds no click.
    """
    clicks = click_sites(images, points)
    maps = []
    for image, path in zip(tests, judged, strict=True):
        here = clicks.raster == images.index(image) if image in images else np.zeros(len(clicks), bool)
        if not here.any():
            raise GeoPointSegError(
                f"expected clicks on {image.name} for nearest-place, got none: use it with the setting same-place"
            )
        known = read_whole(path) != UNLABELLED
        tree = KDTree(np.stack([clicks.row[here], clicks.col[here]], axis=1))
        _, found = tree.query(np.argwhere(known))
        maps.append(_painted(known, clicks.class_id[here][found]))
    return maps


def majority(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows,) the most frequent id in each row of (rows, neighbours); ties go to the lowest."""
    size = int(classes.max(initial=0)) + 1
    rows = np.arange(len(classes))[:, None]
    votes = np.bincount((rows * size + classes).ravel(), minlength=len(classes) * size)
    winner: NDArray[np.int64] = votes.reshape(-1, size).argmax(axis=1)
    return winner


def _painted(known: NDArray[np.bool_], classes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(height, width) class ids of the known pixels, 255 elsewhere."""
    found = np.full(known.shape, UNLABELLED, np.uint8)
    found[known] = classes
    return found
