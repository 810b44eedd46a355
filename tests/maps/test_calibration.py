"""Calibration is torchmetrics' on the same pixels, read from the confidence or the probabilities beside a map."""

import matplotlib.image
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchmetrics.functional.classification import binary_calibration_error

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.maps.assess import against_truth, assess
from geopointseg.maps.calibration import (
    Calibration,
    confidence_file,
    count_confidence,
    draw_reliability,
    read_confidence,
)
from geopointseg.maps.scores import write_scores

STEPS = arrays(np.uint8, 40, elements=st.integers(1, 250).filter(lambda step: step % 50))  # not on the edge of a bin


@given(STEPS, arrays(np.uint8, 40, elements=st.integers(0, 1)), st.sampled_from(["l1", "max"]))
def test_the_error_is_torchmetrics(steps, right, norm):
    counted = Calibration(count_confidence(np.zeros(40, np.uint8), 1 - right, steps, 2))
    figures = counted.figures()
    # torchmetrics calls positive what is right here; its bins go by the probability as ours by the confidence
    expected = binary_calibration_error(torch.tensor(steps * 0.004), torch.tensor(right), n_bins=15, norm=norm)
    assert figures["ece" if norm == "l1" else "mce"] == pytest.approx(float(expected), abs=1e-5)
    assert figures["count"] == 40


@given(STEPS, st.integers(0, 40))
def test_counts_add_up_and_what_is_no_class_is_left_out(steps, cut):
    truth, found = np.arange(40, dtype=np.uint8) % 3, np.zeros(40, np.uint8)
    whole = count_confidence(truth, found, steps, 3)
    parts = [count_confidence(truth[part], found[part], steps[part], 3) for part in (np.s_[:cut], np.s_[cut:])]
    np.testing.assert_array_equal(parts[0] + parts[1], whole)
    truth[0], found[1], steps = 255, 255, np.where(np.arange(40) == 2, 255, steps).astype(np.uint8)
    assert count_confidence(truth, found, steps, 3)[:, 0].sum() == 37


def test_nothing_counted_has_no_error(tmp_path):
    none = Calibration(np.zeros((251, 2), np.int64))
    assert none.figures()["ece"] is none.figures()["mce"] is None
    assert draw_reliability(tmp_path / "none.png", none, "nothing").is_file()


@pytest.mark.parametrize("kind", ["confidence", "probabilities"])
def test_a_map_with_its_confidence_beside_it_is_judged_by_it(class_map, raster_file, grid, classes, tmp_path, kind):
    ids = np.array([[0, 1, 2, 255]], np.uint8)
    path, truth = class_map(ids), raster_file(np.array([[10, 20, 10, 10]], np.uint8), "truth.tif")
    probabilities = np.full((5, 1, 4), 0.05, np.float32)
    probabilities[[0, 1, 2], 0, [0, 1, 2]] = 0.8
    probabilities[:, 0, 3] = np.nan
    place = tmp_path / f"map_{kind}.tif"
    write_scores(place, grid(1, 4), classes, [(Window(0, 0, 1, 4), probabilities)], kind=kind)
    assert confidence_file(path) == place
    assert read_confidence(place, Window(0, 0, 1, 4)).tolist() == [[200, 200, 200, 255]]
    figures = against_truth([path], [truth]).figures()["calibration"]
    assert figures["count"] == 3
    assert figures["ece"] == pytest.approx(0.8 - 2 / 3)
    report = assess([str(path)], truth=[str(truth)], out=tmp_path / "scores.json")
    assert [file.name for file in report.files] == ["scores.json", "scores_reliability.png"]
    assert matplotlib.image.imread(report.files[1]).shape[0] > 300
    assert "expected calibration error 0.133" in str(report)


def test_confidence_of_another_map_is_refused_and_a_stranger_is_passed_by(
    class_map, raster_file, grid, classes, tmp_path
):
    path = class_map([[0, 1]])
    raster_file(np.zeros((1, 2), np.uint8), "map_confidence.tif", folder=tmp_path)
    assert confidence_file(path) is None
    probabilities = np.full((5, 1, 3), 0.2, np.float32)
    place = tmp_path / "map_probabilities.tif"
    write_scores(place, grid(1, 3), classes, [(Window(0, 0, 1, 3), probabilities)], kind="probabilities")
    with pytest.raises(GeoPointSegError, match=r"on the grid of .*, got another: it is of another map"):
        confidence_file(path)


def test_the_plot_shows_what_was_counted(tmp_path):
    counts = np.zeros((251, 2), np.int64)
    counts[100:250:10] = [100, 60]
    path = draw_reliability(tmp_path / "reliability.png", Calibration(counts), "held-out points")
    picture = matplotlib.image.imread(path)[..., :3]
    assert (np.abs(picture - (86 / 255, 180 / 255, 233 / 255)).max(axis=-1) < 0.02).mean() > 0.01
