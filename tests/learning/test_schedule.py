"""A schedule is a curve over what is done, with a warm-up; plateau goes by the loss; what cannot work is refused."""

import math

import pytest
import torch
import yaml

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.optimizer import build_optimizer
from geopointseg.learning.schedule import SHAPES, Course, read_schedule, rise


def from_yaml(text, warm_up=0):
    """The schedule of a line of YAML."""
    return read_schedule(yaml.safe_load(text)["schedule"], warm_up)


@pytest.mark.parametrize(
    ("text", "rates"),
    [  # at the start, a quarter, half, three quarters and the end
        ("schedule: cosine", [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]),
        ("schedule: {poly: {power: 1}}", [1, 0.75, 0.5, 0.25, 0]),
        ("schedule: poly", [1, 0.75**0.9, 0.5**0.9, 0.25**0.9, 0]),
        ("schedule: {step: {gamma: 0.5, every: 0.25}}", [1, 0.5, 0.25, 0.125, 0.0625]),
        ("schedule: step", [1, 1, 0.1, 0.01, 0.001]),
        ("schedule: constant", [1, 1, 1, 1, 1]),
    ],
)
def test_a_schedule_by_what_is_done(text, rates):
    course = from_yaml(text)
    assert [course.rate(100, done) for done in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(rates)


def test_a_step_falls_where_it_says_whatever_the_rounding():
    course = from_yaml("schedule: {step: {every: 0.1}}")
    assert [course.rate(0, done / 10) for done in range(10)] == pytest.approx([0.1**n for n in range(10)])


@pytest.mark.parametrize("name", SHAPES)
def test_the_rate_rises_in_even_steps_and_stays_at_its_end(name):
    course = read_schedule(name, warm_up=4)
    assert [course.rate(step, 0) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert course.rate(100, 1.5) == course.rate(100, 1)  # the minutes were over before the last step was


def test_the_warm_up_of_plateau_is_that_of_the_others():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 2.0)
    warming, rates = rise(optimizer, 4), []
    for _ in range(7):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        warming.step()
        if len(rates) == 5:
            optimizer.param_groups[0]["lr"] /= 10  # what plateau does
    assert rates == pytest.approx([0.5, 1, 1.5, 2, 2, 0.2, 0.2])


def test_what_was_read_is_a_plain_value():
    assert from_yaml("schedule: {plateau: {patience: 15}}", 20) == Course("plateau", {"patience": 15}, 20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schedule: cosinus", r"expected one schedule \(cosine, poly, step, constant, plateau\), got cosinus"),
        ("schedule: {}", "expected one schedule .*, got none"),
        ("schedule: {poly: {}, step: {}}", "expected one schedule .*, got poly, step"),
        ("schedule: {cosine: {power: 2}}", r"cosine takes \(by default none\), got power 2"),
        ("schedule: {poly: {pow: 2}}", r"poly takes \(by default power 0.9\), got pow 2"),
        ("schedule: {poly: {power: true}}", "got power True"),
        ("schedule: {poly: {power: .nan}}", "got power nan"),
        ("schedule: {poly: {power: 0}}", "a power above 0, got 0"),
        ("schedule: {step: {gamma: 0}}", "gamma and every above 0, up to 1, got 0 and 0.33"),
        ("schedule: {step: {every: 30}}", "got 0.1 and 30: every is a share of the training"),
        ("schedule: {plateau: {factor: 1}}", "a factor between 0 and 1 .*, got 1 and 10"),
        ("schedule: {plateau: {patience: 1.5}}", "a whole patience from 0 on, got 0.1 and 1.5"),
    ],
)
def test_what_cannot_work_is_refused(text, message):
    with pytest.raises(GeoPointSegError, match=message):
        from_yaml(text)


def test_a_negative_warm_up_is_refused():
    with pytest.raises(GeoPointSegError, match="a warm-up of 0 or more steps, got -1"):
        read_schedule("cosine", -1)


@pytest.mark.parametrize(("name", "kind"), [("adamw", "AdamW"), ("adam", "Adam"), ("sgd", "SGD")])
def test_an_optimizer_by_its_name(name, kind):
    made = build_optimizer(name, [torch.nn.Parameter(torch.zeros(1))], lr=0.5, weight_decay=0.25)
    assert type(made).__name__ == kind
    assert (made.defaults["lr"], made.defaults["weight_decay"]) == (0.5, 0.25)
    assert made.defaults.get("momentum", 0.9) == 0.9


@pytest.mark.parametrize(
    ("name", "lr", "decay", "message"),
    [
        ("lion", 0.1, 0, r"an optimizer \(adamw, adam, sgd\), got lion"),
        ("sgd", -0.1, 0, "got -0.1 and 0"),
        ("adam", 0.1, -1, "got 0.1 and -1"),
    ],
)
def test_an_optimizer_that_cannot_be_is_refused(name, lr, decay, message):
    with pytest.raises(GeoPointSegError, match=message):
        build_optimizer(name, [torch.nn.Parameter(torch.zeros(1))], lr=lr, weight_decay=decay)
