"""The folders of LSSQPS, in and out: `Dataset/{Train,Val,Test}/{Images,Target}`, NAME.jpg and NAME.png.

Values of a target are the classes from 1 on; 0 is what nobody labelled, and what LSSQPS calls background: it is not trained on.
Where `classes.csv` lies beside Train, as `to_lssqps` writes it, it names the classes; else they are the four of LandCover.ai.

Source: github.com/santiago2205/LSSQPS, and arXiv 2309.05490.
"""

import csv
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from tqdm import tqdm

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.datasets import landcoverai
from geopointseg.datasets.dataset import Dataset, Pair, classes_of
from geopointseg.datasets.decode import by_codes
from geopointseg.datasets.find import by_stem, first_folder, made_up_place, missing, require_split
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, replacing
from geopointseg.legend.files import read_legend
from geopointseg.raster import Raster, find_rasters, open_raster, raster_classes, read_labels, reading

__all__ = ["DATASET", "LssqpsReport", "Part", "classes", "pairs", "to_lssqps"]

Part = Literal["Train", "Val", "Test"]
PARTS = {"train": "Train", "val": "Val", "test": "Test"}
NAMES = "classes.csv"
_NAMES, _COLORS = landcoverai.CLASSES.names[1:], landcoverai.CLASSES.colors[1:]
DATASET = Dataset(
    name="lssqps",
    title="folders of LSSQPS",
    classes=classes_of(dict(zip(_NAMES, _COLORS, strict=True)), first=1),
    resolution="any",
    size="any",
    licence="of what is in it",
    link="https://github.com/santiago2205/LSSQPS",
    by_hand="name the folder that holds Dataset/Train, Dataset/Val and Dataset/Test",
    splits=tuple(PARTS),
)


@dataclass(frozen=True, slots=True)
class LssqpsReport:
    """What was written for LSSQPS."""

    files: tuple[Path, ...]
    tiles: int
    values: tuple[tuple[str, int], ...]
    """Class and its value in the targets."""

    def __str__(self) -> str:
        """The account for people."""
        values = ", ".join(f"{value} {name}" for name, value in self.values)
        return f"{self.tiles} tiles; values of the targets: 0 unlabelled, {values}"


def classes(root: Path) -> Classes:
    """The classes that the targets hold, by the file beside them."""
    path = _dataset(root) / NAMES
    if not path.is_file():
        return DATASET.classes
    legend = read_legend(path)
    return Classes.colored(legend.names, [legend.codes[name] for name in legend.names], legend.colors)


def pairs(root: Path, split: str = "train") -> list[Pair]:
    """The images of a part.

    Raises:
        GeoPointSegError: no such part, or nothing of it lies here.
    """
    require_split(DATASET, split)
    folder = _dataset(root) / PARTS[split]
    images = by_stem([*(folder / "Images").glob("*.jpg"), *(folder / "Images").glob("*.png")])
    targets = by_stem((folder / "Target").glob("*.png"))
    if not images:
        raise missing(DATASET, root, f"{PARTS[split]}/Images/*.jpg")
    decode = by_codes({code: i for i, code in enumerate(classes(root).codes)}, ignored=[0])
    return [
        Pair(
            name,
            image,
            (targets[name],) if name in targets else (),
            decode,
            names=("red", "green", "blue"),
            place=made_up_place(number, 0.25),
            rgb=True,
        )
        for number, (name, image) in enumerate(images.items())
    ]


