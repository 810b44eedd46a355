"""A synthetic scene on disk: raster and dense truth, for the demo, the tests and the docs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from affine import Affine

from geopointseg.classes import UNLABELLED, Classes
from geopointseg.errors import GeoPointSegError
from geopointseg.files import new_folder
from geopointseg.grid import Grid
from geopointseg.raster import creating, parse_crs
from geopointseg.synthetic import CLASS_NAMES, draw_scene

__all__ = ["Scene", "write_scene"]

ORIGIN = {False: (392_000.0, 5_806_000.0), True: (13.4, 52.4)}  # west and north edge in metres, or in degrees
BAND_NAMES = ("red", "green", "blue", "nir")


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a scene lies."""

    image: Path
    truth: Path
    shares: dict[str, float]
    """Share of the pixels of each class."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything written."""
        return self.image, self.truth

    def __str__(self) -> str:
        """The class shares."""
        return "\n".join(f"{share:6.1%}  {name}" for name, share in self.shares.items())


def write_scene(
    out: Path,
    *,
    height: int = 2048,
    width: int = 2048,
    bands: Literal[3, 4] = 3,
    dtype: Literal["uint8", "uint16"] = "uint8",
    crs: str = "EPSG:32633",
    res: float = 0.5,
    seed: int = 0,
    overwrite: bool = False,
) -> Scene:
    """Make a synthetic scene with dense truth.

    Args:
        out: Folder for image.tif and truth.tif.
        height: Rows.
        width: Columns.
        bands: 3 for red, green, blue; 4 with near infrared.
        dtype: uint8, or uint16 with 12 bits in use.
        crs: Where it pretends to be.
        res: Pixel size in units of the CRS.
        seed: The same seed gives the same scene.
        overwrite: Replace existing files.

    Returns:
        The files, and the share of each class.
    """
    if seed < 0 or res <= 0:
        raise GeoPointSegError(f"expected a seed from 0 on and a pixel size above 0, got {seed} and {res}")
    image, truth = draw_scene(height, width, bands=bands, dtype=dtype, seed=seed)
    parsed = parse_crs(crs)
    west, north = ORIGIN[parsed.is_geographic]
    grid = Grid(parsed, Affine(res, 0, west, 0, -res, north), height, width)
    classes = Classes.of(CLASS_NAMES)
    order = np.array([classes.names.index(name) for name in CLASS_NAMES], np.uint8)
    truth = order[truth]  # ids by name, as everywhere
    new_folder(out)
    paths = out / "image.tif", out / "truth.tif"
    with (
        creating(paths[0], grid, count=bands, dtype=dtype, overwrite=overwrite) as image_file,
        creating(paths[1], grid, nodata=UNLABELLED, overwrite=overwrite) as truth_file,
    ):
        image_file.write(image)
        image_file.descriptions = BAND_NAMES[:bands]
        truth_file.write(truth, 1)
        truth_file.write_colormap(1, classes.colormap())
        truth_file.update_tags(CLASSES=classes.to_tag())
    counts = np.bincount(truth.ravel(), minlength=len(classes)) / truth.size
    return Scene(*paths, dict(zip(classes.names, map(float, counts), strict=True)))
