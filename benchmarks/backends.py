"""Backends: what computes a trained network how fast, and how often it gives the class that float32 gives.

The default network is trained for some steps on images of dubai_mbrsc (synthetic georeference; dense truth stands in for
pseudo-masks), then asked about windows of 512 and 1024 pixels of images of other tiles, each backend in turn after a warm-up.
The peer is the same network in plain PyTorch: float32, eager, channels first, `no_grad`. Ratios are of medians. Without the
optional packages their rows are missing. The gates are: every backend in float32 gives at least 99.9 % of the classes of
float32, and the one that `--backend auto` takes is not slower than torch's own.
"""

import copy
import itertools
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.harness import DATA, finish, parser, race, table
from benchmarks.training import trainer, write_study
from geopointseg.learning.agreement import Ask, Pixels, compare
from geopointseg.learning.augment import augment
from geopointseg.learning.backends import MAKERS, predictor, with_torch
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.graph import onnx_graph
from geopointseg.learning.judge import check_bfloat16
from geopointseg.learning.task import PointSegmentationTask


def train(data: PointDataModule, steps: int) -> PointSegmentationTask:
    """The default network after so many steps."""
    lightning.seed_everything(0, verbose=False)
    task = PointSegmentationTask(data.card, steps=steps)
    step = trainer(task)
    generator = torch.Generator().manual_seed(0)
    for batch in itertools.islice(itertools.chain.from_iterable(itertools.repeat(data.train_dataloader())), steps):
        step(augment(batch, data.augmentation, data.statistics, generator))
    return task.eval()


def plain(task: PointSegmentationTask) -> Ask:
    """The same network as a user of PyTorch would ask it."""
    network = copy.deepcopy(task.model).to(memory_format=torch.contiguous_format).eval()
    mean, std = task.band_mean, task.band_std

    def ask(pixels: Pixels) -> Pixels:
        with torch.no_grad():
            logits: Tensor = network(torch.nan_to_num((torch.from_numpy(pixels) - mean) / std))
            return logits.softmax(dim=1).numpy()

    return ask


def windows(side: int, count: int) -> Iterator[NDArray[np.float32]]:
    """Windows of images that were not trained on, mirrored where an image is smaller: (1, 3, side, side)."""
    source = DATA / "dubai_mbrsc"
    tiles = json.loads((source / "split.json").read_text())["train"]
    others = [path for path in sorted((source / "images").glob("*.jpg")) if path.stem.split("_")[0] not in tiles]
    for path in others[:: max(1, len(others) // count)][:count]:
        image = np.moveaxis(np.asarray(Image.open(path)), -1, 0)[:, :side, :side].astype(np.float32)
        more = [(0, 0), *((0, side - length) for length in image.shape[1:])]
        yield np.ascontiguousarray(np.pad(image, more, mode="symmetric"))[None]


def made(task: PointSegmentationTask, *, compiled: bool) -> tuple[dict[str, Ask], dict[str, float]]:
    """Every way there is to ask a task, and the seconds that each took to be made ready."""
    ways: dict[str, Callable[[], Ask]] = {
        "float32 eager": partial(plain, task),
        "torch float32": partial(with_torch, task),
        "torch bfloat16": partial(with_torch, task, "bf16-mixed"),
    }
    if compiled:
        ways["torch bfloat16 compiled"] = partial(with_torch, task, "bf16-mixed", compiled=True)
    if find_spec("onnxscript"):
        start = time.perf_counter()
        graph = onnx_graph(task)
        exporting = time.perf_counter() - start
        for name in filter(find_spec, MAKERS):
            ways[f"{name} float32"] = partial(MAKERS[name], graph, "32-true")
        if find_spec("openvino"):
            ways["openvino bfloat16"] = partial(MAKERS["openvino"], graph, "bf16-mixed")
    picture = next(windows(512, 1))
    asks, seconds = {}, {}
    for name, make in ways.items():
        start = time.perf_counter()
        asks[name] = make()
        asks[name](picture)  # the first call compiles, chooses kernels and takes memory
        seconds[name] = time.perf_counter() - start + (exporting if name.split()[0] in MAKERS else 0)
    return asks, seconds


def main() -> None:
    """Race all and print the ratios."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--threads", type=int, help="of each backend; by default as many as torch takes")
    arguments.add_argument(
        "--compile", action="store_true", help="torch.compile too: it takes a minute and a C++ compiler"
    )
    chosen = arguments.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    steps, rounds, count = (15, 2, 2) if chosen.quick else (150, 3, 3)
    sides = (512,) if chosen.quick else (512, 1024)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(action="ignore"):
        data = write_study(Path(name), 4 if chosen.quick else 12, min(steps, 40))
        task = train(data, steps)
        task.agreement = check_bfloat16(task, data)
    asks, ready = made(task, compiled=chosen.compile)
    auto = predictor(task)
    figures: dict[str, float] = {"check as training ends: share equal": round(task.agreement.equal, 5)}
    rows = [["backend", "ready in, s", *(f"{side}²: {what}" for side in sides for what in ("MP/s", "ratio", "equal"))]]
    cells: dict[str, list[str]] = {name: [f"{seconds:.1f}"] for name, seconds in ready.items()}
    for side in sides:
        some = list(windows(side, count))
        times = race(rounds, **{name: partial(ask, some[0]) for name, ask in asks.items()})
        exact = {id(window): asks["float32 eager"](window) for window in some}
        base = statistics.median(times["float32 eager"])
        for name, ask in asks.items():
            median = statistics.median(times[name])
            share = compare(ask, lambda window, exact=exact: exact[id(window)], some, chips="windows").equal
            figures |= {f"{name}: times float32 eager, {side}²": round(base / median, 2)}
            figures |= {f"{name}: share equal, {side}²": round(share, 5)}
            cells[name] += [f"{side * side / median / 1e6:.2f}", f"{base / median:.2f}", f"{share:.4f}"]
    rows += [[name, *cell] for name, cell in cells.items()]
    own = f"{auto.backend} {'bfloat16' if auto.precision == 'bf16-mixed' else 'float32'}"
    shares = [value for name, value in figures.items() if " float32: share equal" in name]
    ratios = [(figures[f"{own}: times float32 eager, {side}²"], side) for side in sides]
    torch_own = f"torch {own.split()[1]}"
    met = min(shares) >= 0.999 and all(
        ratio >= 0.95 * figures[f"{torch_own}: times float32 eager, {side}²"] for ratio, side in ratios
    )
    targets = {"… float32: share equal": ">= 0.999", "auto: times torch in its number format": ">= 0.95"}
    title = (
        f"U-Net ResNet-18 after {steps} steps, {torch.get_num_threads()} threads, {count} windows of tiles not trained on\n"
        f"--backend auto: {auto}"
    )
    finish(f"{title}\n{table(rows)}", figures, targets, met=met, out=chosen.out)


if __name__ == "__main__":
    main()
