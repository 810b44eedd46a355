"""Clusters without a label, held against dense truth: the superpixel-guided network, K-means and ISODATA.

Every image is clustered by itself, as in the published work, and its whole map is scored by one contingency table, unlabelled
truth left out: adjusted mutual information (AMI) and Fowlkes–Mallows index (FMI), the higher the better, and adapted Rand error
(ARE), the lower the better. Figures are means over images, then mean ± standard deviation over seeds. Seconds per megapixel
are all of it: superpixels, learning, finding the clusters, lumping; the second column of them is processor time, which tells more
on a machine that others use too.

The images of the split `val` are not in the tables: on them the options were chosen.

With --large one image of 7200 × 6800 pixels, laid together from real ones, is clustered in a process of its own, and its peak
memory is taken; `--epochs` says for how long.
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from benchmarks.accuracy_data import DATA_SETS
from benchmarks.harness import finish, parser, spread, table
from benchmarks.superpixels import mosaic
from geopointseg.clustering.cluster import cluster
from geopointseg.clustering.find import MERGE, find_partition, found_in, lumped, pieces
from geopointseg.clustering.fit import Learning
from geopointseg.clustering.partition import Method
from geopointseg.contingency import (
    adapted_rand_error,
    adjusted_mutual_information,
    contingency_table,
    fowlkes_mallows,
)
from geopointseg.files import write_json
from geopointseg.grid import Grid
from geopointseg.raster import creating, read_labels
from geopointseg.statistics import open_rasters

ROOT = Path(__file__).resolve().parents[1]
SETS = ("dubai", "korea", "synthetic")
ROWS: dict[str, tuple[Method, float]] = {
    "fcn": ("fcn", MERGE),
    "fcn, not lumped": ("fcn", 0.0),
    "kmeans": ("kmeans", 0.0),
    "kmeans, lumped": ("kmeans", MERGE),
    "isodata": ("isodata", 0.0),
}
"""What is compared: the method, and how near clusters are lumped."""
SCORES = {"AMI": adjusted_mutual_information, "FMI": fowlkes_mallows, "ARE": adapted_rand_error}
LARGE = [7200, 6800]  # rows and columns


def images(given: argparse.Namespace, name: str) -> list[tuple[Path, Path]]:
    """Image and truth of what a set's table is made of, every n-th."""
    data = DATA_SETS[name](given.cache / name)
    judged = [split for split in data.splits if split != "val"]
    pairs = [
        pair for split in judged for pair in zip(data.paths("images", split), data.paths("truth", split), strict=True)
    ]
    return sorted(pairs)[:: given.every[given.sets.index(name) % len(given.every)]]


def measure(image: Path, truth: Path, method: Method, seed: int, learning: Learning, folder: Path) -> dict[str, Any]:
    """Scores of every row of a method, and seconds per megapixel."""
    (raster,), statistics = open_rasters([image])
    start, busy = time.perf_counter(), time.process_time()
    partition = find_partition([raster], statistics, method=method, seed=seed, learning=learning, folder=folder)
    found: dict[str, Any] = {}
    with found_in(raster, partition, near=folder / "ids.tif") as path:
        first, worked = time.perf_counter() - start, time.process_time() - busy
        for row, (of, near) in ROWS.items():
            if of == method:
                start, busy = time.perf_counter(), time.process_time()
                final = lumped(partition, [raster], [path], near)
                seconds, work = first + time.perf_counter() - start, worked + time.process_time() - busy
                k = len(final.means)
                counts = np.zeros((255, k), np.int64)
                for window, ids in pieces(path, raster, final.table):
                    counts += contingency_table(read_labels(truth, window), ids, (255, k))
                scores: dict[str, float | None] = {name: score(counts) for name, score in SCORES.items()}
                megapixels = raster.grid.height * raster.grid.width / 1e6
                found[row] = scores | {"clusters": k, "s/Mpx": seconds / megapixels, "CPU s/Mpx": work / megapixels}
    return found


def cells(given: argparse.Namespace, name: str) -> Iterator[tuple[tuple[Path, Path], Method, int, Path]]:
    """What a set's table is made of: image and truth, method, seed, and where the figures are kept."""
    for image, truth in images(given, name):
        for method in dict.fromkeys(method for method, _ in ROWS.values()):
            for seed in given.seeds:
                how = f"-{given.tile}-{given.epochs}" if method == "fcn" else ""
                yield (image, truth), method, seed, given.results / name / f"{image.stem}-{method}{how}-{seed}.json"


def fill(given: argparse.Namespace) -> None:
    """Compute what is missing of this shard."""
    shard, shards = (int(part) for part in given.shard.split("/"))
    wanted = [cell for name in given.sets for cell in cells(given, name)]
    for (image, truth), method, seed, path in wanted[shard - 1 :: shards]:
        if given.again or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            learning = Learning(epochs=given.epochs, tile=given.tile)
            write_json(path, measure(image, truth, method, seed, learning, path.parent))
            print(f"{image.stem}, {method}, seed {seed}", flush=True)


