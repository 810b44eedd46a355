"""Spreading at one scale: what earlier systems do with a click, for comparison with `geopointseg.labels.propagate`."""

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import random_walker

from geopointseg.classes import UNLABELLED
from geopointseg.raster import valid

__all__ = ["Conflict", "discs", "single_pixels", "spread", "walk"]

Conflict = Literal["unlabelled", "majority"]
Integers = NDArray[np.int64]
Labels = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]
"""(height, width) class ids, 255 elsewhere; (height, width) weights; true for each point that is lost in a conflict."""

BETA = 130.0  # how strongly differences of colour hold the random walker up; scikit-image's default


def spread(
    regions: NDArray[np.int32],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    class_ids: NDArray[np.int64],
    shares: NDArray[np.float64] | None = None,
    *,
    conflict: Conflict = "unlabelled",
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Let each point label its superpixel.

    Args:
        regions: (height, width) superpixels; 0 is outside and never labelled.
        rows: Of the points, within `regions`.
        cols: Likewise.
        class_ids: Of the points.
        shares: How much each counts: 1 for a click, less for one of many pixels of a scribble.
        conflict: What becomes of a superpixel with points of two classes: unlabelled, or the class of the majority
            (ties to the lowest id, as in LSSQPS).

    Returns:
        (height, width) uint8 class ids with 255 elsewhere; (height, width) float32 weights; true for each point that is
        lost in a conflict. The weights of a region sum to its points, so that every click counts the same whatever its
        region's area.
    """
    shares = np.ones(len(rows)) if shares is None else shares
    region = regions[rows, cols]
    inside = region > 0
    votes = np.zeros((int(regions.max()) + 1, int(class_ids.max(initial=0)) + 1))
    np.add.at(votes, (region[inside], class_ids[inside]), shares[inside])
    winner, clicks = votes.argmax(axis=1), votes.max(axis=1)
    labelled = clicks > 0 if conflict == "majority" else np.count_nonzero(votes, axis=1) == 1

    area = np.bincount(regions.ravel(), minlength=len(votes))
    label_of = np.where(labelled, winner, UNLABELLED).astype(np.uint8)
    weight_of = np.where(labelled, clicks / np.maximum(area, 1), 0).astype(np.float32)
    return label_of[regions], weight_of[regions], inside & (label_of[region] != class_ids)


def single_pixels(
    inside: NDArray[np.bool_], rows: Integers, cols: Integers, class_ids: Integers, shares: NDArray[np.float64]
) -> Labels:
    """Let each point label its own pixel only, as partial cross-entropy has it."""
    return discs(inside, rows, cols, class_ids, shares, radius=0)


def discs(
    inside: NDArray[np.bool_],
    rows: Integers,
    cols: Integers,
    class_ids: Integers,
    shares: NDArray[np.float64],
    *,
    radius: float,
) -> Labels:
    """Let each point label the pixels with data within a radius, in pixels; those in reach of two classes stay unlabelled."""
    known = inside[rows, cols]
    reach = int(radius)
    dr, dc = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    near = dr**2 + dc**2 <= radius**2
    r, c = (rows[:, None] + dr[near]).ravel(), (cols[:, None] + dc[near]).ravel()
    point = np.repeat(np.arange(len(rows)), near.sum())
    kept = known[point] & (r >= 0) & (r < inside.shape[0]) & (c >= 0) & (c < inside.shape[1])
    kept[kept] = inside[r[kept], c[kept]]
    r, c, point = r[kept], c[kept], point[kept]
    lowest, highest = np.full(inside.shape, UNLABELLED), np.full(inside.shape, -1)
    np.minimum.at(lowest, (r, c), class_ids[point])
    np.maximum.at(highest, (r, c), class_ids[point])
    labels = np.where(lowest == highest, lowest, UNLABELLED).astype(np.uint8)
    weights = np.zeros(inside.shape, np.float32)
    area = np.maximum(np.bincount(point, minlength=len(rows)), 1)
    np.add.at(weights, (r, c), (shares / area)[point].astype(np.float32))
    weights[labels == UNLABELLED] = 0
    return labels, weights, known & (labels[rows, cols] != class_ids)


def walk(
    image: NDArray[np.float32], rows: Integers, cols: Integers, class_ids: Integers, shares: NDArray[np.float64]
) -> Labels:
    """Label every pixel by the class that a random walker from it meets first (Grady, TPAMI 2006; scikit-image's)."""
    inside = valid(image)
    known = inside[rows, cols]
    present, marks = np.unique(class_ids[known], return_inverse=True)
    seeds = np.where(inside, 0, -1).astype(np.int32)
    seeds[rows[known], cols[known]] = marks + 1
    if len(present) < 2:
        labels = np.where(inside & (len(present) > 0), present[0] if len(present) else 0, UNLABELLED).astype(np.uint8)
    else:
        channels = np.moveaxis(np.nan_to_num(image), 0, -1)
        if channels[inside].std(axis=0).any():
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # of probabilities a hair above 1
                found = random_walker(channels, seeds, beta=BETA, mode="cg_j", channel_axis=-1)
        else:  # where nothing holds a walker up, he meets the nearest click
            nearest = distance_transform_edt(seeds <= 0, return_distances=False, return_indices=True)
            found = np.where(inside, seeds[*nearest], 0)
        labels = np.where(found > 0, np.append(present, UNLABELLED)[np.maximum(found, 1) - 1], UNLABELLED)
        labels = labels.astype(np.uint8)
    area = np.maximum(np.bincount(labels.ravel(), minlength=256), 1)
    per_class = np.bincount(class_ids[known], shares[known], minlength=256) / area
    weights = np.where(labels == UNLABELLED, 0, per_class[labels]).astype(np.float32)
    return labels, weights, known & (labels[rows, cols] != class_ids)
