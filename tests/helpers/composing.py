"""Hydra reads each file of conf/ once in a session of tests.

Some 2,700 configs are composed, of 22 files each: reading them again takes a quarter of the time.
"""

from __future__ import annotations

import copy

import pytest
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult

from helpers.registry import CONF

LASTING = {str(CONF), "hydra.conf"}  # folders of config files that no test writes to


def read_once(patch: pytest.MonkeyPatch) -> None:
    """From now on a composed config gets copies of what was read before. Files in other folders
    are read as they stand."""
    read, kept = ConfigRepository.load_config, {}

    def load_config(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
        source = repository._find_object_source(config_path, ObjectType.CONFIG)
        place = (getattr(source, "path", None), config_path)
        if place[0] not in LASTING:
            return read(repository, config_path)
        if place not in kept:
            kept[place] = read(repository, config_path)
        found = copy.copy(kept[place])
        found.config = copy.deepcopy(found.config)  # both are changed by who composes
        found.defaults_list = copy.deepcopy(found.defaults_list)
        return found

    patch.setattr(ConfigRepository, "load_config", load_config)
