"""A study: rasters, their pseudo-masks and weights, and checked points, as training finds them on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import torch

from geopointseg.classes import Classes
from geopointseg.labels.points import Points, write_points
from geopointseg.learning.data import PointDataModule
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.raster import open_raster


@pytest.fixture(scope="session")
def task_of_two_bands() -> Any:
    """A task with random weights and three classes, on the CPU."""
    card = {
        "bands": [1, 2],
        "band_names": ["red", "green"],
        "mean": [50.0, 50.0],
        "std": [30.0, 30.0],
        "dtype": "uint8",
        "nodata": 0,
        "pixel_size": [0.5, 0.5],
        "crs": "EPSG:32633",
        "geographic": False,
        "classes": Classes.of(["bare", "grass", "water"]).records(),
        "chip": 64,
    }
    torch.manual_seed(0)
    return PointSegmentationTask(card).eval()


@pytest.fixture
def checked_points(tmp_path: Path) -> Callable[..., Path]:
    """A factory of checked layers: `checked_points(raster, [(row, col, class_id, split), …], names)` returns its path."""

    def write(raster: Path, clicks: Sequence[tuple[int, int, int, str]], names: Sequence[str]) -> Path:
        rows, cols, ids, splits = map(list, zip(*clicks, strict=True))
        grid = open_raster(raster).grid
        columns = {
            "class_id": ids,
            "class_name": [names[i] for i in ids],
            "status": "used",
            "reason": "",
            "split": splits,
        }
        geometry = gpd.points_from_xy(*grid.xy(rows, cols))
        frame = gpd.GeoDataFrame(columns, geometry=geometry, crs=grid.crs.to_wkt())
        blocks = gpd.GeoDataFrame({"block": np.zeros(0, np.int64)}, geometry=[], crs=grid.crs.to_wkt())
        return write_points(Points(frame, Classes.of(names), blocks), tmp_path / "points.gpkg", overwrite=True)

    return write


@pytest.fixture
def study(tmp_path: Path, raster_file: Callable[..., Path], checked_points: Callable[..., Path]) -> Callable[..., Any]:
    """A factory of data modules: `study({name: (image, mask, weight)}, clicks)`.

    Clicks are (row, col, class_id, split) on the first raster. Options of `raster_file` go in `raster`, those of
    `PointDataModule` follow.
    """

    def make(
        pictures: dict[str, tuple[Any, Any, Any]],
        clicks: Sequence[tuple[int, int, int, str]],
        *,
        raster: dict[str, Any] | None = None,
        names: Sequence[str] = ("a", "b"),
        **options: Any,
    ) -> PointDataModule:
        places = {folder: tmp_path / folder for folder in ("images", "masks")}
        for folder in places.values():
            folder.mkdir(exist_ok=True)
        paths = []
        for name, (image, mask, weight) in pictures.items():
            given = dict(raster or {})
            paths.append(raster_file(image, f"{name}.tif", folder=places["images"], **given))
            given = {key: value for key, value in given.items() if key not in ("nodata", "names")}
            unlabelled = np.array(mask)
            for row, col, _, split in clicks:
                if split == "test" and row < len(mask) and col < len(mask[0]):
                    unlabelled[row, col] = 255
            made = raster_file(unlabelled, f"{name}.tif", folder=places["masks"], dtype="uint8", nodata=255, **given)
            with rasterio.open(made, "r+") as target:
                target.update_tags(CLASSES=Classes.of(names).to_tag())
            raster_file(weight, f"{name}_weights.tif", folder=places["masks"], dtype="float32", nodata=0, **given)
        points = checked_points(paths[0], clicks, names)
        return PointDataModule([str(p) for p in paths], places["masks"], points, **options)

    return make


@pytest.fixture
def located() -> Callable[[int, int], tuple[Any, Any, Any]]:
    """Pictures that tell where a chip lies: bands are row, column and noise; mask and weights are random."""

    def make(height: int, width: int) -> tuple[Any, Any, Any]:
        rng = np.random.default_rng(height * width)
        rows, cols = np.mgrid[:height, :width]
        image = np.stack([rows, cols, rng.integers(60_000, size=(height, width))]).astype(np.uint16)
        mask = rng.choice([0, 1, 255], size=(height, width)).astype(np.uint8)
        weight = np.where(mask == 255, 0, rng.random((height, width))).astype(np.float32)
        return image, mask, weight

    return make


@pytest.fixture
def window_of() -> Callable[..., Any]:
    """A window of a file as rasterio reads it."""

    def read(path: Path, row: int, col: int, height: int, width: int) -> Any:
        with rasterio.open(path) as source:
            return source.read(window=rasterio.windows.Window(col, row, width, height))

    return read
