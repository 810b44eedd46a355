"""Maps, and models small enough to check by eye."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from numpy.typing import ArrayLike
from rasterio.crs import CRS
from torch import Tensor

from geopointseg.classes import Classes
from geopointseg.grid import Grid, Window
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.maps.write import write_map

NAMES = ("bare", "grass", "road", "water", "woodland")


@pytest.fixture(scope="session")
def classes() -> Classes:
    """Five classes with codes of their own."""
    plain = Classes.of(NAMES)
    return Classes(plain.names, plain.colors, (10, 20, 30, 40, 50))


@pytest.fixture(scope="session")
def grid() -> Callable[..., Grid]:
    """A factory of grids: the place and pixel size of `raster_file`."""

    def make(height: int, width: int) -> Grid:
        return Grid(CRS.from_epsg(32633), Affine(10, 0, 400_000, 0, -10, 5_800_000), height, width)

    return make


@pytest.fixture
def class_map(tmp_path: Path, classes: Classes, grid: Callable[..., Grid]) -> Callable[..., Path]:
    """A factory of maps: `class_map(ids, "map.tif")` writes one and returns its path."""

    def write(ids: ArrayLike, name: str = "map.tif", own: Classes | None = None) -> Path:
        ids = np.asarray(ids, np.uint8)
        return write_map(tmp_path / name, grid(*ids.shape), own or classes, [(Window(0, 0, *ids.shape), ids)])[0]

    return write


class Copyist(torch.nn.Module):
    """A model that sees in the first band the class itself, and counts what it is asked."""

    def __init__(self, classes: Classes) -> None:
        super().__init__()
        self.classes, self.device, self.asked = classes, torch.device("cpu"), 0

    def forward(self, x: Tensor) -> Tensor:
        self.asked += len(x)
        ids = x[:, :1].nan_to_num(0)
        return 20.0 * (ids == torch.arange(len(self.classes))[None, :, None, None])


@pytest.fixture
def copyist(classes: Classes) -> Copyist:
    """The identity as a model."""
    return Copyist(classes)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, classes: Classes) -> Path:
    """A checkpoint with random weights, for two uint8 bands of 10 m pixels."""
    card: dict[str, Any] = {
        "bands": [1, 2],
        "band_names": ["red", "green"],
        "mean": [100.0, 50.0],
        "std": [20.0, 10.0],
        "low": [60.0, 30.0],
        "high": [140.0, 70.0],
        "dtype": "uint8",
        "nodata": 0,
        "pixel_size": [10.0, 10.0],
        "crs": "EPSG:32633",
        "geographic": False,
        "classes": classes.records(),
        "chip": 32,
    }
    torch.manual_seed(0)
    task = PointSegmentationTask(card)
    path = tmp_path_factory.mktemp("model") / "model.ckpt"
    torch.save({"hyper_parameters": dict(task.hparams), "state_dict": task.state_dict()}, path)
    return path


@pytest.fixture
def pixels() -> Callable[[Path], Any]:
    """The first band of a file, as rasterio reads it."""

    def read(path: Path) -> Any:
        with rasterio.open(path) as source:
            return source.read(1)

    return read
