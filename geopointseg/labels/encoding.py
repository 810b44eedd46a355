"""Encodings: how the text of a shapefile is to be read, which the file does not always say."""

import codecs
import zipfile
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio

from geopointseg.errors import GeoPointSegError

__all__ = ["broken_text", "encoding_of", "undecodable"]

SHAPEFILES = (".shp", ".dbf", ".zip", ".shz")


def encoding_of(path: Path, wanted: str | None) -> str | None:
    """The encoding to read a shapefile with: the user's, else (None) its .cpg's, else UTF-8."""
    if wanted is not None:
        try:
            codecs.lookup(wanted)
        except LookupError as error:
            raise GeoPointSegError(
                f"expected an encoding such as UTF-8 or cp1252, got --encoding {wanted}: Python does not know it"
            ) from error
        return wanted
    if path.suffix.lower() not in SHAPEFILES:
        return None
    if path.suffix.lower() in (".zip", ".shz") and zipfile.is_zipfile(path):
        names = zipfile.ZipFile(path).namelist()
    else:
        names = [p.name for p in path.parent.glob(path.stem + ".*")]
    has_dbf = any(name.lower().endswith(".dbf") for name in names)
    return "UTF-8" if has_dbf and not any(name.lower().endswith(".cpg") for name in names) else None


def undecodable(path: Path, layer: str | None, encoding: str) -> str:
    """Say that the text is not in this encoding, with a sample of it."""
    frame = pyogrio.read_dataframe(path, layer=layer, encoding="ISO-8859-1", read_geometry=False)
    texts = (text for _, column in frame.select_dtypes(["object", "string"]).items() for text in column.dropna())
    text = next((str(text) for text in texts if not str(text).isascii()), "")
    raw = text.encode("ISO-8859-1", "replace")
    return (
        f"expected text in {encoding}, got {raw.decode(encoding, 'replace')!r} in {path}: name its encoding, "
        f"for example --encoding cp1252, with which this reads {raw.decode('cp1252', 'replace')!r}"
    )


def broken_text(frame: gpd.GeoDataFrame, path: Path) -> Iterator[str]:
    """Warn of UTF-8 that was read as a one-byte encoding, which never fails but shows 'WÃ¤lder' for 'Wälder'."""
    for name, column in frame.select_dtypes(["object", "string"]).items():
        for text in pd.unique(column.dropna())[:1000]:
            if text.isascii():
                continue
            for wrong in ("cp1252", "ISO-8859-1"):
                try:
                    right = text.encode(wrong).decode("UTF-8")
                except UnicodeError:
                    continue
                yield (
                    f"text looks broken: {text!r} in the field {name} of {path.name} would be {right!r} "
                    "with --encoding UTF-8; does its .cpg file tell the truth?"
                )
                return
