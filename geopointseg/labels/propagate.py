"""Propagation: how far a click's class reaches, found out from the clicks themselves.

Every image is cut at several scales. At each scale a region labels itself if all clicks in it are of one class. Coarser
regions label more, and less surely; how surely, the clicks tell: each is left out in turn, and the class that the others
give its region is compared with its own. So every class gets a coarsest scale of its own: clicks on open water label
whole lakes, clicks on a road little more than the road, and nobody tunes a scale. Where a coarse region is disputed,
the finer ones within it still hold.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.grid import Window
from geopointseg.labels.adaptive import least_area, merge
from geopointseg.labels.edges import Affinity, edge_weights
from geopointseg.raster import valid

__all__ = [
    "SCALES",
    "Clicks",
    "Cut",
    "Painted",
    "Reach",
    "Trial",
    "cut",
    "find_reach",
    "hold",
    "leave_out",
    "paint",
    "superpixels_at",
]

Integers = NDArray[np.int64]

SCALES = (3, 6, 12, 25, 50, 100, 200, 400, 800, 1600)
"""Of adaptive merging, finest first; each about doubles the area of regions."""
TRUST = 2 / 3  # least share of left-out clicks that must agree with what a scale adds to the finer ones
EVIDENCE = 4  # clicks that must have been left out within what a scale adds, beyond the scale `SAFE`
SAFE = 25
MIDDLE = 100  # scale at which the ground of a class is compared with the number of its clicks
PRIOR = 2.0  # agreeing clicks added to every count: the finest regions rarely hold two


class Clicks(NamedTuple):
    """Pixels that somebody gave a class, in an image: a click each, or one of many of a scribble."""

    rows: Integers
    cols: Integers
    class_ids: Integers
    shares: NDArray[np.float64]
    """How much each counts: 1 for a click; those of a scribble sum to 1."""
    feature: Integers
    """Which click or scribble it is of."""

    def within(self, window: Window) -> "Clicks":
        """Those in a window, seen from its corner."""
        rows, cols = self.rows - window.row, self.cols - window.col
        here = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
        return Clicks(rows[here], cols[here], self.class_ids[here], self.shares[here], self.feature[here])


class Cut(NamedTuple):
    """What matters of an image's regions: those that hold clicks, scale by scale."""

    regions: NDArray[np.int32]
    """(scales, height, width): 1…n for regions that hold clicks, 0 elsewhere."""
    of_click: Integers
    """(scales, clicks) the region of each click, 0 where there is no data."""


class Trial(NamedTuple):
    """What leaving out each click (or scribble) of a window in turn has shown."""

    class_ids: Integers
    """(clicks,) their own class."""
    given: Integers
    """(scales, clicks) the class that the others give their region; 255 for none, or for several."""
    area: Integers
    """(scales, classes) pixels that the clicks label."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far every class reaches."""

    allowed: NDArray[np.bool_]
    """(scales, classes) whether clicks of the class label regions of the scale."""
    purity: NDArray[np.float64]
    """(scales, classes) estimated share that is right of what the scale adds to the finer ones."""
    evidence: Integers
    """(scales, classes) left-out clicks that the estimate rests on."""

    def records(self, names: Sequence[str], scales: Sequence[int] = SCALES) -> tuple[dict[str, Any], ...]:
        """For every class its coarsest scale (0: the clicked pixels only), the purity of what that adds (None: not known), and on what evidence."""
        return tuple(
            {
                "class": name,
                "scale": scales[levels - 1] if levels else 0,
                "purity": round(float(self.purity[levels - 1, i]), 3) if self.evidence[:levels, i].any() else None,
                "left_out_clicks": int(self.evidence[:levels, i].sum()),
            }
            for i, (name, levels) in enumerate(zip(names, self.allowed.sum(axis=0).tolist(), strict=True))
        )


class Painted(NamedTuple):
    """What clicks label in an image."""

    labels: NDArray[np.uint8]
    """(height, width) class ids, 255 elsewhere."""
    weights: NDArray[np.float32]
    """(height, width) how much each pixel counts."""
    purity: NDArray[np.float32]
    """(height, width) estimated probability that the label is right."""
    regions: NDArray[np.int32]
    """(height, width) 1…n for the labelled regions, 0 elsewhere."""
    held: Integers
    """(2, pairs) regions, and the features whose clicks label them."""


