"""Scores over training."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from gan_lab.callbacks.record import Seconds
from gan_lab.metrics.meters import TERMS
from gan_lab.records import RunRecord
from gan_lab.training import GAN
from gan_lab.training.evaluation import Evaluator


class Evaluate(pl.Callback):
    """Score the EMA generator every `every` generator steps by the protocol's `in_training`.

    The values, and the terms of IS and AM Score as "<score>.<term>", go into the record's `history` and, as `newest`,
    to the loggers through `ReadMetrics`. The time they take is not training time.
    """

    def __init__(self, evaluator: Evaluator, every: int, record: RunRecord, seconds: Seconds) -> None:
        self.evaluator = evaluator
        self.every = every
        self.record = record
        self.seconds = seconds
        self.newest: tuple[int, dict[str, float]] = (-1, {})

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Score where asked; a generator that is not finite is left to `ReadMetrics`."""
        assert isinstance(pl_module, GAN)
        step = pl_module.generator_steps
        if step % self.every:
            return
        pl_module.check_finite()
        with self.seconds.paused():
            entries = self.evaluator.scores(pl_module, self.evaluator.protocol.in_training)
        values = {name: entry["value"] for name, entry in entries.items()}
        values |= {f"{name}.{term}": entry[term] for name, entry in entries.items() for term in TERMS if term in entry}
        self.newest = step, values
        history = self.record.content.setdefault("history", {})
        for name, value in values.items():
            past = [point for point in history.get(name, []) if point[0] < step]  # a resumed run scores again
            history[name] = [*past, [step, value]]
        self.record.update(history=history)

    def at(self, step: int) -> dict[str, float]:
        """The scores of generator step `step`, if it is the newest that was scored."""
        return self.newest[1] if self.newest[0] == step else {}
