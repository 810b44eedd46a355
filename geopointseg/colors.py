"""A colour for every class: the usual one where its name is familiar, else one from a colour-blind-safe palette."""

import colorsys
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice

from geopointseg.errors import GeoPointSegError

__all__ = ["FAMILIAR", "PALETTE", "distinct_colors", "endless_palette", "familiar_color", "parse_color"]

# One colour and the names it stands for, whatever their case, hyphens and plural. Names that stand together in a
# common legend (CORINE, ESA WorldCover, Dynamic World, LandCover.ai, ISPRS Potsdam) have colours apart.
_USUAL = {
    "#2b83ba": "water, water body, open water, permanent water, permanent water body, inland water, lake, river, pond,"
    " stream, water course, watercourse, canal, reservoir, surface water",
    "#1f4e8c": "sea, ocean, sea and ocean, marine water",
    "#66c2a4": "wetland, emergent wetland, herbaceous wetland, inland wetland, marsh, inland marsh, flooded vegetation,"
    " reed, reed bed",
    "#2c7a5f": "forested wetland, swamp, mangrove, flooded forest",
    "#7fa8a0": "peat bog, bog, peatland, mire, fen",
    "#9ad6d0": "salt marsh, coastal wetland, maritime wetland, saltmarsh, lagoon, coastal lagoon, estuary",
    "#b797a6": "mudflat, tidal flat, intertidal flat, wet sand",
    "#c9e4f2": "snow, ice, snow and ice, permanent snow and ice, perpetual snow, glacier, glaciers and perpetual snow",
    "#1b7837": "forest, tree, tree cover, tree canopy, canopy, woodland, wood, mixed forest, high vegetation",
    "#5aae61": "broad leaved forest, broadleaved forest, broadleaf forest, broadleaf, deciduous forest, deciduous",
    "#0b4a2b": "coniferous forest, conifer, coniferous, evergreen forest, evergreen, needleleaf forest, plantation",
    "#8a9a35": "shrub, shrubland, scrub, shrub and scrub, scrubland, bush, bushland, transitional woodland shrub,"
    " sclerophyllous vegetation, medium vegetation",
    "#a5739b": "heath, heathland, moor, moorland, moor and heathland",
    "#d3cf7f": "moss, lichen, moss and lichen",
    "#a6d96a": "grass, grassland, natural grassland, low vegetation, lawn, savanna, rangeland, green urban area",
    "#cbe8a0": "herbaceous, herbaceous vegetation, meadow, pasture, hay",
    "#4dac26": "vegetation, green, park, sport and leisure facility, garden",
    "#dfb325": "crop, cropland, field, arable, arable land, non irrigated arable land, farmland, farm, agriculture,"
    " agricultural, agricultural area, agricultural land, cultivated, cultivated land",
    "#c7e03c": "rice, rice field, rice paddy, paddy, permanently irrigated land, irrigated land",
    "#d08a2e": "orchard, fruit tree, fruit tree and berry plantation, permanent crop",
    "#8e3f73": "vineyard, vine",
    "#b3a04a": "olive, olive grove",
    "#d7301f": "building, roof, house, built, built up, built up area, built area, urban, urban area, urban fabric,"
    " settlement, artificial, artificial surface, artificial area, continuous urban fabric, structure",
    "#f0806a": "residential, residential area, discontinuous urban fabric, suburban",
    "#b04fc4": "industrial, industrial area, industrial or commercial unit, commercial",
    "#636363": "road, street, road network, road and rail network, transport, asphalt",
    "#8c8c8c": "impervious, impervious surface, paved, pavement, concrete, parking, parking lot, sealed",
    "#5b3f7a": "railway, rail, railroad",
    "#ffe84d": "car, vehicle",
    "#c8a165": "bare, bare soil, soil, bare ground, bare land, bareland, bare earth, barren, barren land, ground,"
    " bare sparse vegetation, bare and sparse vegetation, sparse vegetation, sparsely vegetated area, dirt, fallow",
    "#f2dc9b": "sand, beach, dune, beaches dunes sands, sandy area, desert",
    "#a89488": "rock, bare rock, rocky, scree, stone",
    "#8a5a44": "mine, mine site, mineral extraction site, quarry, dump, dump site, landfill, construction site",
    "#4a2c20": "burnt, burned, burnt area, burned area",
    "#bdbdbd": "background, other, unclassified, unknown",
    "#c5a9dc": "clutter, clutter background",
    "#e6dfe8": "cloud, haze",
    "#3a3a4a": "shadow, cloud shadow, shade",
    "#2fd6e0": "pool, swimming pool",
    "#3c3c9a": "solar panel, photovoltaic, solar",
}
FAMILIAR = {name.strip(): color for color, names in _USUAL.items() for name in names.split(",")}
# Okabe and Ito 2008, "Color Universal Design": told apart by people with any common colour vision.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7f7f7f")
APART = 60.0
"""How far a colour that nobody asked for keeps from the others while there is room, of 765 from black to white."""
NEAR = 24.0
"""Closer than this, two colours look alike: a familiar name then goes without its usual one."""


