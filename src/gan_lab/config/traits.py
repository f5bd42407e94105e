"""What an option says of itself to the checks of a config, which cannot ask its object: they run
before torch is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_lab import checks
from gan_lab.config import options
from gan_lab.config.schema import plain_config
from gan_lab.errors import UserError
from gan_lab.records import versions


@dataclass(frozen=True)
class Traits:
    """The `traits` of an option's YAML; what it omits has the default.

    Args:
        kinds: of an architecture: the kinds of data that it is built for, of "images" and "points";
            empty: all.
        batch_norm: of an architecture: whether batch norm in its critic mixes the samples of a
            batch, so that a sample has no gradient of its own.
        targets: of a loss: whether it aims every generated sample at a class; of labels: whether
            they give such classes; of an architecture: whether its critic judges a sample by its
            class, so that every scalar loss aims at classes.
        score: of a loss: whether its critic has a real-fake score, whose gradient can be measured;
            of a diagnostic: whether it reads that score.
        gradient: of a penalty: whether it measures the gradient of that score for each sample.
    """

    kinds: tuple[str, ...] = ()
    batch_norm: bool = False
    targets: bool = False
    score: bool = True
    gradient: bool = False


def traits_of(group: str, node: DictConfig) -> Traits:
    """The traits of a chosen option.

    A trait that the node does not have is the one that the option file of its `_target_` declares:
    the config of an old run was written before there was the trait.

    Args:
        group: whose option it is.
        node: of that group in the whole config, with the option's traits or some of them.

    Raises:
        UserError: for a trait that there is not, or a value that it cannot have.
    """
    # what the node says, in the words of today
    plain = plain_config(node)
    said = plain.get("traits") or {}
    if not isinstance(said, Mapping):
        raise UserError(f"{group}.traits={said}: use a mapping, as {{targets: true}}")
    if plain.get("accepts"):  # the kinds of an architecture, until there were traits
        said = {"kinds": plain["accepts"], **said}

    # beside it what its option declares, which may depend on fields of the node
    declared = _declared(group, plain)
    whole = OmegaConf.create({**plain, "traits": {**declared, **said}})
    resolved = plain_config(whole)["traits"]

    # only what the dataclass has, and as it has it
    known = {item.name: item.type for item in fields(Traits)}
    for name, value in resolved.items():
        path = f"{group}.traits.{name}"
        if name not in known:
            raise UserError(f"{path}: there is no such trait (there are: {', '.join(known)})")
        if known[name] == "bool":
            checks.flag(_field_behind(group, plain, declared.get(name), value) or path, value)
        elif not isinstance(value, list) or not all(isinstance(kind, str) for kind in value):
            raise UserError(f"{path}={value}: use a list, as [images]")
    return Traits(**{**resolved, "kinds": tuple(resolved.get("kinds", ()))})


def _declared(group: str, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """The traits in the option file whose object is that of the node; none for a class of the
    user's."""
    component = versions.component(str(node.get("_target_")))
    for content in options.contents(group).values():
        if versions.component(str(content.get("_target_"))) == component:
            return content.get("traits") or {}
    return {}


def _field_behind(group: str, node: Mapping[str, Any], declared: Any, value: Any) -> str | None:
    """The field of the option whose value is that of a trait, which its file declares by
    "${oc.select:..FIELD,...}"."""
    match = re.match(r"\$\{oc\.select:\.\.(\w+),", str(declared))
    return f"{group}.{match[1]}" if match and node.get(match[1]) == value else None
