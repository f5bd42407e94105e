"""What makes two runs the same run: the fields of a config that
determine its result. Torch-free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_lab.errors import UserError
from gan_lab.records import folder, versions
from gan_lab.records.json_text import mapped, strict

# What may differ between two runs of one sweep cell: places, cadences and loggers ...
_NOT_IDENTITY = {
    *("version", "run_dir", "resume", "existing_run", "logger", "data_cache", "keep_checkpoints"),
    "device",  # of a study
    *("checkpoint_every", "sample_every", "evaluate_every", "log_every"),
    "diagnostics",  # they look and change nothing
    "evaluation",  # a score's name and entry say how it was made; the generator is the same
}
# ... and where the data stand (their content hash is recorded).
_NOT_IDENTITY_OF_DATASET = {"root", "download"}

TF32 = "convolutions"
"""The value of trainer.tf32 that torch has by itself, and so every run of before there was the
field."""


def check_same_run(checkpoint: Path, config: Mapping[str, Any], its: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that was made by another config than its run's;
    the run may have become longer.

    Args:
        checkpoint: its path.
        config: the run's.
        its: `determining` or `identity` of the checkpoint's config, as the
            version that wrote it understood them.

    Raises:
        UserError: names the first field that differs.
    """
    for key in differing(config, its):
        if key != "max_generator_steps":
            raise UserError(
                f"{checkpoint} was made with another {key} ({identity(its).get(key)}) than its "
                f"run's {folder.CONFIG} says ({identity(config).get(key)}): restore the file that "
                "was exchanged, or train a new run"
            )


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config, of any version, that tells it apart in a sweep.

    It is `determining` in the form that versions compare: moving a class, or a new field at the
    value that was implied before, changes nothing in it.
    """
    return versions.normalised(determining(config))


def differing(config: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The fields of the root in which the identities of two configs differ."""
    mine, its = identity(config), identity(other)
    return sorted(
        key
        for key in mine.keys() | its.keys()
        if canonical(mine.get(key)) != canonical(its.get(key))
    )


def determining(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a resolved config that determine the result, as they stand in it: what a
    checkpoint keeps."""
    kept = {key: value for key, value in config.items() if key not in _NOT_IDENTITY}

    # the trainer counts by its arithmetic alone; torch's own tf32 was implied before the field was
    if isinstance(trainer := kept.get("trainer"), Mapping):
        kept["trainer"] = {"precision": trainer.get("precision")}
        if (tf32 := trainer.get("tf32", TF32)) != TF32:
            kept["trainer"]["tf32"] = tf32

    if isinstance(dataset := kept.get("dataset"), Mapping):
        kept["dataset"] = {
            key: value for key, value in dataset.items() if key not in _NOT_IDENTITY_OF_DATASET
        }
    return kept


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 (first 16 hex digits) of `identity(config)` in canonical JSON."""
    return hashlib.sha256(canonical(identity(config)).encode()).hexdigest()[:16]


def canonical(value: Any) -> str:
    """JSON that is the same for equal values: 1 and 1.0, nan and the "nan" of a
    record, mappings in another order."""
    return json.dumps(mapped(value, _number), sort_keys=True, separators=(",", ":"))


def _number(value: Any) -> Any:
    """1.0 as 1, since which of them was typed is no difference."""
    return int(value) if isinstance(value, float) and value.is_integer() else strict(value)
