"""Questions: a layer of points without a class, ready to be filled in with QGIS.

In the GeoPackage the layer `questions` comes first, so that a reader who names none gets it. It has the columns of the
user's own points, all empty, and beside them

* `rank`: 1 is wanted most;
* `suggested`, `confidence`: what the model takes it for, and how probable that is;
* `why`: why it is asked.

The layer `extents` has a square of ground around each, to zoom to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.forms import questions_style
from geopointseg.grid import Grid
from geopointseg.labels.answers import ASIDE, EXTENTS, QUESTIONS
from geopointseg.labels.geopackage import EPOCH, written_at
from geopointseg.labels.points import OWN_COLUMNS
from geopointseg.qgis import frames_style, layer_styles

__all__ = ["Form", "write_questions"]

REACH = 64  # pixels from a question to the edge of its extent


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer looks like."""

    field: str
    """Column that it goes to."""
    classes: Classes | None
    """To choose from; None before there are any."""
    integer: bool
    """Whether the column holds codes rather than names."""
    columns: pd.DataFrame
    """No rows; the columns of the user's points, which the layer has too."""

    def answers(self) -> list[tuple[str | int, str, str]]:
        """(value, name, #rrggbb) of every class."""
        if self.classes is None:
            return []
        values: Sequence[str | int] = self.classes.codes if self.integer else self.classes.names
        return list(zip(values, self.classes.names, self.classes.colors, strict=True))

    def column(self, name: str) -> str:
        """What a column of ours is called, where the user may have one of that name."""
        taken = {str(column).lower() for column in self.columns.columns} - {self.field.lower()}
        return name if name not in taken else f"asked_{name}"


def write_questions(
    asked: pd.DataFrame,
    places: Sequence[tuple[Grid, int, int]],
    form: Form,
    path: Path,
    *,
    crs: str,
    overwrite: bool = False,
) -> Path:
    """Write the questions.

    Args:
        asked: (n rows) the columns `ASIDE`, in the order of rank.
        places: n times the grid, row and column of the pixel that is asked about.
        form: What an answer looks like.
        path: GeoPackage to write.
        crs: Of the layer.
        overwrite: Replace an existing one.

    Raises:
        GeoPointSegError: it exists and `overwrite` is false, or cannot be written, or the class field is one of `ASIDE`.
    """
    if form.field.casefold() in {"fid", "geom", *ASIDE}:
        raise GeoPointSegError(
            f"expected a class field that the layer of questions does not need itself, got {form.field}: name another as "
            "--class-field"
        )
    frame = _empty_answers(form, len(asked))
    for name in ASIDE:
        frame[form.column(name)] = asked[name].array  # as numpy's, what is missing would be the text <NA>
    points = gpd.GeoSeries(shapely.points(_middles(places, 0, crs)), crs=crs)
    boxes = gpd.GeoDataFrame({"rank": asked["rank"].to_numpy()}, geometry=list(_boxes(places, crs)), crs=crs)
    names = [str(column) for column in frame.columns if column != form.field]
    styles = layer_styles(Classes.of(["-"]), ("points", "held_out")).assign(f_table_name=[QUESTIONS, EXTENTS])
    styles["styleName"] = [QUESTIONS, EXTENTS]
    styles["description"] = "points to be given a class", "ground around each, to zoom to"
    styles["styleQML"] = [questions_style(form.field, form.answers(), names), frames_style()]
    options = {"driver": "GPKG", "VERSION": "1.2", "GEOMETRY_NAME": "geom"}
    with replacing(path, overwrite=overwrite) as partial, written_at(EPOCH):
        pyogrio.write_dataframe(
            gpd.GeoDataFrame(frame, geometry=points), partial, layer=QUESTIONS, geometry_type="Point", **options
        )
        pyogrio.write_dataframe(boxes, partial, layer=EXTENTS, geometry_type="Polygon", **options)
        pyogrio.write_dataframe(styles, partial, layer="layer_styles")
    return path


def _empty_answers(form: Form, n: int) -> pd.DataFrame:
    """The columns of the user's points with nothing in them, the class first; whole numbers stay such."""
    frame = pd.DataFrame({form.field: pd.array([None] * n, "Int64" if form.integer else "string")})
    for name, column in form.columns.items():
        if name != form.field and str(name) not in OWN_COLUMNS:
            kind = {"i": "Int64", "u": "Int64", "f": "Float64", "b": "boolean"}.get(getattr(column.dtype, "kind", "O"))
            frame[str(name)] = pd.array([None] * n, kind or "string")
    return frame


def _middles(places: Sequence[tuple[Grid, int, int]], more: int, crs: str) -> NDArray[np.float64]:
    """(n, 2) x and y of pixel centres, `more` pixels down and to the right of those asked about."""
    found = np.zeros((len(places), 2))
    for i, (grid, row, col) in enumerate(places):
        x, y = grid.xy(row + more, col + more)
        there = gpd.GeoSeries([shapely.Point(float(x), float(y))], crs=grid.crs.to_wkt())
        found[i] = shapely.get_coordinates(there if there.crs == crs else there.to_crs(crs))[0]
    return found


def _boxes(places: Sequence[tuple[Grid, int, int]], crs: str) -> NDArray[np.object_]:
    """A square of ground around each."""
    upper, lower = _middles(places, -REACH, crs), _middles(places, REACH, crs)
    boxes: NDArray[np.object_] = shapely.box(upper[:, 0], lower[:, 1], lower[:, 0], upper[:, 1])
    return boxes
