"""The option files of conf/, as this program brings them. Torch-free, and without Hydra.

Hydra's search path may hold other folders (--config-dir, hydra.searchpath); they are not looked at
here, so they can neither widen what a config may name nor say what an option is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from gan_lab.errors import UserError
from gan_lab.files import program_root
from gan_lab.reading import plain_yaml

_NESTED = {"evaluation": "classifier", "study": "classifier"}
"""Groups whose options take one of another group into them, by their `defaults`: the classifier of
extractor.recipe."""


@functools.cache
def contents(group: str) -> Mapping[str, Mapping[str, Any]]:
    """The option files of a group: {option: content}, interpolations as they are written."""
    folder = program_root() / "conf" / group.removesuffix("_critic")
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            content = plain_yaml.read(path)
        except UserError:  # one that is just being written must not stop the runs of other options
            continue
        if isinstance(content, dict):
            found[path.stem] = content
    return found


@functools.cache
def targets(group: str) -> frozenset[str]:
    """Every `_target_` in the option files of a group, at any depth."""
    found = {target for content in contents(group).values() for target in _targets(content)}
    return frozenset(found) | (targets(_NESTED[group]) if group in _NESTED else frozenset())


def _targets(node: Any) -> Iterator[str]:
    """Every `_target_` in nested containers."""
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _targets(item)
