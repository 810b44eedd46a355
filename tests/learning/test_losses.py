"""Every masked loss is the sum of its formula over labelled pixels, whatever the rest of the picture says."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.losses import (
    LOSSES,
    masked_cross_entropy,
    masked_dice,
    masked_focal,
    masked_generalised_cross_entropy,
    masked_lovasz,
    masked_squared_error,
    masked_symmetric_cross_entropy,
)

CLASSES = 4
VARIANTS = [*((name, {}) for name in LOSSES), ("squared-error", {"softmax": True}), ("focal", {"gamma": 0.5})]
NORMALISED = [name for name in LOSSES if name != "squared-error"]
every_loss = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=[f"{n} {o or ''}" for n, o in VARIANTS])


@pytest.fixture
def batch():
    """Logits, target with some 255, weights: 2 x 3 x 5 pixels."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, CLASSES, 3, 5, generator=rng) * 3
    target = torch.randint(CLASSES, (2, 3, 5), generator=rng)
    target[0, 1, :] = 255
    target[1, :, 2] = 255
    return logits, target, torch.rand(2, 3, 5, generator=rng)


CLASS_WEIGHTS = torch.tensor([1.0, 0.5, 2.0, 0.25])


# 2 x 2 pixels of two classes, whose probabilities can be read off:
#
#               probabilities  label  weight  weight of its class
# top left      .8  .2         0      1       1
# top right     .4  .6         0      3       1
# bottom left   .1  .9         1      2       5
# bottom right  .3  .7         255    9       none
P = np.array([[[0.8, 0.4], [0.1, 0.3]], [[0.2, 0.6], [0.9, 0.7]]])
PICTURE = torch.tensor(np.log(P))[None]
TARGET = torch.tensor([[[0, 0], [1, 255]]])
WEIGHT = torch.tensor([[[1.0, 3.0], [2.0, 9.0]]])
OF_CLASSES = torch.tensor([1.0, 5.0])

ce = [-math.log(p) for p in (0.8, 0.4, 0.9)]
BY_HAND = [
    (masked_cross_entropy, {}, (1 * ce[0] + 3 * ce[1] + 10 * ce[2]) / 14),
    (masked_focal, {}, (1 * 0.2**2 * ce[0] + 3 * 0.6**2 * ce[1] + 10 * 0.1**2 * ce[2]) / 14),
    (masked_focal, {"gamma": 0.5}, (0.2**0.5 * ce[0] + 3 * 0.6**0.5 * ce[1] + 10 * 0.1**0.5 * ce[2]) / 14),
    (masked_generalised_cross_entropy, {}, (1 - 0.8**0.7 + 3 * (1 - 0.4**0.7) + 10 * (1 - 0.9**0.7)) / 0.7 / 14),
    (masked_generalised_cross_entropy, {"q": 1}, (1 * 0.2 + 3 * 0.6 + 10 * 0.1) / 14),
    (
        masked_symmetric_cross_entropy,  # 0.1 CE + 4 (1 - p)
        {},
        (1 * (0.1 * ce[0] + 4 * 0.2) + 3 * (0.1 * ce[1] + 4 * 0.6) + 10 * (0.1 * ce[2] + 4 * 0.1)) / 14,
    ),
    (
        masked_dice,  # class 0: 2 (.8 + 3 · .4) / (.8 + 3 · .4 + 2 · .1 + 1 + 3); class 1 likewise
        {},
        (1 * (1 - 2 * 2.0 / (2.2 + 4)) + 5 * (1 - 2 * 1.8 / (0.2 + 1.8 + 1.8 + 2))) / 6,
    ),
    (
        # Class 0 weighs 4. Errors .6, .2, .1 of weights 3, 1 (its own) and 2 (foreign): the index falls to 1/4, 0, 0.
        # Class 1 weighs 2. Errors .6, .2, .1 of weights 3, 1 (foreign) and 2 (its own): to 2/5, 2/6, 0.
        masked_lovasz,
        {},
        (1 * (0.6 * 3 / 4 + 0.2 * 1 / 4) + 5 * (0.6 * 3 / 5 + 0.2 * (2 / 5 - 2 / 6) + 0.1 * 2 / 6)) / 6,
    ),
    (
        # Both channels of each pixel: the class weight stands at the channel. Four pixels, two classes.
        masked_squared_error,
        {"softmax": True},
        (1 * (0.2**2 + 5 * 0.2**2) + 3 * (0.6**2 + 5 * 0.6**2) + 2 * (0.1**2 + 5 * 0.1**2)) / 8,
    ),
]


