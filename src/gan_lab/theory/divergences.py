"""Divergences between two laws on one finite support: total variation, KL, JS, W1, and the value
of the minimax game that JS is.

Laws are weights (k,) on the same k points, real first. Logarithms are natural. A divergence is
infinite where its definition is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr, xlog1py, xlogy
from scipy.stats import norm

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.theory.laws import Array, read_points, read_weights
from gan_lab.theory.transport import wasserstein_1


@dataclass(frozen=True)
class Divergences:
    """How far two laws are apart, by each measure.

    Args:
        total_variation: in [0, 1].
        kl_real_fake: KL(P_r ‖ P_g), in nats.
        kl_fake_real: KL(P_g ‖ P_r), in nats.
        jensen_shannon: in [0, log 2], in nats.
        wasserstein: W1, in the unit of the positions.

    Examples:
        >>> from gan_lab.theory import compare_laws, parallel_lines
        >>> compare_laws(parallel_lines(0.0))
        Divergences(total_variation=0.0, kl_real_fake=0.0, kl_fake_real=0.0, jensen_shannon=0.0,
                    wasserstein=0.0)
    """

    total_variation: float
    kl_real_fake: float
    kl_fake_real: float
    jensen_shannon: float
    wasserstein: float


@dataclass(frozen=True)
class FiniteLaws:
    """Two laws on one finite support.

    Args:
        positions: the points, (k, d).
        real: P_r of each, (k,).
        fake: P_g of each, (k,).

    Examples:
        >>> import numpy as np
        >>> from gan_lab.theory import FiniteLaws, compare_laws
        >>> points = np.array([[0.0], [2.0]])
        >>> laws = FiniteLaws(points, real=np.array([0.5, 0.5]), fake=np.array([1.0, 0.0]))
        >>> compare_laws(laws).wasserstein
        1.0
    """

    positions: Array
    real: Array
    fake: Array


@dataclass(frozen=True)
class CriticSupremum:
    """An integral probability metric and a critic that reaches it.

    Args:
        value: sup E_real f - E_fake f.
        critic: f at each point, (k,).

    Examples:
        >>> from gan_lab.theory import integral_probability_metric
        >>> integral_probability_metric([1.0, 0.0], [0.0, 1.0], "bounded").critic
        array([ 1., -1.])
    """

    value: float
    critic: Array


@dataclass(frozen=True)
class DensityCurves:
    """Two densities on one grid.

    Args:
        grid: (points,), evenly spaced.
        real: the density of P_r at each.
        fake: that of P_g.

    Examples:
        >>> from gan_lab.theory import gaussian_densities
        >>> curves = gaussian_densities(0.0, points=3)
        >>> bool((curves.real == curves.fake).all())
        True
    """

    grid: Array
    real: Array
    fake: Array


def total_variation(real: ArrayLike, fake: ArrayLike) -> float:
    """TV = sup_A |P_r(A) - P_g(A)| = ½ Σ |p_i - q_i|.

    Args:
        real: weights p, (k,).
        fake: weights q on the same points, (k,).

    Returns:
        0 for equal laws, 1 for laws that share no point.

    Raises:
        UserError: for other shapes, numbers that are not finite, weights that are negative or do
            not add up to 1.

    Source:
        Arjovsky et al. 2017 (arXiv:1701.07875), section 2.

    Examples:
        >>> from gan_lab.theory import total_variation
        >>> total_variation([0.5, 0.5, 0.0], [0.5, 0.25, 0.25])
        0.25
    """
    p, q = _read_laws(real, fake)
    return min(math.fsum(np.abs(p - q)) / 2, 1.0)


def kullback_leibler(real: ArrayLike, fake: ArrayLike) -> float:
    """KL(P_r ‖ P_g) = Σ p_i log(p_i / q_i); the other order of the arguments is KL(P_g ‖ P_r).

    Args:
        real: weights p, (k,).
        fake: weights q on the same points, (k,).

    Returns:
        Nats; infinite where some p_i > 0 has q_i = 0.

    Raises:
        UserError: as `total_variation`.

    Source:
        Arjovsky et al. 2017 (arXiv:1701.07875), section 2.

    Examples:
        1 · log(1 / ½), and a point that the other law lacks:

        >>> from gan_lab.theory import kullback_leibler
        >>> round(kullback_leibler([1.0, 0.0], [0.5, 0.5]), 6)
        0.693147
        >>> kullback_leibler([0.5, 0.5], [1.0, 0.0])
        inf
    """
    # below 0 it is rounding
    return max(math.fsum(rel_entr(*_read_laws(real, fake))), 0.0)


def jensen_shannon(real: ArrayLike, fake: ArrayLike, prior: float = 0.5) -> float:
    """JS = π KL(P_r ‖ M) + (1 - π) KL(P_g ‖ M) with M = π P_r + (1 - π) P_g.

    Args:
        real: weights p, (k,).
        fake: weights q on the same points, (k,).
        prior: π, the share of reals; ½ is the divergence without a prior.

    Returns:
        Nats; at most the entropy of (π, 1 - π), log 2 for π = ½, which laws that share no point
        have.

    Raises:
        UserError: as `total_variation`, and for a prior that is not between 0 and 1.

    Source:
        Goodfellow et al. 2014 (arXiv:1406.2661), theorem 1; with π, Lin 1991 (IEEE Transactions on
        Information Theory 37). Some texts omit the ½ and mean twice this.

    Examples:
        >>> from gan_lab.theory import jensen_shannon
        >>> round(jensen_shannon([1.0, 0.0], [0.0, 1.0]), 6)
        0.693147
        >>> jensen_shannon([0.5, 0.5], [0.5, 0.5])
        0.0
    """
    p, q = _read_laws(real, fake)
    π = _read_prior(prior)

    # divided by the larger one no weight is so small that M vanishes
    largest = np.maximum(p, q)
    present = largest > 0
    p, q, largest = p[present], q[present], largest[present]
    p_part, q_part = p / largest, q / largest
    middle = π * p_part + (1 - π) * q_part

    # p/M = 1 + (1-π)(p-q)/M and q/M = 1 - π(p-q)/M
    difference = (p_part - q_part) / middle
    from_real = _weighted_log(p, p_part / middle, (1 - π) * difference)
    from_fake = _weighted_log(q, q_part / middle, -π * difference)
    return max(math.fsum(np.concatenate([π * from_real, (1 - π) * from_fake])), 0.0)


def _weighted_log(weights: Array, ratio: Array, excess: Array) -> Array:
    """Σ's terms w log(ratio), exact near ratio = 1 + excess = 1, and 0 where w is."""
    return np.where(np.abs(excess) < 0.5, xlog1py(weights, excess), xlogy(weights, ratio))


