"""Dubai from the real files: the folders as published are rebuilt from them, and read back exactly."""

import make
import numpy as np
import pytest
from PIL import Image

from geopointseg.datasets import dubai
from geopointseg.datasets.decode import encode_colors
from geopointseg.datasets.prepare import prepare
from geopointseg.statistics import open_rasters

FEW = (1, 5)  # parts of each tile, for the fast test


@pytest.fixture(scope="module")
def real(data):
    folder = data / "dubai_mbrsc"
    if not (folder / "masks").is_dir():
        pytest.skip(f"no real masks at {folder}: get the shared data")
    return folder


def rebuild(real, root, parts):
    """`Tile N/images` and `masks` in colours, from the index masks; returns the ids by raster."""
    truth = {}
    for path in sorted((real / "masks").glob("tile*_*.png")):
        tile, part = path.stem.removeprefix("tile").split("_")
        if int(part) in parts:
            index = np.asarray(Image.open(path))  # 0 is unlabelled, 1 to 5 the classes
            ids = np.where(index == 0, 255, index - 1).astype(np.uint8)
            base = root / dubai.PUBLISHED / f"Tile {tile}"
            colors = encode_colors(ids, dubai.DATASET.classes, unlabelled=dubai.UNLABELLED_COLOR)
            make.pil(base / "masks" / f"image_part_{part}.png", colors)
            (base / "images").mkdir(parents=True, exist_ok=True)
            (base / "images" / f"image_part_{part}.jpg").symlink_to(real / "images" / f"{path.stem}.jpg")
            truth[path.stem] = ids
    return truth


@pytest.mark.parametrize(
    "parts", [pytest.param(FEW[:1], id="few"), pytest.param(range(1, 10), id="all", marks=pytest.mark.slow)]
)
def test_rebuilt_colour_masks_read_back_exactly(real, tmp_path, parts):
    truth = rebuild(real, tmp_path / "dubai", parts)
    assert len(truth) == 6 * len(parts)
    report = prepare("dubai", tmp_path / "dubai", out=tmp_path / "out")
    assert {path.stem for path in report.truth} == truth.keys()
    for path in report.truth:
        with make.rasterio.open(path) as source:
            np.testing.assert_array_equal(source.read(1), truth[path.stem])
    rasters, statistics = open_rasters([str(tmp_path / "out" / "images")])
    assert len(rasters) == len(truth)
    assert all(10 < mean < 245 for mean in statistics.mean)
    assert sum(report.pixels) + report.unlabelled == sum(ids.size for ids in truth.values())


def test_tiles_are_split_whole(copy_of, tmp_path):
    root, _ = copy_of("dubai")
    parts = {split: {pair.name.partition("_")[0] for pair in dubai.pairs(root, split)} for split in dubai.TILES}
    assert parts["test"] == {"tile7"}
    assert parts["val"] == {"tile3"}
    assert not parts["train"] & (parts["test"] | parts["val"])
    assert len(dubai.pairs(root, "all")) == 72
