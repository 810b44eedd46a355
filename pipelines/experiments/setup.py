"""What one cell of an experiment does: images, clicks, how clicks spread, method, and what of its options is changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args, get_type_hints

from geopointseg.errors import GeoPointSegError
from geopointseg.labels.pseudomask import Spreading
from pipelines.experiments.clicks import Clicks

__all__ = ["METHODS", "TRAINED", "Images", "Method", "Setup", "read_setup", "show", "spell"]

Method = Literal[
    "network", "lssqps", "dense", "pixel-forest", "object-forest", "nearest", "nearest-place", "orfeo-forest"
]
METHODS: tuple[Method, ...] = get_args(Method)
TRAINED: tuple[Method, ...] = ("network", "lssqps", "dense")
"""The methods that steps and chips matter to."""


@dataclass(frozen=True, slots=True)
class Images:
    """Which of the setting's images are used, and what of them."""

    share: float = 1.0
    """Of the images to learn from."""
    train: str = ""
    """What the names of the images to learn from begin with, such as a date."""
    test: str = ""
    """Likewise, of the images that are judged."""
    bands: tuple[int, ...] = ()
    """Bands, from 1 on; none for all."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One setup."""

    method: Method = "network"
    vote: bool = False
    """Whether every superpixel of the map takes the class that most of its pixels have."""
    images: Images = field(default_factory=Images)
    clicks: Clicks = field(default_factory=Clicks)
    spreading: Spreading = field(default_factory=Spreading)
    data: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of PointDataModule."""
    task: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of PointSegmentationTask."""


PARTS: dict[str, type[Any]] = {"images": Images, "clicks": Clicks, "spreading": Spreading}
SUPERPIXELS = "spreading.superpixels"
"""Superpixels per 512² pixels, instead of their size."""


def read_setup(said: Mapping[str, Any]) -> Setup:
    """A setup from flat keys, such as `{"method": "network", "clicks.count": 20, "task.loss": "focal"}`.

    Args:
        said: Values by key: `method`, `vote`, and `PART.NAME` of the parts images, clicks, spreading, data and task.

    Raises:
        GeoPointSegError: a key or a value that means nothing.
    """
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for key, value in said.items():
        part, _, name = key.partition(".")
        if part in ("method", "vote") and not name:
            own[part] = value
        elif name and (part in PARTS or part in ("data", "task")):
            parts.setdefault(part, {})[name] = tuple(value) if key == "images.bands" else value
        else:
            raise GeoPointSegError(
                f"expected keys as method, vote, images.NAME, clicks.NAME, spreading.NAME, data.NAME and task.NAME, got "
                f"{key}: docs/experiments.md lists them"
            )
    spreading = parts.get("spreading", {})
    if "superpixels" in spreading:
        spreading["size"] = max(2, 512**2 // _counted(SUPERPIXELS, spreading.pop("superpixels")))
    setup = Setup(
        **own,
        **{part: _part(part, PARTS[part], values) for part, values in parts.items() if part in PARTS},
        data=parts.get("data", {}),
        task=parts.get("task", {}),
    )
    _require_choice("method", setup.method, METHODS)
    _counted("clicks.count", setup.clicks.count)
    return setup


def _part(part: str, kind: type[Any], values: Mapping[str, Any]) -> Any:  # noqa: ANN401 (one of PARTS)
    """One of the parts from its values."""
    known = [one.name for one in fields(kind)]
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name not in known:
            raise GeoPointSegError(f"expected {part}. and one of {', '.join(known)}, got {part}.{name}: change the key")
        if choices := get_args(hints[name]):
            if all(isinstance(choice, str) for choice in choices):
                _require_choice(f"{part}.{name}", value, choices)
        elif hints[name] is float and not isinstance(value, int | float):
            raise GeoPointSegError(f"expected a number as {part}.{name}, got {value!r}: change it")
        elif hints[name] is str and not isinstance(value, str):
            raise GeoPointSegError(f"expected text as {part}.{name}, got {value!r}: put it into quotes")
    return kind(**values)


def _require_choice(key: str, value: object, choices: tuple[Any, ...]) -> None:
    """Refuse what is not among the choices."""
    if value not in choices:
        raise GeoPointSegError(f"expected {key} among {', '.join(choices)}, got {value}: change it")


def _counted(key: str, value: object) -> int:
    """A whole number from 1 on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise GeoPointSegError(f"expected a whole number from 1 on as {key}, got {value!r}: change it")
    return value


def spell(setup: Setup) -> dict[str, Any]:
    """A setup as plain values, for JSON."""
    said = asdict(setup)
    said["spreading"].pop("affinity")  # never given here, and a path says nothing elsewhere
    return said


def show(value: object) -> str:
    """A value in a table: what YAML would say, without quotes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "all" if value == "" else "none"
    if isinstance(value, Mapping):
        return " + ".join(_share(name, share) for name, share in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(show, value)) if value else "all"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _share(name: str, share: object) -> str:
    """One of several: its name, with its share, or with its options in brackets."""
    if not isinstance(share, Mapping):
        return name if share == 1 else f"{show(share)} {name}"
    options = [f"{key} {show(value)}" for key, value in share.items()]
    return f"{name} ({', '.join(options)})"
