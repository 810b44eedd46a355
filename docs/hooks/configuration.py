"""Write the reference of the YAML configuration from the constructors whose arguments its keys are."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from docstring_parser import parse_from_object

if TYPE_CHECKING:  # the tests read the hooks without MkDocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "reference/configuration.md"
INTRODUCTION = """# Configuration

`geopointseg train --config FILE` reads YAML whose keys are the arguments of the constructors below, and nothing else; each is
an option of the command line too, which goes before the file: `--data.steps 1000 --model.lr 0.0005`. `configs/default.yaml` has
every key of `geopointseg run` with its default, and [Training recipes](../training-recipes.md) the other files.

| key at the top | what it is | unless given |
|---|---|---|
| `seed_everything` | seed of what is drawn outside the data | `0` |
| `out` | folder for `model/`, `model.ckpt` and `log/` | `result` |
| `overwrite` | replace an existing model | `false` |
| `resume` | go on with a training that was broken off | `false` |
| `data`, `model`, `keeping` | see below | |
| `trainer` | arguments of Lightning's `Trainer`: `devices`, `strategy`, `precision`, `logger`, … | [as `run` sets them](../training.md) |
"""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The whole page in Markdown."""
    from geopointseg.learning.augment import Augmentation
    from geopointseg.learning.data import PointDataModule
    from geopointseg.learning.keeping import Keeping
    from geopointseg.learning.task import PointSegmentationTask
    from geopointseg.learning.unlabelled import Unlabelled

    parts = {
        "data": PointDataModule,
        "data.augmentation": Augmentation,
        "model": PointSegmentationTask,
        "model.unlabelled": Unlabelled,
        "keeping": Keeping,
    }
    return "\n".join([INTRODUCTION, *(line for key, made in parts.items() for line in section(key, made))])


def section(key: str, made: Callable[..., Any]) -> list[str]:
    """The arguments of one constructor as a table."""
    module = made.__module__.removeprefix("geopointseg.")
    lines = [f"## {key}", "", f"Arguments of `geopointseg.{module}.{made.__name__}`.", ""]
    lines += ["| key | what it is | unless given |", "|---|---|---|"]
    helps = {p.arg_name: p.description or "" for p in parse_from_object(made).params}
    if not dataclasses.is_dataclass(made):
        helps |= {p.arg_name: p.description or "" for p in parse_from_object(made.__init__).params}  # type: ignore[misc]  # a class's own
    for name, parameter in inspect.signature(made).parameters.items():
        if key == "model" and name == "card":  # linked to the data
            continue
        kind = parameter.annotation
        choices = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
        text = " ".join(helps.get(name, "").split()) + "".join(f" `{choice}`" for choice in choices)
        lines.append(f"| `{name}` | {text.replace('|', chr(92) + '|')} | {default(parameter.default)} |")
    return [*lines, ""]


def default(value: object) -> str:
    """A default as YAML has it."""
    if value is inspect.Parameter.empty:
        return "needed"
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if dataclasses.is_dataclass(value):
        return "see below"
    return f"`{value}`" if value != () else "–"
