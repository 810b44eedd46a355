"""Unlabelled pixels count only when asked to, fade in, and what cannot work is refused before any training."""

import math

import geopandas as gpd
import numpy as np
import pytest
import shapely
import torch
from torch import nn

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.learning.augment import Augmentation, augment, numbered_apart
from geopointseg.learning.datasets import Regions, query
from geopointseg.learning.teacher import Teacher
from geopointseg.learning.unlabelled import NOTHING, Unlabelled, generator, growth, lesson, read_unlabelled
from geopointseg.statistics import Statistics, open_rasters

NO = 255
LIGHT = Statistics((0.0,), (1.0,), (), ())


# options


def test_nothing_is_made_of_them_by_default():
    assert not NOTHING.any
    assert not NOTHING.cuts
    assert Unlabelled(pairwise=0.1).any
    assert Unlabelled(teacher=1).cuts
    assert Unlabelled(grow=1).cuts
    assert not Unlabelled(pairwise=1).cuts


def test_it_fades_in():
    found = [Unlabelled(ramp=100).faded_in(step) for step in (0, 50, 100, 1000)]
    assert found == pytest.approx([math.exp(-5), math.exp(-5 / 4), 1, 1])


def test_plain_values_give_the_options():
    assert read_unlabelled({"teacher": 0.5, "gate": False}) == Unlabelled(teacher=0.5, gate=False)
    assert read_unlabelled({}) == NOTHING
    with pytest.raises(GeoPointSegError, match="got techer"):
        read_unlabelled({"techer": 1})


@pytest.mark.parametrize(
    "odd",
    [
        {"teacher": -1},
        {"grow": math.nan},
        {"pairwise": math.inf},
        {"threshold": 1.1},
        {"decay": -0.1},
        {"classmix": 2},
        {"ramp": 0},
        {"rings": 0},
        {"pairwise_colour": 0},
        {"pairwise_step": 5},
    ],
)
def test_what_cannot_work_is_refused(odd):
    with pytest.raises(GeoPointSegError, match=next(iter(odd))):
        Unlabelled(**odd)


# growth


def test_growth_costs_the_cross_entropy_of_what_has_been_added():
    """A point and three pixels beside it, of which the nearest two are sure: one is reached at first, both in the end."""
    p = torch.tensor([[[[0.5, 0.98, 0.96, 0.6]], [[0.5, 0.02, 0.04, 0.4]]]])
    mask, how = torch.tensor([[[0, NO, NO, NO]]]), Unlabelled(grow=1, rings=2, ramp=10)
    batch = {"mask": mask, "regions": torch.ones_like(mask)}
    assert growth(how, p.log(), batch, step=0) == 0
    assert growth(how, p.log(), batch, step=5).item() == pytest.approx(-math.log(0.98), rel=1e-4)
    assert growth(how, p.log(), batch, step=50).item() == pytest.approx(-math.log(0.98 * 0.96) / 2, rel=1e-4)


def test_nothing_grows_out_of_the_regions():
    p, mask = torch.full((1, 2, 1, 3), 0.5).log(), torch.tensor([[[0, NO, NO]]])
    how = Unlabelled(grow=1, ramp=1, threshold=0.0)
    closed = {"mask": mask, "regions": torch.tensor([[[1, 0, 1]]])}
    assert growth(how, p, closed, step=9) == 0
    assert growth(how, p, closed | {"regions": torch.ones_like(mask)}, step=9) > 0
    with pytest.raises(GeoPointSegError, match="got none"):
        growth(how, p, {"mask": mask}, step=9)


# lessons

PLAIN = {"jitter": 0.0, "classmix": 0.0, "threshold": 0.9}


def taught(p, mask, regions=None, seed=0, **options):
    """The lesson of a teacher with these probabilities of class 1 of two."""
    p, mask = torch.tensor([p]), torch.tensor([mask])
    logits = torch.stack([1 - p, p], dim=1).log()
    image = torch.zeros(1, 1, *p.shape[1:])
    regions = torch.ones_like(mask) if regions is None else torch.tensor([regions])
    teacher, batch = Teacher(nn.Conv2d(1, 2, 1), classes=2), {"image": image, "mask": mask, "regions": regions}
    how = Unlabelled(teacher=1, **PLAIN | options)
    return lesson(how, teacher, batch, logits, LIGHT, torch.Generator().manual_seed(seed))


def test_the_teacher_labels_what_it_is_sure_of_and_labels_stay():
    view, share = taught([[0.99, 0.6, 0.01, 0.99]], [[NO, NO, NO, 0]], gate=False)
    assert view["mask"].tolist() == [[[1, NO, 0, 0]]]
    assert share == 3 / 4


