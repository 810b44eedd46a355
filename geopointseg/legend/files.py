"""Legend files: the user's classes from a YAML file, a CSV or a QGIS style."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

import yaml

from geopointseg.colors import parse_color
from geopointseg.errors import GeoPointSegError
from geopointseg.legend.classify import Legend, quoted, whole
from geopointseg.legend.styles import Entry, categories, read_bytes

__all__ = ["read_legend"]

YAML_KEYS = ("classes", "rename", "merge", "drop")
CLASS_KEYS = ("name", "code", "color")


def read_legend(path: Path) -> Legend:
    """Read the user's classes.

    Args:
        path: One of

            * `.yaml`: `classes`, a list of names or of `{name, code, color}` in the order of their ids; `rename` and
              `merge`, each `{value: name}`; `drop`, a list of values. At least one of them.
            * `.qml`: a QGIS style, categorised (vector) or paletted (raster). A category of several values merges them.
            * `.csv`: a header with `name` and, if wanted, `code` and `color`; comma, semicolon or tab; in UTF-8.
              Rows of one name are merged.

    Raises:
        GeoPointSegError: the file is missing, too large, malformed, or contradicts itself.
    """
    path = Path(path)
    readers = {".yaml": _read_yaml, ".yml": _read_yaml, ".qml": _read_qml, ".csv": _read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise GeoPointSegError(f"expected classes as a .yaml, .qml or .csv file, got {path}: save them as one of these")
    return reader(read_bytes(path), path.name)


def _read_yaml(data: bytes, source: str) -> Legend:
    """The legend of a classes.yaml."""
    try:
        # BaseLoader builds nothing but text, lists and mappings, and leaves no, 010 and 1e3 as the user wrote them
        content = yaml.load(_decoded(data, source), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise GeoPointSegError(
            f"expected YAML, got {source} with a fault{f' in line {mark.line + 1}' if mark else ''}: "
            "check it, and put names and colours with #, : or , in quotes"
        ) from error
    content = content if isinstance(content, dict) else {}
    if not content or not content.keys() <= set(YAML_KEYS):
        came = quoted(key for key in content if key not in YAML_KEYS) or "none of them"
        raise GeoPointSegError(f"expected some of the keys {', '.join(YAML_KEYS)} in {source}, got {came}: rename it")
    classes = _list(content, "classes", "names, or mappings of name, code and color,", source)
    entries = [_yaml_entry(item, source) for item in classes]
    legend = _legend(entries, source)
    if len(legend.names) < len(entries):
        twice = next(name for name, n in Counter(entry.name for entry in entries).items() if n > 1)
        raise GeoPointSegError(
            f"expected every class of {source} once, got {twice!r} again: list its values under merge"
        )
    rename, merge = _mapping(content, "rename", source), _mapping(content, "merge", source)
    values = _joined([*legend.values.items(), *rename.items(), *merge.items()], source)
    drop = _list(content, "drop", "values", source)
    dropped = frozenset(_text(value, "a value under drop", source) for value in drop)
    _refuse_contradictions(legend.names, values, dropped, rename, merge, source)
    return replace(legend, values=values, dropped=dropped)


def _refuse_contradictions(
    names: tuple[str, ...],
    values: Mapping[str, str],
    dropped: frozenset[str],
    rename: Mapping[str, str],
    merge: Mapping[str, str],
    source: str,
) -> None:
    """Say what does not go together in a classes.yaml."""
    for name in rename.values():
        same = [value for value, target in values.items() if target == name]
        if len(same) > 1:
            raise GeoPointSegError(
                f"expected a name of its own for every value under rename in {source}, got {name!r} for {quoted(same)}: "
                "to make them one class, list them under merge"
            )
    for name in merge.values():
        if values.get(name, name) != name:
            raise GeoPointSegError(
                f"expected final names under merge in {source}, got {name!r}, which becomes {values[name]!r}: "
                f"merge into {values[name]!r}"
            )
    both = dropped & (values.keys() | set(names))
    if both:
        raise GeoPointSegError(
            f"expected values to stay or to go, got {quoted(sorted(both))} under drop and elsewhere in {source}: keep one"
        )
    strange = [name for name in values.values() if names and name not in names and name not in dropped]
    if strange:
        raise GeoPointSegError(
            f"expected names that {source} lists under classes ({quoted(names)}), got {strange[0]!r}: add it there"
        )


def _yaml_entry(item: object, source: str) -> Entry:
    """A class of a classes.yaml: its name, or a mapping."""
    if not isinstance(item, dict):
        name = _text(item, "the name of a class", source)
        return Entry(name, _values("", name))
    unknown = [key for key in item if key not in CLASS_KEYS]
    if unknown:
        raise GeoPointSegError(
            f"expected {', '.join(CLASS_KEYS)} for a class in {source}, got {quoted(unknown)}: rename it"
        )
    name = _text(item.get("name"), "the name of a class", source)
    code = _text(item["code"], f"a code for {name!r}", source) if "code" in item else ""
    if item.get("color") == "":
        raise GeoPointSegError(
            f"expected a colour for {name!r} in {source}, got nothing: put it in quotes, as # begins a comment"
        )
    parts = item.get("color", [])
    numbers = [
        _text(part, f"a colour for {name!r}", source) for part in (parts if isinstance(parts, list) else [parts])
    ]
    return Entry(name, _values(code, name), parse_color(",".join(numbers), name, source) if numbers else "")


def _read_csv(data: bytes, source: str) -> Legend:
    """The legend of a table."""
    text = _decoded(data, source)
    first = text.partition("\n")[0]
    try:
        table = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
        rows = [[cell.strip() for cell in row] for row in table if any(map(str.strip, row))]
    except csv.Error as error:
        raise GeoPointSegError(
            f"expected a table, got {source} with a fault ({error}): save it as CSV again"
        ) from error
    header = [cell.casefold().replace("colour", "color") for cell in rows[0]] if rows else []
    if "name" not in header:
        raise GeoPointSegError(
            f"expected a header with name, and code and color if wanted, in {source}, got {quoted(header) or 'nothing'}: "
            "add it"
        )
    entries: list[Entry] = []
    for row in rows[1:]:
        cells = dict(zip(header, row, strict=False))  # a short row ends in empty cells
        name, code, color = (cells.get(key, "") for key in CLASS_KEYS)
        name = _text(name, f"a name in the row {','.join(row)!r}", source)
        if not code and any(entry.name == name for entry in entries):
            raise GeoPointSegError(
                f"expected a code for every row of {name!r} in {source}, got none: add those to merge"
            )
        entries.append(Entry(name, _values(code, name), parse_color(color, name, source) if color else ""))
    return _some(_legend(entries, source))


def _read_qml(data: bytes, source: str) -> Legend:
    """The legend of a QGIS style."""
    return _some(_legend(categories(data, source)[1], source))


def _legend(entries: Iterable[Entry], source: str) -> Legend:
    """A legend from the classes that a file lists; entries of one name are merged."""
    entries = list(entries)
    numbers = [(entry.name, whole(value)) for entry in entries for value in entry.values]
    return Legend(
        names=tuple(dict.fromkeys(entry.name for entry in entries)),
        values=_joined(((value, entry.name) for entry in entries for value in entry.values), source),
        colors={entry.name: entry.color for entry in reversed(entries) if entry.color},
        codes={name: number for name, number in reversed(numbers) if number is not None},
        source=source,
    )


def _joined(pairs: Iterable[tuple[str, str]], source: str) -> dict[str, str]:
    """Values and their classes; no value may have two."""
    values: dict[str, str] = {}
    for value, name in pairs:
        if values.setdefault(value, name) != name:
            raise GeoPointSegError(
                f"expected one class for every value in {source}, got {value!r} for {values[value]!r} and {name!r}: "
                "keep one"
            )
    return values


def _some(legend: Legend) -> Legend:
    """The legend, if it has classes."""
    if not legend.names:
        raise GeoPointSegError(f"expected some classes in {legend.source}, got none: list them there")
    return legend


def _values(code: str, name: str) -> list[str]:
    """The value of a class: its code, else its name where that is a number and so a code itself."""
    code = re.sub(r"\.0+$", "", code) if re.fullmatch(r"-?[0-9]+\.0+", code) else code  # spreadsheets make 10.0 of 10
    return [code] if code else [name] if whole(name) is not None else []


def _decoded(data: bytes, source: str) -> str:
    """Text in UTF-8, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GeoPointSegError(f"expected text in UTF-8, got {source} in another encoding: save it as UTF-8") from error


def _list(content: Mapping[str, object], key: str, expected: str, source: str) -> list[object]:
    """The list under a key, empty where the key is missing."""
    value = content.get(key, [])
    if not isinstance(value, list):
        raise GeoPointSegError(
            f"expected {expected} under {key} in {source}, got {_kind(value)}: write '- ' before each"
        )
    return value


def _mapping(content: Mapping[str, object], key: str, source: str) -> dict[str, str]:
    """The values and names under a key, empty where the key is missing."""
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise GeoPointSegError(
            f"expected 'value: name' in each line under {key} in {source}, got {_kind(value)}: write it so"
        )
    return {old: _text(name, f"one name for {old!r} under {key}", source) for old, name in value.items()}


def _text(value: object, expected: str, source: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise GeoPointSegError(f"expected {expected} in {source}, got {_kind(value)}: write it there")
    return value.strip()


def _kind(value: object) -> str:
    """A value of a YAML file for a message: never a whole list, which aliases can make endless."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    return repr(value) if value else "nothing"
