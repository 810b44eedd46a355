"""Networks of our own, and what lets those of others take images of any size."""

from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from geopointseg.errors import GeoPointSegError

__all__ = ["FCN", "AnySize", "Auxiliary", "PlainUNet", "ResNet18Transposed", "first_convolution", "mirrored"]


def mirrored(x: Tensor, step: int) -> Tensor:
    """Continue images at the right and at the bottom by their mirror image until their sides are multiples of `step`.

    Args:
        x: (batch, channels, height, width), of any size: an image smaller than what is missing is mirrored repeatedly.
        step: In pixels.

    Returns:
        (batch, channels, height', width'); `x` itself where nothing is missing.
    """
    for dim in (-2, -1):
        size = x.shape[dim]
        if size % step:
            places = torch.arange(-(-size // step) * step, device=x.device) % (2 * size)
            x = x.index_select(dim, torch.minimum(places, 2 * size - 1 - places))
    return x


def resized(x: Tensor, size: torch.Size) -> Tensor:
    """Bilinear resampling to (height, width); `x` itself where that is its size."""
    return x if x.shape[-2:] == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def first_convolution(in_channels: int) -> nn.Conv2d:
    """The first layer of a ResNet for any number of bands, started as torchvision starts it."""
    layer = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


class AnySize(nn.Module):
    """Put before a network of SMP among the base classes: images are mirrored up to a size that it takes.

    Subclassing leaves the names of all weights as SMP and TorchGeo have them.
    """

    encoder: Any
    multiple = 1  # of which the decoder needs the sides to be; the encoder has its own

    def forward(self, x: Tensor) -> Tensor:
        """Classify images of any size.

        Args:
            x: (batch, bands, height, width).

        Returns:
            (batch, classes, height, width) logits.

        Raises:
            GeoPointSegError: the encoder takes images of certain sizes alone, and this is another.
        """
        height, width = x.shape[-2:]
        x = mirrored(x, max(self.encoder.output_stride, self.multiple))
        try:
            logits: Tensor = super().forward(x)
        except AssertionError as error:  # that is how timm's transformers refuse a size
            raise GeoPointSegError(
                f"expected images of a size that this encoder takes, got {height} x {width} ({error}): "
                "set chip and window to such a size, or take another backbone"
            ) from error
        return logits[..., :height, :width]


class Auxiliary(nn.Module):
    """A network of torchvision with a second head on its last but one stage, for the training alone.

    Args:
        kind: A function of torchvision.models.segmentation, by its name.
        in_channels: Number of bands.
        num_classes: Number of classes.
    """

    def __init__(self, kind: str, in_channels: int, num_classes: int) -> None:
        super().__init__()
        build = getattr(torchvision.models.segmentation, kind)
        network = build(weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=True)
        self.backbone, self.classifier = network.backbone, network.classifier
        self.aux_classifier = network.aux_classifier
        if in_channels != 3:
            self.backbone["conv1"] = first_convolution(in_channels)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Classify images of any size (batch, bands, height, width).

        Returns:
            (batch, classes, height, width) logits, and in training those of the second head too; both heads see an
            eighth of the resolution and are resampled bilinearly.
        """
        features, size = self.backbone(x), x.shape[-2:]
        logits = resized(self.classifier(features["out"]), size)
        if not self.training:
            return logits
        return logits, resized(self.aux_classifier(features["aux"]), size)


class FCN(nn.Module):
    """Five 3×3 convolutions with leaky ReLU, then 1×1: TorchGeo's `fcn`, under the same names of weights."""

    def __init__(self, in_channels: int, num_classes: int, width: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (in_channels, *[width] * 4):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(inplace=True)]
        self.backbone = nn.Sequential(*layers)
        self.last = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bands, height, width) to (batch, classes, height, width) logits."""
        logits: Tensor = self.last(self.backbone(x))
        return logits


def _twice(before: int, after: int) -> nn.Sequential:
    """Two 3×3 convolutions, each with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class PlainUNet(nn.Module):
    """The U-Net of Ronneberger et al. 2015 with 64 to 1024 channels, padded and with batch normalisation.

    Levels are halved by 2×2 maxima and doubled by 2×2 transposed convolutions, as in LSSQPS (Santiago et al. 2023).
    There are no pretrained weights for it.
    """

    WIDTHS = (64, 128, 256, 512, 1024)

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        widths = self.WIDTHS
        self.down = nn.ModuleList(_twice(a, b) for a, b in zip((in_channels, *widths), widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2::-1])
        self.join = nn.ModuleList(_twice(2 * w, w) for w in widths[-2::-1])
        self.last = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bands, height, width), mirrored up to multiples of 16, to (batch, classes, height, width) logits."""
        height, width = x.shape[-2:]
        x = self.down[0](mirrored(x, 16))
        kept = []
        for level in list(self.down)[1:]:
            kept.append(x)
            x = level(F.max_pool2d(x, 2))
        for up, join, finer in zip(self.up, self.join, reversed(kept), strict=True):
            x = join(torch.cat([finer, up(x)], dim=1))
        logits: Tensor = self.last(x)
        return logits[..., :height, :width]


class ResNet18Transposed(nn.Module):
    """ResNet-18, then four 4×4 transposed convolutions of stride 2 and a 3×3 convolution; no skip connections.

    The decoder narrows from 512 over 256, 128 and 64 to 32 channels at half the resolution, and the logits are resampled
    bilinearly, as in Abdullah-uz007/point-supervised-segmentation (Potsdam). Started after He et al. 2015.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.encoder = torchvision.models.resnet18(weights=None)
        self.encoder.fc = nn.Identity()
        if in_channels != 3:
            self.encoder.conv1 = first_convolution(in_channels)
        layers: list[nn.Module] = []
        for before, after in ((512, 256), (256, 128), (128, 64), (64, 32)):
            up = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
            layers += [up, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.decoder = nn.Sequential(*layers)
        self.last = nn.Conv2d(32, num_classes, 3, padding=1)
        for layer in (*self.decoder, self.last):
            if isinstance(layer, nn.ConvTranspose2d | nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(batch, bands, height, width) of any size to (batch, classes, height, width) logits."""
        size, resnet = x.shape[-2:], self.encoder
        x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(x))))
        x = resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(x))))
        return resized(self.last(self.decoder(x)), size)
