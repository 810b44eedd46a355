"""GeoPackages: what has to hold of one before it is written, and that the same content gives the same file."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import geopandas as gpd
import pyogrio

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.vector import list_layers

__all__ = ["EPOCH", "free_name", "require_geopackage", "require_other", "take_over", "written_at"]

EPOCH = "1970-01-01T00:00:00Z"  # stands for the time of writing, so that the same points give the same file


def require_geopackage(out: Path) -> None:
    """Refuse another kind of file to write.

    Raises:
        GeoPointSegError: the name does not end in .gpkg.
    """
    if out.suffix.lower() != ".gpkg" and not out.is_dir():
        raise GeoPointSegError(f"expected a GeoPackage as --out, got {out}: give it the ending .gpkg")


def require_other(out: Path, points: Sequence[Path]) -> None:
    """Refuse to write over points that are read.

    Raises:
        GeoPointSegError: the file to write is among them.
    """
    if any(out.resolve() == Path(path).resolve() for path in points):
        raise GeoPointSegError(f"expected another file as --out, got {out}, one of --points, which would be lost")


@contextmanager
def written_at(time: str) -> Iterator[None]:
    """Let GDAL note this time as that of writing."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": time})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def free_name(name: str, frame: gpd.GeoDataFrame) -> str:
    """The name, or one like it that no column of the user's has."""
    taken = {str(column).lower() for column in frame.columns}
    while name in taken:
        name = f"geopointseg_{name}"
    return name


def take_over(path: Path, partial: Path, marks: Mapping[str, set[str]]) -> dict[str, str | None]:
    """Copy a GeoPackage to the temporary path, so that layers are added to it, and list its layers.

    Args:
        path: The GeoPackage.
        partial: Where it is written anew.
        marks: Names of layers that are replaced, and fields that tell them from a user's of the same name.

    Raises:
        GeoPointSegError: it is open in another program, or holds a layer of one of our names that is not ours.
    """
    if path.with_name(path.name + "-wal").exists() or _is_locked(path):
        raise GeoPointSegError(
            f"expected a GeoPackage that is free, got {path}, which another program has open: "
            "close it there (in QGIS, remove its layers from the project)"
        )
    layers = list_layers(path)
    for name in layers:
        needed = marks.get(name.lower(), set())  # SQLite takes Points and points for one
        if needed and not needed <= set(pyogrio.read_info(path, layer=name)["fields"]):
            raise GeoPointSegError(
                f"expected a free place for the layer {name!r}, got {path}, whose layer of that name is not ours: "
                "choose another --out"
            )
    shutil.copyfile(path, partial)
    return layers


def _is_locked(path: Path) -> bool:
    """Whether another program is writing to the file."""
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except sqlite3.DatabaseError:
        return False  # no GeoPackage at all: listing its layers will say so
    return False
