"""Rasters of the web: read by ranges from a server on this machine, never whole."""

from pathlib import Path

import numpy as np
import pytest

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.raster import find_rasters, open_raster, read
from geopointseg.remote import is_remote, located, plain_name, remote_path


@pytest.mark.parametrize(
    ("name", "opened", "plain"),
    [
        ("https://host/a/b.tif", "/vsicurl/https://host/a/b.tif", "b.tif"),
        ("http://127.0.0.1:80/b.tif?key=1.2/3", "/vsicurl/http://127.0.0.1:80/b.tif?key=1.2/3", "b.tif"),
        ("s3://bucket/a/b.tif", "/vsis3/bucket/a/b.tif", "b.tif"),
        ("gs://bucket/b.tif", "/vsigs/bucket/b.tif", "b.tif"),
        ("az://box/b.tif", "/vsiaz/box/b.tif", "b.tif"),
        ("/vsicurl/https://host/b.tif", "/vsicurl/https://host/b.tif", "b.tif"),
        ("/vsizip//vsicurl/https://host/a.zip/b.tif", "/vsizip//vsicurl/https://host/a.zip/b.tif", "b.tif"),
        ("/vsizip/maps/a.zip/b.tif", "/vsizip/maps/a.zip/b.tif", "b.tif"),
    ],
)
def test_a_name_reaches_gdal_as_it_was_given(name, opened, plain):
    assert is_remote(name)
    path = remote_path(name)
    assert is_remote(path)
    assert (located(path), plain_name(path)) == (opened, plain)
    assert find_rasters([name]) == [path]


@pytest.mark.parametrize("name", ["a.tif", "/data/a.tif", "https.tif", "s3/a.tif", "vsicurl/a.tif"])
def test_a_file_of_the_machine_is_none(name):
    assert not is_remote(name)
    assert located(Path(name)) == name


def test_a_raster_of_the_web_is_read_by_ranges(served, raster_file):
    folder, address, sent = served
    bands = np.random.default_rng(0).integers(1, 255, size=(3, 1200, 1200), dtype=np.uint8)
    size = raster_file(bands, "web.tif", folder=folder).stat().st_size
    raster = open_raster(find_rasters([f"{address}/web.tif"])[0])
    here = open_raster(folder / "web.tif")
    assert (raster.grid, raster.names, raster.dtype) == (here.grid, here.names, here.dtype)
    window = Window(500, 600, 40, 50)
    np.testing.assert_array_equal(read(raster, window), read(here, window))
    assert 0 < sum(sent) < size / 3


def test_a_raster_that_is_not_there_is_named_as_it_was_asked_for(served):
    _, address, _ = served
    with pytest.raises(
        GeoPointSegError, match=r"expected a raster that GDAL reads, got /vsicurl/http://127\.0\.0\.1:\d+/no\.tif"
    ):
        open_raster(find_rasters([f"{address}/no.tif"])[0])