def wasserstein_on_support(real: ArrayLike, fake: ArrayLike, positions: ArrayLike) -> float:
    """W1 of two laws on the same points; `wasserstein_1` gives the plan, too.

    Args:
        real: weights p, (k,).
        fake: weights q on the same points, (k,).
        positions: the points, (k, d).

    Returns:
        The distance, in the unit of the positions.

    Raises:
        UserError: as `total_variation` and `wasserstein_1`.

    Source:
        Thesis (2-2); Arjovsky et al. 2017 (arXiv:1701.07875), section 2.

    Examples:
        Half of the mass goes 3 to the right:

        >>> from gan_lab.theory import wasserstein_on_support
        >>> wasserstein_on_support([0.5, 0.5], [1.0, 0.0], [[0.0], [3.0]])
        1.5
    """
    p, q = _read_laws(real, fake)
    points = _read_positions(positions, len(p))
    if (p == q).all():
        return 0.0

    # a point without mass has no part in a plan
    return wasserstein_1(points[q > 0], points[p > 0], q[q > 0], p[p > 0]).distance


def compare_laws(laws: FiniteLaws) -> Divergences:
    """Every divergence of two laws at once.

    Args:
        laws: two laws and where their points are.

    Returns:
        Total variation, KL in both directions, JS and W1.

    Raises:
        UserError: as `wasserstein_on_support`.

    Source:
        Arjovsky et al. 2017 (arXiv:1701.07875), section 2.

    Examples:
        Two parallel lines, 3 apart:

        >>> from gan_lab.theory import compare_laws, parallel_lines
        >>> lines = compare_laws(parallel_lines(3.0, count=4))
        >>> lines.total_variation, lines.kl_real_fake, lines.wasserstein
        (1.0, inf, 3.0)
    """
    return Divergences(
        total_variation=total_variation(laws.real, laws.fake),
        kl_real_fake=kullback_leibler(laws.real, laws.fake),
        kl_fake_real=kullback_leibler(laws.fake, laws.real),
        jensen_shannon=jensen_shannon(laws.real, laws.fake),
        wasserstein=wasserstein_on_support(laws.real, laws.fake, laws.positions),
    )


