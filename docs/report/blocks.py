"""What a report is made of, whatever it is written as."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Heading", "Paragraph", "Picture", "Table"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading."""

    text: str
    level: int = 2
    """1 for the title, 2 for a chapter, 3 for a section."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Prose."""

    text: str
    code: bool = False
    """A command line."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; every row has as many cells as the head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with what it shows."""

    path: Path
    caption: str


Block = Heading | Paragraph | Table | Picture
