"""Losses on partly labelled pixels.

All take logits, the target with 255 = unlabelled, how much each pixel weighs (the pseudo-mask's weights raster) and how
much each class does. Only labelled pixels count: a batch without any gives exactly 0 with zero gradient, where torch's
own means give NaN. What a class weighs goes where the loss names classes: to the pixels of that class in the losses that
are means over pixels, to the class's term in those that are means over classes, to its channel in the squared error.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError

__all__ = [
    "LOSSES",
    "masked_cross_entropy",
    "masked_dice",
    "masked_focal",
    "masked_generalised_cross_entropy",
    "masked_lovasz",
    "masked_squared_error",
    "masked_symmetric_cross_entropy",
]

# The least divisor. Weights may be as small as one click over a lake: guard against 0 / 0, not against small sums.
TINY = torch.finfo(torch.float32).tiny


def masked_cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, class_weights: Tensor | None = None
) -> Tensor:
    """Weighted mean of the cross-entropy over labelled pixels: Σ w·CE / Σ w, w = pixel weight × weight of its class.

    The arguments are those of every loss here.

    Args:
        logits: (batch, classes, height, width), any float type; summed up in float32, float64 in float64.
        target: (batch, height, width) int64 class ids, 255 = unlabelled.
        weight: (batch, height, width) non-negative weights; 1 by default.
        class_weights: (classes,) non-negative weights; 1 by default.

    Returns:
        A scalar, float32 unless the logits are float64.
    """
    ce, w = _by_pixel(logits, target, weight, class_weights)
    return _mean(ce, w)


def masked_focal(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    class_weights: Tensor | None = None,
    *,
    gamma: float = 2.0,
) -> Tensor:
    """Cross-entropy that looks away from what is learnt: the mean of (1 - p)^γ · CE, p the probability of the label.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017. γ = 0 is the cross-entropy.

    Args:
        logits: As in `masked_cross_entropy`, like the next three.
        target: Class ids.
        weight: Of pixels.
        class_weights: Of classes.
        gamma: From 0 on: how little a pixel counts that is already right.

    Raises:
        GeoPointSegError: `gamma` is negative.
    """
    if gamma < 0:
        raise GeoPointSegError(f"expected a focal loss with gamma from 0 on, got {gamma}: try 2")
    ce, w = _by_pixel(logits, target, weight, class_weights)
    missing = -torch.expm1(-ce)
    return _mean(missing.clamp_min(TINY) ** gamma * ce, w)  # x^γ is infinitely steep at 0 where γ < 1


def masked_generalised_cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    class_weights: Tensor | None = None,
    *,
    q: float = 0.7,
) -> Tensor:
    """Cross-entropy that gives up on labels it cannot believe: the mean of (1 - p^q) / q.

    Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels", NeurIPS 2018.
    Towards q = 0 it is the cross-entropy, at q = 1 the mean absolute error, which no single label can pull far.

    Args:
        logits: As in `masked_cross_entropy`, like the next three.
        target: Class ids.
        weight: Of pixels.
        class_weights: Of classes.
        q: Above 0, up to 1.

    Raises:
        GeoPointSegError: `q` is outside.
    """
    if not 0 < q <= 1:
        raise GeoPointSegError(f"expected a generalised cross-entropy with q above 0, up to 1, got {q}: try 0.7")
    ce, w = _by_pixel(logits, target, weight, class_weights)
    return _mean(-torch.expm1(-q * ce) / q, w)


def masked_symmetric_cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    class_weights: Tensor | None = None,
    *,
    alpha: float = 0.1,
    beta: float = 1.0,
    floor: float = -4.0,
) -> Tensor:
    """The cross-entropy and its reverse: the mean of α·CE + β·RCE.

    RCE = -Σ_c p_c · log y_c with log 0 := `floor`, which makes it -floor · (1 - p): the mean absolute error again.
    Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019.

    Args:
        logits: As in `masked_cross_entropy`, like the next three.
        target: Class ids.
        weight: Of pixels.
        class_weights: Of classes.
        alpha: Share of the cross-entropy, from 0 on.
        beta: Share of its reverse, from 0 on.
        floor: What stands for the logarithm of 0; negative.

    Raises:
        GeoPointSegError: a share is negative, or `floor` is not.
    """
    if alpha < 0 or beta < 0 or floor >= 0:
        raise GeoPointSegError(
            f"expected a symmetric cross-entropy with alpha and beta from 0 on and floor below 0, got {alpha}, {beta} "
            f"and {floor}: try 0.1, 1 and -4"
        )
    ce, w = _by_pixel(logits, target, weight, class_weights)
    return _mean(alpha * ce + beta * floor * torch.expm1(-ce), w)


def masked_dice(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, class_weights: Tensor | None = None
) -> Tensor:
    """One minus the Dice overlap of each class, 1 - 2·Σ w·p·y / Σ w·(p + y), averaged over the classes.

    Milletari et al., "V-Net", 3DV 2016, without squares in the divisor, as Sudre et al., DLMIA 2017. The sums run over
    the labelled pixels of the whole batch, and the mean over the classes that have a label in it: one that has none
    would add a constant.

    Args:
        logits: As in `masked_cross_entropy`, like the next three.
        target: Class ids.
        weight: Of pixels, within the sums.
        class_weights: Of classes, in the mean over them.
    """
    z, w = _masked(logits, target, weight)
    p, y = z.softmax(dim=1), _one_hot(target, z)
    both, either = ((w[:, None] * part).sum(dim=(0, 2, 3)) for part in (p * y, p + y))
    mass = (w[:, None] * y).sum(dim=(0, 2, 3))
    return _mean_of_present(1 - 2 * both / either.clamp_min(TINY), mass, class_weights)


def masked_lovasz(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, class_weights: Tensor | None = None
) -> Tensor:
    """The Lovász extension of each class's weighted Jaccard loss at the errors |y - p|, averaged over the classes.

    Berman et al., "The Lovász-Softmax Loss", CVPR 2018, where every pixel counts 1. Here the Jaccard index of a class is
    that of weighed pixels, Σ_{both} w / Σ_{either} w, so that it says how much of the clicks is right, not of the pixels;
    a pixel of whole weight n counts as n pixels. As in `masked_dice` the batch is taken as one picture, and a class
    without labels in it is left out.

    Args:
        logits: As in `masked_cross_entropy`, like the next three.
        target: Class ids.
        weight: Of pixels, within the Jaccard index.
        class_weights: Of classes, in the mean over them.
    """
    z, w = _masked(logits, target, weight)
    kept = w > 0  # the rest cannot change the index, and sorting it takes time
    p, y = (values.movedim(1, -1)[kept].T for values in (z.softmax(dim=1), _one_hot(target, z)))
    errors, order = (y - p).abs().sort(dim=1, descending=True)
    w_sorted, y_sorted = w[kept][order], y.gather(1, order)
    mass = (w[kept] * y).sum(dim=1, keepdim=True)
    # The loss when the pixels up to each are wrong: what is left in both, over what is then in either.
    both = mass - (w_sorted * y_sorted).cumsum(dim=1)
    either = mass + (w_sorted * (1 - y_sorted)).cumsum(dim=1)
    jaccard = 1 - both / either.clamp_min(TINY)
    steps = jaccard.diff(dim=1, prepend=torch.zeros_like(mass))
    return _mean_of_present((errors * steps).sum(dim=1), mass[:, 0], class_weights)


def masked_squared_error(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    class_weights: Tensor | None = None,
    *,
    softmax: bool = False,
) -> Tensor:
    """The weighted masked squared error of LSSQPS: Σ_x w(x) · Σ_c v_c · (ŷ_c(x) - y_c(x))² / (batch·classes·height·width).

    "Efficient Semantic Segmentation for Aerial Imagery Using Query Points and Superpixel Supervision",
    arXiv 2309.05490, as its code has it: ŷ are the raw logits, y the one-hot label, v_c is one over the share of class c
    among labelled pixels and stands at the channel, not at the pixels of that class; and the mean runs over all pixels,
    so that the loss shrinks with the share that is labelled. With `weight` left out w is 1 on labelled pixels, which
    completes theirs.

    Args:
        logits: As in `masked_cross_entropy`, like the next three.
        target: Class ids.
        weight: Of pixels; not divided by their sum.
        class_weights: Of channels.
        softmax: Take ŷ as probabilities, which a target of 0 and 1 suits better.
    """
    z, w = _masked(logits, target, weight)
    error = ((z.softmax(dim=1) if softmax else z) - _one_hot(target, z)) ** 2
    if class_weights is not None:
        error = error * class_weights.to(z.dtype)[:, None, None]
    return (error.sum(dim=1) * w).sum() / z.numel()


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross-entropy": masked_cross_entropy,
    "focal": masked_focal,
    "dice": masked_dice,
    "lovasz": masked_lovasz,
    "squared-error": masked_squared_error,
    "generalised-cross-entropy": masked_generalised_cross_entropy,
    "symmetric-cross-entropy": masked_symmetric_cross_entropy,
}
"""The losses by the names they have in YAML. One of your own can be put here: a function of logits, target, weight and class_weights
like the others, whose further options are keyword-only with a default."""


def _masked(logits: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Logits in at least float32, and the pixels' weights, 0 where unlabelled."""
    z = logits.to(torch.promote_types(logits.dtype, torch.float32))
    labelled = target != UNLABELLED
    return z, labelled.to(z.dtype) if weight is None else weight.to(z.dtype) * labelled


