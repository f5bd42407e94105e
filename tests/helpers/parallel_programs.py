"""train.py on several processes as a user starts it, in a process group of its own; what is left of
such a group."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from helpers.gan_runs import CHANNELS, ROOT, Ended, finish

TINY = (CHANNELS, "n_critic=1", "batch_size=16", "generator_batch_size=16", "sample_every=1000")
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
MINUTE = 60.0
PATIENCE = 240.0  # for a machine that is busy


@contextlib.contextmanager
def started(
    *arguments: str,
    cwd: Path,
    by: Sequence[str] = (sys.executable,),
    env: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """The program, started by the command `by`; whatever is left of its group at the end is
    killed."""
    process = subprocess.Popen(
        [*by, str(ROOT / "train.py"), *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def program(*arguments: str, cwd: Path, by: Sequence[str] = (sys.executable,)) -> Ended:
    """The program from its start to its end, which must leave no process behind."""
    with started(*arguments, cwd=cwd, by=by) as process:
        ended = finish(process, PATIENCE)
        assert_no_orphans(process)
    return ended


def second_of(process: subprocess.Popen[str]) -> int:
    """The id of the process that it starts, as soon as there is one."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        for child in children.read_text().split():  # it also asks git and others
            with contextlib.suppress(OSError):
                if b"train_ddp_process_1" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        time.sleep(0.02)
    pytest.fail(f"it started no process\n{process.communicate()}")


def assert_no_orphans(process: subprocess.Popen[str], seconds: float = MINUTE) -> None:
    """Within `seconds` nothing of its process group is left."""
    end = time.monotonic() + seconds
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < end, "a process outlived the run"
        time.sleep(0.1)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
