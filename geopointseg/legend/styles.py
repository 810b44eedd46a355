"""QGIS styles as users save them: the values, names and colours of their categories."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from geopointseg.colors import parse_color
from geopointseg.errors import GeoPointSegError
from geopointseg.legend.classify import quoted

__all__ = ["LARGEST", "Entry", "categories", "own_style", "read_bytes"]

LARGEST = 5_000_000  # bytes of a legend or style; real ones have thousands


@dataclass(slots=True)
class Entry:
    """A class as a file lists it."""

    name: str
    values: list[str]
    color: str = ""


def own_style(path: Path, layer: str, class_field: str) -> dict[str, str]:
    """The colours that QGIS shows a layer in, where its style is categorised by the class field.

    Args:
        path: Vector file. A GeoPackage keeps styles in its table `layer_styles`; beside other files lies a `.qml`.
        layer: Name of the layer.
        class_field: Column with the class.

    Returns:
        Value of the class field, as text, and the label of its category → #rrggbb. Empty where there is no such style.
    """
    for style in _styles(Path(path), layer):
        try:
            attribute, entries = categories(style, "its style")
        except GeoPointSegError:
            continue  # the layer can be read all the same, in other colours
        if attribute is not None and attribute.strip().strip('"') == class_field:
            colors = {value: entry.color for entry in entries for value in entry.values if entry.color}
            return {entry.name: entry.color for entry in entries if entry.color} | colors
    return {}


def categories(style: bytes | str, source: str) -> tuple[str | None, list[Entry]]:
    """The attribute and the categories of a QGIS style; a raster has no attribute."""
    root = _parse_xml(style, source)
    for renderer in root.iter("renderer-v2"):
        if renderer.get("type") == "categorizedSymbol":
            colors = {s.get("name"): _symbol_color(s, source) for s in renderer.iterfind("symbols/symbol")}
            entries = [
                Entry(category.get("label", "").strip() or values[0], values, colors.get(category.get("symbol"), ""))
                for category in renderer.iterfind("categories/category")
                if (values := _category_values(category))  # none: "all other values"
            ]
            return renderer.get("attr", ""), entries
    for renderer in root.iter("rasterrenderer"):
        if renderer.get("type") == "paletted":
            palette = [
                (e.get("value", ""), e.get("label", ""), e.get("color", "")) for e in renderer.iter("paletteEntry")
            ]
            return None, [
                Entry(label.strip() or value, [value], parse_color(color, label, source))
                for value, label, color in palette
            ]
    kinds = [renderer.get("type", "") for tag in ("renderer-v2", "rasterrenderer") for renderer in root.iter(tag)]
    raise GeoPointSegError(
        f"expected a style categorised by value, or paletted, in {source}, got {quoted(kinds) or 'none'}: "
        "choose Categorized (or Paletted) under Symbology in QGIS and save the style again"
    )


def _category_values(category: ET.Element) -> list[str]:
    """The values of a category: several in a list, none where it stands for all other values."""
    several = [value.get("value", "") for value in category.iterfind("val")]
    values = several or ([] if category.get("type") == "NULL" else [category.get("value", "")])
    return [value for value in values if value]


def _symbol_color(symbol: ET.Element, source: str) -> str:
    """The colour that a symbol has in QGIS's legend, as #rrggbb; "" where it has none."""
    for outer in symbol.iterfind("layer"):
        if outer.get("enabled") == "0":
            continue
        for layer in [*outer.iterfind("symbol/layer"), outer]:  # hatches and rows of markers have symbols of their own
            own = {option.get("k", ""): option.get("v", "") for option in layer.iterfind("prop")}  # up to QGIS 3.26
            own |= {option.get("name", ""): option.get("value", "") for option in layer.iterfind("Option/Option")}
            hollow = own.get("style") == "no" or own.get("color", "").split(",")[3:4] == ["0"]
            for key in ("outline_color",) * hollow + ("color", "line_color", "color1"):  # color1: gradients
                numbers = re.match(r"([0-9]+,[0-9]+,[0-9]+)(,|$)", own.get(key, ""))
                if numbers:
                    return parse_color(numbers[1], "a symbol", source)
    return ""


def _parse_xml(data: bytes | str, source: str) -> ET.Element:
    """The root of a document that declares no entities: a few of them could grow to gigabytes."""

    def refuse(*_: object) -> None:
        raise GeoPointSegError(f"expected a QGIS style, got {source}, which declares entities: save it from QGIS again")

    guard = expat.ParserCreate()
    guard.EntityDeclHandler = refuse
    try:
        guard.Parse(data, True)
        return ET.fromstring(data)
    except (expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        raise GeoPointSegError(
            f"expected a QGIS style, got {source}, which is no XML ({error}): save it from QGIS again"
        ) from error


def _styles(path: Path, layer: str) -> Iterator[bytes | str]:
    """The QGIS styles of a layer: those in its GeoPackage, the default one first, then that beside the file."""
    try:
        table = pyogrio.read_dataframe(path, layer="layer_styles", read_geometry=False)
        table = table[table["f_table_name"] == layer].sort_values("useAsDefault", ascending=False, kind="stable")
        yield from (style for style in table["styleQML"] if isinstance(style, str) and len(style) <= LARGEST)
    except (DataLayerError, DataSourceError, KeyError):
        pass  # no GeoPackage, or none with styles
    try:
        yield read_bytes(path.with_suffix(".qml"))
    except GeoPointSegError:
        return


def read_bytes(path: Path) -> bytes:
    """The content of a file of reasonable size."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise GeoPointSegError(
            f"expected a file of classes, got {path} ({error.strerror or error}): check the path"
        ) from error
    if len(data) > LARGEST:
        raise GeoPointSegError(
            f"expected a file of classes under {LARGEST // 10**6} MB, got {path}: is it the right one?"
        )
    return data
