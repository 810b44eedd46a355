"""Colours to ids and back, exactly; what is no class is counted."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geopointseg.datasets.decode import by_codes, by_colors, encode_colors
from geopointseg.datasets.table import ADAPTERS
from geopointseg.errors import GeoPointSegError

IN_COLOURS = {"potsdam": "#000000", "deepglobe": "#000000", "gid": "#000000", "zurich": "#ffffff", "dubai": "#9b9b9b"}


@pytest.mark.parametrize("name", IN_COLOURS)
@given(data=st.data())
def test_colours_round_trip_exactly(name, data):
    classes, unlabelled = ADAPTERS[name].DATASET.classes, IN_COLOURS[name]
    ids = data.draw(arrays(np.uint8, (7, 5), elements=st.sampled_from([*range(len(classes)), 255])))
    back, unknown = by_colors(classes, ignored=[unlabelled])(encode_colors(ids, classes, unlabelled=unlabelled))
    np.testing.assert_array_equal(back, ids)
    assert not unknown


def test_unknown_colours_are_counted_and_unlabelled():
    classes = ADAPTERS["potsdam"].DATASET.classes
    ids = np.zeros((4, 4), np.uint8)
    colors = encode_colors(ids, classes)
    colors[:, 0, :3] = np.array([[254], [255], [255]])
    colors[:, 1, 1] = 7
    back, unknown = by_colors(classes)(colors)
    assert unknown == Counter({"#feffff": 3, "#070707": 1})
    assert (back == 255).sum() == 4


def test_snapping_takes_every_channel_to_its_end():
    classes = ADAPTERS["potsdam"].DATASET.classes
    colors = np.array([[252, 255, 0], [9, 222, 221], [128, 128, 128], [127, 127, 127], [255, 0, 255]], np.uint8)
    ids, unknown = by_colors(classes, ignored=["#000000"], snapped=True)(colors.T[:, None])
    assert ids.tolist() == [[4, 2, 0, 255, 255]]
    assert unknown == Counter({"#ff00ff": 1})  # magenta is nobody's


def test_alpha_is_not_looked_at():
    classes = ADAPTERS["gid"].DATASET.classes
    colors = np.concatenate([encode_colors(np.ones((2, 2), np.uint8), classes), np.zeros((1, 2, 2), np.uint8)])
    assert (by_colors(classes)(colors)[0] == 1).all()


@pytest.mark.parametrize("bands", [np.zeros((1, 2, 2), np.uint8), np.zeros((3, 2, 2), np.uint16)])
def test_codes_where_colours_should_be_are_refused(bands):
    with pytest.raises(GeoPointSegError, match="expected truth in colours"):
        by_colors(ADAPTERS["gid"].DATASET.classes)(bands)


def test_codes_become_ids_and_others_are_counted():
    ids, unknown = by_codes({10: 0, 30: 1}, ignored=[0])(np.array([[[10, 30, 0, 7, 7, -1]]], np.int16))
    assert ids.tolist() == [[0, 1, 255, 255, 255, 255]]
    assert unknown == Counter({"7": 2, "-1": 1})
