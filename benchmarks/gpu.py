"""A GPU against the CPU: end to end, with and without lanes, in both number formats. Without a GPU it says so, and that is all.

The default network with random weights for three uint8 bands and six classes maps a mosaic of dubai_mbrsc's images, as `geopointseg
predict` does, but for the start: `classify` and `write_map` are timed, in turn after a warm-up. Plain: one thread reads, sends,
computes, fetches and blends in turn. Lanes: as `predict` does on a GPU. Classes are compared with those of the CPU in float32.
"""

import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import torch

from benchmarks.harness import finish, parser, race, table
from benchmarks.predict import equal, six_classes
from benchmarks.prediction_data import mosaic
from geopointseg.learning.agreement import Ask
from geopointseg.learning.backends import with_torch
from geopointseg.learning.bundle import load
from geopointseg.learning.gpu import LANES, with_lanes
from geopointseg.learning.overlap import ahead
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.classify import classify
from geopointseg.maps.write import write_map
from geopointseg.raster import open_raster


def run(task: PointSegmentationTask, ask: Ask, image: Path, out: Path, *, batch_size: int, lanes: int) -> None:
    """A map on disk."""
    raster = open_raster(image)
    windows = classify(task, raster, ask=ask, batch_size=batch_size, lanes=lanes)
    windows = ahead(windows) if lanes > 1 else windows
    write_map(out, raster.grid, task.classes, windows, overwrite=True)


def main() -> None:
    """Race all, and print the ratios."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--side", type=int, help="of the raster, in pixels")
    arguments.add_argument("--batch-size", type=int, default=8)
    arguments.add_argument("--rehearse", action="store_true", help="take the CPU for the GPU: tries the benchmark out")
    chosen = arguments.parse_args()
    if not torch.cuda.is_available() and not chosen.rehearse:
        finish("no GPU here: nothing measured", {}, {}, met=True, out=chosen.out)
        return
    side = chosen.side or (2048 if chosen.quick else 10_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image, model = mosaic(folder / "mosaic.tif", side, side), six_classes(folder)
        task = load(model)
        on_cpu = load(model).to("cpu")
        ways = {
            "GPU float32, plain": (task, with_torch(task), 1),
            "GPU float32, lanes": (task, with_lanes(task), LANES),
            "GPU bfloat16, plain": (task, with_torch(task, "bf16-mixed"), 1),
            "GPU bfloat16, lanes": (task, with_lanes(task, "bf16-mixed"), LANES),
            "CPU float32": (on_cpu, with_torch(on_cpu), 1),
        }
        places = {way: folder / f"{number}.tif" for number, way in enumerate(ways)}
        runners = {
            way: partial(run, net, ask, image, places[way], batch_size=chosen.batch_size, lanes=lanes)
            for way, (net, ask, lanes) in ways.items()
        }
        times = race(1 if chosen.quick else 3, **runners)
        same = {way: equal(place, places["CPU float32"]) for way, place in places.items()}
        with rasterio.open(places["CPU float32"]) as made:
            classes = len(np.unique(made.read(1)))
    median = {way: statistics.median(each) for way, each in times.items()}
    rows = [["way", "MP/s", "times CPU", "equal pixels"]]
    rows += [
        [way, f"{side * side / taken / 1e6:.2f}", f"{median['CPU float32'] / taken:.2f}", f"{same[way]:.4f}"]
        for way, taken in median.items()
    ]
    gains = {
        f"lanes / plain, {kind}": round(median[f"GPU {kind}, plain"] / median[f"GPU {kind}, lanes"], 3)
        for kind in ("float32", "bfloat16")
    }
    identical = {f"lanes equal plain, {kind}": same[f"GPU {kind}, lanes"] for kind in ("float32", "bfloat16")}
    figures = gains | {f"{way}: times CPU": round(median["CPU float32"] / taken, 2) for way, taken in median.items()}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "the CPU in place of a GPU (rehearsal)"
    title = f"{device}; {side} x {side}, batches of {chosen.batch_size}, {classes} classes on the map"
    targets = {"GPU float32: equal pixels": ">= 0.999"}
    met = same["GPU float32, lanes"] >= 0.999
    finish(f"{title}\n{table(rows)}", figures | identical, targets, met=met, out=chosen.out)


if __name__ == "__main__":
    main()
