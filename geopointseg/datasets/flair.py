"""FLAIR #1 of France's IGN: patches of 512 × 512 pixels at 20 cm, red, green, blue, near infrared and height, 19 classes.

`DOMAIN/ZONE/img/IMG_N.tif` and `DOMAIN/ZONE/msk/MSK_N.tif` with their place, in whatever folders the archives of its versions
unpack to. A domain is a department in a year: 40 to train on and 10 to test on. Codes are 1 to 19; the last, "other", is
unlabelled here, and so is 0.

Source: Garioud et al. 2022, "FLAIR #1: semantic segmentation and domain adaptation dataset", arXiv 2211.12979.
"""

import re
from pathlib import Path

from rasterio.crs import CRS

from geopointseg.datasets.dataset import Dataset, Pair, Place, RemoteFile, classes_of
from geopointseg.datasets.decode import by_codes
from geopointseg.datasets.find import missing, require_split

__all__ = ["DATASET", "DOMAINS", "pairs"]

_TRAIN = """
D004_2021 D006_2020 D007_2020 D008_2019 D009_2019 D013_2020 D014_2020 D016_2020 D017_2018 D021_2020 D023_2020 D029_2021
D030_2021 D031_2019 D032_2019 D033_2021 D034_2021 D035_2020 D038_2021 D041_2021 D044_2020 D046_2019 D049_2020 D051_2019
D052_2019 D055_2018 D058_2020 D060_2021 D063_2019 D066_2021 D067_2021 D070_2020 D072_2019 D074_2020 D077_2021 D078_2021
D080_2021 D081_2020 D086_2020 D091_2021
"""
_TEST = "D012_2019 D022_2021 D026_2020 D064_2021 D068_2021 D071_2020 D075_2021 D076_2019 D083_2020 D085_2019"
DOMAINS = {"train": tuple(_TRAIN.split()), "test": tuple(_TEST.split())}
"""The official split."""
URL = "https://huggingface.co/datasets/IGNF/FLAIR/resolve/main/data"
SIZE = 2_350_000_000  # bytes of an archive, about
CLASSES = classes_of(
    dict.fromkeys(
        (
            "building",
            "pervious surface",
            "impervious surface",
            "bare soil",
            "water",
            "coniferous",
            "deciduous",
            "brushwood",
            "vineyard",
            "herbaceous vegetation",
            "agricultural land",
            "plowed land",
            "swimming pool",
            "snow",
            "clear cut",
            "mixed",
            "ligneous",
            "greenhouse",
        ),
        "",
    ),
    first=1,
)
DATASET = Dataset(
    name="flair",
    title="FLAIR #1",
    classes=CLASSES,
    resolution="0.2 m",
    size="77,412 patches of 512²",
    licence="Etalab 2.0",
    link="https://ignf.github.io/FLAIR",
    files=tuple(
        RemoteFile(f"{URL}/{folder}/{domain}.zip", size=SIZE)
        for split, folder in (("train", "train-val"), ("test", "flair%231-test"))
        for domain in DOMAINS[split]
    ),
    archives=("D[0-9][0-9][0-9]_[0-9][0-9][0-9][0-9].zip", "flair_*.zip"),
    splits=("train", "test", "all"),
)
BANDS = ("red", "green", "blue", "nir", "height")


def pairs(root: Path, split: str = "train") -> list[Pair]:
    """The patches of a split that lie here.

    Raises:
        GeoPointSegError: no such split, or nothing of it lies here.
    """
    require_split(DATASET, split)
    wanted = {domain for part in (DOMAINS if split == "all" else [split]) for domain in DOMAINS[part]}
    images = {number: path for number, domain, path in _patches(root, "IMG") if domain in wanted}
    masks = {number: path for number, _, path in _patches(root, "MSK")}
    if not images:
        raise missing(DATASET, root, "D…_20…/Z…/img/IMG_*.tif")
    decode = by_codes({code: i for i, code in enumerate(CLASSES.codes)}, ignored=[0, 19])
    place = Place(CRS.from_epsg(2154))
    return [
        Pair(f"IMG_{number}", path, (masks[number],) if number in masks else (), decode, names=BANDS, place=place)
        for number, path in sorted(images.items())
    ]


def _patches(root: Path, kind: str) -> list[tuple[str, str, Path]]:
    """Number, domain and file of every patch."""
    found = []
    for path in root.rglob(f"{kind}_*.tif"):
        domain = next((p for p in reversed(path.parts) if re.fullmatch(r"D\d{3}_\d{4}", p)), "")
        found.append((path.stem.partition("_")[2], domain, path))
    return found
