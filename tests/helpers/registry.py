"""The registry as tests see it: the option files of conf/. Knows no option by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import hydra.utils
import pytest
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError

from gan_lab import config

CONF = Path(__file__).resolve().parents[2] / "conf"
META_KEYS = frozenset(
    {"recipe", "traits", "stable"}
)  # of an option's YAML: for other groups, the checks of a config, and these tests


def options(group: str) -> list[str]:
    """The options of a config group: the names of its YAML files."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def stable(group: str, among: Iterable[str] | None = None) -> list[str]:
    """The options whose values and place in the docs are tested, too: all but those with `stable:
    false` in their YAML, to which the tests of the group's contract alone apply.

    among: the options that are asked for; all of the group where None.
    """
    asked = options(group) if among is None else among
    return [option for option in asked if _content(group, option).get("stable", True)]


def traits(group: str, option: str) -> dict[str, Any]:
    """What an option's YAML declares for the checks of a config."""
    return dict(_content(group, option).get("traits") or {})


def check_complete(
    table: Collection[str], group: str, wanted: Iterable[str], place: str, needed: str
) -> None:
    """Fail with the words of what to add, unless a table of the tests has every option that is
    wanted; and with the names that are too much, where it has some that are no options.

    Tests of values go over what is in their table, so a new option fails here, once.

    Args:
        table: by option.
        group: of conf/.
        wanted: options that the table must have; those that are not stable need not be in it.
        place: the table's file and name, as "tests/helpers/loss_formulas.py, FORMULAS".
        needed: what stands in the table for an option.
    """
    missing = [option for option in stable(group, wanted) if option not in table]
    if missing:
        pytest.fail(
            f"{place} has no {', '.join(missing)}: add {needed}; or set `stable: false` in "
            f"conf/{group}/{missing[0]}.yaml, and values are not tested",
            pytrace=False,
        )
    others = sorted({*table} - {*options(group)})
    assert not others, f"{place} has {', '.join(others)}, and conf/{group} does not"


@functools.cache
def _content(group: str, option: str) -> dict[str, Any]:
    config.register()  # the resolvers of interpolations
    loaded = _loaded(group, option)
    content = {str(key): _resolved(loaded, key) for key in loaded}
    parts = {field: node(group, choice) for field, choice in _parts(group, loaded).items()}
    content.pop("defaults", None)
    return content | parts


def _loaded(group: str, option: str) -> Any:
    """The file, with those of the options that it has in it."""
    loaded = OmegaConf.load(CONF / group / f"{option}.yaml")
    for field, choice in _parts(group, loaded).items():
        loaded[field] = _loaded(group, choice)
    return loaded


def _parts(group: str, loaded: Any) -> dict[str, str]:
    """The options of its group that an option has in it, by `/group@field: option`."""
    lines = [line for line in loaded.get("defaults", []) if OmegaConf.is_dict(line)]
    return {
        place.partition("@")[2]: choice
        for line in lines
        for place, choice in line.items()
        if place.startswith(f"/{group}@")
    }


def _resolved(loaded: Any, key: Any) -> Any:
    """A field's value by the file alone: an interpolation without a default stays as it is
    written."""
    try:
        value = loaded[key]
    except InterpolationKeyError:
        return OmegaConf.to_container(loaded)[key]
    if not OmegaConf.is_config(value):
        return value
    try:
        return OmegaConf.to_container(value, resolve=True)
    except InterpolationKeyError:
        return OmegaConf.to_container(value)


def node(group: str, option: str) -> dict[str, Any]:
    """An option's YAML without its meta keys; interpolations at their defaults, or left as they
    are."""
    return {
        key: deepcopy(value)
        for key, value in _content(group, option).items()
        if key not in META_KEYS
    }


def fields(group: str, option: str) -> dict[str, Any]:
    """What an option's YAML passes to its target."""
    return {key: value for key, value in node(group, option).items() if not key.startswith("_")}


def target(group: str, option: str) -> Any:
    """The function or class that an option makes its object with."""
    return hydra.utils.get_object(node(group, option)["_target_"])


def defaults(group: str, option: str) -> dict[str, Any]:
    """The parameters of an option's target and their defaults, `inspect.Parameter.empty` where
    there is none."""
    return {
        name: item.default
        for name, item in inspect.signature(target(group, option)).parameters.items()
    }


def instantiate(group: str, option: str, *facts: Any, **overrides: Any) -> Any:
    """The object of an option, made as the program makes it; an error of the target comes out as it
    was raised.

    Hydra takes milliseconds for each, and some tests make thousands: it is left out where it would
    only call the target with numbers and names.
    """
    passed = {**node(group, option), **overrides}
    for_hydra = {key for key in passed if key.startswith("_")} - {"_target_"}
    if not for_hydra and all(_is_plain(value) for value in passed.values()):
        called = hydra.utils.get_object(passed.pop("_target_"))
        return called(*facts, **passed)
    try:
        return hydra.utils.instantiate(passed, *facts, _convert_="all")
    except InstantiationException as error:
        if error.__cause__ is None:
            raise
        raise error.__cause__ from None


def _is_plain(value: Any) -> bool:
    """Whether Hydra would pass a value on as it is: no object to make, nothing to interpolate."""
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return value is None or (isinstance(value, bool | int | float | str) and "${" not in str(value))
