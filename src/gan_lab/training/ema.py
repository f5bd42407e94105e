"""The generator that draws the samples."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class ExponentialMovingAverage(nn.Module):
    """Exponential moving average of a module's parameters, in the parameters' own precision.

        average ← decay · average + (1 - decay) · parameters

    from the initial parameters on, without bias correction; buffers (batch norm's running
    statistics) are copied. The average is always in eval mode and calling it runs it.

    Args:
        module: what is averaged; a copy of it holds the average.
        decay: 0.99 in the thesis's samples [code].

    Examples:
        >>> import torch
        >>> from gan_lab.training import ExponentialMovingAverage
        >>> module = torch.nn.Linear(1, 1, bias=False)
        >>> _ = torch.nn.init.constant_(module.weight, 1.0)
        >>> ema = ExponentialMovingAverage(module, decay=0.9)
        >>> _ = torch.nn.init.constant_(module.weight, 2.0)
        >>> ema.update(module)
        >>> ema(torch.tensor([10.0]))
        tensor([11.])
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
