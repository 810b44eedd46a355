"""A reference sample as a GeoPackage: points to interpret in QGIS, and how they were drawn, which the estimates rest on.

Layer `reference` is what an interpreter sees: `sample_id`, `reference_class` (chosen from a list, empty at first), `note`, and
`map_class` where it is not hidden. Tables: `draws` (stratum, row and column of each point), `strata` (pixels, hectares and
points of each), `classes`, and `layer_styles`, from which QGIS takes colours and the form.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
from numpy.typing import NDArray

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.forms import reference_style
from geopointseg.labels.geopackage import EPOCH, written_at
from geopointseg.labels.vector import list_layers, read_table
from geopointseg.maps.estimators import Stratum

__all__ = ["LAYER", "Reference", "is_reference", "read_reference", "write_reference"]

LAYER = "reference"
FIELD = "reference_class"


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference sample, drawn or read back."""

    frame: gpd.GeoDataFrame
    """Points with `sample_id`, `reference_class`, `note` and maybe `map_class`."""
    stratum: NDArray[np.int64]
    """(points,) of which stratum each was drawn."""
    strata: tuple[Stratum, ...]
    classes: Classes
    map_name: str
    """Of the map that the strata are classes of."""


def write_reference(
    reference: Reference, path: Path, rows: NDArray[np.int64], cols: NDArray[np.int64], *, overwrite: bool = False
) -> Path:
    """Write the GeoPackage.

    Args:
        reference: The sample.
        path: Ending in .gpkg.
        rows: (points,) of their pixels on the map.
        cols: (points,)
        overwrite: Replace an existing file, and with it whatever was interpreted there.

    Raises:
        GeoPointSegError: see `replacing`.
    """
    points = np.bincount(reference.stratum, minlength=len(reference.strata))
    total = sum(one.area for one in reference.strata)
    strata = pd.DataFrame(
        {
            "stratum": range(len(reference.strata)),
            "name": [one.name for one in reference.strata],
            "pixels": [one.pixels for one in reference.strata],
            "hectares": [one.area for one in reference.strata],
            "share": [one.area / total for one in reference.strata],
            "points": points,
            "map": reference.map_name,
        }
    )
    draws = pd.DataFrame(
        {"sample_id": reference.frame["sample_id"], "stratum": reference.stratum, "row": rows, "col": cols}
    )
    style = pd.DataFrame(
        {
            "f_table_catalog": [""],
            "f_table_schema": [""],
            "f_table_name": [LAYER],
            "f_geometry_column": ["geom"],
            "styleName": ["interpretation"],
            "styleQML": [reference_style(reference.classes)],
            "styleSLD": [""],
            "useAsDefault": [True],
            "description": ["interpreted points in the colours of their classes"],
            "owner": [""],
            "ui": [""],
            "update_time": ["1970-01-01T00:00:00.000Z"],  # fixed, so that the same draw gives the same file
        }
    )
    with replacing(path, overwrite=overwrite) as partial, written_at(EPOCH):
        pyogrio.write_dataframe(
            reference.frame, partial, layer=LAYER, driver="GPKG", geometry_type="Point", VERSION="1.2"
        )
        tables = {"strata": strata, "draws": draws, "classes": pd.DataFrame(reference.classes.records())}
        for name, table in (tables | {"layer_styles": style}).items():
            pyogrio.write_dataframe(table, partial, layer=name)
    return path


def is_reference(path: Path) -> bool:
    """Whether a file is a GeoPackage that `write_reference` wrote."""
    return {LAYER, "strata", "draws", "classes"} <= list_layers(path).keys()


def read_reference(path: Path) -> Reference:
    """Read a sample back, interpreted or not.

    Raises:
        GeoPointSegError: points were added that nobody drew, or the same twice.
    """
    frame = pyogrio.read_dataframe(path, layer=LAYER)
    draws, strata = read_table(path, "draws"), read_table(path, "strata")
    ids = frame["sample_id"]
    if ids.isna().any() or ids.duplicated().any() or not set(ids) <= set(draws["sample_id"]):
        raise GeoPointSegError(
            f"expected the points of the sample in {path}, got some that were added or copied since: a point that was not "
            "drawn by chance cannot be weighted; delete it"
        )
    stratum = ids.map(draws.set_index("sample_id")["stratum"]).to_numpy(np.int64)
    rows = zip(strata["name"], strata["pixels"], strata["hectares"], strict=True)
    return Reference(
        frame,
        stratum,
        tuple(Stratum(str(name), int(pixels), float(area)) for name, pixels, area in rows),
        Classes.from_records(read_table(path, "classes").to_dict("records")),
        str(strata["map"].iloc[0]),
    )
