"""The one place where numbers leave the device."""

from __future__ import annotations

import math
import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import Logger

from gan_lab.files import atomic_path, open_regular, parse_json
from gan_lab.records import Logged, to_json
from gan_lab.schema import misfit
from gan_lab.training import GAN


def _no_scores(step: int) -> dict[str, float]:
    return {}


METRICS_BYTES = 2**30  # of metrics.jsonl, millions of lines
LINE_BYTES = 2**20  # of one of them


class ReadMetrics(pl.Callback):
    """Every `log_every` generator steps, and after the last: look for divergence, hand the metrics to the loggers.

    `last` holds the newest values: critic_loss, penalty, generator_loss, gradient_norm (k, the largest seen in the
    last critic step), learning_rate, critic_learning_rate. `scores_at(step)` gives scores to log beside them; a step
    that has some is always logged.
    """

    def __init__(
        self, last: dict[str, float] | None = None, scores_at: Callable[[int], dict[str, float]] = _no_scores
    ) -> None:
        self.last = last or {}
        self.scores_at = scores_at

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Raises Diverged."""
        assert isinstance(pl_module, GAN)
        step = pl_module.generator_steps
        scores = self.scores_at(step)
        if not (scores or pl_module.recipe.is_logged(step)):
            return
        pl_module.check_finite()
        values = torch.stack([value.float() for value in pl_module.metrics.values()]).tolist()
        self.last = dict(zip(pl_module.metrics, values, strict=True))
        for name, optimizer in zip(("learning_rate", "critic_learning_rate"), trainer.optimizers, strict=True):
            self.last[name] = float(optimizer.param_groups[0]["lr"])
        for logger in trainer.loggers:
            logger.log_metrics(self.last | scores, step)


class MetricsFile(Logger):
    """`metrics.jsonl` in the run directory: one JSON object {"generator_step", metric: value, ...} a line.

    Append-only. `keep_until(step)` drops what a killed run wrote after the checkpoint it resumes from, and a torn
    last line, so that every step stands once.
    """

    FILE_NAME = "metrics.jsonl"

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir) / self.FILE_NAME

    @property
    def name(self) -> str:
        """Part of Lightning's interface."""
        return "metrics"

    @property
    def version(self) -> str:
        """Part of Lightning's interface."""
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml and record.json hold them."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one line and push it to the operating system, which keeps it when the process is killed."""
        with self.path.open("a") as file:
            file.write(to_json({"generator_step": step, **metrics}) + os.linesep)

    def keep_until(self, step: int) -> None:
        """Keep the lines of generator steps 1..step. Raises UserError for what is no file of ours."""
        with atomic_path(self.path) as temporary, temporary.open("wb") as kept:
            if os.path.lexists(self.path):
                with open_regular(self.path, METRICS_BYTES) as file:
                    kept.writelines(
                        line for line in iter(lambda: file.readline(LINE_BYTES), b"") if _step(line) <= step
                    )


def _step(line: bytes) -> float:
    """The generator step of a line; infinite where it is none of ours, or torn by a kill."""
    try:
        logged = parse_json(line)
    except ValueError:
        return math.inf
    return math.inf if misfit(logged, Logged) or not line.endswith(b"\n") else int(logged["generator_step"])
