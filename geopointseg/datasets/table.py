"""The data sets that are known, as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from geopointseg.datasets import (
    agriculture_vision,
    deepglobe,
    dubai,
    flair,
    gid,
    landcoverai,
    landcoverai_tiles,
    lssqps,
    pets,
    potsdam,
    potsdam_patches,
    vaihingen,
    zurich,
)
from geopointseg.errors import GeoPointSegError

__all__ = ["ADAPTERS", "Table", "find_dataset", "table"]

_MODULES = (
    landcoverai,
    landcoverai_tiles,
    potsdam,
    potsdam_patches,
    vaihingen,
    deepglobe,
    agriculture_vision,
    gid,
    zurich,
    flair,
    dubai,
    pets,
    lssqps,
)
ADAPTERS: Mapping[str, ModuleType] = {module.DATASET.name: module for module in _MODULES}
"""Modules with `DATASET` and `pairs(root, split)`, by the names of their data sets."""
HEADER = ("name", "data set", "classes", "resolution", "size", "licence", "link")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under their headers."""

    rows: tuple[tuple[str, ...], ...]
    files: tuple[Path, ...] = ()
    """None: it is printed."""

    def __str__(self) -> str:
        """In columns, as wide as they must be."""
        wide = [max(len(row[i]) for row in self.rows) for i in range(len(self.rows[0]))]
        lines = ["  ".join(cell.ljust(n) for cell, n in zip(row, wide, strict=True)).rstrip() for row in self.rows]
        return "\n".join([lines[0], "  ".join("-" * n for n in wide), *lines[1:]])

    def markdown(self) -> str:
        """As a table of Markdown."""
        lines = [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([lines[0], f"|{'---|' * len(self.rows[0])}", *lines[1:]])


def table() -> Table:
    """List the data sets: name, classes, resolution, size, licence and link.

    Returns:
        The table.
    """
    known = [module.DATASET for module in ADAPTERS.values()]
    rows = [(d.name, d.title, f"{len(d.classes)}", d.resolution, d.size, d.licence, d.link) for d in known]
    return Table((HEADER, *rows))


def find_dataset(name: str) -> ModuleType:
    """The module of a data set.

    Raises:
        GeoPointSegError: none has that name.
    """
    if name not in ADAPTERS:
        raise GeoPointSegError(
            f"expected the name of a data set ({', '.join(ADAPTERS)}), got {name}: for your own images and masks there is "
            "'geopointseg prepare-folder'"
        )
    return ADAPTERS[name]
