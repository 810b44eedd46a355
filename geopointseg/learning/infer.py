"""From pixels to class probabilities."""

from collections.abc import Sequence

import numpy as np

from geopointseg.grid import Window
from geopointseg.learning.agreement import Ask, Pixels
from geopointseg.raster import Raster, read

__all__ = ["mirrored", "probabilities"]


def probabilities(ask: Ask, raster: Raster, windows: Sequence[Window]) -> Pixels:
    """Class probabilities of windows, which may reach beyond the raster: there its image is mirrored.

    Args:
        ask: What computes the network.
        raster: With the bands of the network.
        windows: All of one size.

    Returns:
        (windows, classes, height, width).
    """
    return ask(np.stack([mirrored(raster, window) for window in windows]))


def mirrored(raster: Raster, window: Window) -> Pixels:
    """A window's pixels: (bands, height, width); what lies beyond the raster mirrors what lies within."""
    inside = window.within(*raster.grid.shape)
    pixels = read(raster, inside)
    top, left = inside.row - window.row, inside.col - window.col
    bottom, right = window.height - top - inside.height, window.width - left - inside.width
    return np.pad(pixels, ((0, 0), (top, bottom), (left, right)), mode="symmetric")
