"""Zurich Summer v1.0: 20 chips of a QuickBird image at 0.62 m, near infrared, red, green and blue in 16 bits, eight classes.

`images_tif/zhN.tif` with their place, and `groundtruth/zhN_GT.tif` in colours; white is background, which nobody labelled.
There is no official split: papers train on some 15 chips and test on the others; here the last five are tested on.

Source: Volpi and Ferrari 2015, "Semantic segmentation of urban scenes by learning local class interactions", CVPR Workshops.
"""

from pathlib import Path

from rasterio.crs import CRS

from geopointseg.datasets.dataset import Dataset, Pair, Place, classes_of
from geopointseg.datasets.decode import by_colors
from geopointseg.datasets.find import first_folder, missing, require_split

__all__ = ["DATASET", "pairs"]

CHIPS = {"all": range(1, 21), "train": range(1, 16), "test": range(16, 21)}
DATASET = Dataset(
    name="zurich",
    title="Zurich Summer v1.0",
    classes=classes_of(
        {
            "roads": "#000000",
            "buildings": "#646464",
            "trees": "#007d00",
            "grass": "#00ff00",
            "bare soil": "#965000",
            "water": "#000096",
            "railways": "#ffff00",
            "swimming pools": "#9696ff",
        }
    ),
    resolution="0.62 m",
    size="20 chips, some 1000²",
    licence="research only",
    link="https://sites.google.com/site/michelevolpiresearch/data/zurich-dataset",
    by_hand=(
        "fetch it from the link at https://sites.google.com/site/michelevolpiresearch/data/zurich-dataset, put the archive into "
        "that folder, and run 'geopointseg download zurich' on it, which unpacks it"
    ),
    archives=("Zurich_Summer*.zip", "zurich_v1.0.zip"),
    splits=("all", "train", "test"),
)


def pairs(root: Path, split: str = "all") -> list[Pair]:
    """The chips of a split.

    Raises:
        GeoPointSegError: no such split, or nothing of it lies here.
    """
    require_split(DATASET, split)
    images = first_folder(root, ("images_tif", "Zurich_Summer/images_tif", "Zurich_dataset/images_tif"), "zh*.tif")
    if images is None:
        raise missing(DATASET, root, "images_tif/zh1.tif")
    truth = images.parent / "groundtruth"
    decode = by_colors(DATASET.classes, ignored=["#ffffff"])
    return [
        Pair(
            f"zh{number}",
            images / f"zh{number}.tif",
            (truth / f"zh{number}_GT.tif",) if (truth / f"zh{number}_GT.tif").is_file() else (),
            decode,
            names=("nir", "red", "green", "blue"),
            place=Place(CRS.from_epsg(32632)),
        )
        for number in CHIPS[split]
        if (images / f"zh{number}.tif").is_file()
    ]
