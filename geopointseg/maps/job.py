"""A job: all that a map's shards and their merging need to be told, as a value and as the manifest of a folder.

What must be the same for shards to fit together are the facts: the raster, the model, and every option that changes a bit
of a probability. What is done with finished shards (pooling, sieving) is no fact.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import rasterio
from affine import Affine
from rasterio.crs import CRS

from geopointseg import __version__
from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing
from geopointseg.grid import Grid
from geopointseg.maps.accept import sample
from geopointseg.maps.lattice import Lattice, Windowing
from geopointseg.maps.scores import Score
from geopointseg.raster import Raster
from geopointseg.remote import is_remote, located

__all__ = [
    "Job",
    "State",
    "Tidying",
    "content_of",
    "difference",
    "folder_of",
    "new_job",
    "read_manifest",
    "write_manifest",
]

MANIFEST = "manifest.json"
State = Literal["computing", "merging", "done"]
"""Merging: files at the map's place may be ours. Done: the map is there, others of the same call are not yet."""


@dataclass(frozen=True, slots=True)
class Tidying:
    """What is done to the classes in the end, once all are there.

    Args:
        pool: vote gives every superpixel of the raster the class that most of its pixels have, mean the class that is
            the likeliest on the mean of their probabilities.
        pool_size: Mean area of those superpixels, in pixels.
        mmu: Minimum mapping unit in m²: smaller patches go to the neighbour with the longest common border. It comes
            last; the scores stay those of the network.
    """

    pool: Literal["vote", "mean"] | None = None
    pool_size: int = 100
    mmu: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            GeoPointSegError: so it is.
        """
        if (self.mmu is not None and not self.mmu > 0) or self.pool_size < 2:
            raise GeoPointSegError(
                f"expected a minimum mapping unit above 0 m² and superpixels of at least 2 pixels, got {self.mmu} and "
                f"{self.pool_size}: change --mmu or --pool-size"
            )

    def options(self) -> dict[str, Any]:
        """What a map's tags say of it."""
        return {"pool": self.pool, "pool_size": self.pool_size if self.pool else None, "mmu": self.mmu}


@dataclass(frozen=True, slots=True)
class Job:
    """One raster to be mapped."""

    target: Path
    """The map."""
    raster: Raster
    classes: Classes
    windowing: Windowing
    scores: tuple[Score, ...]
    """What is written beside the map."""
    tidying: Tidying
    tags: Mapping[str, str]
    """Of the map and the scores: see `geopointseg.maps.provenance`."""
    facts: Mapping[str, Any]
    """What must be the same for shards to fit together."""

    @property
    def lattice(self) -> Lattice:
        """Where its windows and shards lie."""
        return Lattice(*self.raster.grid.shape, self.windowing)

    @property
    def folder(self) -> Path:
        """Where its shards lie."""
        return folder_of(self.target)

    @property
    def identity(self) -> str:
        """SHA-256 of the facts: what every shard carries."""
        return hashlib.sha256(json.dumps(dict(self.facts), sort_keys=True).encode()).hexdigest()


def new_job(
    target: Path,
    raster: Raster,
    classes: Classes,
    windowing: Windowing,
    scores: Sequence[Score],
    tidying: Tidying,
    tags: Mapping[str, str],
) -> Job:
    """A job with its facts, which it takes from the tags, the options and the state of the raster's files."""
    facts = {
        "version of geopointseg": __version__,
        "model": tags["MODEL_SHA256"],
        "backend": tags["BACKEND"],
        "tta": json.loads(tags["OPTIONS"])["tta"],
        "classes": classes.to_tag(),
        "raster": tags["RASTER_SHA256"],
        "content of the raster": content_of(raster),
        **{name.replace("_", "-"): getattr(windowing, name) for name in Windowing.__slots__},
        "scores": list(scores),
        "pool-mean": tidying.pool == "mean",
    }
    return Job(target, raster, classes, windowing, tuple(scores), tidying, tags, facts)


def folder_of(target: Path) -> Path:
    """The folder of shards of a map: map.tif gives map.tif.shards."""
    return target.with_name(f"{target.name}.shards")


def content_of(raster: Raster) -> str:
    """SHA-256 of what would change if a raster's pixels did.

    That is the name, size and time of change of each of its files, or of one that lies elsewhere some of its pixels.
    """
    if is_remote(raster.path):
        return hashlib.sha256(sample(raster).tobytes()).hexdigest()
    with rasterio.open(raster.path) as source:
        files = [Path(file) for file in source.files if not file.endswith((".aux.xml", ".ovr"))]
    known = [(path.name, (found := path.stat()).st_size, found.st_mtime_ns) for path in files if path.is_file()]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In what two sets of facts differ, in words; empty if in nothing."""
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    short = [f"{name} (was {old.get(name)}, is {new.get(name)})" for name in changed if not _is_long(name, old, new)]
    return ", ".join([*(name for name in changed if _is_long(name, old, new)), *short])


def _is_long(name: str, *facts: Mapping[str, Any]) -> bool:
    """Whether a fact is a hash, or something else nobody reads."""
    return any(len(str(each.get(name))) > 40 for each in facts)


def write_manifest(job: Job, state: State) -> None:
    """Note a job in its folder."""
    grid = job.raster.grid
    text = json.dumps(
        {
            "state": state,
            "facts": dict(job.facts),
            "tags": dict(job.tags),
            "classes": job.classes.to_tag(),
            "windowing": {name: getattr(job.windowing, name) for name in Windowing.__slots__},
            "scores": list(job.scores),
            "tidying": {name: getattr(job.tidying, name) for name in Tidying.__slots__},
            "raster": {
                "path": located(job.raster.path) if is_remote(job.raster.path) else str(job.raster.path.resolve()),
                "crs": grid.crs.to_wkt(),
                "transform": list(grid.transform)[:6],
                "shape": list(grid.shape),
                "bands": list(job.raster.bands),
                "names": list(job.raster.names),
                "dtype": job.raster.dtype,
                "nodata": None if job.raster.nodata is None else str(job.raster.nodata),  # JSON has no NaN
            },
        },
        indent=1,
        ensure_ascii=False,
    )
    with replacing(job.folder / MANIFEST, overwrite=True) as partial:
        partial.write_text(text, encoding="utf-8")


def read_manifest(target: Path) -> tuple[Job, State] | None:
    """The job whose shards lie beside a map, if there is one.

    Raises:
        GeoPointSegError: its manifest is not one of ours.
    """
    path = folder_of(target) / MANIFEST
    if not path.is_file():
        return None
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        raster = held["raster"]
        grid = Grid(CRS.from_wkt(raster["crs"]), Affine(*raster["transform"]), *raster["shape"])
        nodata = None if raster["nodata"] is None else float(raster["nodata"])
        job = Job(
            target=target,
            raster=Raster(
                Path(raster["path"]), grid, tuple(raster["bands"]), tuple(raster["names"]), raster["dtype"], nodata
            ),
            classes=Classes.from_tag(held["classes"]),
            windowing=Windowing(**held["windowing"]),
            scores=tuple(held["scores"]),
            tidying=Tidying(**held["tidying"]),
            tags=held["tags"],
            facts=held["facts"],
        )
        state: State = held["state"]
    except (ValueError, KeyError, TypeError) as error:
        raise GeoPointSegError(
            f"expected a manifest of 'geopointseg predict', got {path} ({error!r}): remove the folder {path.parent} to "
            "start afresh"
        ) from error
    return job, state
