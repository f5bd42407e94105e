"""Which classes and functions a config may name. Torch-free: nothing is imported.

Hydra calls whatever a `_target_` names, and a config may be somebody else's: the config.yaml of a run directory, an
experiment file. So a file may name the options of conf/ and what those name, single classes and functions. What is
typed on this program's command line may be anything in the group's packages. A config cannot widen this; the user can,
by the environment variable GAN_LAB_TRUSTED_PACKAGES.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig

from gan_lab.config import signature
from gan_lab.errors import UserError
from gan_lab.records import versions

TRUSTED_PACKAGES = "GAN_LAB_TRUSTED_PACKAGES"
OWN = tuple(name.strip() for name in os.environ.get(TRUSTED_PACKAGES, "").split(",") if name.strip())
"""What the user trusts, read before Hydra acts on a config: its hydra.job.env_set comes too late."""


def _of(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names)


_CLASSIFIERS = (
    *_of("gan_lab.classifier", "networks.ResNetClassifier", "densenet.DenseNetBC"),
    *_of("gan_lab.classifier.recipe", "ClassifierRecipe", "OneCycle", "Steps"),
)
_OPTIMIZERS = (*_of("gan_lab.optim", "AdaShift", "AdamSpatial"), *_of("torch.optim", "Adam", "NAdam", "RMSprop", "SGD"))
_LOSSES = (
    *("wasserstein", "exponential", "logistic", "sqrt", "quadratic", "hinge", "vanilla", "nonsaturating"),
    *("least_squares", "fisher", "gan_star", "ac_gan", "ac_gan_plus", "label_gan", "am_gan", "cat_gan"),
)
_PENALTIES = ("NoPenalty", "MaxGradientPenalty", "GradientPenalty", "WeightClipping", "SpectralNorm")
_DATA = (
    *("digits.Digits", "mnist.MNIST", "cifar10.CIFAR10", "tiny_imagenet.TinyImageNet", "flowers102.Flowers102"),
    *("image_folder.ImageFolder", "gaussians.Gaussians"),
)
OPTIONS = {
    "loss": _of("gan_lab.losses", *_LOSSES),
    "labels": _of("gan_lab.losses.targets", "NoTargets", "Dynamic", "Predefined"),
    "penalty": _of("gan_lab.penalties", *_PENALTIES),
    "optimizer": _OPTIMIZERS,
    "optimizer_critic": _OPTIMIZERS,
    "schedule": _of("gan_lab.optim.schedules", "Linear", "Constant", "Staircase"),
    "architecture": _of("gan_lab.architectures", "ResNet", "DCGAN", "MLP"),
    "dataset": _of("gan_lab.data", *_DATA),
    "evaluation": (
        "gan_lab.scoring.protocol.Protocol",
        *_of("gan_lab.scoring.extractors", "OwnClassifier", "Inception", "EfficientNet"),
        *_CLASSIFIERS,
    ),
    "classifier": _CLASSIFIERS,
    "trainer": ("lightning.pytorch.Trainer", "gan_lab.training.strategy.SharedStep"),
    "logger": (
        *_of("gan_lab.loggers", "MetricsFile", "WandbLogger"),
        "lightning.pytorch.loggers.TensorBoardLogger",
    ),
}
"""What a file may name, for each group and whatever is nested in it: the targets of conf/ (a test holds them equal)."""

_CLASSIFIER = ("gan_lab.classifier.recipe", "gan_lab.classifier.networks", "gan_lab.classifier.densenet")
# A name from elsewhere stands beside what it stands for.
_TENSORBOARD = (
    "lightning.pytorch.loggers.TensorBoardLogger",
    "lightning.pytorch.loggers.tensorboard.TensorBoardLogger",
)
_TRAINER = ("lightning.pytorch.Trainer", "lightning.pytorch.trainer.trainer.Trainer")
ALLOWED = {
    "loss": ("gan_lab.losses",),
    "labels": ("gan_lab.losses.targets",),
    "penalty": ("gan_lab.penalties",),
    "optimizer": ("gan_lab.optim", "torch.optim"),
    "optimizer_critic": ("gan_lab.optim", "torch.optim"),
    "schedule": ("gan_lab.optim",),
    "architecture": ("gan_lab.architectures",),
    "dataset": ("gan_lab.data",),
    "evaluation": ("gan_lab.scoring.protocol", "gan_lab.scoring.extractors", *_CLASSIFIER),
    "classifier": _CLASSIFIER,
    "trainer": (*_TRAINER, "gan_lab.training.strategy"),
    "logger": ("gan_lab.loggers", *_TENSORBOARD),
}
"""What may be typed: packages, modules or single objects, for each group and whatever is nested in it."""


def check(path: str, node: Any) -> None:
    """Refuse a config node, in which interpolations are resolved, that names what its group may not name.

    path: of the node, dotted; its first part is the group. Every depth is looked at, lists too. Refused are a
    `_target_` that is none of OPTIONS nor, where it was typed, public, in ALLOWED and defined there, and Hydra's other
    instructions (`_partial_`, `_args_`, ...), which no option needs. Raises UserError.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_":
                _check_target(path, value)
            elif isinstance(key, str) and key.startswith("_") and key.endswith("_"):
                raise UserError(f"{path}.{key}: this is an instruction to Hydra that no option takes; leave it away")
            else:
                check(f"{path}.{key}", value)
    elif isinstance(node, str) and "${" in node:  # Hydra would resolve it after this check
        raise UserError(f"{path}={node}: an interpolation that was escaped; no option takes one")
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            check(f"{path}[{index}]", value)


def _check_target(path: str, target: Any) -> None:
    group = path.split(".")[0].split("[")[0]
    options = {*OPTIONS[group], *(versions.MOVED.get(option, option) for option in OPTIONS[group])}
    if isinstance(target, str) and target in options:
        return

    # by another path to it, or what is trusted beyond the options
    if _is_public(target) and _is_within(target, (*ALLOWED[group], *OWN)):
        defined = signature.definition(target)
        trusted = (*(ALLOWED[group] if target in _typed() else ()), *OWN)
        if defined in map(signature.definition, OPTIONS[group]):
            return
        if _is_within(target, trusted) and _is_within(defined, trusted):
            return
    raise UserError(
        f"{path}._target_={target}: a config may not name it; a file may name the options of {group}, and the command "
        f"line what is in {' or '.join(ALLOWED[group])} (for code of your own set the environment variable "
        f"{TRUSTED_PACKAGES}=PACKAGE)"
    )


def _typed() -> frozenset[str]:
    """Every name in a value that was typed on this program's command line.

    Parameters of a sweep that stand in a file are no such values, though Hydra hands them on among the others.
    """
    if not HydraConfig.initialized():
        return frozenset()
    hydra = HydraConfig.get()
    of_files = set(hydra.sweeper.get("params") or {})
    typed = [override.partition("=") for override in hydra.overrides.task]
    return frozenset(name for key, _, value in typed if key not in of_files for name in re.findall(r"[\w.]+", value))


def _is_public(target: Any) -> bool:
    return isinstance(target, str) and not any(part.startswith("_") for part in target.split("."))


def _is_within(target: str, packages: Iterable[str]) -> bool:
    return any(target == package or target.startswith(package + ".") for package in packages)
