"""Seconds that a run has trained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import lightning.pytorch as pl


class Seconds(pl.Callback):
    """Training time over all parts of a run; call it for the time so far.

    It is counted from the first step on and without what is `paused`. What comes before, as the
    start of other processes, is not counted.

    Args:
        before: seconds of the earlier parts of a resumed run.
    """

    def __init__(self, before: float) -> None:
        self.before = before
        self.began: float | None = None

    def __call__(self) -> float:
        return self.before + (0.0 if self.began is None else time.monotonic() - self.began)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The first step of this part comes next."""
        self.began = time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time that the block takes."""
        paused_at = time.monotonic()
        try:
            yield
        finally:
            if self.began is not None:
                self.began += time.monotonic() - paused_at
