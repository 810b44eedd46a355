"""What our STAC items share: the versions they are written in, and classes in the words of STAC."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["STAC", "TIMELESS", "extensions", "stac_classes"]

STAC = "1.1.0"
TIMELESS: dict[str, str | None] = {
    "datetime": None,
    "start_datetime": "1900-01-01T00:00:00Z",
    "end_datetime": "9999-12-31T23:59:59Z",
}
"""Times of an item that knows none, as in MLM's own examples; not now, so that the same work gives the same file."""
VERSIONS = {
    "classification": "v2.0.0",
    "file": "v2.1.0",
    "mlm": "v1.4.0",
    "processing": "v1.2.0",
    "projection": "v2.0.0",
}


def extensions(*names: str) -> list[str]:
    """The schemas of the extensions that an item uses."""
    return [f"https://stac-extensions.github.io/{name}/{VERSIONS[name]}/schema.json" for name in names]


def stac_classes(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries of `classification:classes`.

    Args:
        records: Of `Classes.records`.
    """
    return [
        {
            "value": record["id"],
            # the extension allows no other marks in a name
            "name": re.sub(r"[^0-9A-Za-z_-]+", "_", record["name"]).strip("_") or f"class_{record['id']}",
            "title": record["name"],
            "description": record["name"],
            "color_hint": record["color"].lstrip("#").upper(),
        }
        for record in records
    ]
