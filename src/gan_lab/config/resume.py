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
from gan_lab.config.schema import GROUPS, TrainConfig, plain_config, rename_old_fields
from gan_lab.errors import UserError
from gan_lab.files import refuse_links
from gan_lab.reading import plain_yaml
from gan_lab.reading.schema import misfit
from gan_lab.records import folder as names
from gan_lab.records import versions

# what a run that goes on may find elsewhere, or fetch again; none of it determines a result, see
# records.determining
WHERE = ("dataset.root", "dataset.download", "data_cache")
# groups that may change, but for the trainer's precision
_FREE = ("trainer", "logger", "evaluation", "diagnostics")


def resumed(config: DictConfig, overrides: Iterable[str], run_dir: Path) -> DictConfig:
    """Make the config with which the run in `config.resume` goes on.

    It is the saved one with the few things that a resume may change taken from `config`: trainer
    (not its precision), logger, evaluation, diagnostics, the place of the data (WHERE; their
    content is checked once they are read) and a larger max_generator_steps.

    Args:
        config: of this command.
        overrides: as they were typed; any other override must repeat the saved value.
        run_dir: the run directory of this command.

    Raises:
        UserError: names the field that differs.
    """
    rename_old_fields(config, trust.typed_fields())
    folder = Path(str(config.resume))
    saved = saved_config(folder, "resume")
    if folder.resolve() != run_dir.resolve():
        raise UserError(
            f"omit -m and run_dir beside resume={folder}: a run goes on in its own folder"
        )

    # override by override, so that a refusal names the one that was typed
    result = saved.copy()
    result.resume = str(folder)
    for override in overrides:
        _take(override, config, saved, result)

    # another precision would be another run; an older config does not say whether it had TF32
    for name, implied in (("precision", None), ("tf32", records.TF32)):
        kept = saved.trainer.get(name, implied)
        if result.trainer.get(name, implied) != kept:
            raise UserError(f"add trainer.{name}={kept}: a resumed run keeps its {name}")
    return result


def _take(override: str, config: DictConfig, saved: DictConfig, result: DictConfig) -> None:
    """Take what was typed from `config` into `result`.

    Raises:
        UserError: a resume may not change it.
    """
    # "~logger", "+trainer.devices=2", "optimizer@optimizer_critic=sgd"
    key = versions.new_name(re.split(r"[=:]", override.lstrip("+~"))[0].rpartition("@")[2])
    root = key.split(".")[0]
    if root == "resume":
        return

    # what does not decide the result: another option or field of these groups; the place of data
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
                f"set max_generator_steps={saved.max_generator_steps} or more, not {override}: a "
                "resumed run may only get longer"
            )
        result.max_generator_steps = config.max_generator_steps
    elif root not in saved or _determining(config, key) != _determining(saved, key):
        raise UserError(
            f"omit {override}: a resumed run keeps its {key}; start a new run to change it"
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
    """Read the config.yaml of a run directory as a config of today (versions.updated).

    Args:
        folder: the run directory.
        field: names it on the command line.

    Raises:
        UserError: it is missing or damaged, a newer gan_lab wrote it, or a link is in the folder.
    """
    refuse_links(folder)
    path = folder / names.CONFIG
    if not path.is_file():
        raise UserError(
            f"{field}={folder} is no run directory: it has no {names.CONFIG}; name a folder of "
            "train.py's"
        )

    # a file, which may be someone else's: held against the schema before anything uses it
    content = plain_yaml.read(path)
    saved: dict[Any, Any] = content if isinstance(content, dict) else {}
    version = versions.check_version(saved.pop("version", 1), path)

    # what every version had must be there; the rest is filled in
    if "study" in saved:
        raise UserError(
            f"{field}={folder} holds a study, in which no GAN is trained: name a folder of "
            "train.py's"
        )
    needed = {item.name for item in fields(TrainConfig)} - versions.implied_fields(version)
    if missing := needed - set(saved):
        raise UserError(f"{path} is damaged: it has no {', '.join(sorted(missing))}; restore it")
    if text := _interpolation(saved):
        raise UserError(
            f"{path} holds {text}, which train.py never writes: it was altered; restore it"
        )
    if wrong := misfit(saved, records.Config):
        raise UserError(f"{path} is damaged: {wrong}; restore it")

    # what a file names must be our own classes; whatever is typed takes their places afterwards
    updated = versions.updated(saved, version)
    for group in GROUPS:
        trust.check(group, updated[group])
    return OmegaConf.create(updated)


def _interpolation(value: Any) -> str | None:
    """The first string with "${" in nested containers.

    It would read this machine's environment into the records.
    """
    if isinstance(value, str):
        return value if "${" in value else None
    items: list[Any] = []
    if isinstance(value, dict):
        items = [*value, *value.values()]
    elif isinstance(value, list):
        items = value
    return next((text for item in items if (text := _interpolation(item))), None)
