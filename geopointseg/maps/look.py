"""A map that is looked at, and what several clauses of its contract ask of a file."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasterio.io import DatasetReader

from geopointseg.grid import Grid

__all__ = ["Look", "known_classes", "layout_faults", "rgb"]


@dataclass(frozen=True, slots=True)
class Look:
    """A map that is looked at."""

    path: Path
    source: DatasetReader
    classes: tuple[Mapping[str, Any], ...] | None
    """Rows of id, name, color and code; None where the file does not tell them."""
    grid: Grid | None
    """Of the raster it should lie on; None where that is not asked."""

    def beside(self, ending: str) -> Path:
        """A companion: map.tif and .qml give map.qml, .tif.aux.xml stays whole."""
        return self.path.with_name(self.path.stem + ending)


def known_classes(source: DatasetReader) -> tuple[Mapping[str, Any], ...] | None:
    """The classes in the tag CLASSES, None where it tells none that a map can have."""
    try:
        rows = tuple(json.loads(source.tags()["CLASSES"]))
        ids = [row["id"] for row in rows]
        colors = [bool(re.fullmatch("#[0-9a-f]{6}", row["color"])) for row in rows]
        names = {row["name"] for row in rows if row["name"] and isinstance(row["code"], int)}
    except (KeyError, TypeError, ValueError):
        return None
    good = ids == list(range(len(rows))) and 1 <= len(rows) <= 254 and all(colors) and len(names) == len(rows)
    return rows if good else None


def rgb(color: str) -> tuple[int, int, int]:
    """#rrggbb as numbers."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def layout_faults(source: DatasetReader) -> Iterator[str]:
    """What is not as a COG has it."""
    if (layout := source.tags(ns="IMAGE_STRUCTURE").get("LAYOUT")) != "COG":
        yield f"expected the layout COG, got {layout}"
    height, width = source.block_shapes[0]
    levels = source.overviews(1)
    if height != width or height > 1024:
        yield f"expected square tiles, got {height} x {width}"
    smallest = [side // max(levels, default=1) for side in source.shape]
    if max(smallest) > max(height, width, 512):
        yield f"expected overviews down to one tile, got {levels}"
    places = [{}, *({"ovr": i} for i in range(len(levels)))]
    headers, pixels = (
        [int(source.get_tag_item(tag, "TIFF", bidx=1, **place) or 0) for place in places]
        for tag in ("IFD_OFFSET", "BLOCK_OFFSET_0_0")
    )
    stored = [offset for offset in reversed(pixels) if offset]  # a tile without data may not be stored
    if headers != sorted(headers) or stored != sorted(stored) or (stored and headers[-1] > stored[0]):
        yield "expected headers first, then overviews from the smallest on, then pixels, got another order"
