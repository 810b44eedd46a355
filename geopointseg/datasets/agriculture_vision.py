"""Agriculture-Vision 2021: crops of 512 × 512 pixels of farmland from the air, RGB and near infrared, eight patterns.

`SPLIT/images/rgb/FIELD_x1-y1-x2-y2.jpg`, `SPLIT/images/nir/….jpg`, `SPLIT/labels/PATTERN/….png` with 255 where the pattern is,
and `SPLIT/boundaries/….png` and `SPLIT/masks/….png`, which must both be 255 where anything is known. Patterns may overlap; a
class raster has one class for each pixel, so that where two meet the later one in the order of the names stands. That is
not the challenge's score, which takes any of them for right. Crops of one field lie beside each other as they were cut, at
some made-up place.

Source: Chiu et al. 2020, "Agriculture-Vision: A Large Aerial Image Database for Agricultural Pattern Analysis", CVPR.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED
from geopointseg.datasets.dataset import Dataset, Pair, RemoteFile, classes_of
from geopointseg.datasets.find import by_stem, first_folder, made_up_place, missing, require_split

__all__ = ["DATASET", "PATTERNS", "pairs"]

PATTERNS = (
    "double_plant",
    "drydown",
    "endrow",
    "nutrient_deficiency",
    "planter_skip",
    "water",
    "waterway",
    "weed_cluster",
)
FIELD = 100_000  # pixels: wider than any field
FOLDER = "Agriculture-Vision-2021"
BUCKET = "https://intelinair-data-releases.s3.amazonaws.com/agriculture-vision/cvpr_challenge_2021/supervised"
DATASET = Dataset(
    name="agriculture-vision",
    title="Agriculture-Vision 2021",
    classes=classes_of(dict.fromkeys(("background", *PATTERNS), "")),
    resolution="0.1 m",
    size="94,986 crops of 512²",
    licence="research only",
    link="https://www.agriculture-vision.com",
    files=(RemoteFile(f"{BUCKET}/{FOLDER}.tar.gz", size=21_033_702_578),),
    terms="the Agriculture-Vision Dataset Terms of Use: for non-commercial research, no redistribution",
    archives=(f"{FOLDER}.tar.gz",),
    splits=("train", "val", "test"),
)


def pairs(root: Path, split: str = "train") -> list[Pair]:
    """The crops of a split; those of test have no truth.

    Raises:
        GeoPointSegError: no such split, or nothing of it lies here.
    """
    require_split(DATASET, split)
    base = first_folder(root, (split, f"{FOLDER}/{split}"), "images/rgb/*.jpg")
    if base is None:
        raise missing(DATASET, root, f"{FOLDER}/{split}/images/rgb/*.jpg")
    images = by_stem((base / "images" / "rgb").glob("*.jpg"))
    fields = {field: i for i, field in enumerate(sorted({name.partition("_")[0] for name in images}))}
    found = []
    for name, image in images.items():
        nir = base / "images" / "nir" / image.name
        layers = [base / "labels" / pattern / f"{name}.png" for pattern in PATTERNS]
        layers += [base / "boundaries" / f"{name}.png", base / "masks" / f"{name}.png"]
        if not nir.is_file():
            raise missing(DATASET, root, f"{split}/images/nir/{image.name}")
        corner = re.search(r"_(\d+)-(\d+)-\d+-\d+$", name)
        col, row = (int(corner[1]), int(corner[2])) if corner else (0, 0)
        place = made_up_place(fields[name.partition("_")[0]], 0.1, row=row, col=col, apart=FIELD)
        truth = tuple(layers) if all(path.is_file() for path in layers) else ()
        bands = ("red", "green", "blue", "nir")
        found.append(Pair(name, image, truth, _decode, more=(nir,), names=bands, place=place))
    return found


def _decode(bands: NDArray[Any]) -> tuple[NDArray[np.uint8], Counter[str]]:
    """Ids of a band for each pattern, then the field's boundary and the mask of what is known."""
    ids = np.zeros(bands.shape[1:], np.uint8)
    for number, band in enumerate(bands[: len(PATTERNS)], 1):
        ids[band > 0] = number
    ids[(bands[-2] == 0) | (bands[-1] == 0)] = UNLABELLED
    return ids, Counter()
