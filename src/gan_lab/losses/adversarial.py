"""The scalar losses of Table 2-2 and of the papers around it.

r = f(x) on real samples, s = f(g(z)) on fake ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab import checks
from gan_lab.checks import renamed_argument
from gan_lab.errors import UserError
from gan_lab.losses.scalar import Affine, ScalarFunction, ScalarLoss

_takes_generator = renamed_argument(old="generator", new="generator_objective")


def identity(t: Tensor) -> Tensor:
    """t"""
    return t


def softplus(t: Tensor) -> Tensor:
    """log(1 + e^t) = -log sigmoid(-t)"""
    # F.softplus returns t itself above 20: 2e-9 off in float64, and not strictly convex
    return -F.logsigmoid(-t)


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
        # equal, and t << 0 loses neither value nor slope to cancellation
        root = math.sqrt(self.alpha)
        return root * torch.exp(torch.asinh(t / root))


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
    """phi(t) = t, varphi(t) = -t.

    Args:
        generator_objective: psi: "linear" -t, "quadratic" (t - 1)^2, "nonsaturating" softplus(-t),
            "minimax" -softplus(t).

    Source:
        Arjovsky et al. 2017 (arXiv:1701.07875).

    Examples:
        >>> import torch
        >>> from gan_lab.losses import wasserstein
        >>> wasserstein().critic(real=torch.tensor([2.0]), fake=torch.tensor([0.5]))  # 0.5 - 2
        tensor(-1.5000)
    """
    return _family(
        "wasserstein", identity, generator_objective, increasing=True, strictly_convex=False
    )


@_takes_generator
def exponential(generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = e^t, varphi(t) = e^-t.

    Args:
        generator_objective: psi, as in `wasserstein`.

    Source:
        Thesis 2.4.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import exponential
        >>> exponential().critic(real=torch.tensor([0.0]), fake=torch.tensor([0.0]))  # 1 + 1
        tensor(2.)
    """
    return _family("exp", torch.exp, generator_objective, increasing=True, strictly_convex=True)


