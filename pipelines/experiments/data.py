"""Images with dense truth to experiment on, written once as georeferenced rasters.

Images without a place get one that is made up, far from the others; Dubai's publisher states no size of a pixel, so that it
is taken to be 1 m.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Grid
from geopointseg.raster import creating
from geopointseg.synthetic import CLASS_NAMES, draw_scene

__all__ = ["DATA_SETS", "Data", "write_data", "write_scenes", "write_truth"]

Pixels = NDArray[np.uint8]
Drawing = Callable[[str], tuple[Pixels, Pixels]]
"""Makes an image (bands, height, width) and its class ids (height, width) from its name."""
CRS_OF_ALL = CRS.from_epsg(32640)  # where Dubai lies
APART = 10_000  # metres from one made-up place to the next


@dataclass(frozen=True, slots=True)
class Data:
    """Georeferenced images with dense truth, on disk."""

    folder: Path
    block: int
    """Side of a block of `same-place` in pixels; a sixteenth of it is left out on each of its sides."""
    splits: Mapping[str, list[str]]
    """Names of the images to train on, to validate on and to test on."""

    def paths(self, kind: Literal["images", "truth"], split: str | None = None) -> list[Path]:
        """Images or truth of a split, or all, by name."""
        chosen = self.splits if split is None else (split,)
        return [self.folder / kind / f"{name}.tif" for name in sorted(chain(*(self.splits[one] for one in chosen)))]


def dubai(root: Path, folder: Path) -> Data:
    """The 54 images of dubai_mbrsc, split by tile."""
    source = root / "dubai_mbrsc"
    stems = sorted(path.stem for path in (source / "images").glob("*.jpg"))
    splits = {
        split: [stem for stem in stems if stem.startswith(tuple(tiles))] for split, tiles in split_of(source).items()
    }

    def drawing(stem: str) -> tuple[Pixels, Pixels]:
        pixels = np.asarray(Image.open(source / "images" / f"{stem}.jpg"))
        return np.moveaxis(pixels, -1, 0), np.asarray(Image.open(source / "masks" / f"{stem}.png"))

    codes = {1: "building", 2: "land", 3: "road", 4: "vegetation", 5: "water"}
    return write_scenes(folder, splits, drawing, codes, block=256)


def korea(root: Path, folder: Path) -> Data:
    """The 28 Sentinel-2 patches of korea_sentinel2, split by place; their own places overlap, so they are not kept."""
    codes = {10: "building", 30: "road", 50: "field", 70: "forest", 100: "background"}
    return from_pairs(folder, root / "korea_sentinel2", codes, pixel=10)


def india(root: Path, folder: Path) -> Data:
    """The 44 four-band scenes of india_rgb_ir, split by scene."""
    codes = {1: "built-up", 2: "vegetation", 3: "water"}
    return from_pairs(folder, root / "multispectral" / "india_rgb_ir", codes, pixel=5)


def synthetic(root: Path, folder: Path) -> Data:
    """Six small made-up scenes: four to train on, one to validate on, one to test on."""
    splits = {"train": ["scene0", "scene1", "scene2", "scene3"], "val": ["scene4"], "test": ["scene5"]}

    def drawing(stem: str) -> tuple[Pixels, Pixels]:
        return draw_scene(384, 384, seed=int(stem.removeprefix("scene")))

    return write_scenes(folder, splits, drawing, dict(enumerate(CLASS_NAMES)), block=128)


def synthetic_seasons(root: Path, folder: Path) -> Data:
    """Smaller made-up scenes with an infrared band, each in September and, with brown plants and less light, in December."""
    split = {"train": (0, 1), "val": (2,), "test": (3,)}
    splits = {
        name: [f"{date}_scene{seed}" for date in ("202309", "202412") for seed in seeds]
        for name, seeds in split.items()
    }

    def drawing(stem: str) -> tuple[Pixels, Pixels]:
        pixels, truth = draw_scene(192, 192, bands=4, seed=int(stem.partition("_scene")[2]))
        return (wintry(pixels, truth) if stem.startswith("202412") else pixels), truth

    return write_scenes(folder, splits, drawing, dict(enumerate(CLASS_NAMES)), block=64)


def wintry(pixels: Pixels, truth: Pixels) -> Pixels:
    """A made-up December: plants as red as green and half as bright in the infrared, and less light on everything."""
    plants = np.isin(truth, [CLASS_NAMES.index("woodland"), CLASS_NAMES.index("grass")])
    light = pixels.astype(np.float32)
    light[0][plants] = light[1][plants]
    light[3][plants] /= 2
    return np.round(0.8 * light).astype(np.uint8)


DATA_SETS: dict[str, Callable[[Path, Path], Data]] = {
    "dubai": dubai,
    "korea": korea,
    "india": india,
    "synthetic": synthetic,
    "synthetic-seasons": synthetic_seasons,
}
"""What writes each data set, from the folder of all data, into a folder, once. The last two need no data."""


def write_data(name: str, root: Path | None, folder: Path) -> Data:
    """Write a data set, but for what is there already.

    Args:
        name: Of the data set.
        root: The folder that holds dubai_mbrsc, korea_sentinel2 and multispectral; not needed for what is made up.
        folder: To write to.

    Raises:
        GeoPointSegError: there is none of this name, or its files are not in `root`.
    """
    if name not in DATA_SETS:
        raise GeoPointSegError(f"expected a data set among {', '.join(DATA_SETS)}, got {name}: change --data")
    if root is None and not name.startswith("synthetic"):
        raise GeoPointSegError(f"expected the folder that holds the data set {name}, got none: give it as --root")
    try:
        return DATA_SETS[name](root or folder, folder)
    except FileNotFoundError as error:
        raise GeoPointSegError(
            f"expected the data set {name} in {root}, got no {error.filename}: give the folder that holds it as --root"
        ) from error


def split_of(source: Path) -> dict[str, list[str]]:
    """What split.json says."""
    found: dict[str, list[str]] = json.loads((source / "split.json").read_text())
    return found


def from_pairs(folder: Path, source: Path, codes: Mapping[int, str], *, pixel: float) -> Data:
    """Images and masks of the same names in two folders."""

    def drawing(stem: str) -> tuple[Pixels, Pixels]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # they get a place here
            image, mask = (rasterio.open(source / kind / f"{stem}.tif") for kind in ("images", "masks"))
        with image, mask:
            return image.read(), mask.read(1)

    return write_scenes(folder, split_of(source), drawing, codes, block=256, pixel=pixel)


def write_scenes(
    folder: Path,
    splits: Mapping[str, list[str]],
    drawing: Drawing,
    codes: Mapping[int, str],
    *,
    block: int,
    pixel: float = 1,
) -> Data:
    """Write the images and truth that are not there yet as GeoTIFFs, each at a place of its own.

    Args:
        folder: To write to.
        splits: Names of the images of each split.
        drawing: Makes an image and its truth.
        codes: Value in the truth and name of each class; other values are unlabelled.
        block: Of Data.
        pixel: Side of a pixel in metres.
    """
    classes = Classes.colored(tuple(codes.values()), range(len(codes)))
    lookup = np.full(256, UNLABELLED, np.uint8)
    lookup[list(codes)] = range(len(codes))
    for number, stem in enumerate(sorted(chain(*splits.values()))):
        if (folder / "truth" / f"{stem}.tif").exists():
            continue
        pixels, truth = drawing(stem)
        corner = Affine(pixel, 0, 300_000 + APART * number, 0, -pixel, 2_800_000)
        grid = Grid(CRS_OF_ALL, corner, *truth.shape)
        with creating(folder / "images" / f"{stem}.tif", grid, count=len(pixels), overwrite=True) as target:
            target.write(pixels)
        write_truth(folder / "truth" / f"{stem}.tif", grid, lookup[truth], classes)
    return Data(folder, block, splits)


def write_truth(path: Path, grid: Grid, truth: NDArray[np.uint8], classes: Classes) -> None:
    """Write class ids with their names and colours."""
    with creating(path, grid, nodata=UNLABELLED, overwrite=True) as target:
        target.write_colormap(1, classes.colormap())
        target.update_tags(CLASSES=classes.to_tag())
        target.write(truth, 1)
