"""Labels grow ring by ring where the network is sure, into their own class alone."""

import torch

from geopointseg.learning.grow import grow

NO = 255


def probabilities(likely, confidence):
    """(1, 3, rows, columns) with the likely class at its confidence, the rest shared by the others."""
    likely, confidence = torch.tensor(likely), torch.tensor(confidence)
    picture = ((1 - confidence) / 2).expand(3, -1, -1).clone()
    return picture.scatter_(0, likely[None], confidence[None])[None]


LIKELY = [
    [0, 0, 1, 1, 1],
    [0, 0, 1, 1, 1],
    [0, 0, 0, 1, 1],
    [2, 2, 2, 1, 1],
    [2, 2, 2, 0, 0],
]
CONFIDENCE = [
    [0.9, 0.9, 0.9, 0.9, 0.9],
    [0.9, 0.9, 0.9, 0.9, 0.9],
    [0.9, 0.9, 0.9, 0.5, 0.5],
    [0.9, 0.9, 0.9, 0.9, 0.9],
    [0.9, 0.9, 0.9, 0.9, 0.9],
]
POINTS = [
    [0, NO, NO, NO, 1],
    [NO, NO, NO, NO, NO],
    [NO, NO, NO, NO, NO],
    [NO, NO, NO, NO, NO],
    [NO, NO, NO, NO, NO],
]
ONE = [
    [0, 0, NO, 1, 1],
    [0, 0, NO, 1, 1],
    [NO, NO, NO, NO, NO],
    [NO, NO, NO, NO, NO],
    [NO, NO, NO, NO, NO],
]
ALL = [  # class 2 has no point; the doubtful pixels keep class 1 from the south, and the zeros there from their own
    [0, 0, 1, 1, 1],
    [0, 0, 1, 1, 1],
    [0, 0, 0, NO, NO],
    [NO, NO, NO, NO, NO],
    [NO, NO, NO, NO, NO],
]


def grown(points, steps, threshold=0.8, likely=LIKELY):
    return grow(torch.tensor([points]), probabilities(likely, CONFIDENCE), threshold, steps)[0].tolist()


def test_no_step_changes_nothing():
    assert grown(POINTS, 0) == POINTS


def test_one_step_takes_the_eight_neighbours_of_the_same_class():
    assert grown(POINTS, 1) == ONE


def test_steps_go_on_from_each_other_until_nothing_is_left():
    assert grown(grown(POINTS, 1), 1) == grown(POINTS, 2) == ALL
    assert grown(POINTS, 99) == ALL


def test_a_lower_threshold_opens_the_way():
    found = grown(POINTS, 99, threshold=0.5)
    assert found == [[0, 0, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [NO, NO, NO, 1, 1], [NO, NO, NO, NO, NO]]


def test_a_label_stays_even_where_the_network_disagrees():
    assert grown([[2] * 5] + [[NO] * 5] * 4, 1)[0] == [2] * 5


def test_without_labels_nothing_grows_and_chips_do_not_touch():
    labels = torch.tensor([POINTS, [[NO] * 5] * 5])
    found = grow(labels, probabilities(LIKELY, CONFIDENCE).expand(2, -1, -1, -1), 0.8, 99)
    assert found[0].tolist() == ALL
    assert (found[1] == NO).all()
    assert labels[0].tolist() == POINTS  # what was given is not written to