@_takes_generator
def logistic(generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = -log sigmoid(-t), varphi(t) = -log sigmoid(t).

    Args:
        generator_objective: psi, as in `wasserstein`.

    Source:
        Thesis 2.4.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import logistic
        >>> logistic().critic(real=torch.tensor([0.0]), fake=torch.tensor([0.0]))  # 2 log 2
        tensor(1.3863)
    """
    return _family("logistic", softplus, generator_objective, increasing=True, strictly_convex=True)


@_takes_generator
def sqrt(alpha: float = 1.0, generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = t + sqrt(t^2 + alpha), varphi(t) = phi(-t).

    Args:
        alpha: > 0.
        generator_objective: psi, as in `wasserstein`.

    Source:
        Thesis 2.C.1.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import sqrt
        >>> round(float(sqrt(alpha=9.0).phi(torch.tensor(4.0))), 4)  # 4 + 5
        9.0
    """
    return _family(
        "sqrt",
        ShiftedRoot(checks.number("alpha", alpha, above=0)),
        generator_objective,
        increasing=True,
        strictly_convex=True,
    )


@_takes_generator
def quadratic(alpha: float = 1.0, generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = (t + alpha)^2, varphi(t) = (t - alpha)^2: not monotone, so no member of (2-11).

    Args:
        alpha: > 0.
        generator_objective: psi, as in `wasserstein`: "linear" in the thesis (Table 2-2),
            "quadratic", (t - alpha)^2, in the author's program.

    Source:
        Thesis Table 2-2.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import quadratic
        >>> quadratic().critic(real=torch.tensor([3.0]), fake=torch.tensor([0.0]))  # 1 + 4
        tensor(5.)
    """
    phi = SquaredDistance(-checks.number("alpha", alpha, above=0))
    return _family(
        "quadratic", phi, generator_objective, increasing=False, strictly_convex=True, target=alpha
    )


@_takes_generator
def hinge(alpha: float = 1.0, generator_objective: str = "linear") -> ScalarLoss:
    """phi(t) = max(0, t + alpha), varphi(t) = phi(-t): flat below -alpha, so no member of (2-11).

    Args:
        alpha: > 0.
        generator_objective: psi, as in `wasserstein`; "quadratic" is (t - alpha)^2.

    Source:
        Lim and Ye 2017 (arXiv:1705.02894), Miyato et al. 2018 (arXiv:1802.05957).

    Examples:
        >>> import torch
        >>> from gan_lab.losses import hinge
        >>> hinge().critic(real=torch.tensor([2.0]), fake=torch.tensor([0.5]))  # 0 + 1.5
        tensor(1.5000)
    """
    phi = Hinge(checks.number("alpha", alpha, above=0))
    return _family(
        "hinge", phi, generator_objective, increasing=False, strictly_convex=False, target=alpha
    )


def vanilla() -> ScalarLoss:
    """The minimax game. D: -log sigmoid(r) - log(1 - sigmoid(s)); G: log(1 - sigmoid(s)).

    Source:
        Goodfellow et al. 2014 (arXiv:1406.2661).

    Examples:
        >>> import torch
        >>> from gan_lab.losses import vanilla
        >>> vanilla().generator(fake=torch.tensor([0.0]))  # log 1/2
        tensor(-0.6931)
    """
    return _family("vanilla", softplus, "minimax", increasing=True, strictly_convex=True)


def nonsaturating() -> ScalarLoss:
    """D: -log sigmoid(r) - log(1 - sigmoid(s)); G: -log sigmoid(s).

    Source:
        Goodfellow et al. 2014 (arXiv:1406.2661), section 3.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import nonsaturating
        >>> nonsaturating().generator(fake=torch.tensor([0.0]))  # -log 1/2
        tensor(0.6931)
    """
    return _family(
        "nonsaturating", softplus, "nonsaturating", increasing=True, strictly_convex=True
    )


def least_squares(a: float = 0.0, b: float = 1.0, c: float = 1.0) -> ScalarLoss:
    """D: (s - a)^2 + (r - b)^2; G: (s - c)^2, without the paper's 1/2.

    Args:
        a: what D aims at for generated samples.
        b: what it aims at for real ones.
        c: what G aims at.

    Raises:
        UserError: if a = b, and for numbers that are not finite.

    Source:
        Mao et al. 2017 (arXiv:1611.04076).

    Examples:
        >>> import torch
        >>> from gan_lab.losses import least_squares
        >>> least_squares().critic(real=torch.tensor([3.0]), fake=torch.tensor([1.0]))  # 1 + 4
        tensor(5.)
    """
    if not all(math.isfinite(value) for value in (a, b, c)) or a == b:
        raise UserError(
            f"least_squares got a={a}, b={b}, c={c}: "
            "they must be finite, and a differ from b, as in 0, 1, 1"
        )

    # strictly convex each, but a parabola is not monotone: no member of (2-11)
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
    """A loss of a convex phi with varphi(t) = phi(-t).

    a = 0 solves phi'(a) + varphi'(a) = 0, so it is a member of (2-11) if increasing.

    Args:
        name: the option of the config group.
        phi: convex.
        generator_objective: psi: linear -t (every row of Table 2-2), quadratic (t - target)^2,
            nonsaturating softplus(-t), minimax -softplus(t).
        increasing: whether phi' > 0 everywhere.
        strictly_convex: whether phi is.
        target: what the quadratic psi aims at.

    Raises:
        UserError: for another name of psi.
    """
    table: dict[str, ScalarFunction] = {
        "linear": torch.neg,
        "quadratic": SquaredDistance(target),
        "nonsaturating": minus_log_sigmoid,
        "minimax": log_one_minus_sigmoid,
    }

    checks.choice("generator_objective", generator_objective, table)

    # the mirror image of phi makes phi'(0) + varphi'(0) = 0
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
