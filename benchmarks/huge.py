"""Rasters too large to hold: a virtual one of 60,000 × 60,000 pixels, and a map of more than 4 GB.

The raster is a VRT that repeats a small file of dubai_mbrsc's images (synthetic georeference). Ten windows far apart are asked of it, and
again of the small file's pixels laid side by side in memory: both must find the same probabilities, bit by bit. The same places
are cut out as rasters of their own and mapped by `geopointseg predict`; in their middle, where no border is near, the classes must be
those of the window of the huge one mapped alone. `predict --dry-run` tells its plan, if this version has it.

A map of 66,000 × 66,000 pixels (4.4 GB uncompressed) is written from windows made up on the way, read back in places, and must
be a BigTIFF; with --quick one of 20,000 × 20,000, which must not.
"""

import math
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from benchmarks.harness import finish, parser, table
from benchmarks.prediction_data import PLACE, command, given_or_trained, pictures, write_raster
from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid, Window
from geopointseg.learning.backends import Computing, predictor
from geopointseg.learning.bundle import load
from geopointseg.learning.infer import probabilities
from geopointseg.maps.lattice import Lattice, Windowing
from geopointseg.maps.write import write_map
from geopointseg.raster import open_raster

SIDE = 512
BIG = 43  # the version number of a BigTIFF

Ids = NDArray[np.uint8]


def write_virtual(path: Path, small: Path, side: int) -> Path:
    """A square VRT of this side, filled with a small file again and again."""
    with rasterio.open(small) as source:
        (height, width), crs, transform = source.shape, source.crs.to_wkt(), source.transform.to_gdal()
    root = ET.Element("VRTDataset", rasterXSize=str(side), rasterYSize=str(side))
    ET.SubElement(root, "SRS").text = crs
    ET.SubElement(root, "GeoTransform").text = ", ".join(map(repr, transform))
    for band in (1, 2, 3):
        made = ET.SubElement(root, "VRTRasterBand", dataType="Byte", band=str(band))
        for row in range(0, side, height):
            for col in range(0, side, width):
                down, across = min(height, side - row), min(width, side - col)
                part = ET.SubElement(made, "SimpleSource")
                ET.SubElement(part, "SourceFilename", relativeToVRT="1", shared="1").text = small.name
                ET.SubElement(part, "SourceBand").text = str(band)
                size = {"xSize": str(across), "ySize": str(down)}
                ET.SubElement(part, "SrcRect", xOff="0", yOff="0", **size)
                ET.SubElement(part, "DstRect", xOff=str(col), yOff=str(row), **size)
    ET.ElementTree(root).write(path)
    return path


def places(side: int, count: int) -> list[Window]:
    """Windows far apart: the corners, and others drawn with a seed."""
    far = side - SIDE
    corners = [(0, 0), (0, far), (far, 0), (far, far)]
    drawn = np.random.default_rng(0).integers(0, far, (count - len(corners), 2)).tolist()
    return [Window(row, col, SIDE, SIDE) for row, col in [*corners, *map(tuple, drawn)]]


def repeated(pixels: Ids, window: Window) -> Ids:
    """What the huge raster holds in a window, from the pixels of the small file."""
    rows = np.arange(window.row, window.row + window.height) % pixels.shape[1]
    cols = np.arange(window.col, window.col + window.width) % pixels.shape[2]
    return pixels[:, rows[:, None], cols]


def asked_far_apart(model: Path, virtual: Path, pixels: Ids, some: list[Window]) -> tuple[int, float]:
    """Of how many windows the huge raster's probabilities are those of the pixels, and the seconds for a window."""
    ask, raster = predictor(load(model), Computing("torch", "32-true")), open_raster(virtual)
    ask(np.zeros((1, 3, SIDE, SIDE), np.float32))
    equal, start = 0, time.perf_counter()
    found = [probabilities(ask, raster, [window])[0] for window in some]
    seconds = (time.perf_counter() - start) / len(some)
    for window, share in zip(some, found, strict=True):
        equal += bool((ask(repeated(pixels, window)[None].astype(np.float32))[0] == share).all())
    return equal, seconds


def mapped_alone(model: Path, virtual: Path, window: Window, pixels: Ids, folder: Path) -> bool:
    """Whether a map of a window of the huge raster, opened from it, is that of a file with the same pixels."""
    maps = []
    cut = folder / "cut.vrt"
    with rasterio.open(virtual) as source:
        place = source.window_transform(window.to_rasterio())
    root = ET.parse(virtual).getroot()
    root.attrib |= {"rasterXSize": str(window.width), "rasterYSize": str(window.height)}
    transform = root.find("GeoTransform")
    assert transform is not None
    transform.text = ", ".join(map(repr, place.to_gdal()))
    for part in root.iter("DstRect"):
        part.attrib |= {
            "xOff": str(int(part.attrib["xOff"]) - window.col),
            "yOff": str(int(part.attrib["yOff"]) - window.row),
        }
    ET.ElementTree(root).write(cut)
    for raster in (cut, write_raster(folder / "file.tif", repeated(pixels, window))):
        out = folder / "alone.tif"
        options = ("--backend", "torch", "--precision", "32-true", "--allow", "values")
        command("predict", model, raster, "--out", out, "--overwrite", *options)
        with rasterio.open(out) as source:
            maps.append(source.read(1))
    return bool((maps[0] == maps[1]).all())


