"""Affinities: how likely a pixel and each of its eight neighbours belong together, learnt from labels.

The eight maps are in the order of `geopointseg.labels.graph.NEIGHBOURS`, everywhere: north-west, north, north-east, west,
east, south-west, south, south-east.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.graph import NEIGHBOURS
from geopointseg.raster import valid

__all__ = [
    "AffinityNet",
    "AffinityNetwork",
    "balanced_loss",
    "neighbour_loss",
    "point_loss",
    "predict_affinity",
]


class AffinityNetwork(Protocol):
    """What `predict_affinity` needs of a network in evaluation mode."""

    bands: int
    """Bands of its input."""
    stride: int
    """Its input's sides are multiples of this."""
    halo: int
    """Pixels further away than this do not change an affinity; a multiple of `stride`."""

    def __call__(self, x: Tensor) -> Tensor:
        """(batch, bands, height, width), NaN where there is no data, to (batch, 8, height, width) logits."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Its parameters."""
        ...


class AffinityNet(nn.Module):
    """A small U-Net (Ronneberger et al., MICCAI 2015) that gives every pixel a place in a space; near is alike.

    The affinity of two pixels is σ(b − ‖e_i − e_j‖²), whether they are neighbours or far apart, so that the same network
    learns from dense masks and from scattered points. Batch normalisation is fixed when it predicts, so that a pixel's
    affinity does not depend on the window it is computed in.
    """

    stride = 4
    halo = 32
    mean: Tensor
    std: Tensor

    def __init__(self, bands: int, channels: int = 16, places: int = 8) -> None:
        """Build it with a random start; `set_statistics` adapts it to its rasters.

        Args:
            bands: Of the raster.
            channels: At full resolution; twice as many at half, four times at a quarter.
            places: Dimensions of the space.
        """
        super().__init__()
        self.bands = bands
        self.settings = {"bands": bands, "channels": channels, "places": places}
        c = channels
        self.fine, self.middle, self.coarse = _block(bands, c), _block(c, 2 * c), _block(2 * c, 4 * c)
        self.middle_up, self.fine_up = _block(6 * c, 2 * c), _block(3 * c, c)
        self.head = nn.Conv2d(c, places, 1)
        self.bias = nn.Parameter(torch.tensor(3.0))
        self.register_buffer("mean", torch.zeros(1, bands, 1, 1))
        self.register_buffer("std", torch.ones(1, bands, 1, 1))

    def set_statistics(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Normalise bands by these, from here on."""
        self.mean.copy_(torch.tensor(mean)[None, :, None, None])
        self.std.copy_(torch.tensor(std)[None, :, None, None])

    def embed(self, x: Tensor) -> Tensor:
        """(batch, bands, height, width) pixels in the raster's units to (batch, places, height, width)."""
        fine = self.fine(torch.nan_to_num((x - self.mean) / self.std))  # a missing pixel looks like the mean
        middle = self.middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        middle = self.middle_up(torch.cat([middle, _doubled(coarse)], dim=1))
        fine = self.fine_up(torch.cat([fine, _doubled(middle)], dim=1))
        places: Tensor = self.head(fine)
        return places

    def compare(self, one: Tensor, other: Tensor) -> Tensor:
        """Affinity logits of places that broadcast, (…, places) each."""
        return self.bias - (one - other).square().sum(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 8, height, width) affinity logits of the neighbours; what a neighbour beyond the edge gets is void."""
        places = self.embed(x).movedim(1, -1)
        around = F.pad(places, (0, 0, 1, 1, 1, 1))
        height, width = x.shape[-2:]
        moved = (around[:, 1 + r : 1 + r + height, 1 + c : 1 + c + width] for r, c in NEIGHBOURS)
        return torch.stack([self.compare(places, other) for other in moved], dim=1)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3×3 convolutions, normalised."""
    layers: list[nn.Module] = []
    for source in (inputs, outputs):
        layers += [nn.Conv2d(source, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def _doubled(x: Tensor) -> Tensor:
    """Twice the height and width; by repetition, whose gradient is deterministic on GPUs too."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def balanced_loss(logits: Tensor, same: Tensor, counted: Tensor) -> Tensor:
    """Binary cross-entropy of pairs: the mean over like pairs and the mean over unlike ones, in equal parts.

    Nearly all neighbours are alike: in a plain mean the few unlike pairs, which make the borders, would hardly count.

    Args:
        logits: Of the pairs' affinities, any shape.
        same: True where both pixels of a pair have one label.
        counted: True where a pair counts.

    Returns:
        A float32 scalar; the mean over one kind if the other is missing; 0, with zero gradient, without any pair.
    """
    loss = F.binary_cross_entropy_with_logits(logits.float(), same.float(), reduction="none")
    kinds = [counted & same, counted & ~same]
    means = torch.stack([torch.where(kind, loss, 0).sum() / kind.sum().clamp_min(1) for kind in kinds])
    present = torch.stack([kind.any() for kind in kinds])
    return means.sum() / present.sum().clamp_min(1)


def neighbour_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """`balanced_loss` over all pairs of neighbours that are both labelled.

    Args:
        logits: (batch, 8, height, width).
        labels: (batch, height, width) int64, 255 = unlabelled.
    """
    height, width = labels.shape[-2:]
    around = F.pad(labels, (1, 1, 1, 1), value=UNLABELLED)
    other = torch.stack([around[:, 1 + r : 1 + r + height, 1 + c : 1 + c + width] for r, c in NEIGHBOURS], dim=1)
    here = labels[:, None]
    return balanced_loss(logits, other == here, (other != UNLABELLED) & (here != UNLABELLED))


def point_loss(network: AffinityNet, places: Tensor, labels: Tensor) -> Tensor:
    """`balanced_loss` over all pairs of labelled pixels of a batch, however far apart.

    Args:
        network: Whose affinity it is.
        places: (batch, places, height, width), as `network.embed` gives them.
        labels: (batch, height, width) int64, 255 = unlabelled.
    """
    labelled = labels != UNLABELLED
    at, ids = places.movedim(1, -1)[labelled], labels[labelled]
    first, second = torch.triu_indices(len(ids), len(ids), offset=1, device=ids.device)
    same = ids[first] == ids[second]
    return balanced_loss(network.compare(at[first], at[second]), same, torch.ones_like(same))


@torch.inference_mode()
def predict_affinity(network: AffinityNetwork, image: NDArray[np.float32], *, tile: int = 512) -> NDArray[np.float32]:
    """Affinities of an image, tile by tile: beside image and result, memory does not grow with the image.

    Beyond its edge the image is mirrored; the tile size does not change the result.

    Args:
        network: In evaluation mode.
        image: (bands, height, width) in the raster's units, NaN where there is no data.
        tile: Side of a tile in pixels; rounded up to what the network takes.

    Returns:
        (8, height, width) within 0 to 1, in the order of `NEIGHBOURS`; 0 where the pixel or its neighbour has no data or
        the neighbour lies beyond the edge.

    Raises:
        GeoPointSegError: the bands are not those of the network, or the tile has no pixel.
    """
    if len(image) != network.bands:
        raise GeoPointSegError(
            f"expected an image of {network.bands} bands, as the affinity network has, got {len(image)}: "
            "choose other bands or train one with 'geopointseg train-affinity'"
        )
    if tile < 1:
        raise GeoPointSegError(f"expected a tile of at least 1 pixel, got {tile}: try 512")
    height, width = image.shape[1:]
    device = next(network.parameters()).device
    side = -(-min(tile, max(height, width, 1)) // network.stride) * network.stride
    inside = valid(image)
    out = np.zeros((len(NEIGHBOURS), height, width), np.float32)
    for top in range(0, height, side):
        for left in range(0, width, side):
            if not inside[top : top + side, left : left + side].any():
                continue
            rows, cols = (_mirrored(start, side, network.halo, size) for start, size in ((top, height), (left, width)))
            x = torch.from_numpy(image[:, rows[:, None], cols].astype(np.float32))[None].to(device)
            found = network(x)[0, :, network.halo :, network.halo :].sigmoid()
            bottom, right = min(top + side, height), min(left + side, width)
            out[:, top:bottom, left:right] = found[:, : bottom - top, : right - left].cpu().numpy()
    around = np.pad(inside, 1)
    for affinity, (r, c) in zip(out, NEIGHBOURS, strict=True):
        affinity[~(inside & around[1 + r : 1 + r + height, 1 + c : 1 + c + width])] = 0
    return out


def _mirrored(start: int, side: int, halo: int, size: int) -> NDArray[np.int64]:
    """Places along an axis of `size` pixels that a tile with its halo shows; beyond the ends the axis is mirrored."""
    places = np.arange(start - halo, start + side + halo) % (2 * size)
    return np.minimum(places, 2 * size - 1 - places)
