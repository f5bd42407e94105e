"""The one place where numbers leave the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch

from gan_lab.training import GAN


def _no_scores(step: int) -> dict[str, float]:
    return {}


class ReadMetrics(pl.Callback):
    """Every `log_every` generator steps, and after the last: look for divergence,
    hand the metrics to the loggers.

    `last` holds the newest values: critic_loss, penalty, generator_loss, gradient_norm (k, the
    largest seen in the last critic step; nan where it was not measured), learning_rate,
    critic_learning_rate. `scores_at(step)` gives scores to log beside them; a step that has some is
    always logged.

    Args:
        last: what a resumed run has read before its first step.
        scores_at: generator step -> scores by name.
    """

    def __init__(
        self,
        last: dict[str, float] | None = None,
        scores_at: Callable[[int], dict[str, float]] = _no_scores,
    ) -> None:
        self.last = last or {}
        self.scores_at = scores_at

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Read the metrics where asked.

        Raises:
            Diverged: where one of them, or a parameter, is not finite.
        """
        assert isinstance(pl_module, GAN)
        step = pl_module.generator_steps
        scores = self.scores_at(step)
        if not (scores or pl_module.settings.is_logged(step)):
            return

        # one wait for the device, for all numbers together
        pl_module.check_finite()
        values = torch.stack([value.float() for value in pl_module.metrics.values()]).tolist()
        self.last = dict(zip(pl_module.metrics, values, strict=True))
        if not pl_module.has_norm(step):
            self.last["gradient_norm"] = math.nan
        names = ("learning_rate", "critic_learning_rate")
        for name, optimizer in zip(names, trainer.optimizers, strict=True):
            self.last[name] = float(optimizer.param_groups[0]["lr"])
        for logger in trainer.loggers:
            logger.log_metrics(self.last | scores, step)
