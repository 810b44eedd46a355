"""Prediction: rasters become maps, shard by shard, on one processor or many, from where an earlier call stopped."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.learning.backends import AUTO, Computing, Predictor, predictor
from geopointseg.learning.bundle import load
from geopointseg.learning.ensemble import require_alike, together
from geopointseg.learning.hub import lasting
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.accept import Difference, accept
from geopointseg.maps.classify import classify
from geopointseg.maps.compute import Portion, compute, portions
from geopointseg.maps.job import Job, Tidying, new_job, read_manifest
from geopointseg.maps.lattice import Shard, Windowing
from geopointseg.maps.merge import merge_job, merged_files, require_place
from geopointseg.maps.outlook import Outlook, foresee, require_room
from geopointseg.maps.provenance import model_tags, raster_tags
from geopointseg.maps.scores import Scores, score_path
from geopointseg.maps.shards import begin, fits_held, remove_shards, shard_path, unfinished
from geopointseg.raster import Raster, find_rasters, open_raster
from geopointseg.remote import plain_name
from geopointseg.run import SERIAL, Running, run

__all__ = ["PredictReport", "classify", "predict"]

PIECES = 4  # portions for each worker, so that none waits long for the last
WINDOWING, SCORES, TIDYING = Windowing(), Scores(), Tidying()


@dataclass(frozen=True, slots=True)
class PredictReport:
    """The files written, and what computed them; or what they would take."""

    files: tuple[Path, ...]
    predictor: Predictor
    outlooks: tuple[Outlook, ...] = ()
    kept: int = 0
    """Shards that an earlier call had finished."""
    following: str | None = None
    """What to do next, if not what the command always says."""

    def __str__(self) -> str:
        """The account for people."""
        kept = [f"went on from {self.kept} shards that were finished before"] if self.kept else []
        return "\n".join([*map(str, self.outlooks), *kept, str(self.predictor)])


def predict(
    model: str | Path,
    rasters: Sequence[str],
    *,
    out: Path = Path("maps"),
    ensemble: Sequence[str] = (),
    windowing: Windowing = WINDOWING,
    computing: Computing = AUTO,
    running: Running = SERIAL,
    shard: str | None = None,
    dry_run: bool = False,
    crs: str | None = None,
    nodata: float | None = None,
    allow: Sequence[Difference] = (),
    scores: Scores = SCORES,
    tidying: Tidying = TIDYING,
    overwrite: bool = False,
) -> PredictReport:
    """Classify rasters with a trained model.

    Finished shards lie in MAP.tif.shards until the maps are done: the same call goes on from there, and what it ends with
    is the same, bit by bit.

    Args:
        model: The folder model/ that 'geopointseg train' or 'run' wrote, a checkpoint, or hf://organisation/name.
        rasters: Raster files, folders, globs, or https://…, s3://… and other names that GDAL opens.
        out: The map to write, ending in .tif, or a folder for one map per raster.
        ensemble: Other models of the same classes and bands, whose probabilities are averaged with the model's.
        windowing: How the network looks at a raster.
        computing: What computes the network, and in which number format.
        running: Where the work is done.
        shard: Compute the i-th of n parts only, as 1/8, for jobs that run at once; 'geopointseg merge' puts the maps
            together.
        dry_run: Say what it would take, and write nothing.
        crs: CRS of rasters that have none.
        nodata: No-data value of rasters that declare none; by default the one the model was trained with.
        allow: Differences from the rasters of training that are no reason to refuse a raster.
        scores: What is written beside the map.
        tidying: What is done to the classes in the end.
        overwrite: Replace existing maps.

    Returns:
        The files written (for each raster the map, its .aux.xml, .qml and .json, and the scores asked for), and what
        computed them.

    Raises:
        GeoPointSegError: wrong options, a raster the model was not made for, a map that would replace another file, no
            room on the disk, or a worker that died.
    """
    part = _part(shard)
    if len({lasting(name) for name in (model, *ensemble)}) <= len(ensemble):
        raise GeoPointSegError(f"expected every model once, got {', '.join(map(str, (model, *ensemble)))}")
    models = {str(name): load(name) for name in (model, *ensemble)}
    require_alike(models)
    opened = _opened(rasters, models, crs=crs, nodata=nodata, allow=allow)
    targets = _targets(out, opened, scores)
    made = together(list(models.values()), computing) if ensemble else predictor(models[str(model)], computing)
    settled = replace(computing, backend=made.backend, precision=made.precision)
    classes = Classes.from_records(models[str(model)].hparams["card"]["classes"])
    options = {"window": windowing.window, "overlap": windowing.overlap, **tidying.options(), "tta": computing.tta}
    tags = model_tags(models, options) | {"BACKEND": f"{made.backend} {made.precision}"}
    jobs = [
        new_job(target, raster, classes, windowing, scores.kinds, tidying, tags | raster_tags(raster))
        for raster, target in zip(opened, targets, strict=True)
    ]
    if dry_run:
        return PredictReport((), made, tuple(foresee(job, made, running) for job in jobs), following="")
    for job in jobs:
        if part is None and read_manifest(job.target) is None:
            remove_shards(job.target)  # of a run that was killed while it removed them
        require_place(job, overwrite=overwrite)
    todo, kept = _todo(jobs, part)
    work = [
        Portion(job, some, tuple(map(lasting, models)), settled, running.threads)
        for job, shards in todo
        for some in portions(shards, _pieces(running, len(shards), len(todo)))
    ]
    doing = partial(compute, predictor=made) if running.executor == "serial" else compute
    ending = run(doing, work, [portion.name for portion in work], running)
    if part is not None:
        done = [shard_path(work[number].job, each) for number in ending for each in work[number].shards]
        return PredictReport(tuple(sorted(done)), made, kept=kept, following=f"geopointseg merge {out}")
    files = _merged(jobs, [portion.job for portion in work], ending, overwrite=overwrite)
    return PredictReport(files, made, kept=kept)


def _part(shard: str | None) -> tuple[int, int] | None:
    """The numbers in 1/8.

    Raises:
        GeoPointSegError: there are none.
    """
    if shard is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise GeoPointSegError(f"expected a part as 1/8, from 1/8 to 8/8, got {shard}: change --shard")
    return int(found[1]), int(found[2])


def _opened(
    rasters: Sequence[str],
    models: Mapping[str, PointSegmentationTask],
    *,
    crs: str | None,
    nodata: float | None,
    allow: Sequence[Difference],
) -> list[Raster]:
    """The rasters, with the bands of the models, which all accept them."""
    cards = [task.hparams["card"] for task in models.values()]
    given = cards[0]["nodata"] if nodata is None else nodata
    opened = [open_raster(path, crs=crs, nodata=given) for path in find_rasters(rasters)]
    for card in cards:
        opened = [accept(raster, card, allow) for raster in opened]
    return opened


def _todo(jobs: Sequence[Job], part: tuple[int, int] | None) -> tuple[list[tuple[Job, list[Shard]]], int]:
    """What is left to compute of each job, of all its shards or of those in a part; and how many are finished already.

    Raises:
        GeoPointSegError: the disk has no room, or a folder holds shards of something else.
    """
    everything = [(job, shard) for job in jobs for shard in job.lattice.shards()]
    number, count = part or (1, 1)
    chosen = everything[len(everything) * (number - 1) // count : len(everything) * number // count]
    require_room([job for job in jobs if fits_held(job) is None])
    todo: list[tuple[Job, list[Shard]]] = []
    kept = 0
    for job, group in groupby(chosen, key=itemgetter(0)):
        if begin(job, shared=part is not None) != "done" or not job.target.exists():
            own, left = [shard for _, shard in group], set(unfinished(job))
            todo.append((job, [shard for shard in own if shard in left]))
            kept += len(own) - len(todo[-1][1])
    return todo, kept


def _pieces(running: Running, shards: int, jobs: int) -> int:
    """Into how many portions a job is cut: of a cluster that runs already nobody knows how large it is."""
    if running.executor == "serial":
        return 1
    return shards if running.scheduler else -(-PIECES * running.count // jobs)


def _merged(jobs: Sequence[Job], worked: Sequence[Job], ending: Iterator[int], *, overwrite: bool) -> tuple[Path, ...]:
    """The maps, each merged as soon as its last portion is done.

    Args:
        jobs: All of this call.
        worked: The job of each portion.
        ending: Numbers of portions, as they end.
        overwrite: Replace existing maps.
    """
    left = Counter(job.target for job in worked)
    files: dict[Path, list[Path]] = {}
    for job in jobs:
        if not left[job.target]:
            there = fits_held(job) == "done" and job.target.exists()
            files[job.target] = merged_files(job) if there else merge_job(job, overwrite=overwrite)
    for number in ending:
        job = worked[number]
        left[job.target] -= 1
        if not left[job.target]:
            files[job.target] = merge_job(job, overwrite=overwrite)
    for job in jobs:
        remove_shards(job.target)
    return tuple(file for job in jobs for file in files[job.target])


def _targets(out: Path, rasters: Sequence[Raster], scores: Scores) -> list[Path]:
    """Where the map of each raster goes.

    Raises:
        GeoPointSegError: several maps in one file, or a map in place of a raster.
    """
    single = out.suffix.lower() in (".tif", ".tiff")
    if single and len(rasters) > 1:
        raise GeoPointSegError(f"expected a folder as --out for {len(rasters)} rasters, got {out}")
    targets = [out if single else out / f"{Path(plain_name(raster.path)).stem}.tif" for raster in rasters]
    sources = {raster.path.resolve() for raster in rasters}
    for number, target in enumerate(targets):
        if target in targets[:number]:
            raise GeoPointSegError(
                f"expected rasters of different names, got {target.stem} more than once: rename one of them"
            )
        if target.resolve() in sources:
            raise GeoPointSegError(f"expected a new file, got the raster {target} itself: choose another --out")
        for kind in scores.kinds:
            if score_path(target, kind) in targets:
                raise GeoPointSegError(
                    f"expected rasters of different names, got {target.stem} and {target.stem}_{kind}, which is the name "
                    "of the scores of the first: rename one of them"
                )
    return targets
