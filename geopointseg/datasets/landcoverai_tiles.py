"""LandCover.ai v1 cut into tiles of 512 × 512 pixels: `output/NAME_K.jpg` and `output/NAME_K_m.png`, as its `split.py` cuts.

Such tiles lie where `split.py` was run, or `cut` writes them, with a world file each, so that they keep their place. Those
that `split.py` wrote have lost it: they get it back from the orthophotos where these lie beside, else a made-up one.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from tqdm import tqdm

from geopointseg.datasets import landcoverai
from geopointseg.datasets.dataset import Dataset, Pair, Place
from geopointseg.datasets.decode import by_codes
from geopointseg.datasets.find import by_stem, made_up_place, missing, require_split
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing_folder
from geopointseg.grid import Window

__all__ = ["DATASET", "CutReport", "cut", "pairs"]

DATASET = Dataset(
    name="landcoverai-tiles",
    title="LandCover.ai v1, tiles",
    classes=landcoverai.CLASSES,
    resolution="0.25 and 0.5 m",
    size="10,674 tiles of 512²",
    licence="CC BY-NC-SA 4.0",
    link="https://landcover.ai.linuxpolska.com",
    by_hand="'geopointseg download landcoverai ROOT', then 'geopointseg cut-landcoverai ROOT' or the split.py of the archive",
    splits=("train", "val", "test", "all"),
)
OURS = re.compile(r".+_\d+(\.jpg|\.wld|_m\.png|_m\.wld)")  # names in output/
QUALITY = 95  # OpenCV's, which split.py writes with


def pairs(root: Path, split: str = "train") -> list[Pair]:
    """The tiles of a split of the official lists.

    Raises:
        GeoPointSegError: no such split, no tiles, or lists of other lengths than the official ones.
    """
    require_split(DATASET, split)
    images = by_stem((root / "output").glob("*.jpg"))
    masks = by_stem((root / "output").glob("*_m.png"), after="_m")
    if not images:
        raise missing(DATASET, root, "output/*.jpg")
    names = sorted(images) if split == "all" else landcoverai.read_split(root, split)
    if lacking := [name for name in names if name not in images or name not in masks]:
        raise GeoPointSegError(
            f"expected {len(names)} tiles with masks in {root / 'output'}, got none for {len(lacking)}, such as "
            f"{lacking[0]}: cut them again, 'geopointseg cut-landcoverai {root} --overwrite'"
        )
    places = _places(root, images)
    number = {name: i for i, name in enumerate(sorted(images))}
    decode = by_codes({code: code for code in range(len(landcoverai.CLASSES))})
    return [
        Pair(
            name,
            images[name],
            (masks[name],),
            decode,
            names=("red", "green", "blue"),
            place=places.get(name) or made_up_place(number[name], 0.25),
        )
        for name in names
    ]


def _places(root: Path, images: dict[str, Path]) -> dict[str, Place]:
    """Where the tiles lie: by their world files, else by the orthophotos where these lie beside."""
    if all(path.with_suffix(".wld").is_file() for path in images.values()):
        return dict.fromkeys(images, Place(CRS.from_epsg(2180)))
    if not next((root / "images").glob("*.tif"), None):
        return {}
    whole = landcoverai.orthophotos(root)
    transforms = {}
    for name, (image, _) in whole.items():
        with rasterio.open(image) as source:
            transforms[name] = source.transform, source.crs or CRS.from_epsg(2180)
    return {
        tile: Place(transforms[name][1], transforms[name][0] * Affine.translation(window.col, window.row))
        for tile, (name, window) in landcoverai.cut_tiles(whole).items()
    }


@dataclass(frozen=True, slots=True)
class CutReport:
    """What was cut."""

    files: tuple[Path]
    """The folder of the tiles."""
    tiles: int

    @property
    def following(self) -> str:
        """What to do next."""
        root = f"{self.files[0].parent}".replace("{", "{{").replace("}", "}}")
        return f"geopointseg prepare {DATASET.name} {root}"

    def __str__(self) -> str:
        """The count in words."""
        return f"{self.tiles:,} tiles, each with a mask and a world file"


def cut(root: Path, *, tile: int = landcoverai.TILE, overwrite: bool = False) -> CutReport:
    """Cut LandCover.ai into tiles as its split.py does: output/NAME_K.jpg and NAME_K_m.png, which keep their place.

    Args:
        root: Folder with images/ and masks/; output/ is made in it, whole or not at all.
        tile: Side of a tile in pixels; the official lists are of 512.
        overwrite: Replace the tiles that are there.

    Returns:
        The count, and the folder of tiles.

    Raises:
        GeoPointSegError: no orthophotos, none as large as a tile, or tiles that are there already.
    """
    root = Path(root)
    images = landcoverai.orthophotos(root)
    tiles = landcoverai.cut_tiles(images, tile=tile)
    if not tiles:
        raise GeoPointSegError(
            f"expected orthophotos of {tile} × {tile} pixels or more in {root}, got none: choose a smaller --tile"
        )
    out = root / "output"
    there = {path.name for path in out.glob("*")}
    if there and not overwrite:
        raise GeoPointSegError(
            f"expected no tiles in {out} yet, got {len(there):,} files: add --overwrite to replace them"
        )
    ours = {name for name in there if OURS.fullmatch(name)}
    if foreign := sorted(there - ours):
        raise GeoPointSegError(
            f"expected nothing but tiles in {out}, to replace them, got {foreign[0]}: move it elsewhere"
        )
    with (
        replacing_folder(out, ours, overwrite=overwrite) as partial,
        tqdm(total=len(tiles), desc="cutting", unit="tile", disable=None, leave=False) as bar,
    ):
        for whole, (image, mask) in images.items():
            with rasterio.open(image) as pixels, rasterio.open(mask) as codes:
                for name, (_, window) in ((n, found) for n, found in tiles.items() if found[0] == whole):
                    _cut(pixels, window, partial / f"{name}.jpg", driver="JPEG", quality=QUALITY)
                    _cut(codes, window, partial / f"{name}_m.png", driver="PNG")
                    bar.update()
    return CutReport((out,), len(tiles))


def _cut(source: DatasetReader, window: Window, out: Path, **options: object) -> None:
    """Write a window as an image of its own, with a world file."""
    pixels = source.read(window=window.to_rasterio())
    transform = source.transform * Affine.translation(window.col, window.row)
    count, height, width = pixels.shape
    profile = {"count": count, "height": height, "width": width, "dtype": pixels.dtype, "transform": transform}
    with rasterio.open(out, "w", worldfile=True, **profile, **options) as target:
        target.write(pixels)
    out.with_name(f"{out.name}.aux.xml").unlink(missing_ok=True)  # the world file says the same