def parallel_lines(shift: float, count: int = 8) -> FiniteLaws:
    """Points of the lines (0, Z) and (θ, Z), Z uniform in [0, 1].

    For θ other than 0: W1 = |θ|, JS = log 2, TV = 1 and KL infinite in both directions; for θ = 0
    all are 0. Only W1 says how far the fakes have to go.

    Args:
        shift: θ.
        count: points on a line, in the middle of equal parts of [0, 1].

    Returns:
        P_r on (0, Z) and P_g on (θ, Z): 2 count points, or count where θ is 0.

    Raises:
        UserError: for a shift that is not finite, and a count that is no whole number above 0.

    Source:
        Arjovsky et al. 2017 (arXiv:1701.07875), example 1.

    Examples:
        >>> from gan_lab.theory import parallel_lines
        >>> parallel_lines(2.0, count=1)
        FiniteLaws(positions=array([[0. , 0.5],
               [2. , 0.5]]), real=array([1., 0.]), fake=array([0., 1.]))
    """
    checks.number("shift", shift)
    checks.whole("count", count, at_least=1)
    heights = (np.arange(count) + 0.5) / count
    mass, none = np.full(count, 1 / count), np.zeros(count)

    # at θ = 0 both laws are on the same points
    line = np.column_stack([np.zeros(count), heights])
    if shift == 0:
        return FiniteLaws(line, mass, mass.copy())
    shifted = np.column_stack([np.full(count, shift), heights])
    return FiniteLaws(
        np.concatenate([line, shifted]),
        real=np.concatenate([mass, none]),
        fake=np.concatenate([none, mass]),
    )


def optimal_discriminator(real: ArrayLike, fake: ArrayLike, prior: float = 0.5) -> Array:
    """D* = π p / (π p + (1 - π) q): the probability that a sample at the point is real.

    Args:
        real: weights p, (k,).
        fake: weights q on the same points, (k,).
        prior: π, the share of reals.

    Returns:
        D* at each point, (k,); NaN where neither law has mass.

    Raises:
        UserError: as `jensen_shannon`.

    Source:
        Goodfellow et al. 2014 (arXiv:1406.2661), proposition 1, for π = ½.

    Examples:
        >>> from gan_lab.theory import optimal_discriminator
        >>> optimal_discriminator([0.5, 0.5, 0.0], [0.0, 0.5, 0.5])
        array([1. , 0.5, 0. ])
    """
    p, q = _read_laws(real, fake)
    π = _read_prior(prior)
    largest = np.maximum(p, q)
    with np.errstate(invalid="ignore"):
        p, q = p / largest, q / largest
    return π * p / (π * p + (1 - π) * q)


def minimax_value(real: ArrayLike, fake: ArrayLike, prior: float = 0.5) -> float:
    """C(G) = max_D 2 (π E_real log D + (1 - π) E_fake log(1 - D)), computed from D*.

    It is 2 JS - 2 H(π) with the entropy H(π) of (π, 1 - π), and 2 JS - log 4 for π = ½, where the
    factors before the expectations are 1. The smallest value is that of equal laws.

    Args:
        real: weights p, (k,).
        fake: weights q on the same points, (k,).
        prior: π, the share of reals.

    Returns:
        Nats, at most 0.

    Raises:
        UserError: as `jensen_shannon`.

    Source:
        Goodfellow et al. 2014 (arXiv:1406.2661), theorem 1, for π = ½.

    Examples:
        -log 4 for equal laws, 0 for laws that share no point:

        >>> from gan_lab.theory import minimax_value
        >>> round(minimax_value([0.5, 0.5], [0.5, 0.5]), 6)
        -1.386294
        >>> minimax_value([1.0, 0.0], [0.0, 1.0])
        0.0
    """
    p, q = _read_laws(real, fake)
    π = _read_prior(prior)

    # 1 - D* is the D* of the exchanged laws, without cancellation
    real_part = xlogy(p, np.nan_to_num(optimal_discriminator(p, q, π)))
    fake_part = xlogy(q, np.nan_to_num(optimal_discriminator(q, p, 1 - π)))
    return 2 * math.fsum(np.concatenate([π * real_part, (1 - π) * fake_part]))


