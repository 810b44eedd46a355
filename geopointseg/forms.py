"""Forms of QGIS: styles of point layers that somebody is to fill in, class by class from a list."""

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from geopointseg.classes import Classes
from geopointseg.symbols import CLEAR, Look, categories, document, marker, style

__all__ = ["questions_style", "reference_style"]

QGIS_NULL = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"  # what undoes an answer: QgsValueMapFieldFormatter::NULL_VALUE
NEVER: Look = {}  # no feature of these layers is left unused


def reference_style(classes: Classes) -> str:
    """A .qml for the points of a reference sample: a form that offers the classes, and the colours of those chosen.

    What is not interpreted yet is a cross within its circle. `sample_id` and `map_class` cannot be edited.
    """
    root, field = style("Symbology|Fields|Forms"), "reference_class"
    open_ = {"name": "cross2", "size": "3", "color": CLEAR, "outline_color": "255,0,255,255", "outline_width": "0.6"}
    shown = [(name, name, marker(*rgb)[0], NEVER) for name, rgb in zip(classes.names, classes.rgb(), strict=True)]
    categories(root, field, [*shown, ("", "not interpreted", open_, NEVER)], kind="marker", layer="SimpleMarker")
    config = ET.SubElement(root, "fieldConfiguration")
    _list(config, field, [("(not interpreted)", QGIS_NULL), *((name, name) for name in classes.names)])
    _editable(root, {"sample_id": False, "map_class": False})
    return document(root, "qgis")


def questions_style(field: str, answers: Sequence[tuple[str | int, str, str]], others: Sequence[str]) -> str:
    """A .qml for points to be given a class: a list of the classes and of no answer in their form, hollow squares until one is chosen.

    Args:
        field: Column that the answer goes to.
        answers: (value, name, #rrggbb) of every class; without any, the form has a line of text instead of a list.
        others: The other columns, which the form shows but does not change.
    """
    root = style("Symbology|Labeling|Fields|Forms|AttributeTable")
    open_ = {"name": "square", "size": "4", "color": CLEAR, "outline_color": "255,235,0,255", "outline_width": "0.8"}
    shown = [(value, name, marker(*_rgb(color))[0] | {"size": "3.4"}, NEVER) for value, name, color in answers]
    categories(root, field, [*shown, ("", "not answered yet", open_, NEVER)], kind="marker", layer="SimpleMarker")
    _rank_labels(root)
    config = ET.SubElement(root, "fieldConfiguration")
    if answers:
        _list(config, field, [("(no answer)", QGIS_NULL), *((name, str(value)) for value, name, _ in answers)])
    _editable(root, {name: name == field for name in (field, *others)})
    ET.SubElement(root, "editorlayout").text = "generatedlayout"
    return document(root, "qgis")


def _list(config: ET.Element, field: str, choices: Iterable[tuple[str, str]]) -> None:
    """Let a field be filled in from a list of (label, value)."""
    form = ET.SubElement(config, "field", name=field, configurationFlags="None")
    widget = ET.SubElement(ET.SubElement(form, "editWidget", type="ValueMap"), "config")
    options = ET.SubElement(_map(widget), "Option", type="List", name="map")
    for label, value in choices:
        ET.SubElement(_map(options), "Option", type="QString", name=label, value=value)


def _editable(root: ET.Element, fields: dict[str, bool]) -> None:
    """Say which fields can be edited."""
    editable = ET.SubElement(root, "editable")
    for name, free in fields.items():
        ET.SubElement(editable, "field", name=name, editable=str(int(free)))


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
