"""What changed between versions of config.yaml and record.json, in one place. Torch-free.

A field that comes with a version gets a line in FIELD_DEFAULTS, one with another name or place
one in RENAMED_FIELDS, a class that moves or is renamed one in MOVED, a score with another name one
in RENAMED_SCORES. From there it is read by all who meet
an old file: config (an old config.yaml), records (what identifies a run, and the identity in a
checkpoint) and reporting (which records stand in one table).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab.errors import DamagedFile, UserError
from gan_lab.reading.schema import shown

VERSION = 3
"""Of config.yaml and record.json as they are written today; files without a version are of version
1."""


@dataclass(frozen=True)
class Since:
    """A config field that came with a version.

    Args:
        version: the first version whose files have the field.
        before: the value that was implied before there was the field: how a run of an older file
            began and goes on.
        of: the names of the components (last part of a `_target_`) that have the field; empty:
            every one of the group.
    """

    version: int
    before: Any
    of: tuple[str, ...] = ()


FIELD_DEFAULTS: dict[str, Since] = {
    # what training sees of the labels
    "labels": Since(
        1,
        {
            "_target_": "gan_lab.losses.targets.NoTargets",
            "traits": {"targets": False},
            "recipe": {"extra_layer": False},
        },
    ),
    "supervision": Since(2, {"_target_": "gan_lab.data.labelled.Supervision"}),
    "supervision.labelled_fraction": Since(2, 1.0, of=("Supervision",)),
    "supervision.num_classes": Since(2, None, of=("Supervision",)),
    "supervision.reference_distribution": Since(2, None, of=("Supervision",)),
    # an old run trained its classifier, and is scored by it
    "evaluation.extractor.weights": Since(2, None, of=("OwnClassifier",)),
    "evaluation.extractor.sha256": Since(2, None, of=("OwnClassifier",)),
    "evaluation.extractor.shipped": Since(2, None, of=("OwnClassifier",)),
    # the classes and the covariance of MS-SSIM
    "evaluation.msssim_variant": Since(2, "signed", ("Protocol",)),
    "evaluation.msssim_classes": Since(2, "classifier", ("Protocol",)),
    # how images are made and dealt out
    "dataset.split": Since(2, "standard", of=("Flowers102",)),
    "dataset.fit": Since(2, "crop", of=("Flowers102", "ImageFolder")),
    # settings of the thesis and of the author's programs that were others before
    "architecture.batch_norm_eps": Since(2, 1e-5, of=("DCGAN",)),
    "loss.unlabelled": Since(
        2, "pooled", of=("gan_star", "ac_gan", "ac_gan_plus", "label_gan", "am_gan")
    ),
    "penalty.exact": Since(2, before=False, of=("SpectralNorm",)),
    "penalty.generator": Since(3, before=False, of=("SpectralNorm",)),
    # what is measured beside
    "diagnostics": Since(3, {}),
    "study.continuous": Since(3, before=False, of=("TenImages",)),
    "study.schedule": Since(3, before="constant", of=("GradientDirection",)),
}
"""By dotted field, at any depth. A field at its implied value is no part of a run's identity, nor is
a group that has nothing but its implied value when such fields are left out."""


@dataclass(frozen=True)
class Renamed:
    """A config field that has another name, or stands in another group, today, or is none any more.

    Args:
        new: its dotted name today; None where it is no field any more, and no value of it made
            another result.
        of: the names of the components (last part of a `_target_`) whose field it was; empty: every
            one of the group.
    """

    new: str | None
    of: tuple[str, ...] = ()

    def is_of(self, node: Mapping[str, Any]) -> bool:
        """Whether the component of a group's node had the field."""
        return _is_of(node, self.of)


RENAMED_FIELDS: dict[str, Renamed] = {
    "dataset.labelled_fraction": Renamed("supervision.labelled_fraction"),
    "dataset.num_classes": Renamed("supervision.num_classes"),
    "dataset.reference_distribution": Renamed("supervision.reference_distribution"),
    # psi, by its name; `generator` is the network
    "loss.generator": Renamed(
        "loss.generator_objective",
        of=("wasserstein", "exponential", "logistic", "sqrt", "quadratic", "hinge"),
    ),
    # by which of two formulas one function was computed
    "loss.joint": Renamed(None, of=("label_gan", "am_gan")),
}
"""By the dotted name that a field had, in a group of the root. An old name that has a new one is
understood on the command line and in experiment files, too."""

