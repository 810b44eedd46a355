"""Random forests on the same clicks as the network: on pixels, on superpixels, and the vote within superpixels.

They are made as strong as is cheap: texture beside colour, classes balanced. On Dubai's validation tile superpixels of 150 to
1000 pixels vote alike (mIoU .448, .456, .463).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.grid import Window
from geopointseg.labels.looks import grow, pixel_looks, region_looks
from geopointseg.labels.points import load_points
from geopointseg.labels.superpixels import superpixels
from geopointseg.learning.sites import Sites, sites
from geopointseg.maps.pool import vote
from geopointseg.raster import open_raster, read
from pipelines.experiments.clicks import read_whole

__all__ = [
    "by_image",
    "click_sites",
    "cut",
    "looks",
    "object_forest",
    "pixel_forest",
    "voted",
]

Maps = list[NDArray[np.uint8]]
Floats = NDArray[np.float32]
Labels = NDArray[np.int32]
SIZE = 400  # pixels of a superpixel


def pixel_forest(
    images: Sequence[Path], points: Path, tests: Sequence[Path], judged: Sequence[Path], seed: int
) -> Maps:
    """A forest on colour and texture of the clicks' pixels.

    Args:
        images: To train on.
        points: Checked points on them.
        tests: To classify.
        judged: Truth of `tests`, class ids.
        seed: Of the forest.

    Returns:
        (height, width) class ids of every test image, 255 in superpixels (of `cut`) without known truth.
    """
    clicks = click_sites(images, points)
    drawn = [looks(image)[:, row, col] for image, row, col in by_image(images, clicks)]
    model = grow(np.hstack(drawn).T, clicks.class_id, seed=seed)
    maps = []
    for image, path in zip(tests, judged, strict=True):
        truth, regions = read_whole(path), cut(image)
        needed = np.isin(regions, regions[truth != UNLABELLED])  # whole superpixels: all of them vote
        found = np.full(truth.shape, UNLABELLED, np.uint8)
        if needed.any():
            found[needed] = model.predict(looks(image)[:, needed].T)
        maps.append(found)
    return maps


def voted(maps: Sequence[NDArray[np.uint8]], tests: Sequence[Path]) -> Maps:
    """Maps of the test images with the majority in each superpixel."""
    return [vote(found, cut(image)) for found, image in zip(maps, tests, strict=True)]


def object_forest(images: Sequence[Path], points: Path, tests: Sequence[Path], seed: int) -> Maps:
    """A forest on mean and spread of colour and texture in the clicks' superpixels; see `pixel_forest`."""
    clicks = click_sites(images, points)
    drawn = []
    for image, row, col in by_image(images, clicks):
        regions = cut(image)
        drawn.append(region_looks(looks(image), regions)[regions[row, col]])
    model = grow(np.vstack(drawn), clicks.class_id, seed=seed)
    maps = []
    for image in tests:
        regions = cut(image)
        found: NDArray[np.uint8] = model.predict(region_looks(looks(image), regions)).astype(np.uint8)
        maps.append(found[regions])
    return maps


def cut(image: Path) -> Labels:
    """(height, width) SLIC superpixels of an image, stretched by its own percentiles."""
    pixels = read(open_raster(image), _all(image))
    low, high = np.percentile(pixels, (2, 98), axis=(1, 2))[:, :, None, None].astype(np.float32)
    stretched = np.clip((pixels - low) / np.maximum(high - low, np.float32(1e-6)), 0, 1)  # a band may be constant
    return superpixels(stretched, method="slic", size=SIZE, threads=2)


def click_sites(images: Sequence[Path], points: Path) -> Sites:
    """The pixels that the clicks fall on."""
    return sites(load_points(points), [open_raster(image) for image in images], "train")


def by_image(images: Sequence[Path], clicks: Sites) -> Iterator[tuple[Path, NDArray[np.int64], NDArray[np.int64]]]:
    """Every image with the rows and columns of its clicks; the clicks are in the order of the images."""
    for number, image in enumerate(images):
        here = clicks.raster == number
        yield image, clicks.row[here], clicks.col[here]


def looks(image: Path) -> Floats:
    """(features, height, width) colour and texture of an image's pixels."""
    return pixel_looks(read(open_raster(image), _all(image)))


def _all(path: Path) -> Window:
    """The whole raster."""
    return Window(0, 0, *open_raster(path).grid.shape)
