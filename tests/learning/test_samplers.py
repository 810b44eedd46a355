"""Chips lie around the points, in an order that seed and epoch decide, whatever the number of processes."""

from collections import Counter

import numpy as np
import pytest
import torch

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.learning.datasets import Imagery
from geopointseg.learning.samplers import PointGeoSampler, Shard, TileGeoSampler
from geopointseg.learning.sites import Sites
from geopointseg.raster import open_raster


def draw(rasters, where, **options):
    """(raster, window) of every chip of an epoch."""
    imagery = Imagery(rasters)
    return [imagery.locate(query) for query in PointGeoSampler(rasters, where, **options)]


@pytest.fixture
def ground(raster_file):
    """One raster of 80 x 111 pixels."""
    return [open_raster(raster_file(np.zeros((80, 111), np.uint8), pixel=(7.3, 4.1)))]


WHERE = Sites([0] * 6, [0, 79, 40, 10, 79, 33], [0, 110, 50, 100, 0, 33], [2, 2, 5, 5, 5, 7])


def test_every_chip_holds_its_point_and_stays_on_the_raster(ground):
    for number, window in draw(ground, WHERE, chip=32, length=60):
        assert number == 0
        assert window == window.within(80, 111)
        rows, cols = WHERE.row - window.row, WHERE.col - window.col
        assert ((rows >= 0) & (rows < 32) & (cols >= 0) & (cols < 32)).any()


def test_classes_come_in_turn_and_every_point_of_a_class_before_any_twice(ground):
    # one point per chip: they lie farther apart than a chip is wide
    where = Sites([0] * 4, [5, 75, 5, 75], [5, 5, 105, 105], [0, 0, 0, 9])
    visited = []
    for _, window in draw(ground, where, chip=32, length=24):
        (held,) = np.flatnonzero(
            (where.row >= window.row)
            & (where.row < window.row + 32)
            & (where.col >= window.col)
            & (where.col < window.col + 32)
        )
        visited.append(int(held))
    assert set(visited[1::2]) == {3}
    first = visited[0::2]
    assert [sorted(first[i : i + 3]) for i in range(0, 12, 3)] == [[0, 1, 2]] * 4
    assert len({tuple(first[i : i + 3]) for i in range(0, 12, 3)}) > 1


def test_the_draw_depends_on_seed_and_epoch_alone(ground):
    sampler = PointGeoSampler(ground, WHERE, chip=32, length=20, seed=3)
    torch.manual_seed(1)
    np.random.seed(1)
    first, second = list(sampler), list(sampler)
    torch.manual_seed(2)
    np.random.seed(2)
    again = PointGeoSampler(ground, WHERE, chip=32, length=20, seed=3)
    assert (list(again), list(again)) == (first, second)
    assert first != second
    assert list(PointGeoSampler(ground, WHERE, chip=32, length=20, seed=4)) != first
    assert len(sampler) == len(first) == 20


def test_a_point_lands_all_over_the_chip(ground):
    where = Sites([0], [40], [50], [0])
    places = np.array([(40 - w.row, 50 - w.col) for _, w in draw(ground, where, chip=32, length=400)])
    assert places.min(axis=0).max() <= 1
    assert places.max(axis=0).min() >= 30


def test_no_training_point_on_the_rasters_is_refused(ground):
    with pytest.raises(GeoPointSegError, match="expected training points on the rasters, got none"):
        PointGeoSampler(ground, Sites([], [], [], []), chip=32, length=4)


def test_what_a_query_names_is_found_again(ground):
    imagery, sampler = Imagery(ground), TileGeoSampler(ground, WHERE, chip=32)
    assert [imagery.locate(query)[1] for query in sampler] == [
        Window(r * 32, c * 32, 32, 32) for _, r, c in sampler.tiles
    ]


def test_with_balance_point_all_points_come_alike(ground):
    where = Sites([0] * 4, [5, 75, 5, 75], [5, 5, 105, 105], [0, 0, 0, 9])
    by_corner = {}
    for balance in ("class", "point"):
        windows = [window for _, window in draw(ground, where, chip=32, length=24, balance=balance)]
        by_corner[balance] = Counter((w.row > 24, w.col > 40) for w in windows)  # the corners of four points
    assert set(by_corner["point"].values()) == {6}
    assert sorted(by_corner["class"].values()) == [4, 4, 4, 12]


# several processes


@pytest.mark.parametrize(("ranks", "batch"), [(2, 3), (3, 2), (4, 1), (1, 6)])
def test_the_batches_of_all_processes_are_the_batch_of_one(ground, ranks, batch):
    plan = {"chip": 32, "length": 24, "seed": 5}
    alone = PointGeoSampler(ground, WHERE, **plan)
    together = [PointGeoSampler(ground, WHERE, **plan, shard=Shard(r, ranks, batch)) for r in range(ranks)]
    for _ in range(2):  # epochs
        parts = [list(sampler) for sampler in together]
        assert {len(part) for part in parts} == {24 // ranks} == {len(sampler) for sampler in together}
        steps = range(0, 24 // ranks, batch)
        assert [chip for step in steps for part in parts for chip in part[step : step + batch]] == list(alone)


def test_a_shard_is_a_block_of_every_step():
    assert Shard(rank=1, ranks=2, batch=3).own(12) == [3, 4, 5, 9, 10, 11]
    assert Shard().own(3) == [0, 1, 2]


def test_processes_that_would_end_a_step_apart_are_refused(ground):
    with pytest.raises(GeoPointSegError, match="expected whole steps of 2 x 4 chips, got 12 chips"):
        PointGeoSampler(ground, WHERE, chip=32, length=12, shard=Shard(0, 2, 4))


def test_an_epoch_can_be_gone_to(ground):
    sampler = PointGeoSampler(ground, WHERE, chip=32, length=8)
    epochs = [list(sampler) for _ in range(3)]
    again = PointGeoSampler(ground, WHERE, chip=32, length=8)
    again.set_epoch(2)
    assert list(again) == epochs[2]
