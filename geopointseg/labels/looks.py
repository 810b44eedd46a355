"""Looks: colour and texture of pixels and of superpixels, and the forest that tells classes by them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.spatial import cKDTree

from geopointseg.raster import valid

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

__all__ = [
    "FAR",
    "LEAF",
    "TREES",
    "brightness",
    "distances",
    "grow",
    "pixel_looks",
    "region_looks",
    "shares",
    "superpixel_looks",
]

SIDES = 5, 15  # pixels of the squares that texture is measured in
TREES = 100
LEAF = 3  # clicks that a leaf stands for at least
BANDS = 4  # whose looks are in memory at a time
MOST = 1e18  # farther from 0 a value's square is no float32
FAR = 4.0  # median distances from a click to the next: farther is all the same


def pixel_looks(pixels: NDArray[np.float32], inside: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """The bands of every pixel, and their mean and standard deviation in squares around it.

    Args:
        pixels: (bands, height, width) float32, NaN where there is no data.
        inside: (height, width) true where there is; by default where one of these bands has any.

    Returns:
        (bands × 5, height, width) float32; 0 in a square without data.
    """
    inside = valid(pixels) if inside is None else inside
    bands = _finite(pixels)
    found = [bands]
    for side in SIDES:
        share = np.maximum(uniform_filter(inside.astype(np.float32), side), 0.5 / side**2)
        mean, square = (uniform_filter(each, (0, side, side)) / share for each in (bands, bands**2))
        found += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.concatenate(found)


def region_looks(looks: NDArray[np.float32], regions: NDArray[np.int32]) -> NDArray[np.float32]:
    """Mean and standard deviation of looks in every region.

    Args:
        looks: (features, height, width), of pixels.
        regions: (height, width), 0 for none.

    Returns:
        (regions + 1, features × 2) float32; row 0 is of what is outside.
    """
    flat = regions.ravel()
    area = np.maximum(np.bincount(flat), 1)
    mean = np.stack([np.bincount(flat, each.ravel()) / area for each in looks])
    square = np.stack([np.bincount(flat, each.ravel().astype(np.float64) ** 2) / area for each in looks])
    return np.concatenate([mean, np.sqrt(np.maximum(square - mean**2, 0))]).astype(np.float32).T


def brightness(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(height, width) sum of all bands, whatever their sign; 0 where there is no data."""
    total = np.zeros(pixels.shape[1:], np.float32)
    for band in pixels:
        total += np.abs(_finite(band))
    return total


def shares(pixels: NDArray[np.float32], total: NDArray[np.float32]) -> NDArray[np.float32]:
    """What bands have of the sum of all: colour without brightness, so that shade changes it little, if all are of one unit.

    Args:
        pixels: (bands, height, width) float32, NaN where there is no data.
        total: `brightness` of these and all other bands.

    Returns:
        (bands, height, width) float32 from -1 to 1; 0 where there is no data, or nothing but 0.
    """
    some: NDArray[np.float32] = np.where(total > 0, total, 1).astype(np.float32)
    return _finite(pixels) / some


def _finite(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels with 0 for no data, none too far from 0 to be squared."""
    return np.clip(np.nan_to_num(pixels), -MOST, MOST)


def superpixel_looks(pixels: NDArray[np.float32], regions: NDArray[np.int32]) -> NDArray[np.float32]:
    """`region_looks` of `pixel_looks` and of `shares`, a few bands at a time: those of all pixels of many bands take much memory.

    Returns:
        (regions + 1, bands × 12) float32; row 0 is of what is outside.
    """
    inside, total, count = valid(pixels), brightness(pixels), int(regions.max(initial=0)) + 1
    parts = []
    for i in range(0, len(pixels), BANDS):
        some = pixels[i : i + BANDS]
        found = region_looks(np.concatenate([pixel_looks(some, inside), shares(some, total)]), regions)
        parts.append(found.reshape(count, 2, -1, len(some)))  # mean and deviation, of each kind, by band
    return np.concatenate(parts, axis=3).reshape(count, -1)


def distances(
    clicks: NDArray[np.float32], class_ids: NDArray[np.int64], classes: int
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What tells how unlike the most alike click of each class is; the trees it asks are grown once.

    A click at distance 0 is passed over: it must not tell its own superpixel's class.

    Args:
        clicks: (clicks, features) how they look, each feature over its deviation.
        class_ids: (clicks,) their classes.
        classes: How many there are.

    Returns:
        A function from (n, features) to (n, classes) float32 from 0 to 1, which stands for `FAR` times the median distance from a
        click to the next, and for more.
    """
    apart = cKDTree(clicks).query(clicks, k=2)[0][:, 1] if len(clicks) > 1 else np.zeros(1)
    far = FAR * float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
    trees = {class_id: cKDTree(clicks[class_ids == class_id]) for class_id in np.unique(class_ids).tolist()}

    def ask(looks: NDArray[np.float32]) -> NDArray[np.float32]:
        found = np.ones((len(looks), classes), np.float32)
        for class_id, tree in trees.items():
            nearest = tree.query(looks, k=2, distance_upper_bound=far)[0]
            other = np.where(nearest[:, 0] > 0, nearest[:, 0], nearest[:, 1])
            found[:, class_id] = np.minimum(other / far, 1)
        return found

    return ask


def grow(looks: NDArray[np.float32], class_ids: NDArray[np.int64], *, seed: int = 0) -> "RandomForestClassifier":
    """A random forest (Breiman, Machine Learning 2001; scikit-learn's) on (n, features) looks, all classes alike."""
    from sklearn.ensemble import RandomForestClassifier  # a second, which a look at --help should not wait for

    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed)
    return forest.fit(looks, class_ids)