@pytest.mark.parametrize(("loss", "options", "expected"), BY_HAND, ids=[f"{f.__name__} {o}" for f, o, _ in BY_HAND])
def test_it_is_the_sum_by_hand(loss, options, expected):
    assert loss(PICTURE, TARGET, WEIGHT, OF_CLASSES, **options).item() == pytest.approx(expected, rel=1e-12)


def test_without_weights_every_labelled_pixel_and_class_counts_one():
    assert masked_cross_entropy(PICTURE, TARGET).item() == pytest.approx(sum(ce) / 3)
    assert masked_dice(PICTURE, TARGET).item() == pytest.approx((1 - 2.4 / 3.3 + 1 - 1.8 / 2.7) / 2)


def test_the_squared_error_is_that_of_lssqps():
    """Raw outputs 2, 0 | 1, 1 | -1, 0 | 9, 9; labels 0, 0, 1, none; two in three labels are 0, one in three is 1."""
    outputs = torch.tensor([[[[2.0, 1.0], [-1.0, 9.0]], [[0.0, 1.0], [0.0, 9.0]]]])
    per_share = torch.tensor([3 / 2, 3 / 1])
    expected = (
        (2 - 1) ** 2 * 3 / 2
        + (0 - 0) ** 2 * 3  # top left
        + (1 - 1) ** 2 * 3 / 2
        + (1 - 0) ** 2 * 3  # top right
        + (-1 - 0) ** 2 * 3 / 2
        + (0 - 1) ** 2 * 3  # bottom left
    ) / (1 * 2 * 2 * 2)  # batch, classes, height, width: unlabelled pixels are in the mean too
    assert masked_squared_error(outputs, TARGET, None, per_share).item() == pytest.approx(expected)


def test_the_lovasz_loss_of_right_or_wrong_is_one_minus_the_jaccard_index():
    """At the corners of its domain the extension is the index itself: Σ w of both over Σ w of either."""
    target = torch.tensor([[[0, 0, 0, 1, 1]]])
    weight = torch.tensor([[[1.0, 2.0, 4.0, 8.0, 16.0]]])
    says = torch.tensor([[[0, 1, 0, 0, 1]]])
    logits = 1000.0 * F.one_hot(says, 2).movedim(-1, 1)
    expected = 1 - ((1 + 4) / (1 + 2 + 4 + 8) + 16 / (2 + 8 + 16)) / 2
    assert masked_lovasz(logits, target, weight).item() == pytest.approx(expected)


def test_in_dice_and_lovasz_a_pixel_of_weight_two_is_two_pixels(batch):
    logits, target, _ = batch
    weight = torch.ones(target.shape)
    weight[:, :, 3] = 2
    twice = torch.tensor([0, 1, 2, 3, 3, 4])
    for loss in (masked_dice, masked_lovasz):
        torch.testing.assert_close(loss(logits, target, weight), loss(logits[..., twice], target[..., twice]))


