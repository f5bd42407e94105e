"""The scalar losses of Table 2-2 and of the papers around it. r = f(x) on real samples, s = f(g(z))
on fake ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.losses.scalar import Affine, ScalarFunction, ScalarLoss
from gan_lab.renames import renamed_argument

_takes_generator = renamed_argument(old="generator", new="generator_objective")


def identity(t: Tensor) -> Tensor:
    """t"""
    return t


def softplus(t: Tensor) -> Tensor:
    """log(1 + e^t) = -log sigmoid(-t)"""
    return -F.logsigmoid(
        -t
    )  # F.softplus returns t itself above 20: 2e-9 off in float64, and not strictly convex


def minus_log_sigmoid(t: Tensor) -> Tensor:
    """-log sigmoid(t) = softplus(-t)"""
    return -F.logsigmoid(t)


def log_one_minus_sigmoid(t: Tensor) -> Tensor:
    """log(1 - sigmoid(t)) = -softplus(t)"""
    return F.logsigmoid(-t)


@dataclass(frozen=True)
class ShiftedRoot:
    """t + sqrt(t^2 + alpha)"""

    alpha: float

    def __call__(self, t: Tensor) -> Tensor:
        root = math.sqrt(self.alpha)
        return root * torch.exp(
            torch.asinh(t / root)
        )  # equal, and t << 0 loses neither value nor slope to cancellation


@dataclass(frozen=True)
class SquaredDistance:
    """(t - target)^2"""

    target: float

    def __call__(self, t: Tensor) -> Tensor:
        return (t - self.target).square()


@dataclass(frozen=True)
class Hinge:
    """max(0, t + alpha)"""

    alpha: float

    def __call__(self, t: Tensor) -> Tensor:
        return F.relu(t + self.alpha)


@_takes_generator
def wasserstein(generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = t, varphi(t) = -t (Arjovsky et al. 2017). `generator_objective` names psi, see
    `_family`."""
    return _family(
        "wasserstein", identity, generator_objective, increasing=True, strictly_convex=False
    )


@_takes_generator
def exponential(generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = e^t, varphi(t) = e^-t (thesis 2.4). `generator_objective` names psi, see
    `_family`."""
    return _family("exp", torch.exp, generator_objective, increasing=True, strictly_convex=True)


@_takes_generator
def logistic(generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = -log sigmoid(-t), varphi(t) = -log sigmoid(t) (thesis 2.4).
    `generator_objective` names psi, see `_family`."""
    return _family("logistic", softplus, generator_objective, increasing=True, strictly_convex=True)


@_takes_generator
def sqrt(alpha: float = 1.0, generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = t + sqrt(t^2 + alpha), varphi(t) = phi(-t), alpha > 0 (thesis 2.C.1).
    `generator_objective` names psi, see `_family`."""
    return _family(
        "sqrt",
        ShiftedRoot(checks.number("alpha", alpha, above=0)),
        generator_objective,
        increasing=True,
        strictly_convex=True,
    )


@_takes_generator
def quadratic(alpha: float = 1.0, generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = (t + alpha)^2, varphi(t) = (t - alpha)^2, alpha > 0: not monotone, so no member of
    (2-11).

    The thesis has psi(t) = -t (Table 2-2); generator_objective="quadratic" is the author's program,
    psi(t) = (t - alpha)^2.
    """
    phi = SquaredDistance(-checks.number("alpha", alpha, above=0))
    return _family(
        "quadratic", phi, generator_objective, increasing=False, strictly_convex=True, target=alpha
    )


@_takes_generator
def hinge(alpha: float = 1.0, generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = max(0, t + alpha), varphi(t) = phi(-t), alpha > 0: flat below -alpha, so no member
    of (2-11).

    Lim and Ye 2017, Miyato et al. 2018. `generator_objective` names psi, see `_family`; its
    quadratic aims at alpha.
    """
    phi = Hinge(checks.number("alpha", alpha, above=0))
    return _family(
        "hinge", phi, generator_objective, increasing=False, strictly_convex=False, target=alpha
    )


def vanilla() -> ScalarLoss:
    """D: -log sigmoid(r) - log(1 - sigmoid(s)); G: log(1 - sigmoid(s)), the minimax game
    (Goodfellow et al. 2014)."""
    return _family("vanilla", softplus, "minimax", increasing=True, strictly_convex=True)


def nonsaturating() -> ScalarLoss:
    """D: -log sigmoid(r) - log(1 - sigmoid(s)); G: -log sigmoid(s) (Goodfellow et al. 2014)."""
    return _family(
        "nonsaturating", softplus, "nonsaturating", increasing=True, strictly_convex=True
    )


def least_squares(a: float = 0.0, b: float = 1.0, c: float = 1.0) -> ScalarLoss:
    """D: (s - a)^2 + (r - b)^2; G: (s - c)^2, without the paper's 1/2 (Mao et al. 2017). Raises
    UserError if a = b."""
    if not all(math.isfinite(value) for value in (a, b, c)) or a == b:
        raise UserError(
            f"least_squares got a={a}, b={b}, c={c}: they must be finite, and a differ from b, as "
            "in 0, 1, 1"
        )
    parts = SquaredDistance(a), SquaredDistance(b), SquaredDistance(c)
    return ScalarLoss(
        "least_squares", *parts, increasing=False, convex=True, strictly_convex=True, member=False
    )


def _family(
    name: str,
    phi: ScalarFunction,
    generator_objective: str,
    *,
    increasing: bool,
    strictly_convex: bool,
    target: float = 1.0,
) -> ScalarLoss:
    """A convex phi with varphi(t) = phi(-t); a = 0 solves phi'(a) + varphi'(a) = 0, so it is a
    member if increasing.

    `generator_objective` names psi: linear -t (every row of Table 2-2), quadratic (t - target)^2,
    nonsaturating softplus(-t), minimax -softplus(t). Raises UserError for another name.
    """
    table: dict[str, ScalarFunction] = {
        "linear": torch.neg,
        "quadratic": SquaredDistance(target),
        "nonsaturating": minus_log_sigmoid,
        "minimax": log_one_minus_sigmoid,
    }
    checks.choice("generator_objective", generator_objective, table)
    varphi = Affine(phi, factor=-1.0)
    return ScalarLoss(
        name,
        phi,
        varphi,
        table[generator_objective],
        increasing=increasing,
        convex=True,
        strictly_convex=strictly_convex,
        member=increasing,
    )
