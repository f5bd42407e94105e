"""The optimal critic of a Lipschitz GAN between two finite laws."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.losses import ScalarLoss
from gan_lab.theory.critic_certificate import lower_bound
from gan_lab.theory.critic_programme import Instance, Lipschitz, Solution, solve
from gan_lab.theory.critic_transport import solve_straight
from gan_lab.theory.laws import read_points, read_weights
from gan_lab.theory.scalar_terms import Array, Side, sides
from gan_lab.theory.weighted_points import Support, support

# a pair is bound where f(y) - f(x) is within this share of k times the largest distance of
# k ‖y - x‖; the solver leaves slacks of up to 1e-9 on bound pairs of 500 and 500 points
BOUND = 1e-8
LARGEST_GAP = 1e-8  # of an answer, relative to 1 + |J|


@dataclass(frozen=True, eq=False)
class OptimalCritic:
    """The best critic for two finite laws, and its values everywhere.

        f(z) = max_j f(y_j) - k ‖z - y_j‖ over the reals y_j, and at least `floor`

    This is the smallest k-Lipschitz critic with these values at the reals. Its only cone tips are
    at the reals; an extension from the fakes would have one at each fake, where the gradient is
    asked for. Where phi falls and varphi rises (least_squares with a > b), `sign` is -1 and all of
    this holds for -f.

    Args:
        fake: the points x_i of P_g, (n, d).
        real: the points y_j of P_r, (m, d).
        fake_values: f(x_i), (n,).
        real_values: f(y_j), (m,).
        k: the Lipschitz constant that was paid for.
        objective: J = J_D + λ (k - c)², or J_D where k is given.
        duality_gap: J less a lower bound of the optimum, from weak duality.
        bound: the pairs (i, j) with f(y_j) - f(x_i) = k ‖y_j - x_i‖ and y_j ≠ x_i, (b, 2); none
            where k = 0.
        slack: k ‖y_j - x_i‖ - (f(y_j) - f(x_i)) of each of them, (b,): at most 1e-8 of k times the
            largest distance.
        bound_reals: at how many points each fake is bound, (n,).
        directions: for a fake bound at one point only, the unit vector along which its gradient
            k · direction points (Theorem 2.5), (n, d); nan for the others.
        slopes_fake: the derivative of J_D with respect to f at x_i's point, (n,): P_g phi' + P_r
            varphi'; at a kink that of one side.
        slopes_real: the same at the reals, (m,).
        floor: the least value of sign · f; -inf but for losses that turn.
        sign: 1, or -1.

    Source:
        Thesis Theorems 2.3 to 2.5; McShane 1934 for the extension.

    Examples:
        >>> import numpy as np
        >>> from gan_lab.losses import wasserstein
        >>> from gan_lab.theory import optimal_critic
        >>> critic = optimal_critic([[0.0, 0.0]], [[3.0, 4.0]], wasserstein(), 0.5)
        >>> critic.k, critic.objective  # 5 / (2 · 0.5), -25 / (4 · 0.5)
        (5.0, -12.5)
        >>> critic.directions.round(6)
        array([[0.6, 0.8]])
        >>> critic.gradient(np.array([[0.0, 0.0]])).round(6)
        array([[3., 4.]])
    """

    fake: Array
    real: Array
    fake_values: Array
    real_values: Array
    k: float
    objective: float
    duality_gap: float
    bound: NDArray[np.intp]
    slack: Array
    bound_reals: NDArray[np.intp]
    directions: Array
    slopes_fake: Array
    slopes_real: Array
    floor: float = -np.inf
    sign: int = 1

    @property
    def bound_to_none(self) -> int:
        """How many fakes are bound to no real."""
        return int((self.bound_reals == 0).sum())

    @property
    def bound_to_one(self) -> int:
        """How many are bound to exactly one, so that their gradient is known."""
        return int((self.bound_reals == 1).sum())

    @property
    def bound_to_several(self) -> int:
        """How many are bound to more."""
        return int((self.bound_reals > 1).sum())

    def __call__(self, points: ArrayLike) -> Array:
        """f at any points, (b, d) -> (b,)."""
        at = self._read(points)
        return self.sign * _cones(at, self.real, self.sign * self.real_values, self.k, self.floor)

    def gradient(self, points: ArrayLike) -> Array:
        """The gradient of f at any points, (b, d) -> (b, d).

        0 where the floor is reached, and at a real that is bound to no higher one: the tip of its
        cone. Of several reals that give the maximum, the first counts.
        """
        at = self._read(points)
        distances = cdist(at, self.real)
        cones = self.sign * self.real_values - self.k * distances

        # a point that is a real's own may be bound to another
        highest = np.where(distances > 0, cones, -np.inf)
        partner = highest.argmax(axis=1)
        tolerance = BOUND * self.k * distances.max() + 4e-15 * np.abs(cones).max()
        tip = cones.max(axis=1) > highest.max(axis=1) + tolerance
        flat = tip | (cones.max(axis=1) < self.floor)

        towards = self.real[partner] - at
        length = np.where(flat, 1, np.linalg.norm(towards, axis=1))
        return np.where(flat[:, None], 0.0, self.sign * self.k * towards / length[:, None])

    def _read(self, points: ArrayLike) -> Array:
        """(b, d) points of the critic's own space."""
        at = read_points("points", points)
        if at.shape[1] != self.real.shape[1]:
            raise UserError(
                f"points has {at.shape[1]} coordinates: this critic takes {self.real.shape[1]}"
            )
        return at