def to_lssqps(
    rasters: Sequence[str],
    *,
    truth: list[str],
    part: Part = "Train",
    out: Path = Path("Dataset"),
    tile: int = 512,
    overwrite: bool = False,
) -> LssqpsReport:
    """Write rasters and their class rasters as LSSQPS wants them: tiles in OUT/Train/Images and OUT/Train/Target.

    Args:
        rasters: Rasters of uint8 with three bands or more: files, folders or globs. The first three are taken.
        truth: Class rasters of geopointseg, pseudo-masks too, one for each raster: same file name, or same order.
        part: Train, Val or Test.
        out: Folder that the parts lie in.
        tile: Side of a tile in pixels; what does not fill one at the right and lower edge is left out, and so is a tile without
            one labelled pixel, which is of another split.
        overwrite: Replace existing tiles.

    Returns:
        The account of the tiles, and the values of the classes.

    Raises:
        GeoPointSegError: no size of a tile, or rasters and truth do not pair up, do not lie on one grid, are not of uint8, or are smaller than a tile.
    """
    if tile < 1:
        raise GeoPointSegError(f"expected a --tile of 1 pixel or more, got {tile}")
    images = [open_raster(path) for path in find_rasters(rasters)]
    masks = [open_raster(path) for path in find_rasters(truth)]
    by_name = {mask.path.stem: mask for mask in masks}
    if all(image.path.stem in by_name for image in images):
        masks = [by_name[image.path.stem] for image in images]
    if len(masks) != len(images):
        raise GeoPointSegError(f"expected one class raster for each of {len(images)} rasters, got {len(masks)}")
    named = raster_classes(masks[0].path)
    values = _values(named)
    for image, mask in zip(images, masks, strict=True):
        _require_photograph(image, mask)
    pairs_of = tuple((name, int(values[i])) for i, name in enumerate(named.names))
    rows = [(n, str(v), c) for (n, v), c in zip(pairs_of, named.colors, strict=True) if v]
    _require_same_classes(out / NAMES, rows, overwrite=overwrite)
    folders = [new_folder(out / part / kind) for kind in ("Images", "Target")]
    count = 0
    for image, mask in tqdm(list(zip(images, masks, strict=True)), "cutting", unit="raster", disable=None, leave=False):
        for number, window in enumerate(image.grid.tiles(tile)):  # numbered as LandCover.ai's split.py does
            ids = read_labels(mask.path, window)
            if ids.shape != (tile, tile) or (ids == UNLABELLED).all():
                continue
            stem = f"{image.path.stem}_{number}"
            with reading(image.path, window) as source:
                pixels = source.read(image.bands[:3], window=window.to_rasterio())
            target = values[ids][None]
            _write(folders[0] / f"{stem}.jpg", pixels, "JPEG", overwrite)
            _write(folders[1] / f"{stem}.png", target, "PNG", overwrite)
            count += 1
    if not count:
        raise GeoPointSegError(
            f"expected labelled tiles of {tile} × {tile} pixels, got none: choose a smaller --tile, or check the class rasters"
        )
    with replacing(out / NAMES, overwrite=True) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "code", "color"), *rows])
    return LssqpsReport((*folders, out / NAMES), count, pairs_of)


def _require_photograph(image: Raster, mask: Raster) -> None:
    """Refuse what LSSQPS does not read.

    Raises:
        GeoPointSegError: not three bands of uint8, or truth that does not lie under them.
    """
    if image.dtype != "uint8" or len(image.bands) < 3:
        raise GeoPointSegError(
            f"expected three bands of uint8, got {len(image.bands)} of {image.dtype} in {image.path}: LSSQPS knows photographs only; "
            "'gdal_translate -ot Byte -scale' makes one"
        )
    if not image.grid.matches(mask.grid):
        raise GeoPointSegError(
            f"expected truth on the grid of {image.path}, got {mask.path} on another: give the truth of these rasters, in their order"
        )


def _require_same_classes(path: Path, rows: Sequence[tuple[str, ...]], *, overwrite: bool) -> None:
    """Refuse to rename the classes of another part, whose targets have their values already.

    Raises:
        GeoPointSegError: the file names other classes.
    """
    if overwrite or not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        before = [tuple(row) for row in csv.reader(file)][1:]
    if before != list(rows):
        raise GeoPointSegError(
            f"expected the classes of {path}, {', '.join(row[0] for row in before)}, got {', '.join(row[0] for row in rows)}: choose "
            "another --out, or --overwrite if no other part is of them"
        )


def _values(named: Classes) -> NDArray[np.uint8]:
    """Value of each id in a target: the code where that leaves 0 for the background, else one more than the id."""
    codes = named.codes
    own = min(codes) >= 1 or (codes[0] == 0 and named.names[0].lower() in ("background", "unlabelled"))
    own = own and max(codes) < UNLABELLED and len(set(codes)) == len(codes)
    table = np.zeros(256, np.uint8)
    table[: len(named)] = codes if own else np.arange(1, len(named) + 1)
    return table


def _dataset(root: Path) -> Path:
    """The folder that holds the parts."""
    found = first_folder(root, (".", "Dataset", "NN/Dataset", "src/NN/Dataset"), "*/Images")
    if found is None:
        raise missing(DATASET, root, "Dataset/Train/Images")
    return found


def _write(path: Path, pixels: NDArray[np.uint8], driver: str, overwrite: bool) -> None:
    """Write an image without a place."""
    count, height, width = pixels.shape
    profile = {"count": count, "height": height, "width": width, "dtype": "uint8", "driver": driver}
    quality = {"quality": 95} if driver == "JPEG" else {}
    with (
        replacing(path, overwrite=overwrite) as partial,
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(partial, "w", **profile, **quality) as target,
    ):
        target.write(pixels)
