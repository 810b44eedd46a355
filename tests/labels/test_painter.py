"""A window is part of what was seen with its halo: superpixels that reach beyond it count by their share."""

import numpy as np
import pytest

from geopointseg.grid import Window
from geopointseg.labels.painter import _counted, _part

SEEN = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 3, 3, 3]], np.int32)


def test_superpixels_that_reach_beyond_the_window_count_by_their_share():
    count, pixels = _counted(SEEN, np.s_[:, :3])
    assert count == pytest.approx(1 + 1 / 2 + 2 / 3)
    assert pixels == 4 + 2 + 2
    assert _counted(SEEN, np.s_[:, :]) == (3, 11)
    assert _counted(np.zeros((2, 2), np.int32), np.s_[:, :]) == (0, 0)


def test_the_window_lies_within_what_was_seen():
    window = Window(16, 32, 16, 8)
    assert _part(window.grown(4).within(32, 40), window) == np.s_[4:20, 4:12]
    assert _part(window, window) == np.s_[0:16, 0:8]
