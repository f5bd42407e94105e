"""A long run takes no more memory and does no more work in its last steps than in its first."""

from __future__ import annotations

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gan_lab import build
from gan_lab.callbacks import Checkpoint, ReadMetrics
from gan_lab.data import load
from gan_lab.data.module import ResidentDataModule
from gan_lab.loggers import MetricsFile
from helpers.gan_runs import CHANNELS, SMALL, compose

STEPS, LOOKS = 3000, (505, 1505, 2905)


def resident_bytes() -> int:
    """What this process holds now (Linux)."""
    line = next(
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    return int(line.split()[1]) * 1024


class Counter(TorchDispatchMode):
    """How many operators run."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


class Look(pl.Callback):
    """At some steps: resident memory, live tensors, and the operators of the next step."""

    def __init__(self) -> None:
        self.memory: list[int] = []
        self.tensors: list[int] = []
        self.operators: list[int] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any
    ) -> None:
        if arguments[1] in LOOKS:
            gc.collect()
            self.memory.append(resident_bytes())
            self.tensors.append(sum(isinstance(one, torch.Tensor) for one in gc.get_objects()))
            self.counter = Counter()
            self.counter.__enter__()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any
    ) -> None:
        if arguments[2] in LOOKS:
            self.counter.__exit__(None, None, None)
            self.operators.append(self.counter.count)


def looked(folder: Path) -> tuple[list[int], list[int], list[int]]:
    """Memory, live tensors and operators of a run of STEPS."""
    config = compose(
        CHANNELS,
        *SMALL,
        "n_critic=2",
        f"max_generator_steps={STEPS}",
        "penalty.memory=8",
        "trainer=cpu",
    )
    data = load(build.make("dataset", config.dataset), None)
    look = Look()
    callbacks = [ReadMetrics(), Checkpoint(folder, 500, 2, dict, None), look]
    trainer = build.trainer(config, callbacks, [MetricsFile(str(folder))], str(folder))
    feed = ResidentDataModule(data, config.batch_size, config.n_critic, config.seed, stop=STEPS)
    trainer.fit(build.gan(config, data.spec), feed)
    return look.memory, look.tensors, look.operators


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it reads Linux's /proc")
def test_memory_and_work_stay_as_they_are(tmp_path):
    """In a process of its own: what the tests before it left free in this one is taken up again bit
    by bit."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        memory, tensors, operators = pool.submit(looked, tmp_path).result()
    assert len(memory) == len(LOOKS)
    assert operators[0] > 100
    assert len(set(operators)) == 1
    assert len(set(tensors)) == 1
    assert memory[-1] - memory[0] < 8 * 2**20  # a leak of 4 kB a step would be 10 MB
