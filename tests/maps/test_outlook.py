"""What a map will take is told before anything is written, also of a raster that no machine could hold."""

from functools import cache

import numpy as np
import pytest
from calling import predict

from geopointseg.learning.backends import Predictor
from geopointseg.learning.bundle import load
from geopointseg.maps import lattice, outlook, provenance
from geopointseg.maps import predict as module
from geopointseg.maps.classify import blended, decided
from geopointseg.maps.lattice import Lattice, Windowing
from geopointseg.raster import open_raster

SIDE = 60_000
VRT = """<VRTDataset rasterXSize="{side}" rasterYSize="{side}">
  <SRS>EPSG:32633</SRS>
  <GeoTransform>400000, 10, 0, 5800000, 0, -10</GeoTransform>
  {bands}
</VRTDataset>"""
BAND = """<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource>
  <SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>{band}</SourceBand>
  <SrcRect xOff="0" yOff="0" xSize="600" ySize="600"/><DstRect xOff="0" yOff="0" xSize="{side}" ySize="{side}"/>
</SimpleSource></VRTRasterBand>"""

LOADED = cache(load)


def copying(pixels):
    """Of five classes, the one whose number stands in the first band."""
    ids = np.nan_to_num(pixels[:, :1])
    return np.float32(0.1) + np.float32(0.5) * (ids == np.arange(5)[:, None, None]).astype(np.float32)


@pytest.fixture
def huge(raster_file, tmp_path):
    """3.6 thousand million pixels: each of a small file stands for 100 x 100."""
    small = np.random.default_rng(0).integers(5, size=(2, 600, 600), dtype=np.uint8)
    source = raster_file(small)
    path = tmp_path / "huge.vrt"
    bands = "".join(BAND.format(band=band, source=source, side=SIDE) for band in (1, 2))
    path.write_text(VRT.format(side=SIDE, bands=bands))
    return path, small[0]


@pytest.fixture(autouse=True)
def copyist(monkeypatch):
    """Instead of a network."""
    monkeypatch.setattr(module, "load", LOADED)
    monkeypatch.setattr(provenance, "serialized", lambda _: b"weights")
    monkeypatch.setattr(
        module, "predictor", lambda task, _: Predictor(copying, task.classes, "torch", "32-true", "a test")
    )


def test_the_plan_of_a_huge_raster_is_right_and_nothing_is_written(huge, checkpoint, tmp_path):
    options = {"allow": ["values"], "nodata": 255, "dry_run": True}
    before = sorted(tmp_path.iterdir())
    report = predict(checkpoint, [str(huge[0])], out=tmp_path / "maps", **options)
    assert sorted(tmp_path.iterdir()) == before
    (plan,) = report.outlooks
    assert (report.files, report.following) == ((), "")
    rows = -(-SIDE // 704)
    assert plan.windows >= rows * rows
    assert plan.windows < 1.1 * rows * rows  # windows on the border of two strips are asked for twice
    assert plan.shards == 8 * -(-rows // 5)
    assert plan.bigtiff
    assert plan.files == SIDE**2
    assert 5 * 768 * 7500 * 4 < plan.band < 3 * 5 * 768 * 7500 * 4
    assert plan.disk > SIDE**2 * 0.5
    assert plan.seconds > 0
    text = str(report)
    assert f"huge.tif: 60000 x 60000 pixels, {plan.windows} windows, shards: 144" in text
    assert "3.6 GB of pixels before compression, BigTIFF" in text
    wanted = predict(
        checkpoint, [str(huge[0])], out=tmp_path / "maps", probabilities=True, pool="mean", mmu=100, **options
    ).outlooks[0]
    assert wanted.files == 6 * SIDE**2
    assert (wanted.disk > 5 * plan.disk, wanted.band > plan.band) == (True, True)


def test_ten_places_far_apart_in_a_huge_raster_are_mapped(huge, monkeypatch):
    monkeypatch.setattr(lattice, "STRIP", 500)
    raster, small = open_raster(huge[0]), huge[1]
    places = Lattice(*raster.grid.shape, Windowing(64, 16, 4, 1))
    shards = places.shards()
    chosen = [shards[i] for i in np.linspace(0, len(shards) - 1, 10).astype(int)]
    found = {
        shard: (inside, decided(raster, inside, w)) for shard, inside, w in blended(copying, 5, raster, places, chosen)
    }
    for inside, ids in found.values():
        rows, cols = (
            (at + np.arange(size)) // 100 for at, size in ((inside.row, inside.height), (inside.col, inside.width))
        )
        np.testing.assert_array_equal(ids, small[np.ix_(rows, cols)])
    assert {shard.number for shard in found} >= {1, len(shards)}


@pytest.mark.parametrize(
    ("value", "text"), [(999, "999 bytes"), (2e6, "2 MB"), (3.6e9, "3.6 GB"), (4e12, "4000.0 GB")], ids=str
)
def test_bytes_are_told_in_words(value, text):
    assert outlook._size(value) == text


@pytest.mark.parametrize(("value", "text"), [(3, "3 s"), (600, "10 min"), (9000, "2 h 30 min")])
def test_seconds_are_told_in_words(value, text):
    assert outlook._duration(value) == text
