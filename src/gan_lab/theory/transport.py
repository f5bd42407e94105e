"""The 1-Wasserstein distance of two laws on finitely many points, its plan and its dual forms.

Fake points `x` of P_g have shape (n, d), real points `y` of P_r (m, d), and distances are
Euclidean. Every programme is solved to its optimum; nothing is regularised or sampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult, linear_sum_assignment, linprog
from scipy.sparse import coo_array, csr_array
from scipy.spatial.distance import cdist

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.theory.laws import Array, read_clouds, read_points, read_weights

# HiGHS's own smallest; its default of 1e-7 would be seen in the distance. They are absolute, and so
# masses add up to 2^17 in the programmes: one below 1e-15 of the whole counts, and not one below
# 1e-10. Larger sums have rounding above the tolerance.
MASS = 2.0**17
TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}

# Pairs of a point that a programme begins with, and that a round adds. 10 and 5 leave few rounds of
# small programmes on Gaussian clouds of 500 and 2000 points; neither has a part in the result.
FIRST_PAIRS, NEXT_PAIRS = 10, 5


@dataclass(frozen=True)
class Transport:
    """An optimal plan between two laws, and the critic that certifies it.

    Args:
        distance: W1, the cost Σ π_ij ‖y_j - x_i‖ of the plan, in the unit of the points.
        plan: π (n, m), sparse: how much of fake point i goes to real point j.
        fake_potentials: f at the fake points, (n,). f is 1-Lipschitz over all points; the first
            value is 0, since f + c is as good.
        real_potentials: f at the real points, (m,).
        gap: distance - (E_real f - E_fake f). No plan is cheaper than the distance by more than
            this; it is rounding, and may be below 0.

    Examples:
        >>> from gan_lab.theory import wasserstein_1
        >>> transport = wasserstein_1([[0.0, 0.0]], [[3.0, 4.0]])
        >>> transport.distance, transport.real_potentials - transport.fake_potentials
        (5.0, array([5.]))
    """

    distance: float
    plan: csr_array
    fake_potentials: Array
    real_potentials: Array
    gap: float


@dataclass(frozen=True)
class DualCritic:
    """An optimal critic of a dual form of W1.

    Args:
        value: E_real f - E_fake f.
        fake: f at the fake points, (n,). One value is set to 0, since f + c is as good.
        real: f at the real points, (m,).

    Examples:
        >>> from gan_lab.theory import relaxed_dual
        >>> critic = relaxed_dual([[0.0]], [[2.0]])
        >>> critic.real - critic.fake
        array([2.])
    """

    value: float
    fake: Array
    real: Array


@dataclass(frozen=True)
class LipschitzOptimum:
    """What the critic of a Lipschitz GAN with the loss of Wasserstein reaches.

    Args:
        constant: k*, the Lipschitz constant of the optimal critic.
        objective: J*, its loss with the penalty.

    Examples:
        W1 = 4 and λ = 1: k* = 4 / 2, J* = -16 / 4.

        >>> from gan_lab.theory import lipschitz_optimum
        >>> lipschitz_optimum(4.0, weight=1.0)
        LipschitzOptimum(constant=2.0, objective=-4.0)
    """

    constant: float
    objective: float


def wasserstein_1(
    fake: ArrayLike,
    real: ArrayLike,
    fake_weights: ArrayLike | None = None,
    real_weights: ArrayLike | None = None,
) -> Transport:
    """W1 = min_π Σ π_ij ‖y_j - x_i‖ over the plans π with the two laws as marginals.

    Equal weights on as many points are an assignment (2000 + 2000 points in seconds); other weights
    are a linear programme (500 + 500 points in seconds, 2000 + 2000 in minutes).

    Args:
        fake: points of P_g, (n, d).
        real: points of P_r, (m, d).
        fake_weights: P_g of each, (n,); 1 / n where omitted.
        real_weights: P_r of each, (m,); 1 / m where omitted.

    Returns:
        The distance, an optimal plan, the potentials that certify it, and the gap between them.

    Raises:
        UserError: for other shapes, numbers that are not finite, weights that are negative or do
            not add up to 1, and points too far apart for float64.

    Source:
        Thesis (2-2); the potentials are an optimal critic of (2-3).

    Examples:
        Two fakes at 0 and 1, two reals at 3 and 2; then one fake that is shared out:

        >>> from gan_lab.theory import wasserstein_1
        >>> wasserstein_1([[0.0], [1.0]], [[3.0], [2.0]]).distance
        2.0
        >>> transport = wasserstein_1([[0.0]], [[-1.0], [2.0]], real_weights=[0.75, 0.25])
        >>> transport.distance
        1.25
        >>> transport.plan.toarray()
        array([[0.75, 0.25]])
    """
    fakes, reals = read_clouds(fake, real)
    p = read_weights("fake_weights", fake_weights, len(fakes))
    q = read_weights("real_weights", real_weights, len(reals))
    fakes, reals, exponent = _rescale(fakes, reals)
    costs = cdist(fakes, reals)

    # an optimal plan, and f at the fake points up to rounding
    if len(p) == len(q) and (p == p[0]).all() and (q == q[0]).all():
        plan, start = _assign(costs)
    else:
        plan, start = _solve_plan(costs, p, q)

    # f(z) = min_i f(x_i) + ‖z - x_i‖ is 1-Lipschitz at any points and at least as good
    at_fake = (start[:, None] + cdist(fakes, fakes)).min(axis=0)
    at_real = (start[:, None] + costs).min(axis=0)
    at_fake, at_real = at_fake - at_fake[0], at_real - at_fake[0]

    # the two sides of the duality, in the unit of the points
    flows = plan.tocoo()
    distance = math.fsum(flows.data * costs[flows.row, flows.col])
    gap = distance - math.fsum(np.concatenate([q * at_real, -p * at_fake]))
    return Transport(
        distance=math.ldexp(distance, exponent),
        plan=plan,
        fake_potentials=np.ldexp(at_fake, exponent),
        real_potentials=np.ldexp(at_real, exponent),
        gap=math.ldexp(gap, exponent),
    )


def _rescale(fake: Array, real: Array) -> tuple[Array, Array, int]:
    """Both clouds divided by the power of two near their extent, and its exponent.

    No square of a difference overflows then, and none vanishes but of points closer than 1e-154 of
    the extent; tolerances are relative to it; and a power of two rounds nothing.
    """
    points = np.concatenate([fake, real])
    extent = np.ptp(points / 2, axis=0).max()
    exponent = max(int(np.frexp(extent)[1]), int(np.frexp(np.abs(points).max())[1]) - 900)
    if exponent > 1000:
        raise UserError("fake and real are more than 1e300 apart: divide both by a number")
    return np.ldexp(fake, -exponent), np.ldexp(real, -exponent), exponent


def _assign(costs: Array) -> tuple[csr_array, Array]:
    """The plan that sends every fake point to one real point, and f at the fake points."""
    rows, partners = linear_sum_assignment(costs)
    count = len(rows)
    plan = csr_array((np.full(count, 1 / count), (rows, partners)), shape=costs.shape)

    # f(y) = f(x_i) + c_i at the partner y of x_i, and f(y) <= f(x_k) + ‖y - x_k‖: f at the fake
    # points is the shortest path with these lengths, found in at most n rounds (Bellman-Ford)
    lengths = costs[:, partners] - costs[rows, partners]
    values = np.zeros(count)
    for _ in range(count):
        shorter = (values[:, None] + lengths).min(axis=0)
        improvement = (values - shorter).max()
        values = shorter
        # cycles of length 0 are below 0 by rounding, and would go on for ever
        if improvement <= 1e-15 * costs.max():
            break
    return plan, values


def _solve_plan(costs: Array, p: Array, q: Array) -> tuple[csr_array, Array]:
    """The plan of any weights by linear programming, and f at the fake points.

    Few of the n m pairs carry mass. The programme begins with those that are near, and takes in
    what its prices call too cheap, until there is none: its optimum is then that of all pairs.
    """
    n, m = costs.shape
    pairs = _smallest(costs, FIRST_PAIRS)
    pairs[_some_plan(p, q)] = True

    # the marginal of the heaviest real point follows from the others, whatever they round to
    kept = np.delete(np.arange(n + m), n + q.argmax())
    prices = np.zeros(n + m)
    while True:
        fakes, reals = np.nonzero(pairs)
        variables = np.tile(np.arange(len(fakes)), 2)
        marginals = csr_array(
            (np.ones(len(variables)), (np.concatenate([fakes, n + reals]), variables)),
            shape=(n + m, len(fakes)),
        )
        solution = linprog(
            costs[fakes, reals],
            A_eq=marginals[kept].tocsc(),
            b_eq=MASS * np.concatenate([p, q])[kept],
            method="highs-ds",
            options=TOLERANCES,
        )
        _check_solved(solution)

        # a pair that is cheaper than the prices u_i + v_j of its ends would lower the cost
        prices[kept] = solution.eqlin.marginals
        excess = costs - prices[:n, None] - prices[n:]
        cheap = (excess < -TOLERANCES["dual_feasibility_tolerance"]) & ~pairs
        if not cheap.any():
            break
        pairs |= cheap & _smallest(np.where(cheap, excess, 0), NEXT_PAIRS)

    # prices u_i + v_j <= c_ij are a critic with f(x_i) = -u_i and f(y_j) = v_j
    masses = np.maximum(solution.x / MASS, 0)
    plan = csr_array((masses, (fakes, reals)), shape=(n, m))
    plan.eliminate_zeros()
    return plan, -prices[:n]


def _smallest(values: Array, count: int) -> NDArray[np.bool_]:
    """Where the `count` smallest of each row and of each column are."""
    chosen = np.zeros(values.shape, dtype=bool)
    for axis in (0, 1):
        last = min(count, values.shape[axis]) - 1
        order = np.argpartition(values, last, axis=axis)
        np.put_along_axis(chosen, order.take(range(last + 1), axis=axis), 1, axis=axis)
    return chosen


def _some_plan(p: Array, q: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs of one plan: mass goes from the first fakes to the first reals that lack it."""
    from_fake, to_real = np.cumsum(p), np.cumsum(q)
    ends = np.concatenate([from_fake, to_real])
    fakes = np.searchsorted(from_fake, ends).clip(max=len(p) - 1)
    reals = np.searchsorted(to_real, ends).clip(max=len(q) - 1)
    return fakes, reals


