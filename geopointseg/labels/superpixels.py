"""Superpixels: small regions of like pixels, so that a point can label its surroundings."""

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from skimage.filters import sobel
from skimage.segmentation import felzenszwalb, watershed
from skimage.segmentation import slic as skimage_slic

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.adaptive import least_area, merge
from geopointseg.labels.edges import Affinity, edge_weights
from geopointseg.labels.hers import hers
from geopointseg.labels.slic import slic
from geopointseg.raster import valid
from geopointseg.statistics import Statistics

__all__ = ["Method", "fitted_scale", "scaled", "superpixels"]

Method = Literal[
    "adaptive",
    "hers",
    "slic",
    "felzenszwalb",
    "skimage-slic",
    "watershed",
    "opencv-seeds",
    "opencv-slic",
    "opencv-lsc",
]
Image = NDArray[np.float32]

SLIC_COMPACTNESS = (
    0.3  # of scikit-image's, for bands within 0 to 1: measured on the synthetic scene and on korea_sentinel2
)
WATERSHED_COMPACTNESS = 1e-3
LEAST_SIDE = 64  # pixels of an image that OpenCV is given
TRIALS = 6  # of a scale that gives the wanted mean area


def scaled(pixels: NDArray[np.float32], statistics: Statistics) -> NDArray[np.float32]:
    """Stretch bands so that their 2nd and 98th percentile over the whole raster become 0 and 1.

    The same numbers for every window, so that a window's content does not change how it is cut.

    Args:
        pixels: (bands, height, width), NaN where there is no data.
        statistics: Of the whole raster.

    Returns:
        (bands, height, width) float32 within 0 to 1, NaN kept.
    """
    low = np.array(statistics.low, np.float32)[:, None, None]
    high = np.array(statistics.high, np.float32)[:, None, None]
    stretched: NDArray[np.float32] = (pixels - low) / np.maximum(high - low, np.float32(1e-6))  # a band may be constant
    return np.clip(stretched, 0, 1)


def superpixels(
    image: Image,
    *,
    method: Method = "adaptive",
    size: int = 400,
    affinity: Affinity = "colour",
    scale: float | None = None,
    seeds: NDArray[np.uint8] | None = None,
    threads: int = 1,
) -> NDArray[np.int32]:
    """Cut an image into superpixels.

    `adaptive` and `felzenszwalb` (Felzenszwalb and Huttenlocher, IJCV 2004) adapt to the content: large regions on even
    ground, small ones in detail. `hers` (Peng, Aviles-Rivero and Schönlieb, WACV 2022) does so too, in exactly the number
    asked for. `slic` (Achanta et al., TPAMI 2012) and the others give regions of about one size. The first three are our
    own; `felzenszwalb`, `skimage-slic` and `watershed` are scikit-image's; `opencv-…` need the extra geopointseg[opencv].

    Args:
        image: (bands, height, width) float32, each band within about 0 to 1, NaN where there is no data.
        method: Algorithm.
        size: Mean area in pixels.
        affinity: For adaptive and hers, what makes neighbours alike.
        scale: For adaptive and felzenszwalb, the scale that gives this size; by default it is found on this image.
        seeds: For adaptive and hers, (height, width) class ids, 255 where there is none: no superpixel holds two classes.
        threads: Threads for our own algorithms; the result is the same.

    Returns:
        (height, width) int32: 0 where there is no data, 1…n otherwise.

    Raises:
        GeoPointSegError: `size` is below 2, the method is unknown, or OpenCV is not there.
    """
    if size < 2:
        raise GeoPointSegError(f"expected a superpixel size of at least 2 pixels, got {size}")
    if method not in get_args(Method):
        raise GeoPointSegError(f"expected a method among {', '.join(get_args(Method))}, got {method!r}")
    inside = valid(image)
    if not inside.any():
        return np.zeros(inside.shape, np.int32)
    count = max(1, round(inside.sum() / size))
    if method == "hers":
        return hers(image, affinity=affinity, seeds=seeds, threads=threads).labels(count)
    if method == "slic":
        return slic(image, size=size, threads=threads)
    if method == "adaptive":
        scale = fitted_scale(image, size, affinity) if scale is None else scale
        weights = edge_weights(image, affinity=affinity, threads=threads)
        return merge(weights, inside, scale=scale / 255, minimum=least_area(scale), seeds=seeds, threads=threads)
    if not inside.all():  # continue the image into the gaps: a fill value would draw a rim around them
        nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
        image = image[:, *nearest]
    # All compare colours by Euclidean distance: keep it alike for 3 bands and 224.
    channels = np.moveaxis(np.nan_to_num(image), 0, -1) * np.sqrt(3 / len(image), dtype=np.float32)
    if method == "felzenszwalb":
        scale = fitted_scale(image, size) if scale is None else scale
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Got image with third dimension", RuntimeWarning)  # more bands than 3
            labels = felzenszwalb(channels, scale=scale, sigma=0.8, min_size=least_area(scale), channel_axis=-1) + 1
    elif method == "skimage-slic":
        where = None if inside.all() else inside
        labels = skimage_slic(
            channels, count, compactness=SLIC_COMPACTNESS, mask=where, convert2lab=False, channel_axis=-1
        )
    elif method == "watershed":
        border = sobel(channels.mean(axis=-1))
        labels = watershed(border, count, compactness=WATERSHED_COMPACTNESS, mask=inside)
    else:
        labels = _opencv(method)(channels, size)
    return _numbered(labels, inside)