def test_with_the_gate_whole_regions_are_labelled_or_not():
    regions = [[1] * 10, [2] * 10, [3] * 10]
    p = [[0.99] * 9 + [0.6], [0.99] * 5 + [0.01] * 5, [0.99] * 10]
    mask = [[NO] * 10, [NO] * 10, [0, 0] + [NO] * 8]  # the labels of the last region contradict the teacher
    view, share = taught(p, mask, regions)
    assert view["mask"].tolist() == [[[1] * 10, [NO] * 10, [0, 0] + [NO] * 8]]
    assert share.item() == pytest.approx(12 / 30)


@pytest.mark.parametrize("gate", [True, False])
def test_what_is_no_region_is_not_labelled(gate):
    view, share = taught([[0.99, 0.99]], [[NO, NO]], [[1, 0]], gate=gate)
    assert view["mask"].tolist() == [[[1, NO]]]
    assert share == 1


def test_guesses_in_held_out_ground_are_no_share_of_what_may_have_a_label():
    _, share = taught([[0.6, 0.6, 0.6]], [[NO, 1, 1]], [[1, 0, 0]], gate=False)
    assert share == 0


def test_the_student_sees_another_light_and_the_same_draw_gives_the_same():
    one, again, other = (taught([[0.99, 0.01]], [[NO, NO]], gate=False, jitter=0.5, seed=seed)[0] for seed in (0, 0, 1))
    assert one["image"].abs().min() > 0
    assert torch.equal(one["image"], again["image"])
    assert not torch.equal(one["image"], other["image"])
    assert torch.equal(one["mask"], other["mask"])


def test_a_lesson_needs_regions():
    how, batch = Unlabelled(teacher=1), {"image": torch.zeros(1, 1, 2, 2), "mask": torch.zeros(1, 2, 2).long()}
    with pytest.raises(GeoPointSegError, match="got none: take PointDataModule"):
        lesson(how, Teacher(nn.Conv2d(1, 2, 1), 2), batch, torch.zeros(1, 2, 2, 2), LIGHT, torch.Generator())


def test_draws_depend_on_seed_process_and_step():
    cards = {"sampling": {"seed": 0}}, {"sampling": {"seed": 1}}
    places = [(cards[0], 0, 0), (cards[0], 0, 1), (cards[0], 1, 0), (cards[1], 0, 0), (cards[0], 0, 0), ({}, 0, 0)]
    found = [torch.rand(1, generator=generator(*place)).item() for place in places]
    assert found[0] == found[4] == found[5]
    assert len(set(found)) == 4


# superpixels


def test_windows_are_cut_where_colours_change_and_open_where_nothing_is_held_out(raster_file):
    picture = np.repeat(np.kron([[20, 200]], np.ones((40, 40)))[None], 3, axis=0).astype(np.uint8)
    picture[:, :5] = 0
    rasters, statistics = open_rasters([str(raster_file(picture, "a.tif", nodata=0))])
    grid, window = rasters[0].grid, Window(0, 0, 40, 80)
    closed = shapely.box(*grid.window_bounds(Window(20, 60, 30, 30)))
    held_out = gpd.GeoDataFrame({"block": [0]}, geometry=[closed], crs=grid.crs.to_wkt()).to_crs("EPSG:4326")
    sample = Regions(rasters, statistics, held_out)[query(rasters[0], 0, window)]
    regions = sample["regions"]
    assert regions.dtype == torch.int64
    assert (regions[:5] == 0).all()  # no data
    assert (regions[21:, 61:] == 0).all()  # held out, on another CRS: a pixel more or less
    assert (regions[5:19, 61:] > 0).all()
    regions[19:, 59:] = regions[10, 70]
    left, right = regions[5:, :40].unique(), regions[5:, 40:].unique()
    assert (left > 0).all()
    assert not set(left.tolist()) & set(right.tolist())


def test_numbers_of_one_chip_are_not_those_of_another():
    regions = torch.tensor([[[1, 2], [0, 2]], [[1, 1], [2, 3]], [[0, 0], [0, 0]], [[1, 0], [1, 1]]])
    found = numbered_apart(regions)
    assert found.tolist() == [[[1, 2], [0, 2]], [[3, 3], [4, 5]], [[0, 0], [0, 0]], [[6, 0], [6, 6]]]


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_regions_move_with_their_labels(scale):
    rng = torch.Generator().manual_seed(0)
    mask = torch.randint(4, (3, 16, 16), generator=rng)
    batch = {"image": torch.rand(3, 1, 16, 16, generator=rng), "mask": mask, "weight": mask + 1.0, "regions": mask + 1}
    how = Augmentation(scale=scale, cutmix=0.5, classmix=0.5)
    found = augment(batch, how, LIGHT, torch.Generator().manual_seed(1))
    expected = torch.where(found["mask"] == NO, 0, found["mask"] + 1)  # beyond a shrunk chip there is neither
    assert torch.equal(found["regions"], expected)
    assert found["regions"].dtype == torch.int64
