"""The ablations compare like with like: gains are taken seed by seed, and a third of the images is every third."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.ablations import VARIANTS, run, tabulated, third
from benchmarks.accuracy_cells import Place
from benchmarks.accuracy_data import Setting, prepare, write_scenes


def cell(right, steps=10):
    """Of two classes, of 100 pixels each, with so many right in each: an IoU of right / (200 - right) in both."""
    confusion = np.array([[right, 100 - right], [100 - right, right]])
    return {"confusion": confusion.tolist(), "classes": ["a", "b"], "steps": steps, "seconds": {"training": 2.0}}


def test_gains_are_those_of_the_same_seed():
    cells = {"default": {0: cell(50), 1: cell(80)}, "focal": {1: cell(90)}, "area-1": {}}
    rows, figures = tabulated(cells)
    assert [row[0] for row in rows] == ["variant", "default", "focal", "area-1"]
    assert figures["focal: gain"] == pytest.approx(90 / 110 - 80 / 120)
    assert figures["default: mIoU"] == pytest.approx((50 / 150 + 80 / 120) / 2)
    assert set(figures) == {"default: mIoU", "focal: mIoU", "focal: gain"}
    assert rows[1][2:] == ["–", "2", "200"]


def test_what_is_made_of_unlabelled_pixels_is_held_against_labels_that_leave_some():
    cells = {"default": {0: cell(50)}, "reach": {0: cell(60)}, "teacher": {0: cell(80)}}
    _, figures = tabulated(cells)
    assert figures["teacher: gain"] == pytest.approx(80 / 120 - 60 / 140)
    assert figures["reach: gain"] == pytest.approx(60 / 140 - 50 / 150)


def test_each_variant_differs_in_one_thing():
    for name, variant in VARIANTS.items():
        spread_otherwise = variant.spreading != VARIANTS[variant.base].spreading
        changed = (variant.clusters, variant.warm, spread_otherwise, *variant.data, *variant.task)
        assert sum(map(bool, changed)) == (name != "default")


@pytest.mark.parametrize(("name", "tests"), [("same-place", [0, 3, 6]), ("validation", [*range(7)])])
def test_a_third_of_the_images_is_every_third(name, tests):
    paths = [Path(f"{i}.tif") for i in range(7)]
    whole = Setting(name, Path("all"), paths, paths, [[] for _ in paths], paths, paths)
    part = third(whole)
    assert [int(path.stem) for path in part.images] == [0, 3, 6]
    assert part.truth == part.images
    assert len(part.ground) == 3
    assert [int(path.stem) for path in part.tests] == tests
    assert part.judged == part.tests
    assert part.folder != whole.folder  # other images, other clicks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default", "clusters", "teacher"])
def test_a_variant_is_trained_and_judged_on_every_test_image(name, tmp_path):
    def drawing(stem):
        rng = np.random.default_rng(ord(stem))
        truth = np.kron(rng.integers(2, size=(8, 8)), np.ones((16, 16))).astype(np.uint8)
        return np.stack([truth * 100 + rng.integers(20, size=truth.shape) for _ in range(3)]).astype(np.uint8), truth

    data = write_scenes(tmp_path, {"train": ["a"], "val": ["b"]}, drawing, {0: "low", 1: "high"}, block=64)
    setting = third(prepare(data, "validation"))
    matrices, facts = run(setting, Place("validation", "500", 0), VARIANTS[name], steps=2, chip=32)
    assert [matrix.sum() for matrix in matrices] == [128 * 128]
    assert facts["steps"] == 2
    assert facts["images"] == 1
