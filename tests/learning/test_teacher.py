"""A teacher is the average of its students, and labels what it is sure of, region by region."""

import pytest
import torch
from torch import nn

from geopointseg.learning.teacher import Teacher, agreed, confident, running_confidence, thresholds

NO = 255


def network(value):
    """One weight, and batch normalisation, which counts."""
    made = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1))
    nn.init.constant_(made[0].weight, value)
    return made


# following


def test_the_teacher_is_the_moving_average():
    student = network(4.0)
    teacher = Teacher(student, classes=2)
    found = []
    for value in (8.0, 0.0, 0.0, 0.0):
        nn.init.constant_(student[0].weight, value)
        teacher.follow(student, decay=0.6)
        found.append(teacher.network[0].weight.item())
    assert found == pytest.approx([8, 4, 4 * 0.6, 4 * 0.6**2])  # α = 0, 1/2, then .6 at most
    assert student[0].weight.item() == 0


def test_what_normalisation_has_counted_is_followed_too():
    student = network(1.0)
    teacher = Teacher(student, classes=2)
    teacher.follow(student, decay=0.5)
    student(torch.full((1, 1, 2, 2), 10.0) + torch.arange(4.0).view(1, 1, 2, 2))
    teacher.follow(student, decay=0.5)
    mine, its = teacher.network[1], student[1]
    assert mine.running_mean.item() == pytest.approx(its.running_mean.item() / 2)
    assert mine.num_batches_tracked == 1


def test_nobody_trains_the_teacher():
    teacher = Teacher(network(1.0), classes=2)
    assert not any(p.requires_grad for p in teacher.network.parameters())
    assert not teacher.network.training


def test_a_teacher_goes_on_where_it_was():
    student = network(3.0)
    one, other = Teacher(student, classes=2), Teacher(network(0.0), classes=2)
    one.follow(student, 0.9)
    one.confidence = torch.tensor([0.4, 0.8])
    other.restore(one.state())
    nn.init.constant_(student[0].weight, 5.0)
    for teacher in (one, other):
        teacher.follow(student, 0.9)
    assert other.network[0].weight.item() == one.network[0].weight.item() == 4  # α = 1/2 in the second step
    assert other.confidence.tolist() == one.confidence.tolist()


# confidence

# Four pixels of three classes; the last has no data.
PROBABILITIES = torch.tensor([[[[0.9, 0.7, 0.3, 1.0]], [[0.1, 0.2, 0.6, 0.0]], [[0.0, 0.1, 0.1, 0.0]]]])
INSIDE = torch.tensor([[[True, True, True, False]]])


def test_confidence_is_the_running_mean_over_the_pixels_given_to_a_class():
    found = running_confidence(torch.tensor([1.0, 0.5, 0.4]), PROBABILITIES, INSIDE)
    assert found.tolist() == pytest.approx([0.99 + 0.01 * 0.8, 0.99 * 0.5 + 0.01 * 0.6, 0.4])


def test_without_data_confidence_stays():
    before = torch.tensor([1.0, 0.5, 0.4])
    assert torch.equal(running_confidence(before, PROBABILITIES, torch.zeros_like(INSIDE)), before)


def test_the_surest_class_has_the_highest_threshold():
    assert thresholds(torch.tensor([0.8, 0.4, 0.6]), 0.9).tolist() == pytest.approx([0.9, 0.45, 0.675])
    assert thresholds(torch.ones(3), 0.9).tolist() == pytest.approx([0.9] * 3)


def test_a_pixel_is_labelled_from_its_classs_threshold_on():
    assert confident(PROBABILITIES, torch.tensor([0.8, 0.5, 0.1])).tolist() == [[[0, NO, 1, 0]]]
    assert confident(PROBABILITIES, torch.tensor([0.6, 0.7, 0.1])).tolist() == [[[0, 0, NO, 0]]]


# regions


def test_a_region_takes_a_label_where_nine_of_ten_pixels_agree():
    regions = torch.tensor([[[1] * 10, [2] * 10, [3] * 10, [0] * 10]])
    labels = torch.tensor([[[1] * 9 + [NO], [1] * 8 + [NO, NO], [1] * 9 + [0], [1] * 10]])
    assert agreed(labels, regions, classes=2).tolist() == [[[1] * 10, [NO] * 10, [1] * 10, [NO] * 10]]
    assert agreed(labels, regions, classes=2, share=0.8).tolist() == [[[1] * 10] * 3 + [[NO] * 10]]


def test_two_classes_that_are_both_sure_do_not_agree():
    regions, labels = torch.ones(1, 2, 4, dtype=torch.long), torch.tensor([[[0] * 4, [1] * 4]])
    assert (agreed(labels, regions, classes=2) == NO).all()


def test_a_picture_without_regions_or_labels_gets_none():
    labels = torch.full((1, 2, 2), NO)
    assert (agreed(labels, torch.zeros_like(labels), classes=3) == NO).all()
    assert (agreed(labels, torch.ones_like(labels), classes=3) == NO).all()
