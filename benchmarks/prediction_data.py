"""What the benchmarks of prediction share: a trained model, rasters of any size, and the command as users run it."""

import contextlib
import io
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_origin
from rasterio.windows import Window

import geopointseg.maps.cog
from benchmarks.backends import train
from benchmarks.harness import DATA
from benchmarks.training import write_study
from geopointseg.cli import main
from geopointseg.learning.bundle import save
from geopointseg.learning.judge import check_bfloat16

__all__ = ["command", "given_or_trained", "mosaic", "pictures", "timed_cogs", "write_raster"]

PLACE = from_origin(300_000, 2_800_000, 0.5, 0.5)  # synthetic: the images have none


def given_or_trained(given: Path | None, folder: Path, steps: int) -> Path:
    """A bundle: the one that is given, or else the default network after so many steps on images of dubai_mbrsc."""
    if given:
        return given
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(action="ignore"):
        data = write_study(Path(name), 4 if steps < 50 else 12, min(steps, 40))
        task = train(data, steps)
        task.agreement = check_bfloat16(task, data)
    return save(task, folder / "model")


def pictures() -> Iterator[NDArray[np.uint8]]:
    """Images of dubai_mbrsc of tiles that are not trained on, the largest first: (3, height, width)."""
    source = DATA / "dubai_mbrsc"
    tiles = json.loads((source / "split.json").read_text())["train"]
    others = [path for path in (source / "images").glob("*.jpg") if path.stem.split("_")[0] not in tiles]
    for path in sorted(others, key=lambda path: (-np.prod(Image.open(path).size), path.name)):
        yield np.moveaxis(np.asarray(Image.open(path)), -1, 0)


def write_raster(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write a tiled uint8 GeoTIFF at a made-up place: (bands, height, width)."""
    count, height, width = pixels.shape
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    profile = {"count": count, "height": height, "width": width, "dtype": "uint8", "crs": "EPSG:32640"}
    with rasterio.open(path, "w", **profile, transform=PLACE, **layout) as target:
        target.write(pixels)
    return path


def mosaic(path: Path, height: int, width: int) -> Path:
    """Write a COG of this size (DEFLATE, uint8, RGB), one image beside the other, again and again."""
    base = np.concatenate([each[:, :800, :800] for each in pictures() if min(each.shape[1:]) >= 800][:4], axis=2)
    plain = path.with_suffix(".plain.tif")
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "bigtiff": "if_safer"}
    profile = {"count": 3, "height": height, "width": width, "dtype": "uint8", "crs": "EPSG:32640"}
    with rasterio.open(plain, "w", **profile, transform=PLACE, **layout) as target:
        for row in range(0, height, 512):
            for col in range(0, width, 4096):
                down, across = min(512, height - row), min(4096, width - col)
                rows, cols = (np.arange(a, a + n) for a, n in ((row, down), (col, across)))
                # every row of images starts with another one
                cols = cols[None] + 800 * (rows // 800)[:, None]
                part = base[:, (rows % 800)[:, None], cols % base.shape[2]]
                target.write(part, window=Window(col, row, across, down))
    rasterio.shutil.copy(plain, path, driver="COG", compress="DEFLATE", overviews="NONE", bigtiff="IF_SAFER")
    plain.unlink()
    return path


def command(*arguments: object) -> str:
    """Run geopointseg; what it printed.

    Raises:
        RuntimeError: it failed.
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = main([str(each) for each in arguments])
    if status:
        raise RuntimeError(f"geopointseg {arguments[0]} ended with status {status}: {said.getvalue()}")
    return said.getvalue()


@contextlib.contextmanager
def timed_cogs(clock: Callable[[], float] = time.perf_counter) -> Iterator[list[float]]:
    """Collect the seconds, by a clock, of each turning of a plain GeoTIFF into a COG."""
    seconds: list[float] = []
    copy: Callable[..., object] = geopointseg.maps.cog.rasterio.shutil.copy

    def timed(*arguments: object, **options: object) -> None:
        start = clock()
        copy(*arguments, **options)
        seconds.append(clock() - start)

    geopointseg.maps.cog.rasterio.shutil.copy = timed
    try:
        yield seconds
    finally:
        geopointseg.maps.cog.rasterio.shutil.copy = copy
