"""Archives of data sets: unpacked whole or not at all, and nothing in them is trusted.

A member that would leave the folder, a link, a device or a file that is there already is an error, found before it is written.
"""

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tqdm import tqdm

from geopointseg.errors import GeoPointSegError

__all__ = ["SUFFIXES", "require_room", "stem_of", "unpack"]

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
CHUNK = 1 << 20
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError, NotImplementedError, RuntimeError)
"""What unpacking may raise; the last two are zipfile's, of methods of compression that it lacks and of passwords."""


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    size: int
    strange: str
    """What it is if it is no plain file: "a link", "a device"; "" otherwise."""
    content: IO[bytes]


def stem_of(archive: Path) -> str:
    """The name of an archive without its suffixes."""
    return next(
        (archive.name.removesuffix(s) for s in sorted(SUFFIXES, key=len, reverse=True) if archive.name.endswith(s)),
        archive.stem,
    )


def unpack(archive: Path, out: Path) -> list[Path]:
    """Unpack an archive into a folder.

    Args:
        archive: .zip, .tar, .tar.gz or .tgz.
        out: Folder; the caller removes it if this fails.

    Returns:
        The files written.

    Raises:
        GeoPointSegError: the archive is damaged or cut short, a member is hostile, or the disk has no room.
    """
    require_room(out, _unpacked_size(archive), f"unpack {archive.name}")
    written: list[Path] = []
    bar = tqdm(desc=f"unpacking {archive.name}", unit="B", unit_scale=True, disable=None, leave=False)
    with _telling_of_damage(archive), bar:
        for member in _members(archive):
            target = _target(member, archive, out)
            require_room(out, member.size, f"unpack {archive.name}")  # a .tar does not say before how much there is
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                while block := member.content.read(CHUNK):
                    file.write(block)
                    bar.update(len(block))
            if target.stat().st_size != member.size:
                raise EOFError(f"{member.name} ends too early")
            written.append(target)
    if not written:
        raise GeoPointSegError(f"expected files in {archive}, got an empty archive: fetch it again")
    return written


def require_room(folder: Path, needed: int, what: str) -> None:
    """Refuse what the disk has no room for.

    Raises:
        GeoPointSegError: it has not.
    """
    existing = next(place for place in (folder, *folder.resolve().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise GeoPointSegError(
            f"expected {_gigabytes(needed)} of room on the disk of {folder} to {what}, got {_gigabytes(free)}: free some, or name a "
            "folder on another disk"
        )


def _gigabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _unpacked_size(archive: Path) -> int:
    """Bytes that an archive will take: what a .zip says of itself; for others what they take packed, at least."""
    if zipfile.is_zipfile(archive):
        with _telling_of_damage(archive), zipfile.ZipFile(archive) as source:
            return sum(info.file_size for info in source.infolist())
    return archive.stat().st_size


def _members(archive: Path) -> Iterator[Member]:
    """The files of an archive, one after the other; folders are left out."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as source:
            for info in source.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                strange = "" if kind in (0, stat.S_IFREG, stat.S_IFDIR) else "a link or a device"
                if not info.is_dir() or strange:
                    with source.open(info) as content:
                        yield Member(info.filename, info.file_size, strange, content)
                else:
                    _safe(info.filename, archive)
        return
    with tarfile.open(archive, "r|*") as stream:
        for entry in stream:
            if entry.isdir():
                _safe(entry.name, archive)
                continue
            opened = stream.extractfile(entry) if entry.isreg() else None
            if opened is None:
                raise _hostile(archive, entry.name, "a link" if entry.issym() or entry.islnk() else "a device")
            yield Member(entry.name, entry.size, "", opened)


def _target(member: Member, archive: Path, out: Path) -> Path:
    """Where a member goes.

    Raises:
        GeoPointSegError: out of the folder, onto another member, or it is no plain file.
    """
    if member.strange:
        raise _hostile(archive, member.name, member.strange)
    target = out.joinpath(*_safe(member.name, archive).parts)
    if target.exists():
        raise _hostile(archive, member.name, "there twice")
    return target


def _safe(name: str, archive: Path) -> PurePosixPath:
    """The path of a member, if it stays in the folder on any system.

    Raises:
        GeoPointSegError: it does not.
    """
    path = PurePosixPath(name)
    plain = name.replace("\\", "/")
    climbs = (
        ".." in plain.split("/") or plain.startswith("/") or ":" in plain.split("/")[0] or "\0" in name or "\\" in name
    )
    if climbs or not path.parts:
        raise _hostile(archive, name, "a path that leaves the folder")
    return path


def _hostile(archive: Path, name: str, what: str) -> GeoPointSegError:
    """The error for a member that must not be written."""
    return GeoPointSegError(
        f"expected plain files in {archive}, got {name[:120]!r}, which is {what}: nothing was unpacked; do not trust this copy"
    )


@contextmanager
def _telling_of_damage(archive: Path) -> Iterator[None]:
    """Turn what the libraries say of a damaged archive into an error for users."""
    try:
        yield
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, EOFError):
            raise GeoPointSegError(
                f"expected to unpack {archive}, got '{error.strerror or error}': check the disk and its permissions"
            ) from error
        raise GeoPointSegError(
            f"expected a whole archive, got {archive}, which is damaged or cut short ({error}): remove it and fetch it again; "
            "nothing was unpacked"
        ) from error
