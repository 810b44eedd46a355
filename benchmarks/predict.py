"""Prediction from file to file: against the network alone, against what users write by hand, and how much memory it takes.

A trained network (U-Net with ResNet-18; dubai_mbrsc, dense truth in place of pseudo-masks) maps a uint8 RGB COG made of images of
tiles that it was not trained on (synthetic georeference), with `geopointseg predict` as a user calls it: reading, blending, COG,
companions and verification included, and what a start takes. It is compared, in turn after a warm-up, with

* the bare network on the same windows already in memory, in plain PyTorch (float32, channels first, no_grad), in our float32, and
  as `--backend auto` computes it;
* the loop that a user of TorchGeo writes: GridGeoSampler, the same windows and overlap, float32, no_grad, stitched in memory;
* a random forest of scikit-learn on pixels with texture, on a part of the raster.

Peak memory is that of child processes which map rasters of several shapes with a network of six classes, less its weights.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from torch.utils.data import DataLoader
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.samplers import GridGeoSampler

from benchmarks.backends import plain
from benchmarks.harness import finish, parser, race, table
from benchmarks.peak import MIB
from benchmarks.prediction_data import command, given_or_trained, mosaic, timed_cogs, write_raster
from geopointseg.classes import Classes
from geopointseg.grid import Window
from geopointseg.labels.looks import TREES
from geopointseg.learning.agreement import Ask
from geopointseg.learning.backends import predictor, with_torch
from geopointseg.learning.bundle import FILES, load, save
from geopointseg.learning.infer import mirrored
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.raster import open_raster, read
from pipelines.experiments.forests import looks

Clock = Callable[[], float]
PARTS = ["speed", "memory"]
BATCH = 1  # windows asked together, as `predict` does


class Rgb(RasterDataset):
    """TorchGeo's reading of an image."""


def windowing(made: Path) -> tuple[int, int]:
    """Side and overlap of the windows that a map was made with."""
    with rasterio.open(made) as source:
        options = json.loads(source.tags()["OPTIONS"])
    return options["window"], options["overlap"]


