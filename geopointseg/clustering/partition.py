"""A partition: what was learnt of clusters, enough to find the same ones in other rasters; as one file to save.

The file is safetensors, with what is no tensor as JSON in its header: loading it runs no code.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from geopointseg import __version__
from geopointseg.classes import UNLABELLED, Classes
from geopointseg.clustering.network import build
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.raster import Raster
from geopointseg.statistics import Statistics

__all__ = ["METHODS", "Method", "Partition", "digest", "load_partition", "save_partition", "suited"]

Method = Literal["fcn", "kanezaki", "continuity", "kmeans", "isodata"]
METHODS: tuple[Method, ...] = ("fcn", "kanezaki", "continuity", "kmeans", "isodata")
KIND = "geopointseg_clusters"


@dataclass(frozen=True)
class Partition:
    """Clusters as they were learnt (`raw`), and what became of them."""

    method: Method
    bands: tuple[str, ...]
    """Their names."""
    statistics: Statistics
    """Of the rasters that were learnt from."""
    tensors: dict[str, Tensor]
    """The network's weights, or `centres`: (clusters, bands) within the stretched bands."""
    raw: int
    """How many clusters there were at first."""
    lookup: tuple[int, ...]
    """For each of them the cluster that it is now part of, 255 for one that no pixel has."""
    means: tuple[tuple[float, ...], ...]
    """(clusters, bands) mean of the stretched bands."""
    options: dict[str, Any] = field(default_factory=dict)
    """What it was made with."""

    @property
    def classes(self) -> Classes:
        """The clusters, numbered from 1 for people, each with a colour of its own."""
        names = [f"cluster {number}" for number in range(1, len(self.means) + 1)]
        return Classes.colored(names, range(1, len(names) + 1))

    @property
    def table(self) -> NDArray[np.uint8]:
        """(256,) what becomes of each raw id; 255 stays."""
        table = np.full(256, UNLABELLED, np.uint8)
        table[: self.raw] = self.lookup
        return table

    @cached_property
    def network(self) -> torch.nn.Module:
        """The network, in evaluation mode.

        Raises:
            GeoPointSegError: the weights are not those of such a network.
        """
        made = build("fcn" if self.method == "fcn" else "kanezaki", len(self.bands), self.raw)
        try:
            made.load_state_dict(self.tensors)
        except RuntimeError as error:
            raise GeoPointSegError(
                f"expected the weights of a {self.method} network in the saved model, got others: cluster again"
            ) from error
        return made.eval()


def save_partition(partition: Partition, path: Path, *, overwrite: bool = False) -> Path:
    """Write a partition, all or nothing; the same one gives the same bytes.

    Raises:
        GeoPointSegError: see `geopointseg.files.replacing`.
    """
    with replacing(path, overwrite=overwrite) as partial:
        partial.write_bytes(serialized(partition))
    return path


def serialized(partition: Partition) -> bytes:
    """The file's content."""
    facts = {name: value for name, value in asdict(replace(partition, tensors={})).items() if name != "tensors"}
    header = {KIND: json.dumps(facts | {"version": __version__}, sort_keys=True)}  # one entry: their order is not kept
    tensors = {name: tensor.contiguous().cpu() for name, tensor in partition.tensors.items()}
    content: bytes = safetensors.torch.save(tensors, header)
    return content


def digest(partition: Partition) -> str:
    """SHA-256 of the file."""
    return hashlib.sha256(serialized(partition)).hexdigest()


def load_partition(path: Path) -> Partition:
    """Read what `save_partition` wrote.

    Raises:
        GeoPointSegError: it is no such file.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        facts = json.loads(header[KIND])
        statistics = Statistics(**{name: tuple(values) for name, values in facts["statistics"].items()})
        return Partition(
            method=cast(Method, facts["method"]),
            bands=tuple(facts["bands"]),
            statistics=statistics,
            tensors=tensors,
            raw=facts["raw"],
            lookup=tuple(facts["lookup"]),
            means=tuple(tuple(row) for row in facts["means"]),
            options=facts["options"],
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise GeoPointSegError(
            f"expected clusters saved by 'geopointseg cluster', got {path} ({error}): name its …_model.safetensors"
        ) from error


def suited(raster: Raster, partition: Partition) -> Raster:
    """The raster, if the partition can be applied to it.

    Raises:
        GeoPointSegError: it has other bands.
    """
    if len(raster.bands) != len(partition.bands):
        raise GeoPointSegError(
            f"expected {len(partition.bands)} bands ({', '.join(partition.bands)}), which the clusters were learnt from, "
            f"got {len(raster.bands)} in {raster.path}: cluster it anew"
        )
    return raster
