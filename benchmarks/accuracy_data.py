"""What the accuracy benchmark learns from and is judged on: images, truth, clicks and pseudo-masks, made once and kept.

Images without a place get one that is made up, far from the others; Dubai's publisher states no size of a pixel, so that it
is taken to be 1 m. In `same-place` every image is cut into a checkerboard: clicks and dense labels come from the blocks
of one colour, the others are judged, and a frame of every block is neither. In `new-place` whole tiles are learnt from or judged.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS

from benchmarks.harness import DATA
from benchmarks.networks import dense_masks
from geopointseg.classes import UNLABELLED, Classes
from geopointseg.grid import Grid, Window
from geopointseg.labels import pseudomask
from geopointseg.labels.points import Points, write_points
from geopointseg.labels.pseudomask import Spreading, mask, mask_paths
from geopointseg.labels.strategies import draw_points
from geopointseg.raster import creating, open_raster, raster_classes, read_labels
from geopointseg.synthetic import CLASS_NAMES, draw_scene

__all__ = ["DATA_SETS", "SETTINGS", "Data", "Setting", "clicks", "cores", "dense", "prepare", "pseudo_masks"]

Pixels = NDArray[np.uint8]
Drawing = Callable[[str], tuple[Pixels, Pixels]]
"""Makes an image (bands, height, width) and its class ids (height, width) from its name."""
SettingName = Literal["same-place", "new-place", "validation"]
SETTINGS: tuple[SettingName, ...] = ("same-place", "new-place", "validation")
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


@dataclass(frozen=True, slots=True)
class Setting:
    """Where methods learn and where they are judged."""

    name: SettingName
    folder: Path
    """For clicks and pseudo-masks."""
    images: list[Path]
    truth: list[Path]
    """Of `images`; 255 wherever no label may come from."""
    ground: list[list[Window]]
    """Of `images`: where labels may come from."""
    tests: list[Path]
    judged: list[Path]
    """Truth of `tests`; 255 wherever they are not judged."""


def dubai(folder: Path) -> Data:
    """The 54 images of dubai_mbrsc, split by tile."""
    source = DATA / "dubai_mbrsc"
    stems = sorted(path.stem for path in (source / "images").glob("*.jpg"))
    splits = {
        split: [stem for stem in stems if stem.startswith(tuple(tiles))] for split, tiles in split_of(source).items()
    }

    def drawing(stem: str) -> tuple[Pixels, Pixels]:
        pixels = np.asarray(Image.open(source / "images" / f"{stem}.jpg"))
        return np.moveaxis(pixels, -1, 0), np.asarray(Image.open(source / "masks" / f"{stem}.png"))

    codes = {1: "building", 2: "land", 3: "road", 4: "vegetation", 5: "water"}
    return write_scenes(folder, splits, drawing, codes, block=256)


def korea(folder: Path) -> Data:
    """The 28 Sentinel-2 patches of korea_sentinel2, split by place; their own places overlap, so they are not kept."""
    codes = {10: "building", 30: "road", 50: "field", 70: "forest", 100: "background"}
    return from_pairs(folder, DATA / "korea_sentinel2", codes, pixel=10)


def india(folder: Path) -> Data:
    """The 44 four-band scenes of india_rgb_ir, split by scene."""
    codes = {1: "built-up", 2: "vegetation", 3: "water"}
    return from_pairs(folder, DATA / "multispectral" / "india_rgb_ir", codes, pixel=5)


def synthetic(folder: Path) -> Data:
    """Six small made-up scenes: four to train on, one to validate on, one to test on."""
    splits = {"train": ["scene0", "scene1", "scene2", "scene3"], "val": ["scene4"], "test": ["scene5"]}

    def drawing(stem: str) -> tuple[Pixels, Pixels]:
        return draw_scene(384, 384, seed=int(stem.removeprefix("scene")))

    return write_scenes(folder, splits, drawing, dict(enumerate(CLASS_NAMES)), block=128)


DATA_SETS: dict[str, Callable[[Path], Data]] = {
    "dubai": dubai,
    "korea": korea,
    "india": india,
    "synthetic": synthetic,
}
"""What writes each data set into a folder, once."""


def split_of(source: Path) -> dict[str, list[str]]:
    """What split.json says."""
    found: dict[str, list[str]] = json.loads((source / "split.json").read_text())
    return found


def from_pairs(folder: Path, source: Path, codes: Mapping[int, str], *, pixel: float) -> Data:
    """Images and masks of the same names in two folders."""

    def drawing(stem: str) -> tuple[Pixels, Pixels]:
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


def prepare(data: Data, name: SettingName) -> Setting:
    """The images and truth of a setting; what it needs beside the whole images is written once."""
    folder = data.folder / name
    if name != "same-place":
        images, truth = data.paths("images", "train"), data.paths("truth", "train")
        split = "test" if name == "new-place" else "val"
        ground = [[Window(0, 0, *open_raster(path).grid.shape)] for path in truth]
        return Setting(name, folder, images, truth, ground, data.paths("images", split), data.paths("truth", split))
    images, truth = data.paths("images"), data.paths("truth")
    ground = []
    for number, path in enumerate(truth):
        for part, colour in (("learnt", number), ("judged", number + 1)):
            windows = cores(*open_raster(path).grid.shape, block=data.block, colour=colour)
            keep_windows(path, folder / part / path.name, windows)
            if part == "learnt":
                ground.append(windows)
    learnt, judged = ([folder / part / path.name for path in truth] for part in ("learnt", "judged"))
    return Setting(name, folder, images, learnt, ground, images, judged)


def cores(height: int, width: int, *, block: int, colour: int) -> list[Window]:
    """The blocks of one colour of a checkerboard, each without a frame of a sixteenth of its side.

    Between two blocks of different colour a gap of an eighth is left, as `geopointseg check` leaves it.

    Args:
        height: Rows of the image.
        width: Its columns.
        block: Side of a block in pixels.
        colour: Even for the colour of the first block, odd for the other.
    """
    frame = block // 16
    windows = [
        Window(row, col, block, block).grown(-frame).within(height, width)
        for row in range(0, height, block)
        for col in range(0, width, block)
        if (row // block + col // block + colour) % 2 == 0
    ]
    return [window for window in windows if window.height and window.width]


def keep_windows(source: Path, out: Path, windows: list[Window]) -> None:
    """Copy a truth raster's windows; 255 elsewhere."""
    if out.exists():
        return
    grid = open_raster(source).grid
    kept = np.full(grid.shape, UNLABELLED, np.uint8)
    for window in windows:
        kept[window.row : window.row + window.height, window.col : window.col + window.width] = read_labels(
            source, window
        )
    write_truth(out, grid, kept, raster_classes(source))


