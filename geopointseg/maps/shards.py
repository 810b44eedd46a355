"""Shards: the finished parts of a map on its way, a file each, in a folder beside it.

A file appears under its name when it is whole, and holds checksums of what is in it. Nobody opens another's for writing:
which shards are done is the list of the files.
"""

import io
import logging
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, replacing
from geopointseg.grid import Window
from geopointseg.maps.job import MANIFEST, Job, State, difference, read_manifest, write_manifest
from geopointseg.maps.lattice import Shard

__all__ = [
    "AddParts",
    "begin",
    "drop_finished",
    "finished",
    "fits_held",
    "read_shard",
    "remove_shards",
    "unfinished",
    "writing_shard",
]

log = logging.getLogger(__name__)

AddParts = Callable[[Window, Sequence[NDArray[Any]]], None]
"""Takes a window and what is known of it: ids (height, width), then each score (bands, height, width)."""


def begin(job: Job, *, shared: bool = False) -> State:
    """Make the folder of a job's shards ready; shards of another job go, and why is said.

    Args:
        job: What is to be computed.
        shared: Others may be writing to the folder: what they do is not thrown away.

    Returns:
        How far an earlier call came.

    Raises:
        GeoPointSegError: the folder cannot be written, holds something else, or is shared and of another job.
    """
    held = read_manifest(job.target)
    changed = ""
    state: State = "computing"
    if held is not None:
        old, state = held
        changed = difference(old.facts, job.facts)
        if shared and (changed or old.tidying != job.tidying):
            raise GeoPointSegError(
                f"expected in {job.folder} shards of the same job, got those of another (not the same: "
                f"{changed or difference(old.tidying.options(), job.tidying.options())}): give the same input and options, "
                "or remove that folder to start afresh"
            )
        if changed:
            log.warning("starts %s afresh: its shards were made with another %s", job.target, changed)
            remove_shards(job.target)
        if changed or old.tidying != job.tidying:
            state = "computing"
    if not shared or held is None:
        new_folder(job.folder)
        write_manifest(job, state)
    return state


def fits_held(job: Job) -> State | None:
    """How far an earlier call with the same input and options came; None if there was none."""
    held = read_manifest(job.target)
    if held is None or difference(held[0].facts, job.facts) or held[0].tidying != job.tidying:
        return None
    return held[1]


def remove_shards(target: Path) -> None:
    """Remove the folder of a map's shards.

    Raises:
        GeoPointSegError: something else is in it.
    """
    folder = target.with_name(f"{target.name}.shards")
    if not folder.exists():
        return
    foreign = [entry.name for entry in folder.iterdir() if not _is_ours(entry.name)]
    if foreign:
        raise GeoPointSegError(f"expected nothing but shards in {folder}, got {foreign[0]}: move it elsewhere")
    (folder / MANIFEST).unlink(missing_ok=True)  # first: without it, what is left of the others counts for nothing
    shutil.rmtree(folder)


def drop_finished(job: Job) -> None:
    """Remove the shards, but for the manifest: the map is there."""
    for entry in job.folder.iterdir():
        if entry.name != MANIFEST and _is_ours(entry.name):
            entry.unlink(missing_ok=True)


def _is_ours(name: str) -> bool:
    """Whether a file is one that this module makes."""
    return name == MANIFEST or name.startswith(("shard-", ".shard-", ".manifest.", ".probe-"))


def shard_path(job: Job, shard: Shard) -> Path:
    """The file of a shard."""
    return job.folder / f"shard-{shard.number:06d}.zip"


def finished(job: Job) -> list[Shard]:
    """The shards that are done."""
    return [shard for shard in job.lattice.shards() if _fits(job, shard_path(job, shard))]


def unfinished(job: Job) -> list[Shard]:
    """The shards that are not."""
    done = set(finished(job))
    return [shard for shard in job.lattice.shards() if shard not in done]


def _fits(job: Job, path: Path) -> bool:
    """Whether a file is a whole shard of this job; a machine that lost its power may leave another."""
    if not path.exists():
        return False
    try:
        with zipfile.ZipFile(path) as file:
            return file.comment == job.identity.encode()
    except (zipfile.BadZipFile, OSError):
        return False


@contextmanager
def writing_shard(job: Job, shard: Shard) -> Iterator[AddParts]:
    """Open a shard for writing; its file appears when the block ends well.

    Yields:
        A function that takes a window and what is known of it, as `read_shard` gives it back.

    Raises:
        GeoPointSegError: the folder is gone, or the disk is full.
    """
    with replacing(shard_path(job, shard), overwrite=True) as partial:
        # no GDAL: it says nothing when the last blocks of a file find the disk full
        with zipfile.ZipFile(partial, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as file:

            def add(window: Window, parts: Sequence[NDArray[Any]]) -> None:
                for number, part in enumerate(parts):
                    name = zipfile.ZipInfo(f"{window.row}-{window.col}-{number}.npy")
                    name.compress_type = zipfile.ZIP_DEFLATED
                    file.writestr(name, _packed(part))

            yield add
            file.comment = job.identity.encode()
        with partial.open("rb") as whole:
            os.fsync(whole.fileno())  # a name must not come to the disk before what it names


def _packed(array: NDArray[Any]) -> bytes:
    """An array as numpy saves it."""
    held = io.BytesIO()
    np.save(held, array, allow_pickle=False)
    return held.getvalue()


def read_shard(job: Job, shard: Shard, part: int = 0) -> Iterator[tuple[Window, NDArray[Any]]]:
    """What a shard holds, window by window.

    Args:
        job: The job.
        shard: One that is done.
        part: 0, the ids; n, the n-th score; or behind the last of these, the probabilities that are pooled.

    Raises:
        GeoPointSegError: it is missing, damaged, or of another job.
    """
    path = shard_path(job, shard)
    try:
        with zipfile.ZipFile(path) as file:
            if file.comment != job.identity.encode():
                raise ValueError("of another job")
            for name in file.namelist():
                row, col, number = map(int, name.removesuffix(".npy").split("-"))
                if number == part:
                    with file.open(name) as entry:  # it compares the checksum
                        array = np.load(io.BytesIO(entry.read()), allow_pickle=False)
                    yield Window(row, col, *array.shape[-2:]), array
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError) as error:
        raise GeoPointSegError(
            f"expected a whole shard, got {path} ({error}): remove that file and run the same command again"
        ) from error
