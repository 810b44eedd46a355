"""The outlook: what a map will take in windows, memory, time and disk, before anything is computed or written."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.learning.backends import Predictor
from geopointseg.learning.infer import probabilities
from geopointseg.maps.job import Job
from geopointseg.run import Running

__all__ = ["Outlook", "disk_bytes", "foresee", "require_room"]

FOLDED = 0.25  # bytes that a pixel of class ids takes compressed, at most where maps are not noise
COPIES = 1 + 1 + 4 / 3  # shards, the plain GeoTIFF, and the COG with its overviews
SAFE = 2e9  # bytes of pixels from which GDAL's IF_SAFER takes BigTIFF
MARGIN = 50e6


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one map takes."""

    name: str
    height: int
    width: int
    windows: int
    """That the network is asked for."""
    shards: int
    band: int
    """Bytes of the open row band."""
    process: int
    """Bytes that this process took when it was asked for a batch, all libraries included; 0 where it cannot be told."""
    seconds: float
    """Of computing, on all workers together."""
    disk: int
    """Bytes that the disk must have room for, while the map is made."""
    files: int
    """Bytes of pixels in the map and its scores, uncompressed."""
    bigtiff: bool

    def __str__(self) -> str:
        """The account for people."""
        memory = f"the open row band {_size(self.band)}"
        if self.process:
            memory += f" and {_size(self.process)} for Python, libraries, model and a batch of windows"
        return "\n".join(
            [
                f"{self.name}: {self.width} x {self.height} pixels, {self.windows} windows, shards: {self.shards}",
                f"  memory of a worker: {memory}",
                f"  time: about {_duration(self.seconds)}",
                f"  output: {_size(self.files)} of pixels before compression, {'BigTIFF' if self.bigtiff else 'plain TIFF'}",
                f"  disk while it is made: about {_size(self.disk)}",
            ]
        )


def foresee(job: Job, predictor: Predictor, running: Running) -> Outlook:
    """Look ahead: everything is counted but the time, for which a batch of windows in the middle of the raster is timed."""
    lattice, grid = job.lattice, job.raster.grid
    side, batch = job.windowing.window, job.windowing.batch_size
    middle = Window(max(0, (grid.height - side) // 2), max(0, (grid.width - side) // 2), side, side)
    threads = torch.get_num_threads()
    try:
        if running.threads is not None:
            torch.set_num_threads(running.threads)
        each = min(_timed(predictor, job, [middle] * batch) for _ in range(2)) / batch
    finally:
        torch.set_num_threads(threads)
    bands = _bands(job)
    return Outlook(
        name=job.target.name,
        height=grid.height,
        width=grid.width,
        windows=lattice.asked(),
        shards=len(lattice.shards()),
        band=_band_bytes(job),
        process=_peak(),
        seconds=lattice.asked() * each / running.count,
        disk=disk_bytes(job),
        files=grid.height * grid.width * bands,
        bigtiff=grid.height * grid.width * max([1, *_score_bands(job)]) > SAFE,
    )


def _timed(predictor: Predictor, job: Job, windows: Sequence[Window]) -> float:
    """Seconds to read and to compute a batch."""
    start = time.perf_counter()
    probabilities(predictor.ask, job.raster, windows)
    return time.perf_counter() - start


def _band_bytes(job: Job) -> int:
    """What is held of probabilities and pixels of a strip at once."""
    strip = max(right - left for left, right in job.lattice.strips)
    side, overlap = job.windowing.window, job.windowing.overlap
    shares = len(job.classes) * (side + overlap) + (2 * len(job.classes) * (side - overlap) if job.scores else 0)
    return 4 * strip * (shares + len(job.raster.bands) * (side - overlap))


def _score_bands(job: Job) -> list[int]:
    """Bands of each raster of scores."""
    return [len(job.classes) if kind == "probabilities" else 1 for kind in job.scores]


def _bands(job: Job) -> int:
    """Bands of the map and its scores."""
    return 1 + sum(_score_bands(job))


def disk_bytes(job: Job) -> int:
    """Room that making a map takes: shards and temporary files too. Class ids compress well, scores hardly."""
    spools = (job.tidying.pool is not None) + (job.tidying.mmu is not None)
    pixels = job.raster.grid.height * job.raster.grid.width
    pooled = 4 * len(job.classes) if job.tidying.pool == "mean" else 0  # two bytes for each class, twice
    return int(pixels * (FOLDED * (COPIES + spools) + sum(_score_bands(job)) * COPIES + pooled) + MARGIN)


def require_room(jobs: Sequence[Job]) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        GeoPointSegError: it says how much room is there, and how much is needed.
    """
    if not jobs:
        return
    needed = sum(map(disk_bytes, jobs))
    folder = _existing(jobs[0].target.absolute().parent)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise GeoPointSegError(
            f"expected room for about {_size(needed)} on the disk of {folder}, got {_size(free)}: free some, choose "
            "another --out, or leave out scores"
        )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _peak() -> int:
    """The most bytes that this process has taken, 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _size(count: float) -> str:
    """Bytes in words."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
