"""Write the reference of the commands from their own parsers."""

from __future__ import annotations

import argparse
import typing
from typing import TYPE_CHECKING, Any

from docstring_parser import parse_from_object
from jsonargparse import ArgumentParser

from geopointseg import cli
from geopointseg.options import add_arguments

if TYPE_CHECKING:  # the tests read the hooks without MkDocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PAGE = "reference/commands.md"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    return files


def parser_of(command: str) -> ArgumentParser | None:
    """The parser of a command; none if Lightning parses for it (train)."""
    function = cli._function(cli.COMMANDS[command][0])
    if list(typing.get_type_hints(function)) == ["arguments", "return"]:
        return None
    parser = ArgumentParser(prog=f"geopointseg {command}", exit_on_error=False)
    add_arguments(parser, function)
    return parser


def page() -> str:
    """The whole page in Markdown."""
    head = [
        "# Commands",
        "",
        "`geopointseg COMMAND --help` says the same. A command ends with 0, with 1 if what was checked does not hold, with 2 if "
        "the input is wrong (one line says how; `--debug` shows where it came from), with 130 after Ctrl-C and with 143 after "
        "`kill`: nothing half-written is left by either.",
        "",
        "| command | what it does |",
        "|---|---|",
        *(f"| [`{name}`](#{name}) | {what} |" for name, (_, what, _) in cli.COMMANDS.items()),
        "",
    ]
    return "\n".join(head + [line for name in cli.COMMANDS for line in section(name)])


def section(command: str) -> list[str]:
    """What a command takes."""
    target = cli.COMMANDS[command][0]
    about = parse_from_object(cli._function(target))
    lines = [f"## {command}", "", about.short_description or "", ""]
    if about.long_description:
        lines += [about.long_description, ""]
    parser = parser_of(command)
    if parser is None:
        rows = "[Configuration](configuration.md) has the keys; each of them is an option too."
        usage = f"geopointseg {command} --config FILE [--KEY.KEY VALUE …]"
        return [*lines, "```text", usage, "```", "", rows, "", *source(target)]
    actions = [action for action in parser._actions if action.dest != "help"]
    places = [action for action in actions if not action.option_strings]
    needed = [action for action in actions if action.option_strings and action.required]
    words = [f"{action.dest.upper()}{' …' if action.nargs == '+' else ''}" for action in places]
    words += [f"{action.option_strings[0]} {value(action)}" for action in needed]
    lines += ["```text", f"geopointseg {command} {' '.join([*words, '[OPTIONS]'])}", "```", ""]
    lines += ["| argument or option | what it is | unless given |", "|---|---|---|"]
    for action in [*places, *needed, *(a for a in actions if a not in places and a not in needed)]:
        name = action.option_strings[0] if action.option_strings else action.dest.upper()
        shown = f"`{name}`" if isinstance(action, argparse._StoreTrueAction) else f"`{name}` {values(action)}"
        lines.append(f"| {shown if action.option_strings else f'`{name}`'} | {cell(action.help)} | {default(action)} |")
    return [*lines, "", *source(target)]


def source(target: str) -> list[str]:
    """Which function it is."""
    module, function = target.split(":")
    return [f"In Python: `{module}.{function}`.", ""]


def value(action: argparse.Action) -> str:
    """What stands for a value in the usage line."""
    return action.dest.upper().replace("_", "-") + (" …" if action.nargs == "+" else "")


def values(action: argparse.Action) -> str:
    """The choices there are, or the kind of value."""
    choices = [one for one in literals(getattr(action, "_typehint", None)) if one is not None]
    if choices:
        return " ".join(f"`{choice}`" for choice in choices)
    kinds = str(getattr(action, "_typehint", "")).lower()
    kind = next((k for k in ("path", "int", "float", "dict", "str") if k in kinds), "")
    word = {"path": "PATH", "int": "N", "float": "X", "dict": "{…}", "str": "TEXT"}.get(kind, "VALUE")
    return (
        f"{word} …"
        if action.nargs == "+"
        else " ".join([word] * (action.nargs if isinstance(action.nargs, int) else 1))
    )


def literals(hint: object) -> list[Any]:
    """The values of every Literal within a type."""
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    return [value for part in typing.get_args(hint) for value in literals(part)]


def default(action: argparse.Action) -> str:
    """What holds if it is not given."""
    if action.required:
        return "needed"
    if action.default in (None, False, ()) or action.default == []:
        return "–"
    return cell(f"`{action.default}`")


def cell(text: str | None) -> str:
    """Text within one cell of a table."""
    return " ".join((text or "").replace("%%", "%").replace("|", "\\|").split())
