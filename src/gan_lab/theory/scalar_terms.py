"""What a scalar loss is made of: its terms, slopes and curvatures in float64, and where it turns.

The exact critics read a loss by its structure, so that a kink becomes a constraint and a straight
line a transport problem; values and derivatives come from the loss itself, through autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

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

# the direction in which each named function rises: 0 for a parabola
RISES: dict[ScalarFunction | type, int] = {
    identity: 1,
    torch.exp: 1,
    softplus: 1,
    ShiftedRoot: 1,
    Hinge: 1,
    torch.neg: -1,
    minus_log_sigmoid: -1,
    SquaredDistance: 0,
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
    def kind(self) -> ScalarFunction | type:
        """The base's key in RISES."""
        return self.base if self.base in RISES else type(self.base)

    @property
    def rises(self) -> float:
        """Above 0 where the term never falls, below 0 where it never rises, 0 for a parabola."""
        return RISES[self.kind] * self.factor

    def __call__(self, t: torch.Tensor) -> torch.Tensor:
        return self.weight * self.base(self.factor * t + self.offset)


def terms(function: ScalarFunction, name: str) -> tuple[Term, ...]:
    """The named functions whose sum a phi or varphi is.

    Raises:
        UserError: for a function that the package has no name for, or that is not convex.
    """
    if isinstance(function, WeightedSum):
        pairs = zip(function.weights, function.functions, strict=True)
        return tuple(
            Term(term.base, weight * term.weight, term.factor, term.offset)
            for weight, part in pairs
            for term in terms(part, name)
        )
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
    term = Term(function)
    if term.kind not in RISES:
        raise UserError(
            f"the loss {name} is made of {function}, which has no exact critic: use exp, logistic, "
            "sqrt, quadratic, hinge, wasserstein, vanilla, nonsaturating or least_squares, or "
            "combine, scale and shift of them"
        )
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
        with torch.no_grad():
            return self._sum(torch.as_tensor(t, dtype=torch.float64)).numpy()

    def slope(self, t: Array) -> Array:
        """Its derivative, elementwise; at a kink that of one side."""
        return self.derivatives(t)[0]

    def derivatives(self, t: Array) -> tuple[Array, Array]:
        """First and second derivative, elementwise."""
        at = torch.tensor(t, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(self._sum(at).sum(), at, create_graph=True)
        curvature = torch.zeros_like(at)
        if slope.requires_grad:
            (curvature,) = torch.autograd.grad(slope.sum(), at)
        return slope.detach().numpy(), curvature.numpy()

    def lowest(self) -> float:
        """A t at which it is least: -inf where it never falls, +inf where it never rises.

        Of several such t, the largest for a function that never falls before, and so on: any one
        does.
        """
        if all(term.rises > 0 for term in self.terms):
            return -np.inf
        if all(term.rises < 0 for term in self.terms):
            return np.inf
        return float(minimiser(self.slope, np.zeros(1), 1e6)[0])

    def _sum(self, t: torch.Tensor) -> torch.Tensor:
        return sum((term(t) for term in self.terms), start=0.0 * t)


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
    return (low + high) / 2
