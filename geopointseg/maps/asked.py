"""What is asked: the account of a query, for people and for programs."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geopointseg.classes import Classes
from geopointseg.labels.acquire import Candidates, Strategy
from geopointseg.labels.points import holds_out
from geopointseg.labels.vector import PointSource
from geopointseg.words import counted

__all__ = ["QueryReport", "account", "next_command"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryReport:
    """What is asked, and of how many superpixels."""

    files: tuple[Path, ...]
    asked: pd.DataFrame
    """rank, suggested, confidence, doubt and why of each question."""
    wanted: int
    strategy: Strategy
    size: int
    """Mean area of the superpixels, in pixels."""
    apart: int
    """Pixels to existing points."""
    superpixels: int
    """Of the land, of about one size each."""
    beside: int
    """Those with a point in them or beside."""
    held_out: int
    """Those on held-out ground."""
    room: int | None
    """The largest distance to existing points that leaves room for all that was wanted; None where none does."""
    waiting: int
    """Questions of an earlier round that have no answer yet."""
    again: bool
    """Whether their places may be asked about again."""
    following: str
    """What to do next."""

    def figures(self) -> dict[str, Any]:
        """All figures as plain values, for JSON."""
        return {
            "asked": len(self.asked),
            "wanted": self.wanted,
            "strategy": self.strategy,
            "superpixels": self.superpixels,
            "beside_points": self.beside,
            "held_out": self.held_out,
            "waiting": self.waiting,
            "suggested": self.asked["suggested"].dropna().value_counts().to_dict(),
            "mean_doubt": float(self.asked["doubt"].mean()) if len(self.asked) else None,
        }

    def __str__(self) -> str:
        """The account for people."""
        lines = [
            f"{counted(len(self.asked), 'question')} by strategy {self.strategy}, of {counted(self.superpixels, 'superpixel')}",
            f"not asked about: {counted(self.beside, 'superpixel')} with a point in or beside, {self.held_out} on held-out ground",
        ]
        if self.waiting:
            kept = "and their places may be asked about again" if self.again else "and nothing is asked there again"
            are = counted(self.waiting, "earlier question is", "earlier questions are")
            lines.append(f"{are} not answered yet: left as before, {kept}")
        if len(self.asked) < self.wanted:
            lines.append(self._too_few())
        per_class = self.asked["suggested"].dropna().value_counts()
        if len(per_class):
            lines.append("suggested: " + ", ".join(f"{name} {n}" for name, n in per_class.items()))
        return "\n".join(lines)

    def _too_few(self) -> str:
        """Why less is asked than was wanted, and what would help."""
        wanted = counted(self.wanted, "was", "were")
        if self.room is not None:
            return (
                f"note: {wanted} wanted, but all other ground is nearer to a point than --apart {self.apart}: "
                f"--apart {self.room} leaves room for all of them"
            )
        nearer = f", or come nearer to points than --apart {self.apart}" if self.beside and self.apart else ""
        return (
            f"note: {wanted} wanted, but there is no more to ask about: take smaller superpixels than --size {self.size}"
            + nearer
        )


def account(chosen: Candidates, classes: Classes | None, land: NDArray[np.float64]) -> pd.DataFrame:
    """What is said of each question.

    Args:
        chosen: The superpixels that are asked about, in the order of rank.
        classes: Of the models; None before there are any.
        land: (classes,) share of the land that is predicted as each class.

    Returns:
        rank, suggested, confidence, doubt and why.
    """
    frame = pd.DataFrame({"rank": np.arange(1, len(chosen) + 1)})
    frame["suggested"] = pd.array([None] * len(chosen), "string")
    frame["confidence"] = pd.array([None] * len(chosen), "Float64")
    frame["doubt"] = chosen.doubt
    sizes = [counted(round(area), "pixel") for area in chosen.area]
    if classes is None:
        frame["why"] = pd.array([f"{size} that look alike, unlike others" for size in sizes], "string")
        return frame
    order = np.argsort(-chosen.shares, axis=1, kind="stable")
    best = order[:, 0]
    frame["suggested"] = pd.array(np.array(classes.names, object)[best], "string")
    frame["confidence"] = pd.array(chosen.shares[np.arange(len(chosen)), best].round(3).astype(float), "Float64")
    texts = []
    for row, ranks in enumerate(order):
        said = " or ".join(f"{classes.names[i]} {chosen.shares[row, i]:.2f}" for i in ranks[:2])
        texts.append(f"{said}; {land[ranks[0]]:.0%} of the land is mapped as the first; {sizes[row]}")
    frame["why"] = pd.array(texts, "string")
    return frame


def next_command(
    raster: Sequence[str],
    source: PointSource | None,
    field: str,
    out: Path,
    model: Sequence[str] | None,
    more: Mapping[str, object],
) -> str:
    """The next command, with what the user gave to this one."""
    files = [str(path) for path in source.files] if source else []
    words = ["geopointseg", "run", "--raster", *raster, "--points", *files, str(out), "--class-field", field]
    options = {"layer": source.layer if source else None, **more, "warm-start": model[0] if model else None}
    last = [Path(model[0]).parent / "points.gpkg"] if model else []  # beside model/, where run puts it
    options["held-out-from"] = next(filter(holds_out, [*(source.files if source else ()), *last]), None)
    for name, value in options.items():
        words += [] if value is None else [f"--{name}", str(value)]
    free = next(name for name in (f"result{i or ''}" for i in chain([0], count(2))) if not Path(name).exists())
    command = shlex.join([*words, "--out", free])
    return f"fill in {out} in QGIS, then {command}".replace("{", "{{").replace("}", "}}")
