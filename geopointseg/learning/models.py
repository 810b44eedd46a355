"""Every segmentation network by its name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import segmentation_models_pytorch as smp
import timm
import torchvision
from segmentation_models_pytorch.encoders import encoders
from torch import nn

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.fetch import HUB_FILES, find_weights, from_hub, from_url
from geopointseg.learning.networks import FCN, AnySize, Auxiliary, PlainUNet, ResNet18Transposed
from geopointseg.learning.weights import fill, read_weights

__all__ = ["NETWORKS", "RANDOM", "Model", "build_model", "default_backbone"]

Model = Literal[
    "unet",
    "linknet",
    "deeplabv3+",
    "upernet",
    "segformer",
    "dpt",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "fcn_resnet50",
    "fcn_resnet101",
    "fcn",
    "plain_unet",
    "resnet18_transposed",
]


class _Unet(AnySize, smp.Unet):  # type: ignore[misc]  # SMP has no annotations
    pass


class _Linknet(AnySize, smp.Linknet):  # type: ignore[misc]
    pass


class _DeepLabV3Plus(AnySize, smp.DeepLabV3Plus):  # type: ignore[misc]
    pass


class _UPerNet(AnySize, smp.UPerNet):  # type: ignore[misc]
    pass


class _Segformer(AnySize, smp.Segformer):  # type: ignore[misc]
    pass


class _DPT(AnySize, smp.DPT):  # type: ignore[misc]
    multiple = 32  # its levels have strides of 4, 8, 16 and 32 pixels, whatever the patch


RANDOM = (None, False, "none")  # weights of a random start
SMP = {
    "unet": _Unet,
    "linknet": _Linknet,
    "deeplabv3+": _DeepLabV3Plus,
    "upernet": _UPerNet,
    "segformer": _Segformer,
    "dpt": _DPT,
}
NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "fcn": FCN,
    "plain_unet": PlainUNet,
    "resnet18_transposed": ResNet18Transposed,
}
"""Networks that are made from the numbers of bands and classes alone. One of your own, put here under a new name, can be trained,
kept and asked like any other; a process that loads such a model has to put it here first."""


def build_model(
    name: str,
    in_channels: int,
    num_classes: int,
    weights: str | Path | bool | None = None,
    *,
    backbone: str | None = None,
) -> nn.Module:
    """Build a segmentation network, with weights to start from.

    It takes (batch, in_channels, height, width) of any height and width and gives logits (batch, num_classes, height,
    width). In training those of torchvision (deeplabv3_…, fcn_…) give a pair: these logits and those of their auxiliary
    head.

    Args:
        name: One of `Model`, or of your own in `NETWORKS`.
        in_channels: Number of bands.
        num_classes: Number of classes.
        weights: None, False or 'none' for a random start; True or 'imagenet' for an encoder trained on ImageNet; a name
            of TorchGeo or torchvision such as ResNet18_Weights.SENTINEL2_ALL_MOCO; a file with the weights of the whole
            model or of its encoder; or a Hugging Face repository, hf://org/name. Only what is not here is fetched.
        backbone: Encoder of unet, linknet, deeplabv3+, upernet, segformer and dpt, by SMP's name, or by timm's behind
            'tu-'; by default resnet18, and tu-vit_tiny_patch16_224 for dpt.

    Raises:
        GeoPointSegError: unknown model or backbone, or weights that are not here and cannot be fetched, are damaged, or
            are for another architecture or number of bands.
    """
    if name not in (*get_args(Model), *NETWORKS):
        raise GeoPointSegError(
            f"expected one of the models {', '.join(get_args(Model))}, got {name!r}: one of your own has to be put into "
            "geopointseg.learning.models.NETWORKS first"
        )
    if in_channels < 1 or num_classes < 1:
        raise GeoPointSegError(f"expected at least 1 band and 1 class, got {in_channels} and {num_classes}")
    if backbone is not None and name not in (*SMP, "fcn"):  # TorchGeo's task gives its fcn one, and old checkpoints too
        raise GeoPointSegError(f"expected no backbone for {name}, which has its own, got {backbone!r}: leave it out")
    backbone = backbone or default_backbone(name)
    if name in SMP:
        network: nn.Module = _smp(name, in_channels, num_classes, str(backbone))
    elif name in NETWORKS:
        network = NETWORKS[name](in_channels, num_classes)
    else:
        network = Auxiliary(name, in_channels, num_classes)
    if weights not in RANDOM:
        if weights is True or weights == "imagenet":
            path = _imagenet(name, network, backbone)
        else:
            path = find_weights(str(weights), in_channels)
        fill(network, read_weights(path), path.name, in_channels=in_channels, num_classes=num_classes)
    return network


def default_backbone(name: str) -> str | None:
    """The encoder of a model for which none is named; None for those that have no choice."""
    return "tu-vit_tiny_patch16_224" if name == "dpt" else "resnet18" if name in SMP else None


def _smp(name: str, in_channels: int, num_classes: int, backbone: str) -> AnySize:
    """A network of SMP without weights.

    Raises:
        GeoPointSegError: SMP or timm does not know the encoder, or not for this network.
    """
    if ":" in backbone:  # timm would look on the network for it
        raise GeoPointSegError(f"expected a backbone by name, got {backbone!r}: give a repository as weights instead")
    options: list[dict[str, Any]] = [{}]
    if backbone.startswith("tu-"):  # without these, transformers take images of one size alone
        options = [{"dynamic_img_size": True}, {"strict_img_size": False}, {}]
    for some in options:
        try:
            network = SMP[name](
                encoder_name=backbone, encoder_weights=None, in_channels=in_channels, classes=num_classes, **some
            )
        except TypeError as error:
            if not some:
                raise _no_backbone(name, backbone, error) from error
        except (KeyError, ValueError, RuntimeError, NotImplementedError) as error:
            raise _no_backbone(name, backbone, error) from error
        else:
            break
    if name == "dpt" and 32 % network.encoder.output_stride:
        raise _no_backbone(name, backbone, "its patches are of 14 pixels or the like; SMP's decoder needs 8, 16 or 32")
    return network


def _no_backbone(name: str, backbone: str, reason: object) -> GeoPointSegError:
    """Say which backbones there are."""
    examples = "a vision transformer of timm such as tu-vit_tiny_patch16_224 or tu-vit_small_patch16_224"
    if name != "dpt":
        examples = "resnet18, resnet34 or efficientnet-b0, or one of timm's such as tu-convnext_atto"
    said = str(reason.args[0] if isinstance(reason, KeyError) else reason).split(", supported")[0]
    return GeoPointSegError(
        f"expected a backbone that segmentation-models-pytorch knows for {name}, got {backbone!r} ({said[:100]}): try {examples}"
    )


def _imagenet(name: str, network: nn.Module, backbone: str | None) -> Path:
    """The file with the weights of a network's encoder, trained on ImageNet.

    Raises:
        GeoPointSegError: there are none, or they are not here and cannot be fetched.
    """
    if name in SMP:
        if timm_name := getattr(network.encoder, "name", None):
            known = timm.get_pretrained_cfg(timm_name)
            if known and known.hf_hub_id:
                return from_hub(known.hf_hub_id, (known.hf_hub_filename,) if known.hf_hub_filename else HUB_FILES)
            if known and isinstance(known.url, str):
                return from_url(known.url)
        else:
            settings = encoders[backbone]["pretrained_settings"]
            if "imagenet" in settings:
                known = settings["imagenet"]
                return from_hub(known["repo_id"], ("model.safetensors",), known["revision"])
    elif resnet := next((r for r in ("resnet18", "resnet50", "resnet101") if r in name), None):
        return from_url(torchvision.models.get_model_weights(resnet).IMAGENET1K_V1.url)
    raise GeoPointSegError(
        f"expected a model with ImageNet weights, got {name}{f' with {backbone}' if backbone else ''}, which has none: "
        "leave weights out, give a file, or take another model or backbone"
    )
