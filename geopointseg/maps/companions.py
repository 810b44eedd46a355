"""The clauses of the map's contract that are about what lies beside it, and about where it comes from."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import rasterio

from geopointseg.maps.look import Look, layout_faults, rgb

__all__ = [
    "has_its_attribute_table",
    "has_its_item",
    "has_its_style",
    "has_scores_like_it",
    "names_no_place_on_the_machine",
    "says_where_it_comes_from",
]

ON_MACHINE = re.compile(r"(?:^|(?<=[\s\"'=(\[,;:>]))(?:(?:/[^/\s\"'<>,]+){2,}|~/|\\\\\w|[A-Za-z]:[\\/](?!/))|file://")
HASH = re.compile(r"[0-9a-f]{64}(, [0-9a-f]{64})*")  # several models may have made a map


def has_its_attribute_table(look: Look) -> Iterator[str]:
    """.tif.aux.xml: category names, and an attribute table with value, name and colour of every class."""
    root, fault = _xml(look.beside(f"{look.path.suffix}.aux.xml"))
    if root is None:
        yield fault
        return
    classes = look.classes or ()
    names = [node.text for node in root.findall("PAMRasterBand[@band='1']/CategoryNames/Category")]
    if names != [row["name"] for row in classes]:
        yield f"expected the category names of the classes, got {names}"
    table = root.find("PAMRasterBand[@band='1']/GDALRasterAttributeTable")
    usages = [] if table is None else [field.findtext("Usage") for field in table.findall("FieldDefn")]
    if table is None or not {"5", "2", "6", "7", "8"} <= set(usages):  # value, name, red, green, blue
        yield "expected an attribute table with value, name, red, green and blue, got " + (
            "one without" if usages else "none"
        )
        return
    rows = [[cell.text for cell in row] for row in table.findall("Row")]
    found = [[row[usages.index(usage)] for usage in ("5", "2", "6", "7", "8")] for row in rows]
    wanted = [[str(row["id"]), row["name"], *map(str, rgb(row["color"]))] for row in classes]
    if found != wanted:
        odd = next((f for f, w in zip(found, wanted, strict=False) if f != w), f"{len(found)} rows")
        yield f"expected a row of the attribute table for every class, got {odd}"


def has_its_style(look: Look) -> Iterator[str]:
    """.qml: QGIS shows every class opaque, with its name and colour."""
    root, fault = _xml(look.beside(".qml"))
    if root is None:
        yield fault
        return
    renderers = [node.get("type") for node in root.iter("rasterrenderer")]
    if renderers != ["paletted"]:
        yield f"expected a paletted renderer, got {renderers}"
    entries = root.iter("paletteEntry")
    found = [(e.get("value"), e.get("label"), (e.get("color") or "").lower(), e.get("alpha")) for e in entries]
    wanted = [(str(row["id"]), row["name"], row["color"], "255") for row in look.classes or ()]
    if found != wanted:
        odd = next((f for f, w in zip(found, wanted, strict=False) if f != w), f"{len(found)} entries")
        yield f"expected an entry for every class, got {odd}"


def has_its_item(look: Look) -> Iterator[str]:
    """.json: a STAC item with classification:classes, the grid in proj: fields, and the map as an asset."""
    path = look.beside(".json")
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
        properties, assets = item["properties"], item["assets"]
        asset = next(asset for asset in assets.values() if "data" in asset["roles"])
        found = [
            (row["value"], row["title"], "#" + row["color_hint"].lower()) for row in asset["classification:classes"]
        ]
        shape, transform, code = (properties[f"proj:{key}"] for key in ("shape", "transform", "code"))
        crs = rasterio.CRS.from_user_input(code or properties["proj:wkt2"])
        kind = item["type"], item["stac_version"], asset["href"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        yield f"expected a STAC item in {path.name}, got {type(error).__name__} for {error}"
        return
    if kind[0] != "Feature" or not str(kind[1]).startswith("1.") or kind[2] != f"./{look.path.name}":
        yield f"expected a STAC 1 Feature that points at {look.path.name}, got {kind}"
    if not {"geometry", "links", "stac_extensions", "id"} <= item.keys() or not {"datetime"} <= properties.keys():
        yield "expected geometry, links, stac_extensions, id and datetime, got an item without one of them"
    if found != [(row["id"], row["name"], row["color"]) for row in look.classes or ()]:
        yield f"expected the classes as classification:classes, got {found}"
    own = list(look.source.shape), list(look.source.transform)[:6]
    if (shape, transform[:6]) != own or crs != look.source.crs:
        yield f"expected the map's grid in proj: fields, got {shape} from {transform[:6]}"


def says_where_it_comes_from(look: Look) -> Iterator[str]:
    """Tags SOFTWARE, MODEL, MODEL_SHA256, RASTER, RASTER_SHA256 and OPTIONS."""
    tags = look.source.tags()
    missing = [name for name in ("SOFTWARE", "MODEL", "RASTER", "OPTIONS") if not tags.get(name)]
    missing += [name for name in ("MODEL_SHA256", "RASTER_SHA256") if not HASH.fullmatch(tags.get(name, ""))]
    if missing:
        yield f"expected tags that say where the map comes from, got none or no hash for {', '.join(missing)}"


def names_no_place_on_the_machine(look: Look) -> Iterator[str]:
    """Neither tags nor companions name a path of the machine."""
    texts = {f"the tag {name}": text for name, text in look.source.tags().items() if name != "CLASSES"}
    for ending in (f"{look.path.suffix}.aux.xml", ".qml", ".json"):
        if (path := look.beside(ending)).exists():
            texts[path.name] = path.read_text(encoding="utf-8", errors="replace").replace("SYSTEM", "")
    names = sorted((str(row["name"]) for row in look.classes or ()), key=len, reverse=True)
    for where, text in texts.items():
        for name in names:  # a class may be called /road/rail
            text = text.replace(name, "")
        if found := ON_MACHINE.search(text):
            yield f"expected no path of a machine, got one in {where}: {text[found.start() :][:40]!r}"


def has_scores_like_it(look: Look) -> Iterator[str]:
    """Scores beside it, if any: uint8 COGs on its grid, nodata 255, with scale and offset."""
    for kind in ("confidence", "probabilities", "margin", "entropy"):
        path = look.beside(f"_{kind}{look.path.suffix}")
        if not path.exists():
            continue
        with rasterio.open(path) as scores:
            if scores.tags().get("KIND") != kind:
                continue  # the map of another raster that is called so
            bands = len(look.classes or ()) if kind == "probabilities" else 1
            if (scores.count, set(scores.dtypes), set(scores.nodatavals)) != (bands, {"uint8"}, {255}):
                yield f"expected {bands} uint8 bands with nodata 255 in {path.name}, got {scores.count} {scores.dtypes[0]}"
            if (scores.crs, scores.transform, scores.shape) != (
                look.source.crs,
                look.source.transform,
                look.source.shape,
            ):
                yield f"expected {path.name} on the map's grid, got another"
            if not all(0 < scale * 254 < 2 for scale in scores.scales) or any(scores.offsets):
                yield f"expected a scale to 0 to 1 and offset 0 in {path.name}, got {scores.scales} and {scores.offsets}"
            yield from (f"{path.name}: {fault}" for fault in layout_faults(scores))


def _xml(path: Path) -> tuple[ET.Element | None, str]:
    """The root of an XML file, or what is wrong with it."""
    try:
        return ET.fromstring(path.read_text(encoding="utf-8")), ""
    except (OSError, ET.ParseError, UnicodeDecodeError) as error:
        return None, f"expected {path.name} beside the map, got {type(error).__name__}"
