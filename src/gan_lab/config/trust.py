"""Which classes and functions a config may name. Torch-free: nothing is imported.

Hydra calls whatever a `_target_` names, and a config may be somebody else's: the config.yaml of a
run directory, an experiment file. So a file may name the options of conf/ and what those name,
single classes and functions. What is typed on this program's command line may be anything outside
of Python's own library: it is the user's wish. A config cannot widen this; the user can, by the
environment variable GAN_LAB_TRUSTED_PACKAGES.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gan_lab.config import options, signature
from gan_lab.config.schema import (
    META_KEYS,
    TRAINER_KEYS,
    ClassifierConfig,
    EvaluateConfig,
    StudyConfig,
    TrainConfig,
    groups,
    plain_config,
)
from gan_lab.errors import UserError
from gan_lab.records import versions

TRUSTED_PACKAGES = "GAN_LAB_TRUSTED_PACKAGES"
OWN = tuple(
    name.strip() for name in os.environ.get(TRUSTED_PACKAGES, "").split(",") if name.strip()
)
"""What the user trusts, read before Hydra acts on a config: its hydra.job.env_set comes too
late."""


GROUPS = frozenset(
    group
    for schema in (TrainConfig, StudyConfig, ClassifierConfig, EvaluateConfig)
    for group in groups(schema)
)
"""Whose options a file may choose: for each, and whatever is nested in it, it may name the targets
of the group's own folder in conf/."""

_AGENT = "WANDB_SWEEP_ID"  # set by an agent of a W&B sweep, which types for somebody else
_TYPED_FOR_RUNS: ContextVar[frozenset[str]] = ContextVar("typed_for_runs", default=frozenset())


def call_of(group: str, node: DictConfig) -> dict[str, Any]:
    """What a config node calls: its `_target_` and the arguments for it, without what only the
    checks of a config read.

    Args:
        group: the path of the node in the config, for messages.
        node: a `_target_` and its fields.

    Raises:
        UserError: as `check`.
    """
    plain = plain_config(node)
    check(group, plain)
    taken = signature.parameters(str(plain["_target_"]))
    read_by_checks = META_KEYS - {"_target_"} - (TRAINER_KEYS & taken)
    return {key: _without_facts(value) for key, value in plain.items() if key not in read_by_checks}


def _without_facts(node: Any) -> Any:
    """Nested containers without what the options in them say of themselves: a penalty of two has
    two. A parameter may have the name of a fact, as `recipe` of an extractor."""
    if isinstance(node, Mapping):
        target = str(node.get("_target_"))
        return {
            key: _without_facts(value)
            for key, value in node.items()
            if "_target_" not in node
            or key not in versions.FACTS
            or (key != "traits" and key in signature.parameters(target))
        }
    return [_without_facts(item) for item in node] if isinstance(node, list) else node


def check(path: str, node: Any) -> None:
    """Refuse a config node that names what its group may not name, at any depth, lists too.

    Refused are a `_target_` that is none of the group's options, was not typed, and is not of a
    trusted package, and Hydra's other instructions (`_partial_`, `_args_`, ...), which no option
    needs.

    Args:
        path: of the node, dotted; its first part is the group.
        node: in which interpolations are resolved.

    Raises:
        UserError: names the path and what stands there.
    """
    # a component, or a mapping that holds some
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_":
                _check_target(path, value)
            elif isinstance(key, str) and key.startswith("_") and key.endswith("_"):
                raise UserError(
                    f"{path}.{key}: this is an instruction to Hydra that no option takes; omit it"
                )
            else:
                check(f"{path}.{key}", value)

    # Hydra would resolve it after this check
    elif isinstance(node, str) and "${" in node:
        raise UserError(f"{path}={node}: an interpolation that was escaped; no option takes one")

    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            check(f"{path}[{index}]", value)


def _check_target(path: str, target: Any) -> None:
    # an option of the group, by its name of today or an older one
    group = path.split(".")[0].split("[")[0]
    allowed = options.targets(group)
    moved = {versions.MOVED.get(option, option) for option in allowed}
    if isinstance(target, str) and target in allowed | moved:
        return

    # an option by another path to it, what was typed, and what is trusted
    if _is_public(target):
        reach(target)
        is_typed = target in _typed() and not _is_of_python(target)
        defined = (
            signature.definition(target)
            if is_typed
            else _definition_within(target, (*_packages(), *OWN))
        )

        if defined in map(signature.definition, allowed):
            return
        if is_typed and not _is_of_python(defined):
            return
        if _is_within(target, OWN) and _is_within(defined, OWN):
            return

    raise UserError(
        f"{path}._target_={target}: a config may not name it; a file may name the options of "
        f"{group}; for code that is "
        f"yours, or that you have read, type it: add {path}._target_={target}"
    )


