"""The ONNX file finds torch's classes, fed as QGIS's plugin Deepness feeds it, and tells it what it asks for."""

import json
import sys

import numpy as np
import pytest
import torch

from geopointseg.classes import Classes
from geopointseg.cli import main
from geopointseg.errors import GeoPointSegError
from geopointseg.learning import graph as graph_module
from geopointseg.learning.agreement import compare
from geopointseg.learning.backends import with_torch
from geopointseg.learning.bundle import load, save
from geopointseg.learning.export import deepness, export
from geopointseg.learning.graph import onnx_graph
from geopointseg.learning.task import PointSegmentationTask

CARD = {
    "bands": [1, 2, 3],
    "band_names": ["red", "green", "blue"],
    "mean": [120.0, 110.0, 90.0],
    "std": [40.0, 30.0, 30.0],
    "dtype": "uint8",
    "nodata": 0,
    "pixel_size": [0.5, 0.5],
    "crs": "EPSG:32633",
    "geographic": False,
    "classes": Classes.of(["bare soil", "Öde", "水"]).records(),
    "chip": 64,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder with random weights."""
    torch.manual_seed(0)
    return save(PointSegmentationTask(CARD).eval(), tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def session(model, tmp_path_factory):
    """ONNX Runtime with the file that the command writes."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        runtime = pytest.importorskip(package, reason="geopointseg[onnx] is not installed")
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    assert main(["export", str(model), "--onnx", str(path), "--tile", "128"]) == 0
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.fixture
def picture():
    """(2, 128, 128, 3) uint8 with a hole of nodata 0, as Deepness cuts its tiles."""
    found = np.random.default_rng(0).integers(1, 256, (2, 128, 128, 3), dtype=np.uint8)
    found[0, 20:60, 30:70] = 0
    return found


def as_deepness_does(picture, facts):
    """Its preprocessing: values to 0 to 1, standardised, channels first (its preprocessing_utils.py, in our words)."""
    mean, std = (np.array(json.loads(facts[f"standardization_{name}"]), np.float32) for name in ("mean", "std"))
    return ((np.float32(picture * 1.0 / 255.0) - mean) / std).transpose(0, 3, 1, 2)


@pytest.mark.slow
def test_fed_by_deepness_it_finds_the_classes_of_torch(session, model, picture):
    facts = session.get_modelmeta().custom_metadata_map
    (given,) = session.get_inputs()
    fed = as_deepness_does(picture, facts)
    raw = picture.transpose(0, 3, 1, 2).astype(np.float32)
    raw[(raw == 0).all(axis=1, keepdims=True).repeat(3, axis=1)] = np.nan  # as our reader has it

    def ask(_):
        return session.run(None, {given.name: fed})[0]

    assert compare(ask, with_torch(load(model)), [raw], chips="x").equal >= 0.999
    np.testing.assert_allclose(ask(raw), with_torch(load(model))(raw), atol=1e-3)


@pytest.mark.slow
def test_deepness_finds_square_tiles_any_batch_and_what_it_reads(session):
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert isinstance(given.shape[0], str)  # of any size
    assert given.shape[1:] == [3, 128, 128]
    assert found.shape[1:] == [3, 128, 128]  # of classes, by chance as many as bands
    facts = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
    assert facts["model_type"] == "Segmentor"
    assert facts["class_names"] == {"0": "bare soil", "1": "Öde", "2": "水"}
    assert (facts["tile_size"], facts["tiles_size"], facts["tiles_overlap"]) == (128, 128, 12)
    assert facts["resolution"] == 50  # cm
    assert (facts["seg_thresh"], facts["seg_small_segment"]) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "backbone"), [("deeplabv3+", None), ("segformer", None), ("unet", "tu-convnext_atto")]
)
def test_other_networks_take_pictures_of_any_sides(model, backbone):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        runtime = pytest.importorskip(package, reason="geopointseg[onnx] is not installed")
    torch.manual_seed(1)
    task = PointSegmentationTask(CARD, model=model).eval()
    session = runtime.InferenceSession(onnx_graph(task), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(110, 35, (1, 3, 160, 96)).astype(np.float32)

    def ask(pixels):
        return session.run(None, {graph_module.INPUT: pixels})[0]

    assert compare(ask, with_torch(task), [x], chips="x").equal >= 0.999


def test_pixels_in_degrees_have_no_size_in_centimetres(model):
    task = load(model)
    assert "resolution" in deepness(task, 64)
    task.hparams["card"] |= {"geographic": True, "crs": "EPSG:4326"}
    assert "resolution" not in deepness(task, 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"tile": 100}, "multiple of 32, got 100"), ({"onnx": "model.tif"}, r"ending in \.onnx"), ({}, "add --overwrite")],
)
def test_what_cannot_be_written_is_told_before_the_work(model, tmp_path, options, message):
    (tmp_path / "old.onnx").write_text("old")
    given = {"onnx": tmp_path / options.pop("onnx", "old.onnx")} | options
    with pytest.raises(GeoPointSegError, match=message):
        export(model, **given)
    assert (tmp_path / "old.onnx").read_text() == "old"


def test_a_missing_package_is_told_with_its_extra(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    pytest.importorskip("onnx", reason="geopointseg[onnx] is not installed")
    with pytest.raises(GeoPointSegError, match=r"got no onnxscript: pip install 'geopointseg\[onnx\]'"):
        export(model, onnx=tmp_path / "model.onnx")