def cut(
    image: NDArray[np.float32],
    clicks: Clicks,
    *,
    affinity: Affinity = "colour",
    scales: Sequence[int] = SCALES,
    threads: int = 1,
) -> Cut:
    """Cut an image at every scale, and keep the regions that hold clicks.

    Args:
        image: (bands, height, width) float32, each band within about 0 to 1, NaN where there is no data.
        clicks: On it.
        affinity: What makes neighbours alike.
        scales: Of adaptive merging, finest first.
        threads: Threads to work on; the result is the same.
    """
    return hold(superpixels_at(image, affinity=affinity, scales=scales, threads=threads), clicks)


def superpixels_at(
    image: NDArray[np.float32],
    *,
    affinity: Affinity = "colour",
    scales: Sequence[int] = SCALES,
    threads: int = 1,
) -> Iterator[NDArray[np.int32]]:
    """The image's regions, (height, width) int32 with 0 where there is no data, at one scale after the other."""
    weights, inside = edge_weights(image, affinity=affinity, threads=threads), valid(image)
    for scale in scales:
        yield merge(weights, inside, scale=scale / 255, minimum=least_area(scale), threads=threads)


def hold(labels: Iterable[NDArray[np.int32]], clicks: Clicks) -> Cut:
    """Of the regions at every scale, those that hold clicks."""
    found = []
    for regions in labels:
        held = np.union1d(regions[clicks.rows, clicks.cols], [0])
        number = np.zeros(int(regions.max(initial=0)) + 1, np.int32)
        number[held] = np.arange(len(held))
        found.append(number[regions])
    kept = np.stack(found)
    return Cut(kept, kept[:, clicks.rows, clicks.cols].astype(np.int64))


def leave_out(found: Cut, clicks: Clicks, classes: int, counted: NDArray[np.bool_]) -> Trial:
    """Leave each click out in turn, and with it the others of its scribble.

    Args:
        found: Regions that hold clicks.
        clicks: The clicks.
        classes: How many there are.
        counted: (clicks,) those to be tested; the others, of the halo, only bear witness.
    """
    given = np.empty_like(found.of_click)
    area = np.zeros((len(given), classes), np.int64)
    for i, (regions, of_click) in enumerate(zip(*found, strict=True)):
        votes = _votes(of_click, clicks.class_ids, classes)
        pixels = np.bincount(regions.ravel(), minlength=len(votes))
        alone = _single(votes)
        np.add.at(area[i], alone[alone < classes], pixels[alone < classes])
        _, same, own = np.unique(np.stack([of_click, clicks.feature]), axis=1, return_inverse=True, return_counts=True)
        others = votes[of_click]
        others[np.arange(len(of_click)), clicks.class_ids] -= np.where(of_click > 0, own[same.ravel()], 0)
        given[i] = _single(others)
    return Trial(clicks.class_ids[counted], given[:, counted], area)