def clicks(setting: Setting, budget: int, seed: int) -> Path:
    """Simulated clicks, drawn once: so many per 512² pixels of known truth, each class of an image alike.

    What lies outside the ground that labels may come from is held out in the layer, so that no pseudo-mask labels it.
    """
    path = setting.folder / "points" / f"{budget}-{seed}.gpkg"
    if path.exists():
        return path
    rng = np.random.default_rng([seed, budget])
    classes = raster_classes(setting.truth[0])
    frames, closed = [], []
    for truth, windows in zip(setting.truth, setting.ground, strict=True):
        grid = open_raster(truth).grid
        labels = read_labels(truth, Window(0, 0, *grid.shape))
        count = max(1, round(budget * np.count_nonzero(labels != UNLABELLED) / 512**2))
        rows, cols = draw_points(labels, count, rng, per="image")
        places = gpd.points_from_xy(*grid.xy(rows, cols))
        frames.append(gpd.GeoDataFrame({"class_id": labels[rows, cols]}, geometry=places, crs=grid.crs.to_wkt()))
        ground = shapely.union_all([shapely.box(*grid.window_bounds(window)) for window in windows])
        closed.append(shapely.box(*grid.bounds).difference(ground))
    frame = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True))
    frame["class_name"] = np.array(classes.names, dtype=object)[frame["class_id"]]
    frame["class_id"] = frame["class_id"].astype("Int64")
    frame["source_fid"], frame["status"], frame["reason"], frame["split"] = frame.index + 1, "used", "", "train"
    closed = [shape for shape in closed if not shape.is_empty]
    held_out = gpd.GeoDataFrame({"block": range(len(closed))}, geometry=closed, crs=frame.crs)
    write_points(Points(frame, classes, held_out), path)
    return path


def pseudo_masks(setting: Setting, budget: int, seed: int, spreading: Spreading) -> Path:
    """The folder of pseudo-masks from these clicks, made once, and again when the code that makes them has changed."""
    folder = setting.folder / "masks" / labels_code() / f"{spreading.spread}-{budget}-{seed}"
    if not (folder / "mask.json").exists():  # which is written last
        images = [str(image) for image in setting.images]
        mask(images, points=clicks(setting, budget, seed), spreading=spreading, out=folder, overwrite=True)
    return folder


def labels_code() -> str:
    """Eight characters that change with the code of `geopointseg.labels`."""
    sources = sorted(Path(pseudomask.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def dense(setting: Setting) -> Path:
    """The folder of dense labels in the layout of pseudo-masks, made once."""
    folder = setting.folder / "masks" / "dense"
    if not mask_paths(folder, open_raster(setting.images[-1]))[1].exists():  # which is written last
        dense_masks(setting.images, setting.truth, raster_classes(setting.truth[0]), folder)
    return folder
