"""Augmentation: what a batch of chips could have looked like too. On the device, in float32, and unlabelled stays so."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.statistics import Statistics

__all__ = ["FLIPS_AND_TURNS", "Augmentation", "augment", "numbered_apart"]

Batch = dict[str, Tensor]


@dataclass(frozen=True)  # without slots: jsonargparse reads a default's fields from its __dict__
class Augmentation:
    """What is done to training chips."""

    flips: bool = True
    """Mirror rows and columns, each for half of the chips."""
    turns: bool = True
    """Turn by 0, 90, 180 or 270 degrees."""
    scale: float = 1.0
    """Show the ground between 1/scale and scale times as large, such as 1.33; 1 leaves it."""
    cutmix: float = 0.0
    """Share of the chips that get a box from another chip."""
    classmix: float = 0.0
    """Share of the chips that get the labelled pixels of half of another chip's classes."""
    jitter: float = 0.0
    """How far contrast and brightness go at most, in standard deviations of the bands: 0.5 is strong; 0 leaves them."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises:
            GeoPointSegError: a scale below 1 or above 2, a share outside 0 to 1, or a negative jitter.
        """
        if not 1 <= self.scale <= 2:
            raise GeoPointSegError(f"expected a scale from 1 to 2, got {self.scale}: 1.33 shows 0.75 to 1.33 times")
        for name, chips in (("cutmix", self.cutmix), ("classmix", self.classmix)):
            if not 0 <= chips <= 1:
                raise GeoPointSegError(f"expected {name} as a share of the chips from 0 to 1, got {chips}: try 0.5")
        if not 0 <= self.jitter < math.inf:
            raise GeoPointSegError(f"expected a jitter of 0 or more standard deviations, got {self.jitter}: try 0.5")


FLIPS_AND_TURNS = Augmentation()


def augment(batch: Batch, how: Augmentation, statistics: Statistics, generator: torch.Generator) -> Batch:
    """Augment a batch of square chips.

    What moves pixels moves image, mask and weight alike. Light comes last, so that a chip pasted together from two has
    one light.

    Args:
        batch: `image` (batch, bands, side, side) float32, NaN where there is no data; `mask` (batch, side, side) int64,
            255 = unlabelled; `weight` (batch, side, side) float32, 0 where unlabelled; perhaps `regions` (batch, side,
            side) int64, 0 = none, `numbered_apart`.
        how: What to do.
        statistics: Of the bands.
        generator: On the CPU, wherever the batch is: so the draws are the same on every device.

    Returns:
        A batch of the same shapes and types.
    """
    if how.flips or how.turns:
        batch = _turned(batch, generator, flips=how.flips, turns=how.turns)
    if how.scale > 1:
        batch = _scaled(batch, how.scale, generator)
    if how.classmix:
        batch = _mixed(batch, how.classmix, _half_of_classes, generator)
    if how.cutmix:
        batch = _mixed(batch, how.cutmix, _box, generator)
    if how.jitter:
        batch = batch | {"image": _lit(batch["image"], how.jitter, statistics, generator)}
    return batch


def numbered_apart(regions: Tensor) -> Tensor:
    """Give the regions of every chip numbers of their own, so that chips can be pasted into each other.

    Args:
        regions: (batch, height, width) int64, in each chip from 1 on; 0 = none.

    Returns:
        (batch, height, width) int64, over all chips from 1 on; 0 = none.
    """
    most = regions.flatten(1).max(dim=1).values
    return torch.where(regions > 0, regions + (most.cumsum(0) - most)[:, None, None], 0)


def _turned(batch: Batch, generator: torch.Generator, *, flips: bool, turns: bool) -> Batch:
    """Every chip mirrored and turned by its own draw; pixels only change places."""
    count = len(batch["image"])
    draws = torch.randint(2, (count, 2), generator=generator) * flips
    quarters = torch.randint(4, (count,), generator=generator) * turns
    moves = [
        ([axis for axis, flip in zip((-2, -1), axes, strict=True) if flip], quarter)
        for axes, quarter in zip(draws.tolist(), quarters.tolist(), strict=True)
    ]
    return {
        key: torch.stack([chip.flip(axes).rot90(k, (-2, -1)) for chip, (axes, k) in zip(chips, moves, strict=True)])
        for key, chips in batch.items()
    }


