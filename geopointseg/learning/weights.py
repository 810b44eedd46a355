"""Reading files of weights, and filling networks with them."""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from geopointseg.errors import GeoPointSegError

__all__ = ["encoder_of", "fill", "read_weights", "spread"]

# What Lightning, DDP and the various tasks put before the names of weights.
PREFIXES = ("", "model.", "module.", "encoder.", "backbone.", "model.encoder.", "model.backbone.", "backbone.model.")
HEADS = ("head", "fc", "classifier", "aux_classifier")  # that a file may lack: of ImageNet's classes, or for training


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a .safetensors file or one of torch, without running code from it.

    Raises:
        GeoPointSegError: damaged, or more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            held: Any = safetensors.torch.load_file(path)
        else:
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GeoPointSegError(
            f"expected a file of weights, got {path}, which is damaged or holds more than tensors ({reason}): fetch it "
            "again, or save the model's state_dict() alone"
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    tensors = {k: v for k, v in held.items() if isinstance(v, Tensor)} if isinstance(held, Mapping) else {}
    if not tensors:
        raise GeoPointSegError(f"expected named tensors in {path}, got none: save the model's state_dict()")
    return tensors


def encoder_of(network: nn.Module) -> nn.Module | None:
    """The part of a network that knows no classes; None where it has no such part."""
    found = getattr(network, "encoder", getattr(network, "backbone", None))
    return found if isinstance(found, nn.Module) else None


def fill(network: nn.Module, state: Mapping[str, Tensor], source: str, *, in_channels: int, num_classes: int) -> None:
    """Copy weights into a network, all of it or its encoder, whichever they are for.

    Weights for three bands are spread over any number of bands. If all but the number of classes agrees, the last
    layer stays as it is, with a warning; so do all but the encoder if that alone agrees.

    Args:
        network: Its encoder, if it has one, is called `encoder` or `backbone`.
        state: Name to tensor; common prefixes are understood, and heads for other tasks left out.
        source: Where the weights are from, for messages.
        in_channels: Number of bands of the network.
        num_classes: Of the network.

    Raises:
        GeoPointSegError: weights of another architecture, or for another number of bands; nothing is copied.
    """
    encoder = encoder_of(network)
    parts = [network, encoder, getattr(encoder, "model", None)]  # the last is timm's model within SMP's encoder
    matches = []
    for part in (part for part in parts if part is not None):
        for prefix in PREFIXES:
            held = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            match = _match(part.state_dict(), held, in_channels, num_classes)
            match.partial = part is not network and len(held) < len(state)
            matches.append(match)
    best = min(matches, key=lambda match: len(match.problems) + len(match.bands))  # of equals the first, the whole
    if best.problems:
        more = f", and {len(best.problems) - 3} more" if len(best.problems) > 3 else ""
        raise GeoPointSegError(
            f"expected weights of this model or its encoder, got {source}: {'; '.join(best.problems[:3])}{more}: "
            "take the model and backbone they were made for, or other weights"
        )
    if best.bands:
        raise GeoPointSegError(
            f"expected weights for {in_channels} bands, or for 3 to spread over them, got {source} for {best.bands[0]}: "
            "take rasters with those bands, or other weights"
        )
    if best.fresh:
        warnings.warn(
            f"{source} is for another number of classes than {num_classes}: {', '.join(best.fresh)} start at random",
            stacklevel=2,
        )
    if best.partial:
        warnings.warn(f"{source} is of another model: its encoder is taken, the rest starts at random", stacklevel=2)
    with torch.no_grad():
        for own, given in best.pairs:
            own.copy_(given)


@dataclass
class _Match:
    """How well weights fit a network."""

    pairs: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)  # names whose first axis is another number of classes
    bands: list[int] = field(default_factory=list)  # numbers of bands that cannot be spread
    problems: list[str] = field(default_factory=list)
    partial: bool = False  # there are weights beyond these, of a decoder of another kind


def _match(own: Mapping[str, Tensor], state: Mapping[str, Tensor], in_channels: int, num_classes: int) -> _Match:
    """Compare names and shapes."""
    match = _Match()
    given = {_plain(name): tensor for name, tensor in state.items()}
    names = {_plain(name): name for name in own}
    tops, given_tops = ({name.split(".")[0] for name in some} for some in (names, given))
    for plain, name in names.items():
        top = plain.split(".")[0]
        if plain not in given:
            if not plain.endswith("num_batches_tracked") and not (top in HEADS and top not in given_tops):
                match.problems.append(f"{name} is not in the file")
            continue
        here, there = tuple(own[name].shape), tuple(given[plain].shape)
        if here == there:
            match.pairs.append((own[name], given[plain]))
        elif len(here) == len(there) == 4 and (here[0], *here[2:]) == (there[0], *there[2:]) and here[1] == in_channels:
            if there[1] == 3:
                match.pairs.append((own[name], spread(given[plain], in_channels)))
            else:
                match.bands.append(there[1])
        elif here and there and here[0] == num_classes and here[1:] == there[1:]:
            match.fresh.append(name)
        else:
            match.problems.append(f"{name} is {there} in the file and {here} in the model")
    # heads for other tasks may be left over, but not a layer that this network has fewer of
    match.problems += [
        f"{name} is not in the model" for name in given if name not in names and name.split(".")[0] in tops
    ]
    return match


def _plain(name: str) -> str:
    """A name as timm's whole models have it: their feature extractors write stages_0 for stages.0."""
    return re.sub(r"_(\d+)(?=\.)", r".\1", name)


def spread(weight: Tensor, in_channels: int) -> Tensor:
    """First-layer weights for three bands as ones for any number, with the same response to grey images.

    One band gets their sum, others the three in turn times 3 / `in_channels`: the rule of SMP and timm.

    Args:
        weight: (filters, 3, height, width).
        in_channels: Number of bands.

    Returns:
        (filters, in_channels, height, width).
    """
    if in_channels == 1:
        return weight.sum(dim=1, keepdim=True)
    return weight[:, torch.arange(in_channels) % 3] * (3 / in_channels)
