"""Seconds of gan_lab's generator step under its Trainer, beside other programs, in turns."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gan_lab import build, terminal
from gan_lab import config as configs
from gan_lab.benchmarks.measuring import wait
from gan_lab.callbacks import Capture, Compile, ProgressBar, ReadMetrics, StopOnSignal
from gan_lab.data import LoadedData
from gan_lab.data.module import ResidentDataModule
from gan_lab.data.source import Split
from gan_lab.loggers import MetricsFile
from gan_lab.types import DataSpec

CONF = Path(__file__).resolve().parents[3] / "conf"
WARM_UP = 2  # steps before the first round

# by program: number of steps -> mean seconds of a step
Others = Mapping[str, Callable[[int], float]]


def composed(*overrides: str) -> DictConfig:
    """Compose train.py's config, for a run that lasts as long as it is measured."""
    configs.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", ["max_generator_steps=1000000", "schedule=constant", *overrides])


def noise_data(side: int, samples: int = 2048) -> LoadedData:
    """Make images of noise, of the size that is measured: no part of a step looks at them."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (samples, 3, side, side), dtype=np.uint8)
    labels = rng.integers(0, 10, samples)
    spec = DataSpec("noise", "images", (3, side, side), 10, tuple(map(str, range(10))))
    return LoadedData(spec, {"train": Split(values, labels)}, "noise")


class Operations(TorchDispatchMode):
    """A counter of the FLOP of convolutions and matrix products, by torch's own formulas.

    It counts forward and backward passes. torch's FlopCounterMode asks which module an operator
    belongs to, and cannot inside `autograd.grad`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.flop += formula(*args, **(kwargs or {}), out_val=result)
        return result


class Rounds(pl.Callback):
    """A clock of rounds of `steps` generator steps.

    Before each round each of `others` does as many steps, and is timed too.

    Attributes:
        seconds: {program: mean seconds of a step in each round}, "gan_lab" among them.
        flop: of a step of gan_lab.
    """

    def __init__(self, steps: int, rounds: int, others: Others) -> None:
        self.steps, self.rounds, self.others = steps, rounds, others
        self.seconds: dict[str, list[float]] = {"gan_lab": []}
        self.flop = 0.0

    @property
    def total(self) -> int:
        """Generator steps in all."""
        return WARM_UP + self.steps * self.rounds

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any
    ) -> None:
        """At the beginning of a round the others have theirs."""
        # FLOP are counted in the very first step: counting slows a step down
        batch_idx = arguments[1]
        if batch_idx == 0:
            self.counter = Operations()
            self.counter.__enter__()
        if batch_idx < WARM_UP or (batch_idx - WARM_UP) % self.steps:
            return

        # a program's first step makes states
        for name, seconds in self.others.items():
            if name not in self.seconds:
                self.seconds[name] = []
                seconds(1)
            self.seconds[name].append(seconds(self.steps))

        # gan_lab's own time begins when the others' work is done
        wait()
        self.began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any
    ) -> None:
        """At the end of a round take the time."""
        batch_idx = arguments[2]
        if batch_idx == 0:
            self.counter.__exit__(None, None, None)
            self.flop = self.counter.flop
        if batch_idx >= WARM_UP and (batch_idx - WARM_UP + 1) % self.steps == 0:
            wait()
            self.seconds["gan_lab"].append((time.perf_counter() - self.began) / self.steps)


def fit(config: DictConfig, data: LoadedData, watching: Sequence[pl.Callback], stop: int) -> None:
    """Train up to a step as a run does.

    Args:
        config: of train.py.
        data: to train on.
        watching: callbacks that measure; they come after those of a run.
        stop: the step.

    Raises:
        SystemExit: where a signal ends it before that step.
    """
    with tempfile.TemporaryDirectory() as folder:
        # of a run's callbacks those that act in every step: their cost is part of a step's
        reader = ReadMetrics()
        bar = ProgressBar(reader, 1, config.max_generator_steps, terminal.console(quiet=True))
        say = functools.partial(terminal.tell, error=True)
        faster = [Compile(say)] if config.trainer.get("compile") else [Capture(say)]
        on_signal = StopOnSignal()
        callbacks = [reader, bar, on_signal, *faster, *watching]

        trainer = build.trainer(config, callbacks, [MetricsFile(folder)], folder)
        gan = build.gan(config, data.spec)
        feed = ResidentDataModule(data, config.batch_size, config.n_critic, config.seed, stop=stop)
        trainer.fit(gan, feed)

    # rounds that were cut short are no measurement
    if on_signal.received is not None:
        raise SystemExit(128 + on_signal.received)


def device_of(config: DictConfig) -> torch.device:
    """The device on which a config trains."""
    return build.trainer(config, [], [], tempfile.gettempdir()).strategy.root_device
