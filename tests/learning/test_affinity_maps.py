"""Affinity maps lie on the raster's grid and say what the network says, window by window."""

import numpy as np
import pytest
import rasterio
import torch

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.learning import affinity_maps
from geopointseg.learning.affinity import predict_affinity
from geopointseg.learning.affinity_files import write_affinity
from geopointseg.learning.affinity_fit import start_network
from geopointseg.learning.affinity_maps import affinity
from geopointseg.raster import read
from geopointseg.statistics import open_rasters


@pytest.fixture
def image(raster_file):
    pixels = np.random.default_rng(0).integers(1, 255, (2, 70, 90), np.uint8)
    pixels[:, :10, :20] = 0
    return raster_file(pixels, nodata=0)


@pytest.fixture
def model(image, tmp_path):
    torch.set_num_threads(1)
    _, statistics = open_rasters([image])
    write_affinity(start_network(statistics, 0), {}, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def test_maps_are_what_the_network_says_whatever_the_windows(image, model, tmp_path, monkeypatch):
    (raster,), statistics = open_rasters([image])
    expected = predict_affinity(start_network(statistics, 0).eval(), read(raster, Window(0, 0, 70, 90)))
    for name, tile in (("whole", 1024), ("tiles", 32)):
        monkeypatch.setattr(affinity_maps, "TILE", tile)
        (path,) = affinity(model, [str(image)], out=tmp_path / name)
        with rasterio.open(path) as source, rasterio.open(image) as original:
            assert (source.crs, source.transform, source.shape) == (original.crs, original.transform, original.shape)
            assert (source.count, source.dtypes[0], source.scales[0]) == (8, "uint8", 1 / 255)
            assert source.descriptions[4] == "affinity to E"
            got = source.read() / 255
        assert (got[:, :10, :20] == 0).all()
        inner = np.s_[:, 24:-24, 24:-24] if name == "tiles" else np.s_[:]
        assert np.abs(got - expected)[inner].max() < 0.01


def test_maps_never_replace_the_raster(image, model):
    with pytest.raises(GeoPointSegError, match=r"a folder of its own for the maps, got that of .*image\.tif"):
        affinity(model, [str(image)], out=image.parent, overwrite=True)
