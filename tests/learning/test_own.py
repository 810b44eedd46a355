"""A network and a loss of the user's own are trained, kept and asked like any other."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.learning import bundle
from geopointseg.learning.losses import LOSSES
from geopointseg.learning.models import NETWORKS, build_model
from geopointseg.learning.objective import read_loss, weighted_sum
from geopointseg.learning.task import PointSegmentationTask

CARD = {
    "bands": [1, 2],
    "band_names": ["a", "b"],
    "mean": [1.0, 2.0],
    "std": [1.0, 4.0],
    "low": [0.0, 0.0],
    "high": [9.0, 9.0],
    "dtype": "uint8",
    "nodata": None,
    "pixel_size": [1.0, 1.0],
    "crs": "EPSG:32633",
    "geographic": False,
    "classes": Classes.of("xy").records(),
    "chip": 32,
}


class Pixelwise(nn.Module):
    """One linear layer for each pixel."""

    def __init__(self, bands, classes):
        super().__init__()
        self.layer = nn.Conv2d(bands, classes, 1)

    def forward(self, x):
        return self.layer(x)


def scaled(logits, target, weight=None, class_weights=None, *, times=2.0):
    return times * F.cross_entropy(logits, target, ignore_index=255)


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setitem(NETWORKS, "pixelwise", Pixelwise)
    monkeypatch.setitem(LOSSES, "scaled", scaled)


def test_a_network_of_ones_own_is_built_for_bands_and_classes(own):
    assert build_model("pixelwise", 4, 3)(torch.zeros(1, 4, 5, 7)).shape == (1, 3, 5, 7)


def test_a_loss_of_ones_own_has_shares_and_options(own):
    logits, target = torch.randn(1, 2, 3, 3), torch.tensor([[[0, 1, 255]] * 3])
    terms = read_loss({"scaled": {"share": 0.5, "times": 3}})
    wanted = 1.5 * F.cross_entropy(logits, target, ignore_index=255)
    torch.testing.assert_close(weighted_sum(terms, logits, target, torch.ones(1, 3, 3)), wanted)
    with pytest.raises(GeoPointSegError, match="times"):
        read_loss({"scaled": {"tmies": 3}})


def test_a_model_of_it_is_kept_and_comes_back(own, tmp_path):
    task = PointSegmentationTask(CARD, model="pixelwise", loss="scaled")
    again = bundle.load(bundle.save(task, tmp_path / "model"))
    x = torch.full((1, 2, 3, 3), 7.0)
    torch.testing.assert_close(again.cpu()(x), task.eval()(x))


def test_whoever_has_not_got_it_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "pixelwise", Pixelwise)
    folder = bundle.save(PointSegmentationTask(CARD, model="pixelwise"), tmp_path / "model")
    monkeypatch.delitem(NETWORKS, "pixelwise")
    with pytest.raises(GeoPointSegError, match=r"NETWORKS"):
        bundle.load(folder)
