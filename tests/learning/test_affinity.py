"""Affinities are those of labelled pairs alone, in one order of neighbours, and do not depend on the tiles."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.affinity import (
    NEIGHBOURS,
    AffinityNet,
    balanced_loss,
    neighbour_loss,
    point_loss,
    predict_affinity,
)

LABELS = np.array(
    [
        [0, 0, 1, 255],
        [0, 255, 1, 1],
        [2, 2, 255, 1],
    ]
)


class Columns(nn.Module):
    """A network whose logit, for every direction, is the first band of the pixel plus a number of the direction."""

    bands, stride, halo = 1, 4, 8

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return torch.nan_to_num(x) + torch.arange(8.0)[None, :, None, None]


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = AffinityNet(3)
    network.set_statistics((100.0, 50.0, 20.0), (30.0, 20.0, 10.0))
    for name, buffer in network.named_buffers():  # as if trained: running statistics are not 0 and 1
        if name.endswith("running_var"):
            buffer.uniform_(0.1, 0.4)
    return network.eval()


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(80, 30, (3, 83, 101)).astype(np.float32)


def by_hand(logits, labels):
    """The loss, pair by pair: mean over like and mean over unlike neighbours, in equal parts."""
    like, unlike = [], []
    height, width = labels.shape[1:]
    for b, row, col in np.ndindex(*labels.shape):
        for k, (dr, dc) in enumerate(NEIGHBOURS):
            r, c = row + dr, col + dc
            if not (0 <= r < height and 0 <= c < width) or 255 in (labels[b, row, col], labels[b, r, c]):
                continue
            p = 1 / (1 + math.exp(-float(logits[b, k, row, col])))
            if labels[b, row, col] == labels[b, r, c]:
                like.append(-math.log(p))
            else:
                unlike.append(-math.log(1 - p))
    return np.mean([np.mean(kind) for kind in (like, unlike) if kind])


def test_the_order_of_neighbours_is_fixed():
    assert NEIGHBOURS == ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
    assert all(NEIGHBOURS[7 - k] == (-r, -c) for k, (r, c) in enumerate(NEIGHBOURS))


def test_the_network_is_small_and_gives_eight_maps():
    for bands in (1, 3, 13):
        network = AffinityNet(bands)
        assert sum(parameter.numel() for parameter in network.parameters()) < 1_000_000
        assert network(torch.rand(2, bands, 32, 48)).shape == (2, 8, 32, 48)


def test_neighbour_loss_is_the_sum_by_hand():
    labels = torch.tensor(np.stack([LABELS, LABELS[::-1].copy()]))
    logits = torch.randn(2, 8, 3, 4, generator=torch.Generator().manual_seed(0))
    assert neighbour_loss(logits, labels).item() == pytest.approx(by_hand(logits.numpy(), labels.numpy()), rel=1e-5)


@pytest.mark.parametrize("labels", [np.zeros((1, 3, 4), int), np.arange(12).reshape(1, 3, 4)], ids=["like", "unlike"])
def test_with_pairs_of_one_kind_it_is_their_mean(labels):
    logits = torch.randn(1, 8, 3, 4, generator=torch.Generator().manual_seed(0))
    loss = neighbour_loss(logits, torch.from_numpy(labels))
    assert loss.item() == pytest.approx(by_hand(logits.numpy(), labels), rel=1e-5)


def test_unlabelled_pairs_move_nothing():
    labels = torch.tensor(LABELS)[None]
    logits = torch.zeros(1, 8, 3, 4, requires_grad=True)
    neighbour_loss(logits, labels).backward()
    moved = logits.grad[0] != 0
    for k, (dr, dc) in enumerate(NEIGHBOURS):
        for row, col in np.ndindex(3, 4):
            r, c = row + dr, col + dc
            counts = 0 <= r < 3 and 0 <= c < 4 and 255 not in (LABELS[row, col], LABELS[r, c])
            assert bool(moved[k, row, col]) == counts


@pytest.mark.parametrize(
    "labels", [np.full((1, 3, 4), 255), np.pad([[[7]]], ((0, 0), (1, 1), (1, 2)), constant_values=255)]
)
def test_without_a_pair_the_loss_is_nought_and_so_is_its_gradient(labels):
    logits = torch.randn(1, 8, 3, 4, requires_grad=True)
    loss = neighbour_loss(logits, torch.from_numpy(labels))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_a_logit_of_any_size_keeps_the_loss_finite():
    loss = balanced_loss(torch.tensor([-1e4, 1e4]), torch.tensor([True, False]), torch.tensor([True, True]))
    assert loss.item() == pytest.approx(1e4)


def test_affinities_of_the_network_are_those_of_its_places(network, image):
    x = torch.from_numpy(image[None, :, :32, :32])
    places, logits = network.embed(x)[0].movedim(0, -1), network(x)[0]
    for k, (dr, dc) in enumerate(NEIGHBOURS):
        expected = 3 - ((places[10, 20] - places[10 + dr, 20 + dc]) ** 2).sum()
        torch.testing.assert_close(logits[k, 10, 20], expected)
        torch.testing.assert_close(logits[7 - k, 10 + dr, 20 + dc], expected)  # both ways


def test_points_are_compared_however_far_apart(network):
    places = torch.randn(2, 8, 3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.full((2, 3, 4), 255)
    labels[0, 0, 0], labels[0, 2, 3], labels[1, 1, 1] = 4, 9, 4
    a, b, c = places[0, :, 0, 0], places[0, :, 2, 3], places[1, :, 1, 1]
    like = [torch.log1p(torch.exp(((a - c) ** 2).sum() - 3))]  # −log σ(3 − d²)
    unlike = [torch.log1p(torch.exp(3 - ((one - b) ** 2).sum())) for one in (a, c)]
    loss = point_loss(network, places, labels)
    assert loss.item() == pytest.approx((like[0] / 2 + sum(unlike) / 4).item(), rel=1e-5)
    loss.backward()
    assert torch.equal((places.grad != 0).any(dim=1), labels != 255)


@pytest.mark.parametrize("labelled", [0, 1])
def test_less_than_two_points_cost_nothing(network, labelled):
    labels = torch.full((1, 3, 4), 255)
    labels.view(-1)[:labelled] = 1
    assert point_loss(network, torch.randn(1, 8, 3, 4), labels).item() == 0


def test_prediction_is_the_networks_within_0_and_1(network, image):
    got = predict_affinity(network, image)
    assert got.shape == (8, 83, 101)
    assert got.dtype == np.float32
    assert got.min() >= 0
    assert got.max() <= 1
    with torch.inference_mode():
        x = torch.from_numpy(image[None, :, :80, :96])
        expected = network(x)[0].sigmoid().numpy()
    np.testing.assert_allclose(got[:, 32:48, 32:64], expected[:, 32:48, 32:64], atol=1e-5)


@pytest.mark.parametrize("tile", [30, 32, 64, 512])
def test_tiles_change_nothing(network, image, tile):
    np.testing.assert_allclose(predict_affinity(network, image, tile=tile), predict_affinity(network, image), atol=1e-5)


def test_the_halo_is_as_wide_as_the_network_sees(network, image):
    before = predict_affinity(network, image)
    changed = image.copy()
    changed[:, :, : 101 - 33] += 500
    after = predict_affinity(network, changed)
    np.testing.assert_allclose(after[:, :, 101 - 1 :], before[:, :, 101 - 1 :], atol=1e-6)
    assert np.abs(after - before)[:, :, 101 - 20].max() > 1e-3  # the change is seen from near


def test_maps_come_in_the_order_of_neighbours_and_pairs_without_data_are_nought():
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4) / 10
    image[0, 1, 1] = np.nan
    got = predict_affinity(Columns().eval(), image)
    for k, (dr, dc) in enumerate(NEIGHBOURS):
        for row, col in np.ndindex(3, 4):
            r, c = row + dr, col + dc
            there = 0 <= r < 3 and 0 <= c < 4 and (row, col) != (1, 1) and (r, c) != (1, 1)
            expected = 1 / (1 + math.exp(-image[0, row, col] - k)) if there else 0
            assert got[k, row, col] == pytest.approx(expected)


def test_an_image_without_data_has_no_affinity(network):
    assert not predict_affinity(network, np.full((3, 20, 30), np.nan, np.float32)).any()


def test_a_pixel_without_data_leaves_the_others_finite(network, image):
    image[:, 40, 50] = np.nan
    image[1, 60, 60] = np.nan
    got = predict_affinity(network, image)
    assert np.isfinite(got).all()
    assert not got[:, 40, 50].any()
    assert got[:, 60, 60].all()  # one band is missing, the others are there


def test_other_bands_and_no_tile_are_refused(network, image):
    with pytest.raises(
        GeoPointSegError, match="image of 3 bands, as the affinity network has, got 2: choose other bands"
    ):
        predict_affinity(network, image[:2])
    with pytest.raises(GeoPointSegError, match="expected a tile of at least 1 pixel, got 0: try 512"):
        predict_affinity(network, image, tile=0)
