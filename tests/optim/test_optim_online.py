"""The counterexamples (3-6) and (3-7): where Adam drifts the wrong way and AdaShift the right one.

Elements of one tensor are independent copies of the problem for elementwise optimizers. β1 = 0, β2
= 0.999.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn

from gan_lab.optim import AdaShift

C = 101.0
LR = 1e-3


def adam(params: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, betas=(0.0, 0.999), eps=1e-10, foreach=False)


def amsgrad(params: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, betas=(0.0, 0.999), eps=1e-10, foreach=False, amsgrad=True)


def adashift(params: list[nn.Parameter]) -> torch.optim.Optimizer:
    return AdaShift(params, betas=(0.0, 0.999), n=1, spatial="none")


def drift(
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    gradients: Iterable[Tensor],
    warm_up: int,
) -> Tensor:
    """θ after all gradients, from 0; in the first `warm_up` steps, at rate 0, only the moments
    move."""
    theta: nn.Parameter | None = None
    for t, g in enumerate(gradients):
        if theta is None:
            theta = nn.Parameter(torch.zeros_like(g))
            optimizer = make([theta])
        optimizer.param_groups[0]["lr"] = 0.0 if t < warm_up else LR
        theta.grad = g
        optimizer.step()
    assert theta is not None
    return theta.detach()


def periodic(steps: int, period: int) -> list[Tensor]:
    """(3-6): C in the first step of every period, else -1."""
    return [torch.tensor(C if t % period == 0 else -1.0, dtype=torch.float64) for t in range(steps)]


def stochastic(steps: int, copies: int, delta: float) -> list[Tensor]:
    """(3-7): C with probability (1 + δ) / (C + 1), else -1. The mean is δ: minimising goes down."""
    rng = torch.Generator().manual_seed(0)
    chance = (1 + delta) / (C + 1)
    return [
        torch.where(torch.rand(copies, generator=rng, dtype=torch.float64) < chance, C, -1.0)
        for _ in range(steps)
    ]


@pytest.mark.thorough
def test_periodic_problem():
    """Twenty periods of 101 steps, nineteen of them counted. A period's gradients sum to +1: down
    is right.

    After a C, v falls by 0.999 a step. Adam takes C at the top of v: with roots relative to that
    one, a period is worth -101 + Σ_{i=1..100} 0.999^(-i/2) = +1.57. AdaShift takes C after the
    fall: -101 · 0.999^(-101/2) + Σ_{i=0..99} 0.999^(-i/2) = -3.72. v at the top is at most 112 in
    the long run.
    """
    steps, warm_up = 20 * 101, 101
    up = drift(adam, periodic(steps, 101), warm_up).item()
    down = drift(adashift, periodic(steps, 101), warm_up).item()
    assert up > 0.5 * 19 * 1.57 * LR / math.sqrt(112)
    assert down < -0.5 * 19 * 3.72 * LR / math.sqrt(112)


@pytest.mark.thorough
def test_stochastic_problem():
    """Means over 8,192 independent copies, more than five standard errors from 0, and AdaShift
    ahead of AMSGrad.

    Theorem 3.5: g_t is independent of AdaShift's v, so the mean of θ is -lr δ Σ_t E[1 / sqrt(v̂)].
    """
    copies, delta, warm_up = 8192, 0.02, 500
    gradients = stochastic(2000, copies, delta)
    results = {make.__name__: drift(make, gradients, warm_up) for make in (adam, amsgrad, adashift)}
    mean = {name: theta.mean().item() for name, theta in results.items()}
    error = {name: theta.std().item() / math.sqrt(copies) for name, theta in results.items()}
    assert mean["adam"] > 5 * error["adam"]
    assert mean["adashift"] < -5 * error["adashift"]
    assert mean["adashift"] < mean["amsgrad"] < mean["adam"]

    v, expected = torch.zeros(copies, dtype=torch.float64), 0.0
    for t, g in enumerate(gradients[:-1], start=1):
        v = 0.999 * v + 0.001 * g * g
        if t >= warm_up:
            expected -= LR * delta * (v / (1 - 0.999**t)).rsqrt().mean().item()
    assert abs(mean["adashift"] - expected) < 5 * error["adashift"]
    assert abs(mean["adam"] - expected) > 5 * error["adam"]
