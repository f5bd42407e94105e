"""A YAML file that somebody else may have made, as plain containers: in
bounded time, without objects of tags."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from gan_lab.errors import UserError, one_line
from gan_lab.files import open_regular

MOST_BYTES = 100_000  # a config.yaml has about 5,000
MOST_LEVELS = 30
MOST_VALUES = 10_000  # of a file with anchors, each as often as it is repeated
_LARGEST = 2**63  # no field takes more, and a number of many digits cannot even be printed
_TRUE_OR_FALSE = re.compile(r"\A(?:true|True|TRUE|false|False|FALSE)\Z")
_TAGS = ("map", "seq", "str", "int", "float", "bool", "null")


class _Loader(yaml.SafeLoader):
    """YAML's safe loader without aliases, tags of other types and
    duplicate keys, and of bounded depth.

    As in OmegaConf's, 1e-3 is a number and 2026-01-01 a string.
    """

    yaml_constructors: ClassVar = {
        tag: maker
        for tag, maker in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix("tag:yaml.org,2002:") in _TAGS
    }
    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    levels = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Part of PyYAML's interface."""
        self.check_anchors()

        # PyYAML goes into lists by Python's stack, which has an end
        self.levels += 1
        if self.levels > MOST_LEVELS:
            raise yaml.MarkedYAMLError(problem="it is nested too deeply")
        node = super().compose_node(parent, index)
        self.levels -= 1
        return node

    def check_anchors(self) -> None:
        """Refuse them: ten aliases of ten aliases, nine times over, are a billion nodes."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(problem="it has anchors, which train.py never writes")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Part of PyYAML's interface."""
        # YAML lets the last of two keys win, which no reader of the file would guess
        made = super().construct_mapping(node, deep)
        if len(made) != len(node.value) or not all(isinstance(key, str) for key in made):
            raise yaml.MarkedYAMLError(problem="it has a key twice, or one that is no name")
        return made

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Part of PyYAML's interface."""
        # Python refuses to print a number of thousands of digits
        value: int = super().construct_yaml_int(node)
        if abs(value) >= _LARGEST:
            raise yaml.MarkedYAMLError(problem="it has a number that is too large")
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"\A[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\Z"),
    list("-+0123456789"),
)


class _TypedLoader(_Loader):
    """The same for what a person types: as on a command line off, on, yes and no are names, and
    only true and false are booleans. Anchors may repeat a part while the whole stays small."""

    yaml_implicit_resolvers: ClassVar = {
        first: [
            (tag, _TRUE_OR_FALSE if tag.endswith(":bool") else pattern)
            for tag, pattern in resolvers
        ]
        for first, resolvers in _Loader.yaml_implicit_resolvers.items()
    }
    values = 0

    def __init__(self, text: str | bytes) -> None:
        super().__init__(text)
        self.sizes: dict[int, int] = {}  # of a node, by its id: the values in it

    def check_anchors(self) -> None:
        """They are counted instead."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Part of PyYAML's interface."""
        repeats, before = self.check_event(yaml.AliasEvent), self.values
        self.values += 1
        node = super().compose_node(parent, index)

        # a node that is not whole yet has no size
        if repeats and id(node) not in self.sizes:
            raise yaml.MarkedYAMLError(problem="it has an anchor within itself")
        if repeats:
            self.values = before + self.sizes[id(node)]
        if self.values > MOST_VALUES:
            raise yaml.MarkedYAMLError(problem=f"it has more than {MOST_VALUES:,} values")
        self.sizes[id(node)] = self.values - before
        return node


def read(path: Path) -> Any:
    """The value of a YAML file that a program wrote.

    Raises:
        UserError: names the file and what is wrong with it.
    """
    return _read(path, _Loader, "restore it")


def read_typed(path: Path) -> Any:
    """The value of a YAML file that a person types: `off` is a name in it, and it may have anchors.

    Raises:
        UserError: names the file and what is wrong with it.
    """
    return _read(path, _TypedLoader, "correct it")


def _read(path: Path, loader: type[_Loader], remedy: str) -> Any:
    try:
        with open_regular(path, MOST_BYTES) as file:
            return _value_of(file.read(), loader)
    except UserError:
        raise
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else one_line(error)[:200]
        raise UserError(f"{path} cannot be read ({reason}): {remedy}") from None


def parsed(text: str) -> Any:
    """The value of a typed text, as "[0.0,0.9]"; off is a name.

    Raises:
        UserError: where it is none.
    """
    try:
        return _value_of(text, _TypedLoader)
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(f"{text[:80]} is no value ({one_line(error)[:200]})") from None


def _value_of(text: str | bytes, kind: type[_Loader]) -> Any:
    loader = kind(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
