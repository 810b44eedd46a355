"""What the two cities of ISPRS's 2D semantic labelling share: six classes, drawn in corners of the colour cube."""

from geopointseg.datasets.dataset import Decode, classes_of
from geopointseg.datasets.decode import by_colors

__all__ = ["CLASSES", "LINK", "decode"]

LINK = "https://www.isprs.org/education/benchmarks/UrbanSemLab"
CLASSES = classes_of(
    {
        "impervious surfaces": "#ffffff",
        "building": "#0000ff",
        "low vegetation": "#00ffff",
        "tree": "#00ff00",
        "car": "#ffff00",
        "clutter": "#ff0000",
    }
)
UNDEFINED = "#000000"  # boundaries that are eroded away, and what nobody labelled


def decode(*, snapped: bool = False) -> Decode:
    """Read truth in ISPRS's colours; black is ignored. `snapped` is for files that a lossy compression went through."""
    return by_colors(CLASSES, ignored=[UNDEFINED], snapped=snapped)
