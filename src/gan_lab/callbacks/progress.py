"""What a person sees while a run trains."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from gan_lab.callbacks.metrics import ReadMetrics
from gan_lab.training import GAN

_LINES = 10  # lines printed in all where there is no terminal


class ProgressBar(pl.Callback):
    """Generator step, critic loss, generator loss, k (largest gradient
    norm), real images/s and time left.

    On a terminal a live bar; elsewhere about ten lines. Numbers are those that `ReadMetrics` has
    read last, so that showing them costs no wait for the device.

    Args:
        metrics: has the numbers.
        images_per_step: real images in a generator step, over all devices.
        max_generator_steps: where the bar ends.
        console: where it is shown.
    """

    def __init__(
        self, metrics: ReadMetrics, images_per_step: int, max_generator_steps: int, console: Console
    ) -> None:
        self.metrics = metrics
        self.images_per_step = images_per_step
        self.total = max_generator_steps
        self.console = console
        self._bar = Progress(
            TextColumn("generator step"), _Count(), BarColumn(bar_width=20),
            TextColumn("{task.description}"),
            console=console, transient=True, refresh_per_second=4,
        )  # fmt: skip

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin at the resumed step."""
        assert isinstance(pl_module, GAN)
        self._began = time.monotonic()
        self._first = self._printed = pl_module.generator_steps
        self._task = self._bar.add_task("", total=self.total, completed=self._first)
        if self.console.is_terminal:
            self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Show the newest numbers whenever some were read."""
        assert isinstance(pl_module, GAN)
        step = pl_module.generator_steps
        if not pl_module.settings.is_logged(step):
            return
        if self.console.is_terminal:
            self._bar.update(self._task, completed=step, description=self._text(step))
        elif step - self._printed >= self.total / _LINES or step == self.total:
            self._printed = step
            self.console.print(f"generator step {step}/{self.total}  {self._text(step)}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()

    def _text(self, step: int) -> str:
        """The newest losses and k, speed and time left."""
        # of this part of the run: a resumed one may be on another machine
        seconds_per_step = (time.monotonic() - self._began) / max(1, step - self._first)
        left = int(seconds_per_step * (self.total - step))
        eta = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"

        # nan where the critic's batch norm or its loss leaves no norm to measure
        last = self.metrics.last
        norm = last["gradient_norm"]
        k = "" if math.isnan(norm) else f"k {norm:.3g}  "
        return (
            f"critic {last['critic_loss']:.3g}  generator {last['generator_loss']:.3g}  "
            f"{k}{self.images_per_step / seconds_per_step:,.0f} images/s  ETA {eta}"
        )


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        """ "120/1500"."""
        return Text(f"{int(task.completed)}/{int(task.total or 0)}")
