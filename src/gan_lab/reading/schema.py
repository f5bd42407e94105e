"""Values out of files that somebody else may have made, held once
against type annotations. Torch-free."""

from __future__ import annotations

import functools
import json
import math
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

# of nested lists and mappings: far more than any file of ours has, and far from Python's own limit
DEPTH = 40
LARGEST = 2.0**63  # of a number without a range of its own


@dataclass(frozen=True)
class Within:
    """The range of a number, ends included, as `Annotated[int, Within(1, 9)]`."""

    low: float
    high: float


Count = Annotated[int, Within(0, LARGEST)]
Number = float | Literal["nan", "inf", "-inf"]
"""As records.to_json writes a number, whether it is finite or not."""


def misfit(value: Any, hint: Any, name: str = "it") -> str | None:
    """What is wrong with a value, as "seconds is inf, and must be a number"; None where it fits.

    Args:
        value: what a JSON file holds. Nothing may be nested deeper than DEPTH, and every text can
            be written as UTF-8.
        hint: int, float (finite; a whole number fits too), bool, str, None, Any, Literal, X | Y,
            list[X], tuple[X, Y] (a list of these), dict[str, X], Annotated[X, Within(low, high)],
            or a TypedDict, which may have other keys beside its own.
        name: of the value in what is said.
    """
    return _misfit(value, hint, name, DEPTH)


def _misfit(value: Any, hint: Any, name: str, depth: int) -> str | None:
    """`misfit`, with the levels that are left."""
    if depth == 0:
        return f"{name} is nested too deeply"

    # hints that hold others; what remains is a plain type or a choice of values
    origin = get_origin(hint)
    if hint is Any:
        return _unreadable(value, name, depth)
    if origin is Annotated:
        inner, *ranges = get_args(hint)
        return _misfit(value, inner, name, depth) or _outside(value, ranges, name)
    if origin in (Union, types.UnionType):
        return _of_none(value, get_args(hint), name, depth)
    if is_typeddict(hint) or origin is dict:
        return _of_mapping(value, hint, name, depth)
    if origin in (list, tuple):
        return _of_list(value, hint, name, depth)
    fits = value in get_args(hint) if origin is Literal else _is(value, hint)
    return None if fits else _said(value, hint, name)


def _of_none(value: Any, options: tuple[Any, ...], name: str, depth: int) -> str | None:
    """Check a value against X | Y.

    Returns:
        None if it fits one of them; of several containers, what is wrong with the one that is
        meant.
    """
    found = [
        wrong for option in options if (wrong := _misfit(value, option, name, depth)) is not None
    ]
    if len(found) < len(options):
        return None
    inside = [wrong for wrong in found if not wrong.startswith(f"{name} is ")]
    return inside[0] if inside else _said(value, Union[options], name)  # noqa: UP007 # of a tuple


def _of_mapping(value: Any, hint: Any, name: str, depth: int) -> str | None:
    """Check a value against a TypedDict or a dict[str, X]."""
    if not isinstance(value, dict):
        return _said(value, hint, name)

    # a key beside those of a TypedDict must at least be readable, as everything below it
    hints, needed, others = _fields(hint)
    if missing := sorted(needed - value.keys()):
        return f"{name} has no {', '.join(missing)}"
    return _first(
        _unnamed(key, name) or _misfit(item, hints.get(key, others), _below(name, key), depth - 1)
        for key, item in value.items()
    )


def _of_list(value: Any, hint: Any, name: str, depth: int) -> str | None:
    """Check a value against a list[X] or a tuple[X, Y]."""
    options = get_args(hint)
    is_tuple = get_origin(hint) is tuple
    if not isinstance(value, list) or (is_tuple and len(value) != len(options)):
        return _said(value, hint, name)
    hints = options if is_tuple else options * len(value)
    return _first(
        _misfit(item, one, f"{name}[{index}]", depth - 1)
        for index, (item, one) in enumerate(zip(value, hints, strict=True))
    )


def _unreadable(value: Any, name: str, depth: int) -> str | None:
    """Check a value of any type: it must only be readable."""
    if isinstance(value, str):
        return _text(value, name)
    if isinstance(value, dict):
        return _of_mapping(value, dict[str, Any], name, depth)
    if isinstance(value, list):
        return _of_list(value, list[Any], name, depth)
    return (
        None
        if value is None or isinstance(value, int | float)
        else f"{name} is a {type(value).__name__}"
    )


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of one of the plain types."""
    if hint is int or hint is float:
        is_number = isinstance(value, int if hint is int else int | float) and not isinstance(
            value, bool
        )
        return (
            is_number and abs(value) <= LARGEST
            if isinstance(value, int)
            else is_number and math.isfinite(value)
        )
    if hint is str:
        return isinstance(value, str) and _text(value, "") is None
    return value is None if hint in (None, type(None)) else isinstance(value, hint)


def _unnamed(key: Any, name: str) -> str | None:
    return (
        _text(key, f"a name in {name}")
        if isinstance(key, str)
        else f"{name} has names that are no texts"
    )


def _text(value: str, name: str) -> str | None:
    """Half of a surrogate pair, which JSON may hold, can be neither printed nor written."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"{name} is {shown(value)}, which is no text"
    return None


def _outside(value: Any, ranges: Iterable[Any], name: str) -> str | None:
    for one in ranges:
        if isinstance(one, Within) and not one.low <= value <= one.high:
            return f"{name} is {shown(value)}, and must be between {one.low:g} and {one.high:g}"
    return None


def _first(found: Iterable[str | None]) -> str | None:
    return next((one for one in found if one is not None), None)


@functools.cache
def _fields(hint: Any) -> tuple[Mapping[str, Any], frozenset[str], Any]:
    """(hints by name, the names that must be there, the hint of every other name) of a mapping."""
    if not is_typeddict(hint):
        return {}, frozenset(), get_args(hint)[1]
    return get_type_hints(hint, include_extras=True), hint.__required_keys__, Any


# Words --------------------------------------------------------------------------------------------

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    dict: "a mapping",
    list: "a list",
}


def _said(value: Any, hint: Any, name: str) -> str:
    return f"{name} is {shown(value)}, and must be {_in_words(hint)}"


def _in_words(hint: Any) -> str:
    origin, options = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_in_words, options)))
    if origin is Annotated:
        return _in_words(options[0])
    if origin is Literal:
        return " or ".join(map(shown, options))
    if origin is tuple:
        return f"a list of {' and '.join(map(_in_words, options))}"
    return _WORDS[dict if is_typeddict(hint) else origin or hint or type(None)]


def _below(name: str, key: str) -> str:
    """ "dataset.name"; a key that is no plain name is quoted."""
    plain = key if re.fullmatch(r"[\w-]{1,60}", key, re.ASCII) else shown(key)
    return plain if name == "it" else f"{name}.{plain}"


def shown(value: Any) -> str:
    """A value in a message: short, in one line, without control characters."""
    if isinstance(value, dict | list):
        return f"{_WORDS[dict if isinstance(value, dict) else list]} of {len(value)}"
    if value is not None and not isinstance(value, bool | int | float | str):
        return f"a {type(value).__name__}"  # JSON holds none of these; a checkpoint does
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**40:
        return "a number of more than 40 digits"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