def optimal_critic(
    fake: ArrayLike,
    real: ArrayLike,
    loss: ScalarLoss,
    weight: float | None = None,
    *,
    target: float = 0.0,
    constant: float | None = None,
    fake_weights: ArrayLike | None = None,
    real_weights: ArrayLike | None = None,
) -> OptimalCritic:
    """The critic that minimises J_D + λ (k(f) - c)², or J_D among those with k(f) <= c.

        J_D = Σ_i p_i phi(f(x_i)) + Σ_j q_j varphi(f(y_j))

    On finite laws this is a convex programme in the values of f and in k, with the constraint
    f(y_j) - f(x_i) <= k ‖y_j - x_i‖ for each fake and each real. Constraints between two fakes or
    two reals are not needed where phi never falls and varphi never rises on the values that matter,
    which lie between the t where phi is least and the t where varphi is: clipping the values to
    that interval keeps the constraints and lowers J_D. If that interval is reversed, -f is solved
    for. A point that is fake and real is one point with both weights.

    A straight loss (wasserstein) is solved by exact transport: k = c + W1 / (2 λ). Others are
    solved by Newton's method, each step of which is a quadratic programme (cvxpy, Clarabel). The
    answer is held against a lower bound that does not use the solver's word.

    Args:
        fake: x_i, (n, d), an array or a tensor.
        real: y_j, (m, d).
        loss: made of the package's own functions, by `combine`, `scale` and `shift`, too; others
            are refused.
        weight: λ > 0; omit it where `constant` is given.
        target: c >= 0 of λ (k - c)².
        constant: k itself, > 0, instead of a penalty.
        fake_weights: p, (n,), of sum 1; 1 / n each if None.
        real_weights: q, (m,).

    Raises:
        UserError: for points, weights and losses that cannot be used, and without cvxpy.
        RuntimeError: where no answer was found whose duality gap is small.

    Source:
        Thesis (2-10), (2-16) and Theorem 2.2.

    Examples:
        One fake, one real, at the distance d: f(y) = -f(x) = a with 8 λ a / d² = 2 e^-a.

        >>> from gan_lab.losses import exponential
        >>> from gan_lab.theory import optimal_critic
        >>> critic = optimal_critic([[0.0]], [[2.0]], exponential(), 0.5)
        >>> round(float(critic.real_values[0]), 6), round(critic.k, 6)  # a = 2 e^-a, k = 2 a / d
        (0.852606, 0.852606)
    """
    # what was given
    fake, real = read_points("fake", fake), read_points("real", real)
    if fake.shape[1] != real.shape[1]:
        raise UserError(
            f"fake has {fake.shape[1]} coordinates and real {real.shape[1]}: use the same"
        )

    p = read_weights("fake_weights", fake_weights, len(fake))
    q = read_weights("real_weights", real_weights, len(real))
    lipschitz = _lipschitz(weight, target, constant)
    phi, varphi, sign, floor = _oriented(loss)

    # the optimum on the distinct points, and a bound that the solver has no part in
    points = support(fake, real, p, q)
    instance = _instance(phi, varphi, points, lipschitz)
    straight = phi.straight and varphi.straight
    solution = solve_straight(instance) if straight else solve(instance)
    solution = replace(solution, values=_extended(instance, solution, floor))

    objective = instance.objective(solution.values, solution.k)
    gap = objective - lower_bound(instance, solution)
    if not gap <= LARGEST_GAP * (1 + abs(objective)):
        raise RuntimeError(
            f"the optimal critic was not found: J = {objective:.10g} may be {gap:.1g} above the "
            "optimum; scale the points or the loss towards 1, or use a larger weight"
        )

    # everything at the points as they were given
    values, k = sign * solution.values, float(solution.k) / instance.length

    at_real = sign * _cones(
        real, points.points[points.reals], sign * values[points.reals], k, floor
    )
    at_fake = sign * _cones(fake, real, sign * at_real, k, floor)

    slopes = sign * instance.slopes(solution.values)
    pairs = _bound_pairs(fake, real, sign * at_fake, sign * at_real, k, points.real_at)
    counts, directions = _directions(fake, real, pairs[0], sign)

    return OptimalCritic(
        fake=fake,
        real=real,
        fake_values=at_fake,
        real_values=at_real,
        k=k,
        objective=objective,
        duality_gap=gap,
        bound=pairs[0],
        slack=pairs[1],
        bound_reals=counts,
        directions=directions,
        slopes_fake=_of_points(slopes, points.fake_at),
        slopes_real=_of_points(slopes, points.real_at),
        floor=floor,
        sign=sign,
    )


