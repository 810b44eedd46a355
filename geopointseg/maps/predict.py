"""Prediction: windows with overlap and a taper, streamed by row bands, so that memory does not grow with the raster."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, require_new
from geopointseg.grid import Window
from geopointseg.learning.agreement import Ask
from geopointseg.learning.backends import AUTO, Computing, Predictor, predictor, with_torch
from geopointseg.learning.bundle import load
from geopointseg.learning.ensemble import require_alike, together
from geopointseg.learning.infer import probabilities as find_probabilities
from geopointseg.learning.overlap import ahead, in_order
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.accept import Difference, accept
from geopointseg.maps.pool import pool as pooled
from geopointseg.maps.pool import pool_mean
from geopointseg.maps.provenance import model_tags, raster_tags
from geopointseg.maps.scores import Add, Score, drop_scores, score_path, writing_scores
from geopointseg.maps.sieve import sieve
from geopointseg.maps.spool import in_steps, spooled, spooled_probabilities
from geopointseg.maps.verify import require_sound
from geopointseg.maps.write import require_new_map, write_map
from geopointseg.raster import Raster, find_rasters, open_raster, read, valid

__all__ = ["PredictReport", "classify", "predict"]

STRIP = 8192  # columns that are worked on together: what bounds the open row band on a wide raster


@dataclass(frozen=True, slots=True)
class PredictReport:
    """The maps, and what computed them."""

    files: tuple[Path, ...]
    predictor: Predictor

    def __str__(self) -> str:
        """The account for people."""
        return str(self.predictor)


def predict(
    model: str | Path,
    rasters: Sequence[str],
    *,
    out: Path = Path("maps"),
    window: int = 512,
    overlap: int = 64,
    batch_size: int = 4,
    ensemble: Sequence[str] = (),
    computing: Computing = AUTO,
    crs: str | None = None,
    nodata: float | None = None,
    allow: Sequence[Difference] = (),
    confidence: bool = False,
    probabilities: bool = False,
    margin: bool = False,
    pool: Literal["vote", "mean"] | None = None,
    pool_size: int = 100,
    mmu: float | None = None,
    overwrite: bool = False,
) -> PredictReport:
    """Classify rasters with a trained model.

    Args:
        model: The folder model/ that 'geopointseg train' or 'run' wrote, a checkpoint, or hf://organisation/name.
        rasters: Raster files, folders or globs.
        out: The map to write, ending in .tif, or a folder for one map per raster.
        window: Side of the square the model sees at once, a multiple of 32.
        overlap: Pixels shared by neighbouring windows, blended across.
        batch_size: Windows classified together.
        ensemble: Other models of the same classes and bands, whose probabilities are averaged with the model's.
        computing: What computes the network, and in which number format.
        crs: CRS of rasters that have none.
        nodata: No-data value of rasters that declare none; by default the one the model was trained with.
        allow: Differences from the rasters of training that are no reason to refuse a raster.
        confidence: Write MAP_confidence.tif, too: how probable the class is.
        probabilities: Write MAP_probabilities.tif, too: how probable every class is, a band for each.
        margin: Write MAP_margin.tif, too: how much more probable the class is than the second.
        pool: vote gives every superpixel of the raster the class that most of its pixels have, mean the class that is
            the likeliest on the mean of their probabilities.
        pool_size: Mean area of those superpixels, in pixels.
        mmu: Minimum mapping unit in m²: smaller patches go to the neighbour with the longest common border. It comes
            last; the scores stay those of the network.
        overwrite: Replace existing maps.

    Returns:
        The files written (for each raster the map, its .aux.xml, .qml and .json, and the scores asked for), and what
        computed them.

    Raises:
        GeoPointSegError: wrong window, a raster the model was not made for, or a map that would replace another file.
    """
    if window % 32 or not 0 <= overlap < window // 2 or batch_size < 1:
        raise GeoPointSegError(
            "expected a window that is a multiple of 32, an overlap below half of it and at least 1 window in a batch, "
            f"got {window}, {overlap} and {batch_size}"
        )
    if (mmu is not None and not mmu > 0) or pool_size < 2:
        raise GeoPointSegError(
            f"expected a minimum mapping unit above 0 m² and superpixels of at least 2 pixels, got {mmu} and {pool_size}: "
            "change --mmu or --pool-size"
        )
    models = {str(name): load(name) for name in (model, *ensemble)}
    if len(models) <= len(ensemble):
        raise GeoPointSegError(f"expected every model once, got {', '.join(map(str, (model, *ensemble)))}")
    require_alike(models)
    task = models[str(model)]
    card = task.hparams["card"]
    given = card["nodata"] if nodata is None else nodata
    opened = [open_raster(path, crs=crs, nodata=given) for path in find_rasters(rasters)]
    for one in models.values():
        opened = [accept(raster, one.hparams["card"], allow) for raster in opened]
    asked: dict[Score, bool] = {"confidence": confidence, "probabilities": probabilities, "margin": margin}
    scores = [kind for kind, wanted in asked.items() if wanted]
    targets = _targets(out, opened, scores, overwrite)
    files: list[Path] = []
    classes = Classes.from_records(card["classes"])
    options = {"window": window, "overlap": overlap, "pool": pool, "pool_size": pool_size if pool else None, "mmu": mmu}
    options["tta"] = computing.tta
    ask = together(list(models.values()), computing) if ensemble else predictor(task, computing)
    made_with = model_tags(models, options) | {"BACKEND": f"{ask.backend} {ask.precision}"}
    for raster, target in zip(opened, targets, strict=True):
        tags = made_with | raster_tags(raster)
        with ExitStack() as stack:
            places = [score_path(target, kind) for kind in scores]
            adding = [
                stack.enter_context(
                    writing_scores(place, raster.grid, classes, kind=kind, tags=tags, overwrite=overwrite)
                )
                for place, kind in zip(places, scores, strict=True)
            ]
            classified = partial(classify, task, raster, ask=ask, window=window, overlap=overlap, batch_size=batch_size)
            if pool == "mean":
                laid = stack.enter_context(
                    spooled_probabilities(in_steps(classified, adding), raster.grid, len(classes), near=target)
                )
                windows = pool_mean(laid, raster, size=pool_size)
            else:
                windows = classified(adding=adding)
            if pool == "vote":
                laid = stack.enter_context(spooled(windows, raster.grid, near=target))
                windows = pooled(laid, raster, size=pool_size)
            if mmu is not None:
                laid = stack.enter_context(spooled(windows, raster.grid, near=target))
                windows = sieve(laid, raster.grid, mmu)
            windows = ahead(windows) if ask.lanes > 1 else windows
            check = partial(require_sound, grid=raster.grid)
            files += write_map(target, raster.grid, classes, windows, tags=tags, check=check, overwrite=overwrite)
        drop_scores(target, kept=scores)
        require_sound(target, only=["scores"])  # they took their places after the map
        files += places
    return PredictReport(tuple(files), ask)


def _targets(out: Path, rasters: Sequence[Raster], scores: Sequence[Score], overwrite: bool) -> list[Path]:
    """Where the map of each raster goes.

    Raises:
        GeoPointSegError: several maps in one file, or a map in place of a raster or of an existing file.
    """
    single = out.suffix.lower() in (".tif", ".tiff")
    if single and len(rasters) > 1:
        raise GeoPointSegError(f"expected a folder as --out for {len(rasters)} rasters, got {out}")
    targets = [out if single else new_folder(out) / f"{raster.path.stem}.tif" for raster in rasters]
    sources = {raster.path.resolve() for raster in rasters}
    for number, target in enumerate(targets):
        if target in targets[:number]:
            raise GeoPointSegError(
                f"expected rasters of different names, got {target.stem} more than once: rename one of them"
            )
        if target.resolve() in sources:
            raise GeoPointSegError(f"expected a new file, got the raster {target} itself: choose another --out")
        require_new_map(target, overwrite=overwrite)
        for kind in scores:
            require_new(score_path(target, kind), overwrite=overwrite)
            if score_path(target, kind) in targets:
                raise GeoPointSegError(
                    f"expected rasters of different names, got {target.stem} and {target.stem}_{kind}, which is the name "
                    "of the scores of the first: rename one of them"
                )
    return targets


def classify(
    task: PointSegmentationTask,
    raster: Raster,
    *,
    ask: Ask | None = None,
    window: int = 512,
    overlap: int = 64,
    batch_size: int = 4,
    lanes: int = 1,
    adding: Sequence[Add] = (),
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """Class ids of a raster, band of rows by band of rows.

    Windows lie on one lattice over the raster, whatever the strips; where they overlap, probabilities are averaged with
    weights that fall off towards the window's edge. Beyond the raster the image is mirrored. What computes the task's
    network, `ask`, is torch in float32 unless given, and asked from so many threads, `lanes`. What `adding` holds is given the probabilities of the same windows,
    NaN where the raster has no data.

    Yields:
        (window, ids): ids (height, width) uint8, 255 where the raster has no data.
    """
    ask = ask or with_torch(task)
    stride = window - overlap
    rows = range(-overlap // 2, raster.grid.height - overlap // 2, stride)
    columns = range(-overlap // 2, raster.grid.width - overlap // 2, stride)
    taper = _taper(window, overlap)
    strips = range(0, raster.grid.width, STRIP)
    progress = tqdm(total=len(rows) * len(strips), desc=raster.path.name, unit="band", disable=None, leave=False)
    for left in strips:
        right = min(left + STRIP, raster.grid.width)
        touching = [col for col in columns if col < right and col + window > left]
        held: NDArray[np.float32] | None = None  # probabilities of the rows that the next band adds to
        for row in rows:
            band = np.zeros((len(task.classes), window, right - left), np.float32)
            if held is not None:
                band[:, :overlap] = held
            windows = [Window(row, col, window, window) for col in touching]
            batches = [windows[i : i + batch_size] for i in range(0, len(windows), batch_size)]
            answers = in_order(partial(find_probabilities, ask, raster), batches, threads=lanes)
            for batch, shares in zip(batches, answers, strict=True):
                for place, share in zip(batch, shares, strict=True):
                    a, b = max(place.col, left), min(place.col + window, right)
                    band[:, :, a - left : b - left] += (share * taper)[:, :, a - place.col : b - place.col]
            held = band[:, stride:].copy()
            last = row == rows[-1]
            done = Window(row, left, window if last else stride, right - left)
            yield from _ids(band, raster, done, adding)
            progress.update()
    progress.close()


def _ids(
    band: NDArray[np.float32], raster: Raster, done: Window, adding: Sequence[Add]
) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """The finished rows of a band as class ids, nodata set to 255."""
    inside = done.within(*raster.grid.shape)
    if inside.height:
        top = inside.row - done.row
        finished = band[:, top : top + inside.height]
        ids = torch.from_numpy(finished).max(dim=0).indices.numpy().astype(np.uint8)
        known = valid(read(raster, inside))
        ids[~known] = UNLABELLED
        if adding:
            shares = np.where(known, finished / finished.sum(axis=0), np.float32(np.nan))
            for add in adding:
                add(inside, shares)
        yield inside, ids


def _taper(window: int, overlap: int) -> NDArray[np.float32]:
    """Weights that rise over the overlap and whose neighbours sum to one: (window, window)."""
    ramp = (np.arange(overlap) + 0.5) / max(overlap, 1)
    line = np.concatenate([ramp, np.ones(window - 2 * overlap), ramp[::-1]])
    return np.outer(line, line).astype(np.float32)
