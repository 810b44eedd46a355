"""Points: reading, checking and writing many of them, against geopandas alone.

The peer reads the layer, brings it to the raster's CRS, joins it with the raster's outline and writes what lies within:
what an analyst's own script does, without a look at nodata, duplicates, conflicts or classes. Each run is a process of its
own, so that its peak memory is its own.
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

SIDE = 8000  # pixels of 1 m
CLASSES = ("bare soil", "building", "grass", "road", "tree", "water")
OURS = """
from geopointseg.labels.check import check
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource
check([{raster!r}], source=PointSource(Path({points!r}), "landcover"), split=Split(), out=Path({out!r}), overwrite=True)
"""
PEER = """
import geopandas as gpd
import rasterio
from shapely.geometry import box
with rasterio.open({raster!r}) as source:
    outline = gpd.GeoDataFrame(geometry=[box(*source.bounds)], crs=source.crs)
frame = gpd.read_file({points!r}).to_crs(outline.crs)
gpd.sjoin(frame, outline, predicate="within").to_file({out!r}, layer="points")
"""
MEASURED = """
import json, resource, time
from pathlib import Path
start = time.perf_counter()
{work}
print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))
"""


def write_input(folder: Path, count: int) -> dict[str, str]:
    """A raster with a collar of nodata, and points on it and somewhat beyond in another CRS."""
    rng = np.random.default_rng(0)
    raster, points = folder / "raster.tif", folder / "clicks.gpkg"
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 3, "dtype": "uint8", "nodata": 0}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(400_000, 5_800_000, 1, 1), "tiled": True}
    with rasterio.open(raster, "w", **profile) as target:
        for band in (1, 2, 3):
            pixels = rng.integers(1, 255, (SIDE, SIDE), np.uint8)
            pixels[:200] = 0
            target.write(pixels, band)
    x, y = rng.uniform(-100, SIDE + 100, (2, count))
    labels = np.array(CLASSES)[rng.integers(0, len(CLASSES), count)]
    shapes = gpd.points_from_xy(400_000 + x, 5_800_000 - y)
    frame = gpd.GeoDataFrame({"landcover": labels, "no": np.arange(count)}, geometry=shapes, crs=32633)
    frame.to_crs(4326).to_file(points)
    return {"raster": str(raster), "points": str(points)}


def measure(work: str, **paths: str) -> tuple[float, float]:
    """Seconds and peak memory in GB of work in a process of its own; imports count."""
    code = MEASURED.format(work=work.format(**paths))
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, memory = json.loads(run.stdout.splitlines()[-1])
    return seconds, memory


def main() -> None:
    """Print the table."""
    given = options(main.__doc__ or "")
    count, rounds = (100_000, 1) if given.quick else (1_000_000, 3)
    results: dict[str, list[tuple[float, float]]] = {"geopointseg check": [], "geopandas read, sjoin, write": []}
    with tempfile.TemporaryDirectory() as name:
        paths = write_input(Path(name), count)
        for _ in range(rounds):
            for runs, work in zip(results.values(), (OURS, PEER), strict=True):
                runs.append(measure(work, **paths, out=f"{name}/{'ours' if work is OURS else 'peer'}.gpkg"))
    rows = [("", "seconds", "min–max", "peak memory")]
    for who, runs in results.items():
        seconds, memory = zip(*runs, strict=True)
        rows.append(
            (
                who,
                f"{statistics.median(seconds):.1f}",
                f"{min(seconds):.1f}–{max(seconds):.1f}",
                f"{max(memory):.2f} GB",
            )
        )
    ours, peer = results.values()
    figures = {
        "points": count,
        "seconds": statistics.median(s for s, _ in ours),
        "memory_gb": max(m for _, m in ours),
        "times_geopandas": statistics.median(s for s, _ in ours) / statistics.median(s for s, _ in peer),
        "memory_of_geopandas_gb": max(m for _, m in peer),
    }
    text = f"{count:,} points, raster of {SIDE} x {SIDE} x 3\n\n{table(rows)}"
    targets = {"seconds": "< 60 for 1,000,000 points", "memory_gb": "< 2"}
    finish(text, figures, targets, met=figures["seconds"] < 60 and figures["memory_gb"] < 2, out=given.out)


if __name__ == "__main__":
    main()
