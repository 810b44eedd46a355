"""Outputs are all or nothing: written under a temporary name beside the target, then renamed."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geopointseg.errors import GeoPointSegError

__all__ = ["new_folder", "replacing", "require_new", "sidecar", "write_json"]


def new_folder(path: Path) -> Path:
    """Make a folder, parents too, and check that it can be written.

    Raises:
        GeoPointSegError: the folder cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
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
        GeoPointSegError: `path` exists and `overwrite` is false, is a folder, or its folder cannot be written.
    """
    path = Path(path)
    require_new(path, overwrite=overwrite)
    new_folder(path.parent)
    partial = path.with_name(f".{path.stem}.partial-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        for leftover in path.parent.iterdir():
            if leftover.name.startswith(partial.name):  # GDAL may have left sidecars of its own
                leftover.unlink()


def write_json(path: Path, figures: Mapping[str, Any], *, overwrite: bool = True) -> Path:
    """Write figures for programs."""
    with replacing(path, overwrite=overwrite) as partial:
        partial.write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def sidecar(path: Path, suffix: str) -> Path:
    """The path of a file that belongs to `path`: map.tif and .qml give map.qml."""
    return path.with_name(path.stem + suffix)