def integral_probability_metric(
    real: ArrayLike,
    fake: ArrayLike,
    critics: str,
    positions: ArrayLike | None = None,
) -> CriticSupremum:
    """sup E_real f - E_fake f over a class of critics, and a critic that reaches it.

    Args:
        real: weights p, (k,).
        fake: weights q on the same points, (k,).
        critics: bounded (|f| <= 1: twice the total variation) or lipschitz (1-Lipschitz: W1).
        positions: the points, (k, d); only for lipschitz, which needs it.

    Returns:
        The supremum and f at each point.

    Raises:
        UserError: for another class, positions without use or missing, and as
            `wasserstein_on_support`.

    Source:
        Müller 1997 (Advances in Applied Probability 29); the Lipschitz class is thesis (2-3).

    Examples:
        >>> from gan_lab.theory import integral_probability_metric
        >>> integral_probability_metric([0.75, 0.25], [0.25, 0.75], "bounded")
        CriticSupremum(value=1.0, critic=array([ 1., -1.]))
        >>> integral_probability_metric([1.0, 0.0], [0.0, 1.0], "lipschitz", [[0.0], [3.0]])
        CriticSupremum(value=3.0, critic=array([ 0., -3.]))
    """
    p, q = _read_laws(real, fake)
    name = checks.choice("critics", critics, CRITICS)
    return CRITICS[name](p, q, positions)


def _bounded(p: Array, q: Array, positions: ArrayLike | None) -> CriticSupremum:
    if positions is not None:
        raise UserError("positions have no effect on bounded critics: omit them")
    return CriticSupremum(math.fsum(np.abs(p - q)), np.sign(p - q))


def _lipschitz(p: Array, q: Array, positions: ArrayLike | None) -> CriticSupremum:
    if positions is None:
        raise UserError("positions=None: lipschitz critics need the points, (k, d)")
    points = _read_positions(positions, len(p))
    transport = wasserstein_1(points, points, q, p)
    return CriticSupremum(transport.distance, transport.real_potentials)


CRITICS: dict[str, Callable[[Array, Array, ArrayLike | None], CriticSupremum]] = {
    "bounded": _bounded,
    "lipschitz": _lipschitz,
}


def gaussian_densities(
    shift: float, standard_deviation: float = 0.3, points: int = 1000
) -> DensityCurves:
    """P_r = N(0, σ²) and P_g = N(shift, σ²) on a grid that reaches 1 beyond both means.

    With σ = 0.3, a shift of 3 is two laws that hardly meet (JS is log 2 up to 1e-6) and a shift of
    0.5 is two laws that overlap.

    Args:
        shift: the mean of P_g.
        standard_deviation: σ of both.
        points: of the grid.

    Returns:
        The grid and both densities.

    Raises:
        UserError: for numbers that are not finite, σ that is not above 0, fewer than 2 points.

    Source:
        Arjovsky and Bottou 2017 (arXiv:1701.04862) on laws whose supports do not meet.

    Examples:
        >>> from gan_lab.theory import gaussian_densities
        >>> curves = gaussian_densities(3.0, points=6)
        >>> curves.grid
        array([-1.,  0.,  1.,  2.,  3.,  4.])
        >>> curves.fake.round(2)
        array([0.  , 0.  , 0.  , 0.01, 1.33, 0.01])
    """
    checks.number("shift", shift)
    checks.number("standard_deviation", standard_deviation, above=0)
    checks.whole("points", points, at_least=2)
    grid = np.linspace(min(shift, 0.0) - 1, max(shift, 0.0) + 1, points)
    return DensityCurves(
        grid,
        real=norm.pdf(grid, 0.0, standard_deviation),
        fake=norm.pdf(grid, shift, standard_deviation),
    )


def _read_laws(real: ArrayLike, fake: ArrayLike) -> tuple[Array, Array]:
    p, q = read_weights("real", real), read_weights("fake", fake)
    if len(p) != len(q):
        raise UserError(
            f"real has {len(p)} weights and fake {len(q)}: give both on the same points, 0 where "
            "a law has no mass"
        )
    return p, q


def _read_positions(positions: ArrayLike, count: int) -> Array:
    points = read_points("positions", positions)
    if len(points) != count:
        raise UserError(
            f"positions have shape {points.shape}: use one point a weight, ({count}, d)"
        )
    return points


def _read_prior(prior: float) -> float:
    return checks.number("prior", prior, above=0, below=1)
