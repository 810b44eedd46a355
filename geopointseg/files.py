"""Outputs are all or nothing: written under a temporary name beside the target, then renamed."""

import errno
import json
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geopointseg.errors import GeoPointSegError

__all__ = [
    "new_folder",
    "replacing",
    "replacing_files",
    "replacing_folder",
    "require_new",
    "require_new_folder",
    "sidecar",
    "write_json",
]

FULL = (errno.ENOSPC, errno.EDQUOT)
SIDECARS = (
    ".aux.xml",
    ".ovr",
    ".msk",
    ".msk.ovr",
    "-journal",
    "-wal",
    "-shm",
)  # that GDAL may leave beside what it wrote


def new_folder(path: Path) -> Path:
    """Make a folder, parents too, and check that it can be written.

    Raises:
        GeoPointSegError: the folder cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink(missing_ok=True)  # whoever clears up after a killed run takes it for one of that
    except OSError as error:
        raise GeoPointSegError(
            f"expected a folder that can be written, got {path} ({error.strerror or error}): choose another --out"
        ) from error
    return path


def require_new(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a path that something stands at.

    Raises:
        GeoPointSegError: `path` exists and `overwrite` is false, or it is a folder.
    """
    if path.is_dir():
        raise GeoPointSegError(f"expected the name of a new file, got the folder {path}: name a file in it as --out")
    if path.exists() and not overwrite:
        raise GeoPointSegError(f"expected a new file, got the existing {path}: add --overwrite or choose another --out")


@contextmanager
def replacing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; rename it to `path` when the block ends well.

    If the block fails or is interrupted the temporary file goes, and what stood at `path` stays.

    Raises:
        GeoPointSegError: `path` exists and `overwrite` is false, is a folder, its folder cannot be written, or the disk
            is full.
    """
    path = Path(path)
    require_new(path, overwrite=overwrite)
    new_folder(path.parent)
    partial = path.with_name(f".{path.stem}.partial-{secrets.token_hex(4)}{path.suffix}")
    try:
        with _telling_of_a_full_disk(path):
            yield partial
        partial.replace(path)
    except BaseException:
        for leftover in path.parent.iterdir():
            if leftover.name.startswith(partial.name):
                leftover.unlink()
        raise
    for suffix in SIDECARS:  # by name: the folder may hold 100,000 files, each of which comes by here
        partial.with_name(partial.name + suffix).unlink(missing_ok=True)


@contextmanager
def replacing_files(paths: Sequence[Path], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder to write files that belong together to; all take their places when the block ends well.

    If the block or a renaming fails or is interrupted, what stood at each of `paths` stays, and nothing new is there.

    Args:
        paths: Where the files go, all in one folder. Each is written to the temporary folder under its own name. They
            take their places in reverse order: where the first is, all are.
        overwrite: Replace files that exist.

    Raises:
        GeoPointSegError: see `replacing`.
    """
    for path in paths:
        require_new(path, overwrite=overwrite)
    parent, token = new_folder(paths[0].parent), secrets.token_hex(4)
    made, old = (parent / f".{paths[0].stem}.{what}-{token}" for what in ("partial", "old"))
    placed: list[Path] = []
    try:
        with _telling_of_a_full_disk(paths[0]):
            made.mkdir()
            old.mkdir()
            yield made
        for path in reversed(paths):
            placed.append(path)
            if path.exists():
                path.rename(old / path.name)
            (made / path.name).rename(path)
    except BaseException:
        for path in placed:
            if not (made / path.name).exists():  # it is at its place
                path.unlink(missing_ok=True)
            if (old / path.name).exists():
                (old / path.name).rename(path)
        raise
    finally:
        for leftover in (made, old):
            shutil.rmtree(leftover, ignore_errors=True)


def require_new_folder(path: Path, names: Collection[str], *, overwrite: bool = False) -> None:
    """Refuse a path that something stands at, but for an empty folder.

    Raises:
        GeoPointSegError: `path` is a file, or a folder that holds something and `overwrite` is false, or that holds
            something other than files of these names, which would be lost.
    """
    if path.exists() and not path.is_dir():
        raise GeoPointSegError(f"expected the name of a new folder, got the file {path}: choose another --out")
    there = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    if there and not overwrite:
        raise GeoPointSegError(
            f"expected a new folder, got the existing {path}: add --overwrite or choose another --out"
        )
    if foreign := sorted(there - set(names)):
        raise GeoPointSegError(
            f"expected a folder of {', '.join(names)} alone to replace, got {path} with {foreign[0]} in it: "
            "move that elsewhere or choose another --out"
        )


@contextmanager
def replacing_folder(path: Path, names: Collection[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path` to write files of these names to; it takes the place of `path` at the end.

    If the block fails or is interrupted the temporary folder goes, and what stood at `path` stays.

    Raises:
        GeoPointSegError: see `require_new_folder`; the parent cannot be written; the disk is full.
    """
    path = Path(path)
    require_new_folder(path, names, overwrite=overwrite)
    new_folder(path.parent)
    token = secrets.token_hex(4)
    partial, old = (path.with_name(f".{path.name}.{what}-{token}") for what in ("partial", "old"))
    try:
        with _telling_of_a_full_disk(path):
            partial.mkdir()
            yield partial
        if path.exists():
            path.rename(old)  # a folder that holds something cannot be renamed over
        partial.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _telling_of_a_full_disk(path: Path) -> Iterator[None]:
    """Turn the system's error into one for users; what is half-written, the caller removes."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise GeoPointSegError(
            f"expected room on the disk to write {path}, got '{error.strerror}': free some, or choose another --out; "
            "nothing half-written is left"
        ) from error


def write_json(path: Path, figures: Mapping[str, Any], *, overwrite: bool = True) -> Path:
    """Write figures for programs."""
    with replacing(path, overwrite=overwrite) as partial:
        partial.write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def sidecar(path: Path, suffix: str) -> Path:
    """The path of a file that belongs to `path`: map.tif and .qml give map.qml."""
    return path.with_name(path.stem + suffix)
