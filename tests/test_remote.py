"""Rasters of the web: read by ranges from a server on this machine, never whole."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


class Ranges(SimpleHTTPRequestHandler):
    """Serves files by the ranges that are asked for, and remembers how many bytes went out."""

    protocol_version = "HTTP/1.1"
    sent: list[int] = []  # noqa: RUF012

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]) if asked and asked[2] else len(content) - 1, len(content) - 1)
        part = content[first : last + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self.sent.append(len(part))
            self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    """A folder, and its address."""
    Ranges.sent.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_raster_of_the_web_is_read_by_ranges(served, raster_file):
    folder, address = served
    bands = np.random.default_rng(0).integers(1, 255, size=(3, 1200, 1200), dtype=np.uint8)
    size = raster_file(bands, "web.tif", folder=folder).stat().st_size
    raster = open_raster(find_rasters([f"{address}/web.tif"])[0])
    here = open_raster(folder / "web.tif")
    assert (raster.grid, raster.names, raster.dtype) == (here.grid, here.names, here.dtype)
    window = Window(500, 600, 40, 50)
    np.testing.assert_array_equal(read(raster, window), read(here, window))
    assert 0 < sum(Ranges.sent) < size / 3


def test_a_raster_that_is_not_there_is_named_as_it_was_asked_for(served):
    _, address = served
    with pytest.raises(
        GeoPointSegError, match=r"expected a raster that GDAL reads, got /vsicurl/http://127\.0\.0\.1:\d+/no\.tif"
    ):
        open_raster(find_rasters([f"{address}/no.tif"])[0])
