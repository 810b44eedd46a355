"""Superpixels: small regions of like pixels, so that a point can label its surroundings."""

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from skimage.segmentation import felzenszwalb, slic

from geopointseg.errors import GeoPointSegError
from geopointseg.raster import Statistics, valid

__all__ = ["Method", "scaled", "superpixels"]

Method = Literal["felzenszwalb", "slic"]

SLIC_COMPACTNESS = 0.3  # for bands within 0 to 1: measured on the synthetic scene and on korea_sentinel2


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


def superpixels(image: NDArray[np.float32], *, method: Method = "felzenszwalb", size: int = 50) -> NDArray[np.int32]:
    """Cut an image into superpixels.

    `felzenszwalb` (Felzenszwalb and Huttenlocher, IJCV 2004) adapts to the content: large regions on even ground,
    small ones in detail. `slic` (Achanta et al., TPAMI 2012) gives regions of about one size.

    Args:
        image: (bands, height, width) float, each band within about 0 to 1, NaN where there is no data.
        method: Algorithm.
        size: For slic the mean area in pixels; for felzenszwalb the scale, with regions of at least half as many pixels.

    Returns:
        (height, width) int32: 0 where there is no data, 1…n otherwise.

    Raises:
        GeoPointSegError: `size` is below 2 or the method is unknown.
    """
    if size < 2:
        raise GeoPointSegError(f"expected a superpixel size of at least 2 pixels, got {size}")
    inside = valid(image)
    if not inside.any():
        return np.zeros(inside.shape, np.int32)
    if not inside.all():  # continue the image into the gaps: a fill value would draw a rim around them
        nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
        image = image[:, *nearest]
    # Both algorithms compare colours by Euclidean distance: keep it alike for 3 bands and 224.
    channels = np.moveaxis(np.nan_to_num(image), 0, -1) * np.sqrt(3 / len(image), dtype=np.float32)
    if method == "felzenszwalb":
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Got image with third dimension", RuntimeWarning)  # more bands than 3
            labels = felzenszwalb(channels, scale=size, sigma=0.8, min_size=max(1, size // 2), channel_axis=-1) + 1
    elif method == "slic":
        count = max(1, round(inside.sum() / size))
        where = None if inside.all() else inside
        labels = slic(channels, count, compactness=SLIC_COMPACTNESS, mask=where, convert2lab=False, channel_axis=-1)
    else:
        raise GeoPointSegError(f"expected method felzenszwalb or slic, got {method!r}")
    missed = inside & (labels == 0)  # slic drops specks between nodata: each is a region of its own
    labels = np.where(missed, labels.max() + label(missed)[0], labels)
    present = np.bincount(labels[inside], minlength=labels.max() + 1) > 0
    numbers = np.cumsum(present)  # without gaps, where nodata swallowed a region
    return np.where(inside, numbers[labels], 0).astype(np.int32)
