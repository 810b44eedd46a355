"""Clusters are found the same whatever the strips, and no seam shows between windows."""

import numpy as np
import torch

from geopointseg.clustering import apply
from geopointseg.clustering.apply import raw_clusters
from geopointseg.clustering.network import build
from geopointseg.clustering.partition import Partition
from geopointseg.statistics import open_rasters


class Bright(torch.nn.Module):
    """Cluster 2 where the first band is bright, else 0; cluster 1 nearly wins everywhere."""

    def forward(self, x):
        first = x[:, :1]
        return torch.cat([-first, 0.9 * first.abs() + 0.01, first], dim=1) * 20


def whole(partition, raster):
    out = np.full(raster.grid.shape, 99, np.uint8)
    for window, ids in raw_clusters(partition, raster):
        part = out[window.row : window.row + window.height, window.col : window.col + window.width]
        assert (part == 99).all()  # each pixel comes once
        part[:] = ids
    return out


def test_an_identity_network_gives_the_raster_back(raster_file, monkeypatch):
    monkeypatch.setattr(apply, "STRIP", 300)
    image = np.random.default_rng(0).integers(0, 2, (1, 530, 1001)).astype(np.uint8) * 200 + 20
    image[0, 100:110] = 0
    (raster,), statistics = open_rasters([raster_file(image, nodata=0)])
    partition = Partition("fcn", raster.names, statistics, {}, 3, (0, 255, 1), ())
    partition.__dict__["network"] = Bright()
    found = whole(partition, raster)
    assert (found == np.where(image[0] == 0, 255, np.where(image[0] > 100, 2, 0))).all()


def test_windows_do_not_show(raster_file, monkeypatch):
    torch.manual_seed(0)
    image = np.random.default_rng(1).integers(1, 255, (2, 40, 47)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    (raster,), statistics = open_rasters([raster_file(image)])
    network = build("fcn", 2, 4)
    with torch.no_grad():
        for layer in network.modules():
            layer.momentum = None  # so that batch normalisation knows the image
        network(torch.from_numpy(image[None] / np.float32(255) - np.float32(0.5)))
    network.eval()
    partition = Partition("fcn", raster.names, statistics, dict(network.state_dict()), 4, (0, 1, 2, 3), ())
    at_once = whole(partition, raster)
    for name, value in {"TILE": 96, "STRIDE": 64, "OVERLAP": 32, "STRIP": 110}.items():
        monkeypatch.setattr(apply, name, value)
    assert len(np.unique(at_once)) > 1
    assert (
        whole(partition, raster) == at_once
    ).mean() > 0.95  # of noise, in windows not much larger than what a pixel sees
