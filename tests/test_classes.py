"""Class ids follow from the labels alone, codes of users survive, and every class has its own colour."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopointseg.classes import FAMILIAR, LIMIT, UNLABELLED, Classes
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
    classes = Classes.of([*FAMILIAR, "peat bog", "Water "])
    by_name = dict(zip(classes.names, classes.colors, strict=True))
    assert len(set(classes.colors)) == len(classes)
    assert by_name["building"] == FAMILIAR["building"]
    assert FAMILIAR["water"] in (by_name["water"], by_name["Water "])


@pytest.mark.parametrize("count", [0, LIMIT + 1, 1000])
def test_too_few_or_too_many_classes_are_refused(count):
    with pytest.raises(GeoPointSegError, match=rf"1 to 254 classes, got {count}.*--class-field"):
        Classes.of(range(count))


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
