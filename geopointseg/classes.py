"""Classes: ids 0…K-1 with names, colours and the user's own codes. 255 is never a class."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geopointseg.colors import distinct_colors
from geopointseg.errors import GeoPointSegError

__all__ = ["CODES", "LIMIT", "UNLABELLED", "Classes", "require_count"]

UNLABELLED = 255
"""Fill, nodata and ignore value of every class raster."""
LIMIT = 254
"""The most classes a uint8 raster holds beside 255, with 254 left free."""
CODES = range(-(2**31), 2**31)
"""The codes that GDAL's attribute tables hold."""


@dataclass(frozen=True, slots=True)
class Classes:
    """Ordered classes: the id of a class is its place in `names`.

    Raises:
        GeoPointSegError: no class, more than `LIMIT`, a name twice, or a code that `CODES` lacks.
    """

    names: tuple[str, ...]
    colors: tuple[str, ...]
    """As #rrggbb."""
    codes: tuple[int, ...]
    """The user's own codes; the ids where there are none."""

    def __post_init__(self) -> None:
        """Refuse what a class raster cannot hold."""
        require_count(len(self.names))
        if len(set(self.names)) < len(self.names):
            raise GeoPointSegError(f"expected every class name once, got {', '.join(self.names)}")
        outside = [code for code in self.codes if int(code) not in CODES]  # int: a range counts up to any other type
        if outside:
            raise GeoPointSegError(
                f"expected codes from {CODES[0]} to {CODES[-1]}, which attribute tables hold, got {outside[0]}: "
                "give the classes shorter codes, and check --class-field"
            )

    def __len__(self) -> int:
        """How many classes there are."""
        return len(self.names)

    @classmethod
    def of(
        cls,
        labels: Iterable[str | int],
        names: Mapping[int, str] | None = None,
        colors: Mapping[str, str] | None = None,
    ) -> "Classes":
        """Classes from the labels of points or pixels, whatever their order.

        Text is sorted by name, numbers by code. Familiar names get their usual colour, others one from a
        colour-blind-safe palette.

        Args:
            labels: Class names or codes; repeats are fine.
            names: Names for codes, such as {10: "building"}.
            colors: Colours (#rrggbb) for class names, kept as they are.
        """
        unique = set(labels)
        if any(isinstance(label, str) for label in unique):
            ordered = sorted(str(label) for label in unique)
            codes = tuple(range(len(ordered)))
        else:
            codes = tuple(sorted(int(label) for label in unique))
            ordered = [(names or {}).get(code, str(code)) for code in codes]
        return cls.colored(ordered, codes, colors)

    @classmethod
    def colored(cls, names: Sequence[str], codes: Sequence[int], colors: Mapping[str, str] | None = None) -> "Classes":
        """Classes in a given order, with a colour for each: one that is given, or else as `of` chooses."""
        require_count(len(names))  # before a colour is sought for each of a million
        return cls(tuple(names), distinct_colors(names, colors), tuple(codes))

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


def require_count(count: int) -> None:
    """Refuse so many classes if a class raster cannot hold them.

    Raises:
        GeoPointSegError: no class, or more than `LIMIT`.
    """
    if not 1 <= count <= LIMIT:
        raise GeoPointSegError(
            f"expected 1 to {LIMIT} classes, got {count}: is --class-field really the class, not an id?"
        )
