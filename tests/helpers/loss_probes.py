"""Instruments for losses: they see nothing but `critic()` and `generator()`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq, minimize
from torch import Tensor, nn

from gan_lab.losses import RelativeLoss, ScalarLoss
from helpers.loss_formulas import CLASS_FORMULAS
from helpers.registry import fields, instantiate, options

EPS = float(np.finfo(np.float64).eps)


def loss(option: str, **overrides: Any) -> Any:
    """A registered loss that no measurement moves: one with a state is in eval mode."""
    made = instantiate("loss", option, **overrides)
    return made.eval() if isinstance(made, nn.Module) else made


ALIASES = {"gan": "nonsaturating"}  # an option by its name in a table, and the one that it is
OWN = [option for option in options("loss") if option not in ALIASES]
ONE_LOGIT = [option for option in OWN if loss(option).outputs(10) == 1]
WITH_CLASSES = [option for option in OWN if loss(option).outputs(10) > 1]
SCALAR = [option for option in OWN if isinstance(loss(option), ScalarLoss)]
MEMBERS = [option for option in SCALAR if loss(option).member]


def variants() -> list[tuple[str, dict[str, Any]]]:
    """Every loss with classes that has a formula, with each of its flags off and on, and its
    weights moved off their defaults."""
    result = []
    for option in CLASS_FORMULAS:
        flags = [name for name, value in fields("loss", option).items() if isinstance(value, bool)]
        weights = {
            name: 0.37 for name, value in fields("loss", option).items() if isinstance(value, float)
        }
        for values in product((False, True), repeat=len(flags)):
            result.append((option, {**dict(zip(flags, values, strict=True)), **weights}))
    return result


def column(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """Logits as a critic gives them: (n, 1)."""
    return torch.tensor(values, dtype=dtype).unsqueeze(1)


def slope(value: Callable[[Tensor], Tensor], t: float, order: int = 1) -> float:
    """The derivative of a 0-d value at one logit t, float64."""
    point = column(t).requires_grad_()
    result = value(point)
    for remaining in reversed(range(order)):
        if not result.requires_grad:
            return 0.0
        (gradient,) = torch.autograd.grad(result, point, create_graph=remaining > 0)
        result = gradient.squeeze()
    return result.item()


def on_fake(measured: Any, real: float = 0.0) -> Callable[[Tensor], Tensor]:
    """t -> J_D with one fake logit t."""
    return lambda t: measured.critic(column(real), t)


def on_real(measured: Any, fake: float = 0.0) -> Callable[[Tensor], Tensor]:
    """t -> J_D with one real logit t."""
    return lambda t: measured.critic(t, column(fake))


def on_generated(measured: Any, real: float = 0.0) -> Callable[..., Tensor]:
    """(fake logits, targets=None) -> J_G; a relative loss sees one real logit beside them."""
    if not isinstance(measured, RelativeLoss):
        return measured.generator
    return lambda fake, targets=None: measured.generator(
        fake, targets, torch.full((1,), real).to(fake)
    )


def balance(measured: Any, bound: float) -> float | None:
    """Some a in [-bound, bound] with phi'(a) + varphi'(a) = 0, or None if the ends do not bracket
    one."""

    def sum_of_slopes(a: float) -> float:
        return slope(on_fake(measured), a) + slope(on_real(measured), a)

    ends = sum_of_slopes(-bound), sum_of_slopes(bound)
    for end, a in zip(ends, (-bound, bound), strict=True):
        if abs(end) <= 8 * EPS * abs(
            slope(on_fake(measured), a)
        ):  # the two slopes cancel up to rounding
            return a
    if ends[0] * ends[1] > 0:
        return None
    root = float(brentq(sum_of_slopes, -bound, bound, xtol=1e-13))
    size = abs(slope(on_fake(measured), root)) + abs(slope(on_real(measured), root))
    return (
        root if abs(sum_of_slopes(root)) <= 1e-9 * max(size, EPS) else None
    )  # a jump through 0 is no root


def minimised(value: Callable[[Tensor], Tensor], start: Tensor) -> tuple[Tensor, float]:
    """A local minimum of a 0-d function of a float64 vector (BFGS) and the length of the gradient
    there."""

    def value_and_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        result = value(point)
        (gradient,) = torch.autograd.grad(result, point)
        return result.item(), gradient.numpy()

    found = minimize(
        value_and_gradient, start.numpy(), jac=True, method="BFGS", options={"gtol": 1e-9}
    )
    return torch.tensor(found.x), float(np.linalg.norm(found.jac))
