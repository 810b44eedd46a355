"""The accuracy benchmark: what is learnt from and judged lies apart, and tables and bounds come from the cells on disk."""

import numpy as np
import pytest
import rasterio

from benchmarks.accuracy_cells import Place, cell_path, judge, load, save, tabulate
from benchmarks.accuracy_data import clicks, cores, prepare, pseudo_masks, write_scenes
from geopointseg.labels.points import load_points
from geopointseg.labels.pseudomask import Spreading
from geopointseg.maps.pool import vote
from pipelines.experiments.cells import counts, micro_iou

NAMES = ("low", "high")


def painted(shape, windows):
    found = np.zeros(shape, bool)
    for window in windows:
        found[window.row : window.row + window.height, window.col : window.col + window.width] = True
    return found


def test_between_the_two_colours_of_the_checkerboard_lies_a_gap():
    shape = (100, 83)
    learnt, judged = (painted(shape, cores(*shape, block=32, colour=colour)) for colour in (0, 1))
    nearest = min(
        np.maximum(np.abs(row - rows), np.abs(col - cols)).min()
        for rows, cols in [np.nonzero(judged)]
        for row, col in np.argwhere(learnt)
    )
    assert nearest == 32 // 8 + 1  # that many pixels lie between
    assert 0.3 < learnt.mean() < 0.5
    assert 0.3 < judged.mean() < 0.5


@pytest.fixture
def same_place(tmp_path):
    def drawing(stem):
        rng = np.random.default_rng(ord(stem))
        truth = np.kron(rng.integers(2, size=(12, 12)), np.ones((16, 16))).astype(np.uint8)
        return np.stack([truth * 100 + rng.integers(20, size=truth.shape) for _ in range(3)]).astype(np.uint8), truth

    data = write_scenes(tmp_path, {"train": ["a"], "test": ["b"]}, drawing, {0: "low", 1: "high"}, block=64)
    return prepare(data, "same-place")


def test_no_clicks_label_lies_where_maps_are_judged(same_place):
    masks = pseudo_masks(same_place, 500, 0, Spreading("reach"))
    labelled = 0
    for image, learnt, judged in zip(same_place.images, same_place.truth, same_place.judged, strict=True):
        bands = []
        for path in (masks / image.name, learnt, judged):
            with rasterio.open(path) as source:
                bands.append(source.read(1) != 255)
        mask, learnt, judged = bands
        assert judged.any()
        assert not (learnt & judged).any()
        assert not (
            mask & ~learnt
        ).any()  # this truth is known everywhere: where it may be learnt from is where it is not 255
        labelled += mask.sum()
    assert labelled > 2 * len(load_points(clicks(same_place, 500, 0)).used("train"))


def test_no_click_is_lost_at_the_edge_of_its_block(same_place):
    points = load_points(clicks(same_place, 2000, 0))
    masks = pseudo_masks(same_place, 2000, 0, Spreading("single-pixel"))
    labelled = 0
    for image in same_place.images:
        with rasterio.open(masks / image.name) as source:
            labelled += (source.read(1) != 255).sum()
    assert labelled == len(points.used("train"))


def test_clicks_are_drawn_once(same_place):
    path = clicks(same_place, 50, 3)
    before = path.stat().st_mtime_ns
    assert clicks(same_place, 50, 3) == path
    assert path.stat().st_mtime_ns == before


def test_the_micro_iou_pools_channels_and_averages_images():
    truth, found = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    one = np.zeros((2, 2), int)
    np.add.at(one, (truth, found), 1)
    channels = [(truth == c, found == c) for c in (0, 1)]
    pooled = sum((t & f).sum() for t, f in channels) / sum((t | f).sum() for t, f in channels)
    assert micro_iou([counts(one)]) == pytest.approx(pooled)
    assert micro_iou([counts(one), counts(np.diag([1000, 0]))]) == pytest.approx((pooled + 1) / 2)
    assert micro_iou([counts(one), counts(np.zeros((2, 2), int))]) == pytest.approx(pooled)


def test_a_vote_counts_known_pixels_and_prefers_the_lowest_class():
    labels = np.array([[0, 1, 1, 255], [1, 0, 255, 255]], np.uint8)
    regions = np.array([[1, 1, 1, 2], [3, 3, 3, 2]], np.int32)
    np.testing.assert_array_equal(vote(labels, regions), [[1, 1, 1, 255], [0, 0, 0, 255]])


def accuracy(share):
    return [np.array([[round(1000 * share), round(1000 * (1 - share))], [0, 1000]])]


def test_tables_and_bounds_come_from_the_cells(tmp_path):
    reached = {"default": 0.9, "dense": 0.92, "pixel-forest-vote": 0.8, "object-forest": 0.5, "lssqps": 0.6}
    for method, share in reached.items():
        for seed in range(3):
            place = Place("same-place", "all" if method == "dense" else "50", seed)
            save(tmp_path, place, method, NAMES, accuracy(share + seed / 1000), {"steps": 1})
    assert cell_path(tmp_path, Place("same-place", "50", 2), "default").exists()

    cells = load(tmp_path, "same-place", list(reached))
    lines = tabulate(cells, {"default": "ours", "dense": "truth", "best": "best"}, ["10", "50"]).splitlines()
    assert lines[2].split()[:3] == ["ours", "mIoU", "–"]
    assert lines[4].count("±") == 2  # dense supervision is the same at every budget
    assert lines[6].split() == ["best", "mIoU", "–", "–"]

    figures, targets, met = judge("same-place", cells, 3)
    assert met
    assert not judge("same-place", cells, 4)[2]
    assert set(targets) <= set(figures)
    miou = {method: figures[f"same-place, {method}: mIoU"] for method in reached}
    assert figures["same-place, above forests"] == pytest.approx(miou["default"] - miou["pixel-forest-vote"])


def test_bounds_are_not_met_by_cells_that_are_missing(tmp_path):
    save(tmp_path, Place("new-place", "50", 0), "default", NAMES, accuracy(0.9), {})
    figures, targets, met = judge("new-place", load(tmp_path, "new-place", ["default", "dense"]), 1)
    assert not met
    assert len(targets) == 3
    assert list(figures) == ["new-place, default: mIoU"]
