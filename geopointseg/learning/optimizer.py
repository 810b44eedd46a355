"""What moves the weights of a network, by its name."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW

from geopointseg.errors import GeoPointSegError, require_one_of

__all__ = ["Optimizer", "build_optimizer"]

Optimizer = Literal["adamw", "adam", "sgd"]

MOMENTUM = 0.9  # of SGD, as in torchvision's references/segmentation/train.py


def build_optimizer(
    name: Optimizer, parameters: Iterable[Parameter], *, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Build an optimiser.

    Args:
        name: adamw (Loshchilov and Hutter, ICLR 2019), adam (Kingma and Ba, ICLR 2015), or sgd with momentum 0.9.
        parameters: What it moves.
        lr: Highest learning rate.
        weight_decay: Per step times the rate for adamw; added to the gradient for the others, where it does far more.

    Raises:
        GeoPointSegError: no such optimiser, or a negative number.
    """
    require_one_of(Optimizer, name, "an optimizer")
    if lr < 0 or weight_decay < 0:
        raise GeoPointSegError(
            f"expected a learning rate and a weight decay of 0 or more, got {lr} and {weight_decay}: try 0.001 and 0.01"
        )
    if name == "sgd":
        return SGD(parameters, lr, momentum=MOMENTUM, weight_decay=weight_decay)
    kind = AdamW if name == "adamw" else Adam
    return kind(parameters, lr, weight_decay=weight_decay)
