"""Scores beside a map: a byte per pixel that GDAL scales back to 0 to 1, NaN as nodata."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.maps.scores import drop_scores, score, score_path, write_scores, writing_scores

NAN = float("nan")
SHARES = np.array(
    [[[1.0, 0.5, 0.25, NAN]], [[0.0, 0.3, 0.25, NAN]], [[0.0, 0.2, 0.25, NAN]], [[0, 0, 0.25, NAN]]], "f4"
)
BY_HAND = {
    "confidence": [[[1, 0.5, 0.25, NAN]]],
    "margin": [[[1, 0.2, 0, NAN]]],
    "entropy": [[[0, -(0.5 * np.log(0.5) + 0.3 * np.log(0.3) + 0.2 * np.log(0.2)) / np.log(4), 1, NAN]]],
    "probabilities": SHARES,
}
CLASSES = Classes.of(["bare", "grass", "road", "water"])


@pytest.mark.parametrize("kind", BY_HAND)
def test_scores_are_those_counted_by_hand(kind):
    np.testing.assert_allclose(score(SHARES, kind), BY_HAND[kind], atol=1e-6)


@pytest.mark.parametrize(("kind", "sure"), [("confidence", 1), ("margin", 1), ("entropy", 0), ("probabilities", 1)])
def test_a_single_class_is_always_sure(kind, sure):
    assert score(np.ones((1, 2, 2), np.float32), kind).tolist() == [[[sure] * 2] * 2]


@pytest.fixture(params=BY_HAND)
def written(request, tmp_path, grid):
    """A raster of each kind, written in two windows; the last row is covered by none."""
    place = grid(2, 4)
    windows = [(Window(0, col, 1, 2), SHARES[:, :, col : col + 2]) for col in (2, 0)]
    return request.param, write_scores(tmp_path / "s.tif", place, CLASSES, windows, kind=request.param)


def test_they_are_read_back_to_half_a_step(written):
    kind, path = written
    with rasterio.open(path) as source:
        raw = source.read()
        assert source.dtypes[0] == "uint8"
        assert set(source.nodatavals) == {255}
        found = np.where(raw == 255, np.nan, raw * source.scales[0] + source.offsets[0])
        assert source.descriptions == (CLASSES.names if kind == "probabilities" else (kind,))
    np.testing.assert_allclose(found[:, :1], BY_HAND[kind], atol=0.002 + 1e-6)
    assert np.isnan(found[:, 1]).all()


@pytest.mark.skipif(not shutil.which("gdalinfo"), reason="gdalinfo is not on PATH")
def test_gdalinfo_shows_scale_offset_and_nodata(written):
    kind, path = written
    run = subprocess.run(["gdalinfo", "-json", path], capture_output=True, text=True, check=True)
    bands = json.loads(run.stdout)["bands"]
    assert len(bands) == (4 if kind == "probabilities" else 1)
    assert [(b["scale"], b["offset"], b["noDataValue"]) for b in bands] == [(0.004, 0, 255)] * len(bands)
    assert "Alpha" not in {b["colorInterpretation"] for b in bands}  # GDAL takes a fourth of four bytes for one


def test_they_are_cogs_with_averages_for_overviews(tmp_path, grid):
    shares = np.zeros((2, 1100, 600), np.float32)
    shares[0, ::2, ::2] = 1
    path = write_scores(
        tmp_path / "s.tif", grid(1100, 600), CLASSES, [(Window(0, 0, 1100, 600), shares)], kind="margin"
    )
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path, overview_level=0) as source:
        np.testing.assert_allclose(source.read(1), 250 / 4, atol=0.51)


def test_a_failure_leaves_nothing_and_an_existing_file_stays(tmp_path, grid):
    path = score_path(tmp_path / "map.tif", "margin")
    assert path.name == "map_margin.tif"
    with pytest.raises(InterruptedError), writing_scores(path, grid(1, 4), CLASSES, kind="margin"):
        raise InterruptedError
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    with pytest.raises(GeoPointSegError, match=r"existing .*map_margin\.tif: add --overwrite"):
        write_scores(path, grid(1, 4), CLASSES, [], kind="margin")
    assert path.read_text() == "old"


def test_scores_of_an_earlier_map_go_and_what_is_called_so_stays(tmp_path, grid):
    shares = [(Window(0, 0, 1, 4), SHARES)]
    for kind in BY_HAND:
        write_scores(score_path(tmp_path / "map.tif", kind), grid(1, 4), CLASSES, shares, kind=kind)
    (tmp_path / "map_confidence.tif.aux.xml").touch()
    write_scores(tmp_path / "other_margin.tif", grid(1, 4), CLASSES, shares, kind="margin")
    (tmp_path / "map_entropy.tif").write_text("mine")
    drop_scores(tmp_path / "map.tif", kept=["probabilities"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "map_entropy.tif", "map_probabilities.tif", "other_margin.tif",
    ]  # fmt: skip


def test_statistics_of_an_earlier_file_go(tmp_path, grid):
    path = tmp_path / "map_margin.tif"
    path.with_name("map_margin.tif.aux.xml").touch()
    write_scores(path, grid(1, 4), CLASSES, [], kind="margin")
    assert list(tmp_path.iterdir()) == [path]
