"""What makes QGIS and GDAL show class names and colours: layer styles, map styles, attribute tables."""

from collections.abc import Iterable, Sequence
from typing import Literal
from xml.etree import ElementTree as ET

import pandas as pd

from geopointseg.classes import Classes
from geopointseg.colors import endless_palette

__all__ = [
    "Layer",
    "attribute_table",
    "frames_style",
    "layer_styles",
    "map_style",
    "polygons_style",
    "questions_style",
    "reference_style",
    "regions_style",
]

Layer = Literal["points", "scribbles", "areas", "held_out", "polygons"]
Look = dict[str, str]
"""Properties of a symbol layer as QGIS names them in a .qml; lengths in millimetres."""
CLEAR = "255,255,255,0"
QGIS_NULL = (
    "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"  # QgsValueMapFieldFormatter::NULL_VALUE: what an answer is undone with
)
GREY = "128,128,128"


def map_style(classes: Classes) -> str:
    """A .qml for a class raster: paletted, every class opaque, so that class 0 shows too."""
    return _paletted((row["id"], row["color"], row["name"]) for row in classes.records())


def regions_style(regions: Iterable[int], names: Iterable[str]) -> str:
    """A .qml for a raster of region numbers: paletted, in colours that say nothing but tell neighbours apart.

    Args:
        regions: Their numbers.
        names: What each is labelled, for the legend.
    """
    return _paletted(
        (number, color, f"{number} {name}")
        for number, name, color in zip(regions, names, endless_palette(), strict=False)
    )


def _paletted(entries: Iterable[tuple[int, str, str]]) -> str:
    """A .qml for a raster of (value, colour, label)."""
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = ET.SubElement(
        ET.SubElement(root, "pipe"), "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1"
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for value, color, label in entries:
        ET.SubElement(palette, "paletteEntry", value=str(value), color=color, label=label, alpha="255")
    return _document(root, "qgis")


def polygons_style(classes: Classes) -> str:
    """A .qml for polygons of a map, by `class_name`."""
    return _class_style(classes, "polygons")


def layer_styles(classes: Classes, layers: Sequence[Layer] = ("points",)) -> pd.DataFrame:
    """The rows of a GeoPackage's `layer_styles` table that make QGIS show its layers by class.

    Features that are not used (their `status` says why) are hollow, scribbles dotted, in the colour of their class;
    those without a class are small and grey. Held-out blocks are hatched in grey.

    Args:
        classes: The classes in `class_name`.
        layers: Names of the layers, each with its own kind of symbol.
    """
    return pd.DataFrame(
        {
            "f_table_catalog": "",
            "f_table_schema": "",
            "f_table_name": list(layers),
            "f_geometry_column": "geom",
            "styleName": ["held out" if layer == "held_out" else "classes" for layer in layers],
            "styleQML": [_block_style() if layer == "held_out" else _class_style(classes, layer) for layer in layers],
            "styleSLD": "",
            "useAsDefault": True,
            "description": [
                "blocks that are not trained on" if layer == "held_out" else "classes in their colours"
                for layer in layers
            ],
            "owner": "",
            "ui": "",
            "update_time": "1970-01-01T00:00:00.000Z",  # fixed, so that the same points give the same file
        }
    )


def reference_style(classes: Classes) -> str:
    """A .qml for the points of a reference sample: a form that offers the classes, and the colours of those chosen.

    What is not interpreted yet is a cross within its circle. `sample_id` and `map_class` cannot be edited.
    """
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology|Fields|Forms")
    field = "reference_class"
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=field, symbollevels="0")
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    open_ = {"name": "cross2", "size": "3", "color": CLEAR, "outline_color": "255,0,255,255", "outline_width": "0.6"}
    shown = [(name, name, _marker(*rgb)[0]) for name, rgb in zip(classes.names, classes.rgb(), strict=True)]
    for i, (value, label, look) in enumerate([*shown, ("", "not interpreted", open_)]):
        attributes = {"value": value, "label": label, "symbol": str(i), "render": "true", "type": "string"}
        ET.SubElement(categories, "category", attributes)
        _symbol_layer(ET.SubElement(symbols, "symbol", type="marker", name=str(i), alpha="1"), "SimpleMarker", look)
    form = ET.SubElement(ET.SubElement(root, "fieldConfiguration"), "field", name=field, configurationFlags="None")
    config = ET.SubElement(ET.SubElement(form, "editWidget", type="ValueMap"), "config")
    choices = ET.SubElement(ET.SubElement(config, "Option", type="Map"), "Option", type="List", name="map")
    for label, value in [("", ""), *((name, name) for name in classes.names)]:
        choice = ET.SubElement(choices, "Option", type="Map")
        ET.SubElement(choice, "Option", type="QString", name=label or "(not interpreted)", value=value)
    editable = ET.SubElement(root, "editable")
    for name in ("sample_id", "map_class"):
        ET.SubElement(editable, "field", name=name, editable="0")
    return _document(root, "qgis")


