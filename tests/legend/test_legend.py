"""Ids follow from the classes alone, the user's file has the last word, and whatever is left out has a reason."""

import sqlite3
from itertools import pairwise

import geopandas as gpd
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point

from geopointseg.classes import Classes
from geopointseg.colors import FAMILIAR, PALETTE
from geopointseg.errors import GeoPointSegError
from geopointseg.legend.classify import Legend, classify
from geopointseg.legend.files import read_legend
from geopointseg.legend.styles import LARGEST, own_style

WHOLE = Legend(
    names=("water", "woodland", "road"),
    values={"tree": "woodland", "shrub": "woodland", "1": "water"},
    colors={"road": "#010203"},
    codes={"road": 70},
    dropped=frozenset({"cloud"}),
    source="classes.yaml",
)
CHANGES = Legend(values={"tree": "woodland", "Shrub": "woodland", "wasser": "water"}, source="classes.yaml")


def series(*labels):
    return pd.Series(labels, dtype=object)


def named(result):
    """The class name of every label, "" where there is none."""
    return [result.classes.names[i] if pd.notna(i) else "" for i in result.class_id]


@pytest.fixture
def legend_file(tmp_path):
    """A factory of files: `legend_file("classes.yaml", text)` writes text or bytes and returns the path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# classify: without a legend


@pytest.mark.parametrize(
    "labels", [["b", "a", "b", "Straße"], [30, 9, 100, 9], [2**31 - 1, -(2**31)]], ids=["text", "codes", "extremes"]
)
def test_without_a_legend_the_classes_are_those_of_the_labels(labels):
    result = classify(series(*labels))
    assert result.classes == Classes.of(labels)
    assert named(result) == [str(label) for label in labels]
    assert set(result.unknown) == {""}
    assert result.remarks == ()


def test_the_result_lies_on_the_index_of_the_labels():
    labels = pd.Series(["b", None, "a", "b"], index=[7, 7, 3, 1], dtype=object)
    result = classify(labels)
    assert result.class_id.dtype == "Int64"
    assert result.class_id.index.equals(labels.index)
    assert result.class_id.fillna(-1).tolist() == [1, -1, 0, 1]
    assert result.unknown.index.equals(labels.index)
    assert result.unknown.tolist() == ["", "", "", ""]  # no label, so nothing to explain


@pytest.mark.parametrize("dtype", ["Int64", "int32", "string", "category"])
def test_any_dtype_of_labels_will_do(dtype):
    labels = pd.Series([30, 9, 30]).astype("string" if dtype == "category" else dtype).astype(dtype)
    result = classify(labels)
    assert named(result) == ["30", "9", "30"]
    assert result.classes.codes == ((9, 30) if "nt" in dtype else (0, 1))


@pytest.mark.parametrize("count", [255, 70_000])
def test_too_many_classes_are_refused(count):
    with pytest.raises(GeoPointSegError, match=rf"1 to 254 classes, got {count}: is --class-field really the class"):
        classify(series(*range(count)))


def test_no_label_at_all_is_refused():
    with pytest.raises(GeoPointSegError, match="1 to 254 classes, got 0"):
        classify(series(None, None))


@pytest.mark.parametrize("code", [2**31, -(2**31) - 1])
def test_codes_beyond_32_bits_are_refused(code):
    with pytest.raises(GeoPointSegError, match=rf"codes from -2147483648 to 2147483647, .* got {code}"):
        classify(series(1, code))


# classify: with a legend


def test_a_legend_orders_merges_and_drops():
    labels = series("shrub", "road", "cloud", "moon", None, "tree", "woodland", "1")
    result = classify(labels, WHOLE)
    assert result.classes.names == WHOLE.names
    assert named(result) == ["woodland", "road", "", "", "", "woodland", "woodland", "water"]
    dropped, strange = "class 'cloud' is dropped by classes.yaml", "class 'moon' is not in classes.yaml"
    assert result.unknown.tolist() == ["", "", dropped, strange, "", "", "", ""]
    assert result.remarks == ("merged: 'shrub' (1), 'tree' (1), 'woodland' (1) into 'woodland'",)


def test_classes_that_no_feature_has_keep_their_ids():
    result = classify(series("road", "road"), WHOLE)
    assert result.classes.names == WHOLE.names
    assert result.class_id.tolist() == [2, 2]
    assert result.remarks == ("no feature of class 'water', 'woodland'",)


def test_codes_come_from_the_legend_then_from_the_values_then_from_the_ids():
    assert classify(series("road", "tree"), WHOLE).classes.codes == (0, 1, 70)
    numbers = Legend(names=("wet", "dry", "odd"), values={"20": "dry", "10": "dry", "5": "wet"}, codes={"odd": 7})
    assert classify(series(20, 5), numbers).classes.codes == (5, 10, 7)  # 10 is no label, yet the code stays
    assert classify(series("20", "5"), numbers).classes.codes == (0, 1, 7)


def test_integers_are_sorted_by_code_while_they_keep_their_text():
    assert classify(series(100, 9, 30)).classes.names == ("9", "30", "100")
    renamed = classify(series(100, 9, 30), Legend(values={"9": "water"}))
    assert renamed.classes.names == ("100", "30", "water")
    assert renamed.classes.codes == (100, 30, 9)
    dropped = classify(series(100, 9, 30), Legend(dropped=frozenset({"9"}), source="c.yaml"))
    assert dropped.classes.names == ("30", "100")
    assert dropped.unknown.tolist() == ["", "class '9' is dropped by c.yaml", ""]


def test_a_merged_class_can_be_dropped():
    legend = Legend(values={"haze": "cloudy", "cirrus": "cloudy"}, dropped=frozenset({"cloudy"}), source="c.yaml")
    result = classify(series("haze", "cirrus", "road"), legend)
    assert result.classes.names == ("road",)
    assert result.unknown.tolist() == ["class 'haze' is dropped by c.yaml", "class 'cirrus' is dropped by c.yaml", ""]


def test_names_can_be_swapped():
    result = classify(series("a", "b"), Legend(values={"a": "b", "b": "a"}))
    assert named(result) == ["b", "a"]


def test_values_of_the_legend_that_no_feature_has_are_told():
    result = classify(series("tree", "road"), Legend(values={"treee": "woodland"}, source="classes.yaml"))
    assert result.classes.names == ("road", "tree")
    assert result.remarks == ("no feature has the value that classes.yaml names: 'treee'",)


def test_a_legend_of_other_labels_is_refused():
    with pytest.raises(
        GeoPointSegError,
        match=r"feature of a class of classes.yaml \('water', 'woodland', 'road'\), got only 'x', 'y': give",
    ):
        classify(series("y", "x", None), WHOLE)
    with pytest.raises(GeoPointSegError, match=r"got only 'ROAD': give .* --class-field, or add --fold-case"):
        classify(series("ROAD"), WHOLE)
    with pytest.raises(GeoPointSegError, match=r"some feature of a class of c.yaml, got only 'a'"):
        classify(series("a"), Legend(dropped=frozenset("a"), source="c.yaml"))


def test_a_message_names_few_of_many_values():
    with pytest.raises(GeoPointSegError, match="got only 'a', 'b', 'c', 'd', 'e', 'f' and 4 more: give"):
        classify(series(*"abcdefghij"), WHOLE)


def test_two_classes_with_one_code_are_refused():
    with pytest.raises(
        GeoPointSegError, match=r"a code of its own .* got 1 for 'a' and 'b': give both a code in c.yaml"
    ):
        classify(series("a", "b"), Legend(names=("a", "b"), codes={"a": 1}, source="c.yaml"))


# classify: colours


def test_colours_come_from_the_legend_then_the_layer_then_the_name_then_the_palette():
    legend = Legend(names=("forest", "road", "water", "moor x"), colors={"forest": "#000001"})
    labels = series("forest", "road", "water", "moor x")
    result = classify(labels, legend, colors={"forest": "#000002", "road": "#000003"})
    assert result.classes.colors == ("#000001", "#000003", FAMILIAR["water"], PALETTE[0])


def test_a_class_takes_the_colour_of_the_values_that_make_it():
    legend = Legend(values={"2": "wet", "1": "wet", "3": "dry", "wet": "dry"})
    result = classify(
        series(1, 2, 3), legend, colors={"1": "#000001", "2": "#000002", "wet": "#000009", "3": "#000003"}
    )
    assert dict(zip(result.classes.names, result.classes.colors, strict=True)) == {"dry": "#000003", "wet": "#000002"}
    folded = classify(series("Moor", "moor", "moor"), colors={"Moor": "#000001"}, fold_case=True)
    assert folded.classes.colors == ("#000001",)


# classify: spellings


def test_spellings_of_one_class_are_told():
    result = classify(series("forest", "Forest", "forest ", "forest", "road"))
    assert result.classes.names == ("Forest", "forest", "forest ", "road")
    assert result.remarks == (
        "classes that differ only in case or spaces: 'Forest' (1), 'forest' (2), 'forest ' (1); "
        "add --fold-case to merge them",
    )


def test_spellings_of_one_class_are_merged_into_the_most_frequent():
    result = classify(series("forest", "FOREST", "salt  marsh", "forest", "salt marsh", "road"), fold_case=True)
    assert result.classes.names == ("forest", "road", "salt marsh")
    assert named(result) == ["forest", "forest", "salt marsh", "forest", "salt marsh", "road"]
    assert result.remarks == (
        "merged: 'FOREST' (1), 'forest' (2) into 'forest'; 'salt  marsh' (1), 'salt marsh' (1) into 'salt marsh'",
    )


def test_the_spelling_of_the_legend_goes_first():
    result = classify(series("WOODLAND", "Tree", "woodLand", "woodLand", "shrub"), CHANGES, fold_case=True)
    assert result.classes.names == ("woodland",)
    listed = classify(series("ROAD", "Tree", " cloud", "road"), WHOLE, fold_case=True)
    assert named(listed) == ["road", "woodland", "", "road"]
    assert listed.unknown[2] == "class ' cloud' is dropped by classes.yaml"
    assert listed.remarks[0] == "merged: 'ROAD' (1), 'road' (1) into 'road'; 'Tree' (1) into 'woodland'"


def test_a_label_in_another_spelling_than_the_legend_is_unknown_with_a_hint():
    result = classify(series("Road", "road", "Tree"), WHOLE)
    assert result.unknown.tolist() == [
        "class 'Road' is not in classes.yaml, which has 'road': add --fold-case",
        "",
        "class 'Tree' is not in classes.yaml, which has 'tree': add --fold-case",
    ]
    assert "classes that differ only in case or spaces: 'Road' (1), 'road' (1); add --fold-case" in result.remarks[0]


def test_spellings_that_the_legend_tells_apart_are_its_business():
    legend = Legend(names=("Moor", "moor"), source="classes.yaml")
    assert classify(series("Moor", "moor"), legend).remarks == ()
    with pytest.raises(
        GeoPointSegError,
        match=r"more than case or spaces, got 'moor' for 'Moor' and for 'moor' in classes\.yaml: leave --fold-case",
    ):
        classify(series("Moor", "moor"), legend, fold_case=True)


LABELS = ["tree", "Tree", "TREE ", "shrub", "woodland", "Woodland", "wasser", "cloud", "10", "9", "road", "peat  bog"]
BY_WHICH = st.sampled_from([Legend(), WHOLE, CHANGES, Legend(dropped=frozenset({"cloud", "tree"}))])


@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=30), st.randoms(), BY_WHICH, st.booleans())
def test_nothing_depends_on_the_order_of_rows(labels, random, legend, fold_case):
    labels = ["road", *labels]  # one at least that every legend takes
    order = random.sample(range(len(labels)), len(labels))
    one = classify(series(*labels), legend, fold_case=fold_case)
    other = classify(pd.Series([labels[i] for i in order], index=order), legend, fold_case=fold_case)
    assert other.classes == one.classes
    assert other.remarks == one.remarks
    pd.testing.assert_series_equal(other.class_id.sort_index(), one.class_id)
    pd.testing.assert_series_equal(other.unknown.sort_index(), one.unknown)


@given(st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3), min_size=1, max_size=30), st.randoms())
def test_codes_are_kept_whatever_the_order_of_rows(codes, random):
    shuffled = classify(series(*random.sample(codes, len(codes)))).classes
    assert shuffled == classify(series(*codes)).classes == Classes.of(codes)


@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=30), BY_WHICH, st.booleans())
def test_every_label_has_a_class_or_a_reason(labels, legend, fold_case):
    result = classify(series("road", None, *labels), legend, fold_case=fold_case)
    assert ((result.unknown == "") != result.class_id.isna())[2:].all()
    assert (result.unknown[1], result.class_id[1]) == ("", pd.NA)


# classes.yaml

YAML = """
classes:
  - water
  - {name: woodland, code: 311, color: "#0a0"}
  - {name: road, color: "1, 2, 3"}
  - name: no
    color: [255, 0, 16]
