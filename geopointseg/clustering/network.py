"""The networks that cluster, and their answers for pixels.

`fcn` is that of Chen et al., whose superpixels guide it (IEEE GRSL, 2022): about 0.15 million weights.
`kanezaki` is that of Kanezaki, "Unsupervised Image Segmentation by Backpropagation", ICASSP 2018, and of its successor (Kim,
Kanezaki and Tanaka, TIP 2020): convolutions at full resolution, without pooling.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Architecture", "build", "device"]

Architecture = Literal["fcn", "kanezaki"]
WIDTH, BASE_WIDTH = 64, 100  # channels
LEAST = 8  # pixels along a side


class Padded(nn.Module):
    """A network for images of any size: the image's edge is continued to a multiple of 4, and to 8 at least.

    `fcn` halves its input twice, and batch normalisation wants more than one value.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bands, height, width) to (batch, k, height, width)."""
        height, width = x.shape[-2:]
        down, right = (max(LEAST, side + -side % 4) - side for side in (height, width))
        answer: Tensor = self.layers(F.pad(x, (0, right, 0, down), mode="replicate"))
        return answer[..., :height, :width]


def build(architecture: Architecture, bands: int, k: int) -> nn.Module:
    """A network with fresh weights: bands around 0, (batch, bands, height, width), to (batch, k, height, width)."""
    if architecture == "kanezaki":
        widths = (bands, BASE_WIDTH, BASE_WIDTH)
        layers = [_convolution(a, b, relu_first=True) for a, b in pairwise(widths)]
        return Padded(nn.Sequential(*layers, nn.Conv2d(BASE_WIDTH, k, 1), nn.BatchNorm2d(k)))
    return Padded(
        nn.Sequential(
            _convolution(bands, WIDTH),
            nn.MaxPool2d(2),
            _convolution(WIDTH, WIDTH),
            nn.MaxPool2d(2),
            _convolution(WIDTH, WIDTH),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _convolution(WIDTH, WIDTH),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _convolution(WIDTH, WIDTH),
            nn.Conv2d(WIDTH, k, 1),
            nn.BatchNorm2d(k),
        )
    )


def _convolution(before: int, after: int, *, relu_first: bool = False) -> nn.Sequential:
    """3 × 3, batch normalisation and ReLU, in the paper's order."""
    convolution = nn.Conv2d(before, after, 3, padding=1)
    if relu_first:
        return nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(after))
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


def device() -> torch.device:
    """Where networks are computed."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
