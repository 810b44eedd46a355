"""What a query costs against a prediction: processor time of `geopointseg predict` and `query` on one raster, and peak memory.

A uint8 RGB COG made of images of dubai_mbrsc (synthetic georeference) is mapped, and asked about, each by a child process that
does what a user's call does, its start included. Processor time is user and system time of all threads of the child. The
query knows a layer of points already, which are laid anywhere.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import geopandas as gpd
import numpy as np

from benchmarks.harness import finish, parser, table
from benchmarks.peak import MIB, peak_memory
from benchmarks.prediction_data import command, given_or_trained, mosaic
from geopointseg.learning.bundle import load
from geopointseg.raster import open_raster

POINTS = 150  # known already
RATIO, MOST = 1.3, 2000 * 1e6 / MIB  # the bounds: times a prediction, and MiB
WAYS = "predict", "query"


def write_points(path: Path, image: Path, names: list[str]) -> Path:
    """Write a layer of points of any class, anywhere on a raster."""
    grid, draw = open_raster(image).grid, np.random.default_rng(0)
    west, south, east, north = grid.bounds
    places = gpd.points_from_xy(draw.uniform(west, east, POINTS), draw.uniform(south, north, POINTS))
    frame = gpd.GeoDataFrame({"class": draw.choice(names, POINTS)}, geometry=places, crs=grid.crs.to_wkt())
    frame.to_file(path)
    return path


def child(way: str, folder: Path, model: Path) -> None:
    """Do it, and print seconds of processor time and MiB at the peak of this process."""
    image, out = folder / "mosaic.tif", folder / f"{way}.{'tif' if way == 'predict' else 'gpkg'}"
    if way == "predict":
        command("predict", model, image, "--out", out, "--overwrite")
    else:
        known = ("--points", folder / "points.gpkg", "--class-field", "class")
        command("query", "--model", model, "--raster", image, *known, "--out", out, "--overwrite")
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([used.ru_utime + used.ru_stime, peak_memory()]))


def measured(way: str, folder: Path, model: Path) -> list[float]:
    """Seconds of processor time and MiB at the peak of a child that does it."""
    call = [sys.executable, "-m", "benchmarks.query_speed", "--child", way, str(folder), "--model", str(model)]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return [seconds, peak]


def main() -> None:
    """Map, ask, compare."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--model", type=Path, help="a bundle for three uint8 bands; by default one is trained")
    arguments.add_argument("--side", type=int, help="of the raster; by default 10,000 pixels, and 1,344 with --quick")
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--child", nargs=2, help="used by itself: what to do, and in which folder")
    chosen = arguments.parse_args()
    if chosen.child:
        child(chosen.child[0], Path(chosen.child[1]), chosen.model)
        return
    side = chosen.side or (1344 if chosen.quick else 10_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given_or_trained(chosen.model, folder, 15 if chosen.quick else 150)
        image = mosaic(folder / "mosaic.tif", side, side)
        names = list(load(model).classes.names)
        write_points(folder / "points.gpkg", image, names)
        tries = [{way: measured(way, folder, model) for way in WAYS} for _ in range(chosen.rounds)]
        told = json.loads((folder / "query.query.json").read_text())
    seconds = {way: statistics.median(one[way][0] for one in tries) for way in WAYS}
    peaks = {way: max(one[way][1] for one in tries) for way in WAYS}
    figures = {
        "query / predict, processor time": round(seconds["query"] / seconds["predict"], 3),
        "query: peak memory, MiB": round(peaks["query"]),
        "superpixels": told["superpixels"],
        "questions": told["asked"],
    }
    targets = {"query / predict, processor time": f"<= {RATIO}", "query: peak memory, MiB": f"< {MOST:.0f}"}
    met = figures["query / predict, processor time"] <= RATIO and peaks["query"] < MOST
    rows = [["", "processor time, s", "peak memory, MiB"]]
    rows += [[way, f"{seconds[way]:.0f}", f"{peaks[way]:.0f}"] for way in WAYS]
    title = f"{side} x {side} uint8 RGB COG, {len(names)} classes, {POINTS} points known, rounds: {chosen.rounds}"
    text = f"{title}\n{table(rows)}\n\n{told['superpixels']} superpixels, {told['asked']} questions"
    finish(text, figures, targets, met=met, out=chosen.out)


if __name__ == "__main__":
    main()
