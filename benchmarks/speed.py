"""Speed: pseudo-mask and prediction, each against the plain way with scikit-image and TorchGeo; see training.py for training.

The plain ways are what a user would write by hand: superpixels of the whole raster by scikit-image; TorchGeo's grid
sampler with one window at a time, in float32, stitched in memory, with the same overlap.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from skimage.segmentation import felzenszwalb
from torch.utils.data import DataLoader
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.samplers import GridGeoSampler

from benchmarks.harness import finish, options, race, table
from geopointseg.labels.draw import draw
from geopointseg.labels.points import load_points
from geopointseg.labels.pseudomask import Spreading, write_masks
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.precision import precision
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.classify import classify
from geopointseg.maps.write import write_map
from geopointseg.scene import write_scene
from geopointseg.statistics import open_rasters


def mask_runners(folder: Path, image: Path, points: Path) -> dict[str, Any]:
    """Our pseudo-mask; superpixels of the whole raster, each labelled by the last click in it."""
    (raster,), measured = open_rasters([image])
    loaded = load_points(points)

    def ours() -> None:
        write_masks([raster], measured, loaded, folder / "masks", Spreading(), overwrite=True)

    def plain() -> None:
        with rasterio.open(image) as source:
            pixels, profile = np.moveaxis(source.read(), 0, -1), source.profile | {"count": 1, "nodata": 255}
        regions = felzenszwalb(pixels, scale=50, sigma=0.8, min_size=25)
        frame = loaded.used("train")
        rows, cols = raster.grid.rowcol(frame.geometry.x, frame.geometry.y)
        label_of = np.full(regions.max() + 1, 255, np.uint8)
        label_of[regions[rows, cols]] = frame["class_id"].to_numpy(dtype=np.uint8)
        with rasterio.open(folder / "plain.tif", "w", **profile) as target:
            target.write(label_of[regions], 1)

    return {"ours": ours, "plain": plain}


def predict_runners(folder: Path, image: Path, points: Path) -> dict[str, Any]:
    """A map on disk: ours; TorchGeo's sampler, task and a whole-raster accumulator."""
    data = PointDataModule([str(image)], folder / "masks", points, steps=10)
    task = PointSegmentationTask(data.card).eval()
    (raster,), _ = open_rasters([image])
    classes = data.points.classes

    def ours() -> None:
        write_map(folder / "ours.tif", raster.grid, classes, classify(task, raster), overwrite=True)

    def plain() -> None:
        dataset = RasterDataset(str(image))
        sampler = GridGeoSampler(dataset, size=512, stride=448)
        total = np.zeros((len(classes), raster.grid.height + 1024, raster.grid.width + 1024), np.float32)
        windows = iter(sampler)
        with torch.no_grad():
            for sample in DataLoader(dataset, sampler=sampler, collate_fn=stack_samples):
                x, y, *_ = next(windows)
                (row,), (col,) = raster.grid.rowcol([x.start + 1e-6], [y.stop - 1e-6])
                share = task(sample["image"]).softmax(dim=1)[0].numpy()
                total[:, row + 512 : row + 1024, col : col + 512] += share
        ids = total[:, 512 : 512 + raster.grid.height, : raster.grid.width].argmax(0).astype(np.uint8)
        with rasterio.open(image) as source:
            profile = source.profile | {"count": 1, "nodata": 255}
        with rasterio.open(folder / "plain.tif", "w", **profile) as target:
            target.write(ids, 1)

    return {"ours": ours, "plain": plain}


def main() -> None:
    """Time both and print the ratios."""
    chosen = options(__doc__ or "")
    side, rounds = (1024, 2) if chosen.quick else (2048, 5)
    rows, figures = [["job", "ours, MP/s", "plain, MP/s", "ratio", "plain way"]], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = write_scene(folder / "scene", height=side, width=side)
        points = folder / "points.gpkg"
        draw([str(scene.truth)], per_class=20, out=points, held_out=0)
        jobs = [
            ("mask", mask_runners, side**2, "scikit-image on the whole raster"),
            ("predict", predict_runners, side**2, "GridGeoSampler, float32, in memory"),
        ]
        for job, runners, pixels, way in jobs:
            times = race(rounds, **runners(folder, scene.image, points))
            ours, plain = (statistics.median(times[who]) for who in ("ours", "plain"))
            figures[f"{job}: ratio"] = round(plain / ours, 2)
            rows.append([job, f"{pixels / ours / 1e6:.2f}", f"{pixels / plain / 1e6:.2f}", f"{plain / ours:.2f}", way])
    title = f"synthetic scene of {side} x {side}, number format {precision()}, medians of {rounds} rounds"
    finish(f"{title}\n{table(rows)}", figures, {}, met=True, out=chosen.out)


if __name__ == "__main__":
    main()