def _by_pixel(
    logits: Tensor, target: Tensor, weight: Tensor | None, class_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(batch, height, width) cross-entropy = -log p of the label, and the pixels' weights with those of their classes."""
    z, w = _masked(logits, target, weight)
    if class_weights is not None:
        w = w * class_weights.to(z.dtype)[target.where(target != UNLABELLED, 0)]
    return F.cross_entropy(z, target, ignore_index=UNLABELLED, reduction="none"), w


def _one_hot(target: Tensor, z: Tensor) -> Tensor:
    """(batch, classes, height, width) 1 at the label; class 0 where there is none, where no weight lies."""
    return F.one_hot(target.where(target != UNLABELLED, 0), z.shape[1]).movedim(-1, 1).to(z.dtype)


def _mean(loss: Tensor, w: Tensor) -> Tensor:
    """Σ w·loss / Σ w, 0 where all weights are 0."""
    return (loss * w).sum() / w.sum().clamp_min(TINY)


def _mean_of_present(loss: Tensor, mass: Tensor, class_weights: Tensor | None) -> Tensor:
    """The mean of (classes,) losses over the classes with labels, weighted."""
    present = (mass > 0).to(loss.dtype)
    return _mean(loss, present if class_weights is None else present * class_weights.to(loss.dtype))