def _check_solved(solution: OptimizeResult) -> None:
    if solution.status != 0:
        raise RuntimeError(f"HiGHS found no optimum: {solution.message}")


def kantorovich_rubinstein_dual(
    fake: ArrayLike,
    real: ArrayLike,
    fake_weights: ArrayLike | None = None,
    real_weights: ArrayLike | None = None,
) -> DualCritic:
    """W1 = max_f E_real f - E_fake f over the f that are 1-Lipschitz over all points.

    A linear programme with a constraint for each ordered pair of distinct points: for some hundred
    points.

    Args:
        fake: points of P_g, (n, d).
        real: points of P_r, (m, d).
        fake_weights: P_g of each, (n,); 1 / n where omitted.
        real_weights: P_r of each, (m,); 1 / m where omitted.

    Returns:
        An optimal critic and its value.

    Raises:
        UserError: as `wasserstein_1`.

    Source:
        Thesis (2-3).

    Examples:
        >>> from gan_lab.theory import kantorovich_rubinstein_dual
        >>> critic = kantorovich_rubinstein_dual([[0.0], [1.0]], [[4.0]])
        >>> critic.value
        3.5
        >>> critic.real - critic.fake
        array([4., 3.])
    """
    programme = _dual_programme(fake, real, fake_weights, real_weights)
    first, second = np.nonzero(~np.eye(len(programme.points), dtype=bool))
    return programme.solve(first, second)


