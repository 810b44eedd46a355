"""Where a map comes from, as GeoTIFF tags: enough to tell whether another would be the same, and nothing of the machine."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geopointseg import __version__
from geopointseg.learning.bundle import serialized
from geopointseg.learning.hub import is_on_hub
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.raster import Raster
from geopointseg.remote import plain_name

__all__ = ["SOFTWARE", "model_tags", "raster_tags"]

SOFTWARE = f"geopointseg {__version__}"


def model_tags(models: Mapping[str, PointSegmentationTask], options: Mapping[str, Any]) -> dict[str, str]:
    """Tags that say what maps were made with.

    Args:
        models: The models, loaded, by what the user called them; of a path only the last part is kept.
        options: Whatever else changes a map.

    Returns:
        SOFTWARE; MODEL, the name; MODEL_SHA256 of the weights, which model.json has as file:checksum; and OPTIONS, as JSON.
        Several names and hashes have commas between them.
    """
    return {
        "SOFTWARE": SOFTWARE,
        "MODEL": ", ".join(name if is_on_hub(name) else Path(name).resolve().name for name in models),
        "MODEL_SHA256": ", ".join(hashlib.sha256(serialized(task)).hexdigest() for task in models.values()),
        "OPTIONS": json.dumps(dict(options), sort_keys=True),
    }


def raster_tags(raster: Raster) -> dict[str, str]:
    """Tags that say what a map is a map of: RASTER, the file's name, and RASTER_SHA256 of its metadata."""
    return {"RASTER": plain_name(raster.path), "RASTER_SHA256": _metadata_hash(raster)}


def _metadata_hash(raster: Raster) -> str:
    """SHA-256 of what is known of a raster without reading its pixels: size of the file, grid, bands, type, nodata."""
    grid = raster.grid
    facts = {
        "bytes": raster.path.stat().st_size if raster.path.is_file() else None,
        "crs": grid.crs.to_wkt(),
        "transform": list(grid.transform)[:6],
        "shape": grid.shape,
        "bands": raster.bands,
        "names": raster.names,
        "dtype": raster.dtype,
        "nodata": str(raster.nodata),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
