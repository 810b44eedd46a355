"""GID, the Gaofen Image Dataset: 150 images of Gaofen-2, 7200 × 6800 pixels at 4 m, five classes; what is unlabelled is ignored.

`image_RGB/NAME.tif` or `image_NirRGB/NAME.tif`, and `label_5classes/NAME_label.tif` in colours, as in its part "Large-scale
Classification". Which 120 images train and which 30 test is not published with it: the split here is a shuffle of the
names with seed 0, and so that of nobody else.

Source: Tong et al. 2020, "Land-cover classification with high-resolution remote sensing images using transferable deep
models", Remote Sensing of Environment 237, arXiv 1807.05713.
"""

from pathlib import Path

import numpy as np

from geopointseg.datasets.dataset import Dataset, Pair, classes_of
from geopointseg.datasets.decode import by_colors
from geopointseg.datasets.find import by_stem, made_up_place, missing, require_split
from geopointseg.errors import GeoPointSegError

__all__ = ["DATASET", "IMAGERY", "pairs"]

BANDS = {"RGB": ("red", "green", "blue"), "NirRGB": ("nir", "red", "green", "blue")}
IMAGERY = tuple(BANDS)
TRAINING = 0.8  # 120 of 150
DATASET = Dataset(
    name="gid",
    title="GID, five classes",
    classes=classes_of(
        {"built-up": "#ff0000", "farmland": "#00ff00", "forest": "#00ffff", "meadow": "#ffff00", "water": "#0000ff"}
    ),
    resolution="4 m",
    size="150 images of 7200 × 6800",
    licence="research only",
    link="https://x-ytong.github.io/project/GID.html",
    by_hand=(
        "fetch image_RGB and label_5classes from the links at https://x-ytong.github.io/project/GID.html and put the folders there"
    ),
    archives=("image_RGB.zip", "image_NirRGB.zip", "label_5classes.zip"),
    splits=("all", "train", "test"),
)


def pairs(root: Path, split: str = "all", *, imagery: str = "RGB") -> list[Pair]:
    """The images of a split.

    Args:
        root: Folder with the folders of images and labels, or with "Large-scale Classification_5classes" that holds them.
        split: all; train or test for four fifths of the names, shuffled with seed 0, or the rest.
        imagery: RGB or NirRGB.

    Raises:
        GeoPointSegError: no such split or bands, or nothing of it lies here.
    """
    require_split(DATASET, split)
    if imagery not in BANDS:
        raise GeoPointSegError(f"expected {' or '.join(BANDS)} as --imagery of GID, got {imagery}")
    bases = (root, root / "Large-scale Classification_5classes", root / "GID" / "Large-scale Classification_5classes")
    base = next((b for b in bases if next((b / f"image_{imagery}").glob("*.tif"), None)), None)
    if base is None:
        raise missing(DATASET, root, f"image_{imagery}/*.tif")
    images = by_stem((base / f"image_{imagery}").glob("*.tif"))
    labels = by_stem((base / "label_5classes").glob("*_label.tif"), after="_label")
    order = np.array(sorted(images))[np.random.default_rng(0).permutation(len(images))].tolist()
    cut = round(TRAINING * len(order))
    chosen = {"all": order, "train": order[:cut], "test": order[cut:]}[split]
    decode = by_colors(DATASET.classes, ignored=["#000000"])
    return [
        Pair(
            name,
            image,
            (labels[name],) if name in labels else (),
            decode,
            names=BANDS[imagery],
            place=made_up_place(number, 4.0),
        )
        for number, (name, image) in enumerate(sorted(images.items()))
        if name in chosen
    ]
