"""Class ids follow from the labels alone, codes of users survive, and every class has its own colour."""

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from geopointseg.classes import CODES, LIMIT, UNLABELLED, Classes
from geopointseg.colors import FAMILIAR, PALETTE, distinct_colors, familiar_color
from geopointseg.errors import GeoPointSegError

LABELS = ["water", "building", "grass", "water", "building", "peat bog"]


def test_text_is_sorted_by_name_and_numbers_by_code():
    assert Classes.of(LABELS).names == ("building", "grass", "peat bog", "water")
    assert Classes.of([100, 9, 30, 9]).codes == (9, 30, 100)
    assert Classes.of([100, 9, 30, 9]).names == ("9", "30", "100")


@given(st.permutations(LABELS))
def test_text_classes_do_not_depend_on_the_order_of_rows(labels):
    assert Classes.of(labels) == Classes.of(LABELS)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=30), st.randoms())
def test_integer_classes_keep_their_codes_whatever_the_order(codes, random):
    shuffled = random.sample(codes, len(codes))
    assert Classes.of(shuffled) == Classes.of(codes)
    assert Classes.of(shuffled).codes == tuple(sorted(set(codes)))


def test_names_for_codes():
    classes = Classes.of([30, 10, 22531], {10: "building", 30: "road"})
    assert classes.names == ("building", "road", "22531")
    assert classes.codes == (10, 30, 22531)


@pytest.mark.parametrize("count", [1, 8, 40, LIMIT])
def test_colours_are_distinct_and_well_formed(count):
    classes = Classes.of(range(count))
    assert len(set(classes.colors)) == len(classes) == count
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in classes.colors)


def test_familiar_names_get_their_colour_and_no_two_the_same():
    classes = Classes.of(["building", "woodland", "forest", "peat bog", "water", "Water "])
    by_name = dict(zip(classes.names, classes.colors, strict=True))
    assert len(set(classes.colors)) == len(classes)
    assert by_name["building"] == FAMILIAR["building"]
    assert FAMILIAR["water"] in (by_name["water"], by_name["Water "])
    assert (by_name["forest"], by_name["woodland"]) == (FAMILIAR["forest"], PALETTE[1])  # a tree is a tree: first wins


LEGENDS = {
    "LandCover.ai": "background|building|woodland|water|road",
    "Potsdam": "Impervious surfaces|Building|Low vegetation|Tree|Car|Clutter/background",
    "WorldCover": "Tree cover|Shrubland|Grassland|Cropland|Built-up|Bare / sparse vegetation|Snow and ice|"
    "Permanent water bodies|Herbaceous wetland|Mangroves|Moss and lichen",
    "Dynamic World": "water|trees|grass|flooded vegetation|crops|shrub and scrub|built|bare|snow and ice",
    "CORINE": "Discontinuous urban fabric|Industrial or commercial units|Mineral extraction sites|Vineyards|"
    "Olive groves|Pastures|Broad-leaved forest|Coniferous forest|Mixed forest|Moors and heathland|"
    "Beaches, dunes, sands|Bare rocks|Burnt areas|Inland marshes|Peat bogs|Salt marshes|Water courses|Sea and ocean",
    "clouds": "cloud|cloud shadow|snow|soil",
}


@pytest.mark.parametrize("legend", LEGENDS.values(), ids=LEGENDS)
def test_common_legends_have_their_usual_colours(legend):
    names = legend.split("|")
    assert list(distinct_colors(names)) == [familiar_color(name) for name in names]
    assert len(set(distinct_colors(names))) == len(names)


@pytest.mark.parametrize("name", ["Wetlands", "inland_marshes", "GRASSES", "Built-up", "permanent water bodies"])
def test_a_familiar_name_is_known_in_any_spelling(name):
    assert familiar_color(name) in FAMILIAR.values()


@pytest.mark.parametrize("name", ["", "s", "10", "forest 2", "Gewässer", "forestry office"])
def test_a_strange_name_has_no_usual_colour(name):
    assert familiar_color(name) is None


def test_every_familiar_name_has_its_own_colour():
    assert {name: familiar_color(name) for name in FAMILIAR} == FAMILIAR


def test_usual_colours_can_be_told_apart():
    colors = sorted(set(FAMILIAR.values()))
    lab = rgb2lab(np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colors])[None])[0]
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)
    assert min(deltaE_ciede2000(a, b) for a, b in combinations(lab, 2)) > 7
    assert 10 < lab[:, 0].min() < lab[:, 0].max() < 93  # to be seen on black, and on white


def test_given_colours_are_kept_and_kept_clear_of():
    names = ["a", "b", "forest", "water"]
    assert distinct_colors(names, {"a": "#2b83ba", "b": "#2b83ba"})[:3] == ("#2b83ba", "#2b83ba", FAMILIAR["forest"])
    assert distinct_colors(names, {"a": "#2b83bb"})[3] not in ("#2b83ba", "#2b83bb")  # too near to water's own
    assert distinct_colors(names, {"water": "#e69f00"}) == (PALETTE[1], PALETTE[2], FAMILIAR["forest"], "#e69f00")
    assert Classes.of(names, colors={"b": "#010203"}).colors[1] == "#010203"


@pytest.mark.parametrize("count", [0, LIMIT + 1, 1000])
def test_too_few_or_too_many_classes_are_refused(count):
    with pytest.raises(GeoPointSegError, match=rf"1 to 254 classes, got {count}.*--class-field"):
        Classes.of(range(count))


@pytest.mark.parametrize("code", [CODES[0] - 1, CODES[-1] + 1])
def test_codes_beyond_32_bits_are_refused(code):
    with pytest.raises(
        GeoPointSegError, match=rf"codes from -2147483648 to 2147483647, .* got {code}: give the classes"
    ):
        Classes.of([1, code])


def test_a_name_twice_is_refused():
    with pytest.raises(GeoPointSegError, match="every class name once"):
        Classes.of([10, 20], {10: "road", 20: "road"})


@pytest.mark.parametrize("labels", [LABELS, [10, 2**31 - 1, -5], ["Wiese", "Straße", "Gewässer"]])
def test_classes_survive_the_tag_and_the_records(labels):
    classes = Classes.of(labels)
    assert Classes.from_tag(classes.to_tag()) == classes
    assert "\n" not in classes.to_tag()
    assert Classes.from_records(reversed(classes.records())) == classes


def test_the_palette_is_opaque_for_every_class_and_transparent_for_unlabelled():
    classes = Classes(("a", "b"), ("#010203", "#ff8000"), (10, 20))
    assert classes.rgb() == [(1, 2, 3), (255, 128, 0)]
    assert classes.colormap() == {0: (1, 2, 3, 255), 1: (255, 128, 0, 255), UNLABELLED: (0, 0, 0, 0)}
