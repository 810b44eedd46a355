"""LandCover.ai v1 cut into tiles of 512 × 512 pixels: `output/NAME_K.jpg` and `output/NAME_K_m.png`, as its `split.py` cuts.

Such tiles lie where `split.py` was run, or `cut` writes them, with a world file each, so that they keep their place. Those
that `split.py` wrote have lost it: they get it back from the orthophotos where these lie beside, else a made-up one.
"""

from pathlib import Path

import rasterio
from affine import Affine
from rasterio.crs import CRS
from tqdm import tqdm

from geopointseg.datasets import landcoverai
from geopointseg.datasets.dataset import Dataset, Pair, Place
from geopointseg.datasets.decode import by_codes
from geopointseg.datasets.find import by_stem, made_up_place, missing, require_split
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, replacing
from geopointseg.grid import Window

__all__ = ["DATASET", "cut", "pairs"]

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
            f"{lacking[0]}: run split.py again"
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


def cut(root: Path, *, tile: int = landcoverai.TILE, overwrite: bool = False) -> tuple[Path, ...]:
    """Cut LandCover.ai into tiles as its split.py does: output/NAME_K.jpg and NAME_K_m.png, which keep their place.

    Args:
        root: Folder with images/ and masks/; output/ is made in it.
        tile: Side of a tile in pixels; the official lists are of 512.
        overwrite: Replace existing tiles.

    Returns:
        The folder of tiles.
    """
    root = Path(root)
    images = landcoverai.orthophotos(root)
    out = new_folder(root / "output")
    tiles = landcoverai.cut_tiles(images, tile=tile)
    for name, (whole, window) in tqdm(tiles.items(), "cutting", unit="tile", disable=None, leave=False):
        image, mask = images[whole]
        _cut(image, window, out / f"{name}.jpg", overwrite, driver="JPEG", quality=QUALITY)
        _cut(mask, window, out / f"{name}_m.png", overwrite, driver="PNG")
    return (out,)


def _cut(source_path: Path, window: Window, out: Path, overwrite: bool, **options: object) -> None:
    """Write a window as an image of its own, with a world file."""
    with rasterio.open(source_path) as source:
        pixels = source.read(window=window.to_rasterio())
        transform = source.transform * Affine.translation(window.col, window.row)
    count, height, width = pixels.shape
    profile = {"count": count, "height": height, "width": width, "dtype": pixels.dtype, "transform": transform}
    with replacing(out, overwrite=overwrite) as partial:
        with rasterio.open(partial, "w", worldfile=True, **profile, **options) as target:
            target.write(pixels)
        world = partial.with_suffix(".wld")
        world.replace(out.with_suffix(".wld"))
