"""Settings: which images are learnt from, and which pixels are judged.

In `same-place` every image is cut into a checkerboard: clicks and dense labels come from the blocks of one colour, the others
are judged, and a frame of every block is neither. In `new-place` whole images are learnt from or judged; `validation` is the
same, judged where choices are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio

from geopointseg.classes import UNLABELLED
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.raster import creating, open_raster, raster_classes, read_labels
from pipelines.experiments.data import Data, write_truth

__all__ = ["SETTINGS", "Setting", "SettingName", "by_name", "cores", "every", "part", "prepare", "with_bands"]

SettingName = Literal["same-place", "new-place", "validation"]
SETTINGS: tuple[SettingName, ...] = ("same-place", "new-place", "validation")


@dataclass(frozen=True, slots=True)
class Setting:
    """Where methods learn and where they are judged."""

    name: SettingName
    folder: Path
    """For clicks and pseudo-masks."""
    images: list[Path]
    truth: list[Path]
    """Of `images`; 255 wherever no label may come from."""
    ground: list[list[Window]]
    """Of `images`: where labels may come from."""
    tests: list[Path]
    judged: list[Path]
    """Truth of `tests`; 255 wherever they are not judged."""


def prepare(data: Data, name: SettingName) -> Setting:
    """The images and truth of a setting; what it needs beside the whole images is written once."""
    folder = data.folder / name
    if name != "same-place":
        images, truth = data.paths("images", "train"), data.paths("truth", "train")
        split = "test" if name == "new-place" else "val"
        ground = [[Window(0, 0, *open_raster(path).grid.shape)] for path in truth]
        return Setting(name, folder, images, truth, ground, data.paths("images", split), data.paths("truth", split))
    images, truth = data.paths("images"), data.paths("truth")
    ground = []
    for number, path in enumerate(truth):
        for part, colour in (("learnt", number), ("judged", number + 1)):
            windows = cores(*open_raster(path).grid.shape, block=data.block, colour=colour)
            keep_windows(path, folder / part / path.name, windows)
            if part == "learnt":
                ground.append(windows)
    learnt, judged = ([folder / part / path.name for path in truth] for part in ("learnt", "judged"))
    return Setting(name, folder, images, learnt, ground, images, judged)


def cores(height: int, width: int, *, block: int, colour: int) -> list[Window]:
    """The blocks of one colour of a checkerboard, each without a frame of a sixteenth of its side.

    Between two blocks of different colour a gap of an eighth is left, as `geopointseg check` leaves it.

    Args:
        height: Rows of the image.
        width: Its columns.
        block: Side of a block in pixels.
        colour: Even for the colour of the first block, odd for the other.
    """
    frame = block // 16
    windows = [
        Window(row, col, block, block).grown(-frame).within(height, width)
        for row in range(0, height, block)
        for col in range(0, width, block)
        if (row // block + col // block + colour) % 2 == 0
    ]
    return [window for window in windows if window.height and window.width]


def keep_windows(source: Path, out: Path, windows: list[Window]) -> None:
    """Copy a truth raster's windows; 255 elsewhere."""
    if out.exists():
        return
    grid = open_raster(source).grid
    kept = np.full(grid.shape, UNLABELLED, np.uint8)
    for window in windows:
        kept[window.row : window.row + window.height, window.col : window.col + window.width] = read_labels(
            source, window
        )
    write_truth(out, grid, kept, raster_classes(source))


def every(setting: Setting, step: int) -> Setting:
    """Every image to learn from, every second, third, …; judged on as many in the same place, on all in another."""
    if step < 1:
        raise GeoPointSegError(f"expected every image, every second …, got every {step}: give 1 or more as --every")
    if step == 1:
        return setting
    taken = _taken(setting, range(0, len(setting.images), step), f"every-{step}")
    if setting.name != "same-place":
        return taken
    return replace(taken, tests=setting.tests[::step], judged=setting.judged[::step])


def part(setting: Setting, share: float, seed: int) -> Setting:
    """A share of the images to learn from, one at least; with one seed a smaller share lies within a larger one.

    Raises:
        GeoPointSegError: it is no share.
    """
    if not 0 < share <= 1:
        raise GeoPointSegError(f"expected a share of the images above 0 and up to 1, got {share}: 0.25 takes a quarter")
    if share == 1:
        return setting
    order = np.random.default_rng([seed, 3]).permutation(len(setting.images))
    taken = sorted(order[: max(1, round(share * len(order)))].tolist())
    return _taken(setting, taken, f"share-{share:g}-{seed}")


def by_name(setting: Setting, train: str, test: str) -> Setting:
    """Only images whose names begin so, such as those of one date.

    Raises:
        GeoPointSegError: no image is left.
    """
    if train:
        numbers = [i for i, image in enumerate(setting.images) if image.name.startswith(train)]
        setting = _taken(setting, numbers, f"train-{train}")
    kept = [i for i, image in enumerate(setting.tests) if image.name.startswith(test)]
    if not kept or not setting.images:
        raise GeoPointSegError(
            f"expected images whose names begin with {train!r} to learn from and {test!r} to be judged, got "
            f"{len(setting.images)} and {len(kept)}: change images.train or images.test"
        )
    return replace(setting, tests=[setting.tests[i] for i in kept], judged=[setting.judged[i] for i in kept])


def _taken(setting: Setting, numbers: Sequence[int], name: str) -> Setting:
    """Some of the images to learn from; other images have other clicks, and so another folder."""
    images, truth, ground = ([getattr(setting, what)[i] for i in numbers] for what in ("images", "truth", "ground"))
    return replace(setting, folder=setting.folder / name, images=images, truth=truth, ground=ground)


def with_bands(setting: Setting, bands: Sequence[int]) -> Setting:
    """Images of some of the bands, from 1 on, in this order; copies of them are written once.

    Raises:
        GeoPointSegError: an image does not have such a band.
    """
    if not bands:
        return setting
    name = "bands-" + "".join(map(str, bands))
    images, tests = (
        [_copied(image, image.parent.parent / name / image.name, bands) for image in some]
        for some in (setting.images, setting.tests)
    )
    return replace(setting, folder=setting.folder / name, images=images, tests=tests)


def _copied(source: Path, out: Path, bands: Sequence[int]) -> Path:
    """Write some bands of a raster, unless that has been done."""
    raster = open_raster(source)
    if not set(bands) <= set(raster.bands):
        raise GeoPointSegError(
            f"expected bands among {list(raster.bands)} of {source.name}, got {list(bands)}: change images.bands"
        )
    if not out.exists():
        with rasterio.open(source) as opened:
            pixels = opened.read(list(bands))
        with creating(out, raster.grid, count=len(bands), dtype=str(pixels.dtype), overwrite=True) as target:
            target.write(pixels)
    return out
