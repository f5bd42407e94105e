"""Optimal critics of objectives that do not restrict the critic, on a discrete law (Table 2-1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from gan_lab import checks, losses
from gan_lab.errors import UserError
from gan_lab.losses import FisherLoss, ScalarLoss
from gan_lab.losses.adversarial import ShiftedRoot, SquaredDistance, minus_log_sigmoid, softplus
from gan_lab.theory.laws import read_weights
from gan_lab.theory.scalar_terms import Array, Side, Term, minimiser, sides

# the losses by the names of their options
BY_NAME: dict[str, Callable[[], ScalarLoss | FisherLoss]] = {
    "exp": losses.exponential,
    "fisher": losses.fisher,
    "hinge": losses.hinge,
    "least_squares": losses.least_squares,
    "logistic": losses.logistic,
    "nonsaturating": losses.nonsaturating,
    "quadratic": losses.quadratic,
    "sqrt": losses.sqrt,
    "vanilla": losses.vanilla,
    "wasserstein": losses.wasserstein,
}
REACH = 1e9  # of a search for f*


@dataclass(frozen=True, eq=False)
class UnrestrictedCritic:
    """The best critic without any restriction, at the points of a discrete law.

    Args:
        values: f*, (n,); -inf or inf where the objective falls for ever, nan where neither law has
            mass.
        objective: E_z[phi(f*)] + E_x[varphi(f*)] with the prior's weights, or -F_μ for Fisher.
        unique: whether f* is the only optimum at each point, (n,).

    Examples:
        >>> from gan_lab.theory import optimal_critic_unrestricted
        >>> optimal_critic_unrestricted([1.0, 0.0], [0.5, 0.5], "vanilla").values
        array([-0.69314718,         inf])
    """

    values: Array
    objective: float
    unique: NDArray[np.bool_]


def optimal_critic_unrestricted(
    fake_density: ArrayLike,
    real_density: ArrayLike,
    loss: ScalarLoss | FisherLoss | str,
    *,
    prior: float = 0.5,
) -> UnrestrictedCritic:
    """The f that minimises 2 (1 - π) E_z[phi(f)] + 2 π E_x[varphi(f)], point by point.

    With p = 2 (1 - π) P_g and q = 2 π P_r, so that π = 1/2 gives J_D itself:

    * vanilla, nonsaturating, logistic: log(q / p); its sigmoid is the posterior of "real".
    * least squares, phi = (t - a)² and varphi = (t - b)²: (a p + b q) / (p + q). The thesis
      prints a and b the other way round.
    * exp: log(q / p) / 2.
    * μ-Fisher: (P_r - P_g) / μ / F_μ with μ = (P_r + P_g) / 2 and F_μ² = Σ (P_r - P_g)² / μ.
    * sqrt: sqrt(α) (q - p) / (2 sqrt(p q)).
    * any other ScalarLoss of named functions: the zero of p phi' + q varphi', by bisection.

    Args:
        fake_density: P_g, (n,), of sum 1.
        real_density: P_r, (n,).
        loss: a loss, or the name of its option.
        prior: π, the share of real samples, in (0, 1); 1/2 only for Fisher.

    Raises:
        UserError: for laws, losses and priors that cannot be used, and where no critic is best.

    Source:
        Thesis Table 2-1, (2-7); the prior: Goodfellow et al. 2014 (arXiv:1406.2661), proposition 1.

    Examples:
        >>> from gan_lab.theory import optimal_critic_unrestricted
        >>> found = optimal_critic_unrestricted([0.75, 0.25], [0.25, 0.75], "least_squares")
        >>> found.values  # (0 · P_g + 1 · P_r) / (P_g + P_r)
        array([0.25, 0.75])
    """
    # what was given
    fake = read_weights("fake_density", fake_density)
    real = read_weights("real_density", real_density)
    if len(fake) != len(real):
        raise UserError(
            f"fake_density has {len(fake)} points and real_density {len(real)}: use the same points"
        )
    checks.number("prior", prior, above=0, below=1)

    objective = BY_NAME[checks.choice("loss", loss, BY_NAME)]() if isinstance(loss, str) else loss
    if isinstance(objective, FisherLoss):
        return _fisher(fake, real, prior)

    # point by point
    phi, varphi = sides(objective)
    p, q = 2 * (1 - prior) * fake, 2 * prior * real
    values = _pointwise(phi, varphi, p, q)

    at = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    least = float(_weighted(p, phi.value(at), q, varphi.value(at)).sum())

    if not np.isfinite(least):
        raise UserError(
            f"{objective.name} falls for ever where nothing restricts the critic: use "
            "optimal_critic"
        )

    # unique where the objective rises on both sides
    middle = np.where(np.isfinite(values), values, 0)
    step = 1e-6 * (1 + np.abs(middle))
    below, above = (
        _weighted(p, phi.slope(t), q, varphi.slope(t)) for t in (middle - step, middle + step)
    )

    return UnrestrictedCritic(values, least, np.isfinite(values) & (below < 0) & (above > 0))


def _fisher(fake: Array, real: Array, prior: float) -> UnrestrictedCritic:
    """(2-7), with μ the mean of both laws."""
    if prior != 0.5:
        raise UserError(f"prior={prior}: Fisher's μ is the mean of both laws, omit the prior")
    mean = (fake + real) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (real - fake) / mean
    distance = np.sqrt(np.nansum(ratio * (real - fake)))
    if distance == 0:
        raise UserError("every critic is optimal for Fisher where both laws are equal")
    return UnrestrictedCritic(ratio / distance, -float(distance), mean > 0)


def _weighted(p: Array, at_fakes: Array, q: Array, at_reals: Array) -> Array:
    """p · one + q · another, where 0 · inf is 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(p > 0, p * at_fakes, 0) + np.where(q > 0, q * at_reals, 0)


