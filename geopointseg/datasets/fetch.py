"""Fetching one file: in pieces that are gone on with after a break, checked, and in its place only when it is whole."""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm import tqdm

from geopointseg.datasets.archive import require_room
from geopointseg.datasets.dataset import RemoteFile
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder

__all__ = ["checksum_of", "fetch", "part_size", "require_checksum"]

PATIENCE = 30  # seconds until a silent server counts as gone
TRIES = 5  # connections that may break without a byte more
PAUSE = 2.0  # seconds, times the failures so far, before the next try
CHUNK = 1 << 16  # a break loses less than that
SERVER_FAULT = 500  # from this status on a server may recover


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server said of the file."""

    start: int
    """First byte that it sends."""
    total: int | None
    """Bytes of the whole file, if it says so."""
    tag: str
    """That changes with the file, if it has one."""


def fetch(file: RemoteFile, folder: Path, *, tries: int = TRIES) -> Path:
    """Fetch a file, or go on where an earlier attempt was broken off.

    What came so far lies in FOLDER/.NAME.part, with the server's tag of it beside; a server that knows no ranges, or has
    another file now, sends it from its beginning again. The file appears under its name when it is whole and its checksum
    is right; with a wrong one, nothing is left.

    Args:
        file: What to fetch.
        folder: Where to put it.
        tries: How often in turn a connection may break without more having come than ever before.

    Raises:
        GeoPointSegError: it cannot be fetched, its checksum is wrong, or the disk has no room.
    """
    out = new_folder(folder) / file.name
    if out.is_file():
        require_checksum(out, file.checksum)
        return out
    part, note = _part(folder, file), folder / f".{file.name}.part.json"
    require_room(folder, max(file.size - _size(part), 0), f"fetch {file.name}")
    failed, most = 0, _size(part)
    error: Exception | None = None
    with tqdm(desc=file.name, unit="B", unit_scale=True, disable=None, leave=False) as bar:
        while failed < tries:
            time.sleep(failed * PAUSE)
            try:
                _receive(file, part, note, bar)
                break
            except requests.HTTPError as refusal:
                status = refusal.response.status_code if refusal.response is not None else 0
                if status < SERVER_FAULT:
                    raise _not_fetched(file, out, _said(refusal)) from refusal
                failed, error = failed + 1, refusal
            except (requests.RequestException, _CutShortError) as broken:
                failed, error = (0 if _size(part) > most else failed + 1), broken
                most = max(most, _size(part))
        else:
            raise _not_fetched(file, out, f"the connection broke {tries} times ({_said(error)})") from error
    try:
        require_checksum(part, file.checksum, name=file.name)
    except GeoPointSegError:
        part.unlink()
        note.unlink(missing_ok=True)
        raise
    part.replace(out)
    note.unlink(missing_ok=True)
    return out


class _CutShortError(Exception):
    """The server ended before the file did."""


def _receive(file: RemoteFile, part: Path, note: Path, bar: "tqdm[None]") -> None:
    """Append to the part what it lacks.

    Raises:
        requests.RequestException: the connection or the server refuses.
        _CutShortError: less came than was promised.
    """
    have, known = _size(part), _note(note, file)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": known["tag"]} if known.get("tag") else {})
    with requests.get(file.url, headers=headers, stream=True, timeout=PATIENCE) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            if re.fullmatch(rf"bytes \*/{have}", response.headers.get("Content-Range", "")):
                return  # it was whole already
            part.unlink()
            raise _CutShortError("another file is there now")
        response.raise_for_status()
        answer = _answer(response.status_code, response.headers)
        if answer.start != have or (known.get("tag") and answer.tag != known["tag"]):
            if answer.start:
                part.unlink()
                raise _CutShortError("another file is there now")
            part.unlink(missing_ok=True)
        have = _size(part)
        if answer.total is not None:
            require_room(part.parent, answer.total - have, f"fetch {file.name}")
        note.write_text(json.dumps({"url": file.url, "tag": answer.tag}), encoding="utf-8")
        bar.total, bar.n = answer.total, have
        bar.refresh()
        with part.open("ab") as target:
            for block in response.iter_content(CHUNK):
                target.write(block)
                bar.update(len(block))
    if answer.total is not None and _size(part) != answer.total:
        raise _CutShortError(f"{_size(part)} of {answer.total} bytes came")


def _answer(status: int, headers: Mapping[str, str]) -> _Answer:
    """What the headers say of the file."""
    tag = headers.get("ETag", "")
    tag = headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag  # a weak one is not of the bytes
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    if status == requests.codes.partial_content and span:
        return _Answer(int(span[1]), None if span[2] == "*" else int(span[2]), tag)
    length = headers.get("Content-Length", "")
    return _Answer(0, int(length) if length.isdigit() else None, tag)


def _note(note: Path, file: RemoteFile) -> dict[str, str]:
    """What was noted of a part, if it is of the same address."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and known.get("url") == file.url else {}


def part_size(folder: Path, file: RemoteFile) -> int:
    """Bytes of a file that have come into a folder so far, by an attempt that was broken off."""
    return _size(_part(folder, file))


def _part(folder: Path, file: RemoteFile) -> Path:
    """Where a file lies until it is whole."""
    return folder / f".{file.name}.part"


def _size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _said(error: BaseException | None) -> str:
    """What an error says, shortly."""
    if isinstance(error, _CutShortError):
        return str(error)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, requests.Timeout):
        return f"no answer in {PATIENCE} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the file ended too early"
    cause, why = error, ""
    while cause is not None and not why:  # the system's own words lie at the bottom
        why = cause.strerror or "" if isinstance(cause, OSError) else ""
        cause = cause.__cause__ or cause.__context__
    return why or type(error).__name__


def _not_fetched(file: RemoteFile, out: Path, why: str) -> GeoPointSegError:
    """The error for a file that did not come, and what to do."""
    again = (
        "what came is kept, run the command again to go on"
        if part_size(out.parent, file)
        else "nothing came; try again later"
    )
    return GeoPointSegError(
        f"expected {file.url}, got nothing whole: {why}; {again}, or fetch the file in another way and put it at {out}, or name "
        "another --mirror"
    )


def require_checksum(path: Path, checksum: str, *, name: str | None = None) -> None:
    """Refuse a file that is not what its owner published.

    Raises:
        GeoPointSegError: it is not.
    """
    if not checksum:
        return
    algorithm, _, wanted = checksum.partition(":")
    found = checksum_of(path, algorithm)
    if found != wanted:
        raise GeoPointSegError(
            f"expected {name or path} with the {algorithm.upper()} {wanted}, got {found}: it is damaged or another version; "
            f"{'it was removed, try again' if name else 'remove it and fetch it again'}"
        )


def checksum_of(path: Path, algorithm: str) -> str:
    """The digest of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
