"""Filling: what no click reaches is guessed, and counts for a fraction of a click.

A network that sees no more than what clicks reach sees little of the classes that cannot reach far, and none of how they lie in
what is around them. So a random forest learns the clicks' superpixels by colour and texture, and guesses all others; or a map
that is there already says what they are. What is sure says something; where clicks speak, guesses are silent.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.looks import LEAF, grow, superpixel_looks
from geopointseg.labels.sheet import Sheet
from geopointseg.labels.superpixels import superpixels
from geopointseg.raster import Raster, open_raster, raster_classes, read, read_labels, valid

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

__all__ = ["SHARE", "Guess", "Guesser", "Seen", "by_looks", "by_map", "guess", "lack", "learn", "looks", "looks_of"]

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
    """What clicks look like."""

    looks: NDArray[np.float32]
    """(clicks, features)."""
    class_ids: NDArray[np.int64]
    """(clicks,)."""


def looks(sheet: Sheet, kept: Path) -> Iterator[Seen]:
    """Cut every window that holds clicks into superpixels, keep how they look in a folder, and tell of those with clicks."""
    kept.mkdir(exist_ok=True)
    for number, window in enumerate(sheet.progress(sheet.windows(), "looks")):
        seen = sheet.seen(window)
        clicks = sheet.clicks.within(window)
        if not len(clicks.rows):
            continue
        regions = superpixels(sheet.image(seen), method="slic", size=SIZE)
        found = superpixel_looks(read(sheet.raster, seen), regions)
        np.savez_compressed(looks_of(kept, number), regions=regions, looks=found)
        of_click = regions[clicks.rows + window.row - seen.row, clicks.cols + window.col - seen.col]
        pairs = np.unique(np.stack([of_click, clicks.class_ids])[:, of_click > 0], axis=1)
        yield Seen(found[pairs[0]], pairs[1])


def looks_of(kept: Path, number: int) -> Path:
    """Where the looks of a window lie."""
    return kept / f"{number}-looks.npz"


def lack(seen: Sequence[Seen], by_area: NDArray[np.int64], names: Sequence[str]) -> str:
    """Why nothing can be guessed; empty where it can.

    Args:
        seen: What clicks look like, in all windows.
        by_area: Class ids of areas, which teach no forest: one that has seen a class nowhere else would take all its ground
            for something else.
        names: Of the classes.
    """
    known = _class_ids(seen)
    classes = len(np.unique(known))
    if classes < 2 or len(known) < 2 * LEAF:
        return f"that takes clicks of 2 classes in {2 * LEAF} superpixels, got {classes} in {len(known)}"
    strange = [names[i] for i in np.setdiff1d(by_area, known).tolist()]
    return f"no click tells what this looks like: {', '.join(strange)}" if strange else ""


def learn(seen: Sequence[Seen]) -> "RandomForestClassifier":
    """A forest from the clicks of all windows."""
    return grow(np.vstack([part.looks for part in seen]), _class_ids(seen))


def _class_ids(seen: Sequence[Seen]) -> NDArray[np.int64]:
    """Classes of the clicks of all windows."""
    return np.concatenate([np.zeros(0, np.int64), *(part.class_ids for part in seen)])


def guess(forest: "RandomForestClassifier", kept: Path) -> Guess:
    """The class that the forest takes each superpixel of a window for.

    A superpixel's weights sum to `SHARE` times the square of how sure the forest is: 0 where all classes are as probable as
    each other, 1 where one is certain.

    Args:
        forest: Of the clicks.
        kept: How the window's superpixels look, as `looks` has kept it.
    """
    with np.load(kept) as found:
        regions, of_regions = found["regions"], found["looks"]
    probable = forest.predict_proba(of_regions)
    classes = len(forest.classes_)
    sure = (probable.max(axis=1) * classes - 1) / (classes - 1)
    area = np.maximum(np.bincount(regions.ravel(), minlength=len(of_regions)), 1)
    labels = np.where(sure > 0, forest.classes_[probable.argmax(axis=1)], UNLABELLED).astype(np.uint8)
    weights = (SHARE * sure**2 / area).astype(np.float32)
    labels[0], weights[0] = UNLABELLED, 0  # outside
    return Guess(labels[regions], weights[regions])


def by_looks(forest: "RandomForestClassifier", kept: Path) -> Guesser:
    """Guess by how superpixels look, where `looks` has kept it."""

    def ask(number: int, _: Window) -> Guess | None:
        file = looks_of(kept, number)
        return guess(forest, file) if file.exists() else None

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
