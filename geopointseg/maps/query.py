"""Query: where the next points change the map most, as a layer to fill in.

The raster is predicted window by window, as for a map; of each window only a table of its superpixels is kept. Then as many
superpixels as are wanted are chosen, and each is asked about at its most interior pixel.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import require_new, write_json
from geopointseg.labels.acquire import Strategy, choose
from geopointseg.labels.candidates import Uncertainty
from geopointseg.labels.geopackage import require_geopackage, require_other
from geopointseg.labels.questions import Form, write_questions
from geopointseg.learning.agreement import Ask
from geopointseg.learning.backends import AUTO, Computing, predictor
from geopointseg.learning.bundle import load
from geopointseg.learning.dropout import with_dropout
from geopointseg.learning.hub import lasting
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.accept import Difference, accept
from geopointseg.maps.asked import QueryReport, account, next_command
from geopointseg.maps.known import NOTHING, classes_of, known_by, points_of, refuse_beside
from geopointseg.maps.survey import Stream, doubting, predicted, survey, unpredicted
from geopointseg.raster import Raster, find_rasters, open_raster, small_cache
from geopointseg.statistics import Statistics, open_rasters, statistics

__all__ = ["QueryReport", "query"]

NO_MODEL: Strategy = "stratified"
LEAST = {
    "n": (1, "at least 1 question to ask for", "say how many, for example --n 50"),
    "size": (2, "superpixels of at least 2 pixels on average", "leave --size out for 400, or name a larger one"),
    "apart": (0, "a distance to existing points of 0 pixels or more", "leave --apart out for 8, or take 0 for none"),
    "seed": (0, "a seed of 0 or more", "take another --seed"),
}
"""Of each number the least, what it is, and what to do."""


def query(
    *,
    raster: list[str],
    model: list[str] | None = None,
    points: list[Path] | None = None,
    class_field: str | None = None,
    layer: str | None = None,
    again: bool = False,
    n: int = 50,
    out: Path = Path("next.gpkg"),
    strategy: Strategy | None = None,
    uncertainty: Uncertainty = "margin",
    size: int = 400,
    apart: int = 8,
    classes: Path | None = None,
    window: int = 768,
    overlap: int = 64,
    batch_size: int = 1,
    computing: Computing = AUTO,
    crs: str | None = None,
    nodata: float | None = None,
    allow: Sequence[Difference] = (),
    seed: int = 0,
    overwrite: bool = False,
) -> QueryReport:
    """Say where to label next: a layer of points without a class, to be filled in.

    Args:
        raster: Raster files, folders or globs.
        model: What has been learnt so far: the folder model/ of a run, a checkpoint, or hf://organisation/name; several for
            the mean of their answers. Without one the first points are chosen.
        points: What is labelled already, layers of earlier questions among it; nothing is asked there or beside it.
        class_field: Column of the points with the class, which the new layer has too; class_name for a checked layer, and
            where there are no points.
        layer: Layer name of the points, where a file has several.
        again: Ask about the places of earlier questions that have no answer yet, too; else nothing is asked there again.
        n: How many points.
        out: GeoPackage to write.
        strategy: random, stratified (the default without a model), uncertainty, class-balanced, core-set, or hybrid (the
            default with one); see docs/label-here-next.md.
        uncertainty: margin (of the best class to the second), entropy, disagreement of several models, or dropout
            (disagreement of thinned copies of one model).
        size: Mean area of the superpixels, in pixels.
        apart: Nothing is asked within so many pixels of an existing point.
        classes: Names and colours of the classes, where neither model nor points have any: a YAML file, a CSV or a .qml.
        window: Side of the square the model sees at once, a multiple of 32.
        overlap: Pixels shared by neighbouring windows.
        batch_size: Windows classified together.
        computing: What computes the network, and in which number format.
        crs: CRS of rasters or points that have none.
        nodata: No-data value of rasters that declare none.
        allow: Differences from the rasters of training that are no reason to refuse a raster.
        seed: Of what is drawn by chance.
        overwrite: Replace an existing layer.

    Returns:
        What is asked; and the files: the layer, and the figures beside it.

    Raises:
        GeoPointSegError: options that do not go together, or a raster or points that cannot be used.
    """
    require_geopackage(out)
    require_other(out, points or [])
    require_new(out, overwrite=overwrite)
    strategy = strategy or ("hybrid" if model else NO_MODEL)
    _check_numbers({"n": n, "size": size, "apart": apart, "seed": seed})
    _check_options(strategy, uncertainty, model or [], window, overlap, batch_size)
    tasks = [load(name) for name in model or []]
    if uncertainty == "dropout":
        asks: list[Ask] = [with_dropout(task, computing, seed=seed) for task in tasks]
    else:
        asks = [predictor(task, computing) for task in tasks]
    own, rasters, measured = _opened(raster, tasks, crs, nodata, allow)
    options = {"window": window, "overlap": overlap, "batch_size": batch_size}
    source = points_of(points, class_field, layer, classes)
    if source is None:
        form = Form(class_field or "class", own or classes_of(classes), False, pd.DataFrame())
        known, waiting = NOTHING, 0
    else:
        form, known, waiting = known_by(source, own, crs, again=again)
        refuse_beside(known, rasters)

    def stream(one: Raster) -> Stream:
        if not tasks:
            return unpredicted(one)
        if uncertainty == "dropout":
            return doubting(len(tasks[0].classes), asks[0], one, options)
        return predicted(tasks, asks, one, uncertainty, options)

    streams = ((one, stream(one)) for one in rasters)
    with small_cache():
        seen = survey(streams, known, measured, size=size, apart=apart, classes=len(own) if own else 0, seed=seed)
    chosen = seen.table.at(choose(seen.table, n, strategy=strategy, seed=seed, land=seen.land))
    asked = account(chosen, own, seen.land)
    places = seen.places(chosen, measured, size)
    write_questions(asked, places, form, out, overwrite=overwrite, crs=rasters[0].grid.crs.to_wkt())
    figures = out.with_suffix(".query.json")
    report = QueryReport(
        files=(out, figures),
        asked=asked,
        wanted=n,
        strategy=strategy,
        size=size,
        apart=apart,
        superpixels=seen.superpixels,
        beside=seen.beside,
        held_out=seen.held_out,
        room=seen.room(n),
        waiting=waiting,
        again=again,
        following=next_command(
            raster, source, form.field, out, model, {"classes": classes, "crs": crs, "nodata": nodata}
        ),
    )
    write_json(figures, report.figures())
    return report


def _check_numbers(given: Mapping[str, int]) -> None:
    """Refuse numbers that are too small, each with a word on what it is."""
    for name, number in given.items():
        least, what, remedy = LEAST[name]
        if number < least:
            raise GeoPointSegError(f"expected {what}, got --{name} {number}: {remedy}")


def _check_options(
    strategy: Strategy,
    uncertainty: Uncertainty,
    names: Sequence[str],
    window: int,
    overlap: int,
    batch_size: int,
) -> None:
    """Refuse what cannot be, or does not go together."""
    models = len(names)
    places = list(map(lasting, names))
    if twice := [name for name, place in zip(names, places, strict=True) if places.count(place) > 1]:
        raise GeoPointSegError(
            f"expected every model once, got {' and '.join(twice)}, which are the same: a model does not disagree with "
            "itself; name it once, or another beside it"
        )
    if window % 32 or not 0 <= overlap < window // 2 or batch_size < 1:
        raise GeoPointSegError(
            "expected a window that is a multiple of 32, an overlap below half of it and at least 1 window in a batch, "
            f"got {window}, {overlap} and {batch_size}"
        )
    if not models and strategy in ("uncertainty", "class-balanced", "hybrid"):
        raise GeoPointSegError(
            f"expected a --model for --strategy {strategy}, got none: choose stratified, random or core-set for the first points"
        )
    if uncertainty == "disagreement" and models < 2:
        raise GeoPointSegError(
            f"expected several models for --uncertainty disagreement, got {models}: name them after --model, or choose "
            "margin, or dropout for copies of one"
        )
    if uncertainty == "dropout" and models != 1:
        raise GeoPointSegError(
            f"expected one model for --uncertainty dropout, got {models}: name one after --model"
            + (", or choose disagreement for several" if models else "")
        )


def _opened(
    inputs: Sequence[str],
    tasks: Sequence[PointSegmentationTask],
    crs: str | None,
    nodata: float | None,
    allow: Sequence[Difference],
) -> tuple[Classes | None, list[Raster], Statistics]:
    """The classes of the models, the rasters with their bands, and what those look like."""
    if not tasks:
        rasters, measured = open_rasters(inputs, crs=crs, nodata=nodata)
        return None, rasters, measured
    card = tasks[0].hparams["card"]
    own = Classes.from_records(card["classes"])
    for task in tasks[1:]:
        other = Classes.from_records(task.hparams["card"]["classes"])
        if other.names != own.names or task.hparams["card"]["bands"] != card["bands"]:
            raise GeoPointSegError("expected models of the same classes and bands, got others: name those of one job")
    given = card["nodata"] if nodata is None else nodata
    rasters = [accept(open_raster(path, crs=crs, nodata=given), card, allow) for path in find_rasters(inputs)]
    return own, rasters, statistics(rasters)
