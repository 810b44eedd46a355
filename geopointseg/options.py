"""Options: a function's signature and docstring as the arguments of a command, and back again as what it is called with."""

import inspect
import re
import typing
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, Literal, TypeVar

from docstring_parser import parse_from_object
from jsonargparse import ArgumentParser

from geopointseg.errors import GeoPointSegError

__all__ = ["add_arguments", "call"]

T = TypeVar("T")


def call(function: Callable[..., T], prog: str, arguments: list[str]) -> T:
    """Parse the arguments by the function's signature and call it: what stands before `*` is positional.

    Raises:
        GeoPointSegError: a value is none of those there are, an option is missing, or there is none such.
    """
    hints = typing.get_type_hints(function)
    if list(hints) == ["arguments", "return"]:  # LightningCLI parses for itself
        return function(arguments)
    about = parse_from_object(function).short_description
    parser = ArgumentParser(prog=prog, description=about, exit_on_error=False)
    add_arguments(parser, function)
    try:
        values = vars(parser.parse_args(arguments))
    except ArgumentError as error:
        said = _wrong_value(str(error), _kinds(function)) or str(error)
        raise GeoPointSegError(f"{said}: see '{prog} --help'") from error
    return function(**_gather(function, values))


def _wrong_value(said: str, kinds: Mapping[str, object]) -> str:
    """What to say of a value that is none of those there are; empty where jsonargparse speaks of something else.

    Its own words are about Python's types.
    """
    found = re.search(r'^Parser key "(\w+)".*(?:Got|Given) value: (.*)', said, re.DOTALL)
    allowed = _allowed(kinds.get(found[1])) if found else ""
    if not found or not allowed:
        return ""
    return f"expected {allowed} for --{found[1].replace('_', '-')}, got {found[2].strip()}"


def _allowed(kind: object) -> str:
    """The values of a type in words; empty where it takes more than can be said."""
    parts = [kind, *typing.get_args(kind)]
    choices = [str(value) for part in parts if typing.get_origin(part) is Literal for value in typing.get_args(part)]
    if choices:
        return f"one of {', '.join(choices)}"
    return "a number" if float in parts else "a whole number" if int in parts else ""


def _kinds(target: Callable[..., Any]) -> dict[str, object]:
    """The type of every argument, fields of dataclasses among them."""
    hints, found = typing.get_type_hints(target), dict[str, object]()
    for name in inspect.signature(target).parameters:
        kind = hints[name]
        found |= _kinds(kind) if is_dataclass(kind) and isinstance(kind, type) else {name: kind}
    return found


def add_arguments(parser: ArgumentParser, target: Callable[..., Any]) -> None:
    """Every parameter as an argument; one that is a dataclass gives its fields as options."""
    hints = typing.get_type_hints(target)
    helps = {p.arg_name: p.description or "" for p in parse_from_object(target).params}
    for name, parameter in inspect.signature(target).parameters.items():
        if is_dataclass(hints[name]):
            add_arguments(parser, hints[name])
        else:
            positional = parameter.kind is not parameter.KEYWORD_ONLY and not is_dataclass(target)
            _add_argument(parser, parameter, hints[name], helps.get(name, ""), positional=positional)


def _gather(target: Callable[..., Any], values: dict[str, Any]) -> dict[str, Any]:
    """The parsed values as arguments, fields put together to their dataclass."""
    hints = typing.get_type_hints(target)
    return {
        name: hints[name](**_gather(hints[name], values)) if is_dataclass(hints[name]) else values[name]
        for name in inspect.signature(target).parameters
    }


def _add_argument(
    parser: ArgumentParser, parameter: inspect.Parameter, kind: object, text: str, *, positional: bool
) -> None:
    """One parameter as a positional argument or as an option."""
    options: dict[str, Any] = {"help": text, "type": kind}
    for part in (kind, *typing.get_args(kind)):
        if typing.get_origin(part) in (Sequence, list):  # several values, given as a b c
            options |= {"nargs": "+", "type": typing.get_args(part)[0]}
        elif typing.get_origin(part) is tuple:
            options |= {"nargs": len(typing.get_args(part)), "type": typing.get_args(part)[0]}
    if positional:
        parser.add_argument(parameter.name, **options)
        return
    if kind is bool:
        options = {"help": text, "action": "store_true"}
    elif parameter.default is parameter.empty:
        options["required"] = True
    else:
        options["default"] = parameter.default
    parser.add_argument(f"--{parameter.name.replace('_', '-')}", **options)
