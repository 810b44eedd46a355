"""Oxford-IIIT Pet: 7349 photographs with a trimap each; no land at all, but the second domain of the LSSQPS paper.

`images/NAME.jpg`, `annotations/trimaps/NAME.png` (1 pet, 2 background, 3 border, which is unlabelled here) and the lists
`annotations/trainval.txt` and `test.txt`. Some of the files are PNG, GIF or grey under the name .jpg: all become three
bands. A photograph has no place: one is made up.

Source: Parkhi et al. 2012, "Cats and Dogs", CVPR.
"""

from pathlib import Path

from geopointseg.datasets.dataset import Dataset, Pair, RemoteFile, classes_of
from geopointseg.datasets.decode import by_codes
from geopointseg.datasets.find import by_stem, first_folder, made_up_place, missing, require_split

__all__ = ["COUNTS", "DATASET", "pairs"]

COUNTS = {"trainval": 3680, "test": 3669}
"""Names in the lists, as published."""
URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data"
DATASET = Dataset(
    name="pets",
    title="Oxford-IIIT Pet",
    classes=classes_of({"pet": "#e69f00", "background": ""}, first=1),
    resolution="photographs",
    size="7349 photographs",
    licence="CC BY-SA 4.0",
    link="https://www.robots.ox.ac.uk/~vgg/data/pets",
    files=(
        RemoteFile(f"{URL}/images.tar.gz", "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c", 791_918_971),
        RemoteFile(f"{URL}/annotations.tar.gz", "md5:95a8c909bbe2e81eed6a22bccdf3f68f", 19_173_078),
    ),
    archives=("images.tar.gz", "annotations.tar.gz"),
    splits=("trainval", "test"),
)


def pairs(root: Path, split: str = "trainval") -> list[Pair]:
    """The photographs of a list.

    Raises:
        GeoPointSegError: no such list, or nothing of it lies here.
    """
    require_split(DATASET, split)
    folder = first_folder(root, ("annotations", "oxford-iiit-pet/annotations"), f"{split}.txt")
    if folder is None:
        raise missing(DATASET, root, f"annotations/{split}.txt")
    lines = (folder / f"{split}.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    images = by_stem((folder.parent / "images").glob("*.jpg"))
    trimaps = by_stem(path for path in (folder / "trimaps").glob("*.png") if not path.name.startswith("."))
    number = {name: i for i, name in enumerate(sorted(images))}
    decode = by_codes({1: 0, 2: 1}, ignored=[3])
    found = [
        Pair(
            name,
            images[name],
            (trimaps[name],) if name in trimaps else (),
            decode,
            names=("red", "green", "blue"),
            place=made_up_place(number[name], 1.0),
            rgb=True,
        )
        for name in names
        if name in images
    ]
    if not found:
        raise missing(DATASET, root, "images/*.jpg")
    return found
