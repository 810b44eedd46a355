"""A loss in YAML is a name, or names with shares and options; what cannot work is refused before any training."""

import pytest
import torch
import yaml

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.losses import LOSSES, masked_cross_entropy, masked_dice, masked_focal, masked_squared_error
from geopointseg.learning.objective import Term, read_loss, weighted_sum


@pytest.fixture
def batch():
    """Logits, target with some 255, weights: 2 x 4 x 4 pixels of three classes."""
    rng = torch.Generator().manual_seed(0)
    target = torch.randint(3, (2, 4, 4), generator=rng)
    target[:, 1] = 255
    return torch.randn(2, 3, 4, 4, generator=rng), target, torch.rand(2, 4, 4, generator=rng)


def from_yaml(text):
    """The terms of a line of YAML."""
    return read_loss(yaml.safe_load(text)["loss"])


def test_yaml_gives_the_weighted_sum(batch):
    terms = from_yaml(
        "loss: {cross-entropy: 1, dice: 0.5, focal: {share: 2, gamma: 3}, squared-error: {softmax: true}}"
    )
    classes = torch.tensor([1.0, 0.5, 2.0])
    expected = (
        masked_cross_entropy(*batch, classes)
        + 0.5 * masked_dice(*batch, classes)
        + 2 * masked_focal(*batch, classes, gamma=3)
        + masked_squared_error(*batch, classes, softmax=True)
    )
    torch.testing.assert_close(weighted_sum(terms, *batch, classes), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_a_name_alone_is_that_loss_to_the_last_bit(batch, name):
    assert torch.equal(weighted_sum(from_yaml(f"loss: {name}"), *batch), LOSSES[name](*batch))


def test_a_term_may_leave_the_pixels_weights_out(batch):
    logits, target, weight = batch
    terms = from_yaml("loss: {squared-error: {weighted: false}}")
    assert torch.equal(weighted_sum(terms, logits, target, weight), masked_squared_error(logits, target))
    assert not torch.equal(masked_squared_error(*batch), masked_squared_error(logits, target))


def test_a_sum_is_zero_without_labels(batch):
    logits, target, weight = batch
    logits.requires_grad_()
    loss = weighted_sum(read_loss(dict.fromkeys(LOSSES, 1.0)), logits, torch.full_like(target, 255), weight)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_terms_are_said_as_people_read_them():
    terms = from_yaml("loss: {cross-entropy: 1, dice: 0.5, focal: {gamma: 3, weighted: false}}")
    assert [*map(str, terms)] == ["cross-entropy", "0.5 × dice", "focal (gamma 3, unweighted)"]
    assert terms[0] == Term("cross-entropy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss: tversky", "expected a loss .*cross-entropy, .*, got tversky"),
        ("loss: {}", "at least one loss"),
        ("loss: {dice: 0}", "a share above 0 for the loss dice, got 0"),
        ("loss: {dice: -1}", "a share above 0 for the loss dice, got -1"),
        ("loss: {dice: .nan}", "got share nan"),
        ("loss: {dice: true}", "got share True"),
        ("loss: {focal: {gama: 2}}", r"focal takes \(by default share 1.0, weighted true, gamma 2.0\), got gama 2"),
        ("loss: {focal: {gamma: high}}", "got gamma high"),
        ("loss: {focal: {gamma: -2}}", "gamma from 0 on, got -2"),
        ("loss: {squared-error: {softmax: 1}}", "got softmax 1"),
        ("loss: {squared-error: {weighted: 0}}", "got weighted 0"),
    ],
)
def test_what_cannot_work_is_refused(text, message):
    with pytest.raises(GeoPointSegError, match=message):
        from_yaml(text)
