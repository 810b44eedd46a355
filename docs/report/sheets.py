"""The report as a PDF on A4, drawn by matplotlib: what is there wherever geopointseg is."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import imread
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from docs.report.blocks import Block, Heading, Paragraph, Picture, Table
from geopointseg.files import replacing

__all__ = ["as_pdf"]

WIDTH, HEIGHT = 595.0, 842.0  # A4, in points
MARGIN = 50.0
INSIDE = WIDTH - 2 * MARGIN
SIZES = {1: 18.0, 2: 14.0, 3: 11.0}
BODY, CODE, CELL = 9.0, 7.0, 8.0
LEADING = 1.35  # from one line to the next, in font sizes
GAP = 8.0  # between columns, at the size of CELL


class _Sheets:
    """Pages that are filled from top to bottom."""

    def __init__(self, target: PdfPages) -> None:
        self.target = target
        self.number = 0
        self._begin()

    def _begin(self) -> None:
        """Start a page."""
        self.figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
        self.number += 1
        self.at = HEIGHT - MARGIN

    def end(self) -> None:
        """Finish the page, with its number."""
        self.text(str(self.number), WIDTH / 2, MARGIN / 2, CODE)
        self.target.savefig(self.figure)

    def room(self, needed: float) -> None:
        """Go to the next page if so much does not fit on this one, unless nothing stands on it."""
        if self.at - needed < MARGIN and self.at < HEIGHT - MARGIN:
            self.end()
            self._begin()

    def text(self, text: str, x: float, y: float, size: float, **look: str) -> None:
        """Write a line at a place in points from the lower left."""
        self.figure.text(x / WIDTH, y / HEIGHT, text, fontsize=size, va="baseline", parse_math=False, **look)

    def rule(self, y: float, color: str) -> None:
        """Draw a line across."""
        ends = [MARGIN / WIDTH, 1 - MARGIN / WIDTH]
        self.figure.add_artist(Line2D(ends, [y / HEIGHT] * 2, linewidth=0.5, color=color))


def as_pdf(blocks: Iterable[Block], path: Path) -> Path:
    """Write blocks as a PDF; the same blocks give the same file."""
    with (
        replacing(path, overwrite=True) as partial,
        PdfPages(partial, metadata={"Title": "geopointseg: technical report", "CreationDate": None}) as target,
    ):
        sheets = _Sheets(target)
        for block in blocks:
            if isinstance(block, Heading):
                _heading(sheets, block)
            elif isinstance(block, Paragraph):
                _paragraph(sheets, block)
            elif isinstance(block, Picture):
                _picture(sheets, block)
            else:
                _table(sheets, block)
        sheets.end()
    return path


def _heading(sheets: _Sheets, block: Heading) -> None:
    """A heading, never at the foot of a page."""
    size = SIZES[block.level]
    sheets.room(size * 2 + 90)
    sheets.at -= size * 2
    sheets.text(block.text, MARGIN, sheets.at, size, weight="bold")
    sheets.at -= size * 0.7


def _paragraph(sheets: _Sheets, block: Paragraph) -> None:
    """Lines of text."""
    size = CODE if block.code else BODY
    look = {"family": "monospace"} if block.code else {}
    lines = list(_wrapped(block.text, size, **look))
    if len(lines) < 12:
        sheets.room(len(lines) * size * LEADING)
    for line in lines:
        sheets.room(size * LEADING)
        sheets.at -= size * LEADING
        sheets.text(line, MARGIN, sheets.at, size, **look)
    sheets.at -= size * 0.7


def _wrapped(text: str, size: float, **look: str) -> Iterator[str]:
    """Lines that are no wider than the page between its margins."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and _wide(longer, size, **look) > INSIDE:
            yield line
            line = word
        else:
            line = longer
    yield line


def _wide(text: str, size: float, **look: str) -> float:
    """How wide a line is, in points."""
    width: float = text_to_path.get_text_width_height_descent(text, FontProperties(size=size, **look), ismath=False)[0]
    return width


def _picture(sheets: _Sheets, block: Picture) -> None:
    """A picture over its caption."""
    pixels = imread(block.path)
    height = INSIDE * pixels.shape[0] / pixels.shape[1]
    width = INSIDE * min(1.0, 0.75 * (HEIGHT - 2 * MARGIN) / height)
    height *= width / INSIDE
    sheets.room(height + 30)
    axes = sheets.figure.add_axes((MARGIN / WIDTH, (sheets.at - height) / HEIGHT, width / WIDTH, height / HEIGHT))
    axes.imshow(pixels, aspect="auto", interpolation="none")
    axes.set_axis_off()
    sheets.at -= height
    _paragraph(sheets, Paragraph(block.caption))


def _table(sheets: _Sheets, block: Table) -> None:
    """A table across the page, in letters as large as it allows; the head comes again on every page."""
    columns = zip(block.head, *block.rows, strict=True)
    widest = [GAP + max(_wide(cell, CELL, weight="bold") for cell in column) for column in columns]
    size = CELL * min(1.0, INSIDE / (sum(widest) - GAP))
    line = size * 1.6
    at = [MARGIN + sum(widest[:i]) * size / CELL for i in range(len(widest))]

    def write(row: Iterable[str], weight: str) -> None:
        sheets.at -= line
        for x, cell in zip(at, row, strict=True):
            sheets.text(cell, x, sheets.at, size, weight=weight)
        sheets.rule(sheets.at - 0.4 * size, "black" if weight == "bold" else "0.85")

    sheets.room(min(len(block.rows) + 1, 12) * line)
    write(block.head, "bold")
    for row in block.rows:
        before = sheets.number
        sheets.room(line)
        if sheets.number != before:
            write(block.head, "bold")
        write(row, "normal")
    sheets.at -= line
