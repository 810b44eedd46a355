"""Seams: the same raster mapped with windows of 256, 512 and 1,024 pixels is the same map, and where it is not shows no grid.

A trained network (U-Net with ResNet-18) maps an image of dubai_mbrsc of a tile that it was not trained on (synthetic georeference).
How far it looks is measured first: the effective half-width is that of the square around a pixel which holds 99.9 % of the absolute
gradient of its strongest class, on the mean over places (after Luo et al., "Understanding the Effective Receptive Field in Deep
Convolutional Neural Networks", NeurIPS 2016). Maps are compared pair by pair, away from the raster's border, and drawn: pixels
that differ, and the lines where windows meet are looked for by how much more often pixels differ there.

Overlaps are multiples of 32: the network halves its input five times, and windows that begin at other places see another phase of the
same ground. Windows of 256 pixels cannot overlap by 128 or more, which may be less than the half-width.
"""

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.harness import finish, parser, table
from benchmarks.prediction_data import command, given_or_trained, pictures, write_raster
from geopointseg.figures import save_figure
from geopointseg.learning.bundle import load
from geopointseg.learning.task import PointSegmentationTask

WINDOWS = 256, 512, 1024
OVERLAPS = 96, 224, 224
HELD = 0.999  # of the gradient
NEAR = 4  # pixels to either side of the middle of an overlap

Ids = NDArray[np.uint8]


def half_width(task: PointSegmentationTask, picture: Ids, *, side: int = 512, places: int = 4) -> int:
    """How far from a pixel the network looks, effectively, in pixels."""
    held = np.zeros(side // 2)
    rows, cols = np.indices((side, side)) - side // 2
    distance = np.maximum(np.abs(rows), np.abs(cols)).clip(max=side // 2 - 1)
    draw = np.random.default_rng(0)
    for _ in range(places):
        row, col = (int(draw.integers(0, length - side)) for length in picture.shape[1:])
        x = torch.from_numpy(picture[None, :, row : row + side, col : col + side].astype(np.float32)).requires_grad_()
        task(x)[0, :, side // 2, side // 2].max().backward()
        assert x.grad is not None
        strength = x.grad[0].abs().sum(dim=0).numpy()
        held += np.bincount(distance.ravel(), strength.ravel() / strength.sum(), minlength=side // 2) / places
    return int(np.searchsorted(np.cumsum(held), HELD))


def mapped(model: Path, image: Path, out: Path, window: int, overlap: int) -> Ids:
    """The map with windows of one size."""
    command(
        *("predict", model, image, "--out", out, "--window", window, "--overlap", overlap),
        *("--backend", "torch", "--precision", "32-true", "--batch-size", 1),
    )
    with rasterio.open(out) as source:
        ids: Ids = source.read(1)
    return ids


def lines(length: int, window: int, overlap: int) -> NDArray[np.bool_]:
    """Rows, or columns, within `NEAR` of the middle of an overlap."""
    stride = window - overlap
    return np.abs((np.arange(length) + stride // 2) % stride - stride // 2) < NEAR


def on_lines(shape: tuple[int, int], window: int, overlap: int) -> NDArray[np.bool_]:
    """Pixels of a map near to where its windows meet."""
    rows, cols = (lines(length, window, overlap) for length in shape)
    return rows[:, None] | cols[None]


def draw_errors(path: Path, maps: Sequence[Ids], titles: Sequence[str], image: Ids) -> Path:
    """Draw the picture, and for each pair of maps the pixels that differ (widened, to be seen)."""
    pairs = list(itertools.combinations(range(len(maps)), 2))
    figure = Figure(figsize=(4 * (len(pairs) + 1), 4.4), layout="constrained")
    axes = figure.subplots(1, len(pairs) + 1)
    axes[0].imshow(np.moveaxis(image, 0, -1))
    axes[0].set_title("image")
    for axis, (a, b) in zip(axes[1:], pairs, strict=True):
        differ = maps[a] != maps[b]
        wide = np.pad(differ, 2)
        seen = np.any(
            [wide[i : i + differ.shape[0], j : j + differ.shape[1]] for i in range(5) for j in range(5)], axis=0
        )
        axis.imshow(seen, cmap="gray_r", interpolation="nearest")
        axis.set_title(f"{titles[a]} and {titles[b]} px: {differ.mean():.3%} differ")
    for axis in axes:
        axis.set_axis_off()
    return save_figure(figure, path)


def main() -> None:
    """Map, compare, draw."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--model", type=Path, help="a bundle for three uint8 bands; by default one is trained")
    arguments.add_argument("--overlaps", type=int, nargs=3, default=OVERLAPS, help="of the three windows, in pixels")
    arguments.add_argument("--picture", type=Path, help="draw the pixels that differ")
    chosen = arguments.parse_args()
    side = 1200 if chosen.quick else 2048
    picture = np.ascontiguousarray(next(pictures())[:, :side, :side])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given_or_trained(chosen.model, folder, 15 if chosen.quick else 150)
        reach = half_width(load(model).cpu(), picture)
        image = write_raster(folder / "image.tif", picture)
        ways = list(zip(WINDOWS, chosen.overlaps, strict=True))
        maps = [mapped(model, image, folder / f"{size}.tif", size, overlap) for size, overlap in ways]
        classes = len(np.unique(maps[0]))
        if chosen.picture:
            draw_errors(chosen.picture, maps, [str(size) for size in WINDOWS], picture)
    inner = np.s_[reach:-reach, reach:-reach]  # away from the raster's border, beyond which lies its mirror image
    figures: dict[str, float] = {"effective half-width, px": reach, "classes on the map": classes}
    figures |= {f"overlap of {size}, px": overlap for size, overlap in ways}
    rows = [["windows", "equal away from the border", "equal everywhere", "differ on the lines / elsewhere", ""]]
    judged = []
    for a, b in itertools.combinations(range(len(WINDOWS)), 2):
        differ, names = maps[a] != maps[b], f"{WINDOWS[a]} and {WINDOWS[b]}"
        near = np.any([on_lines(differ.shape, *ways[each]) for each in (a, b)], axis=0)
        share = [float(differ[inner][where[inner]].mean()) for where in (near, ~near)]
        equal, covered = 1 - float(differ[inner].mean()), min(ways[a][1], ways[b][1]) > reach
        figures[f"equal: {names}"] = round(equal, 6)
        figures[f"differ on the lines / elsewhere: {names}"] = round(share[0] / max(share[1], 1e-9), 2)
        judged += [equal] if covered else []
        told = "" if covered else "overlap below the half-width"
        both = f"{share[0]:.4%} / {share[1]:.4%}"
        rows.append([names, f"{equal:.4%}", f"{1 - differ.mean():.4%}", both, told])
    targets = {"equal": ">= 0.999 where both overlaps exceed the effective half-width"}
    title = (
        f"{picture.shape[1]} x {picture.shape[2]} pixels of dubai_mbrsc, {classes} classes on the map; half-width {reach} px; "
        f"windows and overlaps {', '.join(f'{size}/{overlap}' for size, overlap in ways)}"
    )
    met = bool(judged) and min(judged) >= 0.999
    finish(f"{title}\n{table(rows)}", figures, targets, met=met, out=chosen.out)


if __name__ == "__main__":
    main()
