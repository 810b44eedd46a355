"""The command line: parse, call one library function, print what it answers.

Every command is a function elsewhere; its signature is the command's options and its docstring their help. Only the
module of the chosen command is imported, so that `geopointseg mask --help` does not wait for torch.
"""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol

from geopointseg import __version__
from geopointseg.errors import GeoPointSegError
from geopointseg.options import call

__all__ = ["main"]


class Report(Protocol):
    """What a command that does more than write files answers: printed, it is the account for people."""

    @property
    def files(self) -> Iterable[Path]:
        """The files written, the one to look at first."""


Answer = Path | str | tuple[Path, ...] | Report

# command: module:function, what it does, what to do next ({0} is the first file written)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("pipelines.points_to_map:run", "from rasters and points to a map, in one go", "open {0} in a browser"),
    "demo": ("pipelines.demo:demo", "the whole job on a synthetic scene", "open {0} in a browser"),
    "scene": (
        "geopointseg.scene:write_scene",
        "make a synthetic scene with dense truth",
        "geopointseg draw {1} --per-class 50",
    ),
    "check": ("geopointseg.labels.check:check", "check points against rasters", "geopointseg mask RASTER --points {0}"),
    "draw": (
        "geopointseg.labels.draw:draw",
        "draw simulated points from dense truth",
        "geopointseg mask RASTER --points {0}",
    ),
    "affinity": (
        "geopointseg.learning.affinity_maps:affinity",
        "say which neighbouring pixels belong together",
        "geopointseg mask RASTER --points points.gpkg --affinity affinities",
    ),
    "mask": ("geopointseg.labels.pseudomask:mask", "spread points over superpixels", "geopointseg train --config …"),
    "train": ("geopointseg.learning.train:train", "train from a YAML file", "geopointseg predict {0} RASTER"),
    "train-affinity": (
        "geopointseg.learning.affinity_fit:train_affinity",
        "train a network that tells which pixels belong together",
        "geopointseg affinity {0} RASTER",
    ),
    "predict": ("geopointseg.maps.predict:predict", "classify rasters", "geopointseg assess {0} --points points.gpkg"),
    "merge": (
        "geopointseg.maps.merge:merge",
        "put maps together from shards",
        "geopointseg assess {0} --points points.gpkg",
    ),
    "cluster": (
        "geopointseg.clustering.cluster:cluster",
        "map what looks alike, without a label",
        "open {0} in QGIS; a few points name the clusters: --points points.gpkg",
    ),
    "query": (
        "geopointseg.maps.query:query",
        "say where to label next",
        "",
    ),
    "suspects": (
        "geopointseg.labels.suspects:suspects",
        "rank existing points that are probably wrong",
        "open {0} in QGIS, and correct the points themselves",
    ),
    "verify": ("geopointseg.maps.verify:verify", "check that a map keeps its contract", ""),
    "polygons": (
        "geopointseg.maps.polygons:polygons",
        "turn a map into polygons with class names and areas",
        "open {0} in QGIS",
    ),
    "colour-masks": (
        "geopointseg.maps.plain:colour_masks",
        "classify plain images, without georeference",
        "",
    ),
    "export": (
        "geopointseg.learning.export:export",
        "write a model as ONNX, for QGIS's plugin Deepness and other programs",
        "choose {0} in QGIS: Plugins > Deepness",
    ),
    "push": ("geopointseg.learning.bundle:push", "share a model", "geopointseg predict {0} RASTER"),
    "assess": ("geopointseg.maps.assess:assess", "score maps against truth or points", ""),
    "sample": (
        "geopointseg.maps.sample:sample",
        "draw a random reference sample from a map, to interpret in QGIS",
        "geopointseg area MAP --points {0}",
    ),
    "area": ("geopointseg.maps.area:area", "estimate class areas in hectares, with intervals, from such a sample", ""),
    "experiment": (
        "pipelines.experiments.experiment:experiment",
        "run a grid of setups × seeds on one data set, and tabulate it",
        "",
    ),
    "datasets": ("geopointseg.datasets.table:table", "list the public data sets that are known", ""),
    "download": (
        "geopointseg.datasets.download:download",
        "fetch a public data set, or unpack what was fetched by hand",
        "geopointseg prepare NAME {0}",
    ),
    "prepare": (
        "geopointseg.datasets.prepare:prepare",
        "make rasters and truth of a public data set",
        "geopointseg draw {1} --per-class 50",
    ),
    "prepare-folder": (
        "geopointseg.datasets.folder:prepare_folder",
        "make rasters and truth of any folder of images and masks",
        "geopointseg draw {1} --per-class 50",
    ),
    "cut-landcoverai": (
        "geopointseg.datasets.landcoverai_tiles:cut",
        "cut LandCover.ai into the tiles of its split.py",
        "",
    ),
    "to-lssqps": ("geopointseg.datasets.lssqps:to_lssqps", "write rasters and truth in the folders of LSSQPS", ""),
    "landcoverai": (
        "pipelines.landcoverai:run",
        "LandCover.ai, from download to map and table",
        "open {0} in a browser",
    ),
    "dataset": (
        "pipelines.dataset:run",
        "any public data set, from download to map and table",
        "open {0} in a browser",
    ),
    "potsdam": ("pipelines.potsdam:run", "ISPRS Potsdam, from its archives to map and table", "open {0} in a browser"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 what was checked does not hold, 2 the input is wrong (one line says how), 130 interrupted.

    Raises:
        SystemExit: 143, ended from outside (SIGTERM).
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    if given and given[0] == "--version":
        print(f"geopointseg {__version__}")
        return 0
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0
    name, *rest = given
    try:
        if name not in COMMANDS:
            raise GeoPointSegError(f"expected a command ({', '.join(COMMANDS)}), got {name}")
        target, _, following = COMMANDS[name]
        with _ending_cleanly():
            result = call(_function(target), f"geopointseg {name}", rest)
        _print_result(result, following)
    except GeoPointSegError as error:
        if debug:
            raise
        print(f"geopointseg: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("geopointseg: interrupted; nothing half-written is left", file=sys.stderr)
        return 130
    return int(getattr(result, "failed", False))


@contextmanager
def _ending_cleanly() -> Iterator[None]:
    """Let SIGTERM (`kill`, a batch system's time limit) leave by way of every `with`, so that nothing half-written stays."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)  # what a shell reports for a process that a signal ended

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _overview() -> str:
    """The list of commands."""
    rows = [f"  {name:<16}{what}" for name, (_, what, _) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: geopointseg COMMAND …",
            "",
            "From a handful of labelled points to a land-cover map.",
            "",
            *rows,
            "",
            "geopointseg COMMAND --help lists the options of a command; --debug shows where an error came from.",
        ]
    )


def _function(target: str) -> Callable[..., Answer]:
    """The function named module:function."""
    module, name = target.split(":")
    function: Callable[..., Answer] = getattr(import_module(module), name)
    return function


def _print_result(result: Answer, following: str) -> None:
    """What a command found, the files it wrote, and what to do next."""
    if isinstance(result, Path | str):  # a model on the hub has no path
        files: list[Path | str] = [result]
    elif isinstance(result, tuple):
        files = list(result)
    else:
        print(result)
        files = list(result.files)
        own = getattr(result, "following", None)
        following = following if own is None else own  # it depends on what was asked
    if files:
        print("wrote", *files, sep="\n  ")
    if files and following:
        print("next:", following.format(*files))