def _class_style(classes: Classes, layer: Layer) -> str:
    """A .qml with one symbol per class, and a last one for features without."""
    kind, name, symbol = SYMBOLS[layer]
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="class_name", symbollevels="0")
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    shown = [(text, text, *symbol(*rgb)) for text, rgb in zip(classes.names, classes.rgb(), strict=True)]
    for i, (value, label, look, unused) in enumerate([*shown, ("", "no class", NO_CLASS[layer], {})]):
        attributes = {"value": value, "label": label, "symbol": str(i), "render": "true", "type": "string"}
        ET.SubElement(categories, "category", attributes)
        _symbol_layer(ET.SubElement(symbols, "symbol", type=kind, name=str(i), alpha="1"), name, look, unused)
    return _document(root, "qgis")


def questions_style(field: str, answers: Sequence[tuple[str | int, str, str]], others: Sequence[str]) -> str:
    """A .qml for points to be given a class: a list of the classes and of no answer in their form, hollow squares until one is chosen.

    Args:
        field: Column that the answer goes to.
        answers: (value, name, #rrggbb) of every class; without any, the form has a line of text instead of a list.
        others: The other columns, which the form shows but does not change.
    """
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology|Labeling|Fields|Forms|AttributeTable")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=field, symbollevels="0")
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    open_mark = {
        "name": "square",
        "size": "4",
        "color": CLEAR,
        "outline_color": "255,235,0,255",
        "outline_width": "0.8",
    }
    shown = [(value, name, _marker(*_rgb(color))[0] | {"size": "3.4"}) for value, name, color in answers]
    for i, (value, label, look) in enumerate([*shown, ("", "not answered yet", open_mark)]):
        kind = "long" if isinstance(value, int) else "string"
        category = {"value": str(value), "label": label, "symbol": str(i), "render": "true", "type": kind}
        ET.SubElement(categories, "category", category)
        _symbol_layer(ET.SubElement(symbols, "symbol", type="marker", name=str(i), alpha="1"), "SimpleMarker", look)
    _rank_labels(root)
    config = ET.SubElement(root, "fieldConfiguration")
    if answers:
        widget = ET.SubElement(ET.SubElement(config, "field", name=field), "editWidget", type="ValueMap")
        choices = ET.SubElement(_map(ET.SubElement(widget, "config")), "Option", type="List", name="map")
        for name, value in (("(no answer)", QGIS_NULL), *((name, str(value)) for value, name, _ in answers)):
            ET.SubElement(_map(choices), "Option", type="QString", name=name, value=value)
    editable = ET.SubElement(root, "editable")
    for name in (field, *others):
        ET.SubElement(editable, "field", name=name, editable=str(int(name == field)))
    ET.SubElement(root, "editorlayout").text = "generatedlayout"
    return _document(root, "qgis")


def frames_style() -> str:
    """A .qml for squares of ground to look at: a thin outline."""
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    symbols = ET.SubElement(ET.SubElement(root, "renderer-v2", type="singleSymbol", symbollevels="0"), "symbols")
    symbol = ET.SubElement(symbols, "symbol", type="fill", name="0", alpha="1")
    _symbol_layer(symbol, "SimpleLine", {"line_color": "255,235,0,160", "line_width": "0.3", "line_style": "dash"})
    return _document(root, "qgis")


def _map(parent: ET.Element) -> ET.Element:
    """An option that holds named options."""
    return ET.SubElement(parent, "Option", type="Map")


