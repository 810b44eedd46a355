"""Rasters that lie elsewhere: names of the web and of object stores, kept in a Path and given to GDAL as it wants them."""

import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import rasterio

__all__ = ["is_remote", "located", "plain_name", "remote_path", "settings_of"]

STORES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}
WEB = ("http", "https", "ftp")


def is_remote(name: str | Path) -> bool:
    """Whether a name is a URL or one of GDAL's virtual file systems, so that the machine's own files say nothing of it."""
    return str(name).startswith("/vsi") or re.match(rf"({'|'.join((*STORES, *WEB))}):/", str(name)) is not None


def remote_path(name: str | Path) -> Path:
    """GDAL's virtual path of a URL: https://host/a.tif gives /vsicurl/https:/host/a.tif, s3://bucket/a.tif /vsis3/bucket/a.tif."""
    scheme, _, rest = str(name).partition(":")
    if scheme in STORES:
        return Path(STORES[scheme] + rest.lstrip("/"))
    return Path(f"/vsicurl/{name}" if scheme in WEB else name)


def located(path: Path) -> str:
    """The name by which GDAL opens a path; a Path makes one slash of two, which a URL and a chain of /vsi… need."""
    text = path.as_posix()
    if not text.startswith("/vsi"):
        return str(path)
    text = re.sub(r"\b(https?|ftp):/+", r"\1://", text)
    return re.sub(r"(/vsi[a-z0-9_]+)/(?=vsi)", r"\1//", text)


def plain_name(path: Path) -> str:
    """The name of a file, without what a URL asks or signs behind it."""
    return path.name if not is_remote(path) else located(path).partition("?")[0].rpartition("/")[2]


def settings_of(path: Path) -> AbstractContextManager[object]:
    """GDAL's settings to read a path: over a network, no listing of its folder, three more tries, and blocks kept."""
    if not is_remote(path):
        return nullcontext()
    settings: AbstractContextManager[object] = rasterio.Env(
        GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_HTTP_MAX_RETRY=3, GDAL_HTTP_RETRY_DELAY=1, VSI_CACHE=True
    )
    return settings