IMPLIED_CHOICES: dict[str, str] = {"supervision": "full"}
"""The option of a group that a record of before the group counts as having chosen."""

MOVED: dict[str, str] = {
    "gan_lab.architectures.classifier.ResNetClassifier": "gan_lab.classifier.networks.ResNetClassifier",
    "gan_lab.architectures.densenet.DenseNetBC": "gan_lab.classifier.densenet.DenseNetBC",
    "gan_lab.callbacks.MetricsFile": "gan_lab.loggers.MetricsFile",
    "gan_lab.callbacks.WandbLogger": "gan_lab.loggers.WandbLogger",
    "gan_lab.metrics.protocol.Protocol": "gan_lab.scoring.protocol.Protocol",
    "gan_lab.training.classifier.ClassifierRecipe": "gan_lab.classifier.recipe.ClassifierRecipe",
    "gan_lab.training.classifier.OneCycle": "gan_lab.classifier.recipe.OneCycle",
    "gan_lab.training.classifier.Steps": "gan_lab.classifier.recipe.Steps",
    "gan_lab.training.extractors.EfficientNet": "gan_lab.scoring.extractors.EfficientNet",
    "gan_lab.training.extractors.Inception": "gan_lab.scoring.extractors.Inception",
    "gan_lab.training.extractors.OwnClassifier": "gan_lab.scoring.extractors.OwnClassifier",
}
"""Where a class or function stands today, by a dotted path that a `_target_` of an older file may
have."""

RENAMED_SCORES: dict[str, str] = {r"msssim_(?=\d)": "msssim_signed_"}
"""What stands today at the beginning of a score's name, by a regular expression that no name of
today matches."""

# packages whose modules are no part of a component's name
_NAMED_BY_CLASS = ("gan_lab", "torch", "lightning")
FACTS = ("traits", "recipe", "stable", "accepts")
"""What an option says of itself, for the checks of a config (see gan_lab.config.traits), for other
groups and for the tests; no object is made with it. Older files have `accepts` among them."""


# Reading ------------------------------------------------------------------------------------------


def check_version(version: Any, path: Path) -> int:
    """The version of a file, if this program can read it.

    Args:
        version: what stands in the file.
        path: of the file.

    Raises:
        DamagedFile: where it is no version.
        UserError: for a newer one.
    """
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise DamagedFile(f"{path} is damaged: its version is {shown(version)}; restore it")
    if version > VERSION:
        raise UserError(
            f"{path} is of version {version}, which a newer gan_lab wrote; "
            f"this one reads up to version {VERSION}: update gan_lab"
        )
    return version


def updated(config: Mapping[str, Any], version: int) -> dict[str, Any]:
    """A resolved config of an older version as one of today: old names translated, implied values
    filled in.

    Args:
        config: of a run, without its version.
        version: of the file it comes from.
    """
    result = with_new_names(translated(config))
    for dotted, since in _outermost_first():
        node, name = _place(result, dotted)
        if since.version >= version and _has(node, since, dotted) and name not in node:
            node[name] = copy.deepcopy(since.before)
    return result


def implied_fields(version: int) -> frozenset[str]:
    """The fields of the root that a file of this version may lack."""
    return frozenset(
        name
        for name, since in FIELD_DEFAULTS.items()
        if "." not in name and since.version >= version
    )


def translated(value: Any) -> Any:
    """A copy of nested containers in which every `_target_` names where its object stands today."""
    if isinstance(value, Mapping):
        return {
            key: MOVED.get(item, item)
            if key == "_target_" and isinstance(item, str)
            else translated(item)
            for key, item in value.items()
        }
    return [translated(item) for item in value] if isinstance(value, list | tuple) else value