def tabulated(found: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[str, list[float]]:
    """Means over the images of each seed, by column; found are one row's figures of each image."""
    columns = (*SCORES, "clusters", "s/Mpx", "CPU s/Mpx")
    kept = [rows for rows in found.values() if rows]
    values = {
        column: [[row[column] for row in rows if row.get(column) is not None] for rows in kept] for column in columns
    }
    return {column: [mean(own) for own in seeds if own] for column, seeds in values.items()}


def tables(given: argparse.Namespace) -> tuple[str, dict[str, float], bool]:
    """The tables of what is there, its figures, and whether the network is ahead of both others in AMI everywhere."""
    lines, figures, ahead = [], {}, []
    for name in given.sets:
        kept: dict[str, dict[int, list[Any]]] = {row: {} for row in ROWS}
        stems = set()
        wanted = list(cells(given, name))
        waiting = {(image, seed) for (image, _), _, seed, path in wanted if not path.exists()}
        for (image, _), _, seed, path in wanted:
            if (image, seed) not in waiting:  # all methods have seen it
                stems.add(image.stem)
                for row, scores in json.loads(path.read_text()).items():
                    kept[row].setdefault(seed, []).append(scores)
        rows = [["", *SCORES, "clusters", "s/Mpx", "CPU s/Mpx", "images × seeds"]]
        for row, found in kept.items():
            if found:
                columns = tabulated(found)
                done = " + ".join(str(len(each)) for each in found.values())
                rows.append([row, *(spread(values) if values else "–" for values in columns.values()), done])
                figures |= {f"{name}: {row}: {column}": round(mean(v), 4) for column, v in columns.items() if v}
        best = [figures.get(f"{name}: {row}: AMI") for row in ("fcn", "kmeans", "isodata")]
        ahead.append(None not in best and best[0] > max(best[1:]))
        lines += [f"{name}: {', '.join(sorted(stems))}", table(rows), ""]
    return "\n".join(lines), figures, all(ahead)


def large(given: argparse.Namespace) -> tuple[str, dict[str, float]]:
    """Seconds and peak memory of a large image, in a process that does nothing else."""
    path = given.cache / f"large_{given.shape[0]}_{given.shape[1]}.tif"
    if not path.exists():
        grid = Grid(CRS.from_epsg(32640), Affine(1, 0, 300_000, 0, -1, 2_800_000), *given.shape)
        pixels = mosaic(max(given.shape))[: given.shape[0], : given.shape[1]]
        with creating(path, grid, count=3, overwrite=True) as target:
            target.write(np.moveaxis(pixels, -1, 0))
    with get_context("spawn").Pool(1) as pool:
        seconds, peak, clusters = pool.apply(_large, (path, given.cache / "large_map.tif", given.epochs, given.tiles))
    how = f"{given.epochs} epochs" + (f" of {given.tiles} tiles" if given.tiles else "")
    text = f"{given.shape[0]} × {given.shape[1]}, {how}: {seconds:.0f} s with superpixels and writing, {peak:.2f} GB at most, "
    return f"{text}{clusters} clusters\n", {"large: seconds": round(seconds, 1), "large: GB": round(peak, 3)}


def _large(path: Path, out: Path, epochs: int, tiles: int | None) -> tuple[float, float, int]:
    """Cluster a file: seconds, gigabytes at most, clusters."""
    start = time.perf_counter()
    report = cluster([str(path)], out=out, learning=Learning(epochs=epochs, tiles=tiles), overwrite=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return time.perf_counter() - start, peak, len(report.partition.means)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    made = parser(__doc__ or "")
    made.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    made.add_argument(
        "--every", type=int, nargs="+", default=[1], help="take every n-th image; one n, or one for each set"
    )
    made.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    made.add_argument("--epochs", type=int, default=10, help="of the network")
    made.add_argument("--tile", type=int, default=512, help="side of what the network learns from at once")
    made.add_argument("--again", action="store_true", help="compute anew what is there")
    made.add_argument("--tiles", type=int, help="with --large, tiles in an epoch")
    made.add_argument("--large", action="store_true", help="cluster one large image instead")
    made.add_argument("--shape", type=int, nargs=2, default=LARGE, help="of the large image: rows and columns")
    made.add_argument("--shard", default="1/1", help="compute the i-th of n parts: i/n")
    made.add_argument("--table", action="store_true", help="only print what is there")
    made.add_argument("--cache", type=Path, default=ROOT / ".cache" / "clustering", help="for images")
    made.add_argument("--results", type=Path, help="for figures by image; by default in the cache")
    given = made.parse_args(words)
    given.results = given.results or given.cache / "results"
    if given.quick:
        given.sets, given.every, given.seeds, given.epochs, given.again = ["synthetic"], [4], [0], 3, True
    return given


def main() -> None:
    """Fill in what is missing and print the tables."""
    given = arguments()
    targets = {"AMI": "the network ahead of K-means and ISODATA on each set"}
    if given.large:
        text, figures = large(given)
        finish(text, figures, {"large: GB": "< 4"}, met=figures["large: GB"] < 4, out=given.out)
        return
    if not given.table:
        fill(given)
    text, figures, met = tables(given)
    finish(text, figures, targets, met=met, out=given.out)


if __name__ == "__main__":
    main()
