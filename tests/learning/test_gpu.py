"""Lanes, on the CPU: the answers of plain torch, from any thread, in memory of the caller's own. No GPU was at hand."""

import threading

import numpy as np
import pytest
import torch

from geopointseg.learning import backends
from geopointseg.learning.backends import Computing, predictor, with_torch
from geopointseg.learning.gpu import LANES, Lane, with_lanes
from geopointseg.learning.overlap import in_order

CPU = torch.device("cpu")


def batches(count, size=1, side=32):
    noise = np.random.default_rng(0).normal(50, 30, (count, size, 2, side, side)).astype(np.float32)
    noise[:, 0, :, 3:9, 4:8] = np.nan
    return list(noise)


@pytest.mark.parametrize("number_format", ["32-true", "bf16-mixed"])
def test_lanes_answer_as_plain_torch_does(task_of_two_bands, number_format):
    ask, plain = (make(task_of_two_bands, number_format) for make in (with_lanes, with_torch))
    for pixels in (*batches(2), *batches(1, size=3, side=64)):
        found = ask(pixels)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, plain(pixels))


def test_asking_from_several_threads_changes_nothing(task_of_two_bands):
    pixels = batches(12)
    expected = [with_torch(task_of_two_bands)(each) for each in pixels]
    threads = set()
    ask = with_lanes(task_of_two_bands)

    def asked(each):
        threads.add(threading.get_ident())
        return ask(each)

    found = list(in_order(asked, pixels, threads=3))
    np.testing.assert_array_equal(found, expected)
    assert threading.get_ident() not in threads


def test_every_thread_has_a_lane_of_its_own(task_of_two_bands, monkeypatch):
    made, both = [], threading.Barrier(2, timeout=60)
    monkeypatch.setattr("geopointseg.learning.gpu.Lane", lambda device: made.append(Lane(device)) or made[-1])
    ask = with_lanes(task_of_two_bands)

    def asked(pixels):
        both.wait()  # both threads are at it
        return [ask(pixels), ask(pixels)]

    list(in_order(asked, batches(2), threads=2))
    assert len(made) == 2


def test_memory_is_kept_while_the_shape_is_and_answers_are_the_callers_own():
    lane, pixels = Lane(CPU), batches(3)
    first = lane.through(lambda x: x + 1, pixels[0])
    kept = {name: memory.data_ptr() for name, memory in lane.kept.items()}
    copy = first.copy()
    second = lane.through(lambda x: x + 1, pixels[1])
    assert {name: memory.data_ptr() for name, memory in lane.kept.items()} == kept
    np.testing.assert_array_equal(first, copy)
    np.testing.assert_array_equal(second, pixels[1] + 1)
    np.testing.assert_array_equal(lane.through(lambda x: x[:, :1], batches(1, 2, 64)[0]), batches(1, 2, 64)[0][:, :1])


def test_what_goes_wrong_on_the_way_reaches_who_asked(task_of_two_bands):
    ask = with_lanes(task_of_two_bands)
    with pytest.raises(RuntimeError, match="size of tensor"):
        list(in_order(ask, [np.zeros((1, 5, 32, 32), np.float32)], threads=2))


def test_a_gpu_is_asked_by_lanes_and_a_cpu_is_not(task_of_two_bands, monkeypatch):
    assert predictor(task_of_two_bands, Computing("torch")).lanes == 1

    class OnGpu:
        """As much of a task on a GPU as the choice looks at."""

        device, agreement, classes = torch.device("cuda"), None, task_of_two_bands.classes

    monkeypatch.setattr(backends, "with_lanes", lambda task, number_format: (task, number_format))
    monkeypatch.setattr(backends, "with_torch", lambda *_, **__: "plain torch")
    task = OnGpu()
    found = predictor(task)
    assert (found.ask, found.lanes, found.backend) == ((task, "32-true"), LANES, "torch")
    compiled = predictor(task, Computing(compiled=True))
    assert (compiled.ask, compiled.lanes) == ("plain torch", 1)  # torch.compile is for one thread
