"""Whether a raster is what a model was trained on: the wrong bands, type, scale or pixel size give a map that looks right.

Every refusal names what would bring the raster to the model, and all but missing bands can be allowed by name.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.raster import Raster, read

__all__ = ["Difference", "accept", "sample"]

Difference = Literal["band-names", "type", "pixel-size", "values"]

GDAL_TYPES = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "float32": "Float32"}
FACTOR = 10  # between scales; clouds or water make some bands differ by more, but not every one of them
PLACES, SIDE = 5, 64  # the values are looked at in 5 x 5 places of 64 x 64 pixels


def accept(raster: Raster, card: Mapping[str, Any], allow: Collection[Difference] = ()) -> Raster:
    """The raster with the model's bands.

    Args:
        raster: With all its bands.
        card: Of the model.
        allow: Differences that are no reason to refuse it.

    Raises:
        GeoPointSegError: bands, type, pixel size or values are not what the model was trained on.
    """
    if not set(card["bands"]) <= set(raster.bands):
        raise GeoPointSegError(
            f"expected the bands {card['bands']} the model was trained on, got {len(raster.bands)} bands in "
            f"{raster.path}: add the missing ones with 'gdalbuildvrt -separate'"
        )
    names = tuple(raster.names[raster.bands.index(band)] for band in card["bands"])
    if "band-names" not in allow:
        _check_names(raster, names, card)
    if "type" not in allow and raster.dtype != card["dtype"]:
        raise GeoPointSegError(
            f"expected {card['dtype']} pixels as in training, got {raster.dtype} in {raster.path}: rescale the raster to "
            f"the training's values and type, as with 'gdal_translate -ot {GDAL_TYPES.get(card['dtype'], card['dtype'])} "
            "-scale LOW HIGH NEW_LOW NEW_HIGH', or add --allow type if its values are on the same scale"
        )
    if "pixel-size" not in allow:
        _check_pixel_size(raster, card)
    chosen = replace(raster, bands=tuple(card["bands"]), names=names)
    if "values" not in allow:
        _check_values(chosen, card)
    return chosen


def _check_names(raster: Raster, names: tuple[str, ...], card: Mapping[str, Any]) -> None:
    """Refuse a band of training that stands in another place; names that training did not know say nothing."""
    trained = tuple(card["band_names"])
    moved = [name for name, here in zip(trained, names, strict=True) if name != here and name in raster.names]
    if not moved:
        return
    fix = "give it the bands of training, in their order"
    if set(trained) <= set(raster.names):
        order = " ".join(f"-b {raster.bands[raster.names.index(name)]}" for name in trained)
        fix = f"reorder it with 'gdal_translate {order}'"
    raise GeoPointSegError(
        f"expected the bands {', '.join(trained)} as in training, got {', '.join(names)} in {raster.path}: {fix}, or add "
        "--allow band-names if only the names are wrong"
    )


def _check_pixel_size(raster: Raster, card: Mapping[str, Any]) -> None:
    """Refuse a scale the model has never seen; degrees and metres are not compared."""
    if raster.grid.crs.is_geographic != card["geographic"]:
        return
    own, wanted = raster.grid.pixel_size, card["pixel_size"]
    if not all(0.5 <= here / there <= 2 for here, there in zip(own, wanted, strict=True)):
        raise GeoPointSegError(
            f"expected pixels of about {wanted[0]:g} x {wanted[1]:g} as in training, got {own[0]:g} x {own[1]:g} in "
            f"{raster.path}: resample with 'gdalwarp -tr {wanted[1]:g} {wanted[0]:g}', or add --allow pixel-size"
        )


def _check_values(raster: Raster, card: Mapping[str, Any]) -> None:
    """Refuse values of another scale (reflectance as 0 to 1 and as 0 to 10000, 8 and 16 bits) in every band."""
    if "high" not in card:  # a checkpoint of an early 0.1.0
        return
    usual = np.abs([card["low"], card["high"]]).max(axis=0)
    pixels = sample(raster)
    pixels = pixels[:, ~np.isnan(pixels).any(axis=0)]
    if not pixels.size or (np.ptp(pixels, axis=1) == 0).any():
        return  # nothing but nodata, or a band of one value, tells no scale
    found = np.abs(np.percentile(pixels, (2, 98), axis=1)).max(axis=0)
    ratio = found / usual
    if (ratio > FACTOR).all() or (ratio < 1 / FACTOR).all():
        raise GeoPointSegError(
            f"expected values of up to about {usual[0]:.3g} in band {card['bands'][0]} as in training, got up to about "
            f"{found[0]:.3g} in {raster.path}: bring them to the training's scale, as with 'gdal_translate -ot "
            f"{GDAL_TYPES.get(card['dtype'], card['dtype'])} -scale LOW HIGH NEW_LOW NEW_HIGH', or add --allow values"
        )


def sample(raster: Raster) -> np.ndarray:
    """Pixels from places spread over the raster: (bands, pixels)."""
    rows, cols = (
        np.unique(np.linspace(0, max(0, size - SIDE), PLACES).astype(int)).tolist() for size in raster.grid.shape
    )
    windows = [Window(row, col, SIDE, SIDE).within(*raster.grid.shape) for row in rows for col in cols]
    return np.concatenate([read(raster, window).reshape(len(raster.bands), -1) for window in windows], axis=1)
