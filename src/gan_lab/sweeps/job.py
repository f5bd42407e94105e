"""One cell of a sweep in a process of its own: what the launchers of
`hydra_plugins` send there. Torch-free."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 # for a cell, below
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.errors import CompactHydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_lab import config, sweeps
from gan_lab.errors import UserError
from gan_lab.files import refuse_links
from gan_lab.records import folder
from gan_lab.sweeps import PlannedCell, devices
from gan_lab.sweeps.composing import cell_dir, compose_cell
from gan_lab.terminal import quoted

_OF_THE_SWEEP = (
    *("hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweeper"),
    *("hydra.sweep.", "hydra.mode"),
)
_SECONDS_BETWEEN_LOOKS = 0.2  # at a cell's other process


@dataclass
class Job:
    """One cell of a sweep, ready to be sent to another process. Calling it there trains.

    Args:
        cell: which one it is.
        overrides: all that Hydra's sweeper gave it.
        sweep: the sweep's config.
        context: Hydra's.
        task: train.py's `main`.
        singletons: Hydra's, as they are in the sweep's process.
        working_dir: the sweep's working directory.
        parent: the process that must be alive, on this machine; None where the
            cell outlives its sweep (Slurm).
        script: what starts a cell of several devices; None where Slurm
            has started a process for each.
        requeued: this process ends so that another one goes on.
    """

    cell: PlannedCell
    overrides: list[str]
    sweep: DictConfig
    context: HydraContext
    task: TaskFunction
    singletons: dict[Any, Any]
    working_dir: str
    parent: int | None
    script: str | None
    requeued: bool = False

    def __call__(self) -> tuple[bool, str]:
        """Train the cell. Output goes to output.log in its directory.

        Returns:
            Whether it succeeded, and why not.

        Raises:
            SystemExit: after `to_go_on`; nothing else.
        """
        try:
            self._run()
        except CompactHydraException as error:
            return False, str(error)

        # no result must be left of a part: that of the next one is waited for
        except KeyboardInterrupt as stop:
            if self.requeued:
                cause = stop.__context__
                raise SystemExit(cause.code if isinstance(cause, SystemExit) else -1) from None
            return False, f"interrupted: {stop or 'KeyboardInterrupt'}"

        # of its folder, before the run began
        except OSError as error:
            if error.filename:
                return False, f"{error.filename} cannot be used ({error.strerror})"
            return False, str(error)

        # a fault of the program, or of the user's own class
        except BaseException as error:
            if self.requeued:
                raise
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error}; its traceback is in its {folder.OUTPUT}"
            return False, reason
        return True, ""

    def to_go_on(self) -> Job:
        """A copy of this job that resumes where this process stopped, which will soon be told to
        end (Slurm preemption).
        """
        self.requeued = True
        return replace(self, overrides=[*self.overrides, "existing_run=resume"], requeued=False)

    def _run(self) -> None:
        """Make this process what the sweep's process is for a cell of the
        serial launcher, and run the cell."""
        # what Hydra keeps in this process, as in the sweep's; resolvers are no singletons
        os.chdir(self.working_dir)
        setup_globals()
        Singleton.set_state(self.singletons)
        config.register()

        composed = compose_cell(
            self.context.config_loader, self.sweep, self.overrides, self.cell.number
        )

        # from here on its output is of use to nobody but its own reader
        run_dir = cell_dir(composed)
        try:
            _make_folder(run_dir)
        except UserError as error:
            raise CompactHydraException(str(error)) from None
        _write_to(run_dir / folder.OUTPUT)

        # several devices need a process each, which Lightning starts by this one's command line
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
        """The cell as a single run: Lightning starts its other
        processes with the same command line.

        Raises:
            CompactHydraException: where the run failed, with what it said.
        """
        command = [sys.executable, script, *self._arguments(composed, run_dir)]
        output = run_dir / folder.OUTPUT
        before = output.stat().st_size  # an earlier call may have written there

        # it is asked once to stop when the sweep's process is gone, and then waited for
        with subprocess.Popen(command) as process:  # nosec B603 # this program again, with what the user typed; no shell
            asked = False
            while process.poll() is None:
                if self.parent is not None and not asked and not _is_alive(self.parent):
                    process.terminate()
                    asked = True
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        if process.returncode == 0:
            return

        # an error of the user is its last word; a process that was killed has none
        lines = output.read_bytes()[before:].decode(errors="replace").splitlines()
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        if errors:
            reason, status = errors[-1], "failed"
        else:
            reason = f"its process ended with {process.returncode}; see its {folder.OUTPUT}"
            status = "interrupted"
        sweeps.keep_failure(run_dir, sweeps.task_overrides(self.overrides), reason, status)
        raise CompactHydraException(reason)

    def _arguments(self, composed: DictConfig, run_dir: Path) -> list[str]:
        """What the user would type after train.py for this cell alone."""
        config_dir = _config_dir(self.sweep)
        own = [
            text for text in self.sweep.hydra.overrides.hydra if not text.startswith(_OF_THE_SWEEP)
        ]

        # the loggers' group is the sweep's name, which a single run does not know
        groups = devices.logger_groups(composed, run_dir.parent)
        return [
            *(["--config-dir", config_dir] if config_dir else []),
            *own,
            *self.overrides,
            *(f"{field}={quoted(group)}" for field, group in groups.items()),
            "hydra.mode=RUN",
            f"run_dir={quoted(run_dir)}",
        ]


def _make_folder(run_dir: Path) -> None:
    """Make a cell's directory.

    Raises:
        UserError: where something is in its way, or in that of its output.
    """
    sweeps.check_place(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    refuse_links(run_dir)
    output = run_dir / folder.OUTPUT
    if output.exists() and not output.is_file():  # opening a pipe waits for its reader
        raise UserError(f"{output} is no regular file: remove it")


def _config_dir(composed: DictConfig) -> str | None:
    """What --config-dir said."""
    sources = composed.hydra.runtime.config_sources
    return next((str(source.path) for source in sources if source.provider == "command-line"), None)


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
