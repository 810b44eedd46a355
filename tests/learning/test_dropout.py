"""Thinned copies of a network: what they are by hand, the same for the same seed, and who cannot have any."""

import numpy as np
import pytest
import torch
from torch import nn

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.candidates import doubt_of
from geopointseg.learning.backends import Computing, with_torch
from geopointseg.learning.dropout import PASSES, RATE, last_convolution, with_dropout
from geopointseg.learning.models import build_model
from geopointseg.learning.task import PointSegmentationTask

FLOAT32 = Computing(precision="32-true")
CARD = {
    "bands": [1, 2],
    "band_names": ["red", "green"],
    "mean": [0.0, 0.0],
    "std": [1.0, 1.0],
    "classes": [
        {"id": i, "name": name, "color": "#000000", "code": i} for i, name in enumerate(("bare", "grass", "road"))
    ],
}


@pytest.fixture(scope="module")
def task():
    """The default network, untrained."""
    torch.manual_seed(0)
    return PointSegmentationTask(CARD).eval()


@pytest.fixture
def pixels():
    return np.random.default_rng(0).normal(0, 1, (2, 2, 64, 96)).astype(np.float32)


def test_it_is_the_mean_and_the_disagreement_of_copies_thinned_by_hand(task, pixels):
    found = with_dropout(task, FLOAT32, seed=3)(pixels)
    kept = np.random.default_rng(3).random((PASSES, 1, 16, 1, 1)) >= RATE
    last = task.model.segmentation_head[0]
    whole, copies = last.weight.detach().clone(), []
    for mask in kept:
        with torch.no_grad():
            last.weight.copy_(whole * torch.from_numpy(mask / (1 - RATE)).float())
        copies.append(with_torch(task)(pixels))
    with torch.no_grad():
        last.weight.copy_(whole)
    assert found.shape == (2, 4, 64, 96)
    np.testing.assert_allclose(found[:, :3], np.mean(copies, axis=0), atol=1e-5)
    for i in range(2):
        np.testing.assert_allclose(found[i, 3], doubt_of([copy[i] for copy in copies], "disagreement"), atol=1e-5)
    assert found[:, 3].max() > 1e-3


def test_the_seed_alone_decides_and_the_network_is_left_as_it_was(task, pixels):
    before = with_torch(task)(pixels)
    one, again, other = (with_dropout(task, FLOAT32, seed=seed)(pixels) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    alone = with_dropout(task, FLOAT32)(pixels[1:])
    np.testing.assert_allclose(alone, one[1:], atol=1e-4)  # whatever else is asked about beside it
    np.testing.assert_array_equal(with_torch(task)(pixels), before)


@pytest.mark.parametrize(
    "name", ["unet", "linknet", "segformer", "fcn", "plain_unet", "resnet18_transposed", "fcn_resnet50"]
)
def test_networks_end_in_a_convolution_to_the_classes(name):
    assert last_convolution(build_model(name, 2, 3), 3).out_channels == 3


def test_what_cannot_be_thinned_is_refused(task):
    with pytest.raises(GeoPointSegError, match="expected a network that ends in a convolution, got Sequential, for"):
        last_convolution(nn.Sequential(nn.Conv2d(2, 5, 1)), 3)
    with pytest.raises(
        GeoPointSegError, match="expected --backend torch, without --compiled, for --uncertainty dropout"
    ):
        with_dropout(task, Computing(backend="openvino"))
