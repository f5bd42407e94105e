"""The formulas of science.md §1, written a second time: mpmath at 60 digits, as naively as they are printed.

f(x) on fake is s, on real r. Every entry: phi(s), varphi(r), psi(s) and their derivatives, worked out by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpmath import exp, log1p, mp, mpf, sqrt

mp.dps = 60

Function = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Curve:
    """A scalar function and its derivative."""

    value: Function
    slope: Function


@dataclass(frozen=True)
class Formula:
    """J_D = E[phi(s)] + E[varphi(r)], J_G = E[psi(s)]."""

    phi: Curve
    varphi: Curve
    psi: Curve


def mirrored(curve: Curve) -> Curve:
    """t -> curve(-t)."""
    return Curve(lambda t: curve.value(-t), lambda t: -curve.slope(-t))


def sigmoid(t: mpf) -> mpf:
    return 1 / (1 + exp(-t))


def square_about(target: float) -> Curve:
    return Curve(lambda t: (t - mpf(target)) ** 2, lambda t: 2 * (t - mpf(target)))


def root(alpha: float) -> Curve:
    return Curve(lambda t: t + sqrt(t**2 + mpf(alpha)), lambda t: 1 + t / sqrt(t**2 + mpf(alpha)))


def ramp(alpha: float) -> Curve:
    return Curve(lambda t: max(mpf(0), t + mpf(alpha)), lambda t: mpf(1) if t + mpf(alpha) > 0 else mpf(0))


LINEAR = Curve(lambda t: t, lambda t: mpf(1))
MINUS = mirrored(LINEAR)
EXP = Curve(exp, exp)
SOFTPLUS = Curve(lambda t: log1p(exp(t)), sigmoid)  # -log sigmoid(-t)
MINUS_LOG_SIGMOID = mirrored(SOFTPLUS)
LOG_ONE_MINUS_SIGMOID = Curve(lambda t: -log1p(exp(t)), lambda t: -sigmoid(t))


def symmetric(phi: Curve, psi: Curve = MINUS) -> Formula:
    """varphi(t) = phi(-t); psi(t) = -t in every row of Table 2-2."""
    return Formula(phi, mirrored(phi), psi)


FORMULAS = {  # at the values of the option files
    "wasserstein": symmetric(LINEAR),
    "exp": symmetric(EXP),
    "logistic": symmetric(SOFTPLUS),
    "sqrt": symmetric(root(1)),
    "quadratic": symmetric(square_about(-1)),
    "hinge": symmetric(ramp(1)),
    "vanilla": symmetric(SOFTPLUS, LOG_ONE_MINUS_SIGMOID),
    "nonsaturating": symmetric(SOFTPLUS, MINUS_LOG_SIGMOID),
    "least_squares": Formula(square_about(0), square_about(1), square_about(1)),
}

PSI = {  # choices of the field `generator`; quadratic aims at 1, the default of alpha
    "linear": MINUS,
    "quadratic": square_about(1),
    "nonsaturating": MINUS_LOG_SIGMOID,
    "minimax": LOG_ONE_MINUS_SIGMOID,
}
