"""Files of affinity networks: ours with a card, and published DAL checkpoints; nothing in them can run code."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.affinity import AffinityNet
from geopointseg.learning.dal import Dal, dal_from_state, listed

__all__ = ["load_affinity", "read_card", "write_affinity"]

WRAPPERS = ("state_dict", "model", "model_state_dict", "net")  # where checkpoints of many projects keep their tensors


def write_affinity(network: AffinityNet, card: Mapping[str, Any], path: Path) -> None:
    """Write a network and its card, to a path that `geopointseg.files.replacing` gives.

    Args:
        network: What to write.
        card: Plain values that go with it.
        path: A .safetensors file, else a torch file of tensors and plain values.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    card = {**card, "network": network.settings}
    if path.suffix == ".safetensors":
        save_file(state, path, metadata={"card": json.dumps(card)})
    else:
        torch.save({"card": card, "state_dict": state}, path)


def load_affinity(path: Path) -> AffinityNet | Dal:
    """Read a network that `geopointseg train-affinity` wrote, or a published DAL checkpoint.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        GeoPointSegError: no such file, one that holds more than tensors and plain values, or tensors of another network.
    """
    card, state = _read(path)
    if card is None:
        return dal_from_state(state, path)
    try:
        network = AffinityNet(**card["network"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise GeoPointSegError(
            f"expected a card of an affinity network, got {path} with {card.get('network', 'none')}: train it again with "
            "'geopointseg train-affinity'"
        ) from error
    own = network.state_dict()
    missing = [f"{k} {tuple(t.shape)}" for k, t in own.items() if k not in state or state[k].shape != t.shape]
    over = [f"{k} {tuple(t.shape)}" for k, t in state.items() if k not in own or own[k].shape != t.shape]
    if missing or over:
        raise GeoPointSegError(
            f"expected the tensors of an affinity network, got {path}: {listed('missing', missing)}; "
            f"{listed('unexpected', over)}: train it again with 'geopointseg train-affinity'"
        )
    network.load_state_dict(dict(state))
    return network.eval()


def read_card(path: Path) -> dict[str, Any]:
    """What a network of ours says of itself: bands, statistics, settings, and how it was trained.

    Raises:
        GeoPointSegError: see `load_affinity`, or the file is not ours.
    """
    card, _ = _read(path)
    if card is None:
        raise GeoPointSegError(f"expected a file of 'geopointseg train-affinity', got {path} without a card")
    return card


def _read(path: Path) -> tuple[dict[str, Any] | None, Mapping[str, Tensor]]:
    """The card, None where there is none, and the tensors in the order of the file."""
    path = Path(path)
    if not path.is_file():
        raise GeoPointSegError(f"expected an affinity network, got no file {path}: check the path")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # of a pickle that is refused anyway
            found = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise GeoPointSegError(
            f"expected a checkpoint of tensors and plain values, got {path}, which holds other objects or is no "
            "checkpoint: it is not opened, for such a file can run code; ask its maker for the state_dict alone"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise GeoPointSegError(
            f"expected a checkpoint that PyTorch reads, got {path} ({str(error).splitlines()[0]}): fetch it again"
        ) from error
    card = found.get("card") if isinstance(found, Mapping) else None
    while isinstance(found, Mapping) and (inner := next((w for w in WRAPPERS if w in found), None)):
        found = found[inner]
    if not isinstance(found, Mapping) or not all(isinstance(t, Tensor) for t in found.values()):
        raise GeoPointSegError(
            f"expected a checkpoint with a state_dict, got {path} with a {type(found).__name__} of other things: "
            "save the network's state_dict"
        )
    return card if isinstance(card, dict) else None, found


def _read_safetensors(path: Path) -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    """Card and tensors; a file without a card is refused: the format forgets the order that DAL's layers go by."""
    try:
        with safe_open(path, "pt") as file:
            card = json.loads((file.metadata() or {}).get("card", "null"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise GeoPointSegError(f"expected a safetensors file, got {path} ({error}): fetch it again") from error
    if not isinstance(card, dict):
        raise GeoPointSegError(
            f"expected a safetensors file of 'geopointseg train-affinity', got {path} without a card: "
            "a DAL checkpoint must be the file its authors published"
        )
    return card, state
