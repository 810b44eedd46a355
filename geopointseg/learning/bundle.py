"""Bundles: a model as a folder to share.

`weights.safetensors` holds the weights, `model.json` all that must be known of them. Loading needs no other file, runs no
code from either, and asks no network unless the model is named as hf://….
"""

import hashlib
import inspect
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor

from geopointseg import __version__
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing_folder
from geopointseg.learning.agreement import Agreement
from geopointseg.learning.hub import fetch, is_on_hub, publish
from geopointseg.learning.mlm import SHA256, describe
from geopointseg.learning.task import PointSegmentationTask

if TYPE_CHECKING:
    from geopointseg.labels.points import Points

__all__ = ["FILES", "fingerprint", "load", "push", "save", "serialized"]

WEIGHTS, ITEM = FILES = ("weights.safetensors", "model.json")
OPTIONS = sorted(set(inspect.signature(PointSegmentationTask.__init__).parameters) - {"self", "card", "weights"})
"""The task's arguments that are kept. Not `weights`: what training began with may lie elsewhere, and is not needed."""


def save(
    task: PointSegmentationTask,
    folder: Path,
    *,
    training_data: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a bundle, all or nothing. The same task gives the same bytes.

    Args:
        task: What is saved.
        folder: Gets the two files; it is made, or replaced with `overwrite`.
        training_data: What `fingerprint` says of them.
        scores: On held-out points.
        overwrite: Replace an earlier bundle.

    Returns:
        The folder.

    Raises:
        GeoPointSegError: something stands at `folder`, it cannot be written, or the disk is full.
    """
    weights = serialized(task)
    options = {name: task.hparams[name] for name in OPTIONS if name in task.hparams}
    digest = hashlib.sha256(weights).hexdigest()
    item = describe(task, options, weights=WEIGHTS, size=len(weights), digest=digest)
    item["properties"] |= {"geopointseg:training_data": training_data, "geopointseg:scores": scores}
    text = json.dumps(item, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    with replacing_folder(folder, FILES, overwrite=overwrite) as partial:
        (partial / WEIGHTS).write_bytes(weights)  # by ourselves: safetensors has its own error for a full disk
        (partial / ITEM).write_text(text, encoding="utf-8")
    return folder


def serialized(task: PointSegmentationTask) -> bytes:
    """The weights of a task as they stand in a bundle; the same weights give the same bytes."""
    state = sorted(task.state_dict().items())
    # one contiguous copy of each: safetensors refuses views, and memory that tensors share
    tensors = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in state}
    return safetensors.torch.save(tensors)


def fingerprint(points: "Points", masks: Iterable[Path]) -> dict[str, Any]:
    """What a model was trained on, as hashes.

    Returns:
        `points`: SHA-256 of one line per point in use, in their order: split, class name and coordinates (WKB in hex,
        in the layer's own CRS). `masks`: SHA-256 of each file, as sha256sum gives it, by file name.
    """
    used = points.used()
    columns = zip(used["split"], used["class_name"], used.geometry.to_wkb(hex=True), strict=True)
    lines = "".join(f"{split}\t{name}\t{wkb}\n" for split, name, wkb in columns)
    files = {}
    for path in masks:
        with path.open("rb") as file:
            files[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return {"points": hashlib.sha256(lines.encode()).hexdigest(), "masks": files}


def load(model: str | Path) -> PointSegmentationTask:
    """Load a model, ready to predict, without running code from it.

    Args:
        model: Folder of a bundle, checkpoint (.ckpt), or hf://organisation/name, with @revision behind it if you like.
            Only hf:// asks the network.

    Raises:
        GeoPointSegError: missing, damaged, not ours, or of a network that these weights do not fit.
    """
    path = _local(model)
    task = _from_bundle(path) if path.is_dir() else _from_checkpoint(path)
    task.to("cuda" if torch.cuda.is_available() else "cpu")
    task.eval()
    return task


def _local(model: str | Path) -> Path:
    """Where the model lies on this machine, after fetching it if it is on the hub."""
    if is_on_hub(model):
        return fetch(str(model), FILES)
    path = Path(model)
    if not path.exists():
        raise GeoPointSegError(
            f"expected a model folder, a checkpoint or hf://…, got {path}, which does not exist: check the path"
        )
    return path


def _from_bundle(folder: Path) -> PointSegmentationTask:
    """The task of a bundle.

    Raises:
        GeoPointSegError: see `load`.
    """
    weights, item = _read(folder)
    properties = item["properties"]
    card = properties["geopointseg:card"]
    by = properties.get("processing:software", {}).get("geopointseg", "another program")
    try:
        if isinstance(card["nodata"], str):  # JSON has no NaN
            card["nodata"] = float(card["nodata"])
        task = _build(properties["mlm:hyperparameters"] | {"card": card})
        _fill(task, safetensors.torch.load(weights))
        task.agreement = _agreement(properties.get("geopointseg:bfloat16"))
    except Exception as error:  # wrong values of any kind can stand in a file that somebody else wrote
        raise GeoPointSegError(
            f"expected weights and model.json of one model, got {folder} by geopointseg {by} ({_first_line(error)}): "
            f"fetch it again, or use that version; this is {__version__}"
        ) from error
    return task


def _read(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The weights and the item of a bundle, known to be whole and to belong together.

    Raises:
        GeoPointSegError: they are not.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        inner = folder / "model"
        hint = f"did you mean {inner}?" if (inner / ITEM).is_file() else "name what 'geopointseg train' or 'run' wrote"
        raise GeoPointSegError(
            f"expected a checkpoint or a model folder with {' and '.join(FILES)}, got {folder} without "
            f"{' and '.join(missing)}: {hint}"
        )
    try:
        item = json.loads((folder / ITEM).read_text(encoding="utf-8"))
        wanted = item["assets"]["model"]["file:checksum"]
        card = item["properties"]["geopointseg:card"]
        needed = {"bands", "band_names", "mean", "std", "dtype", "nodata", "pixel_size", "geographic", "classes"}
        if lacking := sorted(needed - set(card)):
            raise KeyError(lacking[0])
        dict(item["properties"]["mlm:hyperparameters"])
    except (ValueError, KeyError, TypeError) as error:
        raise GeoPointSegError(
            f"expected the model.json of a geopointseg model, got {folder / ITEM} ({error!r}): fetch it again"
        ) from error
    weights = (folder / WEIGHTS).read_bytes()
    if SHA256 + hashlib.sha256(weights).hexdigest() != wanted:
        raise GeoPointSegError(
            f"expected in {folder / WEIGHTS} the weights that model.json was written with, got others: the file is "
            "damaged, cut short or of another model; fetch the whole folder again"
        )
    return weights, item


def _from_checkpoint(path: Path) -> PointSegmentationTask:
    """The task of a Lightning checkpoint.

    Raises:
        GeoPointSegError: see `load`.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        task = _build(checkpoint["hyper_parameters"])
        _fill(task, checkpoint["state_dict"])
        task.agreement = _agreement(checkpoint.get("bfloat16"))
    except Exception as error:  # torch raises many kinds on foreign and damaged files
        raise GeoPointSegError(
            f"expected a checkpoint or model folder of 'geopointseg train' or 'run', got {path} ({_first_line(error)}): "
            "the file is damaged, cut short or of another program"
        ) from error
    return task


def _agreement(kept: Mapping[str, Any] | None) -> Agreement | None:
    """What a file says of bfloat16; models of before 0.1.0 say nothing."""
    return None if kept is None else Agreement(float(kept["equal"]), int(kept["pixels"]), str(kept["chips"]))


def _build(options: Mapping[str, Any]) -> PointSegmentationTask:
    """A task with random weights."""
    return PointSegmentationTask(**{name: options[name] for name in ("card", *OPTIONS) if name in options})


def _fill(task: PointSegmentationTask, state: Mapping[str, Tensor]) -> None:
    """Give a task its weights.

    Raises:
        ValueError: they are those of another network.
    """
    wanted, found = ({name: tuple(value.shape) for name, value in s.items()} for s in (task.state_dict(), state))
    odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if odd:
        raise ValueError(
            f"weights of another architecture: {len(odd)} tensors do not fit a {task.hparams['model']} with "
            f"{task.hparams['backbone']}, the first is {odd[0]}, {wanted.get(odd[0], 'none')} wanted, "
            f"{found.get(odd[0], 'none')} found"
        )
    task.load_state_dict(dict(state))


def _first_line(error: Exception) -> str:
    """What an error says, in short."""
    return (str(error) or type(error).__name__).splitlines()[0]


def push(model: str, target: str, *, public: bool = False, overwrite: bool = False) -> str:
    """Copy a model folder to another place, or publish it on the Hugging Face hub.

    Args:
        model: Folder of a bundle, or hf://organisation/name to fetch one.
        target: A new folder, or hf://organisation/name, with @branch behind it if you like; log in with 'hf auth login'.
        public: Whether everybody may see a repository that is made for it; otherwise it is private.
        overwrite: Replace a folder that holds a model; on the hub a push is one more commit, and old ones stay.

    Returns:
        The target.

    Raises:
        GeoPointSegError: no whole model, a folder that exists, or a hub that cannot be reached or refuses.
    """
    source = _local(model)
    if source.is_file():
        raise GeoPointSegError(f"expected a model folder, got the file {source}: name the folder model/ beside it")
    _read(source)
    if is_on_hub(target):
        publish(source, target, FILES, public=public)
    else:
        with replacing_folder(Path(target), FILES, overwrite=overwrite) as partial:
            for name in FILES:
                shutil.copyfile(source / name, partial / name)
    return target
