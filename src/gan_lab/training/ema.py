"""The generator that draws the samples."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class ExponentialMovingAverage(nn.Module):
    """Exponential moving average of a module's parameters, in the parameters' own precision.

    `average ← decay · average + (1 - decay) · parameters`, from the initial parameters on, without
    bias correction; buffers (BN's running statistics) are copied. The thesis samples with decay
    0.99 [author's code]. The average is always in eval mode and calling it runs it.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.average = copy.deepcopy(module).requires_grad_(requires_grad=False).eval()

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average towards `module`."""
        torch._foreach_lerp_(
            list(self.average.parameters()), list(module.parameters()), 1 - self.decay
        )
        if buffers := list(self.average.buffers()):
            torch._foreach_copy_(buffers, list(module.buffers()))

    def forward(self, z: Tensor) -> Tensor:
        """The average module's output."""
        return self.average(z)

    def train(self, mode: bool = True) -> ExponentialMovingAverage:
        """Stay in eval mode: Lightning switches every submodule to training."""
        return super().train(mode=False)
