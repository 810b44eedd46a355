"""How the learning rate goes: as a share of the highest, by how much of the training is done.

schedule: poly
schedule: {step: {gamma: 0.5, every: 0.25}}
schedule: {plateau: {patience: 15}}
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from geopointseg.errors import GeoPointSegError

__all__ = ["SHAPES", "Course", "Schedule", "constant", "cosine", "plateau", "poly", "read_schedule", "rise", "step"]

Schedule = str | dict[str, dict[str, float]]
"""A schedule as YAML holds it: a name, or a name with its options."""


def cosine(done: float) -> float:
    """Half a cosine from 1 to 0: Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts.

    Args:
        done: Share of the steps, or of the minutes if they are further, from 0 to 1; that of every function here.
    """
    return 0.5 * (1 + math.cos(math.pi * done))


def poly(done: float, *, power: float = 0.9) -> float:
    """(1 - done)^power, from 1 to 0: Chen et al., "DeepLab", TPAMI 2018.

    Raises:
        GeoPointSegError: `power` is not above 0.
    """
    if power <= 0:
        raise GeoPointSegError(f"expected a schedule poly with a power above 0, got {power}: try 0.9")
    return float((1 - done) ** power)


def step(done: float, *, gamma: float = 0.1, every: float = 1 / 3) -> float:
    """1, and `gamma` times as much each time that another `every` of the training is done: torch's StepLR.

    Raises:
        GeoPointSegError: `gamma` is not above 0 and up to 1, or `every` is not.
    """
    if not (0 < gamma <= 1 and 0 < every <= 1):
        raise GeoPointSegError(
            f"expected a schedule step with gamma and every above 0, up to 1, got {gamma} and {every}: every is a share "
            "of the training, such as 0.25"
        )
    return float(gamma ** math.floor(done / every + 1e-9))  # 0.3 / 0.1 is less than 3


def constant(done: float) -> float:
    """1 all the time."""
    return 1.0


SHAPES: Mapping[str, Callable[..., float]] = {"cosine": cosine, "poly": poly, "step": step, "constant": constant}
"""The schedules that go by how much is done, by the names they have in YAML."""


def plateau(optimizer: Optimizer, *, factor: float = 0.1, patience: float = 10) -> ReduceLROnPlateau:
    """The rate, times `factor` whenever a loss has not fallen for more than `patience` validations.

    Args:
        optimizer: Whose rate it is.
        factor: Above 0 and below 1.
        patience: A whole number; one validation follows each epoch, of at most 50 steps.

    Raises:
        GeoPointSegError: one of them is not.
    """
    if not 0 < factor < 1 or patience < 0 or patience % 1:
        raise GeoPointSegError(
            f"expected a schedule plateau with a factor between 0 and 1 and a whole patience from 0 on, got {factor} and "
            f"{patience}: try 0.1 and 10"
        )
    return ReduceLROnPlateau(optimizer, "min", factor=factor, patience=int(patience))


def rise(optimizer: Optimizer, warm_up: int) -> LinearLR:
    """The warm-up of `Course.rate` for a rate that another schedule changes too."""
    return LinearLR(optimizer, 1 / max(warm_up, 1), total_iters=max(warm_up, 1) - 1)


@dataclass(frozen=True, slots=True)
class Course:
    """A schedule with its warm-up, all checked."""

    name: str
    options: Mapping[str, float] = field(default_factory=dict)
    warm_up: int = 0
    """Steps that the rate takes to rise evenly from almost nothing."""

    def rate(self, number: int, done: float) -> float:
        """The share of the highest learning rate at a step by its number, from 0 on; plateau's cannot be foretold."""
        risen = min(1.0, (number + 1) / self.warm_up) if self.warm_up else 1.0
        return risen * SHAPES[self.name](min(done, 1.0), **self.options)


def read_schedule(schedule: Schedule, warm_up: int = 0) -> Course:
    """A schedule, all checked, so that nothing is wrong after an hour of training.

    Args:
        schedule: A name, or a mapping of one name to its options.
        warm_up: Steps.

    Raises:
        GeoPointSegError: no such schedule, more than one, an option that it does not take, or a negative warm-up.
    """
    known: dict[str, Callable[..., Any]] = {**SHAPES, "plateau": plateau}
    named: Mapping[str, Mapping[str, float]] = {schedule: {}} if isinstance(schedule, str) else schedule
    if len(named) != 1 or not known.keys() >= named.keys():
        raise GeoPointSegError(
            f"expected one schedule ({', '.join(known)}), got {', '.join(named) or 'none'}: correct the name"
        )
    if warm_up < 0:
        raise GeoPointSegError(f"expected a warm-up of 0 or more steps, got {warm_up}: try 20")
    ((name, options),) = named.items()
    parameters = inspect.signature(known[name]).parameters.values()
    takes = {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}
    for option, value in options.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if option not in takes or not number:
            what = ", ".join(f"{key} {default:g}" for key, default in takes.items()) or "none"
            raise GeoPointSegError(
                f"expected options that the schedule {name} takes (by default {what}), got {option} {value}: correct it"
            )
    course = Course(name, options, warm_up)
    if name in SHAPES:
        course.rate(0, 0.0)  # refuses a number that is out of range
    else:
        plateau(SGD([torch.zeros(1)], 1.0), **options)
    return course