def _lipschitz(weight: float | None, target: float, constant: float | None) -> Lipschitz:
    """The term of k that was asked for."""
    if (weight is None) == (constant is None):
        raise UserError(
            f"weight={weight} and constant={constant}: use a weight for λ (k - target)², or a "
            "constant for k itself"
        )
    checks.number("target", target, at_least=0)
    if constant is None:
        return Lipschitz(float(checks.number("weight", weight, above=0)), float(target))
    if target:
        raise UserError(f"target={target} has no effect beside constant={constant}: omit it")
    return Lipschitz(None, float(checks.number("constant", constant, above=0)))


def _oriented(loss: ScalarLoss) -> tuple[Side, Side, int, float]:
    """phi, varphi, sign and floor, such that sign · f is low on fakes and high on reals."""
    phi, varphi = sides(loss)
    sign = 1 if phi.lowest() <= varphi.lowest() else -1
    if sign == -1:
        phi, varphi = phi.mirrored(), varphi.mirrored()
    return phi, varphi, sign, phi.lowest()


def _instance(phi: Side, varphi: Side, points: Support, lipschitz: Lipschitz) -> Instance:
    """The programme, with distances of at most 1.

    Raises:
        UserError: where distances of distinct points are beyond float64.
    """
    distances = points.distances()
    coincide = points.fakes[:, None] == points.reals[None, :]
    if not np.isfinite(distances).all() or (distances[~coincide] == 0).any():
        raise UserError(
            "squared distances of fake and real points leave the range of float64: scale the points"
        )
    length = float(distances.max()) or 1.0
    return Instance(phi, varphi, points, distances / length, lipschitz.stretched(length), length)


def _extended(instance: Instance, solution: Solution, floor: float) -> Array:
    """The values made k-Lipschitz exactly: not lower at reals, not higher at fakes."""
    points, reals = instance.support.points, instance.support.reals
    k = solution.k / instance.length
    return _cones(points, points[reals], solution.values[reals], k, floor)


def _cones(points: Array, tips: Array, heights: Array, k: float, floor: float) -> Array:
    """max_j heights_j - k ‖z - tips_j‖, and at least `floor`."""
    return np.maximum((heights - k * cdist(points, tips)).max(axis=1), floor)


def _bound_pairs(
    fake: Array, real: Array, at_fake: Array, at_real: Array, k: float, real_at: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Array]:
    """The pairs that hold f(y) - f(x) = k ‖y - x‖, of reals with a weight, and their slack."""
    distances = cdist(fake, real)
    slack = k * distances - (at_real[None, :] - at_fake[:, None])
    rise = k * distances.max()

    # below this, the values cannot tell a bound pair from another
    rounding = 4e-15 * (1 + np.abs(at_real).max())
    if rise <= rounding:
        return np.empty((0, 2), dtype=np.intp), np.empty(0)
    holds = (slack <= max(BOUND * rise, rounding)) & (distances > 0) & (real_at >= 0)
    return np.argwhere(holds), slack[holds]


def _directions(
    fake: Array, real: Array, bound: NDArray[np.intp], sign: int
) -> tuple[NDArray[np.intp], Array]:
    """At how many points each fake is bound, and the direction of the gradient where it is one."""
    _, place = np.unique(real, axis=0, return_inverse=True)
    places = np.unique(np.stack([bound[:, 0], place.reshape(-1)[bound[:, 1]]], axis=1), axis=0)
    counts = np.bincount(places[:, 0], minlength=len(fake))

    # one real of those that a fake is bound to: the only point, for the fakes that count
    partner = np.zeros(len(fake), dtype=np.intp)
    partner[bound[:, 0]] = bound[:, 1]
    towards = sign * (real[partner] - fake)
    with np.errstate(invalid="ignore", divide="ignore"):
        units = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    return counts, np.where((counts == 1)[:, None], units, np.nan)


def _of_points(values: Array, at: NDArray[np.intp]) -> Array:
    """The values of the support at the points that were given; 0 at points without a weight."""
    return np.where(at >= 0, values[at], 0.0)
