"""Pictures on disk."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text

from geopointseg.files import replacing

__all__ = ["save_figure"]


def save_figure(figure: Figure, path: Path) -> Path:
    """Write the picture, with the same bytes for the same picture."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a class may be called "$x"
    with mpl.rc_context({"savefig.dpi": 110}), replacing(path, overwrite=True) as partial:
        figure.savefig(partial, metadata={"Software": None})
    return path