def with_new_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a config in which every field of RENAMED_FIELDS has the name of today.

    A group that was not there begins with its implied value. A field that has both names keeps the
    value of the new one.
    """
    result = {
        name: dict(node) if isinstance(node, Mapping) else node for name, node in config.items()
    }
    for old, renaming in RENAMED_FIELDS.items():
        node, name = _place(result, old)
        if name not in node or not renaming.is_of(node):
            continue
        value = node.pop(name)
        if renaming.new is None:
            continue
        group, _, last = renaming.new.rpartition(".")
        if group not in result:
            result[group] = copy.deepcopy(FIELD_DEFAULTS[group].before)
        if isinstance(result[group], dict):
            result[group].setdefault(last, value)
    return result


def new_name(field: str) -> str:
    """The name of today of a dotted field of a config, with "config." before it or without."""
    name = field.removeprefix("config.")
    renaming = RENAMED_FIELDS.get(name)
    if renaming is None or renaming.new is None:
        return field
    return field.removesuffix(name) + renaming.new


def renamed(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores by name (of a record, or over training) under today's names; a newer one takes the
    place of an older."""
    result = {}
    for name, value in scores.items():
        for old, new in RENAMED_SCORES.items():
            name = re.sub(rf"\A(?:{old})", new, name)
        result[name] = value
    return result


# Comparing ----------------------------------------------------------------------------------------


def normalised(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config of any version in the form in which two of them are compared.

    Components are named by what they are, not by where they stand; what only the
    checks of a config read, and fields at their implied values, are left out. The
    normal form of a normal form is itself.
    """
    todays = with_new_names(translated(config))
    result = {name: without_facts(node) for name, node in todays.items()}

    # a field at the value that was implied before it came says nothing new
    for dotted, since in reversed(_outermost_first()):
        node, name = _place(result, dotted)
        if name in node and _has(node, since, dotted) and _is_implied(node[name], since.before):
            del node[name]
        elif dotted in result and isinstance(since.before, Mapping):  # a group
            _leave_out(node[name], since.before)

    # a component is what it is, wherever its class stands
    named = _named(result)
    assert isinstance(named, dict)
    return named


def component(target: str) -> str:
    """What a `_target_` is: "Adam" of "torch.optim.Adam"; "their_package.Loss" of
    "their_package.module.Loss"."""
    package, _, _ = target.partition(".")
    name = target.rpartition(".")[2]
    return name if package in (*_NAMED_BY_CLASS, name) else f"{package}.{name}"


def _named(value: Any) -> Any:
    """Nested containers with the name of a component in place of each `_target_`."""
    if isinstance(value, Mapping):
        return {
            key: component(item) if key == "_target_" and isinstance(item, str) else _named(item)
            for key, item in value.items()
        }
    return [_named(item) for item in value] if isinstance(value, list) else value


def _leave_out(node: Any, implied: Mapping[str, Any]) -> None:
    """Delete the fields of a group that are the implied ones, so that two runs differ only in the
    others."""
    for key, value in implied.items():
        if isinstance(node, dict) and _named({key: node.get(key)}) == _named({key: value}):
            del node[key]


def _is_implied(value: Any, before: Any) -> bool:
    """Whether a value is the implied one."""
    return bool(_named(value) == _named(without_facts(translated(before))))


def without_facts(node: Any) -> Any:
    """An option of a config without FACTS, and without the traits of options within it."""
    return (
        {key: without_traits(item) for key, item in node.items() if key not in FACTS}
        if isinstance(node, Mapping)
        else node
    )


def without_traits(node: Any) -> Any:
    """Nested containers without the `traits` of the components in them: a penalty of two has two
    options in it. (The other FACTS may be names of fields there.)"""
    if isinstance(node, Mapping):
        return {
            key: without_traits(item)
            for key, item in node.items()
            if not (key == "traits" and "_target_" in node)
        }
    return [without_traits(item) for item in node] if isinstance(node, list) else node


def _place(config: dict[str, Any], dotted: str) -> tuple[dict[str, Any], str]:
    """The mapping in which a dotted field stands, empty where there is
    none, and the field's name in it."""
    *parents, name = dotted.split(".")
    node: Any = config
    for key in parents:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}, name


def _outermost_first() -> list[tuple[str, Since]]:
    """The lines of FIELD_DEFAULTS, a group before its fields."""
    return sorted(FIELD_DEFAULTS.items(), key=lambda line: line[0].count("."))


def _has(node: Mapping[str, Any], since: Since, dotted: str) -> bool:
    """Whether the component of `node` has the field; the root has all of its own."""
    return "." not in dotted or ("_target_" in node and _is_of(node, since.of))


def _is_of(node: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether the component of `node` is one of these; empty: every one is."""
    return not names or component(str(node.get("_target_", ""))) in names
