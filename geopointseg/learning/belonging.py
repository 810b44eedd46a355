"""Whether pseudo-masks belong to points: the same classes, and no label where a point is held out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.labels.points import Points
from geopointseg.learning.sites import Sites, sites
from geopointseg.raster import Raster, raster_classes, read_labels

__all__ = ["labels_at", "require_masks_of"]

TILE = 512  # pixels that are read at a time


def require_masks_of(points: Points, rasters: Sequence[Raster], masks: Sequence[Path]) -> None:
    """Refuse pseudo-masks that were made from other points.

    Args:
        points: That are trained on.
        rasters: What they lie on.
        masks: Of each raster.

    Raises:
        GeoPointSegError: a mask has other classes, or labels a pixel whose point is held out, so that the scores there would be
            of what was trained on.
    """
    for mask in masks:
        if (found := raster_classes(mask).names) != points.classes.names:
            raise GeoPointSegError(
                f"expected pseudo-masks of the points' classes ({', '.join(points.classes.names)}), got {', '.join(found)} in "
                f"{mask}: run 'geopointseg mask' again with these points"
            )
    held_out = sites(points, rasters, "test")
    known = int((labels_at(held_out, masks) != UNLABELLED).sum())
    if known:
        raise GeoPointSegError(
            f"expected pseudo-masks without labels where points are held out, got {known} of {len(held_out)} such places "
            f"labelled in {masks[0].parent}: run 'geopointseg mask' again with these points"
        )


def labels_at(where: Sites, masks: Sequence[Path]) -> NDArray[np.uint8]:
    """(sites,) labels of the masks' pixels, tile by tile."""
    found = np.full(len(where), UNLABELLED, np.uint8)
    tiles = np.stack([where.raster, where.row // TILE, where.col // TILE], axis=1)
    for raster, row, col in np.unique(tiles, axis=0).tolist():
        here = (tiles == (raster, row, col)).all(axis=1)
        labels = read_labels(masks[raster], Window(row * TILE, col * TILE, TILE, TILE))
        found[here] = labels[where.row[here] - row * TILE, where.col[here] - col * TILE]
    return found
