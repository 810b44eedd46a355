"""Downloading a data set: fetched, or taken from archives that were put there by hand; unpacked whole or not at all."""

import fnmatch
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path, PurePosixPath
from types import ModuleType

from geopointseg.datasets.archive import SUFFIXES, require_room, stem_of, unpack
from geopointseg.datasets.dataset import Dataset, RemoteFile
from geopointseg.datasets.fetch import fetch, part_size, require_checksum
from geopointseg.datasets.prepare import find_pairs
from geopointseg.datasets.table import find_dataset
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, write_json

__all__ = ["DownloadReport", "download"]

NOTES = ".unpacked"  # folder of a note for each archive that was unpacked
PLACING = ".placing.json"
SHOWN = 4  # names of archives in a message


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What is there now."""

    root: Path
    dataset: Dataset
    images: dict[str, int]
    """By split; only splits that have some."""
    fetched: tuple[str, ...]
    unpacked: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The folder of the data set."""
        return (self.root,)

    @property
    def following(self) -> str:
        """What to do next."""
        return f"geopointseg prepare {self.dataset.name} {self.root}".replace("{", "{{").replace("}", "}}")

    def __str__(self) -> str:
        """The account for people."""
        counts = ", ".join(f"{n:,} {split}" for split, n in self.images.items())
        done = [f"fetched {', '.join(self.fetched)}"] * bool(self.fetched)
        done += [f"unpacked {', '.join(self.unpacked)}"] * bool(self.unpacked)
        lies = f"{self.dataset.title}, images: {counts}; licence: {self.dataset.licence}; {self.dataset.link}"
        return "\n".join([*done, lies] if done else [f"nothing to do: the data set lies in {self.root}", lies])


def download(
    name: str,
    root: Path,
    *,
    accept_licence: bool = False,
    mirror: str | None = None,
    only: str = "*",
    keep_archives: bool = False,
) -> DownloadReport:
    """Fetch a data set into a folder and unpack it there, or unpack the archives that lie there, or find it done.

    Run it again after a break: it goes on where it was.

    Args:
        name: Data set, as 'geopointseg datasets' lists it.
        root: Folder for it.
        accept_licence: You agree to the terms that its owner asks one to agree to.
        mirror: Address of a folder of the same files, to fetch them from instead of their owner; their checksums are the same.
        only: Glob of the archives to fetch, of those that are many (FLAIR: 'D0[0-3]*').
        keep_archives: Keep the archives that were fetched after unpacking; those put there by hand are kept anyway.

    Returns:
        What is there.

    Raises:
        GeoPointSegError: no such data set, terms that were not agreed to, nothing that can be fetched, or a download, an archive or
            a disk that fails; then what of the data set was unpacked is removed.
    """
    adapter = find_dataset(name)
    dataset: Dataset = adapter.DATASET
    root = Path(root)
    _undo_placing(root)
    _require_known(only, dataset)
    there = _images(adapter, root)
    if not there:
        shutil.rmtree(root / NOTES, ignore_errors=True)  # of files that somebody has removed since
    lying = _lying(root, dataset)
    by_hand = bool(there) and not (root / NOTES).is_dir()
    wanted = [file for file in dataset.files if fnmatch.fnmatch(file.name, only) and not by_hand]
    lacking = [file for file in wanted if not (root / file.name).is_file() and not _done(root, file.name)]
    if there and not lying and not lacking:
        return DownloadReport(root, dataset, there, (), ())
    if lacking and dataset.terms and not accept_licence:
        raise GeoPointSegError(
            f"expected --accept-licence for {dataset.title}, as its owner asks for agreement to {dataset.terms}, got none: read "
            f"them at {dataset.link} and add it"
        )
    if not lacking and not lying and not there:
        what = f"an archive of {dataset.title}" if dataset.archives else f"{dataset.title},"
        raise GeoPointSegError(f"expected {what} in {root}, got none: {dataset.by_hand}")
    new_folder(root)
    _fetch_all([_from(file, mirror) for file in lacking], root, dataset)
    checks = {file.name: file.checksum for file in dataset.files}
    archives = _lying(root, dataset)
    for archive in archives:
        require_checksum(archive, checks.get(archive.name, ""))
    images = _unpack_all(archives, root, adapter)
    for archive in archives:
        if _is_fetched(archive) and not keep_archives:
            archive.unlink()  # what was put there by hand is the user's
        _mark(archive).unlink(missing_ok=True)
    fetched, unpacked = (tuple(one.name for one in many) for many in (lacking, archives))
    return DownloadReport(root, dataset, images, fetched, unpacked)


def _require_known(only: str, dataset: Dataset) -> None:
    """Refuse a glob that fits no archive of those that can be fetched.

    Raises:
        GeoPointSegError: it fits none.
    """
    names = [file.name for file in dataset.files]
    if names and not fnmatch.filter(names, only):
        others = f", … ({len(names)} of them)" if len(names) > SHOWN else ""
        raise GeoPointSegError(
            f"expected a --only that fits an archive of {dataset.title}, got {only}: they are {', '.join(names[:SHOWN])}{others}"
        )


def _fetch_all(files: Sequence[RemoteFile], root: Path, dataset: Dataset) -> None:
    """Fetch archives; a mark beside each says that it is not the user's own.

    Raises:
        GeoPointSegError: one cannot be fetched, or the disk has no room for all of them and as much again, unpacked.
    """
    needed = sum(2 * file.size - min(part_size(root, file), file.size) for file in files)
    require_room(root, needed, f"fetch and unpack {dataset.title}")
    for file in files:
        archive = fetch(file, root)
        _mark(archive).write_text(f"{archive.stat().st_mtime_ns}", encoding="utf-8")


