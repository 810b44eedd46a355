"""What makes QGIS and GDAL show class names and colours: layer styles, map styles, attribute tables."""

from xml.etree import ElementTree as ET

import pandas as pd

from geopointseg.classes import Classes

__all__ = ["attribute_table", "layer_styles", "map_style"]


def map_style(classes: Classes) -> str:
    """A .qml for a class raster: paletted, every class opaque, so that class 0 shows too."""
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = ET.SubElement(
        ET.SubElement(root, "pipe"), "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1"
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for row in classes.records():
        value = str(row["id"])
        ET.SubElement(palette, "paletteEntry", value=value, color=row["color"], label=row["name"], alpha="255")
    return _document(root, "qgis")


def layer_styles(classes: Classes) -> pd.DataFrame:
    """The row of a GeoPackage's `layer_styles` table that makes QGIS colour the layer `points` by class."""
    return pd.DataFrame(
        {
            "f_table_catalog": [""],
            "f_table_schema": [""],
            "f_table_name": ["points"],
            "f_geometry_column": ["geom"],
            "styleName": ["classes"],
            "styleQML": [_point_style(classes)],
            "styleSLD": [""],
            "useAsDefault": [True],
            "description": ["classes in their colours"],
            "owner": [""],
            "ui": [""],
            "update_time": ["1970-01-01T00:00:00.000Z"],  # fixed, so that the same points give the same file
        }
    )


def _point_style(classes: Classes) -> str:
    """A .qml for points: one filled circle per class."""
    root = ET.Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="class_name", symbollevels="0")
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for row, (red, green, blue) in zip(classes.records(), classes.rgb(), strict=True):
        name, number = row["name"], str(row["id"])
        ET.SubElement(categories, "category", value=name, label=name, symbol=number, render="true", type="string")
        symbol = ET.SubElement(symbols, "symbol", type="marker", name=number, alpha="1")
        options = ET.SubElement(ET.SubElement(symbol, "layer", {"class": "SimpleMarker"}, enabled="1"), "Option")
        options.set("type", "Map")
        marker = {
            "name": "circle",
            "size": "2.6",
            "color": f"{red},{green},{blue},255",
            "outline_color": "35,35,35,255",
        }
        for key, value in marker.items():
            ET.SubElement(options, "Option", type="QString", name=key, value=value)
    return _document(root, "qgis")


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
