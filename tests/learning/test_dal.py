"""The DAL network is the published one, and its checkpoint is read by shapes and order, never by running what is in it."""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.graph import NEIGHBOURS
from geopointseg.learning.affinity import AffinityNet, predict_affinity
from geopointseg.learning.affinity_files import load_affinity, read_card, write_affinity
from geopointseg.learning.dal import Dal

CLOCKWISE = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


@pytest.fixture(scope="module")
def dal():
    torch.manual_seed(0)
    return Dal().eval()


@pytest.fixture
def published(dal):
    """A state_dict with names of its own, the side heads before the trunk, an unused head, and maps from east clockwise."""
    state = dict(dal.state_dict())
    for leaf in ("weight", "bias"):
        state[f"fuse.{leaf}"] = state[f"fuse.{leaf}"][[NEIGHBOURS.index(step) for step in CLOCKWISE]]
    heads = {name: tensor for name, tensor in state.items() if name.startswith(("sides", "fuse"))}
    others = {name: tensor for name, tensor in state.items() if name not in heads}
    unused = {"conv5.weight": torch.ones(8, 40, 1, 1), "conv5.bias": torch.ones(8)}
    return {f"module.net_{name}": tensor for name, tensor in (heads | others).items()} | {
        f"module.{name}": tensor for name, tensor in unused.items()
    }


@pytest.fixture
def small():
    torch.manual_seed(0)
    network = AffinityNet(4, channels=4)
    network.set_statistics((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0))
    return network.eval()


class Stranger:
    """An object that a checkpoint must not bring along."""


def test_it_has_the_published_number_of_parameters(dal):
    assert sum(parameter.numel() for parameter in dal.parameters()) == 14_734_400


def test_it_takes_any_size(dal):
    with torch.inference_mode():
        assert dal(torch.rand(1, 3, 33, 47) * 255).shape == (1, 8, 33, 47)


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", [None, "state_dict"])
def test_a_published_checkpoint_gives_the_same_affinities_in_our_order(dal, published, tmp_path, wrapper):
    path = tmp_path / "dal.pth"
    torch.save({wrapper: published, "epoch": 3} if wrapper else published, path)
    loaded = load_affinity(path)
    assert not loaded.training
    for name, tensor in dal.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    image = (np.random.default_rng(0).random((3, 16, 16)) * 255).astype(np.float32)
    np.testing.assert_array_equal(predict_affinity(loaded, image), predict_affinity(dal, image))


def test_missing_and_unexpected_layers_are_named(published, tmp_path):
    for leaf in ("weight", "bias"):
        del published[f"module.net_stem.1.{leaf}"]
        published[f"module.other.{leaf}"] = torch.zeros(8, 4, 7, 7) if leaf == "weight" else torch.zeros(8)
    torch.save(published, tmp_path / "dal.pth")
    with pytest.raises(GeoPointSegError) as error:
        load_affinity(tmp_path / "dal.pth")
    text = str(error.value)
    assert "missing stem.1.weight (8, 3, 7, 7), stem.1.bias (8,)" in text
    assert "unexpected module.other.weight (8, 4, 7, 7), module.other.bias (8,)" in text
    assert "is it the checkpoint of another network?" in text


def test_of_many_missing_layers_the_first_are_named(tmp_path):
    torch.save({}, tmp_path / "empty.pth")
    with pytest.raises(GeoPointSegError, match=r"missing stem\.1\.weight .* and \d+ more; unexpected none"):
        load_affinity(tmp_path / "empty.pth")


@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_pickle_is_not_opened(tmp_path, write):
    path = tmp_path / "stranger.pth"
    with path.open("wb") as file:
        write({"state_dict": Stranger()}, file)
    with pytest.raises(GeoPointSegError, match=r"stranger\.pth, which holds other objects .* such a file can run code"):
        load_affinity(path)


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    with pytest.raises(
        GeoPointSegError, match=r"expected an affinity network, got no file .*none\.pth: check the path"
    ):
        load_affinity(tmp_path / "none.pth")
    for name in ("broken.pth", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 no checkpoint")
        with pytest.raises(GeoPointSegError, match=rf"expected a .*{name}"):
            load_affinity(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(GeoPointSegError, match=r"expected a checkpoint with a state_dict, got .* with a list of other"):
        load_affinity(tmp_path / "list.pth")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(
        GeoPointSegError, match=r"foreign\.safetensors without a card: a DAL checkpoint must be the file"
    ):
        load_affinity(tmp_path / "foreign.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "foreign.pt")
    with pytest.raises(GeoPointSegError, match=r"file of 'geopointseg train-affinity', got .* without a card"):
        read_card(tmp_path / "foreign.pt")


@pytest.mark.parametrize("name", ["small.pt", "small.safetensors"])
def test_a_network_of_ours_comes_back_with_its_card(small, tmp_path, name):
    write_affinity(small, {"bands": ["b1", "b2", "b3", "b4"]}, tmp_path / name)
    loaded = load_affinity(tmp_path / name)
    assert not loaded.training
    for key, tensor in small.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key
    assert read_card(tmp_path / name) == {
        "bands": ["b1", "b2", "b3", "b4"],
        "network": {"bands": 4, "channels": 4, "places": 8},
    }


def test_a_network_of_ours_with_other_tensors_is_refused(small, tmp_path):
    state = small.state_dict()
    state["extra"] = state.pop("head.weight")
    torch.save({"card": {"network": small.settings}, "state_dict": state}, tmp_path / "a.pt")
    with pytest.raises(GeoPointSegError, match=r"missing head\.weight \(8, 4, 1, 1\); unexpected extra \(8, 4, 1, 1\)"):
        load_affinity(tmp_path / "a.pt")
    torch.save({"card": {"network": {"depth": 3}}, "state_dict": state}, tmp_path / "b.pt")
    with pytest.raises(GeoPointSegError, match=r"expected a card of an affinity network, got .*'depth': 3"):
        load_affinity(tmp_path / "b.pt")
