"""Made-up aerial scenes with exact truth, so that the whole workflow can be shown and tested without downloads."""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geopointseg.errors import GeoPointSegError

__all__ = ["CLASS_NAMES", "draw_scene"]

CLASS_NAMES = ("building", "road", "woodland", "grass", "bare soil", "water")
"""Names of the class ids 0 to 5, in order."""

Depth = Literal["uint8", "uint16"]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Table = NDArray[np.intp]
Pixel = tuple[int, int]
_Streets = tuple["_Axis", "_Axis"]

_BUILDING, _ROAD, _WOODLAND, _GRASS, _SOIL, _WATER = range(6)
_HOUSES, _FIELDS, _TOWN, _FOREST, _PARK = range(5)
_LOTS = 5
_MATERIALS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "asphalt": ((0.38, 0.38, 0.39, 0.38), (0.60, 0.58, 0.55, 0.57)),
    "crop": ((0.30, 0.41, 0.20, 0.66), (0.54, 0.53, 0.31, 0.58)),
    "crown": ((0.19, 0.28, 0.15, 0.52), (0.38, 0.45, 0.22, 0.70)),
    "lawn": ((0.28, 0.39, 0.19, 0.64), (0.47, 0.49, 0.29, 0.56)),
    "soil": ((0.38, 0.31, 0.25, 0.40), (0.66, 0.58, 0.48, 0.58)),
    "water": ((0.12, 0.18, 0.17, 0.03), (0.23, 0.29, 0.27, 0.05)),
    "grey roof": ((0.34, 0.34, 0.35, 0.36), (0.62, 0.59, 0.55, 0.58)),
    "red roof": ((0.44, 0.28, 0.21, 0.42), (0.66, 0.45, 0.34, 0.55)),
    "dark roof": ((0.19, 0.20, 0.21, 0.16), (0.33, 0.32, 0.31, 0.32)),
    "light roof": ((0.66, 0.65, 0.62, 0.64), (0.82, 0.81, 0.79, 0.80)),
}
"""Reflectance in red, green, blue and near infrared, from the darkest to the lightest of each material."""
_ROOFS = ("red roof", "grey roof", "dark roof", "light roof")


class _Axis(NamedTuple):
    """One street coordinate: its value per pixel, the street lines, and each pixel's block and place in it."""

    at: Floats
    lines: Floats
    block: Table
    part: Floats


class _Canvas(NamedTuple):
    """What the helpers draw on: albedo (4, height, width), class ids and height above ground in pixels."""

    albedo: Floats
    truth: NDArray[np.uint8]
    relief: Floats


