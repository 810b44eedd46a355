"""Measures of superpixels agree with numbers worked out by hand, and with their definitions written plainly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.quality import SuperpixelQuality, superpixel_quality

# Two fields, 6 | 6; the superpixels' upright border lies one column too far right.
TRUTH = np.array([[0, 0, 1, 1]] * 3)
REGIONS = np.array(
    [
        [1, 1, 1, 2],
        [1, 1, 1, 2],
        [3, 3, 4, 4],
    ]
)

RATIOS = ("achievable_accuracy", "boundary_recall", "boundary_precision", "explained_variance", "compactness")
SHAPE = (7, 9)
pictures = st.tuples(
    arrays(np.int32, SHAPE, elements=st.integers(0, 5)),
    arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, 255])),
)


def test_a_picture_worked_out_by_hand():
    got = superpixel_quality(REGIONS, TRUTH, tolerance=0)
    assert (got.count, got.area, got.compared) == (4, 12, 12)
    # region 1 holds 4 pixels of field 0 and 2 of field 1; the others are pure
    assert got.achievable == 4 + 2 + 2 + 2
    assert got.achievable_accuracy == pytest.approx(10 / 12)
    # region 1 leaks min(4, 2) into field 0 and min(2, 4) into field 1
    assert got.undersegmentation_error == pytest.approx(4 / 12)
    # the truth's border is columns 1 and 2; the superpixels' is column 2 and 3 of row 0 and all of rows 1 and 2
    assert (got.truth_border, got.truth_border_found) == (6, 1 + 2 + 2)
    assert (got.border, got.border_true) == (2 + 4 + 4, 5)
    # areas 6, 2, 2, 2 with perimeters 10, 6, 6, 6
    expected = (6 * 4 * math.pi * 6 / 100 + 3 * 2 * 4 * math.pi * 2 / 36) / 12
    assert got.compactness == pytest.approx(expected)
    assert got.explained_variance is None


def test_tolerance_is_a_square_around_the_border_pixel():
    regions, truth = np.ones((9, 20), int), np.zeros((9, 20), int)
    regions[:, 10:], truth[:, 6:] = 2, 1  # borders in columns 9, 10 and 5, 6
    shares = [superpixel_quality(regions, truth, tolerance=t).boundary_recall for t in range(6)]
    assert shares == [0, 0, 0, 0.5, 1, 1]
    assert [superpixel_quality(regions, truth, tolerance=t).boundary_precision for t in (2, 3, 4)] == [0, 0.5, 1]
    assert superpixel_quality(regions, truth) == superpixel_quality(regions, truth, tolerance=2)
    assert superpixel_quality(regions, truth, tolerance=1000).boundary_recall == 1


def test_explained_variance_worked_out_by_hand():
    image = np.array([[[0, 2, 10, 12]], [[1, 1, 1, 1]]], float)
    # means 1 and 11 around 6: between 4 · 25, within 4 · 1; the even band adds nothing
    assert superpixel_quality(
        np.array([[1, 1, 2, 2]]), np.zeros((1, 4), int), image
    ).explained_variance == pytest.approx(100 / 104)


def test_pixels_without_data_in_a_band_explain_nothing():
    regions, truth = np.array([[1, 1, 2, 2, 2]]), np.zeros((1, 5), int)
    image = np.array([[[0, 2, 10, 12, np.nan]]])
    assert superpixel_quality(regions, truth, image).explained_variance == pytest.approx(100 / 104)


@pytest.mark.parametrize("value", [0.1, 7.0, 65535.3])
def test_an_even_image_has_no_variance_to_explain(value):
    image = np.full((3, 5, 7), value, np.float32)
    assert superpixel_quality(np.ones((5, 7), int), np.zeros((5, 7), int), image).explained_variance is None


def test_the_truth_itself_is_perfect():
    truth = np.random.default_rng(0).integers(0, 4, (20, 30))
    got = superpixel_quality(truth + 1, truth, truth[None].astype(np.float32))
    assert {name: getattr(got, name) for name in RATIOS[:4]} == dict.fromkeys(RATIOS[:4], 1)
    assert got.undersegmentation_error == 0


def test_one_region_achieves_the_share_of_the_commonest_class():
    truth = np.repeat([0, 0, 0, 1], 5)[None].repeat(4, axis=0)
    got = superpixel_quality(np.ones_like(truth), truth, truth[None].astype(float))
    assert got.achievable_accuracy == 0.75
    assert got.undersegmentation_error == pytest.approx(2 * 0.25)  # min(15, 5) + min(5, 15) of 20, in every row
    assert (got.boundary_recall, got.boundary_precision) == (0, None)
    assert got.explained_variance == 0


def test_a_grid_of_squares_is_as_compact_as_can_be():
    grid = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((5, 5), int))
    got = superpixel_quality(grid, grid)
    assert got.compactness == pytest.approx(math.pi / 4)
    assert (got.count, got.figures()["mean_area"]) == (12, 25)


def test_region_0_and_truth_255_take_no_part():
    regions, truth = np.pad(REGIONS, 3), np.pad(TRUTH, 3, constant_values=255)
    np.testing.assert_equal(superpixel_quality(regions, truth).figures(), superpixel_quality(REGIONS, TRUTH).figures())
    regions, truth = np.pad(REGIONS, 3), np.pad(TRUTH, 3)  # truth beyond the valid area
    assert superpixel_quality(regions, truth) == superpixel_quality(REGIONS, TRUTH)


def test_unknown_truth_within_a_superpixel_neither_leaks_nor_counts():
    truth = np.where(REGIONS == 1, 0, 1)
    truth[0, 0] = 255
    got = superpixel_quality(REGIONS, truth, tolerance=0)
    assert (got.compared, got.achievable, got.leaked) == (11, 11, 0)
    assert got.area == 12


def test_nothing_to_measure_gives_none():
    empty = np.zeros((4, 4), int)
    got = superpixel_quality(empty, empty, np.zeros((1, 4, 4))).figures()
    assert got.pop("count") == 0
    assert set(got.values()) == {None}


def plainly(regions, truth, tolerance):
    """The definitions, superpixel by superpixel and pixel by pixel."""
    counted = (regions > 0) & (truth != 255)
    achievable = leaked = 0
    for region in np.unique(regions[counted]):
        inside = [np.sum(counted & (regions == region) & (truth == t)) for t in np.unique(truth[counted])]
        achievable += max(inside)
        leaked += sum(min(n, sum(inside) - n) for n in inside)
    borders = []
    for labels in (truth, regions):
        border = np.zeros(SHAPE, bool)
        for r, c in zip(*np.nonzero(counted), strict=True):
            for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                a, b = r + dr, c + dc
                if 0 <= a < SHAPE[0] and 0 <= b < SHAPE[1] and counted[a, b] and labels[a, b] != labels[r, c]:
                    border[r, c] = True
        borders.append(border)
    found = []
    for these, those in (borders, borders[::-1]):
        t = tolerance
        spots = zip(*np.nonzero(these), strict=True)
        found.append(sum(those[max(0, r - t) : r + t + 1, max(0, c - t) : c + t + 1].any() for r, c in spots))
    return achievable, leaked, borders[0].sum(), found[0], borders[1].sum(), found[1]


@given(pictures, st.integers(0, 3))
def test_the_sums_are_those_of_the_definitions(picture, tolerance):
    got = superpixel_quality(*picture, tolerance=tolerance)
    ours = got.achievable, got.leaked, got.truth_border, got.truth_border_found, got.border, got.border_true
    assert ours == plainly(*picture, tolerance)


@given(pictures, st.integers(0, 2**32 - 1))
def test_ratios_are_within_their_ranges_and_no_name_matters(picture, seed):
    regions, truth = picture
    rng = np.random.default_rng(seed)
    image = rng.random((2, *SHAPE))
    got = superpixel_quality(regions, truth, image)
    assert all(value is None or 0 <= value <= 1 for value in (getattr(got, name) for name in RATIOS))
    if got.compared:
        error = got.undersegmentation_error
        assert 1 - got.achievable_accuracy - 1e-9 <= error <= 2 * (1 - got.achievable_accuracy) + 1e-9
    names = np.concatenate([[0], rng.choice(10**9, 5, replace=False) + 1])
    kinds = np.arange(256)
    kinds[:3] = rng.choice(255, 3, replace=False)
    other = superpixel_quality(names[regions], kinds[truth], image)
    for name, value in got.figures().items():
        assert other.figures()[name] == pytest.approx(value), name


@given(pictures, pictures, st.integers(1, 2))
def test_sums_of_pictures_are_those_of_both_side_by_side(one, two, bands):
    rng = np.random.default_rng(0)
    images = rng.random((2, bands, *SHAPE))
    apart = superpixel_quality(*one, images[0]) + superpixel_quality(*two, images[1])
    second = np.where(two[0] > 0, two[0] + 5, 0)
    gap = np.zeros((SHAPE[0], 5), int)
    both = superpixel_quality(
        np.hstack([one[0], gap, second]),
        np.hstack([one[1], gap, two[1]]),
        np.concatenate([images[0], np.zeros((bands, *gap.shape)), images[1]], axis=2),
    )
    for name, value in both.figures().items():
        assert apart.figures()[name] == pytest.approx(value), name


def test_nothing_is_the_zero_of_addition():
    got = superpixel_quality(REGIONS, TRUTH, np.random.default_rng(0).random((3, *TRUTH.shape)))
    assert got + SuperpixelQuality() == SuperpixelQuality() + got == got


def test_images_of_other_bands_do_not_add():
    one, two = (superpixel_quality(REGIONS, TRUTH, np.ones((n, *TRUTH.shape))) for n in (3, 4))
    with pytest.raises(GeoPointSegError, match="expected images alike in bands, got 3 and 4: add them apart"):
        one + two


def test_pictures_of_other_sizes_are_refused():
    with pytest.raises(GeoPointSegError, match=r"expected regions and truth of one .*\(3, 4\) and \(3, 3\): cut them"):
        superpixel_quality(REGIONS, TRUTH[:, :3])
    with pytest.raises(GeoPointSegError, match="expected regions and image of one height and width"):
        superpixel_quality(REGIONS, TRUTH, np.ones((3, 4, 3)))
    with pytest.raises(GeoPointSegError, match="expected a tolerance of 0 pixels or more, got -1: try 2"):
        superpixel_quality(REGIONS, TRUTH, tolerance=-1)
