"""LandCover.ai v1: 41 orthophotos of Poland whole, so that they keep their place.

The archive holds `images/NAME.tif` and `masks/NAME.tif`, `split.py`, which cuts them into tiles of 512 × 512 pixels, and
`train.txt`, `val.txt` and `test.txt`, which name those tiles: NAME_K is tile K of an orthophoto, counted row by row, those
that reach beyond its right or lower edge too, though they are not kept. Here an orthophoto stays whole, and the truth of a
split has 255 where the tiles are not of that split: nothing is lost, and the same pixels train and test as everywhere.

Source: Boguszewski et al. 2021, "LandCover.ai: Dataset for Automatic Mapping of Buildings, Woodlands, Water and Roads from
Aerial Imagery", CVPR Workshops, arXiv 2005.02264.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from rasterio.crs import CRS

from geopointseg.datasets.dataset import Dataset, Pair, Place, RemoteFile, Tiles, classes_of
from geopointseg.datasets.decode import by_codes
from geopointseg.datasets.find import by_stem, missing, require_split
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window

__all__ = ["COUNTS", "DATASET", "Scheme", "cut_tiles", "orthophotos", "pairs", "read_split", "seeded_split"]

Scheme = Literal["official", "lssqps"]
TILE = 512
COUNTS: Mapping[str, int] = {"train": 7470, "val": 1602, "test": 1602}
"""Tiles in the lists of the archive."""
SHARES = (0.6, 0.2, 0.2)  # of train, val and test in LSSQPS
SEED = 100  # of its shuffle

# Its masks hold codes. Of the colours that go with them elsewhere, road and background are both a light grey: ours differ.
CLASSES = classes_of(dict.fromkeys(("background", "building", "woodland", "water", "road"), ""))
DATASET = Dataset(
    name="landcoverai",
    title="LandCover.ai v1",
    classes=CLASSES,
    resolution="0.25 and 0.5 m",
    size="41 orthophotos, 216 km²",
    licence="CC BY-NC-SA 4.0",
    link="https://landcover.ai.linuxpolska.com",
    files=(
        RemoteFile(
            "https://landcover.ai.linuxpolska.com/download/landcover.ai.v1.zip",
            "md5:3268c89070e8734b4e91d531c0617e03",
            1_540_000_000,
        ),
    ),
    terms="CC BY-NC-SA 4.0: for non-commercial use, with attribution, and what is made of it under the same licence",
    archives=("landcover.ai.v1.zip",),
    splits=("train", "val", "test", "all"),
)


def pairs(root: Path, split: str = "train", *, scheme: str = "official", tile: int = TILE) -> list[Pair]:
    """Whole orthophotos with the truth of a split.

    Args:
        root: Folder with images/ and masks/, and for the official scheme the three lists.
        split: train, val or test; all takes every pixel, of edges that no tile covers too.
        scheme: official, by the lists of the archive; lssqps, a shuffle of all tiles with seed 100 cut at 60 and 80 %.
        tile: Side of the tiles that the lists name.

    Raises:
        GeoPointSegError: no such split, something missing, or lists of other lengths than the official ones.
    """
    require_split(DATASET, split)
    if scheme not in ("official", "lssqps"):
        raise GeoPointSegError(f"expected official or lssqps as --scheme of LandCover.ai, got {scheme}")
    images = orthophotos(root)
    chosen: dict[str, Tiles] = {}
    if split != "all":
        if scheme == "official" and tile != TILE:
            _require_lists_of(tile, root, images)
        names = read_split(root, split) if scheme == "official" else seeded_split(images, split, tile=tile)
        numbers = _numbers(names, images)
        chosen = {name: _tiles(image, numbers[name], tile) for name, (image, _) in images.items()}
    decode = by_codes({code: code for code in range(len(CLASSES))})
    place = Place(CRS.from_epsg(2180))
    return [
        Pair(name, image, (mask,), decode, names=("red", "green", "blue"), place=place, tiles=chosen.get(name))
        for name, (image, mask) in images.items()
    ]


def orthophotos(root: Path) -> dict[str, tuple[Path, Path]]:
    """The orthophotos and their masks, by name.

    Raises:
        GeoPointSegError: there are none, or one has no mask.
    """
    images, masks = (by_stem((root / folder).glob("*.tif")) for folder in ("images", "masks"))
    if not images:
        raise missing(DATASET, root, "images/*.tif")
    if lonely := sorted(images.keys() ^ masks.keys()):
        raise GeoPointSegError(
            f"expected a mask for every orthophoto in {root}, got {len(images)} images and {len(masks)} masks; "
            f"{lonely[0]} is alone: unpack the archive again"
        )
    return {name: (path, masks[name]) for name, path in images.items()}


def read_split(root: Path, split: str) -> list[str]:
    """The names of the tiles of a split, as its list in the archive has them.

    Raises:
        GeoPointSegError: the list is missing, or has another length than it was published with.
    """
    path = root / f"{split}.txt"
    if not path.is_file():
        raise missing(DATASET, root, f"the list {path.name}")
    names = path.read_text(encoding="utf-8").split()
    if len(set(names)) != COUNTS[split]:
        raise GeoPointSegError(
            f"expected the {COUNTS[split]} tiles of the official split in {path}, got {len(set(names))}: the file was "
            "changed; unpack the archive again"
        )
    return names


def seeded_split(images: Mapping[str, tuple[Path, Path]], split: str, *, tile: int = TILE) -> list[str]:
    """The tiles of a split in the manner of LSSQPS: all are shuffled with seed 100, and cut at 60 and 80 %.

    LSSQPS shuffles them as its file system lists them, which differs from machine to machine; here they are sorted before.
    It mixes neighbouring tiles of one orthophoto, as the official split does.
    """
    names = np.array(sorted(cut_tiles(images, tile=tile)), dtype=object)
    np.random.RandomState(SEED).shuffle(names)
    ends = np.cumsum([int(share * len(names)) for share in SHARES[:-1]])
    parts = dict(zip(COUNTS, np.split(names, ends), strict=True))
    return [str(name) for name in parts[split]]


def cut_tiles(images: Mapping[str, tuple[Path, Path]], *, tile: int = TILE) -> dict[str, tuple[str, Window]]:
    """The tiles that `split.py` keeps: name → orthophoto and window. Numbers count those at the edges, too."""
    if tile < 1:
        raise GeoPointSegError(f"expected a --tile of 1 pixel or more, got {tile}: the official lists are of {TILE}")
    found = {}
    for name, (image, _) in images.items():
        with rasterio.open(image) as source:
            height, width = source.shape
        for number, window in enumerate(
            Window(r, c, tile, tile) for r in range(0, height, tile) for c in range(0, width, tile)
        ):
            if window == window.within(height, width):
                found[f"{name}_{number}"] = name, window
    return found


def _require_lists_of(tile: int, root: Path, images: Mapping[str, tuple[Path, Path]]) -> None:
    """Refuse a size of tiles that the lists are not of: their numbers would mean other ground.

    Raises:
        GeoPointSegError: the lists name other tiles of the orthophotos that are here than those of this size.
    """
    named = {name for split in COUNTS for name in read_split(root, split)}
    here = {name for name in named if name.rpartition("_")[0] in images}
    if here != set(cut_tiles(images, tile=tile)):
        raise GeoPointSegError(
            f"expected the size of the tiles that the lists in {root} name as --tile, got {tile}: leave it out (the official ones "
            f"are of {TILE}), or add --scheme lssqps, which has no lists"
        )


def _numbers(tiles: Iterable[str], images: Mapping[str, object]) -> dict[str, set[int]]:
    """Which tiles of each orthophoto are named; tiles of orthophotos that are not here are left out."""
    kept: dict[str, set[int]] = {name: set() for name in images}
    for entry in tiles:
        name, _, number = entry.rpartition("_")
        if name in kept:
            kept[name].add(int(number))
    return kept


def _tiles(image: Path, numbers: set[int], tile: int) -> Tiles:
    """The tiles of an orthophoto that have these numbers."""
    with rasterio.open(image) as source:
        height, width = source.shape
    across = -(-width // tile)
    number = np.arange(-(-height // tile) * across).reshape(-1, across)
    return Tiles(np.isin(number, sorted(numbers)), tile)
