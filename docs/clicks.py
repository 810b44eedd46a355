"""Draw the picture of "What a click becomes": clicks on a real image, what they label by several ways, and the truth.

From the project's root, where the real rasters are at hand (GEOPOINTSEG_DATA): python -m docs.clicks
"""

import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from benchmarks.propagation import LSSQPS, Scene, drawn, dubai
from geopointseg.classes import UNLABELLED
from geopointseg.colors import distinct_colors
from geopointseg.labels.propagate import Clicks, find_reach, hold, leave_out, paint, superpixels_at
from geopointseg.labels.slic import slic
from geopointseg.labels.spread import spread

PICTURE = Path(__file__).parent / "pictures" / "clicks_dubai.png"
BUDGET = 50  # clicks per 512 x 512 pixels
SHOWN = (1, 4, 7)  # of the scenes: one of each kind, an easy one and a hard one among them
CROP = np.s_[150:700, 250:1000]


def main() -> None:
    """Spread clicks over several scenes, as a whole, and show one."""
    names, images = dubai(quick=False)
    colors = distinct_colors(names)
    scenes = [
        Scene(image, truth, list(superpixels_at(image)), slic(image, size=LSSQPS))
        for image, truth in itertools.islice(images, 0, None, 4)
    ]
    rng = np.random.default_rng(0)
    clicks = [drawn(scene, BUDGET, rng) for scene in scenes]
    held = [hold(scene.ladder, at) for scene, at in zip(scenes, clicks, strict=True)]
    trials = (leave_out(cut, at, len(names), np.ones(len(at.rows), bool)) for cut, at in zip(held, clicks, strict=True))
    reach = find_reach(trials)
    figure, axes = plt.subplots(len(SHOWN), 4, figsize=(13, 3.1 * len(SHOWN)), layout="constrained")
    for row, number in zip(axes, SHOWN, strict=True):
        scene, at = scenes[number], clicks[number]
        places = (at.rows, at.cols, at.class_ids)
        panels = {
            "clicks": np.full(scene.truth.shape, UNLABELLED, np.uint8),
            "majority in SLIC": spread(scene.slic, *places, conflict="majority")[0],
            "reach": paint(held[number], scene.image, at, reach).labels,
            "truth": scene.truth,
        }
        for axis, (title, labels) in zip(row, panels.items(), strict=True):
            show(axis, scene, labels, at, colors, clicked=title == "clicks")
            known = (labels != UNLABELLED) & (scene.truth != UNLABELLED)
            right = (labels == scene.truth)[known].mean() if known.any() else 1.0
            judged = title in ("clicks", "truth")
            axis.set_title(title if judged else f"{title}: {known.mean():.0%} labelled, {right:.0%} right", fontsize=10)
    marks = [Rectangle((0, 0), 1, 1, color=color) for color in colors]
    figure.legend(marks, names, loc="outside lower center", ncols=len(names))
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=75, metadata={"Software": None})


def show(
    axis: Axes, scene: Scene, labels: NDArray[np.uint8], at: Clicks, colors: tuple[str, ...], *, clicked: bool
) -> None:
    """The image, dimmed, with labels in their colours over it."""
    image = np.moveaxis(scene.image, 0, -1)[CROP]
    table = np.array([to_rgb(color) for color in colors])
    shown = labels[CROP]
    over = shown != UNLABELLED
    mixed = image.copy()
    mixed[over] = 0.35 * image[over] + 0.65 * table[shown[over]]
    axis.imshow(mixed)
    axis.axis("off")
    if clicked:
        top, left = CROP[0].start, CROP[1].start
        height, width = shown.shape
        rows, cols = at.rows - top, at.cols - left
        here = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        axis.scatter(cols[here], rows[here], c=table[at.class_ids[here]], s=28, edgecolors="k", linewidths=0.7)


if __name__ == "__main__":
    main()
