"""One training step on several processes of torch.distributed, each
with an equal share of every batch.

A process's loss is a mean over its share, and `average_gradients` makes their mean the gradient of
all: right as it stands for means over samples. What is not one (a maximum, a function of a mean,
batch statistics) uses `mean` and `total`, whose gradients reach every process. With one process, or
none initialised, everything is the identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def share(rows: Tensor) -> Tensor:
    """(world · n, ...) -> (n, ...): this process's part of what was drawn for the global batch."""
    return rows.chunk(world_size())[rank()] if world_size() > 1 else rows


def total(value: Tensor) -> Tensor:
    """The sum over processes, with gradient."""
    return _Total.apply(value) if world_size() > 1 else value


def mean(value: Tensor) -> Tensor:
    """The mean over processes, with gradient."""
    return total(value) / world_size() if world_size() > 1 else value


@torch.no_grad()
def largest(value: Tensor) -> Tensor:
    """The elementwise maximum over processes, without gradient."""
    value = value.detach().clone()
    if world_size() > 1:
        dist.all_reduce(value, dist.ReduceOp.MAX)
    return value


@torch.no_grad()
def gathered(rows: Tensor) -> Tensor:
    """(n, ...) -> (world · n, ...): the rows of all processes, in their order, without gradient."""
    if world_size() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def lost_another(error: BaseException) -> bool:
    """Whether an error says that another process is gone, as gloo and NCCL report it."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and "gloo" in str(error)
    )


class _Total(torch.autograd.Function):
    """y = Σ_p x_p in every process, so dL/dx_p = Σ_q dL_q/dy, where L is
    the sum of all processes' losses."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        value = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Total.apply(gradient)


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over processes, in one message.

    Args:
        parameters: of a network. The same ones must have a gradient in every process.
    """
    if world_size() == 1:
        return

    # one message for all of them: a step of small networks is spent waiting for messages
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
