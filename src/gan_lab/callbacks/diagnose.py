"""Diagnostics over training."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch

from gan_lab.callbacks.clock import Seconds
from gan_lab.data.resident import ResidentData
from gan_lab.records.record import RunRecord
from gan_lab.training import GAN
from gan_lab.training.diagnostics import Diagnostic, FixedBatch, fixed_batch


class Diagnose(pl.Callback):
    """Take the measurements of a diagnostic where they are due.

    They go into the record's `diagnostics` and, as `newest`, to the loggers through `ReadMetrics`.
    The time they take is not training time.

    Args:
        diagnostic: what is measured, and when.
        data: the training split.
        record: of the run.
        seconds: its clock, which stands still meanwhile.
    """

    def __init__(
        self, diagnostic: Diagnostic, data: ResidentData, record: RunRecord, seconds: Seconds
    ) -> None:
        self.diagnostic = diagnostic
        self.data = data
        self.record = record
        self.seconds = seconds
        self.batch: FixedBatch | None = None
        self.newest: tuple[int, dict[str, float]] = (-1, {})

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Measure where it is due."""
        assert isinstance(pl_module, GAN)
        if not self.diagnostic.is_due(pl_module):
            return

        # what has diverged has nothing to show
        pl_module.check_finite()
        with self.seconds.paused():
            if self.batch is None:
                self.batch = fixed_batch(pl_module, self.data, self.diagnostic.samples)
            measured = self.diagnostic.measure(pl_module, self.batch)
            values = torch.stack(list(measured.values())).tolist()

        # every step comes once: of a resumed run the points after its checkpoint are gone
        step = pl_module.generator_steps
        self.newest = step, dict(zip(measured, values, strict=True))
        curves = dict(self.record.content.get("diagnostics") or {})
        for name, value in self.newest[1].items():
            curves[name] = [*curves.get(name, []), [step, value]]
        self.record.update(diagnostics=curves)

    def at(self, step: int) -> dict[str, float]:
        """The measurements of generator step `step`, if they are the newest."""
        return self.newest[1] if self.newest[0] == step else {}
