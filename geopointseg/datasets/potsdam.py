"""ISPRS Potsdam: 38 tiles of 6000 × 6000 pixels at 5 cm, in RGB, IRRG or RGBIR, with truth in colours.

The archives unpack to folders `2_Ortho_RGB`, `3_Ortho_IRRG`, `4_Ortho_RGBIR`, `1_DSM_normalisation` and `5_Labels_…`; files
lie in the folder of that name, in one of the same name within it, or beside it. World files (.tfw) say where the tiles
lie, in EPSG:32633, which no file says.

Two files of truth are known to be off: 4_12 went through a lossy compression and has some 25,000 colours, 6_7 has its cars in
(252, 255, 0). Every channel of these two is snapped to 0 or 255. All others must have the six colours and black; any other
colour is an error.
"""

from pathlib import Path
from typing import Literal

from rasterio.crs import CRS

from geopointseg.datasets import isprs
from geopointseg.datasets.dataset import Dataset, Pair, Place
from geopointseg.datasets.find import missing, require_split
from geopointseg.errors import GeoPointSegError

__all__ = ["DATASET", "IMAGERY", "TILES", "Imagery", "Labels", "pairs"]

Imagery = Literal["RGB", "IRRG", "RGBIR"]
Labels = Literal["full", "eroded"]
_TRAIN = (
    "2_10 2_11 2_12 3_10 3_11 3_12 4_10 4_11 4_12 5_10 5_11 5_12 6_7 6_8 6_9 6_10 6_11 6_12 7_7 7_8 7_9 7_10 7_11 7_12"
)
_TEST = "2_13 2_14 3_13 3_14 4_13 4_14 4_15 5_13 5_14 5_15 6_13 6_14 6_15 7_13"
TILES = {"train": tuple(_TRAIN.split()), "test": tuple(_TEST.split())}
"""The official split: the truth of the 14 test tiles came out only after the contest."""
ORTHO = {"RGB": "2_Ortho_RGB", "IRRG": "3_Ortho_IRRG", "RGBIR": "4_Ortho_RGBIR"}
IMAGERY = tuple(ORTHO)
BANDS = {
    "RGB": ("red", "green", "blue"),
    "IRRG": ("nir", "red", "green"),
    "RGBIR": ("red", "green", "blue", "nir"),
}
LABELS = {
    "full": ("5_Labels_all", "5_Labels_for_participants"),
    "eroded": ("5_Labels_all_noBoundary", "5_Labels_for_participants_no_Boundary"),
}
HEIGHTS = "1_DSM_normalisation"
OFF = ("4_12", "6_7")  # whose colours are to be snapped

DATASET = Dataset(
    name="potsdam",
    title="ISPRS Potsdam",
    classes=isprs.CLASSES,
    resolution="0.05 m",
    size="38 tiles of 6000²",
    licence="research only, on request",
    link=f"{isprs.LINK}/2d-sem-label-potsdam.aspx",
    by_hand=(
        f"ask for it at {isprs.LINK}/2d-sem-label-potsdam.aspx, put Potsdam.zip, or the archives in it, into that folder, and "
        "run 'geopointseg download potsdam' on it, which unpacks them"
    ),
    archives=("Potsdam.zip", "[1-5]_*.zip"),
    splits=("train", "test", "all"),
)


def pairs(
    root: Path, split: str = "train", *, imagery: str = "RGB", labels: str = "full", ndsm: bool = False
) -> list[Pair]:
    """The tiles of a split that lie here.

    Args:
        root: Folder that the archives were unpacked in.
        split: train (24 tiles) or test (14).
        imagery: RGB, IRRG or RGBIR.
        labels: full, or eroded: boundaries of objects, 3 pixels wide on either side, are unlabelled.
        ndsm: Add the height above ground, 0 to 255, as one more band.

    Raises:
        GeoPointSegError: no such split or option, or nothing of it lies here.
    """
    require_split(DATASET, split)
    for option, value, known in (("imagery", imagery, tuple(ORTHO)), ("labels", labels, tuple(LABELS))):
        if value not in known:
            raise GeoPointSegError(f"expected {' or '.join(known)} as --{option} of Potsdam, got {value}")
    suffix = "" if labels == "full" else "_noBoundary"
    names = [tile for part in (TILES if split == "all" else [split]) for tile in TILES[part]]
    found = []
    for tile in names:
        image = _find(root, (ORTHO[imagery],), f"top_potsdam_{tile}_{imagery}.tif")
        if image is None:
            continue
        truth = _find(root, LABELS[labels], f"top_potsdam_{tile}_label{suffix}.tif")
        heights = _find(root, (HEIGHTS,), f"dsm_potsdam_{_two_digits(tile)}_normalized_lastools.jpg")
        if ndsm and heights is None:
            raise missing(DATASET, root, f"{HEIGHTS}/dsm_potsdam_{_two_digits(tile)}_normalized_lastools.jpg")
        found.append(
            Pair(
                f"potsdam_{tile}",
                image,
                (truth,) if truth else (),
                isprs.decode(snapped=tile in OFF),
                more=(heights,) if ndsm and heights else (),
                names=(*BANDS[imagery], "height") if ndsm else BANDS[imagery],
                place=Place(CRS.from_epsg(32633)),
            )
        )
    if not found:
        raise missing(DATASET, root, f"{ORTHO[imagery]}/top_potsdam_{names[0]}_{imagery}.tif")
    return found


def _find(root: Path, folders: tuple[str, ...], name: str) -> Path | None:
    """A file of the data set, wherever unpacking put it."""
    for base in (root, root / "Potsdam"):
        for place in (*(base / f for f in folders), *(base / f / f for f in folders), base):
            if (place / name).is_file():
                return place / name
    return None


def _two_digits(tile: str) -> str:
    """2_10 as the height models have it: 02_10."""
    return "_".join(f"{int(part):02}" for part in tile.split("_"))
