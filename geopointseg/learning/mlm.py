"""What is known of a model, in the words of the STAC Machine Learning Model extension (MLM).

A STAC 1.1.0 item with MLM v1.4.0 (https://github.com/stac-extensions/mlm), so that catalogues can find the model and
other programs can feed it; what is ours alone stands under geopointseg:….
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rasterio.crs import CRS

from geopointseg import __version__
from geopointseg.learning.models import RANDOM
from geopointseg.learning.task import PointSegmentationTask
from geopointseg.stac import STAC, TIMELESS, extensions, stac_classes

__all__ = ["SHA256", "describe"]

SHA256 = "1220"
"""How a multihash, which file:checksum asks for, begins: SHA-256, 32 bytes."""


def describe(
    task: PointSegmentationTask, options: Mapping[str, Any], *, weights: str, size: int, digest: str
) -> dict[str, Any]:
    """The STAC item of a task, as plain values.

    Args:
        task: With a card.
        options: The arguments, beside the card, that build the task again.
        weights: Name of the file with its weights.
        size: Of that file, in bytes.
        digest: SHA-256 of that file, in hex.
    """
    card, crs = task.hparams["card"], CRS.from_user_input(task.hparams["card"]["crs"])
    height, width = card["pixel_size"]
    properties: dict[str, Any] = {
        "title": f"Land cover: {', '.join(record['name'] for record in card['classes'])}",
        "description": f"Made by geopointseg from labelled points on pixels of {height:g} × {width:g}, {card['crs'][:60]}.",
        **TIMELESS,
        "bands": _bands(card),
        "processing:software": {"geopointseg": __version__},
        "mlm:name": "geopointseg land-cover model",
        "mlm:architecture": f"{task.hparams['model']}, {task.hparams['backbone']}",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "PyTorch",
        "mlm:framework_version": torch.__version__,
        "mlm:total_parameters": sum(parameter.numel() for parameter in task.parameters()),
        **_pretrained(task.weights),
        "mlm:hyperparameters": dict(options),
        "mlm:input": [_input(card)],
        "mlm:output": [_output(card)],
        "geopointseg:bfloat16": asdict(task.agreement) if task.agreement else None,
        "geopointseg:card": card | {"nodata": _plain(card["nodata"])},
    }
    if not card["geographic"]:
        properties["gsd"] = max(height, width) * crs.linear_units_factor[1]  # metres
    return {
        "type": "Feature",
        "stac_version": STAC,
        "stac_extensions": extensions("mlm", "classification", "file", "processing"),
        "id": f"geopointseg-{digest[:16]}",
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": {
            "model": {
                "href": f"./{weights}",
                "type": "application/octet-stream",
                "title": "Weights and buffers of geopointseg's PointSegmentationTask",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "safetensors.torch.save_file",
                "file:size": size,
                "file:checksum": SHA256 + digest,
            }
        },
    }


def _plain(nodata: float | None) -> float | str | None:
    """A nodata value as JSON can hold it: NaN and the infinities are words in STAC too."""
    return str(nodata) if nodata is not None and nodata - nodata != 0 else nodata


def _bands(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The bands as STAC 1.1 describes them."""
    columns = zip(card["bands"], card["band_names"], card["mean"], card["std"], strict=True)
    return [
        {
            "name": name,
            "description": f"band {number} of the rasters it was trained on",
            "data_type": card["dtype"],
            **({} if card["nodata"] is None else {"nodata": _plain(card["nodata"])}),
            "statistics": {"mean": mean, "stddev": std},
        }
        for number, name, mean, std in columns
    ]


def _input(card: Mapping[str, Any]) -> dict[str, Any]:
    """What goes in, in MLM's words."""
    return {
        "name": "raster",
        "description": "The raster's own values; the model scales them itself, as value_scaling says. NaN where there is "
        "no data. Height and width are multiples of 32; training saw chips of "
        f"{card['chip']} × {card['chip']} pixels.",
        "bands": list(card["band_names"]),
        "input": {
            "shape": [-1, len(card["bands"]), -1, -1],
            "dim_order": ["batch", "channel", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": [
            {"type": "z-score", "mean": mean, "stddev": std}
            for mean, std in zip(card["mean"], card["std"], strict=True)
        ],
        "resize_type": None,
        "pre_processing_function": None,
    }


def _output(card: Mapping[str, Any]) -> dict[str, Any]:
    """What comes out, in MLM's words."""
    return {
        "name": "classes",
        "description": "Logits; the class is the largest.",
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [-1, len(card["classes"]), -1, -1],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": stac_classes(card["classes"]),
        "post_processing_function": None,
    }


def _pretrained(weights: object) -> dict[str, Any]:
    """What training began with: no path, which would say something of the machine."""
    if weights in RANDOM:
        return {"mlm:pretrained": False, "mlm:pretrained_source": None}
    source = "ImageNet" if weights is True else Path(str(weights)).name
    return {"mlm:pretrained": True, "mlm:pretrained_source": source}
