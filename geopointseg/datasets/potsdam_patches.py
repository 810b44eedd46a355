"""Potsdam cut into patches of 300 × 300 pixels: `Image_{id}.tif` and `Label_{id}.tif`, ids 0 to 2399.

The layout of the point-supervised system that trains on ids 0 to 2099 and validates on the other 300. Patches lie in one
folder, or in `Images` and `Labels`, and have lost their place: it is made up.
"""

from pathlib import Path

from geopointseg.datasets import isprs
from geopointseg.datasets.dataset import Dataset, Pair
from geopointseg.datasets.find import by_stem, made_up_place, missing, require_split

__all__ = ["DATASET", "IDS", "pairs"]

IDS = {"train": range(2100), "val": range(2100, 2400)}
DATASET = Dataset(
    name="potsdam-patches",
    title="ISPRS Potsdam, patches",
    classes=isprs.CLASSES,
    resolution="0.05 m",
    size="2400 patches of 300²",
    licence="research only, on request",
    link=f"{isprs.LINK}/2d-sem-label-potsdam.aspx",
    by_hand="put Image_0.tif … and Label_0.tif … into that folder, or into Images/ and Labels/ in it",
    splits=("train", "val", "all"),
)


def pairs(root: Path, split: str = "train") -> list[Pair]:
    """The patches of a split that lie here.

    Raises:
        GeoPointSegError: no such split, or nothing of it lies here.
    """
    require_split(DATASET, split)
    images, labels = (
        by_stem([*root.glob(f"{kind}_*.tif"), *root.glob(f"{kind}s/{kind}_*.tif")], before=f"{kind}_")
        for kind in ("Image", "Label")
    )
    wanted = range(2400) if split == "all" else IDS[split]
    found = [
        Pair(
            f"patch_{i:04}",
            images[str(i)],
            (labels[str(i)],) if str(i) in labels else (),
            isprs.decode(),
            names=("red", "green", "blue"),
            place=made_up_place(i, 0.05),
        )
        for i in wanted
        if str(i) in images
    ]
    if not found:
        raise missing(DATASET, root, f"Image_{wanted[0]}.tif")
    return found