def _scaled(batch: Batch, scale: float, generator: torch.Generator) -> Batch:
    """Every chip enlarged or shrunk by its own draw, at a random place: image bilinear, mask and weight nearest.

    Where a shrunk chip ends, its image is mirrored, as in prediction, and unlabelled. A pixel has no data where the nearest
    pixel had none; of the others only those with data are averaged. Weights are divided by the area a pixel has grown
    to: a click counts the same at every scale.
    """
    image = batch["image"]
    zoom = _uniform((len(image), 1), -math.log(scale), math.log(scale), generator, image.device).exp()
    place = _uniform((len(image), 2), -1, 1, generator, image.device)
    # From places in the output to places in the input, both counted from -1 to 1: x -> x / zoom + shift
    theta = torch.cat([torch.diag_embed(1 / zoom.expand(-1, 2)), (place * (1 - 1 / zoom))[..., None]], dim=2)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)

    def taken(x: Tensor, mode: str, padding: str) -> Tensor:
        return F.grid_sample(x, grid, mode, padding, align_corners=False)

    known = (~image.isnan()).float()
    share = taken(known, "bilinear", "reflection")
    values = taken(image.nan_to_num(), "bilinear", "reflection") / share.clamp_min(1e-6)
    labels = taken((UNLABELLED - batch["mask"])[:, None].float(), "nearest", "zeros")[:, 0]
    weight = taken(batch["weight"][:, None], "nearest", "zeros")[:, 0]
    scaled = {
        "image": torch.where(taken(known, "nearest", "reflection") > 0, values, torch.nan),
        "mask": UNLABELLED - labels.long(),
        "weight": weight / zoom[..., None] ** 2,
    }
    if "regions" in batch:  # numbers that float32 holds exactly: up to 2²⁴ in a batch
        scaled["regions"] = taken(batch["regions"][:, None].float(), "nearest", "zeros")[:, 0].long()
    return scaled


def _mixed(batch: Batch, chips: float, choose: Callable[..., Tensor], generator: torch.Generator) -> Batch:
    """Paste a part of another chip into a share of the chips: image, mask and weight, unlabelled pixels as unlabelled."""
    mask = batch["mask"]
    count = len(mask)
    if count < 2:
        return batch
    step = int(torch.randint(1, count, (1,), generator=generator))
    other = {key: value.roll(step, dims=0) for key, value in batch.items()}
    mixed = (torch.rand(count, generator=generator) < chips).to(mask.device)
    part = choose(other["mask"], generator) & mixed[:, None, None]
    return {
        key: torch.where(part[:, None] if value.ndim == 4 else part, other[key], value) for key, value in batch.items()
    }


def _box(mask: Tensor, generator: torch.Generator) -> Tensor:
    """CutMix (Yun et al. 2019): a square in each chip whose share of the area is drawn evenly, wholly in the chip."""
    count, side = len(mask), mask.shape[-1]
    width = _uniform((count, 1), 0, 1, generator, mask.device).sqrt() * side
    start = _uniform((count, 2), 0, 1, generator, mask.device) * (side - width)
    places = torch.arange(side, device=mask.device) + 0.5
    rows, cols = ((places >= s[:, None]) & (places < s[:, None] + width) for s in start.unbind(dim=1))
    return rows[:, :, None] & cols[:, None, :]


def _half_of_classes(mask: Tensor, generator: torch.Generator) -> Tensor:
    """ClassMix (Olsson et al. 2021): the pixels of half of the classes in each chip, rounded up; never unlabelled ones."""
    flat = mask.flatten(1)
    present = torch.zeros(len(mask), UNLABELLED + 1, dtype=torch.bool, device=mask.device).scatter_(1, flat, True)
    present[:, UNLABELLED] = False
    draws = _uniform((len(mask), UNLABELLED + 1), 0, 1, generator, mask.device).where(present, 2)
    place = draws.argsort(dim=1).argsort(dim=1)  # of each class in a random order, those present first
    chosen = present & (place < (present.sum(dim=1, keepdim=True) + 1) // 2)
    return chosen.gather(1, flat).view_as(mask)


def _lit(image: Tensor, jitter: float, statistics: Statistics, generator: torch.Generator) -> Tensor:
    """Every chip in another light: contrast around the mean, and brightness of all bands and of each, in its deviations."""
    count, bands = image.shape[:2]
    mean, std = (
        torch.tensor(v, dtype=torch.float32, device=image.device)[:, None, None]
        for v in (statistics.mean, statistics.std)
    )
    contrast = _uniform((count, 1, 1, 1), -jitter, jitter, generator, image.device).exp()
    brightness = _uniform((count, 1, 1, 1), -jitter, jitter, generator, image.device)
    tint = _uniform((count, bands, 1, 1), -jitter, jitter, generator, image.device)
    return mean + (image - mean) * contrast + std * (brightness + tint)


def _uniform(
    shape: tuple[int, ...], low: float, high: float, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Random numbers between two bounds, drawn on the CPU and put on the device."""
    return (low + (high - low) * torch.rand(shape, generator=generator)).to(device)
