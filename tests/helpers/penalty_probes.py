"""Critics whose gradients are known in closed form, and a spy that keeps what a penalty asks of
them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers.registry import instantiate, options

EPS = float(np.finfo(np.float64).eps)
ALL = options("penalty")
MEASURING = [option for option in ALL if instantiate("penalty", option).measures_norm]
CONSTRAINTS = [option for option in ALL if option not in MEASURING]


class Linear(nn.Module):
    """f(x) = w . x + b; the gradient is w everywhere."""

    def __init__(self, w: Any, b: float = 0.3) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.as_tensor(w, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w + self.b


class Quadratic(nn.Module):
    """f(x) = x' A x / 2; the gradient is (A + A') x / 2."""

    def __init__(self, a: Any) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.as_tensor(a, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return ((x @ self.a) * x).sum(1) / 2


def norms_of_quadratic(a: np.ndarray, points: np.ndarray) -> np.ndarray:
    """||(A + A') x / 2|| for every row x."""
    return np.linalg.norm(points @ (a + a.T) / 2, axis=1)


def slopes_of_quadratic(a: np.ndarray, points: np.ndarray) -> np.ndarray:
    """d||S x|| / dA, S = (A + A') / 2, for every row x: with g = S x / ||S x||, (g x' + x g') /
    2."""
    unit = points @ (a + a.T) / 2 / norms_of_quadratic(a, points)[:, None]
    outer = unit[:, :, None] * points[:, None, :]
    return (outer + outer.transpose(0, 2, 1)) / 2


class Spy:
    """A critic that keeps the points of every call."""

    def __init__(self, critic: Any) -> None:
        self.critic = critic
        self.calls: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.calls.append(x.detach().clone())
        return self.critic(x)


def conv_critic(activation: type[nn.Module] = nn.Softplus, seed: int = 0) -> nn.Sequential:
    """A small convolutional critic for (n, 2, 6, 6), float64, one logit."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        activation(),
        nn.Conv2d(4, 3, 3, stride=2),
        activation(),
        nn.Flatten(),
        nn.Linear(12, 1),
    ).double()


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A real and a fake batch, float64, that share nothing."""
    generator = rng(seed)
    real = torch.randn(shape, dtype=torch.float64, generator=generator)
    return real, 2 * torch.randn(shape, dtype=torch.float64, generator=generator) - 1


def gradients(value: Tensor, module: nn.Module) -> list[Tensor]:
    """Of a value in a module's parameters; zero where it does not depend on one."""
    found = torch.autograd.grad(value, list(module.parameters()), allow_unused=True)
    return [
        torch.zeros_like(p) if g is None else g
        for p, g in zip(module.parameters(), found, strict=True)
    ]