def _rgb(color: str) -> tuple[int, int, int]:
    """#rrggbb as numbers."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _rank_labels(root: ET.Element) -> None:
    """Label points with their rank, in white with a dark rim, to the right of them."""
    settings = ET.SubElement(ET.SubElement(root, "labeling", type="simple"), "settings")
    text = {"fieldName": "rank", "fontSize": "8", "textColor": "255,255,255,255", "isExpression": "0"}
    style = ET.SubElement(settings, "text-style", text)
    rim = {"bufferDraw": "1", "bufferSize": "0.8", "bufferColor": "35,35,35,255"}
    ET.SubElement(style, "text-buffer", rim)
    ET.SubElement(settings, "placement", placement="1", xOffset="2", quadOffset="5", placementFlags="10")
    ET.SubElement(settings, "rendering", obstacle="0")


def _block_style() -> str:
    """A .qml for held-out blocks: a grey hatch within a grey outline."""
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    symbols = ET.SubElement(ET.SubElement(root, "renderer-v2", type="singleSymbol", symbollevels="0"), "symbols")
    symbol = ET.SubElement(symbols, "symbol", type="fill", name="0", alpha="1")
    line = {"line_color": f"{GREY},255", "line_width": "0.3"}
    hatch = _symbol_layer(symbol, "LinePatternFill", {"angle": "45", "distance": "3"})
    _symbol_layer(ET.SubElement(hatch, "symbol", type="line", name="@0@0", alpha="1"), "SimpleLine", line)
    _symbol_layer(symbol, "SimpleLine", line | {"line_width": "0.6"})
    return _document(root, "qgis")


def _marker(red: int, green: int, blue: int) -> tuple[Look, Look]:
    """A filled circle; a ring where the point is not used."""
    color = f"{red},{green},{blue}"
    look = {"name": "circle", "size": "2.6", "color": f"{color},255", "outline_color": "35,35,35,255"}
    look["outline_width"] = "0.2"
    return look, {"fillColor": CLEAR, "outlineColor": f"{color},255", "outlineWidth": "0.6"}


def _line(red: int, green: int, blue: int) -> tuple[Look, Look]:
    """A line; dotted where the scribble is not used."""
    look = {"line_color": f"{red},{green},{blue},255", "line_width": "1", "line_style": "solid", "capstyle": "round"}
    return look, {"outlineStyle": "dot"}


def _fill(red: int, green: int, blue: int) -> tuple[Look, Look]:
    """A half transparent area; its outline alone where it is not used."""
    color = f"{red},{green},{blue}"
    look = {"color": f"{color},128", "style": "solid", "outline_color": f"{color},255", "outline_width": "0.6"}
    return look, {"fillColor": CLEAR}


def _parcel(red: int, green: int, blue: int) -> tuple[Look, Look]:
    """An area with a thin outline; all are used."""
    look = {
        "color": f"{red},{green},{blue},255",
        "style": "solid",
        "outline_color": "35,35,35,255",
        "outline_width": "0.1",
    }
    return look, {}


# Where a look has what a data-defined property stands for.
USUAL = {
    "fillColor": "color",
    "outlineColor": "outline_color",
    "outlineWidth": "outline_width",
    "outlineStyle": "line_style",
}
SYMBOLS = {
    "points": ("marker", "SimpleMarker", _marker),
    "scribbles": ("line", "SimpleLine", _line),
    "areas": ("fill", "SimpleFill", _fill),
    "polygons": ("fill", "SimpleFill", _parcel),
}
NO_CLASS: dict[str, Look] = {
    "points": {"name": "cross", "size": "2", "color": CLEAR, "outline_color": f"{GREY},255", "outline_width": "0.5"},
    "scribbles": {"line_color": f"{GREY},255", "line_style": "dot", "line_width": "0.5"},
    "areas": {"color": CLEAR, "style": "no", "outline_color": f"{GREY},255", "outline_width": "0.4"},
    "polygons": {"color": CLEAR, "style": "no", "outline_color": f"{GREY},255", "outline_width": "0.1"},
}


def _symbol_layer(symbol: ET.Element, name: str, look: Look, unused: Look | None = None) -> ET.Element:
    """Add a layer to a symbol; where a feature is not used, the properties `unused` stand for the usual ones."""
    layer = ET.SubElement(symbol, "layer", {"class": name, "enabled": "1", "pass": "0", "locked": "0"})
    options = ET.SubElement(layer, "Option", type="Map")
    for key, value in look.items():
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    if unused:
        defined = ET.SubElement(ET.SubElement(layer, "data_defined_properties"), "Option", type="Map")
        ET.SubElement(defined, "Option", type="QString", name="name", value="")
        properties = ET.SubElement(defined, "Option", type="Map", name="properties")
        ET.SubElement(defined, "Option", type="QString", name="type", value="collection")
        for key, value in unused.items():
            this = ET.SubElement(properties, "Option", type="Map", name=key)
            ET.SubElement(this, "Option", type="bool", name="active", value="true")
            # not NULL for the usual look: QGIS 3.22 would keep the width of the feature drawn before
            expression = f"CASE WHEN \"status\" = 'used' THEN '{look[USUAL[key]]}' ELSE '{value}' END"
            ET.SubElement(this, "Option", type="QString", name="expression", value=expression)
            ET.SubElement(this, "Option", type="int", name="type", value="3")
    return layer


def attribute_table(classes: Classes) -> str:
    """A .aux.xml with category names and GDAL's raster attribute table (value, name, code, colour)."""
    root = ET.Element("PAMDataset")
    band = ET.SubElement(root, "PAMRasterBand", band="1")
    names = ET.SubElement(band, "CategoryNames")
    for name in classes.names:
        ET.SubElement(names, "Category").text = name
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    # type 0 integer, 2 text; usage 5 value, 2 name, 0 general, 6 to 8 red, green, blue (GDAL's gdal_rat.h)
    fields = [("value", 0, 5), ("class", 2, 2), ("code", 0, 0), ("red", 0, 6), ("green", 0, 7), ("blue", 0, 8)]
    for index, (name, kind, usage) in enumerate(fields):
        field = ET.SubElement(table, "FieldDefn", index=str(index))
        for tag, text in (("Name", name), ("Type", kind), ("Usage", usage)):
            ET.SubElement(field, tag).text = str(text)
    for row, rgb in zip(classes.records(), classes.rgb(), strict=True):
        cells = ET.SubElement(table, "Row", index=str(row["id"]))
        for text in (row["id"], row["name"], row["code"], *rgb):
            ET.SubElement(cells, "F").text = str(text)
    return _document(root)


def _document(root: ET.Element, doctype: str = "") -> str:
    """The XML as indented text."""
    ET.indent(root)
    head = f"<!DOCTYPE {doctype} PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" if doctype else ""
    return head + ET.tostring(root, encoding="unicode") + "\n"
