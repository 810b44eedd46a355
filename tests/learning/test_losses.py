"""The masked loss is the weighted mean over labelled pixels, whatever the rest of the picture says."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from geopointseg.learning.losses import masked_cross_entropy

CLASSES = 4


@pytest.fixture
def batch():
    """Logits, target with some 255, weights: 2 x 3 x 5 pixels."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, CLASSES, 3, 5, generator=rng) * 3
    target = torch.randint(CLASSES, (2, 3, 5), generator=rng)
    target[0, 1, :] = 255
    target[1, :, 2] = 255
    return logits, target, torch.rand(2, 3, 5, generator=rng)


def by_hand(logits, target, weight):
    """The formula, pixel by pixel, in double precision."""
    z, total, mass = logits.double().numpy(), 0.0, 0.0
    for b, row, col in np.ndindex(*target.shape):
        if target[b, row, col] != 255:
            pixel, w = z[b, :, row, col], float(weight[b, row, col])
            total += w * (np.log(np.exp(pixel).sum()) - pixel[target[b, row, col]])
            mass += w
    return total / mass


def test_it_is_the_weighted_mean_over_labelled_pixels(batch):
    assert masked_cross_entropy(*batch).item() == pytest.approx(by_hand(*batch), rel=1e-5)


def test_with_weights_of_one_it_is_cross_entropy_with_ignore_index(batch):
    logits, target, _ = batch
    expected = F.cross_entropy(logits, target, ignore_index=255)
    torch.testing.assert_close(masked_cross_entropy(logits, target), expected)
    torch.testing.assert_close(masked_cross_entropy(logits, target, torch.ones(target.shape)), expected)


@pytest.mark.parametrize("factor", [1e-7, 1e-20, 1e4])
def test_only_the_proportions_of_the_weights_count(batch, factor):
    logits, target, weight = batch
    expected = masked_cross_entropy(logits, target, weight)
    torch.testing.assert_close(masked_cross_entropy(logits, target, weight * factor), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("weighted", [True, False])
def test_a_batch_without_labels_costs_nothing_and_moves_nothing(batch, weighted):
    logits, target, weight = batch
    logits.requires_grad_()
    loss = masked_cross_entropy(logits, torch.full_like(target, 255), weight if weighted else None)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_weights_of_zero_leave_a_labelled_pixel_out(batch):
    logits, target, weight = batch
    weight[0] = 0
    expected = masked_cross_entropy(logits[1:], target[1:], weight[1:])
    torch.testing.assert_close(masked_cross_entropy(logits, target, weight), expected)
    assert masked_cross_entropy(logits, target, weight * 0).item() == 0


def test_unlabelled_pixels_have_no_gradient_and_labelled_ones_do(batch):
    logits, target, weight = batch
    logits.requires_grad_()
    masked_cross_entropy(logits, target, weight).backward()
    pull = logits.grad.abs().sum(dim=1)
    assert (pull[target == 255] == 0).all()
    assert (pull[target != 255] > 0).all()


def test_the_gradient_is_that_of_the_formula(batch):
    logits, target, weight = batch
    logits.requires_grad_()
    masked_cross_entropy(logits, target, weight).backward()
    onehot = F.one_hot(target.where(target != 255, 0), CLASSES).movedim(-1, 1)
    share = weight * (target != 255) / (weight * (target != 255)).sum()
    expected = (logits.detach().softmax(1) - onehot) * share[:, None]  # d CE / d z = softmax - one-hot
    torch.testing.assert_close(logits.grad, expected)


def test_the_gradient_is_that_of_finite_differences(batch):
    logits, target, weight = batch
    logits.requires_grad_()
    masked_cross_entropy(logits, target, weight).backward()
    for index in [(0, 1, 0, 3), (1, 3, 2, 4), (0, 2, 2, 0)]:
        up, down = logits.detach().clone(), logits.detach().clone()
        up[index] += 1e-3
        down[index] -= 1e-3
        slope = (by_hand(up, target, weight) - by_hand(down, target, weight)) / 2e-3
        assert logits.grad[index].item() == pytest.approx(slope, abs=1e-4)


def test_bfloat16_logits_are_summed_up_in_float32(batch):
    logits, target, weight = batch
    loss = masked_cross_entropy(logits.bfloat16(), target, weight)
    assert loss.dtype == torch.float32
    # once rounded, the logits lose no more: the same sum as of their float32 copies
    torch.testing.assert_close(loss, masked_cross_entropy(logits.bfloat16().float(), target, weight), rtol=0, atol=0)
    assert loss.item() == pytest.approx(masked_cross_entropy(logits, target, weight).item(), rel=0.02)
