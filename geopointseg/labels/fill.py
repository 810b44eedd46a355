"""Filling: what no click reaches is guessed, and counts for a fraction of a click.

A network that sees no more than what clicks reach sees little of the classes that cannot reach far, and none of how they lie in
what is around them. So a random forest learns the clicks' superpixels by colour, texture and how alike they are to clicks of
their raster, and guesses all others; or a map that is there already says what they are. What is sure says something; where
clicks speak, guesses are silent.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.looks import LEAF, distances, grow, superpixel_looks
from geopointseg.labels.sheet import Sheet
from geopointseg.labels.superpixels import superpixels
from geopointseg.raster import Raster, open_raster, raster_classes, read, read_labels, valid

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

__all__ = [
    "SHARE",
    "Features",
    "Guess",
    "Guesser",
    "Knowledge",
    "Seen",
    "around",
    "by_looks",
    "by_map",
    "features_of",
    "guess",
    "lack",
    "learn",
    "looks",
    "looks_of",
    "together",
]

SHARE = 0.25  # of a click: what a superpixel counts that the forest is sure of
SIZE = 400  # pixels of a superpixel


class Guess(NamedTuple):
    """What a window looks like."""

    labels: NDArray[np.uint8]
    """(height, width) class ids, 255 where nothing can be said."""
    weights: NDArray[np.float32]
    """(height, width) how much each pixel counts."""


Guesser = Callable[[int, Window], Guess | None]
"""Guesses a window, given its number and what is seen of it; None where it cannot."""


class Seen(NamedTuple):
    """What the clicks of a raster look like."""

    looks: NDArray[np.float32]
    """(clicks, features) of their superpixels."""
    class_ids: NDArray[np.int64]
    """(clicks,)."""


Features = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""What a forest learns of the superpixels of a raster, from how they look."""


class Knowledge(NamedTuple):
    """What the clicks of all rasters say of how classes look."""

    forest: "RandomForestClassifier"
    deviation: NDArray[np.float32]
    """(features,) how much looks differ from click to click."""
    classes: int


def looks(sheet: Sheet, kept: Path) -> Seen:
    """Cut every window that holds clicks into superpixels, keep how they look in a folder, and tell of those with clicks."""
    kept.mkdir(exist_ok=True)
    parts = []
    for number, window in enumerate(sheet.progress(sheet.windows(), "looks")):
        seen = sheet.seen(window)
        clicks = sheet.clicks.within(window)
        if not len(clicks.rows):
            continue
        regions = superpixels(sheet.image(seen), method="slic", size=SIZE)
        found = superpixel_looks(read(sheet.raster, seen), regions)
        np.savez_compressed(looks_of(kept, number), regions=regions, looks=found)
        of_click = regions[clicks.rows + window.row - seen.row, clicks.cols + window.col - seen.col]
        of_click, class_ids = np.unique(np.stack([of_click, clicks.class_ids])[:, of_click > 0], axis=1)
        parts.append(Seen(found[of_click], class_ids))
    return together(parts)


