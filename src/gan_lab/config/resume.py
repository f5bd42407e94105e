"""The config of a run that exists: read, held against what was typed, and continued. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_lab import records
from gan_lab.config import trust
from gan_lab.config.schema import GROUPS, TrainConfig, plain_config
from gan_lab.errors import UserError
from gan_lab.files import refuse_links
from gan_lab.reading import plain_yaml
from gan_lab.reading.schema import misfit
from gan_lab.records import folder as names
from gan_lab.records import versions

# Resume -------------------------------------------------------------------------------------------


# what a run that goes on may find elsewhere, or fetch again; none of it determines a result: see
# records.determining
WHERE = ("dataset.root", "dataset.download", "data_cache")
_FREE = (
    "trainer",
    "logger",
    "evaluation",
)  # groups that may change, but for the trainer's precision


def resumed(config: DictConfig, overrides: Iterable[str], run_dir: Path) -> DictConfig:
    """The config of the run in `config.resume`, with the few things that a resume may change taken
    from `config`.

    overrides: what was typed. Allowed are trainer (not its precision), logger, evaluation, where
    the data are now (WHERE; their content is checked once they are read) and a larger
    max_generator_steps; any other override must repeat the saved value. Raises UserError naming the
    field that differs.
    """
    folder = Path(str(config.resume))
    saved = saved_config(folder, "resume")
    if folder.resolve() != run_dir.resolve():
        raise UserError(
            f"resume={folder}: a run goes on in its own folder; leave -m and run_dir away"
        )
    result = saved.copy()
    result.resume = str(folder)
    for override in overrides:
        _take(override, config, saved, result)

    # how it multiplies is part of what it is
    for name, implied in (("precision", None), ("tf32", records.TF32)):
        kept = saved.trainer.get(name, implied)
        if result.trainer.get(name, implied) != kept:
            raise UserError(
                f"trainer.{name}: a resumed run keeps its {name}; add trainer.{name}={kept}"
            )
    return result


def _take(override: str, config: DictConfig, saved: DictConfig, result: DictConfig) -> None:
    """Take what was typed from `config` into `result`, where a resume may change it. Raises
    UserError where not."""
    key = re.split(r"[=:]", override.lstrip("+~"))[0].rpartition("@")[2]
    root = key.split(".")[0]
    if root == "resume":
        return

    # what does not decide the result: of these groups another option, or a field; and where the
    # data are
    if root in _FREE:
        if key == root:
            result[root] = config[root]
        else:
            OmegaConf.update(result, key, OmegaConf.select(config, key), force_add=True)
    elif key in WHERE and OmegaConf.select(saved, key) is not None:
        OmegaConf.update(result, key, OmegaConf.select(config, key))

    # a longer run, and whatever repeats the saved value
    elif root == "max_generator_steps":
        if config.max_generator_steps < saved.max_generator_steps:
            raise UserError(
                f"{override}: a resumed run may only get longer; it has {saved.max_generator_steps}"
            )
        result.max_generator_steps = config.max_generator_steps
    elif root not in saved or _determining(config, key) != _determining(saved, key):
        raise UserError(
            f"{override}: a resumed run keeps its {key}; start a new run, or leave {key} away"
        )


def _determining(config: DictConfig, key: str) -> Any:
    """The value of a field; of an option without what only the checks read, and of a data set
    without where it stands."""
    value = OmegaConf.select(config, key)
    if not isinstance(value, DictConfig):
        return value
    option = versions.without_facts(plain_config(value))
    return records.determining({key: option}) if key == "dataset" else option


def config_text(plain: Mapping[str, Any]) -> str:
    """The text of config.yaml for a resolved config."""
    return OmegaConf.to_yaml(OmegaConf.create({"version": versions.VERSION, **plain}))


def saved_config(folder: Path, field: str) -> DictConfig:
    """The config.yaml of a run directory, named by `field`, as a config of today: see
    versions.updated.

    Raises UserError where it is missing or damaged, where a newer gan_lab wrote it, and for a link
    in the folder.
    """
    refuse_links(folder)
    path = folder / names.CONFIG
    if not path.is_file():
        raise UserError(
            f"{field}={folder} is no run directory: it has no {names.CONFIG}; name a folder of "
            "train.py's"
        )
    content = plain_yaml.read(path)
    saved: dict[Any, Any] = content if isinstance(content, dict) else {}
    version = versions.check_version(saved.pop("version", 1), path)

    # what every version had must be there; the rest is filled in
    needed = {item.name for item in fields(TrainConfig)} - versions.implied_fields(version)
    if missing := needed - set(saved):
        raise UserError(f"{path} is damaged: it has no {', '.join(sorted(missing))}; restore it")
    if found := _interpolation(saved):
        raise UserError(
            f"{path} holds {found}, which train.py never writes: it was altered; restore it"
        )
    if wrong := misfit(saved, records.Config):
        raise UserError(f"{path} is damaged: {wrong}; restore it")
    updated = versions.updated(saved, version)
    for group in GROUPS:  # what it names is its own, whatever takes its place afterwards
        trust.check(group, updated[group])
    return OmegaConf.create(updated)


def _interpolation(value: Any) -> str | None:
    """The first string with "${" in nested containers: it would read this machine's environment
    into the records."""
    if isinstance(value, str):
        return value if "${" in value else None
    items = (
        [*value, *value.values()]
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else []
    )
    return next((found for item in items if (found := _interpolation(item))), None)
