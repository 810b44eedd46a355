"""The Hugging Face hub, as one more place where a model may lie: hf://organisation/name, or …@revision."""

import re
from collections.abc import Collection
from pathlib import Path

from geopointseg import __version__
from geopointseg.errors import GeoPointSegError

__all__ = ["fetch", "is_on_hub", "lasting", "publish"]

ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def is_on_hub(place: str | Path) -> bool:
    """Whether a place is meant as an address on the hub; hf:/… is what a Path makes of one."""
    return str(place).startswith("hf:/")


def lasting(place: str | Path) -> str:
    """A place's name that holds in other folders and processes, too; two names of one place have the same."""
    return str(place) if is_on_hub(place) else str(Path(place).resolve())


def fetch(address: str, names: Collection[str]) -> Path:
    """Fetch files of these names, unless they are in the hub's cache already.

    Returns:
        The folder of the cache that holds them.

    Raises:
        GeoPointSegError: they cannot be fetched.
    """
    from huggingface_hub import snapshot_download  # here: who works on local files need not have it

    repo, revision = _split(address)
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(names)))
    except Exception as error:  # the hub's own kinds, those of its HTTP client, and the system's
        raise _failed("fetch", address, error) from error


def publish(folder: Path, address: str, names: Collection[str], *, public: bool = False) -> None:
    """Commit files of these names to a repository, which is made if there is none.

    Args:
        folder: Where the files lie.
        address: Whose revision, if there is one, is a branch.
        names: Nothing else is published.
        public: Whether everybody may see a repository that is made.

    Raises:
        GeoPointSegError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    repo, branch = _split(address)
    hub = HfApi(library_name="geopointseg", library_version=__version__)
    try:
        hub.create_repo(repo, private=not public, exist_ok=True)
        if branch:
            hub.create_branch(repo, branch=branch, exist_ok=True)
        hub.upload_folder(
            repo_id=repo,
            folder_path=folder,
            revision=branch,
            allow_patterns=list(names),
            commit_message=f"Model by geopointseg {__version__}",
        )
    except Exception as error:  # as above
        raise _failed("publish", address, error) from error


def _split(address: str) -> tuple[str, str | None]:
    """Repository and revision of an address.

    Raises:
        GeoPointSegError: it is none.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise GeoPointSegError(f"expected hf://organisation/name or hf://organisation/name@revision, got {address}")
    return match["repo"], match["revision"]


def _failed(what: str, address: str, error: Exception) -> GeoPointSegError:
    """What a user can do about it."""
    said = (str(error) or "no word").splitlines()[0]
    return GeoPointSegError(
        f"expected to {what} {address}, got {type(error).__name__} ({said}): check the name, the connection and "
        "'hf auth login', or use a model folder on disk"
    )
