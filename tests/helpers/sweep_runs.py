"""Sweeps for tests: train.py -m as a program of its own, with runs of seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from helpers.gan_runs import CHANNELS, ROOT, SMALL, record

TINY = (CHANNELS, *SMALL, "n_critic=1", "log_every=1", "max_generator_steps=3")
PROGRAM = [sys.executable, str(ROOT / "train.py"), "-m"]


def start(place: Path, *overrides: str, threads: str | None = "1") -> subprocess.Popen[str]:
    """Begin a sweep into place/sweep. threads: OMP_NUM_THREADS, None: not set."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    return subprocess.Popen(
        [*PROGRAM, *TINY, "hydra.sweep.dir=sweep", *overrides],
        cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment | ({"OMP_NUM_THREADS": threads} if threads else {}),
    )  # fmt: skip


def sweep(place: Path, *overrides: str, threads: str | None = "1") -> tuple[int, str, str]:
    """Exit code, output, errors of a whole sweep."""
    process = start(place, *overrides, threads=threads)
    out, err = process.communicate(timeout=900)
    return process.returncode, out, err


def statuses(place: Path) -> list[str]:
    """The status of every cell's record, in the order of their numbers."""
    folders = sorted(
        (path for path in (place / "sweep").iterdir() if path.name.isdecimal()),
        key=lambda p: int(p.name),
    )
    return [record(folder)["status"] for folder in folders]


def process_of(cell: Path) -> int | None:
    """The process whose output goes to the cell's output.log."""
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdecimal()
                and Path(os.readlink(entry / "fd/1")) == (cell / "output.log").resolve()
            ):
                return int(entry.name)
        except OSError:
            continue
    return None


def is_alive(process: int) -> bool:
    """Whether it runs; one that has ended and was not waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until `ready()`; fails when the process ends before."""
    while not ready():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