def fitted_scale(image: Image, size: float, affinity: Affinity = "colour") -> float:
    """The scale at which adaptive merging of this image gives regions of about this mean area in pixels."""
    inside = valid(image)
    if not inside.any():
        return size / 4
    weights, scale = edge_weights(image, affinity=affinity), size / 4
    tried: list[tuple[float, float]] = []
    for _ in range(TRIALS):
        regions = merge(weights, inside, scale=scale / 255, minimum=least_area(scale))
        got = float(inside.sum()) / max(1, int(regions.max(initial=0)))
        tried.append((abs(np.log(got / size)), scale))
        if tried[-1][0] < 0.02:
            break
        scale *= float(np.clip(size / got, 0.25, 4))
    return min(tried)[1]


def _opencv(method: str) -> Callable[[NDArray[np.float32], int], NDArray[np.int32]]:
    """One of OpenCV's algorithms: (height, width, bands), size → labels from 1 on.

    Raises:
        GeoPointSegError: OpenCV or its contributed modules are not there.
    """
    try:
        import cv2

        extra: Any = cv2.ximgproc
    except (ImportError, AttributeError) as error:
        raise GeoPointSegError(
            f"expected OpenCV with its contributed modules for {method}, got none: pip install 'geopointseg[opencv]'"
        ) from error

    def cut(channels: NDArray[np.float32], size: int) -> NDArray[np.int32]:
        shape, bands, side = channels.shape[:2], channels.shape[2], max(2, round(size**0.5))
        more = [(0, max(0, LEAST_SIDE - n, 2 * side - n)) for n in shape]  # OpenCV crashes on less
        channels = np.pad(channels, [*more, (0, 0)], mode="edge")
        height, width = channels.shape[:2]
        if method == "opencv-seeds":
            engine = extra.createSuperpixelSEEDS(width, height, bands, max(1, height * width // size), 4)
            engine.iterate(channels, 10)
        else:
            eight = np.clip(channels[..., :3] * 255 / np.sqrt(3 / bands), 0, 255).astype(np.uint8)
            make = extra.createSuperpixelSLIC if method == "opencv-slic" else extra.createSuperpixelLSC
            engine = make(eight, region_size=side)
            engine.iterate(10)
            engine.enforceLabelConnectivity()
        found: NDArray[np.int32] = engine.getLabels()[: shape[0], : shape[1]] + 1
        return found

    return cut


def _numbered(labels: NDArray[np.integer], inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Labels without gaps in their numbers, 0 where there is no data; what has none is a region of its own."""
    missed = inside & (labels == 0)  # slic drops specks between nodata
    labels = np.where(missed, labels.max() + label(missed)[0], labels)
    present = np.bincount(labels[inside], minlength=labels.max() + 1) > 0
    numbers = np.cumsum(present)
    return np.where(inside, numbers[labels], 0).astype(np.int32)
