"""Pseudo-masks at scale: `geopointseg mask` on a large raster, against the superpixels in the touched windows alone.

The peer does what cannot be left out: it reads the windows that hold clicks, with their halo, and cuts them at every scale.
Each runs in a process of its own, for its peak memory; imports and compiled code are loaded before the clock starts.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from rasterio.transform import from_origin

from benchmarks.harness import finish, options, table
from geopointseg.classes import Classes
from geopointseg.labels.points import Points, write_points
from geopointseg.raster import raster_classes
from geopointseg.scene import write_scene

CODE = """
import json, resource, time
from pathlib import Path
import numpy as np
from geopointseg.labels.points import load_points
from geopointseg.labels.propagate import superpixels_at
from geopointseg.labels.pseudomask import Spreading, mask
from geopointseg.labels.sheet import HALO, TILE
from geopointseg.labels.superpixels import scaled
from geopointseg.raster import read
from geopointseg.statistics import open_rasters
for _ in superpixels_at(np.random.default_rng(0).random((3, 64, 64), np.float32)):
    pass
start = time.perf_counter()
{work}
print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))
"""
OURS = "mask([{raster!r}], points=Path({points!r}), spreading=Spreading(), out=Path({out!r}))"
ALONE = """
(raster,), statistics = open_rasters([{raster!r}])
frame = load_points(Path({points!r})).used("train")
rows, cols = raster.grid.rowcol(frame.geometry.x, frame.geometry.y)
for window in raster.grid.tiles(TILE):
    seen = window.grown(HALO).within(*raster.grid.shape)
    if ((rows >= seen.row) & (rows < seen.row + seen.height) & (cols >= seen.col) & (cols < seen.col + seen.width)).any():
        for _ in superpixels_at(scaled(read(raster, seen), statistics)):
            pass
"""


def write_input(folder: Path, side: int, clicks: int) -> dict[str, str]:
    """A large raster, tiled from a synthetic scene, and clicks on it that tell its truth."""
    scene = write_scene(folder / "scene")
    with rasterio.open(scene.image) as source, rasterio.open(scene.truth) as truth_source:
        image, truth = source.read(), truth_source.read(1)
    times = -(-side // min(truth.shape))
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    profile |= {"transform": from_origin(400_000, 5_800_000, 1, 1), "tiled": True, "blockxsize": 512, "blockysize": 512}
    raster = folder / "large.tif"
    with rasterio.open(raster, "w", **profile) as target:
        for band in (1, 2, 3):
            target.write(np.tile(image[band - 1], (times, times))[:side, :side], band)
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(0, side, (2, clicks))
    ids = truth[rows % truth.shape[0], cols % truth.shape[1]].astype(np.int64)
    classes: Classes = raster_classes(scene.truth)
    shapes = gpd.points_from_xy(400_000.5 + cols, 5_799_999.5 - rows)
    columns = {"class_id": ids, "class_name": np.array(classes.names)[ids], "status": "used", "split": "train"}
    frame = gpd.GeoDataFrame(columns | {"source_fid": np.arange(clicks), "reason": ""}, geometry=shapes, crs=32633)
    blocks = gpd.GeoDataFrame({"block": np.zeros(0, np.int64)}, geometry=[], crs=32633)
    points = write_points(Points(frame, classes, blocks), folder / "points.gpkg")
    return {"raster": str(raster), "points": str(points)}


def measure(work: str, **paths: str) -> tuple[float, float]:
    """Seconds, and peak memory in GB."""
    code = CODE.format(work=work.format(**paths))
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, memory = json.loads(run.stdout.splitlines()[-1])
    return seconds, memory


def main() -> None:
    """Print the table."""
    given = options(__doc__ or "")
    side, clicks, rounds = (2048, 80, 1) if given.quick else (10_000, 2000, 1)
    found: dict[str, list[tuple[float, float]]] = {"superpixels alone": [], "geopointseg mask": []}
    with tempfile.TemporaryDirectory() as name:
        paths = write_input(Path(name), side, clicks)
        for number in range(rounds):
            for work, runs in zip((ALONE, OURS), found.values(), strict=True):
                runs.append(measure(work, **paths, out=f"{name}/masks{number}"))
    rows = [("", "seconds", "peak memory")]
    rows += [
        (who, f"{statistics.median(s for s, _ in runs):.1f}", f"{max(m for _, m in runs):.2f} GB")
        for who, runs in found.items()
    ]
    alone, ours = (statistics.median(s for s, _ in runs) for runs in found.values())
    memory = max(m for _, m in found["geopointseg mask"])
    figures = {"times the superpixels alone": ours / alone, "peak memory in GB": memory, "seconds": ours}
    targets = {"times the superpixels alone": "< 1.5", "peak memory in GB": "< 1.5"}
    text = f"{side} x {side} x 3, {clicks} clicks\n\n{table(rows)}"
    finish(text, figures, targets, met=ours / alone < 1.5 and memory < 1.5, out=given.out)


if __name__ == "__main__":
    main()