def distinct_colors(names: Iterable[str], given: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """A colour for each name, all different unless they are given.

    Args:
        names: Class names, in the order of their ids.
        given: Colours as #rrggbb for some of the names: kept as they are.

    Returns:
        Colours as #rrggbb: the given one, else the usual one of a familiar name, else one from the palette.
    """
    given = given or {}
    names = tuple(names)
    colors = [given.get(name, "") for name in names]
    taken = [color for color in colors if color]
    for i, name in enumerate(names):
        usual = familiar_color(name)
        if not colors[i] and usual and all(_distance(usual, other) >= NEAR for other in taken):
            colors[i] = usual
            taken.append(usual)
    palette, apart = endless_palette(), APART
    for i, color in enumerate(colors):
        while not colors[i]:
            free = (c for c in islice(palette, 32) if all(_distance(c, other) >= apart for other in taken))
            colors[i] = next(free, "")
            apart = apart if colors[i] else apart * 0.7
        if not color:
            taken.append(colors[i])
    return tuple(colors)


def familiar_color(name: str) -> str | None:
    """The usual colour of a class name, whatever its case, hyphens and plural; None where it is not a familiar one."""
    return _BY_WORDS.get(_words(name))


def endless_palette() -> Iterator[str]:
    """The palette, then hues a golden angle apart."""
    yield from PALETTE
    for i in count():
        red, green, blue = colorsys.hsv_to_rgb((i * 0.381966) % 1, 0.45 + 0.4 * (i % 2), 0.95 - 0.2 * (i % 3))
        yield f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}"


def _words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case and singular."""
    words = "".join(c if c.isalnum() else " " for c in name.casefold()).split()
    return tuple(re.sub("(?<=[sc]h)es$|(?<=ss)es$|(?<=[^s])s$", "", re.sub("ies$", "y", word)) for word in words)


_BY_WORDS = {_words(name): color for name, color in FAMILIAR.items()}


def _distance(one: str, other: str) -> float:
    """How different two colours look: RGB weighed by the eye's sensitivity, 0 to about 765."""
    red, green, blue = (int(one[i : i + 2], 16) - int(other[i : i + 2], 16) for i in (1, 3, 5))
    warm = (int(one[1:3], 16) + int(other[1:3], 16)) / 512
    return float(((2 + warm) * red**2 + 4 * green**2 + (3 - warm) * blue**2) ** 0.5)


def parse_color(text: str, name: str, source: str) -> str:
    """A colour as #rrggbb, from that, #rgb or "r,g,b"."""
    compact = text.replace(" ", "").lower()
    if re.fullmatch("#[0-9a-f]{3}", compact):
        return "#" + "".join(2 * digit for digit in compact[1:])
    if re.fullmatch("#[0-9a-f]{6}", compact):
        return compact
    parts = compact.split(",")
    if len(parts) == 3 and all(re.fullmatch("[0-9]{1,3}", part) and int(part) <= 255 for part in parts):
        return "#" + "".join(f"{int(part):02x}" for part in parts)
    raise GeoPointSegError(
        f"expected a colour as #rrggbb, #rgb or 'r,g,b' of 0 to 255 for {name!r} in {source}, got {text!r}: write it so"
    )
