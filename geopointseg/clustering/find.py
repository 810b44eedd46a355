"""Finding clusters: learning them, and lumping those that look alike."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geopointseg.clustering.apply import raw_clusters
from geopointseg.clustering.fit import USUAL, Learning, fit
from geopointseg.clustering.isodata import isodata
from geopointseg.clustering.kmeans import kmeans
from geopointseg.clustering.lump import Tally, lump, tally
from geopointseg.clustering.partition import Method, Partition
from geopointseg.clustering.pixels import sample
from geopointseg.grid import Window
from geopointseg.maps.pool import pool
from geopointseg.maps.spool import spooled
from geopointseg.raster import Raster, read_labels
from geopointseg.statistics import Statistics

__all__ = ["MERGE", "find_partition", "found_in", "lumped", "pieces"]

MERGE = 0.12  # difference of colours: see docs/without-labels.md
SAMPLE = 100_000  # pixels that K-means and ISODATA learn from
PIECE = 1024  # side of the windows that finished clusters are read in


def find_partition(
    rasters: Sequence[Raster],
    statistics: Statistics,
    *,
    method: Method = "fcn",
    k: int = 32,
    learning: Learning = USUAL,
    seed: int = 0,
    folder: Path | None = None,
) -> Partition:
    """Find clusters; none has been lumped yet.

    Args:
        rasters: With the same bands.
        statistics: Of them all.
        method: What finds them.
        k: Clusters at most.
        learning: How a network learns.
        seed: The same seed gives the same clusters.
        folder: For temporary files.
    """
    options: dict[str, Any] = {"method": method, "k": k, "seed": seed}
    if method == "kmeans" or method == "isodata":
        pixels = sample(rasters, statistics, SAMPLE, seed=seed)
        centres = (kmeans if method == "kmeans" else isodata)(pixels, k, seed=seed)
        tensors, raw = {"centres": torch.from_numpy(centres)}, len(centres)
    else:
        fitted = fit(rasters, statistics, method=method, k=k, learning=learning, seed=seed, folder=folder)
        tensors, raw = {name: tensor.cpu() for name, tensor in fitted.network.state_dict().items()}, k
        options |= {name: getattr(learning, name) for name in learning.__dataclass_fields__}
        options["epochs_done"] = fitted.epochs
        if method == "continuity":
            del options["size"]  # it cuts no superpixels
    return Partition(method, rasters[0].names, statistics, tensors, raw, tuple(range(raw)), (), options)


@contextmanager
def found_in(raster: Raster, partition: Partition, *, near: Path) -> Iterator[Path]:
    """Lay down a raster's raw ids; where superpixels have guided the network, each takes the cluster of most of its pixels.

    Args:
        raster: With the bands of the partition.
        partition: Its clusters.
        near: The temporary raster lies beside it, and goes when the block ends.
    """
    with spooled(raw_clusters(partition, raster), raster.grid, near=near) as path:
        size = partition.options.get("size")
        if size is None:
            yield path
            return
        with spooled(pool(path, raster, size=size), raster.grid, near=near) as pooled:
            yield pooled


def lumped(
    partition: Partition, rasters: Sequence[Raster], raw: Sequence[Path], near: float | None = None
) -> Partition:
    """Lump clusters that look alike, leave out those that no pixel has, and number the others by their area.

    Args:
        partition: As it was found.
        rasters: That it was found in.
        raw: Rasters of its raw ids on their grids.
        near: As for `lump`; by default 0.12 for networks and 0, which joins none, for centres.
    """
    if near is None:
        near = 0.0 if "centres" in partition.tensors else MERGE
    parts = [
        tally(pieces(path, raster), raster, partition.statistics, partition.raw)
        for path, raster in zip(raw, rasters, strict=True)
    ]
    lookup, means = lump(Tally(*(sum(column[1:], column[0]) for column in zip(*parts, strict=True))), near)
    rows = tuple(tuple(float(value) for value in row) for row in means)
    return replace(partition, lookup=lookup, means=rows, options=partition.options | {"merge": near})


def pieces(
    path: Path, raster: Raster, table: NDArray[np.uint8] | None = None
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """A raster of ids, window by window, put through a table of 256 values where one is given."""
    for window in raster.grid.tiles(PIECE):
        ids = read_labels(path, window)
        yield window, ids if table is None else table[ids]
