"""Random forests on the same clicks as the network: on pixels, on superpixels, and the vote within superpixels.

They are made as strong as is cheap: texture beside colour, classes balanced. On Dubai's validation tile superpixels of 150 to
1000 pixels vote alike (mIoU .448, .456, .463).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier

from geopointseg.classes import UNLABELLED
from geopointseg.confusion import confusion_matrix
from geopointseg.grid import Window
from geopointseg.labels.points import load_points
from geopointseg.labels.superpixels import superpixels
from geopointseg.learning.sites import Sites, sites
from geopointseg.maps.pool import vote
from geopointseg.raster import open_raster, raster_classes, read, read_labels

__all__ = ["cut", "object_forest", "pixel_forest", "vote"]

Matrix = NDArray[np.int64]
Floats = NDArray[np.float32]
Labels = NDArray[np.int32]
TREES = 100
SIZE = 400  # pixels of a superpixel
SIDES = 5, 15  # pixels of the squares that texture is measured in


def pixel_forest(
    images: Sequence[Path], points: Path, tests: Sequence[Path], judged: Sequence[Path], seed: int
) -> tuple[list[Matrix], list[Matrix]]:
    """A forest on colour and texture of the clicks' pixels.

    Args:
        images: To train on.
        points: Checked points on them.
        tests: To classify.
        judged: Truth of `tests`, class ids.
        seed: Of the forest.

    Returns:
        Confusion matrices of every test image: as it is, and with the majority in each superpixel.
    """
    clicks = _sites(images, points)
    drawn = [_features(image)[:, row, col] for image, row, col in _by_image(images, clicks)]
    model = _grown(np.hstack(drawn).T, clicks, seed)
    plain, voted = [], []
    size = len(raster_classes(judged[0]))
    for image, path in zip(tests, judged, strict=True):
        truth, regions = _truth(path), cut(image)
        needed = np.isin(regions, regions[truth != UNLABELLED])  # whole superpixels: all of them vote
        found = np.full(truth.shape, UNLABELLED, np.uint8)
        found[needed] = model.predict(_features(image)[:, needed].T)
        plain.append(confusion_matrix(truth, found, size))
        voted.append(confusion_matrix(truth, vote(found, regions), size))
    return plain, voted


def object_forest(
    images: Sequence[Path], points: Path, tests: Sequence[Path], judged: Sequence[Path], seed: int
) -> list[Matrix]:
    """A forest on mean and spread of colour and texture in the clicks' superpixels; see `pixel_forest`."""
    clicks = _sites(images, points)
    drawn = []
    for image, row, col in _by_image(images, clicks):
        regions = cut(image)
        drawn.append(_statistics(_features(image), regions)[:, regions[row, col]])
    model = _grown(np.hstack(drawn).T, clicks, seed)
    size = len(raster_classes(judged[0]))
    matrices = []
    for image, path in zip(tests, judged, strict=True):
        regions = cut(image)
        found = model.predict(_statistics(_features(image), regions).T)
        matrices.append(confusion_matrix(_truth(path), found[regions], size))
    return matrices


def cut(image: Path) -> Labels:
    """(height, width) SLIC superpixels of an image, stretched by its own percentiles."""
    pixels = read(open_raster(image), _all(image))
    low, high = np.percentile(pixels, (2, 98), axis=(1, 2))[:, :, None, None].astype(np.float32)
    return superpixels(np.clip((pixels - low) / (high - low), 0, 1), method="slic", size=SIZE, threads=2)


def _sites(images: Sequence[Path], points: Path) -> Sites:
    """The pixels that the clicks fall on."""
    return sites(load_points(points), [open_raster(image) for image in images], "train")


def _by_image(images: Sequence[Path], clicks: Sites) -> Iterator[tuple[Path, NDArray[np.int64], NDArray[np.int64]]]:
    """Every image with the rows and columns of its clicks; the clicks are in the order of the images."""
    for number, image in enumerate(images):
        here = clicks.raster == number
        yield image, clicks.row[here], clicks.col[here]


def _grown(features: Floats, clicks: Sites, seed: int) -> RandomForestClassifier:
    """A forest on (clicks, features)."""
    model = RandomForestClassifier(TREES, min_samples_leaf=3, class_weight="balanced", random_state=seed, n_jobs=-1)
    return model.fit(features, clicks.class_id)


def _features(image: Path) -> Floats:
    """(features, height, width): the bands, and their mean and standard deviation in squares."""
    bands = read(open_raster(image), _all(image))
    found = [bands]
    for side in SIDES:
        mean = uniform_filter(bands, (0, side, side))
        square = uniform_filter(bands**2, (0, side, side))
        found += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.concatenate(found)


def _statistics(features: Floats, regions: Labels) -> Floats:
    """(2 × features, regions + 1) mean and standard deviation in each region; region 0, outside, is unused."""
    flat = regions.ravel()
    area = np.maximum(np.bincount(flat), 1)
    mean = np.stack([np.bincount(flat, each.ravel()) / area for each in features])
    square = np.stack([np.bincount(flat, each.ravel().astype(np.float64) ** 2) / area for each in features])
    return np.concatenate([mean, np.sqrt(np.maximum(square - mean**2, 0))]).astype(np.float32)


def _truth(path: Path) -> NDArray[np.uint8]:
    """(height, width) class ids, 255 where not judged."""
    return read_labels(path, _all(path))


def _all(path: Path) -> Window:
    """The whole raster."""
    return Window(0, 0, *open_raster(path).grid.shape)
