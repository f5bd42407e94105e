"""What changed between versions of config.yaml and record.json, in one place. Torch-free.

A field that comes with a version gets a line in FIELD_DEFAULTS, a class that moves or is renamed
one in MOVED, a score with another name one in RENAMED_SCORES. From there it is read by all who meet
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

VERSION = 2
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
    "dataset.labelled_fraction": Since(1, 1.0),
    "dataset.num_classes": Since(1, None),
    "dataset.reference_distribution": Since(1, None),
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
    "penalty.exact": Since(2, False, of=("SpectralNorm",)),
}
"""By dotted field, at any depth. A field at its implied value is no part of a run's identity."""

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

_NAMED_BY_CLASS = (
    "gan_lab",
    "torch",
    "lightning",
)  # packages whose modules are no part of a component's name
FACTS = ("traits", "recipe", "stable", "accepts")
"""What an option says of itself, for the checks of a config (see gan_lab.config.traits), for other
groups and for the tests; no object is made with it. Older files have `accepts` among them."""


# Reading ------------------------------------------------------------------------------------------


def check_version(version: Any, path: Path) -> int:
    """The version of the file `path`, if this program can read it. Raises DamagedFile, or UserError
    for a newer one."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise DamagedFile(f"{path} is damaged: its version is {shown(version)}; restore it")
    if version > VERSION:
        raise UserError(
            f"{path} is of version {version}, which a newer gan_lab wrote; this one reads up to "
            f"version {VERSION}: "
            "update gan_lab"
        )
    return version


def updated(config: Mapping[str, Any], version: int) -> dict[str, Any]:
    """A resolved config of an older version as one of today: old paths translated, implied values
    filled in.

    Args:
        config: of a run, without its version.
        version: of the file it comes from.
    """
    result = translated(config)
    for dotted, since in FIELD_DEFAULTS.items():
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

    Components are named by what they are, not by where they stand; what only the checks of a config
    read, and fields at their implied values, are left out. The normal form of a normal form is
    itself.
    """
    result = {name: without_facts(node) for name, node in translated(config).items()}
    for dotted, since in FIELD_DEFAULTS.items():
        node, name = _place(result, dotted)
        if _has(node, since, dotted) and name in node and _same(node[name], since.before):
            del node[name]
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
    if isinstance(value, Mapping):
        return {
            key: component(item) if key == "_target_" and isinstance(item, str) else _named(item)
            for key, item in value.items()
        }
    return [_named(item) for item in value] if isinstance(value, list) else value


def _same(value: Any, before: Any) -> bool:
    """Whether a value is the implied one."""
    return bool(_named(value) == _named(without_facts(translated(before))))


def without_facts(node: Any) -> Any:
    """An option of a config without FACTS."""
    return (
        {key: item for key, item in node.items() if key not in FACTS}
        if isinstance(node, Mapping)
        else node
    )


def _place(config: dict[str, Any], dotted: str) -> tuple[dict[str, Any], str]:
    """The mapping in which a dotted field stands, empty where there is none, and the field's name
    in it."""
    *parents, name = dotted.split(".")
    node: Any = config
    for key in parents:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}, name


def _has(node: Mapping[str, Any], since: Since, dotted: str) -> bool:
    """Whether the component of `node` has the field; the root has all of its own."""
    if "." not in dotted:
        return True
    name = component(str(node["_target_"])) if "_target_" in node else None
    return name is not None and (not since.of or name in since.of)
