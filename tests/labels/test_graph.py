"""Edges lead where their numbers say; sorting is stable; trees are numbered in the order of their first members."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.labels.graph import NEIGHBOURS, NO_CLASS, STEPS, apart, each, find, numbered, order, seed_map


def test_a_pixel_owns_half_of_the_edges_to_its_neighbours():
    back = {(-down, -right) for down, right in STEPS}
    assert set(STEPS) | back == set(NEIGHBOURS)
    assert len(NEIGHBOURS) == 8
    assert all((down, right) > (0, 0) for down, right in STEPS)  # to pixels that come later


@pytest.mark.parametrize(("a", "b", "expected"), [(1, 2, True), (1, 1, False), (1, 255, False), (255, 255, False)])
def test_classes_exclude_each_other_and_none_excludes_nobody(a, b, expected):
    assert apart(np.uint8(a), np.uint8(b)) == apart(np.uint8(b), np.uint8(a)) == expected


def test_the_root_is_found_and_the_way_there_shortened():
    chain = np.array([0, 0, 1, 2, 3], np.int32)
    assert find(chain, 4) == 0
    assert chain.tolist() == [0, 0, 0, 2, 2]


@given(st.lists(st.floats(0, 9, width=32), max_size=40), st.booleans())
def test_sorting_keeps_the_order_of_equals(weights, few):
    keys = np.array(weights, np.float32)
    keys = np.round(keys) if few else keys  # ties
    keys = np.abs(keys)  # -0.0 has other bits than 0.0
    values = np.arange(len(keys), dtype=np.int32)
    expected = np.argsort(keys, kind="stable")
    bits = keys.view(np.uint32).copy()
    order(bits, values)
    assert values.tolist() == expected.tolist()
    np.testing.assert_array_equal(bits.view(np.float32), keys[expected])


def test_trees_are_numbered_by_their_first_members_and_gaps_are_0():
    parent = np.array([2, 1, 2, 1, 4, 5], np.int32)
    inside = np.array([True, True, True, True, False, True])
    labels, count = numbered(parent, inside)
    assert labels.tolist() == [1, 2, 1, 2, 0, 3]
    assert count == 3


def test_of_two_points_on_a_pixel_the_first_counts():
    seeds = seed_map((2, 3), np.array([0, 1, 0]), np.array([2, 0, 2]), np.array([9, 8, 7]))
    assert seeds.tolist() == [[NO_CLASS, NO_CLASS, 9], [8, NO_CLASS, NO_CLASS]]
    assert seeds.dtype == np.uint8


@pytest.mark.parametrize("threads", [1, 2])
def test_every_piece_of_work_is_done_once(threads):
    done, where = [], set()

    def work(i):
        done.append(i)
        where.add(threading.get_ident())

    each(work, 9, threads)
    assert sorted(done) == list(range(9))
    assert (threading.get_ident() in where) == (threads == 1)


def test_what_goes_wrong_on_a_thread_is_told():
    with pytest.raises(ZeroDivisionError):
        each(lambda i: 1 // (2 - i), 4, 2)
