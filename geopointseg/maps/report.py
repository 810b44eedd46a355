"""The report: what went in, what came of it and how good it is, as pictures and one self-contained page."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.figures import save_figure
from geopointseg.files import replacing
from geopointseg.labels.burn import locate
from geopointseg.labels.points import Points
from geopointseg.labels.superpixels import scaled
from geopointseg.maps.assess import Assessment, to_ids
from geopointseg.raster import Raster, Statistics, decimated

__all__ = ["draw_confusion", "draw_overview", "write_page"]

PREVIEW = 1000  # pixels of a picture's longer side
TRUE_COLOR = (("red", "green", "blue"), ("b04", "b03", "b02"))


def draw_overview(
    path: Path, raster: Raster, statistics: Statistics, points: Points, layers: Mapping[str, Path]
) -> Path:
    """Draw the raster with its points, and the class rasters beside it.

    Args:
        path: PNG to write.
        raster: Shown in true colour where its band names tell how.
        statistics: For the stretch.
        points: Used points are drawn in their class's colour, held-out ones as squares.
        layers: Title and class raster of each further panel.
    """
    image = _rgb(raster, statistics)
    panels = 1 + len(layers)
    columns = 2 if panels in (2, 4) else min(panels, 3)
    rows = -(-panels // columns)
    aspect = image.shape[0] / image.shape[1]
    figure = Figure(figsize=(5 * columns, 5 * aspect * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    axes[0].imshow(image, extent=_extent(raster))
    _draw_points(axes[0], raster, points)
    axes[0].set_title("raster, points (squares: held out)")
    for axis, (title, file) in zip(axes[1:], layers.items(), strict=False):
        axis.imshow(_label_picture(file, points.classes), extent=_extent(raster), interpolation="nearest")
        axis.set_title(title)
    handles = [Patch(facecolor=c, edgecolor="0.3", label=n) for n, c in zip(*_named(points.classes), strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8), frameon=False)
    return save_figure(figure, path)


def draw_confusion(path: Path, assessment: Assessment) -> Path:
    """Draw the confusion matrix, each row as shares of its truth."""
    matrix = assessment.matrix
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.55 * len(matrix)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axis = figure.subplots()
    picture = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = assessment.classes.names
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="map", ylabel="truth", title=f"confusion, {assessment.basis}")
    if len(names) <= 20:
        for (row, col), count in np.ndenumerate(matrix):
            text = f"{share[row, col]:.2f}" if matrix.sum() > 10_000 else f"{count}"
            axis.text(col, row, text, ha="center", va="center", color="w" if share[row, col] > 0.5 else "k", fontsize=8)
    figure.colorbar(picture, ax=axis, label="share of the truth", shrink=0.8)
    return save_figure(figure, path)


def write_page(
    path: Path,
    title: str,
    facts: Mapping[str, str],
    tables: Mapping[str, str],
    assessments: Sequence[Assessment],
    pictures: Mapping[str, Path],
) -> Path:
    """Write one HTML file that holds everything, pictures too.

    Args:
        path: The page.
        title: Its heading.
        facts: Short statements: name and value.
        tables: Longer text tables under their headings, kept as they are.
        assessments: Scores, best known first.
        pictures: Captions and PNG files.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", "<table class=facts>"]
    parts += [f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in facts.items()]
    parts.append("</table>")
    for assessment in assessments:
        parts += [f"<h2>Scores on {html.escape(assessment.basis)}</h2>", _score_table(assessment)]
    for caption, file in pictures.items():
        data = base64.b64encode(file.read_bytes()).decode()
        parts.append(
            f"<figure><img alt='{html.escape(caption)}' src='data:image/png;base64,{data}'>"
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    for heading, text in tables.items():
        parts.append(f"<h2>{html.escape(heading)}</h2><pre>{html.escape(text)}</pre>")
    page = PAGE.format(title=html.escape(title), body="\n".join(parts))
    with replacing(path, overwrite=True) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
h1 {{ font-size: 1.6rem; }} h2 {{ font-size: 1.15rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2rem .8rem .2rem 0; text-align: right; }}
td:first-child, th:first-child, .facts td, .facts th {{ text-align: left; }}
tr + tr {{ border-top: 1px solid #ddd; }} td {{ font-variant-numeric: tabular-nums; }}
figure {{ margin: 1.5rem 0; }} img {{ max-width: 100%; }} figcaption {{ color: #666; font-size: .9rem; }}
pre {{ background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .85rem; line-height: 1.35; }}
i {{ display: inline-block; width: .8em; height: .8em; margin-right: .5em; border: 1px solid #555; }}
</style></head><body>
{body}
</body></html>
"""


def _score_table(assessment: Assessment) -> str:
    """The scores as an HTML table."""
    figures = assessment.figures()
    head = "<tr><th>class<th>IoU<th>F1<th>precision (user's)<th>recall (producer's)<th>count</tr>"
    rows = [head]
    for name, color in zip(*_named(assessment.classes), strict=True):
        one = figures["per_class"][name]
        cells = "".join(f"<td>{_number(one[key])}" for key in ("iou", "f1", "precision", "recall"))
        rows.append(f"<tr><td><i style='background:{color}'></i>{html.escape(name)}{cells}<td>{one['count']:,}</tr>")
    total = (
        f"<p>Overall accuracy <b>{_number(figures['overall_accuracy'])}</b>, mean IoU <b>{_number(figures['miou'])}</b>, "
        f"mean F1 {_number(figures['mean_f1'])}, over {figures['count']:,} compared, {figures['unmapped']:,} unmapped, "
        f"{figures['foreign']:,} of no class of the map.</p>"
    )
    return f"{total}<table>{''.join(rows)}</table>"


def _number(value: float | None) -> str:
    """A ratio, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def _named(classes: Classes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and colours."""
    return classes.names, classes.colors


def _rgb(raster: Raster, statistics: Statistics) -> NDArray[np.float32]:
    """(height, width, 3) preview, white where there is no data."""
    names = [name.lower() for name in raster.names]
    wanted = next((t for t in TRUE_COLOR if set(t) <= set(names)), None)
    bands = [names.index(name) for name in wanted] if wanted else [min(i, len(names) - 1) for i in range(3)]
    picture = scaled(decimated(raster, PREVIEW), statistics)[bands]
    return np.moveaxis(np.nan_to_num(picture, nan=1.0), 0, -1)


def _label_picture(file: Path, classes: Classes) -> NDArray[np.uint8]:
    """(height, width, 4) preview of a class raster, unlabelled pixels light grey."""
    with rasterio.open(file) as source:
        step = max(1, -(-max(source.shape) // PREVIEW))
        values = source.read(1, out_shape=(-(-source.height // step), -(-source.width // step)))
    table = np.full((256, 4), (238, 238, 238, 255), np.uint8)
    table[: len(classes)] = [(*rgb, 255) for rgb in classes.rgb()]
    table[UNLABELLED] = (238, 238, 238, 255)
    picture: NDArray[np.uint8] = table[to_ids(values, file, classes)]
    return picture


def _draw_points(axis: Axes, raster: Raster, points: Points) -> None:
    """Used points over the raster."""
    for split, marker, size in (("train", "o", 9), ("test", "s", 13)):
        frame = points.used(split)
        rows, cols = locate(frame.geometry, raster.grid)
        here = raster.grid.contains(rows, cols)
        x, y = raster.grid.xy(rows[here], cols[here])
        colors = [points.classes.colors[i] for i in frame["class_id"].to_numpy(dtype=int)[here]]
        axis.scatter(x, y, s=size, c=colors, marker=marker, edgecolors="k", linewidths=0.5)


def _extent(raster: Raster) -> tuple[float, float, float, float]:
    """Bounds in matplotlib's order."""
    west, south, east, north = raster.grid.bounds
    return west, east, south, north
