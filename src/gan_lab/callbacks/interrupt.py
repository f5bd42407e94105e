"""Ctrl-C and SIGTERM end a run between two steps, not within one."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import lightning.pytorch as pl


class StopOnSignal(pl.Callback):
    """The first SIGINT or SIGTERM asks training to stop after the current generator step; a second one, at once.

    `received` is the first signal's number, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the place of the handlers that Lightning has just set, which would end the run before its checkpoint.

        Lightning puts the original ones back when fit ends.
        """
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Ask Lightning to stop."""
        if self.received is not None:
            trainer.should_stop = True
