"""A model as an ONNX file for other programs, QGIS's plugin Deepness first of all."""

import json
from collections.abc import Mapping
from pathlib import Path

from rasterio.crs import CRS

from geopointseg import __version__
from geopointseg.errors import GeoPointSegError
from geopointseg.files import replacing, require_new
from geopointseg.learning.bundle import load
from geopointseg.learning.graph import onnx_graph
from geopointseg.learning.task import PointSegmentationTask

__all__ = ["deepness", "export"]

OVERLAP = 12  # percent of a tile: 61 of 512 pixels


def export(model: str | Path, *, onnx: Path, tile: int = 512, any_size: bool = False, overwrite: bool = False) -> Path:
    """Write a model as one ONNX file, from a raster's own values to probabilities of the classes.

    The normalisation is inside. The batch is of any size.

    Args:
        model: The folder model/ that 'geopointseg train' or 'run' wrote, a checkpoint, or hf://organisation/name.
        onnx: The file to write, ending in .onnx.
        tile: Height and width of the pictures that it takes, a multiple of 32.
        any_size: Take pictures of any sides that are multiples of 32 instead; Deepness does not load such a file.
        overwrite: Replace an existing file.

    Returns:
        The file.

    Raises:
        GeoPointSegError: no model, a tile of another size, a file that exists, or onnx or onnxscript is not installed.
    """
    if tile < 32 or tile % 32:
        raise GeoPointSegError(f"expected a tile whose side is a multiple of 32, got {tile}: 512 is a good one")
    if onnx.suffix.lower() != ".onnx":
        raise GeoPointSegError(f"expected a file ending in .onnx as --onnx, got {onnx}: name it model.onnx")
    require_new(onnx, overwrite=overwrite)
    task = load(model)
    nodata = task.hparams["card"]["nodata"]
    graph = onnx_graph(task, side=None if any_size else tile, nodata=None if nodata is None else float(nodata))
    with replacing(onnx, overwrite=overwrite) as partial:
        partial.write_bytes(with_metadata(graph, deepness(task, tile)))
    return onnx


def deepness(task: PointSegmentationTask, tile: int) -> dict[str, str]:
    """What the QGIS plugin Deepness reads of a model, each value as JSON.

    Its documentation lists most of the keys and its code reads the rest (docs/backends.md). It gives the network values
    that it has divided by 255, less `standardization_mean`, divided by `standardization_std`: 0 and 1/255 give the
    network the raster's own values.

    Args:
        task: With a card.
        tile: Side of the square that the model takes, in pixels.
    """
    card = task.hparams["card"]
    bands = len(card["bands"])
    facts: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": {str(record["id"]): record["name"] for record in card["classes"]},
        "tile_size": tile,  # as its code has it
        "tiles_size": tile,  # as its documentation has it
        "tiles_overlap": OVERLAP,
        "standardization_mean": [0.0] * bands,
        "standardization_std": [1 / 255] * bands,
        "seg_thresh": 0.0,  # what is less likely than this would become the first class
        "seg_small_segment": 0,
    }
    if not card["geographic"]:  # Deepness works in metres alone
        metres = CRS.from_user_input(card["crs"]).linear_units_factor[1]
        facts["resolution"] = round(100 * metres * sum(card["pixel_size"]) / 2, 6)
    return {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}


def with_metadata(graph: bytes, facts: Mapping[str, str]) -> bytes:
    """An ONNX model with these entries in its metadata, checked.

    Args:
        graph: An ONNX model.
        facts: Its metadata.
    """
    import onnx  # here: an extra

    found = onnx.load_model_from_string(graph)
    found.producer_name, found.producer_version = "geopointseg", __version__
    onnx.helper.set_model_props(found, dict(facts))
    onnx.checker.check_model(found)
    written: bytes = found.SerializeToString()
    return written
