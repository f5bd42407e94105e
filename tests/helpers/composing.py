"""What Hydra makes of conf/ is kept for the session of tests: each file as it was read, and the
files of one choice of options as they were merged, before what is typed is put into them.

Some 2,700 configs are composed, of 22 files each. That would take a third of the time of all tests.
"""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from helpers.registry import CONF

# conf/, Hydra's own files, and the schemas that a program registers once: no test changes them
LASTING = {str(CONF), "hydra.conf", ""}

# what Hydra itself does
_read = ConfigRepository.load_config
_merge = ConfigLoaderImpl._compose_config_from_defaults_list
_create_map = defaults_list._create_interpolation_map


def keep_composed(patch: pytest.MonkeyPatch) -> None:
    """From now on a config gets a copy of what was composed before. Files in other folders, and
    what is composed of them, are read as they stand."""
    _read_once(patch)
    _merge_once(patch)
    _no_unused_maps(patch)


def leave_to_hydra(patch: pytest.MonkeyPatch) -> None:
    """Undo that."""
    patch.setattr(ConfigRepository, "load_config", _read)
    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", _merge)
    patch.setattr(defaults_list, "_create_interpolation_map", _create_map)


def _place(repository: ConfigRepository, config_path: str) -> tuple[str | None, str]:
    """The folder of a config file and its name."""
    source = repository._find_object_source(config_path, ObjectType.CONFIG)
    return getattr(source, "path", None), config_path


def _read_once(patch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[str | None, str], ConfigResult | None] = {}

    def load_config(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
        place = _place(repository, config_path)
        if place[0] not in LASTING:
            return _read(repository, config_path)
        if place not in kept:
            kept[place] = _read(repository, config_path)
        return copy.copy(kept[place])

    patch.setattr(ConfigRepository, "load_config", load_config)


class _Copies:
    """A repository whose configs may be changed by who gets them, as merging does."""

    def __init__(self, repository: CachingConfigRepository) -> None:
        self.repository = repository

    def __getattr__(self, name: str) -> Any:
        return getattr(self.repository, name)

    def load_config(self, config_path: str) -> ConfigResult | None:
        found = copy.copy(self.repository.load_config(config_path))
        if found is not None:
            found.config = copy.deepcopy(found.config)
        return found


def _merge_once(patch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[Any, ...], bytes] = {}

    def compose_config(
        loader: ConfigLoaderImpl, defaults: list[Any], repo: CachingConfigRepository
    ) -> DictConfig:
        places = [_place(repo.delegate, str(default.config_path)) for default in defaults]
        if any(folder not in LASTING for folder, _ in places):
            return _merge(loader, defaults, _Copies(repo))
        choice = (*places, *(dataclasses.astuple(default) for default in defaults))
        if choice not in kept:
            kept[choice] = pickle.dumps(_merge(loader, defaults, _Copies(repo)))
        return pickle.loads(kept[choice])  # a seventh of the time of a deep copy

    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", compose_config)


def _no_unused_maps(patch: pytest.MonkeyPatch) -> None:
    """Hydra makes a config of all choices after each file, for defaults that are named after them.
    Few files have such."""

    def create_map(overrides: Any, defaults: list[Any], self_added: bool) -> DictConfig | None:
        named_after_others = any(default.is_interpolation() for default in defaults)
        return _create_map(overrides, defaults, self_added) if named_after_others else None

    patch.setattr(defaults_list, "_create_interpolation_map", create_map)