def plan(model: Path, virtual: Path, folder: Path) -> str:
    """What --dry-run tells of the huge raster; empty where there is no such option."""
    try:
        return command("predict", model, virtual, "--out", folder / "huge.tif", "--dry-run").strip()
    except (GeoPointSegError, RuntimeError):
        return ""


def fits(told: str, side: int) -> bool:
    """Whether a plan has the windows of a raster of this side, but for those on the borders of strips, which come twice."""
    found = re.search(rf"{side} x {side} pixels, (\d+) windows", told)
    lattice = len(Lattice(side, side, Windowing()).rows) ** 2
    return bool(found and lattice <= int(found[1]) < 1.1 * lattice)


def write_big(path: Path, side: int) -> tuple[bool, float, float]:
    """Write a map of this side; whether it is a BigTIFF with the right pixels, the seconds, and MiB at the peak."""
    classes = Classes.of(["bare", "grass", "road", "water", "woodland", "building"])
    grid = Grid(rasterio.CRS.from_epsg(32640), from_origin(300_000, 2_800_000, 0.5, 0.5), side, side)

    def windows() -> Iterator[tuple[Window, Ids]]:
        for window in grid.tiles(4096):
            yield window, ids_of(window)

    start = time.perf_counter()
    write_map(path, grid, classes, windows())
    seconds = time.perf_counter() - start
    with path.open("rb") as file:
        big = int.from_bytes(file.read(4)[2:], "little") == BIG
    with rasterio.open(path) as made:
        for window in places(side, 10):
            if (made.read(1, window=window.to_rasterio()) != ids_of(window)).any():
                raise RuntimeError(f"wrong pixels at {window}")
    return big, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ids_of(window: Window) -> Ids:
    """Made-up classes: patches of 64 x 64 pixels."""
    rows = np.arange(window.row, window.row + window.height) // 64
    cols = np.arange(window.col, window.col + window.width) // 64
    return ((rows[:, None] * 7 + cols * 3 + (rows[:, None] ^ cols)) % 6).astype(np.uint8)


def main() -> None:
    """Ask, map, write."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--model", type=Path, help="a bundle for three uint8 bands; by default one is trained")
    arguments.add_argument("--no-map", action="store_true", help="leave the large map out")
    chosen = arguments.parse_args()
    side, count, big_side = (60_000, 4 if chosen.quick else 10, 20_000 if chosen.quick else 66_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given_or_trained(chosen.model, folder, 15 if chosen.quick else 150)
        pixels = np.ascontiguousarray(next(pictures())[:, :1800, :1900])
        small = write_raster(folder / "small.tif", pixels)
        virtual = write_virtual(folder / "huge.vrt", small, side)
        some = places(side, count + 2)[2:]
        equal, seconds = asked_far_apart(model, virtual, pixels, some)
        alone = sum(
            mapped_alone(model, virtual, window, pixels, folder) for window in some[: 2 if chosen.quick else None]
        )
        told = plan(model, virtual, folder)
        figures: dict[str, float] = {
            "windows asked": len(some),
            "of these with the probabilities of the pixels": equal,
            "windows mapped alone": 2 if chosen.quick else len(some),
            "of these with the map of a file of their pixels": alone,
            "seconds for a window of the huge raster": round(seconds, 3),
        }
        met = equal == len(some) and alone == figures["windows mapped alone"]
        if told:
            figures["the plan of --dry-run is right"] = float(fits(told, side))
            met = met and fits(told, side)
        if not chosen.no_map:
            big, took, peak = write_big(folder / "big.tif", big_side)
            wanted = big_side**2 > 2**32
            figures |= {
                "side of the large map": big_side,
                "GB uncompressed": round(big_side**2 / 1e9, 2),
                "is a BigTIFF": float(big),
                "MP/s of writing it": round(big_side**2 / took / 1e6, 1),
                "peak memory of the process, MiB": round(peak),
            }
            met = met and (big if wanted else not big) and math.isfinite(took)
    rows = [["figure", "value"], *([key, f"{value:g}"] for key, value in figures.items())]
    text = f"VRT of {side} x {side} over a file of {pixels.shape[1]} x {pixels.shape[2]}; at {PLACE.c:g}, {PLACE.f:g}\n{table(rows)}"
    text += f"\n\nwhat --dry-run tells of it:\n{told}" if told else "\n\nno --dry-run in this version"
    targets = {
        "windows": "the same probabilities bit by bit, the same maps",
        "map": "a BigTIFF from 4 GB uncompressed on",
    }
    finish(text, figures, targets, met=met, out=chosen.out)


if __name__ == "__main__":
    main()
