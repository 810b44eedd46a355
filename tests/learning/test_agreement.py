"""Pixels are counted by class, those without data not at all; bfloat16 is taken where it is fast, safe, or asked for."""

import re

import numpy as np
import pytest
import torch

from geopointseg.learning import precision as module
from geopointseg.learning.agreement import Agreement, compare
from geopointseg.learning.precision import to_predict_in


def ask_of(ids):
    """A way to compute that finds these classes (of three) everywhere."""
    one_hot = np.moveaxis(np.eye(3, dtype=np.float32)[np.asarray(ids)], -1, 0)
    return lambda pixels: np.stack([one_hot] * len(pixels))


def test_equal_pixels_are_counted_where_there_are_data():
    one, other = ask_of([[0, 1], [2, 2]]), ask_of([[0, 2], [2, 0]])
    pixels = np.ones((2, 3, 2, 2), np.float32)
    assert compare(one, other, [pixels], chips="x") == Agreement(0.5, 8, "x")
    pixels[:, :, 0, 1] = np.nan  # no data in any band, where they differ
    pixels[:, 0, 1, 1] = np.nan  # data in some bands
    assert compare(one, other, [pixels, pixels], chips="x") == Agreement(2 / 3, 12, "x")
    assert compare(one, other, [], chips="x") == Agreement(1.0, 0, "x")


@pytest.mark.parametrize(("equal", "pixels", "safe"), [(0.995, 9, True), (0.99499, 9, False), (1.0, 0, False)])
def test_it_is_safe_from_995_pixels_in_a_thousand_on(equal, pixels, safe):
    assert Agreement(equal, pixels, "x").safe is safe


def test_no_share_looks_better_than_it_is():
    assert str(Agreement(0.994999, 65536, "held-out chips")) == "99.49 % of 65,536 pixels of held-out chips"


class Task:
    """As much of a task as the choice of a number format looks at."""

    device = torch.device("cpu")

    def __init__(self, agreement):
        self.agreement = agreement


GOOD, BAD, NONE = (
    Agreement(share, pixels, "held-out chips") for share, pixels in ((0.996, 100), (0.98, 100), (1.0, 0))
)


@pytest.mark.parametrize(
    ("agreement", "wanted", "fast", "found", "why"),
    [
        (GOOD, "auto", True, "bf16-mixed", "bfloat16 gave float32's class on 99.60 % of 100 pixels of held-out chips"),
        (BAD, "auto", True, "32-true", "bfloat16 gave float32's class on 98.00 % .*, less than 99.5%"),
        (NONE, "auto", True, "32-true", "there were no pixels"),
        (None, "auto", True, "32-true", "the model does not say"),
        (GOOD, "auto", False, "32-true", "this processor"),
        (BAD, "bf16-mixed", False, "bf16-mixed", "as asked for; .* 98.00 %"),
        (GOOD, "32-true", True, "32-true", "as asked for"),
    ],
)
def test_bfloat16_is_taken_where_it_is_fast_and_safe_or_asked_for(monkeypatch, agreement, wanted, fast, found, why):
    monkeypatch.setattr(module, "precision", lambda **_: "bf16-mixed" if fast else "32-true")
    chosen, reason = to_predict_in(Task(agreement), wanted)
    assert chosen == found
    assert re.match(why, reason)
