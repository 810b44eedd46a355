"""From what truth holds, colours or codes, to class ids and back. What is no class is counted, never guessed at."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.datasets.dataset import Decode
from geopointseg.errors import GeoPointSegError

__all__ = ["by_codes", "by_colors", "encode_colors"]


def by_colors(classes: Classes, *, ignored: Iterable[str] = (), snapped: bool = False) -> Decode:
    """Read truth that is drawn in the colours of its classes.

    Args:
        classes: With the colours that the truth has.
        ignored: Colours (#rrggbb) that stand for no class.
        snapped: Take every channel for 0 below 128 and for 255 from there on: for truth that went through a lossy
            compression, where all colours are corners of the cube.

    Returns:
        A function of (3 or more, height, width) uint8; bands beyond the third, such as alpha, are not looked at.
    """
    known = {_packed_color(color): i for i, color in enumerate(classes.colors)}
    known |= {_packed_color(color): UNLABELLED for color in ignored}
    keys = np.array(sorted(known), dtype=np.uint32)
    values = np.array([known[key] for key in sorted(known)], dtype=np.uint8)

    def decode(bands: NDArray[Any]) -> tuple[NDArray[np.uint8], Counter[str]]:
        if len(bands) < 3 or bands.dtype != np.uint8:
            raise GeoPointSegError(
                f"expected truth in colours, three bands of uint8, got {len(bands)} of {bands.dtype}: is it another "
                "version of the data set, with codes?"
            )
        colors = bands[:3]
        if snapped:
            colors = np.where(colors < 128, np.uint8(0), np.uint8(255))
        packed = _packed(colors)
        ids, is_known = _looked_up(packed, keys, values)
        strange, counts = np.unique(packed[~is_known], return_counts=True)
        return ids, Counter({f"#{color:06x}": int(n) for color, n in zip(strange, counts, strict=True)})

    return decode


def by_codes(codes: Mapping[int, int], *, ignored: Iterable[int] = ()) -> Decode:
    """Read truth whose first band holds codes.

    Args:
        codes: Code → class id.
        ignored: Codes that stand for no class.
    """
    known = dict.fromkeys(ignored, UNLABELLED) | dict(codes)
    keys = np.array(sorted(known), dtype=np.int64)
    values = np.array([known[key] for key in sorted(known)], dtype=np.uint8)

    def decode(bands: NDArray[Any]) -> tuple[NDArray[np.uint8], Counter[str]]:
        ids, is_known = _looked_up(bands[0], keys, values)
        strange, counts = np.unique(bands[0][~is_known], return_counts=True)
        return ids, Counter({f"{code}": int(n) for code, n in zip(strange, counts, strict=True)})

    return decode


def encode_colors(ids: NDArray[np.uint8], classes: Classes, *, unlabelled: str = "#000000") -> NDArray[np.uint8]:
    """Draw class ids in the colours of their classes: the inverse of `by_colors`.

    Args:
        ids: (height, width), 255 for what is unlabelled.
        classes: What the ids mean.
        unlabelled: Colour of 255.

    Returns:
        (3, height, width): red, green, blue.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(classes)] = classes.rgb()
    table[UNLABELLED] = [_packed_color(unlabelled) >> shift & 255 for shift in (16, 8, 0)]
    return np.ascontiguousarray(table[ids].transpose(2, 0, 1))


def _looked_up(
    found: NDArray[Any], keys: NDArray[Any], values: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The value of each key that is known, 255 for the others, and which are known."""
    nearest = np.searchsorted(keys, found).clip(max=len(keys) - 1)
    is_known = np.asarray(keys[nearest] == found)
    return np.where(is_known, values[nearest], np.uint8(UNLABELLED)), is_known


def _packed(colors: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Three channels as one number, 0xrrggbb."""
    red, green, blue = colors.astype(np.uint32)
    packed: NDArray[np.uint32] = red << 16 | green << 8 | blue
    return packed


def _packed_color(color: str) -> int:
    """The number of #rrggbb."""
    return int(color[1:], 16)
