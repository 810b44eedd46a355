"""Draw the pictures of "Without labels": two real images, their clusters, mean colours and mapped classes, and the truth.

From the project's root, where the real rasters are at hand (GEOPOINTSEG_DATA): python -m docs.clusters
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from benchmarks.accuracy_data import DATA_SETS
from geopointseg.classes import UNLABELLED, Classes
from geopointseg.clustering.cluster import cluster
from geopointseg.clustering.fit import Learning
from geopointseg.contingency import adjusted_mutual_information, contingency_table
from geopointseg.labels.draw import draw

SHOWN = {"dubai": "tile4_005", "korea": "202309_10"}
CACHE = Path(__file__).parents[1] / ".cache" / "clustering"  # that of benchmarks/clustering.py
POINTS = 10  # of each class
SIDE = 256  # pixels of a panel


def main() -> None:
    """Cluster both, and say how many clusters and points there were."""
    for name, stem in SHOWN.items():
        with TemporaryDirectory() as folder:
            panels = clustered(DATA_SETS[name](CACHE / name).folder, stem, Path(folder))
        picture(panels, Path(__file__).parent / "pictures" / f"clusters_{name}.png")


def clustered(data: Path, stem: str, folder: Path) -> dict[str, NDArray[np.uint8]]:
    """(height, width, 3) of each panel."""
    image, truth = data / "images" / f"{stem}.tif", data / "truth" / f"{stem}.tif"
    points = draw([str(truth)], per_class=POINTS, held_out=0, out=folder / "points.gpkg").files[0]
    learning = Learning(epochs=4, tile=256)
    out = folder / "clusters.tif"
    report = cluster([str(image)], out=out, learning=learning, points=points, colors=True)
    print(stem, report, sep="\n", file=sys.stderr)
    ids, true = ids_of(out)[0], ids_of(truth)[0]
    counts = contingency_table(true, ids, (255, 255))
    print("AMI", adjusted_mutual_information(counts), file=sys.stderr)
    with rasterio.open(image) as source, rasterio.open(folder / "clusters_colors.tif") as mean:
        pixels, colors = source.read([1, 2, 3]), mean.read([1, 2, 3])
    return {
        "image": np.moveaxis(pixels, 0, -1),
        f"{len(report.partition.means)} clusters": painted(*ids_of(out)),
        "their mean colours": np.moveaxis(colors, 0, -1),
        f"classes, by {POINTS} points of each": painted(*ids_of(folder / "clusters_classes.tif")),
        "truth": painted(*ids_of(truth)),
    }


def ids_of(path: Path) -> tuple[NDArray[np.uint8], Classes]:
    """A class raster of ours."""
    with rasterio.open(path) as source:
        return source.read(1), Classes.from_tag(source.tags()["CLASSES"])


def painted(ids: NDArray[np.uint8], classes: Classes) -> NDArray[np.uint8]:
    """Ids in their colours; white where there is none."""
    table = np.full((UNLABELLED + 1, 3), 255, np.uint8)
    table[: len(classes)] = classes.rgb()
    return table[ids]


def picture(panels: dict[str, NDArray[np.uint8]], path: Path) -> None:
    """Panels side by side, as a PNG of 128 colours."""
    figure = Figure(figsize=(13, 2.9), layout="constrained")
    for axes, (title, pixels) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        step = max(1, max(pixels.shape) // SIDE)
        axes.imshow(pixels[::step, ::step], interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.axis("off")
    figure.savefig(path, dpi=90)
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
