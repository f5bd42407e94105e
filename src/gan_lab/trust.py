"""Which classes and functions a config may name. Torch-free: nothing is imported.

Hydra calls whatever a `_target_` names, and a config may be somebody else's: the config.yaml of a run directory, an
experiment file. So each group may name what is meant for it and nothing else. A config cannot widen this; the user can,
by the environment variable GAN_LAB_TRUSTED_PACKAGES.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from gan_lab import signature
from gan_lab.types import UserError

TRUSTED_PACKAGES = "GAN_LAB_TRUSTED_PACKAGES"
OWN = tuple(name.strip() for name in os.environ.get(TRUSTED_PACKAGES, "").split(",") if name.strip())
"""What the user trusts, read before Hydra acts on a config: its hydra.job.env_set comes too late."""
_CLASSIFIER = ("gan_lab.training.classifier", "gan_lab.architectures")
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
    "evaluation": ("gan_lab.metrics.protocol", "gan_lab.training.extractors", *_CLASSIFIER),
    "classifier": _CLASSIFIER,
    "trainer": (*_TRAINER, "gan_lab.training.strategy"),
    "logger": ("gan_lab.callbacks", *_TENSORBOARD),
}
"""Packages, modules or single objects, for each group and whatever is nested in it."""


def check(path: str, node: Any) -> None:
    """Refuse a config node, in which interpolations are resolved, that names what its group may not name.

    path: of the node, dotted; its first part is the group. Every depth is looked at, lists too. Refused are a
    `_target_` that is not public, not in ALLOWED or defined elsewhere, and Hydra's other instructions (`_partial_`,
    `_args_`, ...), which no option needs. Raises UserError.
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
    allowed = (*ALLOWED[group], *OWN)
    if not (_is_public(target) and _is_within(target, allowed) and _is_within(signature.definition(target), allowed)):
        raise UserError(
            f"{path}._target_={target}: a config may not name it; {group} takes what is in "
            f"{' or '.join(ALLOWED[group])} (for code of your own set the environment variable "
            f"{TRUSTED_PACKAGES}=PACKAGE)"
        )


def _is_public(target: Any) -> bool:
    return isinstance(target, str) and not any(part.startswith("_") for part in target.split("."))


def _is_within(target: str, packages: Iterable[str]) -> bool:
    return any(target == package or target.startswith(package + ".") for package in packages)
