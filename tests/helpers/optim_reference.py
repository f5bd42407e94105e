"""The optimizers of docs/thesis.md, chapter 3, a second time, in numpy float64, one tensor at a
time and as printed.

Two independent forms of AdaShift: `AdaShiftLoop` is Algorithm 3-2 with its queue (bias correction
inside the root, first moment (3-44)); `adashift_steps` has no recursion at all, it writes every
step out from the list of gradients.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gan_lab.optim import AdaShift

Array = np.ndarray
PHI: dict[str, Callable[[Array], Array]] = {
    "max": np.max,
    "mean": np.mean,
    "none": lambda square: square,
}
SHAPES = ((), (1,), (5,), (2, 3), (3, 2, 2, 2))
STEPS = 45


class AdaShiftLoop:
    """Algorithm 3-2 for one parameter block; m of (3-44); the root holds the corrected v."""

    def __init__(
        self,
        theta: Array,
        n: int,
        m: int | None,
        betas: tuple[float, float],
        spatial: str,
        eps: float,
    ) -> None:
        self.theta, self.n, self.m = theta.copy(), n, n if m is None else m
        self.beta1, self.beta2 = betas
        self.phi, self.eps = PHI[spatial], eps
        self.queue: deque[Array] = deque()
        self.v: Array = np.zeros(())
        self.p = 1.0

    def step(self, g: Array, lr: float) -> None:
        if len(self.queue) < self.n:  # t <= n
            self.queue.append(g)
            return
        shifted = self.queue.popleft()
        self.queue.append(g)
        newest_first = list(reversed(self.queue))[: self.m]
        weights = [self.beta1**i for i in range(self.m)]
        mean = sum(w * past for w, past in zip(weights, newest_first, strict=True)) / sum(weights)
        self.p *= self.beta2
        self.v = self.beta2 * self.v + (1 - self.beta2) * self.phi(shifted**2)
        self.theta = self.theta - lr * mean / (np.sqrt(self.v / (1 - self.p)) + self.eps)


def adashift_steps(
    gradients: Sequence[Array], n: int, m: int, betas: tuple[float, float], spatial: str, eps: float
) -> list[Array]:
    """The steps θ_{t-1} - θ_t per unit of lr, t = 1, 2, ..., each from the gradients alone.

    v / (1 - β2^k) after k updates is the mean of φ(g²_1), ..., φ(g²_k) with weights β2^(k-j):
    nothing cancels.
    """
    steps, squares = [], [PHI[spatial](g**2) for g in gradients]
    for t in range(1, len(gradients) + 1):
        if t <= n:
            steps.append(np.zeros_like(gradients[0]))
            continue
        v = _mean([betas[1] ** (t - n - j) for j in range(1, t - n + 1)], squares)
        mean = _mean([betas[0] ** i for i in range(m)], gradients[t - 1 :: -1])
        steps.append(mean / (np.sqrt(v) + eps))
    return steps


def _mean(weights: Sequence[float], values: Sequence[Array]) -> Array:
    """The weighted mean of the first values."""
    return sum((w * value for w, value in zip(weights, values, strict=False)), np.zeros(())) / sum(
        weights
    )


class AdamSpatialLoop:
    """Adam (Kingma & Ba, Algorithm 1) whose v sees the largest squared gradient of the block."""

    def __init__(self, theta: Array, betas: tuple[float, float], eps: float) -> None:
        self.theta, self.betas, self.eps = theta.copy(), betas, eps
        self.first, self.second, self.t = np.zeros_like(theta), 0.0, 0

    def step(self, g: Array, lr: float) -> None:
        beta1, beta2 = self.betas
        self.t += 1
        self.first = beta1 * self.first + (1 - beta1) * g
        self.second = beta2 * self.second + (1 - beta2) * np.max(g**2)
        first, second = self.first / (1 - beta1**self.t), self.second / (1 - beta2**self.t)
        self.theta = self.theta - lr * first / (np.sqrt(second) + self.eps)


def starts(shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[Array]:
    """Initial parameters of order 1."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape) for shape in shapes]


@functools.cache
def gradients(
    steps: int = STEPS, shapes: tuple[tuple[int, ...], ...] = SHAPES
) -> list[list[Array]]:
    """[step][tensor], magnitudes between 1/2 and 2 times a scale of the tensor's own, signs at
    random.

    So no step is above 4 lr, and rounding stays of the order of 1e-16 lr / (1 - β2).
    """
    rng = np.random.default_rng(2)
    scales = 10.0 ** (np.arange(len(shapes)) % 5 - 2.0)
    return [
        [
            scale * rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 2, shape)
            for scale, shape in zip(scales, shapes, strict=True)
        ]
        for _ in range(steps)
    ]


def rates(steps: int = STEPS) -> list[float]:
    """Learning rates that change in every step; 0 among them."""
    return [0.05 * (1 + math.sin(0.7 * t)) if t % 17 else 0.0 for t in range(steps)]


def parameters(values: Sequence[Array], dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    return [nn.Parameter(torch.tensor(value, dtype=dtype)) for value in values]


def set_gradients(params: Sequence[nn.Parameter], values: Sequence[Array | Tensor | None]) -> None:
    for param, value in zip(params, values, strict=True):
        param.grad = None if value is None else torch.as_tensor(value).to(param.dtype, copy=True)


def run(
    optimizer: torch.optim.Optimizer,
    gradients: Sequence[Sequence[Array | None]],
    rates: Sequence[float],
) -> None:
    """Steps with given gradients, whatever the parameters are; the rate changes as training/gan.py
    changes it."""
    params = [param for group in optimizer.param_groups for param in group["params"]]
    for values, lr in zip(gradients, rates, strict=True):
        set_gradients(params, values)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()


def by_hand(
    gradients: Sequence[float], lr: float = 0.1, start: float = 1.0, **fields: object
) -> list[float]:
    """θ after every step of AdaShift on one number."""
    theta = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = AdaShift([theta], lr=lr, **fields)
    path = []
    for g in gradients:
        theta.grad = torch.tensor(float(g), dtype=torch.float64)
        optimizer.step()
        path.append(theta.item())
    return path