def find_reach(trials: Iterable[Trial], *, scales: Sequence[int] = SCALES, trust: float = TRUST) -> Reach:
    """How far every class may reach, from the trials of all windows.

    From the finest scale on: of the left-out clicks that nothing finer labels, those that the scale would label rightly
    are compared with all that it would label. Clicks stand for areas: a class that covers much and was clicked little
    weighs more. A class stops where the share falls below `trust`, or, beyond `SAFE`, where too few clicks tell.

    Args:
        trials: Of all windows of all rasters.
        scales: Those that the images were cut at.
        trust: Share of left-out clicks that must agree.
    """
    trials = list(trials)
    class_ids = np.concatenate([trial.class_ids for trial in trials])
    given = np.hstack([trial.given for trial in trials])
    area = np.sum([trial.area for trial in trials], axis=0)
    classes = area.shape[1]
    middle = area[min(range(len(scales)), key=lambda i: abs(scales[i] - MIDDLE))]
    weight = np.maximum(middle, 1) / np.maximum(np.bincount(class_ids, minlength=classes), 1)

    allowed, purity, evidence = np.zeros(area.shape, bool), np.zeros(area.shape), np.zeros(area.shape, np.int64)
    reaching, label = np.ones(classes, bool), np.full(len(class_ids), UNLABELLED)
    for i, scale in enumerate(scales):
        fresh = (given[i] != UNLABELLED) & (label == UNLABELLED)
        right = fresh & (given[i] == class_ids)
        evidence[i] = np.bincount(given[i][fresh], minlength=classes)
        total = np.bincount(given[i][fresh], weight[class_ids[fresh]], minlength=classes)
        good = np.bincount(given[i][right], weight[class_ids[right]], minlength=classes)
        purity[i] = (good + PRIOR * weight) / (total + PRIOR * weight)
        reaching = reaching & (purity[i] >= trust) & ((scale <= SAFE) | (evidence[i] >= EVIDENCE))
        allowed[i] = reaching
        taken = given[i] != UNLABELLED
        taken[taken] = reaching[given[i][taken]]
        label[taken] = given[i][taken]
    return Reach(allowed, purity, evidence)


def paint(found: Cut, image: NDArray[np.float32], clicks: Clicks, reach: Reach) -> Painted:
    """Label the regions that clicks reach, and say how much each pixel counts.

    Every click labels the largest region around it that its class reaches; nothing else stays labelled. A pixel's weight is
    the share of its region's clicks, over the pixels they label, times the estimated purity of the finest region that
    reaches it; so no click counts for more than its share. The clicked pixels are always labelled, and certain. (To weigh
    pixels by how like their click they look cost the network a sixth of its mIoU on korea_sentinel2: it then never sees how
    a class varies.)
    """
    shape = found.regions.shape[1:]
    labels, number = np.full(shape, UNLABELLED, np.uint8), np.zeros(shape, np.int32)
    purity, used = np.zeros(shape, np.float32), 0
    for i, (regions, of_click) in enumerate(zip(*found, strict=True)):
        votes = _votes(of_click, clicks.class_ids, reach.allowed.shape[1])
        label = _single(votes)
        class_of = np.where(label == UNLABELLED, 0, label)
        here = ((label != UNLABELLED) & reach.allowed[i][class_of])[regions]
        here &= (labels == UNLABELLED) | (labels == label[regions])  # a finer region of another class is surer
        inside = regions[here]
        labels[here], number[here] = label[inside], inside + used
        purity[here] = np.where(purity[here] > 0, purity[here], reach.purity[i][class_of][inside])
        used += len(votes)
    known = valid(image)[clicks.rows, clicks.cols]
    rows, cols, class_ids, shares, feature = (column[known] for column in clicks)
    alone = labels[rows, cols] != class_ids
    number[rows[alone], cols[alone]] = used + 1 + np.arange(alone.sum())
    labels[rows, cols], purity[rows, cols] = class_ids, 1

    of_click = number[rows, cols]
    share = np.bincount(of_click, shares, minlength=used + len(rows) + 1)
    pixels = np.bincount(number.ravel(), minlength=len(share))
    bare = (share == 0)[number]  # left of a finer region whose clicks a coarser one, not quite around it, has taken
    labels[bare], number[bare], purity[bare] = UNLABELLED, 0, 0
    weights = (share / np.maximum(pixels, 1)).astype(np.float32)[number] * purity
    return Painted(labels, weights, purity, number, np.unique(np.stack([of_click, feature]), axis=1))


def _votes(of_click: Integers, class_ids: Integers, classes: int) -> Integers:
    """(regions + 1, classes) clicks of every class in every region; none in region 0."""
    votes = np.zeros((int(of_click.max(initial=0)) + 1, classes), np.int64)
    np.add.at(votes, (of_click, class_ids), 1)
    votes[0] = 0
    return votes


def _single(votes: Integers) -> Integers:
    """The class that alone has votes, 255 where none or several have."""
    return np.where(np.count_nonzero(votes, axis=1) == 1, votes.argmax(axis=1), UNLABELLED)