def relaxed_dual(
    fake: ArrayLike,
    real: ArrayLike,
    fake_weights: ArrayLike | None = None,
    real_weights: ArrayLike | None = None,
) -> DualCritic:
    """W1 = max_f E_real f - E_fake f where f(y) - f(x) <= ‖y - x‖ for real y and fake x only.

    f is not asked to be Lipschitz, but an optimal f is so on the points of positive weight. It says
    nothing about any other point. A linear programme of n m constraints: for some hundred points.

    Args:
        fake: points of P_g, (n, d); each counts as one of its support.
        real: points of P_r, (m, d); the same.
        fake_weights: P_g of each, (n,); 1 / n where omitted.
        real_weights: P_r of each, (m,); 1 / m where omitted.

    Returns:
        An optimal critic and its value.

    Raises:
        UserError: as `wasserstein_1`.

    Source:
        Thesis (2-4), proved in 2.A.5.

    Examples:
        >>> from gan_lab.theory import relaxed_dual
        >>> critic = relaxed_dual([[0.0], [1.0]], [[4.0]])
        >>> critic.value
        3.5
        >>> critic.real - critic.fake
        array([4., 3.])
    """
    programme = _dual_programme(fake, real, fake_weights, real_weights)
    fakes, reals = np.unique(programme.fake_at), np.unique(programme.real_at)
    second, first = (index.ravel() for index in np.meshgrid(fakes, reals, indexing="ij"))
    return programme.solve(first, second)