def _is_fetched(archive: Path) -> bool:
    """Whether an archive was fetched here, and is still the same."""
    mark = _mark(archive)
    return mark.is_file() and mark.read_text(encoding="utf-8") == f"{archive.stat().st_mtime_ns}"


def _mark(archive: Path) -> Path:
    """What lies beside an archive that was fetched."""
    return archive.with_name(f".{archive.name}.fetched")


def _from(file: RemoteFile, mirror: str | None) -> RemoteFile:
    """The file at its owner's address or at a mirror's."""
    if mirror is None:
        return file
    if not mirror.startswith(("http://", "https://")):
        raise GeoPointSegError(
            f"expected an address of the web as --mirror, got {mirror}: files that are here already are put into the folder by hand"
        )
    return replace(file, url=f"{mirror.rstrip('/')}/{file.name}")


def _lying(root: Path, dataset: Dataset) -> list[Path]:
    """Archives of the data set that lie in the folder and have not been unpacked."""
    names = (*dataset.archives, *(file.name for file in dataset.files))
    found = [path for path in sorted(root.glob("*")) if path.name.endswith(SUFFIXES) and path.is_file()]
    fitting = [path for path in found if any(fnmatch.fnmatch(path.name, name) for name in names)]
    return [path for path in fitting if not _done(root, path.name)]


def _done(root: Path, name: str) -> bool:
    """Whether an archive was unpacked before."""
    return (root / NOTES / f"{name}.json").is_file()


def _images(adapter: ModuleType, root: Path) -> dict[str, int]:
    """How many images of each split lie in the folder, in whatever bands."""
    counts: dict[str, int] = {}
    for split, imagery in product(adapter.DATASET.splits, getattr(adapter, "IMAGERY", (None,))):
        try:
            found = len(find_pairs(adapter, root, split, imagery=imagery))
        except GeoPointSegError:
            continue
        counts[split] = max(found, counts.get(split, 0))
    return counts


def _unpack_all(archives: Sequence[Path], root: Path, adapter: ModuleType) -> dict[str, int]:
    """Unpack archives, and those of the data set within them; all take their places, or none.

    A list of what is about to take its place is written before, so that after a kill the next run can take it away again.

    Returns:
        How many images of each split lie in the folder then.

    Raises:
        GeoPointSegError: an archive is damaged or hostile, the disk is full, or there are no images of the data set in the end.
    """
    dataset: Dataset = adapter.DATASET
    partial = root / ".unpacking"
    shutil.rmtree(partial, ignore_errors=True)  # of an attempt that was killed
    try:
        partial.mkdir()
        for archive in archives:
            _unpack_one(archive, partial, dataset)
        moves = list(_moves(partial, root))
        notes = {root / NOTES / f"{path.name}.json": {"bytes": path.stat().st_size} for path in archives}
        placed = [*(target for _, target in moves), *notes]
        write_json(root / PLACING, {"placing": [target.relative_to(root).as_posix() for target in placed]})
        for source, target in moves:
            source.rename(target)
        images = _images(adapter, root)
        if not images:
            raise GeoPointSegError(
                f"expected images of {dataset.title} in {', '.join(path.name for path in archives)}, got none: put its other "
                f"archives beside, if there are any, or is it another version? Its layout is described at {dataset.link} and in "
                "docs/datasets.md; what was unpacked is removed again"
            )
        for note, told in notes.items():
            write_json(note, told)
    except BaseException:
        _undo_placing(root)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    (root / PLACING).unlink()
    return images


def _moves(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """The fewest renamings that bring all of one folder into another, which may have folders of the same names.

    Raises:
        GeoPointSegError: a file is there already.
    """
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.name in (NOTES, PLACING):
            raise GeoPointSegError(
                f"expected a data set, got an archive with {entry.name} in it: do not trust this copy"
            )
        if entry.is_dir() and place.is_dir():
            yield from _moves(entry, place)
        elif place.exists():
            raise GeoPointSegError(
                f"expected room for {entry.name} in {target}, got a file of that name there: move it elsewhere, or unpack into an "
                "empty folder"
            )
        else:
            yield entry, place


def _undo_placing(root: Path) -> None:
    """Take away what an attempt that was killed had put into the folder."""
    try:
        listed = json.loads((root / PLACING).read_text(encoding="utf-8"))["placing"]
    except (OSError, ValueError, KeyError):
        return
    for name in listed:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute():
            continue  # none of ours
        place = root.joinpath(*parts)
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    (root / PLACING).unlink()


def _unpack_one(archive: Path, out: Path, dataset: Dataset) -> None:
    """Unpack an archive; one that holds no folder gets a folder of its name."""
    within = out / f"within-{archive.name}"
    within.mkdir()
    unpack(archive, within)
    inner = [
        path
        for path in within.rglob("*")
        if path.is_file() and any(fnmatch.fnmatch(path.name, n) for n in dataset.archives)
    ]
    for path in sorted(inner):
        _unpack_one(path, path.parent, dataset)
        path.unlink()
    entries = sorted(within.iterdir())
    loose = all(entry.is_file() for entry in entries)
    place = out / stem_of(archive) if loose else out
    place.mkdir(exist_ok=True)
    for source, target in list(_moves(within, place)):
        source.rename(target)
    shutil.rmtree(within)
