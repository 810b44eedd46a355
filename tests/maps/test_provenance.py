"""A map says what it was made with and of, and nothing of the machine."""

import dataclasses
import hashlib
import json

import numpy as np

from geopointseg.learning.bundle import load, save
from geopointseg.maps.provenance import model_tags, raster_tags
from geopointseg.raster import open_raster


def test_a_model_is_known_by_its_weights_whatever_its_form(checkpoint, tmp_path):
    task = load(checkpoint)
    bundle = save(task.cpu(), tmp_path / "shared" / "model")
    digest = hashlib.sha256((bundle / "weights.safetensors").read_bytes()).hexdigest()
    one = model_tags({str(checkpoint): task}, {"window": 512, "overlap": 64})
    two = model_tags({str(bundle): load(bundle), "hf://organisation/name": task}, {"overlap": 64, "window": 512})
    assert (one["MODEL"], one["MODEL_SHA256"]) == ("model.ckpt", digest)
    assert (two["MODEL"], two["MODEL_SHA256"]) == ("model, hf://organisation/name", f"{digest}, {digest}")
    assert one["OPTIONS"] == two["OPTIONS"] == json.dumps({"overlap": 64, "window": 512})
    assert one["SOFTWARE"].startswith("geopointseg ")
    assert str(tmp_path) not in str(two)


def test_a_raster_is_known_by_its_metadata(raster_file):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    raster = open_raster(raster_file(pixels, "ortho.tif"))
    same, more = open_raster(raster_file(pixels, "copy.tif")), open_raster(raster_file(pixels[:, :2], "ortho.tif"))
    assert raster_tags(raster)["RASTER"] == "ortho.tif"
    hashes = [raster_tags(each)["RASTER_SHA256"] for each in (raster, same, more)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert raster_tags(dataclasses.replace(raster, nodata=0.0))["RASTER_SHA256"] != hashes[0]
    assert raster_tags(dataclasses.replace(raster, bands=(2, 1)))["RASTER_SHA256"] != hashes[0]
