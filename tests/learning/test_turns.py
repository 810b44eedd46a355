"""The eight views are the eight symmetries of the square, each answer is turned back, and the mean turns with the picture."""

import numpy as np
import pytest

from geopointseg.learning.backends import with_torch
from geopointseg.learning.turns import VIEWS, _back, _view, turned

SIDES = (32, 32), (32, 64), (5, 7)


def pixels(height, width, *, bands=3):
    return np.random.default_rng(0).random((2, bands, height, width), np.float32)


def copy(pixels):
    """A network that answers with what it sees."""
    return pixels


def directed(pixels):
    """A network that likes the top and, less so, the left: what lies there is of the first class."""
    height, width = pixels.shape[-2:]
    place = np.linspace(1, 0, height)[:, None] * 0.8 + np.linspace(0.2, 0, width)
    share = (0.5 * pixels[:, 0] + 0.5 * place).astype(np.float32)
    return np.stack([share, 1 - share], axis=1)


def test_the_views_are_the_eight_symmetries_of_the_square():
    picture = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    views = {_view(picture, *view).tobytes() for view in VIEWS}
    square = picture[0, 0]
    turns = [np.rot90(square, quarters) for quarters in range(4)]
    assert views == {each.tobytes() for turn in turns for each in (turn, turn.T)}
    assert len(views) == 8


@pytest.mark.parametrize("shape", SIDES, ids=str)
def test_each_view_is_turned_back(shape):
    picture = pixels(*shape)
    for view in VIEWS:
        seen = _view(picture, *view)
        assert seen.flags.c_contiguous
        np.testing.assert_array_equal(_back(seen, *view), picture)


@pytest.mark.parametrize("shape", SIDES, ids=str)
def test_a_network_that_copies_gives_the_picture_back(shape):
    picture = pixels(*shape)
    np.testing.assert_allclose(turned(copy)(picture), picture, rtol=1e-6)
    coarse = np.round(picture * 8) / 8  # whose sums of eight are exact
    np.testing.assert_array_equal(turned(copy)(coarse), coarse)


def test_a_network_that_turns_with_its_input_is_not_changed():
    picture = pixels(32, 32)

    def neighbours(pixels):
        around = np.pad(pixels, [(0, 0), (0, 0), (1, 1), (1, 1)])
        return around[..., 2:, 1:-1] + around[..., :-2, 1:-1] + around[..., 1:-1, 2:] + around[..., 1:-1, :-2]

    np.testing.assert_allclose(turned(neighbours)(picture), neighbours(picture), rtol=1e-5)


@pytest.mark.parametrize("shape", SIDES, ids=str)
def test_what_is_found_turns_with_the_picture(shape):
    picture, ask = pixels(*shape), turned(directed)
    found = ask(picture)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    for view in VIEWS[1:]:
        assert np.abs(directed(_view(picture, *view)) - _view(directed(picture), *view)).max() > 0.1
        np.testing.assert_allclose(ask(_view(picture, *view)), _view(found, *view), rtol=1e-5)


def test_the_mean_is_over_all_eight_by_hand():
    picture = np.zeros((1, 1, 2, 2), np.float32)

    def corner(pixels):
        """Sure of the first class at the top left alone."""
        share = np.array([[1, 0], [0, 0]], np.float32)[None]
        return np.stack([share, 1 - share], axis=1)

    np.testing.assert_array_equal(turned(corner)(picture)[0, 0], np.full((2, 2), 0.25))  # twice in each corner


def test_what_was_asked_before_is_not_written_over():
    answer = np.ones((1, 2, 4, 4), np.float32)
    turned(lambda _: answer)(np.zeros((1, 1, 4, 4), np.float32))
    assert (answer == 1).all()


def test_torch_takes_the_views(task_of_two_bands):
    picture = 100 * pixels(64, 96, bands=2)
    picture[:, :, 10:20, 30:40] = np.nan
    ask = with_torch(task_of_two_bands)
    by_hand = np.mean([_back(ask(_view(picture, *view)), *view) for view in VIEWS], axis=0)
    found = turned(ask)(picture)
    np.testing.assert_allclose(found, by_hand, atol=1e-6)
    assert np.abs(found - ask(picture)).max() > 1e-3
