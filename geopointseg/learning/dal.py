"""The DAL network: deep affinities for HERS superpixels (Peng, Aviles-Rivero and Schönlieb, WACV 2022).

Built from the published description; its authors' weights come with no licence and are not ours to ship, so a user brings
the file. The names of its tensors do not matter: layers are matched by their shape and, among layers of one shape, by
their order in the file, which is the order of depth.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.graph import NEIGHBOURS

__all__ = ["Dal", "dal_from_state", "listed"]

PUBLISHED_ORDER = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))  # east, then clockwise
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # the convolutions of VGG-16
UNUSED = "conv5"  # a head that the published network defines and never uses


class Dal(nn.Module):
    """A stem with three residual blocks, a VGG-16 trunk, and side outputs of five resolutions fused to eight maps.

    It takes red, green and blue from 0 to 255, not normalised: stretch other rasters to that first.
    """

    bands = 3
    stride = 16
    halo = 160

    def __init__(self) -> None:
        """Build it with a random start; some 14.7 million parameters."""
        super().__init__()
        self.stem = nn.Sequential(nn.ReplicationPad2d(3), nn.Conv2d(3, 8, 7), _norm(), nn.ReLU())
        self.blocks = nn.ModuleList(nn.Sequential(_padded(), _norm(), nn.ReLU(), _padded(), _norm()) for _ in range(3))
        self.stages = nn.ModuleList()
        inputs = 8
        for outputs in STAGES:
            layers: list[nn.Module] = []
            for channels in outputs:
                layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
                inputs = channels
            self.stages.append(nn.Sequential(*layers))
        self.sides = nn.ModuleList(nn.Conv2d(outputs[-1], 8, 1) for outputs in STAGES)
        self.fuse = nn.Conv2d(8 * len(STAGES), 8, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) from 0 to 255 to (batch, 8, height, width) logits in the order of `NEIGHBOURS`."""
        x = self.stem(torch.nan_to_num(x))
        for block in self.blocks:
            x = F.relu(x + block(x))
        size, found = x.shape[-2:], []
        for number, (stage, side) in enumerate(zip(self.stages, self.sides, strict=True)):
            x = stage(F.max_pool2d(x, 2) if number else x)
            found.append(F.interpolate(side(x), size, mode="bilinear", align_corners=False))
        logits: Tensor = self.fuse(torch.cat(found, dim=1))
        return logits


def _norm() -> nn.Module:
    """Instance normalisation that is fixed when it predicts."""
    return nn.InstanceNorm2d(8, track_running_stats=True)


def _padded() -> nn.Module:
    """A 3×3 convolution that continues the picture at its edge."""
    return nn.Conv2d(8, 8, 3, padding=1, padding_mode="replicate")


def dal_from_state(state: Mapping[str, Tensor], path: Path) -> Dal:
    """The network with the weights of a published checkpoint, in evaluation mode.

    Args:
        state: Its tensors, in the order of the file.
        path: Of the file, for messages.

    Raises:
        GeoPointSegError: layers are missing or left over.
    """
    network = Dal()
    ours, theirs = _layers(network.state_dict()), _layers(state)
    by_shape: dict[Any, list[str]] = {}
    for name, layer in theirs.items():
        if name.rpartition(".")[2] != UNUSED:
            by_shape.setdefault(_shapes(layer), []).append(name)
    missing: list[str] = []
    loaded: dict[str, Tensor] = {}
    for name, layer in ours.items():
        if not (candidates := by_shape.get(_shapes(layer))):
            missing += [f"{name}.{leaf} {tuple(tensor.shape)}" for leaf, tensor in layer.items() if tensor.ndim]
            continue
        taken = theirs[candidates.pop(0)]
        loaded |= {f"{name}.{leaf}": taken.get(leaf, tensor) for leaf, tensor in layer.items()}
    over = [
        f"{name}.{leaf} {tuple(theirs[name][leaf].shape)}"
        for names in by_shape.values()
        for name in names
        for leaf in theirs[name]
    ]
    if missing or over:
        raise GeoPointSegError(
            f"expected the layers of the DAL network, got {path}: {listed('missing', missing)}; "
            f"{listed('unexpected', over)}: is it the checkpoint of another network?"
        )
    order = [PUBLISHED_ORDER.index(step) for step in NEIGHBOURS]
    for leaf in ("weight", "bias"):
        loaded[f"fuse.{leaf}"] = loaded[f"fuse.{leaf}"][order]
    network.load_state_dict(loaded)
    return network.eval()


def _layers(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors by layer: {"stem.1": {"weight": …, "bias": …}, …}."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        name, _, leaf = key.rpartition(".")
        layers.setdefault(name, {})[leaf] = tensor
    return layers


def _shapes(layer: Mapping[str, Tensor]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What tells layers apart: the shapes of their tensors; a count of batches is of no matter."""
    return tuple(sorted((leaf, tuple(tensor.shape)) for leaf, tensor in layer.items() if tensor.ndim))


def listed(what: str, names: list[str]) -> str:
    """The first of many names."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{what} {', '.join(names[:4]) or 'none'}{more}"
