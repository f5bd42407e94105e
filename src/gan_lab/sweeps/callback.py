"""Hydra's callback at the beginning of a sweep, and the list at its end. Torch-free."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from gan_lab import sweeps, terminal
from gan_lab.errors import UserError
from gan_lab.sweeps.job import Places, cell_dir

_begun: list[tuple[Path, dict[str, list[str]], Path]] = []  # of this process


class SweepCallback(Callback):
    """Notes the cells of a sweep before its first job starts, and those that fail, whatever the
    launcher."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Part of Hydra's interface. A sweep that cannot be composed is left to Hydra's own
        message."""
        loader = GlobalHydra.instance().config_loader()
        typed = [
            f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()
        ]
        typed += list(config.hydra.overrides.task)
        setup_globals()
        _ = (
            config.hydra.sweep.dir
        )  # its time of day is now settled, for the cells and for the launcher
        cells = {}
        try:
            parsed = OverridesParser.create(config_loader=loader).parse_overrides(typed)
            places = Places(loader, config)
            for number, overrides in enumerate(BasicSweeper.split_arguments(parsed, None)[0]):
                sweep_dir, subdir = places.of(overrides, number)
                cells[subdir] = sweeps.typed(overrides)
        except (HydraException, OmegaConfBaseException, ValueError, TypeError):
            return
        try:
            sweeps.check_own_files(sweep_dir)
        except UserError as error:  # Hydra would go on after an Exception of a callback
            terminal.tell(f"error: {error}", error=True)
            sys.exit(1)
        _begun.append((sweep_dir, cells, sweeps.note_cells(sweep_dir, cells)))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Part of Hydra's interface; in the process of the job. Its error may have come before it
        had a record."""
        if config.hydra.mode == RunMode.MULTIRUN and job_return.status == JobStatus.FAILED:
            error = job_return._return_value
            why = (
                str(error)
                if isinstance(error, HydraException)
                else f"{type(error).__name__}: {error}"
            )
            sweeps.note_failed(cell_dir(config), sweeps.typed(job_return.overrides or ()), why)


def is_composed() -> bool:
    """Whether every cell of the sweep that this process runs was composed."""
    return bool(_begun)


def tell_ending() -> None:
    """Print what became of the sweep that this process has run, if it has."""
    while _begun:
        sweep_dir, planned, noted = _begun.pop()
        cells = [
            sweeps.read_cell(sweep_dir / subdir, typed, time.time())
            for subdir, typed in planned.items()
        ]
        cells = sweeps.with_failures(cells)
        sent = sweep_dir in sweeps.SENT
        if not sent and all(cell.state == "waiting" for cell in cells):
            sweeps.forget(noted)  # it was refused before its first job
            continue
        terminal.tell("\n".join(sweeps.ending(sweep_dir, cells, go_on=sent)))
