"""Computing shards: what a worker does, whichever process and machine it is in."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.learning.backends import Computing, Predictor
from geopointseg.learning.bundle import load
from geopointseg.learning.ensemble import together
from geopointseg.learning.overlap import ahead
from geopointseg.maps.classify import blended, decided
from geopointseg.maps.job import Job
from geopointseg.maps.lattice import Shard
from geopointseg.maps.scores import score_bytes
from geopointseg.maps.shards import writing_shard
from geopointseg.maps.spool import as_steps
from geopointseg.raster import small_cache

__all__ = ["Portion", "compute", "portions"]


@dataclass(frozen=True, slots=True)
class Portion:
    """Shards of one raster that a worker computes one after another, and with what."""

    job: Job
    shards: tuple[Shard, ...]
    models: tuple[str, ...]
    computing: Computing
    """Nothing in it is left to choose: another machine must not choose otherwise."""
    threads: int | None
    """That the worker may take; None leaves them as they are."""

    @property
    def name(self) -> str:
        """What messages call it."""
        numbers = [shard.number for shard in (self.shards[0], self.shards[-1])]
        which = f"shard {numbers[0]}" if len(self.shards) == 1 else f"shards {numbers[0]} to {numbers[1]}"
        return f"{which} of {len(self.job.lattice.shards())} of {self.job.target.name}"


def portions(shards: Sequence[Shard], count: int) -> list[tuple[Shard, ...]]:
    """About `count` runs of shards that follow each other, so that little is computed twice."""
    count = max(1, min(count, len(shards)))
    edges = [len(shards) * i // count for i in range(count + 1)]
    return [tuple(shards[a:b]) for a, b in pairwise(edges) if b > a]


def compute(portion: Portion, predictor: Predictor | None = None) -> None:
    """Compute shards, and write each to its file when it is whole.

    Args:
        portion: Which.
        predictor: What computes the network, if this process and thread has it already.

    Raises:
        GeoPointSegError: the raster cannot be read, the disk is full, or the model cannot be loaded; it names the shard.
    """
    job, done = portion.job, 0
    try:
        made = predictor or _prepared(portion.models, portion.computing, portion.threads, threading.get_ident())
        lanes, given = made.lanes, (len(made.classes), job.raster, job.lattice, portion.shards)
        steps = blended(made.ask, *given, lanes=lanes)
        steps = ahead(steps) if lanes > 1 else steps  # what is blended on is not what is written
        with small_cache():
            for shard, windows in groupby(steps, key=itemgetter(0)):
                with writing_shard(job, shard) as add:
                    for _, inside, weighed in windows:
                        add(inside, _parts(job, inside, weighed))
                        del weighed  # before the next is computed: it is large
                done += 1
    except GeoPointSegError as error:
        shard = portion.shards[min(done, len(portion.shards) - 1)]
        raise GeoPointSegError(
            f"{error} (at shard {shard.number} of {len(job.lattice.shards())}; finished shards stay in {job.folder}: the "
            "same command goes on from there)"
        ) from error


def _parts(job: Job, inside: Window, weighed: NDArray[np.float32]) -> list[NDArray[Any]]:
    """What a shard keeps of a window: ids, then the bytes of each score, then the probabilities if they are pooled."""
    scored: list[NDArray[Any]] = []

    def add(_: Window, shares: NDArray[np.float32]) -> None:
        scored.extend(score_bytes(shares, kind) for kind in job.scores)
        if job.tidying.pool == "mean":
            scored.append(as_steps(shares))

    needed = job.scores or job.tidying.pool == "mean"
    return [decided(job.raster, inside, weighed, [add] if needed else []), *scored]


@lru_cache(maxsize=2)
def _prepared(models: tuple[str, ...], computing: Computing, threads: int | None, thread: int) -> Predictor:
    """The models of a worker, loaded once for each of its threads."""
    if threads is not None:
        torch.set_num_threads(threads)
    return together([load(model) for model in models], computing)
