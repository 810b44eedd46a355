"""Pictures on disk."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from geopointseg.files import replacing
from geopointseg.grid import Grid

__all__ = ["draw_scale_bar", "save_figure"]


def save_figure(figure: Figure, path: Path) -> Path:
    """Write the picture, with the same bytes for the same picture."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a class may be called "$x"
    with mpl.rc_context({"savefig.dpi": 110}), replacing(path, overwrite=True) as partial:
        figure.savefig(partial, metadata={"Software": None})
    return path


def draw_scale_bar(axis: Axes, grid: Grid) -> None:
    """Draw a bar of a round length, about a quarter of the picture, in its lower left corner.

    Args:
        axis: A picture of the whole grid, in coordinates of its CRS.
        grid: The grid.
    """
    across = grid.ground_size[1] * grid.width / 4
    power = 10.0 ** np.floor(np.log10(across))
    metres = max(step * power for step in (1, 2, 5) if step * power <= across)
    share = metres / (grid.ground_size[1] * grid.width)
    length = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    for color, width in (("w", 6), ("k", 3)):
        ends = [0.03, 0.03 + share], [0.035, 0.035]
        axis.plot(*ends, color=color, lw=width, transform=axis.transAxes, solid_capstyle="butt", clip_on=False)
    box = {"facecolor": "w", "edgecolor": "none", "alpha": 0.75, "pad": 1.5}
    axis.text(0.03 + share / 2, 0.055, length, transform=axis.transAxes, ha="center", va="bottom", fontsize=9, bbox=box)