def in_memory(image: Path, window: int, overlap: int) -> list[NDArray[np.uint8]]:
    """All windows that a map of the raster needs, mirrored beyond it: (bands, window, window)."""
    raster = open_raster(image)
    starts = (range(-overlap // 2, side - overlap // 2, window - overlap) for side in raster.grid.shape)
    rows, cols = map(list, starts)
    return [mirrored(raster, Window(row, col, window, window)).astype(np.uint8) for row in rows for col in cols]


def bare(ask: Ask, windows: list[NDArray[np.uint8]]) -> None:
    """Ask for all windows, and leave the answers."""
    for i in range(0, len(windows), BATCH):
        ask(np.stack(windows[i : i + BATCH]).astype(np.float32))


def torchgeo_loop(task: PointSegmentationTask, image: Path, out: Path, window: int, overlap: int) -> None:
    """A map as a user of TorchGeo makes it: windows stitched in memory, one after the other."""
    ask, (height, width) = plain(task), open_raster(image).grid.shape
    grid = open_raster(image).grid
    dataset = Rgb(str(image))
    sampler = GridGeoSampler(dataset, size=window, stride=window - overlap)
    total = np.zeros((len(task.classes), height + 2 * window, width + 2 * window), np.float32)
    places = iter(sampler)
    for sample in DataLoader(dataset, sampler=sampler, collate_fn=stack_samples):
        x, y, *_ = next(places)
        (row,), (col,) = grid.rowcol([x.start + 1e-6], [y.stop - 1e-6])
        area = np.s_[:, row + window : row + 2 * window, col + window : col + 2 * window]
        total[area] += ask(sample["image"].numpy())[0]
    ids = total[:, window : window + height, window : window + width].argmax(0).astype(np.uint8)
    with rasterio.open(image) as source:
        profile = {"driver": "GTiff", "crs": source.crs, "transform": source.transform, "dtype": "uint8", "count": 1}
    with rasterio.open(out, "w", height=height, width=width, nodata=255, compress="lzw", **profile) as target:
        target.write(ids, 1)


def forest_speed(image: Path, made: Path, folder: Path, side: int, clock: Clock) -> float:
    """Megapixels per second of a forest that has learnt from 2,000 pixels of the map, on a corner of the raster."""
    area = Window(0, 0, side, side)
    part = write_raster(folder / "part.tif", read(open_raster(image), area).astype(np.uint8))
    with rasterio.open(made) as source:
        ids = source.read(1, window=area.to_rasterio())
    found = looks(part)
    chosen = np.random.default_rng(0).choice(side * side, 2000)
    model = RandomForestClassifier(TREES, min_samples_leaf=3, class_weight="balanced", random_state=0, n_jobs=-1)
    model.fit(found.reshape(len(found), -1).T[chosen], ids.ravel()[chosen])
    start = clock()
    found = looks(part)
    model.predict(found.reshape(len(found), -1).T)
    return side * side / (clock() - start) / 1e6


def equal(one: Path, other: Path) -> float:
    """Share of equal pixels of two maps."""
    with rasterio.open(one) as a, rasterio.open(other) as b:
        blocks = [(a.read(1, window=area), b.read(1, window=area)) for _, area in a.block_windows(1)]
    return sum(int((x == y).sum()) for x, y in blocks) / sum(x.size for x, _ in blocks)


def six_classes(folder: Path) -> Path:
    """A bundle of the default network with six classes and random weights."""
    card = {"bands": [1, 2, 3], "band_names": ["band_1", "band_2", "band_3"], "mean": [120.0] * 3, "std": [50.0] * 3}
    card |= {"low": [30.0] * 3, "high": [220.0] * 3, "dtype": "uint8", "nodata": None, "pixel_size": [0.5, 0.5]}
    card |= {"crs": "EPSG:32640", "geographic": False, "chip": 256, "classes": Classes.of(list("abcdef")).records()}
    torch.manual_seed(0)
    return save(PointSegmentationTask(card).eval(), folder / "six")


def peak(model: Path, raster: Path, *options: str) -> float:
    """The most memory, in MiB, of a process that maps a raster, less what the weights take."""
    child = [sys.executable, "-m", "benchmarks.peak", "predict", str(model), str(raster), *options]
    out = ["--out", str(raster.with_name("map.tif")), "--overwrite"]
    done = subprocess.run([*child, *out], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1]) - (model / FILES[0]).stat().st_size / MIB


def memory(folder: Path, side: int, backend: str, *, quick: bool) -> dict[str, float]:
    """Figures of peak memory, of rasters of several shapes and, of half a square, in both number formats."""
    model, square, upper = six_classes(folder), (side, side), (side // 2, side)
    shapes = [square, upper, *([] if quick else [(side * 4, side // 5), (side // 5, side * 4)])]
    tries = [*((shape, "bf16-mixed") for shape in shapes), (upper, "32-true")]
    found: dict[tuple[tuple[int, int], str], float] = {}
    for shape, precision in tries:
        raster = mosaic(folder / "shape.tif", *shape)
        found[shape, precision] = peak(model, raster, "--backend", backend, "--precision", precision)
        raster.unlink()
    figures = {f"peak memory: {h} x {w}, {precision}, MiB": each for ((h, w), precision), each in found.items()}
    figures["peak memory: square / its upper half"] = found[square, "bf16-mixed"] / found[upper, "bf16-mixed"]
    return figures | {"peak memory: the most, MiB": max(found.values())}


def speed(chosen: Namespace, folder: Path, side: int, rounds: int) -> tuple[str, dict[str, float]]:
    """A table, and figures."""
    model = given_or_trained(chosen.model, folder, 15 if chosen.quick else 150)
    image = mosaic(folder / "mosaic.tif", side, side)
    said = command("predict", model, image, "--out", folder / "auto.tif", "--backend", chosen.backend)
    window, overlap = windowing(folder / "auto.tif")
    windows = in_memory(image, window, overlap)
    task = load(model)
    clock: Clock = time.process_time if chosen.cpu_time else time.perf_counter
    start = clock()
    auto = predictor(task)
    ready = clock() - start
    auto(windows[0][None].astype(np.float32))

    def ours(name: str, *options: str) -> None:
        command("predict", model, image, "--out", folder / f"{name}.tif", "--overwrite", *options)

    ways: dict[str, Callable[[], object]] = {
        "bare plain PyTorch": partial(bare, plain(task), windows),
        "bare our float32": partial(bare, with_torch(task), windows),
        "bare auto": partial(bare, auto, windows),
        "end to end float32": partial(ours, "float32", "--backend", "torch", "--precision", "32-true"),
        "end to end auto": partial(ours, "auto", "--backend", chosen.backend),
        "TorchGeo's sampler": partial(torchgeo_loop, task, image, folder / "loop.tif", window, overlap),
    }
    with timed_cogs(clock) as cogs:
        times = race(rounds, clock=clock, **ways)
    median = {name: statistics.median(each) for name, each in times.items()}
    own = median["end to end auto"]
    forest = forest_speed(image, folder / "auto.tif", folder, min(side, 512 if chosen.quick else 1024), clock)
    rows = [["way", "s, median", "least", "most", "MP/s"]]
    rows += [
        [name, f"{median[name]:.2f}", f"{min(each):.2f}", f"{max(each):.2f}", f"{side * side / median[name] / 1e6:.3f}"]
        for name, each in times.items()
    ]
    rows.append(["forest on pixels, a part", "", "", "", f"{forest:.3f}"])
    figures = {
        "end to end float32 / bare plain PyTorch": median["end to end float32"] / median["bare plain PyTorch"],
        "end to end float32 / bare our float32": median["end to end float32"] / median["bare our float32"],
        "end to end auto / bare plain PyTorch": own / median["bare plain PyTorch"],
        "end to end auto / bare auto": own / median["bare auto"],
        "end to end auto without its start / bare auto": (own - ready) / median["bare auto"],
        "a start of auto, s": ready,
        "speed: auto / TorchGeo's loop": median["TorchGeo's sampler"] / own,
        "equal pixels: auto, TorchGeo's loop": equal(folder / "auto.tif", folder / "loop.tif"),
        "equal pixels: auto, float32": equal(folder / "auto.tif", folder / "float32.tif"),
        "speed: auto / forest": side * side / own / 1e6 / forest,
        "COG step, share of auto": statistics.median(cogs[1::2]) / own,
        "compute for overlap": (window / (window - overlap)) ** 2,
    }
    unit = "processor time" if chosen.cpu_time else "wall-clock time"
    how = f"{rounds} rounds, {unit}, {torch.get_num_threads()} threads"
    computed = next(line for line in said.splitlines() if "computed by" in line)
    return f"{side} x {side} uint8 RGB COG, {how}; {computed.strip()}\n\n{table(rows)}\n\n", figures


TARGETS: dict[str, tuple[str, float]] = {
    "end to end float32 / bare plain PyTorch": ("<=", 1.10),
    "end to end auto / bare auto": ("<=", 1.3),
    "compute for overlap": ("<=", 1.2),
    "speed: auto / TorchGeo's loop": (">=", 5),
    "equal pixels: auto, TorchGeo's loop": (">=", 0.99),
    "speed: auto / forest": (">=", 10),
    "COG step, share of auto": ("<", 0.1),
    "peak memory: square / its upper half": ("<=", 1.1),
    "peak memory: the most, MiB": ("<", 1500 * 1e6 / MIB),
}


def reached(figures: dict[str, float]) -> dict[str, bool]:
    """Which targets are met."""
    tests: dict[str, Callable[[float, float], bool]] = {
        "<=": lambda a, b: a <= b,
        "<": lambda a, b: a < b,
        ">=": lambda a, b: a >= b,
    }
    return {name: tests[how](figures[name], bound) for name, (how, bound) in TARGETS.items() if name in figures}


def main() -> None:
    """Measure all, and print the ratios."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--model", type=Path, help="a bundle for three uint8 bands; by default one is trained")
    arguments.add_argument(
        "--side",
        type=int,
        help="of the raster, in pixels; by default 10,000, and 1,344 with --quick, two windows along a side",
    )
    arguments.add_argument("--rounds", type=int, help="by default 3, and 1 with --quick")
    arguments.add_argument(
        "--cpu-time",
        action="store_true",
        help="count processor time, of all threads: for a machine that others use, too",
    )
    arguments.add_argument("--backend", default="auto", help="what `auto` stands for in the table")
    arguments.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured")
    chosen = arguments.parse_args()
    side = chosen.side or (1344 if chosen.quick else 10_000)
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    with tempfile.TemporaryDirectory() as name:
        text, figures = speed(chosen, Path(name), side, rounds) if "speed" in chosen.parts else ("", {})
        if "memory" in chosen.parts:
            figures |= memory(Path(name), side, chosen.backend, quick=chosen.quick)
    figures = {name: round(value, 4) if math.isfinite(value) else value for name, value in figures.items()}
    passed = reached(figures)
    judged = [["figure", "value", "target", ""]]
    for name, value in figures.items():
        target = " ".join(map(str, TARGETS[name])) if name in TARGETS else ""
        judged.append([name, f"{value:.3f}", target, {True: "met", False: "MISSED"}.get(passed.get(name), "")])
    targets = {name: f"{how} {bound:g}" for name, (how, bound) in TARGETS.items() if name in figures}
    finish(f"{text}{table(judged)}", figures, targets, met=all(passed.values()), out=chosen.out)


if __name__ == "__main__":
    main()
