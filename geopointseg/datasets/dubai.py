"""Dubai, by Humans in the Loop and the Mohammed Bin Rashid Space Centre: 72 satellite images in 8 tiles, truth in colours.

`Tile N/images/image_part_00K.jpg` and `Tile N/masks/image_part_00K.png`. Grey 9B9B9B is unlabelled, and so is the black that a
few masks have. Tiles are places: the split goes by whole tiles, and is this project's, as the publisher states none. Neither
place nor size of a pixel is stated: both are made up (1 m).
"""

from pathlib import Path

from geopointseg.datasets.dataset import Dataset, Pair, classes_of
from geopointseg.datasets.decode import by_colors
from geopointseg.datasets.find import by_stem, first_folder, made_up_place, missing, require_split

__all__ = ["DATASET", "UNLABELLED_COLOR", "pairs"]

PUBLISHED = "Semantic segmentation dataset"
UNLABELLED_COLOR = "#9b9b9b"
TILES = {"train": (1, 2, 4, 5, 6, 8), "val": (3,), "test": (7,)}
DATASET = Dataset(
    name="dubai",
    title="Dubai (MBRSC)",
    classes=classes_of(
        {"building": "#3c1098", "land": "#8429f6", "road": "#6ec1e4", "vegetation": "#fedd3a", "water": "#e2a929"}
    ),
    resolution="not stated",
    size="72 images in 8 tiles",
    licence="CC0 1.0",
    link="https://humansintheloop.org/resources/datasets/semantic-segmentation-dataset-2",
    by_hand=(
        "fetch it at https://humansintheloop.org/resources/datasets/semantic-segmentation-dataset-2 (or from Kaggle: "
        "humansintheloop/semantic-segmentation-of-aerial-imagery), put the archive into that folder, and run 'geopointseg "
        "download dubai' on it, which unpacks it"
    ),
    archives=("semantic-segmentation-dataset.zip", "semantic-segmentation-of-aerial-imagery.zip", "archive.zip"),
    splits=("all", "train", "val", "test"),
)


def pairs(root: Path, split: str = "all") -> list[Pair]:
    """The images of a split, named tileN_00K.

    Raises:
        GeoPointSegError: no such split, or nothing of it lies here.
    """
    require_split(DATASET, split)
    base = first_folder(root, (".", PUBLISHED, f"semantic-segmentation-dataset/{PUBLISHED}"), "Tile */images/*.jpg")
    if base is None:
        raise missing(DATASET, root, f"{PUBLISHED}/Tile 1/images/*.jpg")
    decode = by_colors(DATASET.classes, ignored=[UNLABELLED_COLOR, "#000000"])
    found = []
    for tile in range(1, 9):
        images, masks = (
            by_stem((base / f"Tile {tile}" / kind).glob("*"), before="image_part_") for kind in ("images", "masks")
        )
        for number, (part, image) in enumerate(images.items()):
            if split == "all" or tile in TILES[split]:
                truth = (masks[part],) if part in masks else ()
                place = made_up_place(20 * tile + number, 1.0)
                bands = ("red", "green", "blue")
                found.append(Pair(f"tile{tile}_{part}", image, truth, decode, names=bands, place=place))
    return found
