"""Whatever computes a network finds the same classes; what is taken unasked is the fastest that does."""

import numpy as np
import pytest
import torch

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.learning import backends as module
from geopointseg.learning.agreement import Agreement, compare
from geopointseg.learning.backends import Computing, predictor, with_torch
from geopointseg.learning.graph import onnx_graph
from geopointseg.learning.task import PointSegmentationTask

CARD = {
    "bands": [1, 2],
    "band_names": ["red", "green"],
    "mean": [100.0, 50.0],
    "std": [20.0, 10.0],
    "dtype": "uint8",
    "nodata": 0,
    "pixel_size": [0.5, 0.5],
    "crs": "EPSG:32633",
    "geographic": False,
    "classes": Classes.of(["bare", "grass", "water"]).records(),
    "chip": 64,
}


@pytest.fixture(scope="module")
def task():
    """A task with random weights, on the CPU."""
    torch.manual_seed(0)
    return PointSegmentationTask(CARD).eval()


@pytest.fixture(scope="module")
def graph(task):
    """Its graph."""
    pytest.importorskip("onnx", reason="geopointseg[onnx] is not installed")
    pytest.importorskip("onnxscript", reason="geopointseg[onnx] is not installed")
    return onnx_graph(task)


@pytest.fixture
def pixels():
    """Two pictures with a hole, of no size that a graph was made for."""
    noise = np.random.default_rng(0).normal(100, 30, (2, 2, 70, 90)).astype(np.float32)
    noise[0, :, 10:20, 30:50] = np.nan
    return noise


# each of them


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_every_backend_finds_the_classes_of_torch(task, graph, pixels, name):
    pytest.importorskip(name, reason=f"{name} is not installed")
    ask, torch_ask = module.MAKERS[name](graph, "32-true"), with_torch(task)
    found = ask(pixels)
    assert found.shape == (2, 3, 70, 90)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert compare(ask, torch_ask, [pixels], chips="x").equal >= 0.999
    whole = np.random.default_rng(1).normal(100, 30, (1, 2, 128, 96)).astype(np.float32)
    np.testing.assert_allclose(ask(whole), torch_ask(whole), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_an_answer_stays_when_the_next_is_given(graph, pixels, name):
    pytest.importorskip(name, reason=f"{name} is not installed")
    ask = module.MAKERS[name](graph, "32-true")
    first = ask(pixels)
    kept = first.copy()
    ask(pixels[::-1].copy())
    np.testing.assert_array_equal(first, kept)


@pytest.mark.slow
def test_bfloat16_is_another_number_format_but_nearly_the_same_map(task, graph, pixels):
    pytest.importorskip("openvino", reason="openvino is not installed")
    exact = with_torch(task)(pixels)
    for ask in (with_torch(task, "bf16-mixed"), module.MAKERS["openvino"](graph, "bf16-mixed")):
        found = ask(pixels)
        assert 1e-5 < abs(found - exact).mean() < 0.02


# the choice


@pytest.fixture
def installed(monkeypatch):
    """`installed(openvino=ask)`: only these are, and each is what it says."""
    monkeypatch.setattr(module, "onnx_graph", lambda _: b"graph")

    def pretend(**asks):
        monkeypatch.setattr(module, "_missing", lambda name: [] if name in asks else [name])
        made = []

        def maker(name):
            def make(graph, number_format):
                made.append((name, graph, number_format))
                if isinstance(asks[name], Exception):
                    raise asks[name]
                return asks[name]

            return make

        monkeypatch.setattr(module, "MAKERS", {name: maker(name) for name in ("onnxruntime", "openvino")})
        return made

    return pretend


@pytest.fixture
def fine(task, monkeypatch):
    """bfloat16 is fast here, and safe with the model."""
    monkeypatch.setattr("geopointseg.learning.precision.precision", lambda **_: "bf16-mixed")
    monkeypatch.setattr(task, "agreement", Agreement(0.999, 1000, "held-out chips"))


def wrong(pixels):
    """The first class everywhere."""
    return np.eye(3, dtype=np.float32)[0][None, :, None, None] * np.ones(
        (len(pixels), 1, *pixels.shape[2:]), np.float32
    )


def test_openvino_is_taken_if_it_is_installed_and_right(task, installed):
    right = with_torch(task)
    for there, chosen in (
        ({}, "torch"),
        ({"onnxruntime": right}, "torch"),
        ({"openvino": right, "onnxruntime": right}, "openvino"),
        ({"openvino": wrong, "onnxruntime": right}, "torch"),
        ({"openvino": wrong}, "torch"),
        ({"openvino": GeoPointSegError("no such operator")}, "torch"),
    ):
        installed(**there)
        found = predictor(task)
        assert (found.backend, found.precision) == (chosen, "32-true")
    assert "no such operator" in found.why
    installed(openvino=wrong)
    assert "openvino gave torch's class on only" in predictor(task).why


def test_in_bfloat16_openvino_is_checked_in_float32_first(task, installed, fine):
    right = with_torch(task)
    made = installed(openvino=right, onnxruntime=right)
    found = predictor(task)
    assert made == [("openvino", b"graph", "32-true"), ("openvino", b"graph", "bf16-mixed")]
    assert str(found) == (
        "computed by openvino in bfloat16: bfloat16 gave float32's class on 99.90 % of 1,000 pixels of held-out chips"
    )
    installed(onnxruntime=right)  # which has none
    assert (predictor(task).backend, predictor(task).precision) == ("torch", "bf16-mixed")


def test_what_is_asked_for_is_taken(task, installed, fine):
    made = installed(openvino=wrong, onnxruntime=wrong)
    assert predictor(task, Computing("torch")).backend == "torch"
    assert not made
    found = predictor(task, Computing("onnxruntime"))
    assert (found.backend, found.precision, found.why) == (
        "onnxruntime",
        "32-true",
        "onnxruntime has no bfloat16 on a CPU",
    )
    assert predictor(task, Computing("openvino", "32-true")).why.startswith("as asked for")
    assert [number_format for _, _, number_format in made] == ["32-true", "32-true"]


@pytest.mark.parametrize(
    ("computing", "message"),
    [
        (Computing("openvino"), r"got no openvino: pip install 'geopointseg\[openvino\]'"),
        (Computing("onnxruntime"), r"got no onnxruntime: pip install 'geopointseg\[onnx\]'"),
        (Computing("onnxruntime", "bf16-mixed"), "expected float32 for onnxruntime"),
        (Computing("openvino", compiled=True), "expected --backend torch with --compiled, got openvino"),
    ],
)
def test_what_cannot_be_is_told(task, installed, computing, message):
    installed()
    with pytest.raises(GeoPointSegError, match=message):
        predictor(task, computing)


def test_the_made_up_picture_is_always_the_same(task):
    one, two = module._picture(task), module._picture(task)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one.mean(axis=(0, 2, 3)), CARD["mean"], rtol=0.1)
