"""One cell of a sweep in a process of its own: what the launchers of `hydra_plugins` send there.
Torch-free."""

from __future__ import annotations

import copy
import os
import signal
import subprocess  # nosec B404 # for a cell, below
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.errors import CompactHydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_lab import config, sweeps
from gan_lab.errors import UserError
from gan_lab.files import refuse_links
from gan_lab.records import folder
from gan_lab.sweeps import devices
from gan_lab.terminal import quoted

_OF_THE_SWEEP = (
    "hydra/launcher",
    "hydra.launcher",
    "hydra/sweeper",
    "hydra.sweeper",
    "hydra.sweep.",
    "hydra.mode",
)


@dataclass
class Job:
    """One cell of a sweep, ready to be sent to another process. Calling it there trains.

    parent: the process that must be alive, on this machine; None where the cell outlives its sweep
    (Slurm).
    """

    number: int
    overrides: list[str]
    sweep: DictConfig  # its config
    context: HydraContext
    task: TaskFunction
    singletons: dict[Any, Any]
    folder: str  # working directory
    parent: int | None
    script: (
        str | None
    )  # what starts a cell of several devices; None where Slurm has started a process for each
    requeued: bool = False  # this process ends so that another one goes on

    def __call__(self) -> tuple[bool, str]:
        """(whether it succeeded, why not). Output goes to output.log in the cell's directory.

        Raises nothing, but SystemExit after `to_go_on`.
        """
        try:
            self._run()
        except CompactHydraException as error:
            return False, str(error)
        except KeyboardInterrupt as stop:
            if self.requeued:  # no result must be left: that of the next part is waited for
                raise SystemExit(
                    stop.__context__.code if isinstance(stop.__context__, SystemExit) else -1
                ) from None
            return False, f"interrupted: {stop or 'KeyboardInterrupt'}"
        except OSError as error:
            return (
                False,
                f"{error.filename} cannot be used ({error.strerror})"
                if error.filename
                else str(error),
            )
        except BaseException as error:
            if self.requeued:
                raise
            traceback.print_exc()
            return (
                False,
                f"{type(error).__name__}: {error}; its traceback is in its {folder.OUTPUT}",
            )
        return True, ""

    def to_go_on(self) -> Job:
        """The cell for another process, which goes on where this one, that will soon be told to
        end, has come."""
        self.requeued = True
        return replace(self, overrides=[*self.overrides, "existing_run=resume"], requeued=False)

    def _run(self) -> None:
        os.chdir(self.folder)
        setup_globals()
        Singleton.set_state(self.singletons)
        config.register()  # resolvers are no singletons
        composed = self.composed()
        run_dir = cell_dir(composed)
        try:
            sweeps.check_place(run_dir)
            run_dir.mkdir(parents=True, exist_ok=True)
            refuse_links(run_dir)
            if (run_dir / folder.OUTPUT).exists() and not (run_dir / folder.OUTPUT).is_file():
                raise UserError(f"{run_dir / folder.OUTPUT} is no regular file: remove it")
        except UserError as error:
            raise CompactHydraException(str(error)) from None
        _write_to(run_dir / folder.OUTPUT)
        if self.script is not None and devices.uses_several_devices(composed):
            self._run_script(self.script, composed, run_dir)
            return
        with _ends_with(self.parent):
            result = run_job(
                hydra_context=self.context,
                task_function=self.task,
                config=composed,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        _ = result.return_value  # raises the job's error

    def _run_script(self, script: str, composed: DictConfig, run_dir: Path) -> None:
        """The cell as a single run: Lightning starts its other processes with the same command
        line."""
        groups = [
            f"{field}={quoted(group)}"
            for field, group in devices.logger_groups(composed, run_dir.parent).items()
        ]
        own = [
            typed
            for typed in self.sweep.hydra.overrides.hydra
            if not typed.startswith(_OF_THE_SWEEP)
        ]
        where = ["--config-dir", found] if (found := _config_dir(self.sweep)) else []
        command = [sys.executable, script, *where, *own, *self.overrides, *groups, "hydra.mode=RUN"]
        before = (run_dir / folder.OUTPUT).stat().st_size
        command.append(f"run_dir={quoted(run_dir)}")
        with subprocess.Popen(command) as process:  # nosec B603 # this program again, with what the user typed; no shell
            told = False
            while process.poll() is None:
                if self.parent is not None and not told and not _is_alive(self.parent):
                    process.terminate()
                    told = True
                time.sleep(0.2)
        if process.returncode != 0:
            lines = (
                (run_dir / folder.OUTPUT)
                .read_bytes()[before:]
                .decode(errors="replace")
                .splitlines()
            )
            said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
            why = (
                said[-1]
                if said
                else f"its process ended with {process.returncode}; see its {folder.OUTPUT}"
            )
            sweeps.note_failed(
                run_dir, sweeps.typed(self.overrides), why, "failed" if said else "interrupted"
            )
            raise CompactHydraException(why)

    def composed(self) -> DictConfig:
        """The cell's own config."""
        return compose_cell(self.context.config_loader, self.sweep, self.overrides, self.number)


def compose_cell(
    loader: ConfigLoader, sweep: DictConfig, overrides: Sequence[str], number: int
) -> DictConfig:
    """The config of a cell, as Hydra's own launchers compose it."""
    composed = loader.load_sweep_config(sweep, list(overrides))
    with open_dict(composed):
        composed.hydra.job.id = str(number)
        composed.hydra.job.num = number
    return composed


def place(composed: DictConfig) -> tuple[Path, str]:
    """The sweep's directory and the cell's name in it, as Hydra's run_job resolves them."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(composed)
    try:
        return Path(str(composed.hydra.sweep.dir)), str(composed.hydra.sweep.subdir)
    finally:
        HydraConfig.instance().cfg = before


class Places:
    """Where the cells of a sweep go, see `place`: a whole config is composed once for each
    combination of options only.

    Composing takes a tenth of a second, and a sweep of hundreds of seeds would wait for it before
    its first cell.
    """

    def __init__(self, loader: ConfigLoader, sweep: DictConfig) -> None:
        self.loader, self.sweep = loader, sweep
        self.parser = OverridesParser.create(config_loader=loader)
        self.parsed: dict[str, Override] = {}
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def of(self, overrides: Sequence[str], number: int) -> tuple[Path, str]:
        """(the sweep's directory, the cell's name in it). Raises what composing raises where
        overrides do not fit."""
        for text in overrides:
            if text not in self.parsed:
                self.parsed[text] = self.parser.parse_override(text)
        fields = [text for text in overrides if self._is_plain(self.parsed[text])]
        others = tuple(text for text in overrides if text not in fields)

        # by a copy of the config with the same options, unless the name tells of every override
        if others not in self.composed:
            self.composed[others] = compose_cell(self.loader, self.sweep, others, number)
        base = self.composed[others]
        if "override" in str(OmegaConf.to_container(base.hydra.sweep, resolve=False)):
            return place(compose_cell(self.loader, self.sweep, overrides, number))
        cell = copy.deepcopy(base)
        with open_dict(cell):
            cell.hydra.job.id, cell.hydra.job.num = str(number), number
        ConfigLoaderImpl._apply_overrides_to_config([self.parsed[text] for text in fields], cell)
        OmegaConf.copy_cache(from_config=self.sweep, to_config=cell)
        return place(cell)

    def _is_plain(self, override: Override) -> bool:
        """Whether an override gives a field of the root or of a group another value, and does
        nothing else."""
        key = override.key_or_group
        return (
            override.type == OverrideType.CHANGE
            and key.split(".")[0] != "hydra"
            and not self._is_group(key)
        )

    def _is_group(self, key: str) -> bool:
        return "/" in key or bool(self.loader.get_group_options(key))


def _config_dir(composed: DictConfig) -> str | None:
    """What --config-dir said."""
    sources = composed.hydra.runtime.config_sources
    return next((str(source.path) for source in sources if source.provider == "command-line"), None)


def cell_dir(composed: DictConfig) -> Path:
    """The run directory of a cell."""
    return Path(*place(composed))


def _write_to(path: Path) -> None:
    """Everything that this process prints goes to the end of `path`."""
    with path.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


@contextmanager
def _ends_with(parent: int | None) -> Iterator[None]:
    """When the sweep's process is gone, SIGTERM to this one: it stops after its step, with a
    checkpoint, and ends."""
    done = threading.Event()

    def watch(parent: int) -> None:
        while _is_alive(parent):
            if done.wait(1):
                return
        os.kill(os.getpid(), signal.SIGTERM)
        done.wait()
        os._exit(1)  # a process of a pool would wait for its next cell

    if parent is not None:
        threading.Thread(target=watch, args=(parent,), daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
