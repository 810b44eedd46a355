"""A warm start writes an encoder that training takes, and that has learnt from the rasters it was shown."""

import numpy as np
import pytest
import safetensors.torch
import torch

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.models import build_model
from geopointseg.learning.warm import warm_start


@pytest.fixture
def raster(raster_file):
    """Five bands of noise, coarse on the left and fine on the right; the first rows have no data."""
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.integers(1, 256, size=(5, 8, 8)), np.ones((8, 8))).astype(np.uint8)
    picture = np.concatenate([coarse, rng.integers(1, 256, size=(5, 64, 64), dtype=np.uint8)], axis=2)
    picture[:, :5] = 0
    return str(raster_file(picture, "a.tif", nodata=0))


OPTIONS = {"steps": 1, "chip": 32, "batch_size": 4}


@pytest.mark.slow
def test_the_encoder_is_taken_by_a_network_with_the_same_bands(raster, tmp_path):
    path = warm_start([raster], out=tmp_path / "warm.safetensors", **OPTIONS)
    held = safetensors.torch.load_file(path)
    assert all(value.isfinite().all() for value in held.values())
    network = build_model("unet", 5, 4, path)
    for name in ("conv1.weight", "layer4.1.bn2.running_mean"):
        assert torch.equal(network.encoder.state_dict()[name], held[name])

    again = warm_start([raster], out=tmp_path / "again.safetensors", **OPTIONS)
    other = warm_start([raster], out=tmp_path / "other.safetensors", **OPTIONS, seed=1)
    assert again.read_bytes() == path.read_bytes()
    assert other.read_bytes() != path.read_bytes()

    with pytest.raises(GeoPointSegError, match="expected a new file"):
        warm_start([raster], out=path, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "at least 1 step"),
        ({"batch_size": 1}, "2 of them in a batch"),
        ({"backbone": "resnet18000"}, "timm knows, got 'resnet18000'"),
        ({"out": "warm.ckpt"}, "safetensors file to write, got warm.ckpt"),
    ],
)
def test_what_cannot_work_is_refused(options, message, raster, tmp_path):
    with pytest.raises(GeoPointSegError, match=message):
        warm_start([raster], **{"out": tmp_path / "warm.safetensors"} | options)
    assert not list(tmp_path.glob("warm*"))
