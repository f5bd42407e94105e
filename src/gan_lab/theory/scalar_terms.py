"""What a scalar loss is made of: its terms, slopes and curvatures in float64, and where it turns.

The exact critics read a loss by its structure, so that a kink becomes a constraint and a straight
line a transport problem; values and derivatives come from the loss itself, through autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from gan_lab.errors import UserError
from gan_lab.losses.adversarial import (
    Hinge,
    ShiftedRoot,
    SquaredDistance,
    identity,
    minus_log_sigmoid,
    softplus,
)
from gan_lab.losses.scalar import Affine, ScalarFunction, ScalarLoss, WeightedSum

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Named:
    """What a named function of gan_lab.losses is in numpy: functions of (the object, t).

    Args:
        rises: 1 where it never falls, -1 where it never rises, 0 for a parabola.
        value: the function itself.
        slope: its derivative; at a kink that from the left.
        curvature: its second derivative.
    """

    rises: int
    value: Callable[[Any, Array], Array]
    slope: Callable[[Any, Array], Array]
    curvature: Callable[[Any, Array], Array]


# tests hold these against torch's own derivatives, which cost a thread pool's wake-up a call
NAMED: dict[ScalarFunction | type, Named] = {
    identity: Named(1, lambda _, t: t, lambda _, t: np.ones_like(t), lambda _, t: 0 * t),
    torch.neg: Named(-1, lambda _, t: -t, lambda _, t: -np.ones_like(t), lambda _, t: 0 * t),
    torch.exp: Named(1, *3 * (lambda _, t: np.exp(t),)),
    softplus: Named(
        1,
        lambda _, t: np.logaddexp(0, t),
        lambda _, t: expit(t),
        lambda _, t: expit(t) * expit(-t),
    ),
    minus_log_sigmoid: Named(
        -1,
        lambda _, t: np.logaddexp(0, -t),
        lambda _, t: -expit(-t),
        lambda _, t: expit(t) * expit(-t),
    ),
    ShiftedRoot: Named(
        1,
        lambda f, t: np.sqrt(f.alpha) * np.exp(np.arcsinh(t / np.sqrt(f.alpha))),
        lambda f, t: (
            np.sqrt(f.alpha) * np.exp(np.arcsinh(t / np.sqrt(f.alpha))) / np.sqrt(t**2 + f.alpha)
        ),
        lambda f, t: f.alpha / (t**2 + f.alpha) ** 1.5,
    ),
    SquaredDistance: Named(
        0,
        lambda f, t: (t - f.target) ** 2,
        lambda f, t: 2 * (t - f.target),
        lambda _, t: np.full_like(t, 2),
    ),
    Hinge: Named(
        1,
        lambda f, t: np.maximum(t + f.alpha, 0),
        lambda f, t: (t + f.alpha > 0).astype(float),
        lambda _, t: 0 * t,
    ),
}
STRAIGHT: tuple[ScalarFunction, ...] = (identity, torch.neg)


@dataclass(frozen=True)
class Term:
    """t -> weight * base(factor * t + offset), with a named base."""

    base: ScalarFunction
    weight: float = 1.0
    factor: float = 1.0
    offset: float = 0.0

    @property
    def named(self) -> Named:
        """The base in numpy.

        Raises:
            KeyError: for a base without a name here.
        """
        return NAMED[
            self.base if isinstance(self.base, Hashable) and self.base in NAMED else type(self.base)
        ]

    @property
    def rises(self) -> float:
        """Above 0 where the term never falls, below 0 where it never rises, 0 for a parabola."""
        return self.named.rises * self.factor

    def value(self, t: Array) -> Array:
        """The term itself, elementwise."""
        return self.weight * self.named.value(self.base, self.factor * t + self.offset)

    def slope(self, t: Array) -> Array:
        """Its derivative."""
        inner = self.factor * t + self.offset
        return self.weight * self.factor * self.named.slope(self.base, inner)

    def curvature(self, t: Array) -> Array:
        """Its second derivative."""
        inner = self.factor * t + self.offset
        return self.weight * self.factor**2 * self.named.curvature(self.base, inner)


def terms(function: ScalarFunction, name: str) -> tuple[Term, ...]:
    """The named functions whose sum a phi or varphi is.

    Raises:
        UserError: for a function that the package has no name for, or that is not convex.
    """
    # a sum of terms, each of which may be a sum again
    if isinstance(function, WeightedSum):
        pairs = zip(function.weights, function.functions, strict=True)
        return tuple(
            Term(term.base, weight * term.weight, term.factor, term.offset)
            for weight, part in pairs
            for term in terms(part, name)
        )

    # f(a t + b): the same terms at another argument
    if isinstance(function, Affine):
        return tuple(
            Term(
                term.base,
                term.weight,
                term.factor * function.factor,
                term.factor * function.offset + term.offset,
            )
            for term in terms(function.function, name)
        )

    # a function itself, if its name is known
    term = Term(function)
    try:
        _ = term.named
    except KeyError:
        raise UserError(
            f"the loss {name} is made of {function}, which has no exact critic: use exp, logistic, "
            "sqrt, quadratic, hinge, wasserstein, vanilla, nonsaturating or least_squares, or "
            "combine, scale and shift of them"
        ) from None
    return (term,)


@dataclass(frozen=True)
class Side:
    """phi or varphi: t -> the sum of its terms, with derivatives.

    Args:
        terms: the summands.
    """

    terms: tuple[Term, ...]

    @property
    def straight(self) -> bool:
        """Whether it is a straight line."""
        return all(term.base in STRAIGHT for term in self.terms)

    @property
    def piecewise_quadratic(self) -> bool:
        """Whether every term is a line, a parabola or a hinge: one quadratic programme is exact."""
        return all(
            term.base in STRAIGHT or isinstance(term.base, SquaredDistance | Hinge)
            for term in self.terms
        )

    @property
    def hinges(self) -> tuple[tuple[float, float, float], ...]:
        """The terms weight * max(0, factor * t + offset), as (weight, factor, offset)."""
        return tuple(
            (term.weight, term.factor, term.offset + term.base.alpha)
            for term in self.terms
            if isinstance(term.base, Hinge)
        )

    @property
    def smooth(self) -> Side:
        """The other terms."""
        return Side(tuple(term for term in self.terms if not isinstance(term.base, Hinge)))

    def mirrored(self) -> Side:
        """t -> this(-t)."""
        return Side(tuple(Term(t.base, t.weight, -t.factor, t.offset) for t in self.terms))

    def value(self, t: Array) -> Array:
        """The function itself, elementwise."""
        return self._sum([term.value for term in self.terms], t)

    def slope(self, t: Array) -> Array:
        """Its derivative; at a kink that of one side."""
        return self._sum([term.slope for term in self.terms], t)

    def curvature(self, t: Array) -> Array:
        """Its second derivative."""
        return self._sum([term.curvature for term in self.terms], t)

    def lowest(self) -> float:
        """A t at which it is least: -inf where it never falls, +inf where it never rises."""
        if all(term.rises > 0 for term in self.terms):
            return -np.inf
        if all(term.rises < 0 for term in self.terms):
            return np.inf
        return float(minimiser(self.slope, np.zeros(1), 1e6)[0])

    def _sum(self, functions: Sequence[Callable[[Array], Array]], t: Array) -> Array:
        # e^t may be inf far away, where only its sign counts
        with np.errstate(over="ignore", under="ignore"):
            return sum((function(t) for function in functions), start=np.zeros_like(t))


def sides(loss: ScalarLoss) -> tuple[Side, Side]:
    """phi and varphi of a loss.

    Raises:
        UserError: for another kind of loss, one that is not convex, and one of unknown functions.
    """
    if not isinstance(loss, ScalarLoss):
        raise UserError(
            f"loss={type(loss).__name__}: use a ScalarLoss, as gan_lab.losses.exponential()"
        )
    return Side(terms(loss.phi, loss.name)), Side(terms(loss.varphi, loss.name))


def minimiser(slope: Callable[[Array], Array], middle: Array, radius: float) -> Array:
    """Where convex functions are least within [middle - radius, middle + radius], by bisection.

    The middle itself where that is one of several.

    Args:
        slope: their derivatives, elementwise, (n,) -> (n,).
        middle: (n,).
        radius: of the interval.
    """
    low, high = middle - radius, middle + radius

    # a first bracket around the middle, which is mostly near the answer
    width = 1e-9
    while width < radius:
        rising = slope(middle - width) <= 0, slope(middle + width) >= 0
        low = np.where(rising[0], np.maximum(low, middle - width), low)
        high = np.where(rising[1], np.minimum(high, middle + width), high)
        if np.all(rising[0] & rising[1]):
            break
        width *= 32

    # halves until neighbouring numbers
    for _ in range(120):
        centre = (low + high) / 2
        if np.all((centre <= low) | (centre >= high)):
            break
        above = slope(centre) > 0
        low, high = np.where(above, low, centre), np.where(above, centre, high)
    return np.where(slope(middle) == 0, middle, (low + high) / 2)