@contextmanager
def typed_for_runs(arguments: Iterable[str], own: Collection[str]) -> Iterator[list[str]]:
    """Inside, classes that the user typed for the runs that a program reads count as typed.

    A program that reads runs (evaluate, sample, ...) has no `loss` of its own, and Hydra would
    refuse loss._target_=my_losses.mine. What it names is needed deep below, where a run's config is
    checked, so it holds for the block, and for no later program in this process.

    Args:
        arguments: this program's command line.
        own: the groups of this program.

    Yields:
        The arguments without those that name such a class.
    """
    kept, classes = [], set()
    for argument in arguments:
        key, _, value = argument.partition("=")
        group = key.split(".")[0]
        if key.endswith("._target_") and group in GROUPS and group not in own:
            classes.add(value)
        else:
            kept.append(argument)

    # what is open already stays: a program may call another
    token = _TYPED_FOR_RUNS.set(_TYPED_FOR_RUNS.get() | classes)
    try:
        yield kept
    finally:
        _TYPED_FOR_RUNS.reset(token)


def reach(target: str) -> None:
    """Let a typed class be imported from the folder in which the program was started, if it is
    found nowhere else."""
    first = target.split(".")[0]
    here = Path.cwd()
    if target not in _typed() or _is_of_python(target) or signature.is_importable(first):
        return
    if any(map(os.path.isfile, (here / f"{first}.py", here / first / "__init__.py"))):
        sys.path.append(str(here))  # last: nothing that is installed is hidden by it
        signature.forget()


def typed_fields() -> frozenset[str]:
    """The dotted fields that were typed on this program's command line."""
    return frozenset(override.partition("=")[0].lstrip("+~") for override in _typed_overrides())


def _typed() -> frozenset[str]:
    """Every class that was typed on this program's command line as the
    `_target_` of a group, or within one.

    Other values do not count: the name of a folder is often somebody else's, as in
    run_dir=torch.hub.load.
    """
    names: set[str] = set()
    for override in _typed_overrides():
        key, _, value = override.partition("=")
        if key.lstrip("+~").split(".")[0].split("@")[0] not in GROUPS:
            continue
        if key.endswith("._target_"):
            names |= set(re.findall(r"[\w.]+", value))
        elif value.startswith("{"):
            names |= set(re.findall(r"\b_target_['\"]?\s*:\s*['\"]?([\w.]+)", value))
    return frozenset(names) | _TYPED_FOR_RUNS.get()


def _typed_overrides() -> list[str]:
    """The overrides that the user typed on this command line.

    Hydra lists among them the parameters of a sweep that stand in a file. They are left out: a file
    may be somebody else's. So are the values that the agent of a W&B sweep hands over, since they
    stand in that sweep's file.
    """
    if not HydraConfig.initialized() or os.environ.get(_AGENT):
        return []
    hydra = HydraConfig.get()
    of_files = set(hydra.sweeper.get("params") or {})
    return [
        override for override in hydra.overrides.task if override.partition("=")[0] not in of_files
    ]


def _packages() -> frozenset[str]:
    """The packages of all options."""
    return frozenset(target.split(".")[0] for group in GROUPS for target in options.targets(group))


def _is_of_python(target: str) -> bool:
    """Whether a name belongs to Python's standard library."""
    return target.split(".")[0] in (*sys.stdlib_module_names, "builtins")


def _definition_within(target: str, packages: Iterable[str]) -> str:
    """Where a name of one of these packages is defined; "" for another
    one, and for what is not there."""
    if target.split(".")[0] not in {package.split(".")[0] for package in packages}:
        return ""
    try:
        return signature.definition(target)
    except UserError:
        return ""


def _is_public(target: Any) -> bool:
    return isinstance(target, str) and not any(part.startswith("_") for part in target.split("."))


def _is_within(target: str, packages: Iterable[str]) -> bool:
    return any(target == package or target.startswith(package + ".") for package in packages)
