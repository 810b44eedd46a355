"""Preparing: the images and truth of a data set become rasters and class rasters on one grid."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from tqdm import tqdm

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.datasets.dataset import Pair
from geopointseg.datasets.find import require_first
from geopointseg.datasets.table import find_dataset
from geopointseg.datasets.write import grid_of, write_image, write_truth
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder, require_new

__all__ = ["PrepareReport", "classes_at", "find_pairs", "prepare", "write_pairs"]


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What a data set became."""

    images: tuple[Path, ...]
    truth: tuple[Path, ...]
    """Class rasters; fewer than images where the owner keeps the truth of some."""
    classes: Classes
    pixels: tuple[int, ...]
    """Per class, over all truth."""
    unlabelled: int
    """Pixels of the truth that are of no class, or of another split."""
    files: tuple[Path, Path]
    """The folders of images and of truth."""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The counts in words."""
        total = sum(self.pixels) + self.unlabelled
        rows = [
            f"{n:>14,} pixels {n / max(total, 1):6.1%}  {c}"
            for n, c in zip(self.pixels, self.classes.names, strict=True)
        ]
        rows.append(f"{self.unlabelled:>14,} pixels {self.unlabelled / max(total, 1):6.1%}  unlabelled")
        return "\n".join([f"{len(self.images)} images, {len(self.truth)} with truth", *rows, *self.notes])


def prepare(
    name: str,
    root: Path,
    *,
    split: str | None = None,
    out: Path = Path("prepared"),
    imagery: str | None = None,
    labels: str | None = None,
    ndsm: bool = False,
    scheme: str | None = None,
    first: int | None = None,
    copy: bool = False,
    overwrite: bool = False,
) -> PrepareReport:
    """Make rasters and class rasters of a data set: OUT/images and OUT/truth, which every other command takes.

    Args:
        name: Data set, as 'geopointseg datasets' lists it.
        root: Folder that it lies in.
        split: Part of it: as its owner cut it, where the owner did. By default the first that the data set has.
        out: Folder for images/ and truth/.
        imagery: Which bands, where there is a choice: RGB, IRRG, RGBIR, NirRGB; see docs/datasets.md.
        labels: Which truth, where there is a choice: full, eroded, …; see docs/datasets.md.
        ndsm: Add the height above ground as one more band (Potsdam).
        scheme: How LandCover.ai is split: official, or lssqps, its tiles shuffled with seed 100 and cut at 60 and 80 %.
        first: Only so many images, in the order of their names.
        copy: Write images as tiled GeoTIFFs. By default they are virtual rasters that read the data set's own files.
        overwrite: Replace existing files.

    Returns:
        The account of the pixels.

    Raises:
        GeoPointSegError: no such data set, split or option, something missing in it, or truth that is no class's.
    """
    adapter = find_dataset(name)
    options = {"imagery": imagery, "labels": labels, "ndsm": ndsm, "scheme": scheme}
    require_first(first)
    pairs = find_pairs(adapter, Path(root), split or adapter.DATASET.splits[0], **options)[:first]
    return write_pairs(
        pairs, classes_at(adapter, Path(root)), out / "images", out / "truth", copy=copy, overwrite=overwrite
    )


def classes_at(adapter: ModuleType, root: Path) -> Classes:
    """The classes of a data set; those of a layout that anybody may fill are said by a file in it."""
    classes: Classes = adapter.classes(root) if hasattr(adapter, "classes") else adapter.DATASET.classes
    return classes


def find_pairs(adapter: ModuleType, root: Path, split: str, **options: object) -> list[Pair]:
    """The pairs of a split, with the options that the data set knows.

    Raises:
        GeoPointSegError: an option is given that it does not know, or there is no pair.
    """
    given = {key: value for key, value in options.items() if value not in (None, False)}
    known = inspect.signature(adapter.pairs).parameters
    if strange := [key for key in given if key not in known]:
        raise GeoPointSegError(
            f"expected no --{strange[0]} with {adapter.DATASET.title}, which has one kind of it: leave it out"
        )
    pairs: list[Pair] = adapter.pairs(root, split, **given)
    return pairs


def write_pairs(
    pairs: Sequence[Pair],
    classes: Classes,
    images: Path,
    truth: Path,
    *,
    copy: bool = False,
    final: Path | None = None,
    overwrite: bool = False,
) -> PrepareReport:
    """Write the rasters and class rasters of pairs.

    Args:
        pairs: Each gives NAME.vrt (or .tif) and NAME.tif.
        classes: That their truth has.
        images: Folder for the rasters.
        truth: Folder for the class rasters.
        copy: Write GeoTIFFs instead of virtual rasters.
        final: Folder that the rasters will be moved to, as deep as `images`, so that the paths in them are right there.
        overwrite: Replace existing files.

    Raises:
        GeoPointSegError: see `prepare`; then what was written is removed again.
    """
    if not pairs:
        raise GeoPointSegError("expected some images, got none: choose another --split")
    for folder in (images, truth):
        new_folder(folder)
    targets = [images / f"{pair.name}{'.tif' if copy else '.vrt'}" for pair in pairs]
    targets += [truth / f"{pair.name}.tif" for pair in pairs if pair.truth]
    for target in targets:
        require_new(target, overwrite=overwrite)
    new = [target for target in targets if not target.exists()]
    try:
        return _write_pairs(pairs, classes, images, truth, copy=copy, final=final, overwrite=overwrite)
    except BaseException:
        for target in new:
            target.unlink(missing_ok=True)
        raise


def _write_pairs(
    pairs: Sequence[Pair],
    classes: Classes,
    images: Path,
    truth: Path,
    *,
    copy: bool,
    final: Path | None,
    overwrite: bool,
) -> PrepareReport:
    """Write the rasters and class rasters of pairs, one after the other."""
    pixels, written, truths, notes = np.zeros(256, np.int64), [], [], []
    for pair in tqdm(pairs, "preparing", unit="image", disable=None if len(pairs) > 1 else True, leave=False):
        grid = grid_of(pair)
        path, told = write_image(pair, grid, images, copy=copy, base=final, overwrite=overwrite)
        written.append(path)
        notes += told
        if pair.truth:
            out = truth / f"{pair.name}.tif"
            pixels += write_truth(pair, grid, classes, out, overwrite=overwrite)
            truths.append(out)
    if made_up := sum(pair.place is not None and pair.place.made_up for pair in pairs):
        notes.append(
            f"the place of {made_up} images is not known: they have a synthetic georeference, far from each other"
        )
    counts = pixels[: len(classes)].tolist()
    unlabelled = int(pixels[UNLABELLED])
    once = tuple(dict.fromkeys(notes))
    return PrepareReport(tuple(written), tuple(truths), classes, tuple(counts), unlabelled, (images, truth), once)
