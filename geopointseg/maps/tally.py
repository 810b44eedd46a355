"""Tallies: pairs of truth and map counted bit by bit, the confidence of the map beside them."""

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.confusion import background_id, confusion_matrix
from geopointseg.maps.assessment import Assessment
from geopointseg.maps.calibration import Calibration, count_confidence

__all__ = ["Tally"]


class Tally:
    """Counts on their way: of all maps, and of the map that is being read; they become an assessment."""

    def __init__(self, classes: Classes, background: str | None = None) -> None:
        """Begin with nothing.

        Raises:
            GeoPointSegError: no class is called as `background` says.
        """
        background_id(classes.names, background)
        self.background = background
        self.classes, self.unmapped, self.foreign = classes, 0, 0
        self.parts: list[NDArray[np.int64]] = []
        self.confidence: NDArray[np.int64] | None = None

    @property
    def matrix(self) -> NDArray[np.int64]:
        """Of all maps together."""
        return sum(self.parts, np.zeros((len(self.classes),) * 2, np.int64))

    def begin(self) -> None:
        """A map begins."""
        self.parts.append(np.zeros((len(self.classes),) * 2, np.int64))

    def add(
        self,
        truth: NDArray[np.integer],
        predicted: NDArray[np.uint8],
        steps: NDArray[np.uint8] | None,
        foreign: NDArray[np.bool_] | None = None,
    ) -> None:
        """Count pixels or points; without `foreign`, truth that is no class is foreign, and may be unmapped too."""
        count = len(self.classes)
        self.parts[-1] += confusion_matrix(truth, predicted, count)
        if foreign is None:
            self.foreign += int((truth == UNLABELLED).sum())
            self.unmapped += int((predicted == UNLABELLED).sum())
        else:
            self.foreign += int(foreign.sum())
            self.unmapped += int(((truth != UNLABELLED) & (predicted == UNLABELLED)).sum())
        if steps is not None:
            more = count_confidence(truth, predicted, steps, count)
            self.confidence = more if self.confidence is None else self.confidence + more

    def assessment(self, basis: str) -> Assessment:
        """What was found."""
        return Assessment(
            self.matrix,
            self.classes,
            basis,
            self.unmapped,
            self.foreign,
            parts=tuple(part for part in self.parts if part.any()),
            background=self.background,
            calibration=None if self.confidence is None else Calibration(self.confidence),
        )
