"""How common the classes are, estimated without a label.

Training draws the classes in turn, as if all were equally common. Analysts' clicks say nothing of areas either; the
raster does: where the network is trained on equal shares, the mean of its probabilities over the raster tells how common
each class is, and repeating that to a fixed point is the maximum-likelihood estimate (Saerens, Latinne and Decaestecker,
"Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural Computation 14, 2002).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geopointseg.grid import Window
from geopointseg.learning.infer import probabilities
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.raster import Raster, read, valid

__all__ = ["estimate_priors", "sample_probabilities"]

FLOOR = 1e-3  # no class is ruled out


def estimate_priors(found: NDArray[np.floating], rounds: int = 50) -> NDArray[np.float64]:
    """Shares of the classes among pixels, by expectation maximisation.

    Args:
        found: (pixels, classes) probabilities of a classifier trained on equal shares.
        rounds: Of the iteration; it has settled long before.

    Returns:
        (classes,) shares that sum to 1, none much below `FLOOR`; equal shares where there is no pixel.
    """
    shares = np.full(found.shape[1], 1 / found.shape[1])
    for _ in range(rounds if len(found) else 0):
        weighted = found * shares
        shares = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        shares = np.maximum(shares, FLOOR) / np.maximum(shares, FLOOR).sum()
    return shares


def sample_probabilities(
    task: PointSegmentationTask, rasters: Sequence[Raster], *, windows: int = 48, side: int = 256, seed: int = 0
) -> NDArray[np.float32]:
    """Probabilities at pixels spread over the rasters, each raster by its area.

    Args:
        task: In evaluation mode.
        rasters: With the bands of the task's card.
        windows: Places to look at.
        side: Of each, in pixels.
        seed: Of the choice of places.

    Returns:
        (pixels, classes): every fourth valid row and column of the windows.
    """
    rng = np.random.default_rng(seed)
    area = np.array([raster.grid.height * raster.grid.width for raster in rasters], float)
    found = []
    for number in rng.choice(len(rasters), windows, p=area / area.sum()):
        raster = rasters[number]
        row, col = (int(rng.integers(max(1, size - side + 1))) for size in raster.grid.shape)
        window = Window(row, col, side, side)
        inside = valid(read(raster, window))[::4, ::4]
        found.append(probabilities(task, raster, [window])[0][:, ::4, ::4][:, inside].T)
    return np.concatenate(found)
