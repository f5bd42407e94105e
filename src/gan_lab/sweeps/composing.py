"""The configs of a sweep's cells, and where each goes, as Hydra composes them. Torch-free."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_lab.sweeps.sweep import PlannedCell, Sweep, task_overrides


def plan_sweep(
    loader: ConfigLoader,
    config: DictConfig,
    overrides: Sequence[Sequence[str]],
    first_number: int = 0,
) -> Sweep:
    """The sweep that runs these cells.

    Args:
        loader: Hydra's.
        config: the sweep's.
        overrides: of each cell, all that Hydra's sweeper gives it.
        first_number: of the first of them.

    Raises:
        HydraException, OmegaConfBaseException: where overrides do not fit.
    """
    configs = CellConfigs(loader, config)
    directory, cells = Path(str(config.hydra.sweep.dir)), []
    for number, texts in enumerate(overrides, first_number):
        directory, name = resolve_folder(configs.compose(texts, number))
        cells.append(PlannedCell(number, name, directory / name, task_overrides(texts)))
    return Sweep(directory, tuple(cells))


def compose_cell(
    loader: ConfigLoader, config: DictConfig, overrides: Sequence[str], number: int
) -> DictConfig:
    """The config of a cell, as Hydra's own launchers compose it.

    Args:
        loader: Hydra's.
        config: the sweep's.
        overrides: the cell's.
        number: the cell's.
    """
    composed = loader.load_sweep_config(config, list(overrides))
    with open_dict(composed):
        composed.hydra.job.id = str(number)
        composed.hydra.job.num = number
    return composed


def resolve_folder(composed: DictConfig) -> tuple[Path, str]:
    """The sweep's directory and the cell's name in it, as Hydra's run_job resolves them.

    Args:
        composed: the cell's config. Its folders may name `hydra:` fields, which are looked up in
            the config that is Hydra's at that moment, so for that moment it is this one.
    """
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(composed)
    try:
        return Path(str(composed.hydra.sweep.dir)), str(composed.hydra.sweep.subdir)
    finally:
        HydraConfig.instance().cfg = before


def cell_dir(composed: DictConfig) -> Path:
    """The run directory of a cell."""
    return Path(*resolve_folder(composed))


class CellConfigs:
    """The configs of a sweep's cells; a whole config is composed once for
    each combination of options only.

    Composing takes a tenth of a second, and a sweep of hundreds of seeds would
    wait for it before its first cell.

    Args:
        loader: Hydra's.
        config: the sweep's.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self.loader, self.config = loader, config
        self.parser = OverridesParser.create(config_loader=loader)
        self.plain: dict[str, Override | None] = {}  # by text; None for what needs composing
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """The config of a cell.

        Args:
            overrides: the cell's.
            number: the cell's.

        Raises:
            HydraException, OmegaConfBaseException: where overrides do not fit.
        """
        # seeds and numbers only change fields; options, and all that is not plain, need composing
        for text in overrides:
            if text not in self.plain:
                self.plain[text] = self._plain(text)
        fields = [plain for text in overrides if (plain := self.plain[text]) is not None]
        others = tuple(text for text in overrides if self.plain[text] is None)
        if others not in self.composed:
            self.composed[others] = compose_cell(self.loader, self.config, others, number)
        base = self.composed[others]

        # hydra.job.override_dirname, which only composing makes, has every
        # override in the folder's name
        if "override" in str(OmegaConf.to_container(base.hydra.sweep, resolve=False)):
            return compose_cell(self.loader, self.config, overrides, number)

        # the rest of load_sweep_config, on a copy. The cache holds the
        # time of day, the same for all
        cell = copy.deepcopy(base)
        with open_dict(cell):
            cell.hydra.job.id, cell.hydra.job.num = str(number), number
        ConfigLoaderImpl._apply_overrides_to_config(fields, cell)
        OmegaConf.copy_cache(from_config=self.config, to_config=cell)
        return cell

    def _plain(self, text: str) -> Override | None:
        """An override that gives a field of the root or of a group another value, and does nothing
        else; None for another one. Hydra looks through its folders to tell a group from a field."""
        override = self.parser.parse_override(text)
        key = override.key_or_group
        is_plain = (
            override.type == OverrideType.CHANGE
            and key.split(".")[0] != "hydra"
            and "/" not in key
            and not self.loader.get_group_options(key)
        )
        return override if is_plain else None