merge: {tree: woodland, 312: woodland, yes: no}
rename:
  010: road
drop: [cloud, 99]
"""


def test_a_yaml_says_all_of_it(legend_file):
    legend = read_legend(legend_file("classes.yaml", YAML))
    assert legend.names == ("water", "woodland", "road", "no")  # YAML's no is a name like any other
    assert legend.values == {"311": "woodland", "tree": "woodland", "312": "woodland", "yes": "no", "010": "road"}
    assert legend.colors == {"woodland": "#00aa00", "road": "#010203", "no": "#ff0010"}
    assert legend.codes == {"woodland": 311}
    assert legend.dropped == {"cloud", "99"}
    assert legend.source == "classes.yaml"


def test_a_yaml_may_say_one_thing_only(legend_file):
    legend = read_legend(legend_file("c.yml", "merge: {tree: woodland}\n"))
    assert legend == Legend(values={"tree": "woodland"}, source="c.yml")


def test_codes_alone_reorder_the_classes(legend_file):
    legend = read_legend(legend_file("c.yaml", "classes: [30, 10, 20]"))
    result = classify(series(10, 20, 30), legend)
    assert (result.classes.names, result.classes.codes) == (("30", "10", "20"), (30, 10, 20))


LETTERS = "abcdefghijklmnopqrstuvwxyz"
BOMB_YAML = "classes:\n- &a [x, x]\n" + "".join(f"- &{b} [*{a}, *{a}]\n" for a, b in pairwise(LETTERS))
FAULTY_YAML = {
    "not YAML": ("classes: [a, {name: b, color: #fff}]", r"expected YAML, got c.yaml with a fault in line 1"),
    "no mapping": ("just words", "some of the keys classes, rename, merge, drop in c.yaml, got none of them"),
    "empty": ("", "some of the keys classes, rename, merge, drop in c.yaml, got none of them"),
    "unknown key": ("klasses: [a]", "some of the keys classes, rename, merge, drop in c.yaml, got 'klasses'"),
    "a class's key": ("classes: [{nom: a}]", "name, code, color for a class in c.yaml, got 'nom'"),
    "no name": ("classes: [{code: 1}]", "the name of a class in c.yaml, got nothing"),
    "a list as class": ("classes: [[a, b]]", "the name of a class in c.yaml, got a list"),
    "empty code": ("classes: [{name: a, code: }]", "a code for 'a' in c.yaml, got nothing"),
    "classes no list": ("classes: a", "names, .* under classes in c.yaml, got 'a': write '- '"),
    "drop no list": ("drop: {a: b}", "values under drop in c.yaml, got a mapping: write '- '"),
    "empty drop": ("drop:", "values under drop in c.yaml, got nothing"),
    "merge no mapping": ("merge: [a]", "'value: name' in each line under merge in c.yaml, got a list: write it so"),
    "merge the other way": ("merge: {woodland: [tree]}", "one name for 'woodland' under merge in c.yaml, got a list"),
    "comment for colour": ("classes:\n- name: a\n  color: #fff", "a colour for 'a' in c.yaml, got nothing: .* comment"),
    "colour by name": ("classes: [{name: a, color: red}]", "#rrggbb, #rgb or 'r,g,b' .* 'a' in c.yaml, got 'red'"),
    "colour beyond 255": ("classes: [{name: a, color: '1,2,256'}]", "a colour as .* got '1,2,256'"),
    "colour of four": ("classes: [{name: a, color: [1, 2, 3, 4]}]", "a colour as .* got '1,2,3,4'"),
    "colour as mapping": ("classes: [{name: a, color: {r: 1}}]", "a colour for 'a' in c.yaml, got a mapping"),
    "colour of lists": ("classes: [{name: a, color: [[1], 2, 3]}]", "a colour for 'a' in c.yaml, got a list"),
    "a class twice": ("classes: [a, b, a]", "every class of c.yaml once, got 'a' again: list its values under merge"),
    "a code twice": ("classes: [{name: a, code: 1}, {name: b, code: 1}]", "got '1' for 'a' and 'b': keep one"),
    "renamed twice": ("rename: {a: x}\nmerge: {a: y}", "one class for every value in c.yaml, got 'a' for 'x' and 'y'"),
    "renamed alike": ("rename: {a: x, b: x}", "name of its own .* got 'x' for 'a', 'b': .* list them under merge"),
    "chained": (
        "merge: {a: b}\nrename: {b: c}",
        "final names under merge .* got 'b', which becomes 'c': merge into 'c'",
    ),
    "merged and dropped": ("merge: {a: b}\ndrop: [a]", "to stay or to go, got 'a' under drop and elsewhere in c.yaml"),
    "listed and dropped": ("classes: [a]\ndrop: [a]", "to stay or to go, got 'a' under drop and elsewhere in c.yaml"),
    "not listed": ("classes: [a]\nmerge: {b: c}", r"lists under classes \('a'\), got 'c': add it there"),
    "unhashable": ("merge: {[a]: b}", "expected YAML, got c.yaml"),
    "too deep": ("[" * 5000, "expected YAML, got c.yaml with a fault: check it"),
    "a bomb": (BOMB_YAML, "the name of a class in c.yaml, got a list"),
}


@pytest.mark.parametrize(("text", "message"), FAULTY_YAML.values(), ids=FAULTY_YAML)
def test_a_faulty_yaml_is_refused(legend_file, text, message):
    with pytest.raises(GeoPointSegError, match=message):
        read_legend(legend_file("c.yaml", text))


def test_a_yaml_builds_no_objects(legend_file, tmp_path):
    victim = tmp_path / "victim"
    path = legend_file("c.yaml", f"drop: [!!python/object/apply:pathlib.Path.touch ['{victim}']]")
    with pytest.raises(GeoPointSegError, match=r"a value under drop in c\.yaml, got a list"):
        read_legend(path)
    assert not victim.exists()


# CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_says_all_of_it(legend_file, delimiter, mark):
    rows = [
        ["Code", "NAME", "Colour", "note"],
        ["22531", "Gewässer", "#00F", "x"],
        ["10.0", "woodland", '"1,2,3"', ""],
        ["", "", "", ""],
        ["11", "woodland", "", ""],
        ["FOR", " forest "],
    ]
    text = mark + "\r\n".join(delimiter.join(row) for row in rows)
    legend = read_legend(legend_file("classes.csv", text))
    assert legend.names == ("Gewässer", "woodland", "forest")
    assert legend.values == {"22531": "Gewässer", "10": "woodland", "11": "woodland", "FOR": "forest"}
    assert legend.codes == {"Gewässer": 22531, "woodland": 10}
    assert legend.colors == {"Gewässer": "#0000ff", "woodland": "#010203"}


def test_a_table_of_names_gives_their_order(legend_file):
    legend = read_legend(legend_file("c.csv", "name\nwater\n20\nbare\n"))
    assert legend == Legend(names=("water", "20", "bare"), values={"20": "20"}, codes={"20": 20}, source="c.csv")


FAULTY_CSV = {
    "no header": ("10,water,#fff\n", r"a header with name, .* in c.csv, got '10', 'water', '#fff': add it"),
    "empty": ("", "a header with name, .* in c.csv, got nothing"),
    "no rows": ("name,code\n", "some classes in c.csv, got none"),
    "no name": ("name,code\n,5\n", "a name in the row ',5' in c.csv, got nothing"),
    "colour": ("name,color\na,blue\n", "a colour as .* for 'a' in c.csv, got 'blue'"),
    "a name twice": ("name\na\na\n", "a code for every row of 'a' in c.csv, got none"),
    "a code twice": ("name,code\na,1\nb,1\n", "one class for every value in c.csv, got '1' for 'a' and 'b'"),
    "Latin-1": (
        "name\nGewässer\n".encode("latin-1"),
        "text in UTF-8, got c.csv in another encoding: save it as UTF-8",
    ),
    "endless cell": ("name\n" + "x" * 200_000, "expected a table, got c.csv with a fault"),
}


@pytest.mark.parametrize(("text", "message"), FAULTY_CSV.values(), ids=FAULTY_CSV)
def test_a_faulty_table_is_refused(legend_file, text, message):
    with pytest.raises(GeoPointSegError, match=message):
        read_legend(legend_file("c.csv", text))


def test_a_legend_must_be_a_file_of_a_known_kind(legend_file, tmp_path):
    with pytest.raises(GeoPointSegError, match=r"a \.yaml, \.qml or \.csv file, got .*classes\.txt: save them"):
        read_legend(legend_file("classes.txt", "x"))
    with pytest.raises(GeoPointSegError, match=r"a file of classes, got .*none\.yaml \(No such file.*check the path"):
        read_legend(tmp_path / "none.yaml")
    with pytest.raises(GeoPointSegError, match=r"a file of classes under 5 MB, got .*big\.csv: is it the right one"):
        read_legend(legend_file("big.csv", "x" * (LARGEST + 1)))


# QGIS styles


def style(*categories, attr="landcover", symbols="", kind="categorizedSymbol", head=""):
    """A .qml as QGIS writes it for a vector layer, without what does not matter here."""
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'" + head + ">\n"
        f'<qgis version="3.34"><renderer-v2 type="{kind}" attr="{attr}">'
        f"<categories>{''.join(categories)}</categories><symbols>{symbols}</symbols></renderer-v2></qgis>"
    )


def new(name, color, layer="SimpleMarker", key="color", more=""):
    """A symbol as QGIS 3.28 and later write it."""
    option = f'<Option name="{key}" value="{color}" type="QString"/>{more}'
    options = f'<Option type="Map">{option}</Option>'
    return f'<symbol name="{name}"><layer class="{layer}" enabled="1">{options}</layer></symbol>'


def old(name, color, layer="SimpleMarker", key="color", more=""):
    """A symbol as QGIS up to 3.26 wrote it."""
    return f'<symbol name="{name}"><layer class="{layer}"><prop k="{key}" v="{color}"/>{more}</layer></symbol>'


STYLE = style(
    '<category value="20" label="woodland" symbol="1" type="long" render="true"/>',
    '<category value="10" label="" symbol="0" type="long" render="false"/>',
    '<category label="built" symbol="2" type="List"><val value="30" type="long"/><val value="31"/></category>',
    '<category value="40" label="woodland" symbol="3"/>',
    '<category value="" label="the rest" symbol="3"/>',
    '<category value="NULL" label="" symbol="3" type="NULL"/>',
    symbols=new(0, "1,2,3,255,rgb:0.0039,0.0078,0.0118,1")
    + old(1, "10,20,30,255")
    + new(2, "0,0,255,255,hsv:0.6,1,1,1"),
)
PALETTED = """<qgis><pipe><rasterrenderer type="paletted"><colorPalette>
<paletteEntry value="3" label="water" color="#0000FF" alpha="255"/>
<paletteEntry value="1" label="woodland" color="#00ff00" alpha="255"/>
<paletteEntry value="2" label="woodland" color="#00aa00" alpha="255"/>
<paletteEntry value="4" label="" color="#00ab00" alpha="255"/>
</colorPalette></rasterrenderer></pipe></qgis>"""


def test_a_style_of_a_vector_layer_is_a_legend(legend_file):
    legend = read_legend(legend_file("points.qml", STYLE))
    assert legend.names == ("woodland", "10", "built")
    assert legend.values == {"20": "woodland", "10": "10", "30": "built", "31": "built", "40": "woodland"}
    assert legend.colors == {"woodland": "#0a141e", "10": "#010203", "built": "#0000ff"}
    assert legend.codes == {"woodland": 20, "10": 10, "built": 30}


def test_a_style_of_a_raster_is_a_legend(legend_file):
    legend = read_legend(legend_file("map.QML", PALETTED))
    assert legend.names == ("water", "woodland", "4")
    assert legend.values == {"3": "water", "1": "woodland", "2": "woodland", "4": "4"}
    assert legend.colors == {"water": "#0000ff", "woodland": "#00ff00", "4": "#00ab00"}
    assert legend.codes == {"water": 3, "woodland": 1, "4": 4}


HATCH = (
    '<symbol name="0"><layer class="LinePatternFill">'
    '<Option type="Map"><Option name="color" value="9,9,9,255"/></Option>'
    '<symbol name="@0@0"><layer class="SimpleLine"><Option type="Map"><Option name="line_color" value="1,2,3,255"/>'
    "</Option></layer></symbol></layer></symbol>"
)
SHADOW = (
    '<symbol name="0"><layer class="SimpleFill" enabled="0"><prop k="color" v="9,9,9,255"/></layer>'
    '<layer class="SimpleFill" enabled="1"><prop k="color" v="1,2,3,255"/></layer></symbol>'
)


SYMBOLS = {
    "old marker": old(0, "1,2,3,255"),
    "new fill": new(0, "1,2,3,128,rgb:0,0,0,0.5", "SimpleFill"),
    "old line": old(0, "1,2,3,255", "SimpleLine", "line_color"),
    "new line": new(0, "1,2,3,255", "SimpleLine", "line_color"),
    "outline": old(
        0, "9,9,9,255", "SimpleFill", more='<prop k="style" v="no"/><prop k="outline_color" v="1,2,3,255"/>'
    ),
    "ring": new(0, "9,9,9,0", more='<Option name="outline_color" value="1,2,3,255"/>'),
    "hatch": HATCH,
    "layer switched off": SHADOW,
}


@pytest.mark.parametrize("symbol", SYMBOLS.values(), ids=SYMBOLS)
def test_the_colour_of_a_symbol_is_the_one_qgis_shows(legend_file, symbol):
    text = style('<category value="a" label="a" symbol="0"/>', symbols=symbol)
    assert read_legend(legend_file("s.qml", text)).colors == {"a": "#010203"}


def test_a_symbol_without_a_colour_leaves_it_open(legend_file):
    text = style(
        '<category value="a" label="a" symbol="0"/><category value="b" label="b" symbol="7"/>', symbols=new(0, "")
    )
    legend = read_legend(legend_file("s.qml", text))
    assert (legend.names, legend.colors) == (("a", "b"), {})


BOMB = ' [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]'


FAULTY_QML = {
    "no XML": ("colours", "a QGIS style, got s.qml, which is no XML .*: save it from QGIS again"),
    "odd encoding": ('<?xml version="1.0" encoding="klingon"?><qgis/>', "a QGIS style, got s.qml, which is no XML"),
    "entities": (style(head=BOMB), "a QGIS style, got s.qml, which declares entities: save it from QGIS again"),
    "UTF-16 entities": (style(head=BOMB).encode("utf-16"), "got s.qml, which declares entities"),
    "single symbol": (
        style(kind="singleSymbol"),
        "categorised by value, or paletted, in s.qml, got 'singleSymbol': choose",
    ),
    "no renderer": ("<qgis/>", "categorised by value, or paletted, in s.qml, got none: choose Categorized"),
    "no category": (style(), "some classes in s.qml, got none"),
    "a value twice": (
        style('<category value="1" label="a"/>', '<category value="1" label="b"/>'),
        "one class for every value in s.qml, got '1' for 'a' and 'b'",
    ),
    "strange palette": (PALETTED.replace("#0000FF", "blue"), "a colour as .* for 'water' in s.qml, got 'blue'"),
    "strange symbol": (
        style('<category value="1" label="a" symbol="0"/>', symbols=old(0, "1,2,300,255")),
        "a colour as .* for 'a symbol' in s.qml, got '1,2,300'",
    ),
}


@pytest.mark.parametrize(("text", "message"), FAULTY_QML.values(), ids=FAULTY_QML)
def test_a_faulty_style_is_refused(legend_file, text, message):
    with pytest.raises(GeoPointSegError, match=message):
        read_legend(legend_file("s.qml", text))


# The layer's own style


@pytest.fixture
def layer_file(tmp_path):
    """A factory of GeoPackages with a layer `samples` and the rows (layer, QML, default) of `layer_styles`."""

    def write(*styles):
        path = tmp_path / "samples.gpkg"
        gpd.GeoDataFrame({"landcover": [20]}, geometry=[Point(0, 0)], crs="EPSG:32633").to_file(path, layer="samples")
        if styles:
            table = {"f_table_name": "text", "styleName": "text", "styleQML": "text", "useAsDefault": "boolean"}
            with sqlite3.connect(path) as database:
                columns = ", ".join(f"{name} {kind}" for name, kind in table.items())
                database.execute(f"create table layer_styles (id integer primary key, {columns})")
                rows = [(layer, "x", qml, default) for layer, qml, default in styles]
                database.executemany(f"insert into layer_styles ({', '.join(table)}) values (?, ?, ?, ?)", rows)
            database.close()
        return path

    return write


COLORS = {
    "woodland": "#0a141e",
    "20": "#0a141e",
    "10": "#010203",
    "built": "#0000ff",
    "30": "#0000ff",
    "31": "#0000ff",
}


def test_a_geopackage_has_the_colours_of_its_style(layer_file):
    other = STYLE.replace("1,2,3,255", "7,7,7,255")
    path = layer_file(("else", other, 1), ("samples", other, 0), ("samples", STYLE, 1), ("samples", other, 0))
    assert own_style(path, "samples", "landcover") == COLORS
    assert own_style(path, "samples", "level_2") == {}
    assert own_style(path, "none", "landcover") == {}


def test_a_style_of_another_kind_leaves_room_for_the_next(layer_file, legend_file):
    path = layer_file(("samples", style(kind="singleSymbol"), 1), ("samples", "no XML", 1), ("samples", None, 0))
    assert own_style(path, "samples", "landcover") == {}
    legend_file("samples.qml", STYLE.replace('"landcover"', '"&quot;landcover&quot;"'))
    assert own_style(path, "samples", "landcover") == COLORS


def test_a_style_beside_a_file_counts(layer_file, legend_file):
    path = layer_file()
    legend_file("samples.qml", STYLE)
    assert own_style(path, "samples", "landcover") == COLORS
    legend_file("samples.qml", PALETTED)
    assert own_style(path, "samples", "landcover") == {}
    legend_file("samples.qml", style(head=BOMB))
    assert own_style(path, "samples", "landcover") == {}


def test_no_style_is_no_error(layer_file, legend_file, tmp_path):
    assert own_style(layer_file(), "samples", "landcover") == {}
    assert own_style(legend_file("a.csv", "x,y\n1,2\n"), "a", "x") == {}
    assert own_style(tmp_path / "none.gpkg", "samples", "landcover") == {}
    assert own_style(tmp_path, "samples", "landcover") == {}
