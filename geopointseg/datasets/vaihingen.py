"""ISPRS Vaihingen: 33 areas at 9 cm in infrared, red and green, with truth in colours; and FESTA's sparse labels of it.

Images lie in `top`, truth in `gts_for_participants`, in `ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE` or beside
`top`; eroded truth in `gts_eroded_for_participants`, in `ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE`, or
beside. The images say their place by world file, in EPSG:32632, which no file says.

FESTA's labels lie in `point`, `line` or `polygon`, by annotator: `line/an1/mask_top_mosaic_09cm_area1.png`.

Source of those: Hua et al. 2021, "Semantic Segmentation of Remote Sensing Images with Sparse Annotations", IEEE GRSL, arXiv
2101.03492, with its own split: 11 areas to train on and 5 to test on, of the 16 that had truth then.
"""

from pathlib import Path

from rasterio.crs import CRS

from geopointseg.datasets import isprs
from geopointseg.datasets.dataset import Dataset, Pair, Place
from geopointseg.datasets.find import missing, require_split
from geopointseg.errors import GeoPointSegError

__all__ = ["AREAS", "DATASET", "pairs"]

AREAS = {
    "train": (1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37),
    "test": (2, 4, 6, 8, 10, 12, 14, 16, 20, 22, 24, 27, 29, 31, 33, 35, 38),
    "festa-train": (1, 3, 5, 7, 13, 17, 21, 23, 26, 32, 37),
    "festa-test": (11, 15, 28, 30, 34),
}
"""The official split, whose test truth came out after the contest, and that of FESTA."""
COMPLETE = "ISPRS_semantic_labeling_Vaihingen_ground_truth"
LABELS: dict[str, tuple[tuple[str, ...], str]] = {
    "full": (("gts_for_participants", f"{COMPLETE}_COMPLETE", "."), "top_mosaic_09cm_area{}.tif"),
    "eroded": (
        ("gts_eroded_for_participants", f"{COMPLETE}_eroded_COMPLETE", "."),
        "top_mosaic_09cm_area{}_noBoundary.tif",
    ),
}
SPARSE_NAME = "mask_top_mosaic_09cm_area{}.png"
SPARSE = ("point", "line", "polygon")
DATASET = Dataset(
    name="vaihingen",
    title="ISPRS Vaihingen",
    classes=isprs.CLASSES,
    resolution="0.09 m",
    size="33 areas, some 2000²",
    licence="research only, on request",
    link=f"{isprs.LINK}/2d-sem-label-vaihingen.aspx",
    by_hand=(
        f"ask for it at {isprs.LINK}/2d-sem-label-vaihingen.aspx, put the archives into that folder, and run 'geopointseg "
        "download vaihingen' on it, which unpacks them"
    ),
    archives=("Vaihingen.zip", "ISPRS_semantic_labeling_Vaihingen*.zip"),
    splits=("train", "test", "festa-train", "festa-test", "all"),
)


def pairs(root: Path, split: str = "train", *, labels: str = "full") -> list[Pair]:
    """The areas of a split that lie here.

    Args:
        root: Folder that the archives were unpacked in.
        split: train (16 areas) or test (17); festa-train (11) or festa-test (5).
        labels: full; eroded; or FESTA's sparse ones of an annotator: point/an1, line/an2, polygon/an4, …

    Raises:
        GeoPointSegError: no such split or labels, or nothing of it lies here.
    """
    require_split(DATASET, split)
    areas = AREAS["train"] + AREAS["test"] if split == "all" else AREAS[split]
    if labels in LABELS:
        folders, pattern = LABELS[labels]
    elif labels.partition("/")[0] in SPARSE:
        folders, pattern = (labels,), SPARSE_NAME
    else:
        raise GeoPointSegError(
            f"expected full, eroded, or point/an1, line/an1, polygon/an1 and so on as --labels of Vaihingen, got {labels}"
        )
    found = []
    for area in sorted(areas):
        image = _find(root, ("top",), f"top_mosaic_09cm_area{area}.tif")
        if image is not None:
            truth = _find(root, folders, pattern.format(area))
            place = Place(CRS.from_epsg(32632))
            bands = ("nir", "red", "green")
            found.append(
                Pair(f"vaihingen_{area}", image, (truth,) if truth else (), isprs.decode(), names=bands, place=place)
            )
    if not found:
        raise missing(DATASET, root, f"top/top_mosaic_09cm_area{min(areas)}.tif")
    if labels not in LABELS and not any(pair.truth for pair in found):
        raise missing(DATASET, root, f"{folders[0]}/{pattern.format(min(areas))}")
    return found


def _find(root: Path, folders: tuple[str, ...], name: str) -> Path | None:
    """A file of the data set, wherever unpacking put it."""
    for base in (root, root / "Vaihingen", root / "ISPRS_semantic_labeling_Vaihingen"):
        for folder in folders:
            if (base / folder / name).is_file():
                return base / folder / name
    return None