def _pointwise(phi: Side, varphi: Side, p: Array, q: Array) -> Array:
    """argmin of p phi + q varphi, in closed form where there is one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        closed = _closed_form(phi, varphi, p, q)
    if closed is None:
        closed = minimiser(
            lambda t: _weighted(p, phi.slope(t), q, varphi.slope(t)), np.zeros(len(p)), REACH
        )
        closed[np.abs(closed) >= 0.999 * REACH] *= np.inf

    # one law alone takes its own best value
    closed = np.where(q == 0, phi.lowest(), np.where(p == 0, varphi.lowest(), closed))
    return np.where((p == 0) & (q == 0), np.nan, closed)


def _closed_form(phi: Side, varphi: Side, p: Array, q: Array) -> Array | None:
    """Table 2-1, and what follows from p phi' + q varphi' = 0 for the other losses of Table 2-2."""
    if len(phi.terms) != 1 or len(varphi.terms) != 1:
        return None
    (one,), (other,) = phi.terms, varphi.terms

    # (t - a)² against (t - b)² or (-t + b)²
    plain = one == Term(one.base) and other in (Term(other.base), Term(other.base, factor=-1.0))
    if isinstance(one.base, SquaredDistance) and isinstance(other.base, SquaredDistance) and plain:
        a, b = one.base.target, other.factor * other.base.target
        return (a * p + b * q) / (p + q)

    # phi(t) against phi(-t)
    if one == Term(softplus) and other in (Term(softplus, factor=-1.0), Term(minus_log_sigmoid)):
        return np.log(q) - np.log(p)
    if other != Term(one.base, factor=-1.0) or one != Term(one.base):
        return None
    if one.base is torch.exp:
        return (np.log(q) - np.log(p)) / 2
    if isinstance(one.base, ShiftedRoot):
        return np.sqrt(one.base.alpha) * (q - p) / (2 * np.sqrt(p * q))
    return None