def together(parts: Sequence[Seen]) -> Seen:
    """All clicks of some windows or rasters."""
    nobody = Seen(np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    return Seen(*map(np.concatenate, zip(*parts, strict=True))) if parts else nobody


def looks_of(kept: Path, number: int) -> Path:
    """Where the looks of a window lie."""
    return kept / f"{number}-looks.npz"


def lack(seen: Sequence[Seen], by_area: NDArray[np.int64], names: Sequence[str]) -> str:
    """Why nothing can be guessed; empty where it can.

    Args:
        seen: What clicks look like, on all rasters.
        by_area: Class ids of areas, which teach no forest: one that has seen a class nowhere else would take all its ground
            for something else.
        names: Of the classes.
    """
    known = np.concatenate([np.zeros(0, np.int64), *(part.class_ids for part in seen)])
    classes = len(np.unique(known))
    if classes < 2 or len(known) < 2 * LEAF:
        return f"that takes clicks of 2 classes in {2 * LEAF} superpixels, got {classes} in {len(known)}"
    strange = [names[i] for i in np.setdiff1d(by_area, known).tolist()]
    return f"no click tells what this looks like: {', '.join(strange)}" if strange else ""


def learn(seen: Sequence[Seen], classes: int) -> Knowledge:
    """A forest from the clicks of all rasters."""
    seen = [part for part in seen if len(part.class_ids)]
    everything = together(seen)
    deviation = np.maximum(everything.looks.std(axis=0), np.float32(1e-6))
    features = [features_of(part, deviation, classes)(part.looks) for part in seen]
    return Knowledge(grow(np.vstack(features), everything.class_ids), deviation, classes)


def features_of(clicks: Seen, deviation: NDArray[np.float32], classes: int) -> Features:
    """How superpixels look, and how alike that is to the raster's clicks of each class."""
    own = clicks.looks.reshape(-1, len(deviation))  # a raster without clicks has no features either
    near = distances(own / deviation, clicks.class_ids, classes)
    return lambda of_regions: np.hstack([of_regions, near(of_regions / deviation)])


def guess(forest: "RandomForestClassifier", features: Features, kept: Path) -> Guess:
    """The class that the forest takes each superpixel of a window for, half by itself and half by its neighbours.

    A superpixel's weights sum to `SHARE` times the square of how sure that is: 0 where all classes are as probable as each
    other, 1 where one is certain.

    Args:
        forest: Of the clicks.
        features: Of the raster.
        kept: How the window's superpixels look, as `looks` has kept it.
    """
    with np.load(kept) as found:
        regions, of_regions = found["regions"], found["looks"]
    alone = forest.predict_proba(features(of_regions))
    probable = (alone + around(regions, alone)) / 2
    classes = probable.shape[1]
    sure = (probable.max(axis=1) * classes - 1) / (classes - 1)
    area = np.maximum(np.bincount(regions.ravel(), minlength=len(of_regions)), 1)
    labels = np.where(sure > 0, forest.classes_[probable.argmax(axis=1)], UNLABELLED).astype(np.uint8)
    weights = (SHARE * sure**2 / area).astype(np.float32)
    labels[0], weights[0] = UNLABELLED, 0  # outside
    return Guess(labels[regions], weights[regions])


def around(regions: NDArray[np.int32], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(regions + 1, features) mean of what touches each region, by how long they touch; its own where nothing does."""
    count = len(values)
    first = np.concatenate([regions[:, :-1].ravel(), regions[:-1].ravel()])
    second = np.concatenate([regions[:, 1:].ravel(), regions[1:].ravel()])
    apart = (first != second) & (first > 0) & (second > 0)
    border = coo_array((np.ones(apart.sum()), (first[apart], second[apart])), shape=(count, count)).tocsr()
    border = border + border.T
    length = border.sum(axis=1)[:, None]
    return np.where(length > 0, border @ values / np.maximum(length, 1), values)


def by_looks(known: Knowledge, clicks: Seen, kept: Path) -> Guesser:
    """Guess by how superpixels look, where `looks` has kept it."""
    features = features_of(clicks, known.deviation, known.classes)

    def ask(number: int, _: Window) -> Guess | None:
        file = looks_of(kept, number)
        return guess(known.forest, features, file) if file.exists() else None

    return ask


def by_map(path: Path, raster: Raster, classes: Classes) -> Guesser:
    """Guess what a map says: every pixel counts as one of a superpixel that a forest is sure of.

    Args:
        path: A map of classes, or the folder of one named as the raster, or so with _classes behind.
        raster: That is guessed.
        classes: Of the clicks; the map's are found among them by name.

    Raises:
        GeoPointSegError: the map is not there, not on the raster's grid, or of other classes.
    """
    stem = raster.path.stem
    named = path / f"{stem}_classes.tif", path / f"{stem}.tif"
    file = next((each for each in named if each.exists()), None) if path.is_dir() else path
    if file is None:
        raise GeoPointSegError(f"expected {named[0].name} or {named[1].name} in {path}, got neither: change --guesses")
    if not open_raster(file).grid.matches(raster.grid):
        raise GeoPointSegError(
            f"expected a map on the grid of {raster.path}, got {file}: make it from that raster, for example with "
            "'geopointseg cluster --points', or warp it with gdalwarp; for several rasters name the folder of their maps"
        )
    found = raster_classes(file).names
    if strange := [name for name in found if name not in classes.names]:
        raise GeoPointSegError(
            f"expected a map of the classes {', '.join(classes.names)}, got {', '.join(strange)} in {file}: take a map of "
            "these, such as the …_classes.tif of 'geopointseg cluster --points'"
        )
    ids = np.full(256, UNLABELLED, np.uint8)
    ids[: len(found)] = [classes.names.index(name) for name in found]

    def ask(_: int, window: Window) -> Guess:
        labels = np.where(valid(read(raster, window)), ids[read_labels(file, window)], np.uint8(UNLABELLED))
        return Guess(labels, np.where(labels == UNLABELLED, 0, SHARE / SIZE).astype(np.float32))

    return ask
