"""The curves of a training as a picture."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from geopointseg.figures import save_figure

__all__ = ["draw_curves"]


def draw_curves(path: Path, log: Path) -> Path:
    """Draw the training loss and the scores on held-out points from Lightning's CSV log."""
    frame = pd.read_csv(log)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    if "train_loss" in frame:  # not after fewer steps than are between two lines of the log
        loss = frame.dropna(subset=["train_loss"])
        left.plot(loss["step"], loss["train_loss"], color="#0072b2", lw=1)
    left.set(title="training loss", xlabel="step", ylabel="loss", ylim=(0, None))
    for column, name, color in (("val_miou", "mean IoU", "#d55e00"), ("val_oa", "overall accuracy", "#009e73")):
        if column in frame:
            one = frame.dropna(subset=[column])
            right.plot(one["step"], one[column], marker="." if column == "val_miou" else "x", color=color, label=name)
    right.set(title="held-out points", xlabel="step", ylim=(0, 1))
    if right.lines:
        right.legend(frameon=False, loc="lower right")
    return save_figure(figure, path)
