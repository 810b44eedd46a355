"""What the tests share: small GeoTIFFs and point layers, written by rasterio and geopandas rather than by us."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import settings
from numpy.typing import ArrayLike
from ranges import serving
from rasterio.enums import ColorInterp
from shapely.geometry import Point

settings.register_profile("project", deadline=None)  # machines are noisy: speed is judged by benchmarks
settings.load_profile("project")

DATA = Path(os.environ.get("GEOPOINTSEG_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(scope="session")
def raster_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A factory of small GeoTIFFs: `raster_file(array)` writes (height, width) or (bands, height, width) and returns
    its path.

    By default in EPSG:32633 with 10 m pixels and the north-west corner at (400000, 5800000): the pixel in row r and
    column c has its centre at (400005 + 10 c, 5799995 - 10 r).

    Options: `name` and `folder` (a new folder by default); `crs` (None for none); `origin` (west, north); `pixel`
    (height, width) in units of the CRS; `transform` instead of both, for a rotated grid; `dtype` (the array's by
    default); `nodata` (declared value); `names` of the bands; `alpha` (height, width) 0 to 255, as one more band that
    says so; `mask` (height, width), not 0 where there is data, as a mask inside the file.
    """

    def write(
        array: ArrayLike,
        name: str = "image.tif",
        *,
        folder: Path | None = None,
        crs: str | None = "EPSG:32633",
        origin: tuple[float, float] = (400_000.0, 5_800_000.0),
        pixel: tuple[float, float] = (10.0, 10.0),
        transform: Affine | None = None,
        dtype: str | None = None,
        nodata: float | None = None,
        names: Sequence[str] = (),
        alpha: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Path:
        bands = np.asarray(array, dtype)
        bands = bands[None] if bands.ndim == 2 else bands
        if alpha is not None:
            bands = np.concatenate([bands, np.asarray(alpha, bands.dtype)[None]])
        count, height, width = bands.shape
        where = transform or Affine(pixel[1], 0, origin[0], 0, -pixel[0], origin[1])
        path = (folder or tmp_path_factory.mktemp("raster")) / name
        profile: dict[str, Any] = {"driver": "GTiff", "count": count, "height": height, "width": width, "crs": crs}
        profile |= {"dtype": bands.dtype, "transform": where, "nodata": nodata}
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as target:
            if alpha is not None:
                target.colorinterp = [*[ColorInterp.gray] * (count - 1), ColorInterp.alpha]
            target.write(bands)
            if mask is not None:
                target.write_mask(np.asarray(mask) != 0)
            for band, text in enumerate(names, 1):
                target.set_band_description(band, text)
        return path

    return write


@pytest.fixture
def points_file(tmp_path: Path) -> Callable[..., Path]:
    """A factory of vector layers: `points_file([(x, y, label), …])` writes a GeoPackage and returns its path.

    Options: `name` (its suffix chooses the format: .gpkg, .shp, .geojson); `field` with the labels (`landcover` by
    default); `crs` of the coordinates (EPSG:32633 by default, None for none); `layer`; `geometries` to use instead of
    the (x, y), such as None or a polygon; `columns`, more fields as {name: values}.
    """

    def write(
        rows: Iterable[tuple[float, float, Any]],
        name: str = "samples.gpkg",
        *,
        field: str = "landcover",
        crs: str | None = "EPSG:32633",
        layer: str | None = None,
        geometries: Sequence[Any] | None = None,
        columns: dict[str, Sequence[Any]] | None = None,
    ) -> Path:
        rows = list(rows)
        shapes = [Point(x, y) for x, y, _ in rows] if geometries is None else list(geometries)
        fields = {field: [label for *_, label in rows], **(columns or {})}
        path = tmp_path / name
        options = {"layer": layer} if layer else {}
        gpd.GeoDataFrame(fields, geometry=shapes, crs=crs).to_file(path, **options)
        return path

    return write


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real rasters: GEOPOINTSEG_DATA, else shared/data beside the checkout. Skips where it is missing."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}: set GEOPOINTSEG_DATA to the folder that holds it")
    return DATA


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, list[int]]]:
    """A folder that a web server of this machine gives out: the folder, its address, the bytes of each answer."""
    folder = tmp_path / "served"
    folder.mkdir()
    with serving(folder) as (address, sent):
        yield folder, address, sent
