"""The pairwise term: pixels of like colour, close to each other, should have one class, labelled or not."""

import torch
from torch import Tensor

__all__ = ["gated_crf"]


def gated_crf(
    logits: Tensor, image: Tensor, *, radius: int = 4, step: int = 2, colour: float = 0.5, distance: float = 6.0
) -> Tensor:
    """The gated CRF loss: 1/|valid| · Σ_i Σ_j k_ij · (1 - Σ_c p_ic · p_jc), j around i.

    Obukhov et al., "Gated CRF Loss for Weakly Supervised Semantic Image Segmentation", 2019 (arXiv 1906.04651), with
    k_ij = exp(-‖colour_i - colour_j‖² / 2·`colour`² - ‖place_i - place_j‖² / 2·`distance`²). The gate: a pixel that lacks
    a band neither gives nor takes. Two things differ. Colours count as of three bands, however many there are. And of the
    neighbours only every `step`-th row and column is looked at, each for `step`² of them: a quarter of the work at 2.

    Args:
        logits: (batch, classes, height, width), any float type; summed up in float32, float64 in float64.
        image: (batch, bands, height, width) in standard deviations of the bands, NaN where there is no data.
        radius: Of the square of neighbours, in pixels.
        step: From one of them to the next, in pixels.
        colour: Difference, in standard deviations, at which pixels begin to be strangers. The paper's 0.1 of the range
            from 0 to 1 is about 0.5 of them.
        distance: In pixels, at which they do.

    Returns:
        A scalar; 0 where all pixels have one class for sure, or none has data.
    """
    p = logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(dim=1)
    known = ~image.isnan().any(dim=1)
    pixels = image.nan_to_num().to(p.dtype)
    total = p.new_zeros(())
    for down, right in _half_of_square(radius, step):
        here, there = _pair(p.shape[-2:], down, right)
        gap = (pixels[here] - pixels[there]).square().mean(dim=1) * 3
        kernel = torch.exp(-gap / (2 * colour**2) - (down**2 + right**2) / (2 * distance**2))
        kernel = kernel * (known[:, *here[2:]] & known[:, *there[2:]])
        total = total + (kernel * (1 - (p[here] * p[there]).sum(dim=1))).sum()
    return 2 * step**2 * total / known.sum().clamp_min(1)  # twice: j is around i, and i around j


def _half_of_square(radius: int, step: int) -> list[tuple[int, int]]:
    """(rows, columns) to the neighbours in a square, of each two opposite ones the later."""
    reach = range(-(radius // step) * step, radius + 1, step)
    return [(down, right) for down in reach for right in reach if (down, right) > (0, 0)]


def _pair(shape: torch.Size, down: int, right: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The parts of a (batch, channels, height, width) picture that hold both ends of all such pairs."""
    height, width = shape
    here = slice(0, max(0, height - down)), slice(max(0, -right), max(0, width - max(0, right)))
    there = slice(down, None), slice(max(0, right), max(0, width + min(0, right)))
    return (slice(None), slice(None), *here), (slice(None), slice(None), *there)
