"""What a run does unless told otherwise: one table. The values of fast and best are not measured yet."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from geopointseg.learning.augment import FLIPS_AND_TURNS, Augmentation

__all__ = ["PRESETS", "Preset", "PresetName", "choose"]

PresetName = Literal["fast", "balanced", "best"]


@dataclass(frozen=True, slots=True)
class Preset:
    """How long to train what network on what chips."""

    steps: int
    """Of training."""
    chip: int
    """Side of a training chip in pixels."""
    batch_size: int
    """Chips per step."""
    backbone: str
    """Encoder of the U-Net."""
    augmentation: Augmentation
    """What is done to training chips."""


PRESETS: dict[PresetName, Preset] = {
    "fast": Preset(300, 128, 8, "resnet18", FLIPS_AND_TURNS),
    "balanced": Preset(600, 128, 8, "resnet18", FLIPS_AND_TURNS),
    "best": Preset(2000, 256, 8, "resnet34", Augmentation(scale=1.33)),
}


def choose(name: PresetName, **given: int | str | None) -> Preset:
    """A preset, with what is given for itself instead of its own; None is not given."""
    own: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    return replace(PRESETS[name], **own)
