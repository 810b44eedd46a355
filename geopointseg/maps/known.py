"""What is known before a query: where points lie, what is held out, and what an answer to a question looks like."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.labels.advice import explain_miss
from geopointseg.labels.points import is_checked, load_points, open_questions, read_points
from geopointseg.labels.questions import Form
from geopointseg.labels.vector import PointSource
from geopointseg.legend.files import read_legend
from geopointseg.maps.survey import Known
from geopointseg.raster import Raster

__all__ = ["NOTHING", "classes_of", "known_by", "points_of", "refuse_beside"]

NOTHING = Known(gpd.GeoSeries([], crs=4326), gpd.GeoSeries([], crs=4326))


def points_of(
    points: Sequence[Path] | None, class_field: str | None, layer: str | None, legend: Path | None
) -> PointSource | None:
    """The points that there are already; None where there are none."""
    if not points:
        return None
    field = class_field or ("class_name" if is_checked(points[0]) else None)
    if field is None:
        raise GeoPointSegError(
            f"expected --class-field for {points[0]}, which 'geopointseg check' did not write: name it"
        )
    return PointSource(points, field, layer=layer, classes=legend)


def known_by(source: PointSource, own: Classes | None, crs: str | None, *, again: bool) -> tuple[Form, Known, int]:
    """What an answer looks like, what is labelled already, and how many earlier questions are not answered yet.

    These keep their place like points: whoever left one open has it before him still, or could not tell.
    """
    frame, found, _ = read_points(source, crs)
    columns = pd.DataFrame(frame.drop(columns=frame.geometry.name).head(0))
    integer = pd.api.types.is_numeric_dtype(frame[source.class_field])
    form = Form(source.class_field, own or found.classes, integer, columns)
    waiting = open_questions(source, crs)
    places = frame.geometry.dropna()
    if not again:
        places = pd.concat([places, waiting.to_crs(places.crs)], ignore_index=True)
    grounds = [load_points(path).held_out.geometry for path in source.files if is_checked(path)]
    held_out = pd.concat([ground.to_crs(grounds[0].crs) for ground in grounds]) if grounds else NOTHING.held_out
    return form, Known(places, held_out), len(waiting)


def refuse_beside(known: Known, rasters: Sequence[Raster]) -> None:
    """Refuse points that all lie beside the rasters: they would keep nothing from being asked."""
    if not any(len(known.on(raster.grid)[0]) for raster in rasters):
        missed = gpd.GeoDataFrame(geometry=known.geometry)
        raise GeoPointSegError(
            f"expected points on the raster, got {len(missed)} outside. {explain_miss(missed, rasters)}"
        )


def classes_of(legend: Path | None) -> Classes | None:
    """The classes that a file lists; None without one."""
    if legend is None:
        return None
    listed = read_legend(legend)
    names = listed.names or tuple(dict.fromkeys(listed.values.values()))
    return Classes.colored(names, [listed.codes.get(name, i) for i, name in enumerate(names)], dict(listed.colors))
