"""Symbols of QGIS: how points, lines and areas look, as parts of a layer style."""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

__all__ = [
    "CLEAR",
    "GREY",
    "Look",
    "categories",
    "document",
    "fill",
    "line",
    "marker",
    "parcel",
    "style",
    "symbol_layer",
]

Look = dict[str, str]
"""Properties of a symbol layer as QGIS names them in a .qml; lengths in millimetres."""
CLEAR = "255,255,255,0"
GREY = "128,128,128"

# Where a look has what a data-defined property stands for.
USUAL = {
    "fillColor": "color",
    "outlineColor": "outline_color",
    "outlineWidth": "outline_width",
    "outlineStyle": "line_style",
}


def style(parts: str = "Symbology") -> ET.Element:
    """The root of a .qml that says something of these parts of a layer, such as Symbology|Forms."""
    return ET.Element("qgis", version="3.22", styleCategories=parts)


def categories(
    root: ET.Element, field: str, shown: Iterable[tuple[str | int, str, Look, Look]], *, kind: str, layer: str
) -> None:
    """Give each value of a field its symbol.

    Args:
        root: Of the style.
        field: The field.
        shown: (value, label, look, look where the feature is not used) in the order of the legend.
        kind: Of the symbols: marker, line or fill.
        layer: QGIS's name of their only layer, such as SimpleMarker.
    """
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=field, symbollevels="0")
    values, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for i, (value, label, look, unused) in enumerate(shown):
        of = {"value": str(value), "label": label, "symbol": str(i), "render": "true"}
        ET.SubElement(values, "category", of | {"type": "long" if isinstance(value, int) else "string"})
        symbol_layer(ET.SubElement(symbols, "symbol", type=kind, name=str(i), alpha="1"), layer, look, unused)


def symbol_layer(symbol: ET.Element, name: str, look: Look, unused: Look | None = None) -> ET.Element:
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


def marker(red: int, green: int, blue: int) -> tuple[Look, Look]:
    """A filled circle; a ring where the point is not used."""
    color = f"{red},{green},{blue}"
    look = {"name": "circle", "size": "2.6", "color": f"{color},255", "outline_color": "35,35,35,255"}
    look["outline_width"] = "0.2"
    return look, {"fillColor": CLEAR, "outlineColor": f"{color},255", "outlineWidth": "0.6"}


def line(red: int, green: int, blue: int) -> tuple[Look, Look]:
    """A line; dotted where the scribble is not used."""
    look = {"line_color": f"{red},{green},{blue},255", "line_width": "1", "line_style": "solid", "capstyle": "round"}
    return look, {"outlineStyle": "dot"}


def fill(red: int, green: int, blue: int) -> tuple[Look, Look]:
    """A half transparent area; its outline alone where it is not used."""
    color = f"{red},{green},{blue}"
    look = {"color": f"{color},128", "style": "solid", "outline_color": f"{color},255", "outline_width": "0.6"}
    return look, {"fillColor": CLEAR}


def parcel(red: int, green: int, blue: int) -> tuple[Look, Look]:
    """An area with a thin outline; all are used."""
    look = {
        "color": f"{red},{green},{blue},255",
        "style": "solid",
        "outline_color": "35,35,35,255",
        "outline_width": "0.1",
    }
    return look, {}


def document(root: ET.Element, doctype: str = "") -> str:
    """The XML as indented text."""
    ET.indent(root)
    head = f"<!DOCTYPE {doctype} PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" if doctype else ""
    return head + ET.tostring(root, encoding="unicode") + "\n"