@dataclass(frozen=True)
class _DualProgramme:
    """Both laws on their distinct points.

    Args:
        points: (k, d), in units of 2^exponent.
        fake_at: the place of each fake point in `points`, (n,).
        real_at: the same of each real point, (m,).
        balance: P_r - P_g of each, (k,).
    """

    points: Array
    fake_at: NDArray[np.intp]
    real_at: NDArray[np.intp]
    balance: Array
    exponent: int

    def solve(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> DualCritic:
        """Maximise Σ balance f where f_a - f_b <= ‖z_a - z_b‖ for a in first, b in second."""
        distances = np.linalg.norm(self.points[first] - self.points[second], axis=1)

        # one row a pair; f is 0 at the first point, for f + c is as good
        rows = np.arange(len(first))
        differences = coo_array(
            (
                np.repeat([1.0, -1.0], len(first)),
                (np.tile(rows, 2), np.concatenate([first, second])),
            ),
            shape=(len(first), len(self.points)),
        )

        bounds = [(0, 0), *[(None, None)] * (len(self.points) - 1)]
        solution = linprog(
            -MASS * self.balance,
            A_ub=differences.tocsr(),
            b_ub=distances,
            bounds=bounds,
            options=TOLERANCES,
        )

        # in the unit of the points
        _check_solved(solution)
        values = np.ldexp(solution.x, self.exponent)

        return DualCritic(
            value=math.fsum(self.balance * values),
            fake=values[self.fake_at],
            real=values[self.real_at],
        )


def _dual_programme(
    fake: ArrayLike,
    real: ArrayLike,
    fake_weights: ArrayLike | None,
    real_weights: ArrayLike | None,
) -> _DualProgramme:
    fakes, reals = read_clouds(fake, real)
    p = read_weights("fake_weights", fake_weights, len(fakes))
    q = read_weights("real_weights", real_weights, len(reals))
    fakes, reals, exponent = _rescale(fakes, reals)

    # a critic has one value at each place; -0 and 0 are one
    points, place = np.unique(np.concatenate([fakes, reals]) + 0.0, axis=0, return_inverse=True)
    place = place.reshape(-1)
    fake_at, real_at = place[: len(fakes)], place[len(fakes) :]
    balance = np.zeros(len(points))
    np.add.at(balance, real_at, q)
    np.add.at(balance, fake_at, -p)
    return _DualProgramme(points, fake_at, real_at, balance, exponent)


def lipschitz_constant_on(points: ArrayLike, values: ArrayLike) -> float:
    """k(f) = max |f(a) - f(b)| / ‖a - b‖ over pairs of the points: the smallest k they allow.

    Args:
        points: (n, d).
        values: f at each, (n,).

    Returns:
        0 for one point; infinite where f has two values at one point.

    Raises:
        UserError: for other shapes and numbers that are not finite.

    Source:
        Thesis (2-1).

    Examples:
        >>> from gan_lab.theory import lipschitz_constant_on
        >>> lipschitz_constant_on([[0.0], [1.0], [4.0]], [0.0, 2.0, 3.0])
        2.0
    """
    places = read_points("points", points)
    heights = read_points("values", np.reshape(values, (-1, 1)))
    if len(heights) != len(places) or np.ndim(values) != 1:
        raise UserError(f"values have shape {np.shape(values)}: use one a point, ({len(places)},)")

    # a pair at one place with one value says nothing
    rises, distances = np.abs(heights - heights.T), cdist(places, places)
    apart = (rises > 0) | (distances > 0)
    with np.errstate(divide="ignore"):
        return float((rises[apart] / distances[apart]).max(initial=0.0))


def lipschitz_optimum(distance: float, weight: float, target: float = 0.0) -> LipschitzOptimum:
    """The optimum of E_fake f - E_real f + λ (k(f) - c)²: k* = c + W1 / (2 λ).

    For a given k the best critic is k times one of W1, so J(k) = -k W1 + λ (k - c)², and
    J* = -c W1 - W1² / (4 λ). The penalty λ max(0, k - c)² has the same optimum.

    Args:
        distance: W1.
        weight: λ.
        target: c; 0 is the penalty of a Lipschitz GAN, 1 that of WGAN-GP and WGAN-LP.

    Returns:
        k* and J*.

    Raises:
        UserError: for a negative distance or target, and a weight that is not above 0.

    Source:
        Thesis (2-10) with phi(x) = x, and (2-16), where ρ = 2 λ.

    Examples:
        >>> from gan_lab.theory import lipschitz_optimum
        >>> lipschitz_optimum(2.0, weight=0.5)
        LipschitzOptimum(constant=2.0, objective=-2.0)
        >>> lipschitz_optimum(2.0, weight=0.5, target=1.0).constant
        3.0
    """
    checks.number("distance", distance, at_least=0)
    checks.number("weight", weight, above=0)
    checks.number("target", target, at_least=0)
    excess = distance / (2 * weight)
    return LipschitzOptimum(target + excess, -distance * (target + excess / 2))


def segment_points(count: int) -> tuple[Array, Array]:
    """The two vertical segments of (2-9): fakes (0, Z) and reals (1, Z), Z in the middle of each
    of `count` equal parts of [0, 1].

    Args:
        count: n.

    Returns:
        Fake points and real points, (n, 2) each.

    Raises:
        UserError: unless count is a whole number of at least 1.

    Source:
        Thesis 2.3.3.

    Examples:
        >>> from gan_lab.theory import segment_points
        >>> fake, real = segment_points(2)
        >>> real
        array([[1.  , 0.25],
               [1.  , 0.75]])
    """
    checks.whole("count", count, at_least=1)
    heights = (np.arange(count) + 0.5) / count
    return (
        np.column_stack([np.zeros(count), heights]),
        np.column_stack([np.ones(count), heights]),
    )


def segment_critic(points: ArrayLike) -> Array:
    """(2-9): 1 on the real segment, 0 on the fake one, and nowhere else defined.

    It is an optimal critic of `relaxed_dual`. Across its segment it has no gradient at a fake
    point, and along it the gradient is 0: it does not say where the reals are.

    Args:
        points: (n, 2).

    Returns:
        f at each, (n,); NaN off the segments {0} × [0, 1] and {1} × [0, 1].

    Raises:
        UserError: for points that are not finite, or not of the plane.

    Source:
        Thesis (2-9).

    Examples:
        >>> from gan_lab.theory import segment_critic
        >>> segment_critic([[0.0, 0.5], [1.0, 0.5], [0.001, 0.5]])
        array([ 0.,  1., nan])
    """
    places = read_points("points", points)
    if places.shape[1] != 2:
        raise UserError(f"points have shape {places.shape}: use points of the plane, (n, 2)")
    side, height = places.T
    defined = np.isin(side, (0.0, 1.0)) & (height >= 0) & (height <= 1)
    return np.where(defined, side, np.nan)
