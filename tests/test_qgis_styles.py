"""What QGIS and GDAL read beside our files: well-formed, complete, in the classes' names and colours."""

from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from geopointseg.classes import Classes
from geopointseg.qgis import attribute_table, layer_styles, map_style, regions_style

AWKWARD = Classes.of(['<grass> & "herbs"', "Gewässer", "road", "it's"])
CODES = Classes.of([10, 22531], {10: "building"})
both = pytest.mark.parametrize("classes", [AWKWARD, CODES], ids=["awkward names", "codes"])


@both
def test_the_map_style_shows_every_class_opaque(classes):
    root = ET.fromstring(map_style(classes))
    (renderer,) = root.iter("rasterrenderer")
    assert renderer.get("type") == "paletted"
    assert renderer.get("band") == "1"
    entries = [(int(e.get("value")), e.get("label"), e.get("color"), e.get("alpha")) for e in root.iter("paletteEntry")]
    assert entries == [(r["id"], r["name"], r["color"], "255") for r in classes.records()]
    assert entries[0][0] == 0


def test_regions_have_a_colour_each():
    entries = list(ET.fromstring(regions_style([1, 70_000, 70_001], ["road", "road", "<lake>"])).iter("paletteEntry"))
    assert [(e.get("value"), e.get("label")) for e in entries] == [
        ("1", "1 road"),
        ("70000", "70000 road"),
        ("70001", "70001 <lake>"),
    ]
    assert len({e.get("color") for e in entries}) == 3


def options(element):
    """The properties of a symbol's layer."""
    return {option.get("name"): option.get("value") for option in element.findall("layer/Option/Option")}


@both
@pytest.mark.parametrize(
    ("layer", "kind", "color", "alpha"),
    [("points", "marker", "color", 255), ("scribbles", "line", "line_color", 255), ("areas", "fill", "color", 128)],
)
def test_a_style_has_a_symbol_for_every_class_and_one_for_none(classes, layer, kind, color, alpha):
    styles = layer_styles(classes, (layer,))
    assert styles[["f_table_name", "f_geometry_column"]].to_numpy().tolist() == [[layer, "geom"]]
    assert styles["useAsDefault"].tolist() == [True]
    root = ET.fromstring(styles["styleQML"].item())
    (renderer,) = root.iter("renderer-v2")
    assert renderer.get("attr") == "class_name"
    shown = [(c.get("value"), c.get("label")) for c in root.iter("category")]
    assert shown == [*((name, name) for name in classes.names), ("", "no class")]
    symbols = {symbol.get("name"): symbol for symbol in root.iter("symbol")}
    assert {symbol.get("type") for symbol in symbols.values()} == {kind}
    drawn = [options(symbols[c.get("symbol")])[color] for c in root.iter("category")]
    assert drawn[:-1] == [f"{r},{g},{b},{alpha}" for r, g, b in classes.rgb()]
    expressions = [o.get("value") for o in root.iter("Option") if o.get("name") == "expression"]
    assert len(expressions) >= len(classes)
    assert all(e.startswith("CASE WHEN \"status\" = 'used' THEN") for e in expressions)  # not used if empty, too


def test_every_layer_has_a_row_of_its_own():
    layers = ("points", "scribbles", "areas", "held_out")
    styles = layer_styles(AWKWARD, layers)
    assert styles["f_table_name"].tolist() == list(layers)
    assert styles["useAsDefault"].all()
    assert layer_styles(AWKWARD)["f_table_name"].tolist() == ["points"]
    root = ET.fromstring(styles["styleQML"].iloc[-1])
    assert [renderer.get("type") for renderer in root.iter("renderer-v2")] == ["singleSymbol"]
    assert [layer.get("class") for layer in root.iter("layer")] == ["LinePatternFill", "SimpleLine", "SimpleLine"]


@both
def test_the_attribute_table_has_a_row_for_every_class(classes):
    root = ET.fromstring(attribute_table(classes))
    assert [e.text for e in root.iter("Category")] == list(classes.names)
    columns = [e.findtext("Name") for e in root.iter("FieldDefn")]
    rows = pd.DataFrame([[f.text for f in row.iter("F")] for row in root.iter("Row")], columns=columns)
    assert rows["value"].astype(int).tolist() == list(range(len(classes)))
    assert rows["class"].tolist() == list(classes.names)
    assert rows["code"].astype(int).tolist() == list(classes.codes)
    assert list(rows[["red", "green", "blue"]].astype(int).itertuples(index=False, name=None)) == classes.rgb()


def test_the_same_classes_give_the_same_styles():
    layers = ("points", "held_out")
    pd.testing.assert_frame_equal(layer_styles(AWKWARD, layers), layer_styles(AWKWARD, layers))
    assert set(layer_styles(AWKWARD, layers)["update_time"]) == {"1970-01-01T00:00:00.000Z"}
