"""A legend: what the user says of the classes, and the ids that labels get by it.

Ids never depend on the order of the features: they follow the user's legend, else the names in alphabetical order, or
the codes where the labels are whole numbers.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from geopointseg.classes import Classes, require_count
from geopointseg.errors import GeoPointSegError

__all__ = ["Classified", "Legend", "classify", "quoted", "whole"]


@dataclass(frozen=True, slots=True)
class Legend:
    """What a file says of the classes. `Legend()` says nothing."""

    names: tuple[str, ...] = ()
    """Classes in the order of their ids; empty: those that the labels give, sorted."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Value in the class field, as text → class name: renames and merges."""
    colors: Mapping[str, str] = field(default_factory=dict)
    """Class name → #rrggbb, as far as given."""
    codes: Mapping[str, int] = field(default_factory=dict)
    """Class name → the user's own code, as far as given."""
    dropped: frozenset[str] = frozenset()
    """Values or class names that are left out."""
    source: str = "the legend"
    """File name, for messages."""
    advice: str = ""
    """For the message about a label of no class: what would give it one."""


@dataclass(frozen=True, slots=True)
class Classified:
    """Labels and the classes they belong to."""

    class_id: pd.Series
    """Int64 on the index of the labels, NA where there is no class."""
    classes: Classes
    unknown: pd.Series
    """Why a label is of no class, in words; "" elsewhere."""
    remarks: tuple[str, ...]


NO_LEGEND = Legend()


def classify(
    labels: pd.Series,
    legend: Legend = NO_LEGEND,
    *,
    colors: Mapping[str, str] | None = None,
    fold_case: bool = False,
) -> Classified:
    """Give every label its class.

    A label is looked up in the legend as text. Without a list of classes in the legend, the classes are those of the
    labels, sorted by name, or by code if all are whole numbers that keep their own text.

    Args:
        labels: Text, whole numbers or None, one per feature.
        legend: What the user says of the classes.
        colors: Value of the class field → #rrggbb, as `own_style` gives them; the legend's own colours go first.
        fold_case: Take labels that differ only in case or spaces for one class, in the spelling that is most frequent.

    Raises:
        GeoPointSegError: no label is of any class, more classes than a class raster holds, or codes that clash.
    """
    texts = labels.map(str, na_action="ignore").astype(object)
    counts = {str(text): int(n) for text, n in texts.value_counts().sort_index().items()}
    integers = pd.api.types.infer_dtype(labels, skipna=True) == "integer"
    class_of, reasons = _look_up(counts, legend, fold_case)
    used = set(class_of.values())
    if counts and not used:
        listed = f" ({quoted(legend.names)})" if legend.names else ""
        hint = ", or add --fold-case" if any(reason.endswith("--fold-case") for reason in reasons.values()) else ""
        raise GeoPointSegError(
            f"expected some feature of a class of {legend.source}{listed}, got only {quoted(counts)}: "
            f"give the legend that belongs to this --class-field{hint}"
        )
    by_code = integers and all(text == name for text, name in class_of.items())
    names = legend.names or tuple(sorted(used, key=int if by_code else str))
    require_count(len(names))
    sources = {name: _sources(name, legend, class_of) for name in names}
    styles = colors or {}
    given = {name: next((styles[v] for v in values if v in styles), "") for name, values in sources.items()}
    classes = Classes.colored(names, _codes(sources, legend, integers), given | dict(legend.colors))
    ids = {text: names.index(name) for text, name in class_of.items()}
    return Classified(
        pd.to_numeric(texts.map(ids)).astype("Int64").rename("class_id"),
        classes,
        texts.map(lambda text: reasons.get(text, "")).astype(object).rename("reason"),
        tuple(_remarks(counts, class_of, legend, fold_case)),
    )


def _look_up(counts: Mapping[str, int], legend: Legend, fold_case: bool) -> tuple[dict[str, str], dict[str, str]]:
    """The class of every label (as text), and for those without one the reason."""
    key = _folded if fold_case else str
    known: dict[str, str] = {}
    for value, name in [*legend.values.items(), *((name, legend.values.get(name, name)) for name in legend.names)]:
        if known.setdefault(key(value), name) != name:
            raise GeoPointSegError(
                f"expected values that differ in more than case or spaces, got {value!r} for {known[key(value)]!r} and "
                f"for {name!r} in {legend.source}: leave --fold-case out, or merge them"
            )
    dropped = {key(value) for value in legend.dropped}
    near = {_folded(value): value for value in known}
    class_of, reasons = {}, {}
    for text in counts:
        name = known.get(key(text), "" if legend.names else text)
        if key(text) in dropped or key(name) in dropped:
            reasons[text] = f"class {text!r} is dropped by {legend.source}"
        elif not name:
            hint = f", which has {near[_folded(text)]!r}: add --fold-case" if _folded(text) in near else legend.advice
            reasons[text] = f"class {text!r} is not in {legend.source}{hint}"
        else:
            class_of[text] = name
    return (_one_spelling(counts, class_of, legend) if fold_case else class_of), reasons


