"""Draw the pictures of "An afternoon with 150 points": three rounds of 50 questions on a synthetic scene.

An annotator that knows the truth answers. From the project's root:

    .venv/bin/python -m docs.afternoon
"""

import tempfile
from pathlib import Path

import geopandas as gpd
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rasterio
from matplotlib.colors import to_rgb

from geopointseg.labels.pseudomask import Spreading
from geopointseg.labels.split import Split
from geopointseg.labels.vector import PointSource
from geopointseg.maps.query import query
from geopointseg.raster import raster_classes
from geopointseg.scene import write_scene
from pipelines.experiments.active import annotate
from pipelines.points_to_map import run

PICTURES = Path(__file__).parent / "pictures"
SIDE, STEPS, N = 512, 150, 50


def main() -> None:
    """Ask, answer, run, three times; then draw."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = write_scene(folder / "scene", height=SIDE, width=SIDE, seed=1)
        image, truth = [str(scene.image)], [str(scene.truth)]
        answers: list[Path] = []
        maps, scores, model = [], [], None
        for number in range(1, 4):
            asked = folder / f"asked{number}.gpkg"
            field = {"points": answers or None, "class_field": "class"}
            query(raster=image, model=[str(model)] if model else None, **field, n=N, out=asked, seed=number)
            answers.append(annotate(asked, truth, class_field="class", out=folder / f"answers{number}.gpkg"))
            out = folder / f"round{number}"
            source = PointSource(answers, "class")
            given = {
                "raster": image,
                "truth": truth,
                "split": Split(0),
                "spreading": Spreading(),
                "steps": STEPS,
                "chip": 64,
            }
            report = run(**given, source=source, out=out, warm_start=str(model) if model else None)
            model = out / "model"
            maps.append(out / "map.tif")
            scores.append(report.assessments[0].figures()["miou"])
            print(f"{number * N} points: mIoU {scores[-1]:.3f}", flush=True)
        draw(scene.image, scene.truth, answers, maps, scores)


def draw(image: Path, truth: Path, answers: list[Path], maps: list[Path], scores: list[float]) -> None:
    """A row of questions and a row of maps."""
    colors = np.array([to_rgb(color) for color in raster_classes(truth).colors])
    with rasterio.open(image) as source:
        pixels, bounds = np.moveaxis(source.read([1, 2, 3]), 0, -1), source.bounds
    extent = (bounds.left, bounds.right, bounds.bottom, bounds.top)
    figure, axes = plt.subplots(2, 4, figsize=(12, 6.4), layout="constrained")
    names = raster_classes(truth).names
    layers = [gpd.read_file(path, layer="questions") for path in answers]
    for number, (axis, layer) in enumerate(zip(axes[0], layers, strict=False), 1):
        axis.imshow(pixels, extent=extent)
        place = pd.Series(names.index(name) if isinstance(name, str) else -1 for name in layer["class"])
        face = np.where(place.to_numpy()[:, None] >= 0, colors[place], 1)
        axis.scatter(layer.geometry.x, layer.geometry.y, c=face, s=22, edgecolors="black", linewidths=0.8)
        axis.set_title(f"round {number}: 50 questions, answered", fontsize=9)
    for number, (axis, path) in enumerate(zip(axes[1], maps, strict=False), 1):
        axis.imshow(colors[read(path)], extent=extent)
        axis.set_title(f"map from {number * N} points, mIoU {scores[number - 1]:.2f}", fontsize=9)
    axes[0, 3].imshow(pixels, extent=extent)
    axes[0, 3].set_title("the raster", fontsize=9)
    axes[1, 3].imshow(colors[read(truth)], extent=extent)
    axes[1, 3].set_title("the truth", fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(PICTURES / "afternoon.png", dpi=80)
    plt.close(figure)


def read(path: Path) -> np.ndarray:
    """The ids of a class raster."""
    with rasterio.open(path) as source:
        return source.read(1)


if __name__ == "__main__":
    main()
