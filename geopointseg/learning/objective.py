"""What training makes small: one loss, or a weighted sum of several, as YAML says it.

loss: focal
loss: {cross-entropy: 1, dice: 0.5}
loss: {cross-entropy: 1, focal: {share: 0.5, gamma: 3}, squared-error: {weighted: false}}
"""

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.losses import LOSSES

__all__ = ["Loss", "Term", "read_loss", "weighted_sum"]

Loss = str | dict[str, float | dict[str, float | bool]]
"""A loss as YAML holds it: a name, or names with their shares, or with their share and options."""


@dataclass(frozen=True, slots=True)
class Term:
    """One loss of a sum."""

    name: str
    share: float = 1.0
    weighted: bool = True
    """Whether the pseudo-mask's weights count in it; otherwise every labelled pixel does the same."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else its function takes, such as gamma."""

    def __str__(self) -> str:
        """As people read it: 0.5 × focal (gamma 3)."""
        said = [f"{name} {value}" for name, value in self.options.items()] + ["unweighted"] * (not self.weighted)
        named = f"{self.name} ({', '.join(said)})" if said else self.name
        return named if self.share == 1 else f"{self.share:g} × {named}"


def read_loss(loss: Loss) -> tuple[Term, ...]:
    """The terms of a loss, all checked, so that nothing is wrong after an hour of training.

    Args:
        loss: A name, or a mapping of names to shares, or to the share (1 by default), `weighted` (true by default) and
            options of each.

    Raises:
        GeoPointSegError: no such loss, no positive share, or an option that its loss does not take.

    Examples:
        >>> [str(term) for term in read_loss({"cross-entropy": 1, "focal": {"share": 0.5, "gamma": 3}})]
        ['cross-entropy', '0.5 × focal (gamma 3)']
    """
    named = {loss: 1.0} if isinstance(loss, str) else loss
    if not named:
        raise GeoPointSegError(f"expected at least one loss, got none: choose from {', '.join(LOSSES)}")
    return tuple(_term(name, options) for name, options in named.items())


def weighted_sum(
    terms: tuple[Term, ...], logits: Tensor, target: Tensor, weight: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Σ share · loss over the terms; the other arguments are those of every loss."""
    losses = [
        term.share * LOSSES[term.name](logits, target, weight if term.weighted else None, class_weights, **term.options)
        for term in terms
    ]
    return torch.stack(losses).sum()


def _term(name: str, given: float | Mapping[str, Any]) -> Term:
    """One entry of the mapping."""
    if name not in LOSSES:
        raise GeoPointSegError(f"expected a loss ({', '.join(LOSSES)}), got {name}: correct the name")
    known: dict[str, Any] = {"share": 1.0, "weighted": True}
    for parameter in inspect.signature(LOSSES[name]).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            known[parameter.name] = parameter.default
    options: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {"share": given}
    for option, value in options.items():
        if option not in known or not _is_like(known[option], value):
            takes = ", ".join(f"{key} {json.dumps(default)}" for key, default in known.items())
            raise GeoPointSegError(
                f"expected options that the loss {name} takes (by default {takes}), got {option} {value}: correct it"
            )
    share, weighted = options.pop("share", 1.0), options.pop("weighted", True)
    if share <= 0:
        raise GeoPointSegError(f"expected a share above 0 for the loss {name}, got {share}: leave it out, or give one")
    pixel = torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long)
    LOSSES[name](*pixel, **options)  # refuses a number that is out of range
    return Term(name, float(share), weighted, options)


def _is_like(default: bool | float, value: object) -> bool:
    """Whether it is true or false if the default is, and a finite number otherwise."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, int | float) and math.isfinite(value)
