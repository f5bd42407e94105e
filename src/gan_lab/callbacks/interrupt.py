"""Ctrl-C and SIGTERM end a run between two steps, not within one."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch

from gan_lab import parallel
from gan_lab.interrupts import REPEATED_SECONDS
from gan_lab.training import GAN


class StopOnSignal(pl.Callback):
    """The first SIGINT or SIGTERM asks training to stop after the current
    generator step; another one, at once.

    Within REPEATED_SECONDS a repetition counts as the same request: process managers and terminals
    often send it to the process and to its group. `received` is the first signal's number, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.agreed: int | None = None
        self._received_at = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the place of the handlers that Lightning has just set, which would end the run
        before its checkpoint.

        Lightning puts the original ones back when fit ends.
        """
        # Python allows handlers only there
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._received_at = number, time.monotonic()
        elif time.monotonic() - self._received_at > REPEATED_SECONDS:
            raise KeyboardInterrupt

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Ask Lightning to stop; several processes agree on the step, where metrics are read."""
        assert isinstance(pl_module, GAN)
        if parallel.world_size() > 1 and pl_module.settings.is_logged(pl_module.generator_steps):
            self.agreed = int(
                parallel.largest(torch.tensor(float(self.received or 0), device=pl_module.device))
            )
        elif parallel.world_size() == 1:
            self.agreed = self.received
        if self.agreed:
            self.received = self.agreed
            trainer.should_stop = True
