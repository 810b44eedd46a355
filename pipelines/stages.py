"""Stages of a long job: one whose output is current is skipped, and a kill leaves its old output or none.

A stage fills a folder under another name, which takes its place when it is whole, with `stage.json` in it: the options, and
what the inputs and outputs were, by SHA-256, or by size and time where they are large.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from geopointseg import __version__
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, write_json

__all__ = ["NOTE", "is_current", "stage"]

NOTE, PLAN = "stage.json", ".plan.json"
LARGE = 16_000_000  # bytes: beyond, a file is known by its size and time


def stage(
    out: Path,
    name: str,
    make: Callable[[Path], object],
    *,
    inputs: Sequence[Path],
    options: Mapping[str, Any],
    resume: bool = False,
) -> tuple[Path, bool]:
    """Have a folder OUT/NAME that `make` fills from the inputs with these options.

    Args:
        out: Folder of the job.
        name: Of the stage.
        make: Fills the folder that it is given, which lies beside the final one.
        inputs: Files, and folders with all that is in them.
        options: Whatever else changes the output.
        resume: `make` goes on with what an attempt with the same inputs and options has left; else it begins with nothing.

    Returns:
        The folder, and whether it had to be made.
    """
    folder, partial, old = out / name, out / f".{name}.partial", out / f".{name}.old"
    new_folder(out)
    if old.exists() and not folder.exists():
        old.rename(folder)  # killed between two renamings
    shutil.rmtree(old, ignore_errors=True)
    plan = _plan(inputs, options)
    if is_current(folder, plan):
        shutil.rmtree(partial, ignore_errors=True)
        return folder, False
    if folder.exists() and _read(folder / NOTE) is None:
        raise GeoPointSegError(
            f"expected a folder that this job has made, or none, got {folder} without {NOTE}: move it elsewhere, or choose another --out"
        )
    if not (resume and _read(partial / PLAN) == plan):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write_json(partial / PLAN, plan)
    make(partial)
    (partial / PLAN).unlink()
    write_json(partial / NOTE, plan | {"outputs": _marks([partial])})
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return folder, True


def is_current(folder: Path, plan: Mapping[str, Any]) -> bool:
    """Whether a folder holds what a stage of this plan has made, untouched since."""
    note = _read(folder / NOTE)
    if note is None:
        return False
    outputs = note.pop("outputs", None)
    return note == plan and outputs == _marks([folder])


def _plan(inputs: Sequence[Path], options: Mapping[str, Any]) -> dict[str, Any]:
    """What a stage is made of, as JSON would give it back."""
    plain = {
        key: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for key, value in options.items()
    }
    plan = {"version": __version__, "options": plain, "inputs": _marks(inputs)}
    result: dict[str, Any] = json.loads(json.dumps(plan, default=str))
    return result


def _marks(paths: Sequence[Path]) -> dict[str, list[str | int]]:
    """What tells whether files have changed, by number of the input and path in it."""
    marks = {}
    for number, path in enumerate(paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.name not in (NOTE, PLAN):
                key = f"{number}/{file.relative_to(path).as_posix() if path.is_dir() else file.name}"
                marks[key] = _mark(file)
    return marks


def _mark(file: Path) -> list[str | int]:
    """The hash of a file, or the size and time of a large one."""
    found = file.stat()
    if found.st_size > LARGE:
        return [found.st_size, found.st_mtime_ns]
    return [hashlib.sha256(file.read_bytes()).hexdigest()]


def _read(path: Path) -> dict[str, Any] | None:
    """A note, if it is there and whole."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None
