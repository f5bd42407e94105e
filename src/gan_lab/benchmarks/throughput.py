"""Generator steps a second of several runs at once on one machine.

They tell a sweep's gain from more cells at a time.
"""

from __future__ import annotations

import json
import os
import subprocess  # nosec B404 # this very module, below
import sys
import time
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl

from gan_lab.benchmarks import steps
from gan_lab.benchmarks.measuring import wait
from gan_lab.runs.start import quiet_lightning
from gan_lab.training import host

WARM_UP = 8  # steps before a cell is ready: on a CUDA device its graph is captured in them


def steps_per_second(
    overrides: Sequence[str], side: int, cells: int, seconds: float
) -> dict[str, Any]:
    """Measure processes that train at the same time, on their shares of the cores or on one GPU.

    Args:
        overrides: of train.py, for every cell.
        side: pixels of an image; the images are noise.
        cells: how many.
        seconds: of measurement, after all have warmed up.

    Returns:
        cells, threads (of each), steps_per_s (of each) and total_steps_per_s.

    Raises:
        RuntimeError: a cell ended without its figure.
    """
    # each with its share of the cores
    threads = max(1, len(os.sched_getaffinity(0)) // cells)
    command = [sys.executable, "-m", __name__, json.dumps([list(overrides), side, seconds])]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )  # nosec B603
        for _ in range(cells)
    ]

    # all begin once the last one is warm
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    # a cell that failed left the others more of the machine: then no figure is right
    answers = [process.communicate()[0].strip() for process in processes]
    if not all(answers):
        raise RuntimeError(
            f"{answers.count('')} of {cells} cells at once ended early: look above for their errors"
        )

    rates = [float(answer) for answer in answers]
    facts = {"cells": cells, "threads": threads}
    return facts | {"steps_per_s": rates, "total_steps_per_s": sum(rates)}


class _Timed(pl.Callback):
    """A clock that begins on a word after WARM_UP steps, and prints steps a second at its end."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.began = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any
    ) -> None:
        """After every step."""
        done = arguments[2] + 1 - WARM_UP
        if done < 0:
            return

        # warm: the word comes once all cells are
        if done == 0:
            wait()
            print("ready", flush=True)
            sys.stdin.readline()
            self.began = time.perf_counter()
            return

        if time.perf_counter() - self.began >= self.seconds:
            wait()
            print(done / (time.perf_counter() - self.began), flush=True)
            trainer.should_stop = True


def _cell(overrides: list[str], side: int, seconds: float) -> None:
    """Train in one of the processes."""
    quiet_lightning()
    config = steps.composed(*overrides)
    with host.prepared():
        steps.fit(
            config, steps.noise_data(side), [_Timed(seconds)], stop=config.max_generator_steps
        )


if __name__ == "__main__":
    _cell(*json.loads(sys.argv[1]))
