"""Boundary scores are what measuring every pair of pixels gives, and windows do not show in them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.maps.boundaries import Boundaries, count_boundaries, halo_of, metres_of

IDS = arrays(np.uint8, (9, 11), elements=st.sampled_from([0, 0, 1, 1, 2, 255]))
GROUND = (2.0, 3.0)


def brute(truth, prediction, metres):
    """The same by pairs."""
    both = (truth != 255) & (prediction != 255)
    rows = []
    for number in range(3):
        sides = []
        for ids in (prediction, truth):
            edge = [
                (r * GROUND[0], c * GROUND[1])
                for r, c in np.argwhere((ids == number) & both)
                if any(
                    0 <= i < 9 and 0 <= j < 11 and both[i, j] and ids[i, j] != number
                    for i, j in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1))
                )
            ]
            sides.append(np.array(edge).reshape(-1, 2))
        near = cdist(*sides) <= metres + 1e-9
        rows.append([len(sides[0]), near.any(axis=1).sum(), len(sides[1]), near.any(axis=0).sum()])
    return np.array(rows)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(IDS, IDS, st.sampled_from([0.0, 2.0, 3.7, 6.0]))
def test_counts_are_those_of_all_pairs_and_add_up_over_windows(truth, prediction, metres):
    options = {"classes": 3, "metres": metres, "ground": GROUND}
    whole = count_boundaries(truth, prediction, Window(0, 0, 9, 11), **options)
    np.testing.assert_array_equal(whole, brute(truth, prediction, metres))
    halo, parts = halo_of(metres, GROUND), np.zeros((3, 4), np.int64)
    for row in range(0, 9, 4):
        for col in range(0, 11, 4):
            core = Window(row, col, 4, 4).within(9, 11)
            seen = core.grown(halo).within(9, 11)
            cut = np.s_[seen.row : seen.row + seen.height, seen.col : seen.col + seen.width]
            inner = Window(core.row - seen.row, core.col - seen.col, core.height, core.width)
            parts += count_boundaries(truth[cut], prediction[cut], inner, **options)
    np.testing.assert_array_equal(parts, whole)


def test_a_border_one_pixel_aside_is_found_within_a_pixel_and_missed_within_none():
    truth = np.repeat(np.uint8([[0, 0, 0, 1, 1, 1]]), 4, axis=0)
    shifted = np.repeat(np.uint8([[0, 0, 1, 1, 1, 1]]), 4, axis=0)
    classes, area = Classes.of(["a", "b", "nowhere"]), Window(0, 0, 4, 6)

    def scored(found, metres):
        counts = count_boundaries(truth, found, area, classes=3, metres=metres, ground=(10.0, 10.0))
        return Boundaries(metres, counts).figures(classes)

    assert scored(truth, 0.0)["mean_f"] == 1.0
    assert scored(shifted, 10.0)["mean_f"] == 1.0
    assert scored(shifted, 9.9)["mean_f"] == 0.0
    assert scored(shifted, 10.0)["per_class"]["nowhere"] == {"f": None, "precision": None, "recall": None}
    assert scored(np.zeros_like(truth), 10.0)["per_class"]["a"] == {"f": 0.0, "precision": None, "recall": 0.0}


def test_one_class_alone_has_no_border():
    counts = count_boundaries(*[np.zeros((3, 3), np.uint8)] * 2, Window(0, 0, 3, 3), classes=1, metres=1, ground=(1, 1))
    assert Boundaries(1, counts).figures(Classes.of(["a"]))["mean_f"] is None


def test_distances_are_in_metres_or_pixels(tmp_path):
    assert metres_of("10m", GROUND, tmp_path) == 10
    assert metres_of("2px", GROUND, tmp_path) == 6
    for text in ("ten", "-1m", "5000px", "nanm"):
        with pytest.raises(GeoPointSegError, match="as --boundary, got"):
            metres_of(text, GROUND, tmp_path)
