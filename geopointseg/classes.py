"""Classes: ids 0…K-1 with names, colours and the user's own codes. 255 is never a class."""

import colorsys
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from geopointseg.errors import GeoPointSegError

__all__ = ["LIMIT", "UNLABELLED", "Classes"]

UNLABELLED = 255
"""Fill, nodata and ignore value of every class raster."""
LIMIT = 254
"""The most classes a uint8 raster holds beside 255, with 254 left free."""

FAMILIAR = {
    "background": "#bdbdbd",
    "bare": "#c8a165",
    "bare soil": "#c8a165",
    "building": "#d7301f",
    "car": "#ffd92f",
    "crop": "#e6c229",
    "emergent wetland": "#66c2a4",
    "field": "#e6c229",
    "forest": "#1b7837",
    "forested wetland": "#2c7a5f",
    "grass": "#a6d96a",
    "herbaceous": "#b8d977",
    "impervious": "#8c8c8c",
    "low vegetation": "#a6d96a",
    "road": "#636363",
    "roof": "#d7301f",
    "sand": "#f2dc9b",
    "soil": "#c8a165",
    "tree": "#1b7837",
    "urban": "#d7301f",
    "vegetation": "#4dac26",
    "water": "#2b83ba",
    "wetland": "#66c2a4",
    "woodland": "#1b7837",
}
# Okabe and Ito 2008, "Color Universal Design": told apart by people with any common colour vision.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7f7f7f")


@dataclass(frozen=True, slots=True)
class Classes:
    """Ordered classes: the id of a class is its place in `names`.

    Raises:
        GeoPointSegError: no class, more than `LIMIT`, or a name twice.
    """

    names: tuple[str, ...]
    colors: tuple[str, ...]
    """As #rrggbb."""
    codes: tuple[int, ...]
    """The user's own codes; the ids where there are none."""

    def __post_init__(self) -> None:
        """Refuse what a class raster cannot hold."""
        if not 1 <= len(self.names) <= LIMIT:
            raise GeoPointSegError(
                f"expected 1 to {LIMIT} classes, got {len(self.names)}: is --class-field really the class, not an id?"
            )
        if len(set(self.names)) < len(self.names):
            raise GeoPointSegError(f"expected every class name once, got {', '.join(self.names)}")

    def __len__(self) -> int:
        """How many classes there are."""
        return len(self.names)

    @classmethod
    def of(cls, labels: Iterable[str | int], names: Mapping[int, str] | None = None) -> "Classes":
        """Classes from the labels of points or pixels, whatever their order.

        Text is sorted by name, numbers by code. Familiar names get their usual colour, others one from a
        colour-blind-safe palette.

        Args:
            labels: Class names or codes; repeats are fine.
            names: Names for codes, such as {10: "building"}.
        """
        unique = set(labels)
        if any(isinstance(label, str) for label in unique):
            ordered = sorted(str(label) for label in unique)
            codes = tuple(range(len(ordered)))
        else:
            codes = tuple(sorted(int(label) for label in unique))
            ordered = [(names or {}).get(code, str(code)) for code in codes]
        return cls(tuple(ordered), _colors(ordered), codes)

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> "Classes":
        """Classes from rows with `id`, `name`, `color` and `code`, in any order."""
        rows = sorted(records, key=lambda row: int(row["id"]))
        return cls(
            tuple(str(row["name"]) for row in rows),
            tuple(str(row["color"]) for row in rows),
            tuple(int(row["code"]) for row in rows),
        )

    def records(self) -> list[dict[str, Any]]:
        """One row per class: `id`, `name`, `color`, `code`."""
        rows = zip(self.names, self.colors, self.codes, strict=True)
        return [{"id": i, "name": n, "color": c, "code": k} for i, (n, c, k) in enumerate(rows)]

    def to_tag(self) -> str:
        """The classes as one line of JSON, for a GeoTIFF tag."""
        return json.dumps(self.records(), ensure_ascii=False)

    @classmethod
    def from_tag(cls, tag: str) -> "Classes":
        """The inverse of `to_tag`."""
        return cls.from_records(json.loads(tag))

    def rgb(self) -> list[tuple[int, int, int]]:
        """Colours as (red, green, blue), 0 to 255."""
        return [(int(c[1:3], 16), int(c[3:5], 16), int(c[5:7], 16)) for c in self.colors]

    def colormap(self) -> dict[int, tuple[int, int, int, int]]:
        """Colours as GDAL wants them for a palette; every class opaque, 255 transparent."""
        return {i: (*rgb, 255) for i, rgb in enumerate(self.rgb())} | {UNLABELLED: (0, 0, 0, 0)}


def _colors(names: list[str]) -> tuple[str, ...]:
    """A colour for each name, all different."""
    colors = [FAMILIAR.get(name.strip().lower(), "") for name in names]
    taken = set(colors)
    spare = (color for color in _endless_palette() if color not in taken)
    seen: set[str] = set()
    for i, color in enumerate(colors):
        if not color or color in seen:
            colors[i] = next(spare)
        seen.add(colors[i])
    return tuple(colors)


def _endless_palette() -> Iterable[str]:
    """The palette, then hues a golden angle apart."""
    yield from PALETTE
    for i in count():
        red, green, blue = colorsys.hsv_to_rgb((i * 0.381966) % 1, 0.45 + 0.4 * (i % 2), 0.95 - 0.2 * (i % 3))
        yield f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}"