def _one_spelling(counts: Mapping[str, int], class_of: Mapping[str, str], legend: Legend) -> dict[str, str]:
    """The classes of labels, with one name for those that differ only in case or spaces."""
    features = _features(counts, class_of)
    chosen = _chosen(legend)
    spelling: dict[str, str] = {}
    for name in sorted(features, key=lambda name: (name not in chosen, -features[name], name)):
        spelling.setdefault(_folded(name), name if name in chosen else " ".join(name.split()))
    return {text: spelling[_folded(name)] for text, name in class_of.items()}


def _remarks(counts: Mapping[str, int], class_of: Mapping[str, str], legend: Legend, fold_case: bool) -> Iterator[str]:
    """What the user should know of spellings, and of classes and values that no feature has."""
    merged: dict[str, list[str]] = {}
    for text, name in class_of.items():
        merged.setdefault(name, []).append(text)
    told = [
        f"{', '.join(f'{text!r} ({counts[text]})' for text in texts)} into {name!r}"
        for name, texts in merged.items()
        if len(texts) > 1 or legend.values.get(texts[0], texts[0]) != name
    ]
    if told:
        yield f"merged: {'; '.join(told)}"
    features = _features(counts, {text: class_of.get(text, text) for text in counts})
    alike: dict[str, list[str]] = {}
    for name in features:
        alike.setdefault(_folded(name), []).append(name)
    variants = [names for names in alike.values() if len(names) > 1 and not _chosen(legend).issuperset(names)]
    if variants and not fold_case:
        told = [", ".join(f"{name!r} ({features[name]})" for name in names) for names in variants]
        yield f"classes that differ only in case or spaces: {'; '.join(told)}; add --fold-case to merge them"
    if legend.names:
        used = set(class_of.values())
        lacking, what = [name for name in legend.names if name not in used], "of class"
    else:
        key = _folded if fold_case else str
        values = {key(text) for text in [*counts, *class_of.values()]}
        lacking = [value for value in [*legend.values, *sorted(legend.dropped)] if key(value) not in values]
        what = f"has the value that {legend.source} names:"
    if lacking:
        yield f"no feature {what} {', '.join(map(repr, lacking))}"


def _features(counts: Mapping[str, int], class_of: Mapping[str, str]) -> dict[str, int]:
    """How many features each class has."""
    features: Counter[str] = Counter()
    for text, name in class_of.items():
        features[name] += counts[text]
    return dict(sorted(features.items()))


def _chosen(legend: Legend) -> set[str]:
    """The names that the legend itself spells out."""
    return set(legend.names) | set(legend.values.values())


def _folded(text: str) -> str:
    """What labels that differ only in case or spaces have in common."""
    return " ".join(text.split()).casefold()


def _sources(name: str, legend: Legend, class_of: Mapping[str, str]) -> list[str]:
    """The values that make a class, its own name first, the legend's then in its order."""
    own = [name] if legend.values.get(name, name) == name else []
    listed = [value for value, target in legend.values.items() if target == name]
    return list(dict.fromkeys([*own, *listed, *(text for text, target in class_of.items() if target == name)]))


def _codes(sources: Mapping[str, list[str]], legend: Legend, integers: bool) -> list[int]:
    """The code of every class: the legend's, else the least of its values where labels are whole numbers, else its id.

    Which labels happen to be there does not matter, so that a code stays when samples come and go.
    """
    taken: dict[int, str] = {}
    for i, (name, values) in enumerate(sources.items()):
        numbers = [n for n in map(whole, values) if n is not None] if integers else []
        code = legend.codes.get(name, min(numbers, default=i))
        if taken.setdefault(code, name) != name:
            raise GeoPointSegError(
                f"expected a code of its own for every class, got {code} for {taken[code]!r} and {name!r}: "
                f"give both a code in {legend.source}"
            )
    return list(taken)


def whole(text: str) -> int | None:
    """The whole number that a text is, such as "-7"; None for any other text, "007" and "7.0" too."""
    return int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text) else None


def quoted(values: Iterable[str], most: int = 6) -> str:
    """The first values, quoted, for a message."""
    values = list(values)
    return ", ".join(map(repr, values[:most])) + (f" and {len(values) - most} more" if len(values) > most else "")
