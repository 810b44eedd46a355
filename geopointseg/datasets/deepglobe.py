"""DeepGlobe land cover: 803 satellite images of 2448 × 2448 pixels at 50 cm with truth in colours.

Pairs `ID_sat.jpg` and `ID_mask.png` lie in `train` (or `land-train`, or, in another copy, `data/training_data/images` and
`/masks`). The 171 and 172 images to validate and to test on were published without truth. The publisher says that values of the
masks may not be pure, and to cut them at 128. Where the images were taken is not said.

Source: Demir et al. 2018, "DeepGlobe 2018: A Challenge to Parse the Earth through Satellite Images", arXiv 1805.06561.
"""

from pathlib import Path

from geopointseg.datasets.dataset import Dataset, Pair, classes_of
from geopointseg.datasets.decode import by_colors
from geopointseg.datasets.find import by_stem, made_up_place, missing, require_split

__all__ = ["DATASET", "pairs"]

FOLDERS = {
    "train": ("train", "land-train", "data/training_data"),
    "val": ("valid", "land-valid"),
    "test": ("test", "land-test", "data/test_data"),
}
DATASET = Dataset(
    name="deepglobe",
    title="DeepGlobe land cover",
    classes=classes_of(
        {
            "urban land": "#00ffff",
            "agriculture land": "#ffff00",
            "rangeland": "#ff00ff",
            "forest land": "#00ff00",
            "water": "#0000ff",
            "barren land": "#ffffff",
        }
    ),
    resolution="0.5 m",
    size="803 images of 2448²",
    licence="research only, with an account",
    link="https://www.kaggle.com/datasets/balraj98/deepglobe-land-cover-classification-dataset",
    by_hand=(
        "with a Kaggle account: 'kaggle datasets download -d balraj98/deepglobe-land-cover-classification-dataset', put the "
        "archive into that folder, and run 'geopointseg download deepglobe' on it, which unpacks it"
    ),
    archives=("deepglobe-land-cover-classification-dataset.zip", "land-train.zip", "data.zip", "archive.zip"),
    splits=("train", "val", "test"),
)


def pairs(root: Path, split: str = "train") -> list[Pair]:
    """The images of a split; those of val and test have no truth, but in the copy under data/.

    Raises:
        GeoPointSegError: no such split, or nothing of it lies here.
    """
    require_split(DATASET, split)
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for name in FOLDERS[split]:
        for folder in (root / name, root / name / "images", root / name / "masks"):
            images |= by_stem(folder.glob("*_sat.jpg"), after="_sat")
            masks |= by_stem(folder.glob("*_mask.png"), after="_mask")
    if not images:
        raise missing(DATASET, root, f"{FOLDERS[split][0]}/*_sat.jpg")
    decode = by_colors(DATASET.classes, ignored=["#000000"], snapped=True)
    return [
        Pair(
            f"deepglobe_{name}",
            image,
            (masks[name],) if name in masks else (),
            decode,
            names=("red", "green", "blue"),
            place=made_up_place(number, 0.5),
        )
        for number, (name, image) in enumerate(sorted(images.items()))
    ]
