"""What is known of a data set, and its images with their truth, as values."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from geopointseg.classes import Classes
from geopointseg.grid import Window

__all__ = ["Dataset", "Decode", "Pair", "Place", "RemoteFile", "Tiles", "classes_of"]

Decode = Callable[[NDArray[Any]], tuple[NDArray[np.uint8], Counter[str]]]
"""(bands, height, width) of the files of a truth → (height, width) ids with 255, and how often what is no class came up."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An archive that can be fetched without asking anybody."""

    url: str
    checksum: str = ""
    """As algorithm:digest, such as md5:3268…; "" where the owner publishes none."""
    size: int = 0
    """Bytes, about: to see before whether the disk has room. 0 where it is not known."""

    @property
    def name(self) -> str:
        """Of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known of a data set before anything of it is here."""

    name: str
    """As the commands call it."""
    title: str
    classes: Classes
    resolution: str
    size: str
    """How much there is, in words."""
    licence: str
    link: str
    """Where the owner describes it."""
    files: tuple[RemoteFile, ...] = ()
    terms: str = ""
    """What the owner wants one to agree to before a download; "" where nothing."""
    by_hand: str = ""
    """How to get it where the owner wants to be asked."""
    archives: tuple[str, ...] = ()
    """Names of the archives, as globs, that such a way gives; they are unpacked where they lie."""
    splits: tuple[str, ...] = ("all",)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies that does not say so itself."""

    crs: CRS
    transform: Affine | None = None
    """None: the file has one, a world file for example."""
    made_up: bool = False
    """Nobody knows where it was taken: a place far from the others, so that coordinates work."""


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Which tiles of an image belong to a split."""

    chosen: NDArray[np.bool_]
    """(rows, columns) of tiles; the last may reach beyond the image."""
    side: int
    """Of a tile, in pixels."""

    def kept(self, window: Window) -> NDArray[np.bool_]:
        """(height, width) true where a pixel of the window lies in a chosen tile."""
        rows = np.arange(window.row, window.row + window.height) // self.side
        cols = np.arange(window.col, window.col + window.width) // self.side
        return np.asarray(self.chosen[np.ix_(rows, cols)])

    def others(self, height: int, width: int) -> Iterator[Window]:
        """The tiles of an image of this size that are not chosen."""
        for row, col in zip(*np.nonzero(~self.chosen), strict=True):
            yield Window(int(row) * self.side, int(col) * self.side, self.side, self.side).within(height, width)


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its truth, as they lie in a data set."""

    name: str
    """Of the rasters made of it: no two pairs of a data set share it."""
    image: Path
    truth: tuple[Path, ...]
    """One file, or several whose bands `decode` wants together; none where the owner keeps the truth."""
    decode: Decode
    more: tuple[Path, ...] = ()
    """Rasters whose first band is one more band of the image."""
    names: tuple[str, ...] = ()
    """Of the bands."""
    place: Place | None = None
    """For an image that does not say where it lies; one that does keeps what it says."""
    rgb: bool = False
    """Take three bands whatever there is: grey thrice, a palette as its colours."""
    tiles: Tiles | None = None
    """Which pixels of the truth belong to the split, where others of the same image do not."""
    advice: str = "fetch the file again, or correct it; a copy that was resized or saved as JPEG is of no use"
    """What to do about truth that holds what is no class."""


def classes_of(colors: Mapping[str, str], *, first: int = 0) -> Classes:
    """Classes from names and colours (#rrggbb, or "" for the usual one), with codes from `first` on."""
    given = {name: color for name, color in colors.items() if color}
    return Classes.colored(tuple(colors), tuple(range(first, first + len(colors))), given)
