"""Finding what lies in a data set, and saying what is missing."""

from collections.abc import Iterable
from pathlib import Path

from affine import Affine
from rasterio.crs import CRS

from geopointseg.datasets.dataset import Dataset, Place
from geopointseg.errors import GeoPointSegError

__all__ = ["by_stem", "first_folder", "made_up_place", "missing", "require_first", "require_split"]

APART = 10_000  # pixels from one made-up place to the next
ACROSS = 20  # made-up places side by side
CORNER = (300_000.0, 8_000_000.0)  # west and north of the first
NOWHERE = CRS.from_epsg(32631)


def require_split(dataset: Dataset, split: str) -> None:
    """Refuse a split that the data set has not.

    Raises:
        GeoPointSegError: it has not.
    """
    if split not in dataset.splits:
        raise GeoPointSegError(f"expected --split {' or '.join(dataset.splits)} of {dataset.title}, got {split}")


def require_first(first: int | None) -> None:
    """Refuse a number of images to try things out on that is none.

    Raises:
        GeoPointSegError: it is below 1.
    """
    if first is not None and first < 1:
        raise GeoPointSegError(f"expected at least 1 image as --first, got {first}")


def missing(dataset: Dataset, root: Path, expected: str) -> GeoPointSegError:
    """The error for a data set that is not where it should be: what was looked for, and how to get it."""
    how = f"'geopointseg download {dataset.name} {root}' fetches it" if dataset.files else dataset.by_hand
    return GeoPointSegError(f"expected {expected} of {dataset.title} in {root}, got none: {how}")


def first_folder(root: Path, candidates: Iterable[str], pattern: str) -> Path | None:
    """The first of the folders in `root` that holds a file of this pattern; `root` itself is "."."""
    for name in candidates:
        folder = root / name
        if folder.is_dir() and next(folder.glob(pattern), None) is not None:
            return folder
    return None


def by_stem(paths: Iterable[Path], *, before: str = "", after: str = "") -> dict[str, Path]:
    """Files by the part of their stem between `before` and `after`; others are left out."""
    found = {}
    for path in sorted(paths):
        stem = path.stem
        if stem.startswith(before) and stem.endswith(after) and len(stem) > len(before) + len(after):
            found[stem[len(before) : len(stem) - len(after)]] = path
    return found


def made_up_place(number: int, pixel: float, *, row: int = 0, col: int = 0, apart: int = APART) -> Place:
    """A place for an image that nobody knows the place of, far from those of all other numbers.

    Args:
        number: Of the image, or of the group of images that keep their places in one another's.
        pixel: Size of a pixel in metres.
        row: Where the image lies in its group, in pixels.
        col: The same.
        apart: Pixels from one place to the next: more than an image, or a group, has.
    """
    down, right = divmod(number, ACROSS)
    west = CORNER[0] + (right * apart + col) * pixel
    north = CORNER[1] - (down * apart + row) * pixel
    return Place(NOWHERE, Affine(pixel, 0, west, 0, -pixel, north), made_up=True)