def draw_scene(
    height: int = 2048, width: int = 2048, *, bands: Literal[3, 4] = 3, dtype: Depth = "uint8", seed: int = 0
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Draw an orthophoto-like scene at about 0.5 m per pixel, with the class of every pixel.

    Args:
        height: Rows, at least 128.
        width: Columns, at least 128.
        bands: 3 for red, green, blue; 4 adds near infrared.
        dtype: uint8 for display values, uint16 for reflectance times 4095.
        seed: The same seed and size give the same scene.

    Returns:
        Image (bands, height, width) in `dtype`, and truth (height, width) uint8 with ids of CLASS_NAMES.

    Raises:
        GeoPointSegError: a size, number of bands or dtype is not one of those above.
    """
    if min(height, width) < 128:
        raise GeoPointSegError(f"expected height and width of at least 128 pixels, got {height} x {width}")
    if bands not in (3, 4) or dtype not in ("uint8", "uint16"):
        raise GeoPointSegError(f"expected 3 or 4 bands of uint8 or uint16, got {bands} of {dtype}")
    rng = np.random.default_rng(seed)
    streets = _streets(rng, (height, width))
    # A knight's move from block to block keeps every use near everywhere.
    use = (np.arange(len(streets[0].lines))[:, None] + 2 * np.arange(len(streets[1].lines)) + rng.integers(5)) % 5
    place = use[streets[0].block, streets[1].block]
    canvas = _fields(rng, streets, use)
    across = bool(rng.random() < 0.5)
    rim = np.maximum(*(np.abs(axis.part - 0.5) for axis in streets))
    ponds = (place == _PARK) & (_noise(rng, place.shape, 60) > 0.5 + 30 * rim**4)
    wet = ponds | _river(rng, (height, width), across)
    bank = _water(rng, canvas, wet)
    kerb = _roads(rng, streets, canvas, wet & across, wet & (not across))
    near = _buildings(rng, streets, canvas, use, (kerb < 7) | (bank < 9))
    _trees(rng, canvas, place, bank, (kerb > 6) & (bank > 3) & ~near)
    return _sensor(rng, _shade(rng, canvas), bands, dtype), canvas.truth


def _noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Floats:
    """Smooth noise of zero mean and unit spread whose blobs are about `scale` pixels wide."""
    axes = []
    for size in shape:
        knots = np.arange(-3, size / scale + 4)
        weight = np.exp(-0.5 * ((np.arange(size)[:, None] / scale - knots) / 0.7) ** 2)
        axes.append((weight / np.sqrt((weight**2).sum(1, keepdims=True))).astype(np.float32))
    coarse = rng.standard_normal((axes[0].shape[1], axes[1].shape[1]), dtype=np.float32)
    return np.asarray(axes[0] @ coarse @ axes[1].T, np.float32)


def _tints(rng: np.random.Generator, material: str, count: int) -> Floats:
    """Colours (count, 4) between the darkest and the lightest of a material."""
    dark, light = np.array(_MATERIALS[material])
    mixed = dark + (light - dark) * rng.uniform(0, 1, (count, 1))
    return np.asarray(mixed + rng.normal(0, 0.012, (count, 4)), np.float32)


def _streets(rng: np.random.Generator, shape: Pixel) -> _Streets:
    """Turn and bend the pixel grid into two street coordinates, each cut into blocks at uneven lines."""
    y, x = np.indices(shape, dtype=np.float32)
    turn, axes = rng.uniform(-0.5, 0.5), []
    for straight in (math.cos(turn) * x + math.sin(turn) * y, math.cos(turn) * y - math.sin(turn) * x):
        at = np.asarray(straight + 38 * _noise(rng, shape, 240), np.float32)
        steps = rng.uniform(150, 270, int((at.max() - at.min()) / 150) + 3)
        lines = (at.min() - rng.uniform(0, 140) + np.cumsum(np.append(0, steps))).astype(np.float32)
        block = np.searchsorted(lines, at, side="right") - 1
        axes.append(_Axis(at, lines, block, (at - lines[block]) / np.diff(lines)[block]))
    return axes[0], axes[1]


def _lots(rng: np.random.Generator, streets: _Streets, use: Table) -> tuple[Table, Table]:
    """Divide each block into strips or gardens: the lot number of each pixel, and the use of each lot."""
    strips = rng.integers(1, 4, (2, *use.shape))
    strips[0][rng.random(use.shape) < 0.5] = 1
    strips = np.where(np.isin(use, (_HOUSES, _TOWN)), rng.integers(2, _LOTS + 1, strips.shape), strips)
    block = streets[0].block, streets[1].block
    lot = block[0] * use.shape[1] + block[1]
    for axis, pieces in zip(streets, strips, strict=True):
        lot = lot * _LOTS + np.clip(axis.part * pieces[block], 0, _LOTS - 1).astype(np.intp)
    return lot, np.repeat(use.ravel(), _LOTS**2)


def _fields(rng: np.random.Generator, streets: _Streets, use: Table) -> _Canvas:
    """Cover the ground with lots: meadow, lawn and crop in rows (grass), and soil, ploughed in the fields."""
    lot, lot_use = _lots(rng, streets, use)
    count, shape = len(lot_use), lot.shape
    soil = rng.random(count) < np.array([0.06, 0.5, 0.08, 0.0, 0.15])[lot_use]
    rowed = (lot_use == _FIELDS) & (soil | (rng.random(count) < 0.6))
    colour = np.where(rowed[:, None], _tints(rng, "crop", count), _tints(rng, "lawn", count))
    colour[soil] = _tints(rng, "soil", count)[soil]
    contrast = np.where(rowed, rng.uniform(0.07, 0.16, count), rng.uniform(0, 0.025, count)).astype(np.float32)
    angle = rng.integers(0, 2, count) * np.pi / 2 + rng.normal(0, 0.25, count)
    pace = (2 * np.pi / rng.uniform(5, 10, count) * (np.cos(angle), np.sin(angle))).astype(np.float32)
    phase = pace[0][lot] * streets[0].at + pace[1][lot] * streets[1].at + 0.5 * _noise(rng, shape, 30)
    rough = np.where(soil, 0.05, 0.03).astype(np.float32)[lot] * (_noise(rng, shape, 6) + _noise(rng, shape, 1.5))
    light = 1 + contrast[lot] * np.sin(phase) + 0.06 * _noise(rng, shape, 35) + rough
    albedo = np.stack([colour[:, band][lot] * light for band in range(4)])
    return _Canvas(albedo, np.where(soil, _SOIL, _GRASS).astype(np.uint8)[lot], np.zeros(shape, np.float32))


def _river(rng: np.random.Generator, shape: Pixel, across: bool) -> Mask:
    """A winding river from edge to edge, left to right where `across`, else top to bottom."""
    height, width = shape if across else shape[::-1]
    x = np.arange(width)
    middle = np.full(width, height * rng.uniform(0.42, 0.58))
    for size, length in ((0.2 * height, rng.uniform(0.75, 1.1) * width), (18, rng.uniform(240, 330))):
        middle += size * np.sin(2 * np.pi * x / length + rng.uniform(0, 2 * np.pi))
    half = (13 + height / 180) * (1 + 0.2 * np.sin(x / rng.uniform(50, 90)))
    offset = np.abs(np.arange(height)[:, None] - middle) / np.hypot(1, np.gradient(middle))
    flow = np.asarray(offset + 2 * _noise(rng, (height, width), 14) < half)
    return flow if across else flow.T


def _water(rng: np.random.Generator, canvas: _Canvas, wet: Mask) -> Floats:
    """Fill the wet pixels, with shallows, ripples and some glint; gives each pixel's distance to the water."""
    shallow = np.clip(0.5 + 0.3 * _noise(rng, wet.shape, 70), 0, 1)
    ripple = 1 + 0.07 * _noise(rng, wet.shape, 3)
    glint = 0.16 * np.clip(_noise(rng, wet.shape, 80) - 1.4, 0, 1) * np.clip(_noise(rng, wet.shape, 2), 0, 2)
    for band, (dark, bright) in enumerate(zip(*_MATERIALS["water"], strict=True)):
        canvas.albedo[band][wet] = ((dark + (bright - dark) * shallow) * ripple + glint)[wet]
    canvas.truth[wet] = _WATER
    return np.asarray(ndimage.distance_transform_edt(~wet), np.float32)


def _roads(rng: np.random.Generator, streets: _Streets, canvas: _Canvas, *closed: Mask) -> Floats:
    """Pave most street lines, each axis outside its `closed` pixels; gives the distance to the kerb."""
    kerb = np.full(canvas.truth.shape, 1e3, np.float32)
    for axis, other, shut in zip(streets, streets[::-1], closed[::-1], strict=True):
        line = axis.block + (axis.part > 0.5)
        built = rng.random((len(axis.lines), len(other.lines))) < 0.85
        half = rng.uniform(5, 9, len(axis.lines)).astype(np.float32)[line]
        offset = np.where(built[line, other.block] & ~shut, np.abs(axis.at - axis.lines[line]), 1e3)
        _pave(rng, canvas, offset, half, other.at)
        np.minimum(kerb, offset - half, out=kerb)
    return kerb


def _pave(rng: np.random.Generator, canvas: _Canvas, offset: Floats, half: Floats, along: Floats) -> None:
    """Draw the streets whose middle is `offset` pixels away: asphalt, pale edges, dashes on the wide ones."""
    road = offset < half
    dash = (offset < 0.7) & (half > 7) & (along % 26 < 13)
    light = 1 + 0.45 * dash + 0.16 * (offset > half - 1.4) + 0.04 * _noise(rng, road.shape, 2)
    age = np.clip(0.5 + 0.3 * _noise(rng, road.shape, 200)[road], 0, 1)
    for band, (dark, bright) in enumerate(zip(*_MATERIALS["asphalt"], strict=True)):
        canvas.albedo[band][road] = (dark + (bright - dark) * age) * light[road]
    canvas.truth[road] = _ROAD


def _sites(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Table, Table]:
    """Rows and columns of a jittered grid that keeps off the edges."""
    y, x = np.mgrid[4 : shape[0] - 7 : 8, 4 : shape[1] - 7 : 8]
    return y.ravel() + rng.integers(-3, 4, y.size), x.ravel() + rng.integers(-3, 4, x.size)


def _buildings(rng: np.random.Generator, streets: _Streets, canvas: _Canvas, use: Table, taken: Mask) -> Mask:
    """Set buildings square to the streets, the nearest first; gives them with 4 pixels around."""
    u, v = streets
    taken = taken | ~np.isin(use, (_HOUSES, _TOWN))[u.block, v.block]
    y, x = _sites(rng, taken.shape)
    order = np.argsort(ndimage.distance_transform_edt(~taken)[y, x] + rng.uniform(0, 12, y.size))
    common = rng.integers(0, len(_ROOFS), use.shape)
    halls = (use == _TOWN) & (rng.random(use.shape) < 0.6)
    for row, column in zip(y[order], x[order], strict=True):
        if taken[row, column]:
            continue
        block = u.block[row, column], v.block[row, column]
        slope = u.at[row + 3, column] - u.at[row, column], u.at[row, column + 3] - u.at[row, column]
        angle = np.arctan2(*slope) + rng.integers(0, 2) * np.pi / 2
        size = rng.uniform((50, 34), (100, 60)) if halls[block] else rng.uniform((24, 18), (44, 27))
        roof = _ROOFS[common[block] if rng.random() < 0.55 else rng.integers(len(_ROOFS))]
        _building(rng, canvas, taken, (row, column, angle, *size), roof)
    return np.asarray(ndimage.binary_dilation(canvas.truth == _BUILDING, iterations=4))


def _building(rng: np.random.Generator, canvas: _Canvas, taken: Mask, plan: tuple[float, ...], roof: str) -> None:
    """Put up one building (row, column, angle, length, breadth) if its plot is free, and take the plot."""
    row, column, angle, length, breadth = plan
    box, y, x = _window(taken.shape, (int(row), int(column)), int(np.hypot(length, breadth) / 2) + 6)
    a, b = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    to_end, to_side = length / 2 - np.abs(a), breadth / 2 - np.abs(b)
    to_edge = np.minimum(to_end, to_side)
    plot, inside = to_edge > -4.5, to_edge > 0
    if taken[box][plot].any():
        return
    if breadth > 28:
        plant = (np.sin(a / 5 + row) + np.sin(b / 5 + column) > 1.55) & (to_edge > 5)
        rise = 13 + 1.5 * (to_edge < 2) + 3 * plant
        light = 1 + 0.12 * plant + 0.03 * np.sign(np.sin(a / 3.5))
    else:
        rise = 9 + 0.65 * (to_edge if rng.random() < 0.35 else to_side)
        light = 1 + 0.04 * np.sin(b * 2.1)
    canvas.albedo[:, *box][:, inside] = _tints(rng, roof, 1).T * (light + rng.normal(0, 0.035, a.shape))[inside]
    canvas.relief[box][inside] = rise[inside]
    canvas.truth[box][inside] = _BUILDING
    taken[box][plot] = True


def _window(shape: tuple[int, ...], at: Pixel, reach: int) -> tuple[tuple[slice, ...], Table, Table]:
    """The part of an image within `reach` of a pixel, and the rows and columns from that pixel."""
    box = tuple(slice(max(c - reach, 0), min(c + reach + 1, n)) for c, n in zip(at, shape, strict=True))
    y, x = (np.arange(s.start, s.stop) - c for s, c in zip(box, at, strict=True))
    return box, y[:, None], x


def _trees(rng: np.random.Generator, canvas: _Canvas, use: Table, bank: Floats, ground: Mask) -> None:
    """Plant crowns of several sizes on free ground: closed in woods, single by each pixel's use and along water."""
    closed = _noise(rng, use.shape, 55) > np.array([9, 1.9, 9, -0.7, 1.3])[use]
    forest = ndimage.binary_opening(ground & closed, iterations=3)
    canvas.albedo[:, forest] = np.array([[0.2], [0.23], [0.14], [0.4]])
    single = np.maximum(np.array([0.04, 0.005, 0.025, 0.035, 0.03])[use], 0.1 * (bank < 16))
    y, x = _sites(rng, use.shape)
    grown = rng.random(y.size) < np.where(forest, 0.9, single * ground)[y, x]
    y, x = y[grown], x[grown]
    kind = _noise(rng, use.shape, 60)[y, x]
    radius = np.clip(rng.normal(9.5 + 0.8 * kind, 1.8), 5, 14)
    tint = _tints(rng, "crown", y.size) * (1 + 0.1 * np.clip(kind, -1, 1))[:, None]
    crown = _crowns(canvas.relief, (y, x), (radius, radius * rng.uniform(1.3, 1.9, y.size)))
    leafy, leaves = crown >= 0, _noise(rng, use.shape, 1.6)[crown >= 0]
    canvas.albedo[:, leafy] = tint[crown[leafy]].T * (1 + 0.07 * leaves)
    canvas.relief[leafy] += 0.55 * leaves
    canvas.truth[forest | leafy] = _WOODLAND


def _crowns(relief: Floats, at: tuple[Table, Table], sizes: tuple[NDArray[Any], ...]) -> NDArray[np.int32]:
    """Raise domes of some radii and heights; gives the number of the tree on top, or -1, at each pixel."""
    crown = np.full(relief.shape, -1, np.int32)
    for tree, (row, column, radius, tall) in enumerate(zip(*at, *sizes, strict=True)):
        box, y, x = _window(relief.shape, (row, column), int(radius) + 1)
        dome = 1 - (y**2 + x**2) / radius**2
        rise = tall - 0.75 * radius * (1 - np.sqrt(np.clip(dome, 0, 1)))
        top = (dome > 0) & (rise > relief[box])
        relief[box][top] = rise[top]
        crown[box][top] = tree
    return crown


def _shade(rng: np.random.Generator, canvas: _Canvas) -> Floats:
    """Light the relief by a southern sun, with bluish skylight in the shadows it casts."""
    azimuth, climb = rng.uniform(-1, 1), math.tan(rng.uniform(0.65, 0.9))
    sun = math.cos(azimuth), math.sin(azimuth)
    slope_y, slope_x = (np.clip(s, -1.3, 1.3) for s in np.gradient(canvas.relief))
    facing = 1 - (sun[0] * slope_y + sun[1] * slope_x) / climb
    lit = np.clip(facing / np.sqrt(1 + slope_y**2 + slope_x**2), 0, 1.5)
    reach = int(canvas.relief.max() / climb) + 2
    wide = np.pad(canvas.relief, reach)
    for step in range(1, reach):
        y, x = (reach + round(s * step) for s in sun)
        lit[wide[y : y + lit.shape[0], x : x + lit.shape[1]] - step * climb > canvas.relief + 0.5] = 0
    sky = np.array([0.24, 0.28, 0.35, 0.2], np.float32)[:, None, None]
    return np.asarray(canvas.albedo * (sky + (1 - sky) * lit), np.float32)


def _sensor(rng: np.random.Generator, light: Floats, bands: int, dtype: str) -> NDArray[Any]:
    """What a camera makes of it: uneven illumination, blur, noise and whole numbers."""
    uneven = 1 + 0.05 * _noise(rng, light.shape[1:], max(light.shape))
    haze = 0.18 * light[:3].mean(0) + 0.02
    top = 255 if dtype == "uint8" else 4095
    image = np.empty((bands, *light.shape[1:]), dtype)
    for band in range(bands):
        seen = ndimage.gaussian_filter(light[band] if band == 3 else 0.82 * light[band] + haze, 0.7) * uneven
        seen += 0.018 * rng.standard_normal(seen.shape, dtype=np.float32)
        image[band] = np.clip(np.rint(seen * top), 0, top)
    return image