def test_with_weights_of_one_it_is_cross_entropy_with_ignore_index(batch):
    logits, target, _ = batch
    expected = F.cross_entropy(logits, target, ignore_index=255)
    torch.testing.assert_close(masked_cross_entropy(logits, target), expected)
    torch.testing.assert_close(masked_cross_entropy(logits, target, torch.ones(target.shape)), expected)
    expected = F.cross_entropy(logits, target, CLASS_WEIGHTS, ignore_index=255)
    torch.testing.assert_close(masked_cross_entropy(logits, target, class_weights=CLASS_WEIGHTS), expected)


def test_relatives_of_cross_entropy_become_it(batch):
    expected = masked_cross_entropy(*batch)
    torch.testing.assert_close(masked_focal(*batch, gamma=0), expected)
    torch.testing.assert_close(masked_generalised_cross_entropy(*batch, q=1e-5), expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(masked_symmetric_cross_entropy(*batch, alpha=1, beta=0), expected)


# weights


@pytest.mark.parametrize("name", NORMALISED)
@pytest.mark.parametrize("factor", [1e-7, 1e-20, 1e4])
def test_only_the_proportions_of_the_weights_count(batch, name, factor):
    logits, target, weight = batch
    expected = LOSSES[name](logits, target, weight, CLASS_WEIGHTS)
    scaled = LOSSES[name](logits, target, weight * factor, CLASS_WEIGHTS * 7)
    torch.testing.assert_close(scaled, expected, rtol=1e-4, atol=0)


def test_the_squared_error_grows_with_the_weights(batch):
    logits, target, weight = batch
    torch.testing.assert_close(masked_squared_error(logits, target, weight * 3), 3 * masked_squared_error(*batch))


@every_loss
def test_weights_of_zero_leave_a_labelled_pixel_out(batch, name, options):
    logits, target, weight = batch
    weight[0] = 0
    unlabelled = target.clone()
    unlabelled[0] = 255
    expected = LOSSES[name](logits, unlabelled, weight, **options)
    torch.testing.assert_close(LOSSES[name](logits, target, weight, **options), expected)
    assert LOSSES[name](logits, target, weight * 0, **options).item() == 0


@every_loss
def test_a_class_of_weight_zero_asks_for_nothing(batch, name, options):
    logits, target, weight = batch
    assert LOSSES[name](logits, target, weight, torch.zeros(CLASSES), **options).item() == 0
    alone = target.where(target == 2, 255)
    assert LOSSES[name](logits, alone, weight, torch.tensor([0.0, 0.0, 1.0, 0.0]), **options).item() > 0


# labels


@every_loss
@pytest.mark.parametrize("weighted", [True, False])
def test_a_batch_without_labels_costs_nothing_and_moves_nothing(batch, name, options, weighted):
    logits, target, weight = batch
    logits.requires_grad_()
    given = (weight, CLASS_WEIGHTS) if weighted else (None, None)
    loss = LOSSES[name](logits, torch.full_like(target, 255), *given, **options)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@every_loss
def test_unlabelled_pixels_have_no_gradient_and_labelled_ones_do(batch, name, options):
    logits, target, weight = batch
    logits.requires_grad_()
    LOSSES[name](logits, target, weight, CLASS_WEIGHTS, **options).backward()
    pull = logits.grad.abs().sum(dim=1)
    assert (pull[target == 255] == 0).all()
    assert (pull[target != 255] > 0).all()


@every_loss
def test_what_stands_on_unlabelled_pixels_does_not_matter(batch, name, options):
    logits, target, weight = batch
    expected = LOSSES[name](logits, target, weight, **options)
    other = logits.where((target != 255)[:, None], 1e4 * torch.randn(logits.shape))
    torch.testing.assert_close(LOSSES[name](other, target, weight, **options), expected)


@every_loss
def test_a_batch_of_one_class_is_learnt_like_any(batch, name, options):
    logits, target, weight = batch
    logits.requires_grad_()
    loss = LOSSES[name](logits, target.where(target == 255, 2), weight, **options)
    loss.backward()
    assert loss.isfinite()
    assert loss.item() > 0
    assert logits.grad.isfinite().all()
    assert logits.grad[:, 2].sum() < 0  # downhill is up


@every_loss
@pytest.mark.parametrize("right", [True, False])
def test_certainty_costs_nothing_where_right_and_stays_finite_where_wrong(batch, name, options, right):
    _, target, weight = batch
    labels = target.where(target != 255, 0)
    logits = (1.0 if name == "squared-error" and not options else 1e4) * F.one_hot(
        labels if right else (labels + 1) % CLASSES, CLASSES
    ).movedim(-1, 1)
    logits.requires_grad_()
    loss = LOSSES[name](logits, target, weight, **options)
    loss.backward()
    assert logits.grad.isfinite().all()
    assert loss.item() == pytest.approx(0, abs=1e-6) if right else 0.05 < loss.item() < math.inf


# gradients


@every_loss
def test_the_gradient_is_that_of_finite_differences(batch, name, options):
    logits, target, weight = batch
    logits = logits.double().requires_grad_()

    def loss(z):
        return LOSSES[name](z, target, weight.double(), CLASS_WEIGHTS.double(), **options)

    assert loss(logits).dtype == torch.float64
    assert torch.autograd.gradcheck(loss, logits)


def test_the_gradient_of_cross_entropy_is_that_of_its_formula(batch):
    logits, target, weight = batch
    logits.requires_grad_()
    masked_cross_entropy(logits, target, weight).backward()
    onehot = F.one_hot(target.where(target != 255, 0), CLASSES).movedim(-1, 1)
    share = weight * (target != 255) / (weight * (target != 255)).sum()
    expected = (logits.detach().softmax(1) - onehot) * share[:, None]  # d CE / d z = softmax - one-hot
    torch.testing.assert_close(logits.grad, expected)


# number formats


@every_loss
def test_bfloat16_logits_are_summed_up_in_float32(batch, name, options):
    logits, target, weight = batch
    with torch.autocast("cpu", torch.bfloat16):  # as in bf16-mixed training
        loss = LOSSES[name](logits.bfloat16(), target, weight, CLASS_WEIGHTS, **options)
    assert loss.dtype == torch.float32
    # once rounded, the logits lose no more: the same sum as of their float32 copies
    copies = LOSSES[name](logits.bfloat16().float(), target, weight, CLASS_WEIGHTS, **options)
    torch.testing.assert_close(loss, copies, rtol=0, atol=0)
    whole = LOSSES[name](logits, target, weight, CLASS_WEIGHTS, **options)
    assert loss.item() == pytest.approx(whole.item(), rel=0.02)


@every_loss
def test_float32_agrees_with_float64(name, options):
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(4, CLASSES, 64, 64, generator=rng) * 3
    target = torch.randint(CLASSES, (4, 64, 64), generator=rng)
    target[torch.rand(target.shape, generator=rng) < 0.5] = 255
    weight = torch.rand(target.shape, generator=rng) ** 8 + 1e-6  # of clicks from a hedge to a lake
    single = LOSSES[name](logits, target, weight, **options)
    double = LOSSES[name](logits.double(), target, weight.double(), **options)
    assert single.item() == pytest.approx(double.item(), rel=1e-5)


# options


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (masked_focal, {"gamma": -1}, "gamma from 0 on, got -1"),
        (masked_generalised_cross_entropy, {"q": 0}, "q above 0, up to 1, got 0"),
        (masked_generalised_cross_entropy, {"q": 1.5}, "q above 0, up to 1, got 1.5"),
        (masked_symmetric_cross_entropy, {"floor": 4}, "floor below 0, got 0.1, 1.0 and 4"),
        (masked_symmetric_cross_entropy, {"alpha": -1}, "alpha and beta from 0 on"),
    ],
)
def test_an_option_out_of_range_is_refused(loss, options, message):
    with pytest.raises(GeoPointSegError, match=message):
        loss(PICTURE, TARGET, **options)
