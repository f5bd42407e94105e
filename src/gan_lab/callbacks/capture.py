"""Faster ways to do the same iteration: a CUDA graph, compiled networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl

from gan_lab.training import GAN, passes
from gan_lab.training.capture import CapturedIteration, obstacle


class Capture(pl.Callback):
    """Let a run on a CUDA device replay its iteration as a graph.

    Args:
        say: is told once why where it cannot.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Once the module is on its device."""
        assert isinstance(pl_module, GAN)
        if pl_module.device.type != "cuda":
            return
        if (reason := obstacle(pl_module)) is not None:
            self.say(f"no CUDA graph: {reason}; the iterations run one operator at a time")
        else:
            pl_module.run_iteration = CapturedIteration(pl_module, self.say)


class Compile(pl.Callback):
    """Let the passes of a run go through compiled networks; `say` is told that it takes a while."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Once the module is on its device."""
        assert isinstance(pl_module, GAN)
        pl_module.use_passes(passes.compiled(pl_module.generator, pl_module.critic))
        self.say("Compiling the networks in the first step (a minute or two)")
