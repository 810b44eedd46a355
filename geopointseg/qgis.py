"""What makes QGIS and GDAL show class names and colours: layer styles, map styles, attribute tables."""

from collections.abc import Iterable, Sequence
from typing import Literal
from xml.etree import ElementTree as ET

import pandas as pd

from geopointseg.classes import Classes
from geopointseg.colors import endless_palette
from geopointseg.symbols import CLEAR, GREY, Look, categories, document, fill, line, marker, parcel, style, symbol_layer

__all__ = [
    "Layer",
    "attribute_table",
    "frames_style",
    "layer_styles",
    "map_style",
    "polygons_style",
    "regions_style",
]

Layer = Literal["points", "scribbles", "areas", "held_out", "polygons"]


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
    root = style()
    renderer = ET.SubElement(
        ET.SubElement(root, "pipe"), "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1"
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for value, color, label in entries:
        ET.SubElement(palette, "paletteEntry", value=str(value), color=color, label=label, alpha="255")
    return document(root, "qgis")


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


def _class_style(classes: Classes, layer: Layer) -> str:
    """A .qml with one symbol per class, and a last one for features without."""
    kind, name, symbol = SYMBOLS[layer]
    root = style()
    shown = [(text, text, *symbol(*rgb)) for text, rgb in zip(classes.names, classes.rgb(), strict=True)]
    categories(root, "class_name", [*shown, ("", "no class", NO_CLASS[layer], {})], kind=kind, layer=name)
    return document(root, "qgis")


def frames_style() -> str:
    """A .qml for squares of ground to look at: a thin outline."""
    root = style()
    symbols = ET.SubElement(ET.SubElement(root, "renderer-v2", type="singleSymbol", symbollevels="0"), "symbols")
    symbol = ET.SubElement(symbols, "symbol", type="fill", name="0", alpha="1")
    symbol_layer(symbol, "SimpleLine", {"line_color": "255,235,0,160", "line_width": "0.3", "line_style": "dash"})
    return document(root, "qgis")


def _block_style() -> str:
    """A .qml for held-out blocks: a grey hatch within a grey outline."""
    root = style()
    symbols = ET.SubElement(ET.SubElement(root, "renderer-v2", type="singleSymbol", symbollevels="0"), "symbols")
    symbol = ET.SubElement(symbols, "symbol", type="fill", name="0", alpha="1")
    thin = {"line_color": f"{GREY},255", "line_width": "0.3"}
    hatch = symbol_layer(symbol, "LinePatternFill", {"angle": "45", "distance": "3"})
    symbol_layer(ET.SubElement(hatch, "symbol", type="line", name="@0@0", alpha="1"), "SimpleLine", thin)
    symbol_layer(symbol, "SimpleLine", thin | {"line_width": "0.6"})
    return document(root, "qgis")


SYMBOLS = {
    "points": ("marker", "SimpleMarker", marker),
    "scribbles": ("line", "SimpleLine", line),
    "areas": ("fill", "SimpleFill", fill),
    "polygons": ("fill", "SimpleFill", parcel),
}
NO_CLASS: dict[str, Look] = {
    "points": {"name": "cross", "size": "2", "color": CLEAR, "outline_color": f"{GREY},255", "outline_width": "0.5"},
    "scribbles": {"line_color": f"{GREY},255", "line_style": "dot", "line_width": "0.5"},
    "areas": {"color": CLEAR, "style": "no", "outline_color": f"{GREY},255", "outline_width": "0.4"},
    "polygons": {"color": CLEAR, "style": "no", "outline_color": f"{GREY},255", "outline_width": "0.1"},
}


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
    return document(root)
