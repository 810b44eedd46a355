"""Points of a split on the rasters that hold them, and a share of the rasters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.errors import GeoPointSegError
from geopointseg.learning.sites import Sites, share, sites
from geopointseg.raster import open_raster


@pytest.fixture(scope="module")
def rasters(raster_file):
    """Five rasters of 100, 200, 300, 400 and 500 pixels; the last holds no site of `WHERE`."""
    return [open_raster(raster_file(np.zeros((10, 10 * n), np.uint8))) for n in range(1, 6)]


WHERE = Sites([0, 1, 1, 2, 3, 3], [1] * 6, [1, 1, 2, 1, 1, 2], [0, 1, 0, 1, 0, 1])
AREA = {0: 100, 1: 200, 2: 300, 3: 400}


def test_the_whole_is_everything(rasters):
    assert share(WHERE, rasters, 1.0) is WHERE


def test_a_share_is_of_the_area_of_rasters_with_points(rasters):
    for seed in range(10):
        taken = share(WHERE, rasters, 0.5, seed=seed).rasters
        assert set(taken) < set(AREA)
        # 500 pixels are wanted; the next raster of the shuffle is at most 400 and taken or left, whichever is nearer
        assert 300 <= sum(AREA[number] for number in taken) <= 700
    assert len({tuple(share(WHERE, rasters, 0.5, seed=seed).rasters) for seed in range(10)}) > 1


def test_a_share_keeps_all_sites_of_its_rasters_and_no_other(rasters):
    found = share(WHERE, rasters, 0.3, seed=1)
    kept = np.isin(WHERE.raster, found.rasters)
    for name in ("raster", "row", "col", "class_id"):
        assert getattr(found, name).tolist() == getattr(WHERE, name)[kept].tolist()


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.integers(0, 100))
def test_with_one_seed_a_smaller_share_lies_in_a_larger_one(rasters, one, other, seed):
    small, large = (set(share(WHERE, rasters, f, seed=seed).rasters) for f in sorted((one, other)))
    assert small
    assert small <= large


def test_one_raster_at_least_is_taken(rasters):
    assert len(share(WHERE, rasters, 1e-9).rasters) == 1


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(rasters, fraction):
    with pytest.raises(GeoPointSegError, match="expected a train_fraction above 0 and up to 1"):
        share(WHERE, rasters, fraction)


def test_sites_are_the_used_points_of_a_split_on_every_raster(study, located):
    clicks = [(0, 0, 1, "train"), (5, 6, 0, "test"), (7, 8, 0, "gap"), (70, 100, 1, "train")]
    module = study({"big": located(80, 111), "small": located(40, 60)}, clicks, chip=32)

    def found(split):
        s = sites(module.points, module.rasters, split)
        return sorted(zip(*(column.tolist() for column in (s.raster, s.row, s.col, s.class_id)), strict=True))

    assert found("train") == [(0, 0, 0, 1), (0, 70, 100, 1), (1, 0, 0, 1)]
    assert found("test") == [(0, 5, 6, 0), (1, 5, 6, 0)]
