"""Weights of edges: differences of colour, or 1 - affinity; NaN where there is no edge, and no rim around gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from partitions import picture

from geopointseg.labels.edges import STRIP, affinity_edges, border_strength, colour_edges, edge_weights
from geopointseg.labels.graph import NEIGHBOURS

NAN = np.nan
EAST, SOUTH_EAST, SOUTH, SOUTH_WEST = range(4)


def test_weights_are_differences_of_colour_by_hand():
    edges = colour_edges(np.array([[[0, 3], [1, 7]]], np.float32), sigma=0)
    root = np.sqrt(3)  # one band stands for three
    expected = np.array([[[3, 7, 1, NAN], [NAN, NAN, 4, 2]], [[6, NAN, NAN, NAN], [NAN] * 4]]) * root
    np.testing.assert_allclose(edges, expected, rtol=1e-6)


def test_several_bands_are_as_far_apart_as_in_euclids_space():
    image = np.array([[[0, 3]], [[0, 4]], [[0, 0]]], np.float32)
    assert colour_edges(image, sigma=0)[0, 0, EAST] == 5
    assert colour_edges(np.tile(image, (5, 1, 1)), sigma=0)[0, 0, EAST] == 5


def test_no_edge_leads_to_a_gap_and_a_band_that_lacks_counts_as_alike():
    image = np.array([[[0, 1, NAN, 1]], [[0, NAN, NAN, 1]]], np.float32)
    edges = colour_edges(image, sigma=0)[0, :, EAST]
    np.testing.assert_allclose(edges, [np.sqrt(3 / 2), NAN, NAN, NAN], rtol=1e-6)


def test_even_ground_stays_even_up_to_the_end_and_around_gaps():
    image = np.full((2, 9, 9), 0.7, np.float32)
    image[:, 3:5, 3:5] = NAN
    edges = colour_edges(image, sigma=2)
    assert np.nanmax(edges) < 1e-6
    assert np.isnan(edges[3, 3]).all()


def test_smoothing_lowers_a_speck():
    image = np.zeros((1, 9, 9), np.float32)
    image[0, 4, 4] = 1
    sharp, smooth = (colour_edges(image, sigma=sigma)[4, 4, EAST] for sigma in (0, 0.8))
    assert 0 < smooth < sharp == pytest.approx(np.sqrt(3))


@given(st.integers(0, 1000), st.integers(0, 4), st.integers(0, 4))
def test_neither_the_order_of_bands_nor_the_origin_nor_threads_matter(number, down, right):
    image = picture(number, (3, STRIP + 9, 11))
    expected = colour_edges(image)
    np.testing.assert_array_equal(colour_edges(image[[2, 0, 1]]), expected)
    np.testing.assert_array_equal(colour_edges(image, threads=2), expected)
    padded = np.pad(image, ((0, 0), (down, 2), (right, 1)), constant_values=NAN)
    np.testing.assert_array_equal(colour_edges(padded)[down:-2, right:-1], expected)


def test_an_edge_takes_the_mean_of_what_its_ends_say():
    maps = np.zeros((8, 2, 2), np.float32)
    maps[NEIGHBOURS.index((0, 1)), 0, 0], maps[NEIGHBOURS.index((0, -1)), 0, 1] = 0.2, 0.6
    maps[NEIGHBOURS.index((1, -1)), 0, 1], maps[NEIGHBOURS.index((-1, 1)), 1, 0] = 1, 0.5
    edges = affinity_edges(maps)
    expected = [[[0.4, 0, 0, NAN], [NAN, NAN, 0, 0.75]], [[0, NAN, NAN, NAN], [NAN] * 4]]
    np.testing.assert_allclose(edges, expected, rtol=1e-6)
    np.testing.assert_allclose(edge_weights(np.zeros((1, 2, 2), np.float32), affinity=maps), 1 - edges)


def test_maps_have_no_edge_where_the_image_has_no_data():
    image = np.array([[[0, NAN, 0, 0]]], np.float32)
    edges = edge_weights(image, affinity=np.ones((8, 1, 4), np.float32))
    np.testing.assert_array_equal(edges[0, :, EAST], [NAN, NAN, 0, NAN])


def test_eight_maps_are_asked_for():
    with pytest.raises(ValueError, match="expected 8 affinity maps, got 4"):
        affinity_edges(np.zeros((4, 2, 2), np.float32))


def test_an_outline_is_as_strong_as_the_edges_that_meet_there():
    edges = colour_edges(np.array([[[0, 3, 3]]], np.float32) / np.float32(np.sqrt(3)), sigma=0)
    np.testing.assert_allclose(border_strength(edges), [[3, np.sqrt(9 / 2), 0]], rtol=1e-6)
    assert (border_strength(np.full((2, 2, 4), NAN, np.float32)) == 0).all()


def test_gradient_takes_the_geometric_mean_with_the_stronger_outline():
    image = np.array([[[0, 3, 3]]], np.float32) / np.float32(np.sqrt(3))
    edges = edge_weights(image, affinity="gradient", sigma=0)[0, :2, EAST]
    np.testing.assert_allclose(edges, [3, 0], rtol=1e-6)
    stepped = np.array([[[0, 1, 4]]], np.float32) / np.float32(np.sqrt(3))
    edges = edge_weights(stepped, affinity="gradient", sigma=0)[0, :2, EAST]
    np.testing.assert_allclose(edges, [np.sqrt(1 * np.sqrt(10 / 2)), np.sqrt(3 * 3)], rtol=1e-6)
