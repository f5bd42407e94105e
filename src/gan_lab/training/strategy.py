"""Several processes by Lightning, which starts and joins them; the step averages gradients."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 # a type
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lightning.pytorch.strategies import DDPStrategy

from gan_lab import terminal

_FIRST_PROCESS = "GAN_LAB_FIRST_PROCESS"  # its process id, inherited by those it starts
_NOTICED_SECONDS = 0.5  # in which a failing collective operation tells the first process by itself
_GRACE_SECONDS = 10.0  # for the error message of a collective operation that the first process left


class SharedStep(DDPStrategy):
    """DistributedDataParallel's processes without its wrapper.

    `parallel.average_gradients` is called in every step instead. The wrapper would average after
    each backward pass of a module that has several of them with different losses, and does not see
    the second-order passes of penalties as its own.

    Attributes:
        started_by: the first process's id, in a process that it started itself; None in the first
            one and where torchrun or srun started all. Such a process ends with the first one, also
            while it waits for it at the rendezvous.
        on_lost: called once, in a thread of the first process, with what became of one that it
            started and that ended with an error. Within five seconds Lightning kills the first
            process then, without a word.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_lost: Callable[[str], None] = print
        first = int(os.environ.get(_FIRST_PROCESS, os.getpid()))
        self.started_by = None if first == os.getpid() else first

    def setup_environment(self) -> None:
        """Meet the other processes."""
        if self.started_by is not None:
            threading.Thread(target=_end_with, args=(self.started_by,), daemon=True).start()
        elif started := getattr(self.launcher, "procs", ()):
            threading.Thread(target=_watch, args=(list(started), self.on_lost), daemon=True).start()
        super().setup_environment()

    def configure_ddp(self) -> None:
        """Do not wrap the module."""


@contextmanager
def first_process() -> Iterator[None]:
    """Inside, the processes that this one starts learn its id.

    In a process that was started so nothing happens: the first one's id stays.
    """
    if _FIRST_PROCESS in os.environ:
        yield
        return
    os.environ[_FIRST_PROCESS] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[_FIRST_PROCESS]


def _watch(started: list[subprocess.Popen[bytes]], on_lost: Callable[[str], None]) -> None:
    """Wait until a process ends with an error, and tell of it; return when all ended without."""
    codes: list[int | None] = [None]
    while not any(codes) and any(code is None for code in codes):
        time.sleep(0.1)
        codes = [process.poll() for process in started]

    # where a collective operation fails first, its own message says more
    for number, code in enumerate(codes, 1):
        if code:
            time.sleep(_NOTICED_SECONDS)
            cause = signal.Signals(-code).name if code < 0 else code
            on_lost(f"process {number} ended with {cause}")
            return


def _end_with(parent: int) -> None:
    """End this process some seconds after its parent ended."""
    while os.getppid() == parent:
        time.sleep(1)
    time.sleep(_GRACE_SECONDS)
    terminal.tell(
        "error: the first process of this run ended; its record says how far it came", error=True
    )
    os._exit(1)
