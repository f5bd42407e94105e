"""Hydra's callback at the beginning of a sweep, and the report at its end. Torch-free."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from gan_lab import sweeps, terminal
from gan_lab.errors import UserError
from gan_lab.sweeps import Sweep
from gan_lab.sweeps.composing import cell_dir, plan_sweep

_CLOSING: ContextVar[ExitStack | None] = ContextVar("closing", default=None)


@contextmanager
def closing_reports() -> Iterator[None]:
    """Inside, a sweep may run; at the end of the block it is told what
    became of it, however it ended.

    Hydra makes the callback, gives it to nobody but sweeper and launcher, and calls its
    `on_multirun_end` only where no job failed. So the program opens this block, and the callback
    that begins a sweep leaves its end there.
    """
    with ExitStack() as at_end:
        token = _CLOSING.set(at_end)
        try:
            yield
        finally:
            _CLOSING.reset(token)


def tell_at_end(sweep: Sweep) -> None:
    """Leave the end of a sweep to the open block of `closing_reports`, where there is one."""
    if at_end := _CLOSING.get():
        at_end.callback(_tell_end, sweep)


class SweepCallback(Callback):
    """Makes the Sweep before its first job starts, and notes the jobs
    that fail, whatever the launcher.

    Hydra hands its callbacks to sweeper and launcher in their `hydra_context`: `sweep_of` finds the
    Sweep there. They also travel to the processes of cells, where `sweep` is None.
    """

    sweep: Sweep | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: hundreds of cells need not carry the list of all of them."""
        return {}

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Part of Hydra's interface. A sweep that cannot be composed
        is left to Hydra's own message."""
        # the time of day in its name is settled by asking, for the cells and for the launcher
        setup_globals()
        _ = config.hydra.sweep.dir

        # as BasicSweeper will do, which begins with the first cells
        # before it has looked at the last
        loader = GlobalHydra.instance().config_loader()
        params = config.hydra.sweeper.get("params") or {}
        texts = [f"{key}={value}" for key, value in params.items()]
        texts += list(config.hydra.overrides.task)
        try:
            parsed = OverridesParser.create(config_loader=loader).parse_overrides(texts)
            sweep = plan_sweep(loader, config, BasicSweeper.split_arguments(parsed, None)[0])
        except (HydraException, OmegaConfBaseException, ValueError, TypeError):
            return

        # Hydra would go on after an Exception of a callback
        try:
            sweep.begin()
        except UserError as error:
            terminal.tell(f"error: {error}", error=True)
            sys.exit(1)
        self.sweep = sweep
        tell_at_end(sweep)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Part of Hydra's interface; in the process of the job. Its error may
        have come before it had a record."""
        if config.hydra.mode != RunMode.MULTIRUN or job_return.status != JobStatus.FAILED:
            return

        # Hydra's own errors are words for the user
        error = job_return._return_value
        is_told = isinstance(error, HydraException)
        reason = str(error) if is_told else f"{type(error).__name__}: {error}"
        overrides = sweeps.task_overrides(job_return.overrides or ())
        note = sweeps.keep_failure if self.sweep is None else self.sweep.note_failed
        note(cell_dir(config), overrides, reason)


def sweep_of(context: HydraContext | None) -> Sweep | None:
    """The sweep that this process runs.

    Args:
        context: what Hydra hands to its sweeper and launcher.

    Returns:
        What SweepCallback made of it; None where it could not be
        composed, or there is no such callback.
    """
    callbacks = context.callbacks.callbacks if context is not None else ()
    found = (callback.sweep for callback in callbacks if isinstance(callback, SweepCallback))
    return next(found, None)


def _tell_end(sweep: Sweep) -> None:
    if lines := sweep.end():
        terminal.tell("\n".join(lines))
