"""Models of the same classes and bands are averaged; others are refused; all are computed in one way."""

from types import SimpleNamespace

import numpy as np
import pytest

from geopointseg.classes import Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.learning import ensemble as module
from geopointseg.learning.backends import AUTO, Computing, Predictor, predictor
from geopointseg.learning.ensemble import averaged, require_alike, together


def model(names=("bare", "grass"), codes=(0, 1), bands=(1, 2), colors=("#111111", "#222222")):
    """As much of a task as is compared."""
    return SimpleNamespace(
        classes=Classes(tuple(names), tuple(colors), tuple(codes)), hparams={"card": {"bands": list(bands)}}
    )


def test_models_of_the_same_classes_and_bands_are_alike_whatever_their_colours():
    require_alike({"one": model()})
    require_alike({"one": model(), "two": model(colors=("#333333", "#444444")), "three": model()})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            model(("grass", "bare")),
            "expected models of the same classes, got bare, grass in one and grass, bare in two",
        ),
        (model(codes=(10, 20)), r"got bare, grass in one and bare \(10\), grass \(20\) in two: train .* of --ensemble"),
        (model(bands=(2, 1)), r"expected models of the same bands, got \[1, 2\] in one and \[2, 1\] in two: train"),
    ],
)
def test_others_are_refused(other, message):
    with pytest.raises(GeoPointSegError, match=message):
        require_alike({"one": model(), "same": model(), "two": other})


def constant(*shares):
    """An answer of these probabilities everywhere, always the same array."""
    answer = np.broadcast_to(np.array(shares, np.float32)[None, :, None, None], (1, len(shares), 4, 4)).copy()
    return lambda _: answer


def test_probabilities_are_averaged_and_answers_are_not_written_over():
    asks = [constant(1, 0), constant(0.25, 0.75), constant(0.25, 0.75)]
    for _ in range(2):
        found = averaged(asks)(np.zeros((1, 1, 4, 4), np.float32))
        np.testing.assert_array_equal(found[0, :, 0, 0], np.float32([0.5, 0.5]))
    assert found.dtype == np.float32


@pytest.fixture
def made(monkeypatch):
    """Predictors that are made up: task and what is wanted are looked up in a table, and what was asked for is noted."""
    asked = []

    def make(task, computing):
        asked.append(computing)
        own = task["auto"] if computing == AUTO else (computing.backend, computing.precision)
        return Predictor(constant(*task["shares"]), "classes", *own, task["why"])

    monkeypatch.setattr(module, "predictor", make)
    return asked


def task(backend, precision, why="as it is", shares=(1, 0)):
    return {"auto": (backend, precision), "why": why, "shares": shares}


def test_models_that_are_computed_alike_stay_so(made):
    found = together([task("openvino", "bf16-mixed"), task("openvino", "bf16-mixed", shares=(0, 1))])
    assert (found.backend, found.precision, found.why) == ("openvino", "bf16-mixed", "2 models averaged; as it is")
    np.testing.assert_array_equal(found(np.zeros(1))[0, :, 0, 0], [0.5, 0.5])
    assert made == [AUTO, AUTO]


@pytest.mark.parametrize(
    ("second", "common"),
    [
        (("torch", "bf16-mixed"), ("torch", "bf16-mixed")),
        (("openvino", "32-true"), ("openvino", "32-true")),
        (("torch", "32-true"), ("torch", "32-true")),
    ],
)
def test_models_that_would_be_computed_in_two_ways_are_in_one(made, second, common):
    found = together([task("openvino", "bf16-mixed", "safe"), task(*second, "unsafe")])
    assert (found.backend, found.precision) == common
    assert found.why == "2 models averaged; in one way for all (model 1: safe; model 2: unsafe)"
    assert made[2:] == [Computing(*common)] * 2


def test_one_model_alone_is_itself(made):
    assert together([task("torch", "32-true")]).why == "as it is"


def test_flips_and_turns_are_of_every_model(task_of_two_bands):
    pixels = 100 * np.random.default_rng(0).random((1, 2, 32, 32), np.float32)
    once, eight = (predictor(task_of_two_bands, Computing("torch", tta=tta)) for tta in (False, True))
    assert eight.why == f"eight flips and turns averaged; {once.why}"
    both = together([task_of_two_bands] * 2, Computing("torch", tta=True))
    np.testing.assert_allclose(both(pixels), eight(pixels), atol=1e-7)
    assert np.abs(eight(pixels) - once(pixels)).max() > 1e-4
