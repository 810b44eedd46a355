"""Files of weights: found here, or fetched once from where their makers keep them."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlparse

import requests
import torch
import torchgeo.models
import torchvision
from huggingface_hub import constants, get_token, hf_hub_url, try_to_load_from_cache
from tqdm import tqdm

from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing

__all__ = ["HUB_FILES", "find_weights", "from_hub", "from_url"]

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
PATIENCE = 10  # seconds until a silent server counts as none


def find_weights(weights: str, in_channels: int) -> Path:
    """The file that a user means.

    Args:
        weights: A file; or the name of weights of TorchGeo or torchvision; or a Hugging Face repository, `org/name`,
            `hf://org/name` or `hf://org/name/file`. A file that is here is taken before all else, without the network.
        in_channels: Number of bands of the model.

    Raises:
        GeoPointSegError: no such weights, weights for another number of bands, or no network.
    """
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    if repository := re.fullmatch(r"hf://([\w.-]+/[\w.-]+)(?:/(.+))?", weights):
        return from_hub(repository[1], (repository[2],) if repository[2] else HUB_FILES)
    if path.suffix in SUFFIXES:
        raise GeoPointSegError(f"expected a file of weights, got {path}, which does not exist: check the path")
    if re.fullmatch(r"\w+_Weights\.\w+", weights):
        return _named(weights, in_channels)
    if re.fullmatch(r"\w[\w.-]*/[\w.-]+", weights) and not path.exists():
        return from_hub(weights)
    raise GeoPointSegError(
        "expected 'imagenet', 'none', a name such as ResNet18_Weights.SENTINEL2_ALL_MOCO, a file, or a Hugging Face "
        f"repository such as hf://org/name as weights, got {weights!r}"
    )


def _named(name: str, in_channels: int) -> Path:
    """Weights that TorchGeo or torchvision has a name for.

    Raises:
        GeoPointSegError: neither has, they are for another number of bands, or there is no network.
    """
    for known in (torchgeo.models.get_weight, torchvision.models.get_weight):
        try:
            weights = known(name)
        except (ValueError, KeyError):  # torchvision lets both out
            continue
        bands = weights.meta.get("in_chans", in_channels)
        if bands != in_channels:
            which = ", ".join(map(str, weights.meta.get("bands", ())))
            raise GeoPointSegError(
                f"expected weights for the {in_channels} bands of the rasters, got {name}, which is for {bands}"
                f"{f' ({which})' if which else ''}: take rasters with these bands, or other weights"
            )
        return from_url(weights.url)
    raise GeoPointSegError(
        f"expected the name of weights that TorchGeo {torchgeo.__version__} or torchvision {torchvision.__version__} "
        f"has, got {name!r}: their pages on pretrained weights list them"
    )


def from_url(url: str) -> Path:
    """A file of the web, kept where torch, torchvision and TorchGeo keep theirs.

    Raises:
        GeoPointSegError: it is not here and cannot be fetched.
    """
    place = _folder() / Path(urlparse(url).path).name
    try:
        return place if place.is_file() else _download(url, place)
    except requests.RequestException as error:
        raise _not_fetched(url, place, error) from error


def from_hub(repository: str, files: Sequence[str] = HUB_FILES, revision: str | None = None) -> Path:
    """A file of a Hugging Face repository: the first of `files` that is here, else the first that can be fetched.

    Raises:
        GeoPointSegError: none is here and none can be fetched.
    """
    places = {file: _folder() / f"{repository}/{file}".replace("/", "--") for file in files}
    for file, place in places.items():
        cached = try_to_load_from_cache(repository, file, revision=revision)
        if place.is_file():
            return place
        if isinstance(cached, str):
            return Path(cached)
    token = get_token()  # for repositories that are not public
    for file, place in places.items():
        url = hf_hub_url(repository, file, revision=revision)
        try:
            if constants.HF_HUB_OFFLINE:
                raise requests.ConnectionError("HF_HUB_OFFLINE is set")
            return _download(url, place, {"Authorization": f"Bearer {token}"} if token else {})
        except requests.RequestException as error:
            refusal, cause = _not_fetched(url, place, error), error
            if error.response is None or error.response.status_code != requests.codes.not_found:
                break
    raise refusal from cause


def _folder() -> Path:
    """Where torch keeps weights; TORCH_HOME moves it."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _not_fetched(url: str, place: Path, error: Exception) -> GeoPointSegError:
    """Say how to get a file here by hand."""
    reason = error.args[0] if error.args and isinstance(error.args[0], str) else "no connection"
    return GeoPointSegError(
        f"expected weights from {url}, got none ({reason}): fetch that file elsewhere and put it at {place}, or give "
        "the path of your copy as weights; with weights 'none' training starts at random"
    )


def _download(url: str, place: Path, headers: Mapping[str, str] | None = None) -> Path:
    """Fetch a file whole or not at all; eight or more hex digits at the end of its name are its SHA-256, as for torch.

    Raises:
        requests.RequestException: it cannot be fetched.
        GeoPointSegError: what came is not what the name says.
    """
    with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as answer:
        answer.raise_for_status()
        size, digest = int(answer.headers.get("Content-Length", 0)) or None, hashlib.sha256()
        bar = tqdm(total=size, desc=place.name, unit="B", unit_scale=True, disable=None, leave=False)
        with replacing(place, overwrite=True) as partial, partial.open("wb") as file, bar:
            for chunk in answer.iter_content(1 << 20):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
            promised = re.search(r"-([0-9a-f]{8,})\.\w+$", place.name)
            if promised and not digest.hexdigest().startswith(promised[1]):
                raise GeoPointSegError(
                    f"expected a file whose SHA-256 begins with {promised[1]}, got {digest.hexdigest()[:12]}… from "
                    f"{url}: try again, or fetch it elsewhere and put it at {place}"
                )
    return place
