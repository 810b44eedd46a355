"""Dropout when a network is asked: thinned copies of it answer, and what they say differently is what it is unsure of.

Monte Carlo dropout (Gal and Ghahramani, ICML 2016). The networks here are trained without dropout before their last
convolution, so it is put there afterwards, as in Ledda, Fumera and Roli (Information Sciences, 2023). Whole channels are
dropped, and the same ones in every window: each pass is one thinned network, as a member of an ensemble is, and what comes
out depends on the seed alone.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.candidates import doubt_of
from geopointseg.learning.agreement import Ask, Pixels
from geopointseg.learning.backends import AUTO, Computing
from geopointseg.learning.precision import to_predict_in
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.learning.turns import turned

__all__ = ["last_convolution", "with_dropout"]

PASSES = 8
RATE = 0.2  # of the channels, dropped in each pass


def with_dropout(task: PointSegmentationTask, computing: Computing = AUTO, *, seed: int = 0) -> Ask:
    """Ask a network, and thinned copies of it how much they differ.

    All but the last convolution is computed once for all copies.

    Args:
        task: In evaluation mode.
        computing: What the user wants; torch alone can do it.
        seed: Of which channels are dropped.

    Returns:
        A function from raw pixels (batch, bands, height, width) to (batch, classes + 1, height, width): the probabilities
        averaged over the copies, then the disagreement of `doubt_of`.

    Raises:
        GeoPointSegError: another backend is wanted, or the network does not end in a convolution.
    """
    if computing.compiled or computing.backend not in ("auto", "torch"):
        raise GeoPointSegError(
            "expected --backend torch, without --compiled, for --uncertainty dropout, got another: leave both out"
        )
    number_format, _ = to_predict_in(task, computing.precision)
    last, device = last_convolution(task.model, len(task.classes)), task.device
    kept = np.random.default_rng(seed).random((PASSES, 1, last.in_channels, 1, 1)) >= RATE
    masks = torch.from_numpy((kept / (1 - RATE)).astype(np.float32)).to(device)

    def thin(layer: nn.Module, given: tuple[Tensor], _: Tensor) -> Tensor:
        how: dict[str, Any] = {"stride": last.stride, "padding": last.padding, "dilation": last.dilation}
        return torch.cat([F.conv2d(given[0], last.weight * mask, last.bias, **how) for mask in masks])

    @torch.inference_mode()
    def ask(pixels: Pixels) -> Pixels:
        x = torch.from_numpy(pixels).to(device)
        hook = last.register_forward_hook(thin)
        try:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=number_format == "bf16-mixed"):
                logits: Tensor = task(x)
        finally:
            hook.remove()
        shares: NDArray[np.float32] = logits.float().softmax(dim=1).cpu().numpy()
        passes = shares.reshape(PASSES, len(pixels), *shares.shape[1:])
        doubt = [doubt_of(list(passes[:, i]), "dropout") for i in range(len(pixels))]
        return np.concatenate([passes.mean(axis=0), np.stack(doubt)[:, None]], axis=1)

    return turned(ask) if computing.tta else ask


def last_convolution(network: nn.Module, classes: int) -> nn.Conv2d:
    """The convolution that a network ends in, with an output for each class.

    Raises:
        GeoPointSegError: it has none.
    """
    layers = [layer for name, layer in network.named_modules() if not name.startswith("aux")]
    found = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if not found or found[-1].out_channels != classes:
        raise GeoPointSegError(
            f"expected a network that ends in a convolution, got {type(network).__name__}, for --uncertainty dropout: "
            "choose margin or entropy, or several models and disagreement"
        )
    return found[-1]
