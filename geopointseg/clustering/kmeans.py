"""K-means of single pixels, for comparison: scikit-learn's in mini-batches (Sculley, WWW 2010)."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["kmeans", "nearest"]

BATCH = 4096  # pixels
TRIALS = 3  # starts, of which the best is kept


def kmeans(pixels: NDArray[np.float32], k: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Centres of clusters.

    Args:
        pixels: (pixels, bands).
        k: How many clusters; fewer where there are not so many different pixels.
        seed: The same seed gives the same centres.

    Returns:
        (clusters, bands).
    """
    from sklearn.cluster import MiniBatchKMeans  # a second, which nobody else should wait for

    different = np.unique(pixels, axis=0)
    if len(different) <= k:
        return different
    made = MiniBatchKMeans(k, batch_size=BATCH, n_init=TRIALS, random_state=seed).fit(pixels)
    centres: NDArray[np.float32] = made.cluster_centers_.astype(np.float32)
    return centres


def nearest(pixels: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest centre of each pixel, the first of equals: (pixels, bands), (clusters, bands) → (pixels,)."""
    gaps = (centres**2).sum(axis=1) - 2 * (pixels @ centres.T)
    found: NDArray[np.int64] = gaps.argmin(axis=1)
    return found
