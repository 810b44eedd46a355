"""Query: where the next points change the map most, as a layer to fill in.

The raster is predicted window by window, as for a map; of each window only a table of its superpixels is kept. Then as many
superpixels as are wanted are chosen, and each is asked about at its most interior pixel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import require_new, write_json
from geopointseg.labels.acquire import Candidates, Strategy, choose
from geopointseg.labels.candidates import Uncertainty
from geopointseg.labels.points import is_checked, load_points, read_points, require_geopackage
from geopointseg.labels.questions import Form, write_questions
from geopointseg.labels.vector import PointSource
from geopointseg.learning.backends import AUTO, Computing, predictor
from geopointseg.learning.bundle import load
from geopointseg.learning.hub import is_on_hub
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.legend.files import read_legend
from geopointseg.maps.accept import Difference, accept
from geopointseg.maps.survey import Known, predicted, survey, unpredicted
from geopointseg.raster import Raster, Statistics, find_rasters, open_raster, open_rasters, statistics

__all__ = ["QueryReport", "query"]

NO_MODEL: Strategy = "stratified"
LEAST = {
    "n": (1, "at least 1 question to ask for", "say how many, for example --n 50"),
    "size": (2, "superpixels of at least 2 pixels on average", "leave --size out for 400, or name a larger one"),
    "apart": (0, "a distance to existing points of 0 pixels or more", "leave --apart out for 8, or take 0 for none"),
    "seed": (0, "a seed of 0 or more", "take another --seed"),
}
"""Of each number the least, what it is, and what to do."""
CACHE = (
    64 * 2**20
)  # bytes of blocks that GDAL keeps, of its own accord a twentieth of all memory: each is read once or twice


@dataclass(frozen=True, slots=True)
class QueryReport:
    """What is asked, and of how many superpixels."""

    files: tuple[Path, ...]
    asked: pd.DataFrame
    """rank, suggested, confidence, doubt and why of each question."""
    wanted: int
    strategy: Strategy
    superpixels: int
    """Of the land, of about one size each."""
    beside: int
    """Those with a point in them or beside."""
    held_out: int
    """Those on held-out ground."""

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        return {
            "asked": len(self.asked),
            "wanted": self.wanted,
            "strategy": self.strategy,
            "superpixels": self.superpixels,
            "beside_points": self.beside,
            "held_out": self.held_out,
            "suggested": self.asked["suggested"].dropna().value_counts().to_dict(),
            "mean_doubt": float(self.asked["doubt"].mean()) if len(self.asked) else None,
        }

    def __str__(self) -> str:
        """The account for people."""
        lines = [
            f"{len(self.asked)} questions by strategy {self.strategy}, of {self.superpixels} superpixels",
            f"not asked about: {self.beside} superpixels with a point in or beside them, {self.held_out} on held-out ground",
        ]
        if len(self.asked) < self.wanted:
            lines.append(
                f"note: {self.wanted} were wanted, but there is no more to ask about: take smaller superpixels"
            )
        per_class = self.asked["suggested"].dropna().value_counts()
        if len(per_class):
            lines.append("suggested: " + ", ".join(f"{name} {n}" for name, n in per_class.items()))
        return "\n".join(lines)


def query(
    *,
    raster: list[str],
    model: list[str] | None = None,
    points: list[Path] | None = None,
    class_field: str | None = None,
    n: int = 50,
    out: Path = Path("next.gpkg"),
    strategy: Strategy | None = None,
    uncertainty: Uncertainty = "margin",
    size: int = 400,
    apart: int = 8,
    classes: Path | None = None,
    window: int = 512,
    overlap: int = 64,
    batch_size: int = 2,
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
        points: What is labelled already; nothing is asked there or beside it.
        class_field: Column of the points with the class, which the new layer has too; class_name for a checked layer, and
            where there are no points.
        n: How many points.
        out: GeoPackage to write.
        strategy: random, stratified (the default without a model), uncertainty, class-balanced, core-set, or hybrid (the
            default with one); see docs/label-here-next.md.
        uncertainty: margin (of the best class to the second), entropy, or disagreement of several models.
        size: Mean area of the superpixels, in pixels.
        apart: Nothing is asked nearer to an existing point than so many pixels.
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
    require_new(out, overwrite=overwrite)
    strategy = strategy or ("hybrid" if model else NO_MODEL)
    _check_numbers({"n": n, "size": size, "apart": apart, "seed": seed})
    _check_options(strategy, uncertainty, model or [], window, overlap, batch_size)
    tasks = [load(name) for name in model or []]
    asks = [predictor(task, computing) for task in tasks]
    own, rasters, measured = _opened(raster, tasks, crs, nodata, allow)
    options = {"window": window, "overlap": overlap, "batch_size": batch_size}
    form, known = _known(points, class_field, classes, own, crs)
    streams = (
        (one, predicted(tasks, asks, one, uncertainty, options) if tasks else unpredicted(one)) for one in rasters
    )
    with rasterio.Env(GDAL_CACHEMAX=CACHE):
        seen = survey(streams, known, measured, size=size, apart=apart, classes=len(own) if own else 0, seed=seed)
    chosen = seen.table.at(choose(seen.table, n, strategy=strategy, seed=seed, land=seen.land))
    asked = _account(chosen, own, seen.land)
    places = seen.places(chosen, measured, size)
    write_questions(asked, places, form, out, overwrite=overwrite, crs=rasters[0].grid.crs.to_wkt())
    figures = out.with_suffix(".query.json")
    report = QueryReport((out, figures), asked, n, strategy, seen.superpixels, seen.beside, seen.held_out)
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
    places = [name if is_on_hub(name) else str(Path(name).resolve()) for name in names]
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
            f"expected several models for --uncertainty disagreement, got {models}: name them after --model, or choose margin"
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


def _known(
    points: Sequence[Path] | None,
    class_field: str | None,
    legend: Path | None,
    own: Classes | None,
    crs: str | None,
) -> tuple[Form, Known]:
    """What an answer looks like, and what is labelled already."""
    nowhere = gpd.GeoSeries([], crs=4326)
    if not points:
        classes = own
        if classes is None and legend is not None:
            classes = _classes_of(legend)
        return Form(class_field or "class", classes, False, pd.DataFrame()), Known(nowhere, nowhere)
    first = points[0]
    field = class_field or ("class_name" if is_checked(first) else None)
    if field is None:
        raise GeoPointSegError(f"expected --class-field for {first}, which 'geopointseg check' did not write: name it")
    frame, found, _ = read_points(PointSource(points, field, classes=legend), crs)
    held_out = load_points(first).held_out.geometry if is_checked(first) else nowhere
    columns = pd.DataFrame(frame.drop(columns=frame.geometry.name).head(0))
    integer = pd.api.types.is_numeric_dtype(frame[field])
    return Form(field, own or found.classes, integer, columns), Known(frame.geometry.dropna(), held_out)


def _classes_of(legend: Path) -> Classes:
    """The classes that a file lists."""
    listed = read_legend(legend)
    names = listed.names or tuple(dict.fromkeys(listed.values.values()))
    return Classes.colored(names, [listed.codes.get(name, i) for i, name in enumerate(names)], dict(listed.colors))


def _account(chosen: Candidates, classes: Classes | None, land: NDArray[np.float64]) -> pd.DataFrame:
    """What is said of each question."""
    frame = pd.DataFrame({"rank": np.arange(1, len(chosen) + 1)})
    frame["suggested"] = pd.array([None] * len(chosen), "string")
    frame["confidence"] = pd.array([None] * len(chosen), "Float64")
    frame["doubt"] = chosen.doubt
    if classes is None:
        frame["why"] = pd.array([f"{area:.0f} pixels that look alike, unlike others" for area in chosen.area], "string")
        return frame
    order = np.argsort(-chosen.shares, axis=1, kind="stable")
    best = order[:, 0]
    frame["suggested"] = pd.array(np.array(classes.names, object)[best], "string")
    frame["confidence"] = pd.array(chosen.shares[np.arange(len(chosen)), best].round(3).astype(float), "Float64")
    texts = []
    for row, ranks in enumerate(order):
        said = " or ".join(f"{classes.names[i]} {chosen.shares[row, i]:.2f}" for i in ranks[:2])
        texts.append(f"{said}; {land[ranks[0]]:.0%} of the land is mapped as the first; {chosen.area[row]:.0f} pixels")
    frame["why"] = pd.array(texts, "string")
    return frame
