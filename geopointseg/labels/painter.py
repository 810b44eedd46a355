"""Painters: what labels one window of a raster, by reach or, for comparison, at one scale."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.fill import Guess, Guesser
from geopointseg.labels.graph import seed_map
from geopointseg.labels.propagate import Clicks, Cut, Painted, Reach, Trial, cut, leave_out, paint
from geopointseg.labels.sheet import Sheet
from geopointseg.labels.spread import Labels, discs, single_pixels, spread, walk
from geopointseg.labels.superpixels import Method, fitted_scale, superpixels
from geopointseg.raster import valid

__all__ = ["Labelled", "Painter", "Spreading", "painter", "refuse_idle", "trials"]

SAMPLE = 1024  # pixels of the part of a raster that the scale of superpixels is fitted to

GROWN = ("adaptive", "hers")  # methods that merge pixels, edge by edge
Mode = Literal["fill", "reach", "superpixels", "conflict-free", "majority", "single-pixel", "radius", "random-walker"]


@dataclass(frozen=True, slots=True)
class Spreading:
    """How a click becomes more than a pixel."""

    spread: Mode = "fill"
    """What a click labels. reach: the largest region that its class can be trusted to fill, found out from the clicks
    themselves. fill: the same, and what no click reaches is guessed by how it looks, for a quarter of a click at most. All
    others are for comparison: its superpixel, unless it holds another class; a superpixel grown so that no other class
    gets into it; its superpixel by majority; its own pixel; a disc; or what a random walker reaches."""
    method: Method = "adaptive"
    """Superpixels, for superpixels, conflict-free (adaptive and hers only) and majority."""
    size: int = 400
    """Their mean area in pixels; for radius, that of the disc in pixels."""
    affinity: Path | None = None
    """Folder of affinity maps from 'geopointseg affinity', to grow regions by instead of colours."""
    guesses: Path | None = None
    """For fill, what guesses instead of looks: a map of the same classes, as 'geopointseg cluster --points' makes one, or a
    folder with one for each raster."""

    @property
    def reaches(self) -> bool:
        """Whether the clicks find out how far each class reaches."""
        return self.spread in ("fill", "reach")

    @property
    def cuts(self) -> bool:
        """Whether it cuts superpixels of one size."""
        return self.spread in ("superpixels", "conflict-free", "majority")


class Labelled(NamedTuple):
    """What became of a window."""

    painted: Painted
    lost: NDArray[np.int64] = np.zeros(0, np.int64)
    """Features lost because another class disputes what they would label."""
    superpixels: float = 0.0
    """Superpixels of one size that it was cut into; one that reaches beyond the window counts by its share."""
    cut: int = 0
    """Pixels in them."""
    guess: Guess | None = None
    """For what no click labels."""


Painter = Callable[[int, Window], Labelled]
"""Labels a window, given its number and place."""


def refuse_idle(spreading: Spreading) -> None:
    """Refuse options that would have no effect, and a map for guesses that is not there.

    Raises:
        GeoPointSegError: there is one.
    """
    default = Spreading()
    if spreading.method != default.method and not spreading.cuts:
        raise GeoPointSegError(
            "expected --method with --spread superpixels, conflict-free or majority, "
            f"got --spread {spreading.spread}: leave it out"
        )
    if spreading.spread == "conflict-free" and spreading.method not in GROWN:
        raise GeoPointSegError(
            f"expected --method adaptive or hers with --spread conflict-free, got {spreading.method}: "
            "the others know nothing of clicks"
        )
    if spreading.size != default.size and not (spreading.cuts or spreading.spread == "radius"):
        raise GeoPointSegError(
            "expected --size with --spread superpixels, conflict-free, majority or radius, "
            f"got --spread {spreading.spread}: leave it out"
        )
    if spreading.guesses is not None and spreading.spread != "fill":
        raise GeoPointSegError(f"expected --guesses with --spread fill, got --spread {spreading.spread}: leave it out")
    if spreading.guesses is not None and not spreading.guesses.exists():
        raise GeoPointSegError(f"expected a map or a folder of maps, got no {spreading.guesses}: change --guesses")
    grown = spreading.reaches or (spreading.cuts and spreading.method in GROWN)
    if spreading.affinity is not None and not grown:
        raise GeoPointSegError(
            "expected --affinity with --spread fill or reach, or --method adaptive or hers: leave it out"
        )


def trials(sheet: Sheet, kept: Path) -> Iterator[Trial]:
    """Cut every window that holds clicks, keep what was cut in a folder, and leave each click out in turn."""
    kept.mkdir(exist_ok=True)
    for number, window in enumerate(sheet.progress(sheet.windows(), "superpixels")):
        seen = sheet.seen(window)
        clicks = sheet.clicks.within(seen)
        if len(clicks.rows):
            found = cut(sheet.image(seen), clicks, affinity=sheet.affinity(seen))
            np.savez_compressed(_cut_of(kept, number), regions=found.regions)
            rows, cols = clicks.rows + seen.row - window.row, clicks.cols + seen.col - window.col
            counted = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
            yield leave_out(found, clicks, len(sheet.classes), counted)


def _cut_of(kept: Path, number: int) -> Path:
    """Where the cut of a window lies."""
    return kept / f"{number}-cut.npz"


def painter(sheet: Sheet, spreading: Spreading, reach: Reach | None, guesser: Guesser | None, kept: Path) -> Painter:
    """What labels the windows of a sheet.

    Args:
        sheet: The raster and its features.
        spreading: How a click becomes more than a pixel.
        reach: For fill and reach, how far every class reaches; None without any clicks.
        guesser: For fill, what guesses the rest; None where too little is known.
        kept: For both, the folder that `trials` has kept its in.
    """
    if spreading.reaches:
        return partial(_by_reach, sheet, reach, guesser, kept)
    scale = None
    if spreading.cuts and spreading.method in ("adaptive", "felzenszwalb"):
        sample = _sample(sheet)  # once, not window by window
        scale = fitted_scale(sheet.image(sample), spreading.size, sheet.affinity(sample))
    return partial(_at_one_scale, sheet, spreading, scale)


def _sample(sheet: Sheet) -> Window:
    """A part of a raster that has data: around its first click."""
    row, col = (int(place[0]) if len(place) else 0 for place in sheet.clicks[:2])
    height, width = sheet.raster.grid.shape
    top, left = (min(max(0, at - SAMPLE // 2), max(0, n - SAMPLE)) for at, n in ((row, height), (col, width)))
    return Window(top, left, SAMPLE, SAMPLE).within(height, width)


def _by_reach(
    sheet: Sheet, reach: Reach | None, guesser: Guesser | None, kept: Path, number: int, window: Window
) -> Labelled:
    """Label the regions that clicks reach, and guess the rest."""
    file, seen = _cut_of(kept, number), sheet.seen(window)
    painted = _blank(window)
    if reach is not None and file.exists():
        clicks = sheet.clicks.within(seen)
        with np.load(file) as one:
            regions = one["regions"]
        found = Cut(regions, regions[:, clicks.rows, clicks.cols].astype(np.int64))
        painted = _core(paint(found, sheet.image(seen), clicks, reach), seen, window)
    guessed = guesser(number, seen) if guesser else None
    if guessed is None:
        return Labelled(painted)
    labels, weights = guessed
    part = _part(seen, window)
    return Labelled(painted, guess=Guess(labels[part], weights[part]))


def _at_one_scale(sheet: Sheet, spreading: Spreading, scale: float | None, _: int, window: Window) -> Labelled:
    """Label superpixels, or what else the mode asks for."""
    seen = sheet.seen(window)
    clicks = sheet.clicks.within(seen)
    if not len(clicks.rows):
        return Labelled(_blank(window))
    image, count, pixels = sheet.image(seen), 0.0, 0
    if spreading.cuts:
        seeds = None
        if spreading.spread == "conflict-free":
            seeds = seed_map(image.shape[1:], clicks.rows, clicks.cols, clicks.class_ids)
        regions = superpixels(
            image,
            method=spreading.method,
            size=spreading.size,
            affinity=sheet.affinity(seen),
            scale=scale,
            seeds=seeds,
        )
        conflict: Literal["majority", "unlabelled"] = "majority" if spreading.spread == "majority" else "unlabelled"
        labels, weights, lost = spread(regions, *clicks[:4], conflict=conflict)
        count, pixels = _counted(regions, _part(seen, window))
    else:
        labels, weights, lost = _without_superpixels(image, clicks, spreading)
        regions = _patches(labels)
    regions = np.where(labels == UNLABELLED, 0, regions)
    of_click = regions[clicks.rows, clicks.cols]
    held = np.unique(np.stack([of_click, clicks.feature])[:, of_click > 0], axis=1)
    painted = Painted(labels, weights, (weights > 0).astype(np.float32), regions, held)
    return Labelled(_core(painted, seen, window), clicks.feature[lost], count, pixels)


def _without_superpixels(image: NDArray[np.float32], clicks: Clicks, spreading: Spreading) -> Labels:
    """Label pixels, discs, or what a random walker reaches."""
    if spreading.spread == "single-pixel":
        return single_pixels(valid(image), *clicks[:4])
    if spreading.spread == "radius":
        return discs(valid(image), *clicks[:4], radius=float(np.sqrt(spreading.size / np.pi)))
    return walk(image, *clicks[:4])


def _patches(labels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(height, width) 1…n for connected patches of one class, 0 where there is none."""
    patches: NDArray[np.int32] = label(labels.astype(np.int32), background=UNLABELLED, connectivity=2).astype(np.int32)
    return patches


def _counted(regions: NDArray[np.int32], part: tuple[slice, slice]) -> tuple[float, int]:
    """Superpixels in a part of an image, those that reach beyond it by their share, and their pixels in it."""
    area = np.bincount(regions.ravel())
    here = np.bincount(regions[part].ravel(), minlength=len(area))
    return float((here[1:] / area[1:]).sum()), int(here[1:].sum())


def _core(painted: Painted, seen: Window, window: Window) -> Painted:
    """The part of what was seen that lies in the window."""
    part = _part(seen, window)
    labels, weights, purity, regions, held = painted
    return Painted(labels[part].copy(), weights[part].copy(), purity[part].copy(), regions[part].copy(), held)


def _part(seen: Window, window: Window) -> tuple[slice, slice]:
    """Where the window lies in what was seen."""
    top, left = window.row - seen.row, window.col - seen.col
    return slice(top, top + window.height), slice(left, left + window.width)


def _blank(window: Window) -> Painted:
    """A window in which nothing is labelled."""
    zeros, nobody = np.zeros(window[2:], np.float32), np.zeros((2, 0), np.int64)
    return Painted(
        np.full(window[2:], UNLABELLED, np.uint8), zeros, zeros.copy(), np.zeros(window[2:], np.int32), nobody
    )
