"""Merging: finished shards become the map, on any machine that sees their folder, without the model."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.files import require_new
from geopointseg.grid import Window
from geopointseg.maps.job import Job, folder_of, read_manifest, write_manifest
from geopointseg.maps.scores import drop_scores, score_path, writing_score_bytes
from geopointseg.maps.shards import drop_finished, fits_held, read_shard, remove_shards, unfinished
from geopointseg.maps.sieve import sieve
from geopointseg.maps.spool import Windows, spooled, spooled_probabilities
from geopointseg.maps.verify import require_sound
from geopointseg.maps.write import map_files, require_new_map, write_map
from geopointseg.raster import small_cache

__all__ = ["merge", "merge_job", "merged_files", "require_place"]


def merge(out: Path, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Put maps together from the shards that 'geopointseg predict --shard' computed.

    Args:
        out: The --out of these commands: a map, or the folder of several.
        overwrite: Replace existing maps.

    Returns:
        The files written: for each raster the map, its .aux.xml, .qml and .json, and the scores asked for.

    Raises:
        GeoPointSegError: no shards are there, or some are missing.
    """
    targets = sorted(folder.with_name(folder.name.removesuffix(".shards")) for folder in out.glob("*.shards"))
    targets = targets if out.is_dir() else [out]
    held = [found for target in targets if (found := read_manifest(target))]
    if not held:
        raise GeoPointSegError(
            f"expected shards in {folder_of(out) if not out.is_dir() else out}, got none: compute them first, with "
            "'geopointseg predict … --shard 1/8' and so on, and name the same --out"
        )
    for job, state in held:
        require_place(job, overwrite=overwrite)
        if state != "done":
            require_all(job)
    files: list[Path] = []
    for job, state in held:
        files += merged_files(job) if state == "done" else merge_job(job, overwrite=overwrite)
    for job, _ in held:
        remove_shards(job.target)
    return tuple(files)


def merged_files(job: Job) -> list[Path]:
    """The files that a job ends with."""
    return [*map_files(job.target), *(score_path(job.target, kind) for kind in job.scores)]


def require_place(job: Job, *, overwrite: bool) -> None:
    """Refuse a place where the map or its scores would replace a file that an earlier call of this job did not put there.

    Raises:
        GeoPointSegError: see `geopointseg.files.require_new`.
    """
    overwrite = overwrite or fits_held(job) in ("merging", "done")
    require_new_map(job.target, overwrite=overwrite)
    for kind in job.scores:
        require_new(score_path(job.target, kind), overwrite=overwrite)


def require_all(job: Job) -> None:
    """Refuse to go on while shards are missing.

    Raises:
        GeoPointSegError: it names them.
    """
    if missing := [shard.number for shard in unfinished(job)]:
        named = ", ".join(map(str, missing[:10])) + (", …" if len(missing) > 10 else "")
        raise GeoPointSegError(
            f"expected all {len(job.lattice.shards())} shards in {job.folder}, got all but {len(missing)} ({named}): run "
            "the command that computes them again; what is done it leaves alone"
        )


def merge_job(job: Job, *, overwrite: bool) -> list[Path]:
    """Write the map of a job and its scores, verify them, and let its shards go; the manifest stays, as a note that it is done.

    Raises:
        GeoPointSegError: shards are missing or damaged, a file would be replaced, or the map does not keep its contract.
    """
    require_place(job, overwrite=overwrite)
    require_all(job)
    if fits_held(job) == "merging":
        overwrite = True
    _clear_up(job)
    write_manifest(job, "merging")
    with ExitStack() as stack:
        stack.enter_context(small_cache())
        for number, kind in enumerate(job.scores, 1):
            write = stack.enter_context(
                writing_score_bytes(
                    score_path(job.target, kind),
                    job.raster.grid,
                    job.classes,
                    kind=kind,
                    tags=job.tags,
                    overwrite=overwrite,
                )
            )
            for window, scored in _all(job, number):
                write(window, scored)
        windows: Windows = _all(job)
        if job.tidying.pool:
            from geopointseg.maps.pool import pool, pool_mean  # what cuts superpixels is large, and few maps need it
        if job.tidying.pool == "mean":
            steps = _all(job, len(job.scores) + 1)
            laid = stack.enter_context(spooled_probabilities(steps, job.raster.grid, len(job.classes), near=job.target))
            windows = pool_mean(laid, job.raster, size=job.tidying.pool_size)
        if job.tidying.pool == "vote":
            laid = stack.enter_context(spooled(windows, job.raster.grid, near=job.target))
            windows = pool(laid, job.raster, size=job.tidying.pool_size)
        if job.tidying.mmu is not None:
            laid = stack.enter_context(spooled(windows, job.raster.grid, near=job.target))
            windows = sieve(laid, job.raster.grid, job.tidying.mmu)
        check = partial(require_sound, grid=job.raster.grid)
        write_map(job.target, job.raster.grid, job.classes, windows, tags=job.tags, check=check, overwrite=overwrite)
    drop_scores(job.target, kept=job.scores)
    require_sound(job.target, only=["scores"])  # they took their places after the map
    write_manifest(job, "done")
    drop_finished(job)
    return merged_files(job)


def _all(job: Job, part: int = 0) -> Iterator[tuple[Window, NDArray[Any]]]:
    """One part of all shards."""
    for shard in job.lattice.shards():
        yield from read_shard(job, shard, part)


def _clear_up(job: Job) -> None:
    """Remove what a run that was killed left beside the map: hidden folders and files of its name."""
    stems = [job.target.stem, *(score_path(job.target, kind).stem for kind in job.scores)]
    hidden = tuple(f".{stem}.{what}-" for stem in stems for what in ("partial", "old", "spool"))
    for leftover in job.target.parent.iterdir():
        if leftover.name.startswith(hidden):
            shutil.rmtree(leftover, ignore_errors=True)
        elif leftover.name.startswith(".probe-"):
            leftover.unlink(missing_ok=True)
