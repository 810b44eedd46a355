"""Statistics: what the bands of rasters that go together look like, over all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopointseg.errors import GeoPointSegError
from geopointseg.grid import Window
from geopointseg.raster import Raster, find_rasters, open_raster, read

__all__ = ["Statistics", "decimated", "open_rasters", "statistics", "suspect_nodata"]

SAMPLE = 1024  # rows and columns that a decimated read for statistics takes at most


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the valid pixels of the bands look like; every tuple has one number per band."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...]
    """2nd percentile."""
    high: tuple[float, ...]
    """98th percentile."""


def open_rasters(
    inputs: Iterable[str | Path],
    *,
    crs: str | None = None,
    nodata: float | None = None,
    bands: Sequence[int] | None = None,
) -> tuple[list[Raster], Statistics]:
    """Find and open rasters that go together, and measure them.

    Bands without one valid pixel in any raster (a sensor's bad bands) are left out.

    Returns:
        The rasters, all with the same bands, and the statistics of those bands.

    Raises:
        GeoPointSegError: see `find_rasters` and `open_raster`; the rasters differ in bands; nothing is valid.
    """
    rasters = [open_raster(path, crs=crs, nodata=nodata, bands=bands) for path in find_rasters(inputs)]
    first = rasters[0]
    for raster in rasters[1:]:
        if raster.bands != first.bands or raster.dtype != first.dtype:
            raise GeoPointSegError(
                f"expected rasters alike in bands and type, got {len(first.bands)} {first.dtype} bands in "
                f"{first.path} and {len(raster.bands)} {raster.dtype} bands in {raster.path}: run them apart"
            )
    measured = statistics(rasters)
    good = [i for i, mean in enumerate(measured.mean) if np.isfinite(mean)]
    if not good:
        raise GeoPointSegError(f"expected some valid pixels, got only nodata in {first.path}: check its nodata value")
    chosen, names = tuple(first.bands[i] for i in good), tuple(first.names[i] for i in good)
    columns = (measured.mean, measured.std, measured.low, measured.high)
    return (
        [replace(raster, bands=chosen, names=names) for raster in rasters],
        Statistics(*(tuple(column[i] for i in good) for column in columns)),
    )


def decimated(raster: Raster, size: int = SAMPLE) -> NDArray[np.float32]:
    """The whole raster in about `size` rows and columns at most: (bands, height, width), NaN where there is no data."""
    step = max(1, -(-max(raster.grid.shape) // size))
    return read(raster, Window(0, 0, *raster.grid.shape), decimate=step)


def statistics(rasters: Sequence[Raster]) -> Statistics:
    """Mean, standard deviation and percentiles per band, from the valid pixels of decimated reads.

    A band without valid pixels gets NaN.
    """
    share = max(64, SAMPLE // int(np.ceil(np.sqrt(len(rasters)))))
    samples = [decimated(raster, share).reshape(len(raster.bands), -1) for raster in rasters]
    columns: list[tuple[float, float, float, float]] = []
    for band in range(len(rasters[0].bands)):
        values = np.concatenate([sample[band] for sample in samples])
        values = values[np.isfinite(values)].astype(np.float64)
        if values.size:
            low, high = np.percentile(values, (2, 98))
            columns.append((values.mean(), max(values.std(), 1e-6), low, max(high, low + 1e-6)))
        else:
            columns.append((np.nan,) * 4)
    return Statistics(*(tuple(float(v) for v in column) for column in zip(*columns, strict=True)))


def suspect_nodata(raster: Raster, share: float = 0.02) -> float | None:
    """The value that looks like an undeclared nodata: 0 or the type's maximum in every band of many pixels."""
    if raster.nodata is not None or np.dtype(raster.dtype).kind == "f":
        return None
    pixels = decimated(raster)
    for value in (0.0, float(np.iinfo(raster.dtype).max)):
        if (pixels == value).all(axis=0).mean() > share:
            return value
    return None
