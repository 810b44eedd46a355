"""What QGIS and GDAL read beside our files: well-formed, complete, in the classes' names and colours."""

from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from geopointseg.classes import Classes
from geopointseg.qgis import attribute_table, layer_styles, map_style

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


@both
def test_the_point_style_has_a_symbol_for_every_class(classes):
    styles = layer_styles(classes)
    assert styles[["f_table_name", "f_geometry_column"]].to_numpy().tolist() == [["points", "geom"]]
    assert styles["useAsDefault"].tolist() == [True]
    root = ET.fromstring(styles["styleQML"].item())
    (renderer,) = root.iter("renderer-v2")
    assert renderer.get("attr") == "class_name"
    assert [c.get("value") for c in root.iter("category")] == list(classes.names)
    colors = {
        symbol.get("name"): next(o.get("value") for o in symbol.iter("Option") if o.get("name") == "color")
        for symbol in root.iter("symbol")
    }
    drawn = [colors[c.get("symbol")] for c in root.iter("category")]
    assert drawn == [f"{r},{g},{b},255" for r, g, b in classes.rgb()]


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
    pd.testing.assert_frame_equal(layer_styles(AWKWARD), layer_styles(AWKWARD))
