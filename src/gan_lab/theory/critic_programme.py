"""The convex programme of the optimal critic, by a sequence of quadratic programmes.

    minimise  Σ_i h_i(f_i) + λ (k - c)²,  h_i = P_g(i) phi + P_r(i) varphi
    subject to  f_j - f_i <= k d_ij  for every fake i and every real j

Each quadratic programme has the true curvatures, so that the steps are Newton's; its constraints
are added as they are violated.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from gan_lab.errors import UserError
from gan_lab.theory.scalar_terms import Array, Side, minimiser
from gan_lab.theory.weighted_points import Support

STEPS = 100  # of Newton's method; random instances take 3 to 10
ROUNDS = 100  # of added constraints within a step; they take 1 to 10
REACH = 100.0  # of a model, in units of its scale: kinks beyond are left out until one is crossed
TOLERANCE = 1e-12  # of the quadratic programmes: absolute, relative and feasibility


@dataclass(frozen=True)
class Lipschitz:
    """λ (k - c)², or k = c where there is no λ.

    Args:
        weight: λ > 0, or None.
        target: c >= 0.
    """

    weight: float | None
    target: float

    def value(self, k: float) -> float:
        """The term of the objective."""
        return 0.0 if self.weight is None else self.weight * (k - self.target) ** 2

    def minimum(self, slope: float) -> float:
        """min over k of the term - slope k, slope >= 0."""
        if self.weight is None:
            return -slope * self.target
        return -slope * self.target - slope**2 / (4 * self.weight)

    def stretched(self, length: float) -> Lipschitz:
        """The same for distances measured in `length`, where k is larger by it."""
        weight = None if self.weight is None else self.weight / length**2
        return Lipschitz(weight, self.target * length)


@dataclass(frozen=True)
class Instance:
    """One programme, with distances of at most 1.

    Args:
        phi: of fakes, never falling on the values that matter.
        varphi: of reals, never rising there.
        support: the points and their weights.
        distances: (fakes, reals).
        lipschitz: the term of k.
        length: of which the distances are shares.
    """

    phi: Side
    varphi: Side
    support: Support
    distances: Array
    lipschitz: Lipschitz
    length: float

    def objective(self, values: Array, k: float) -> float:
        """J."""
        p, q = self.support.fake_weights, self.support.real_weights
        fakes, reals = self.support.fakes, self.support.reals
        return float(
            p[fakes] @ self.phi.value(values[fakes])
            + q[reals] @ self.varphi.value(values[reals])
            + self.lipschitz.value(k)
        )

    def slopes(self, values: Array) -> Array:
        """h' at every point; at a kink that of one side."""
        return self.spread(values, self.phi.slope, self.varphi.slope)

    def spread(
        self, values: Array, at_fakes: Callable[[Array], Array], at_reals: Callable[[Array], Array]
    ) -> Array:
        """P_g · (one function) + P_r · (another), at every point's value."""
        p, q = self.support.fake_weights, self.support.real_weights
        with np.errstate(invalid="ignore"):  # 0 · inf, where a point has no such weight
            return np.where(p > 0, p * at_fakes(values), 0) + np.where(
                q > 0, q * at_reals(values), 0
            )

    def excess(self, values: Array, k: float) -> Array:
        """f_j - f_i - k d_ij, (fakes, reals): above 0 where a constraint is violated."""
        rise = values[self.support.reals][None, :] - values[self.support.fakes][:, None]
        return rise - k * self.distances


@dataclass(frozen=True)
class Flow:
    """Multipliers of constraints, which are masses carried from fakes to reals.

    Args:
        fakes: rows of `Instance.distances`, (e,).
        reals: columns, (e,).
        masses: (e,), >= 0.
    """

    fakes: NDArray[np.intp]
    reals: NDArray[np.intp]
    masses: Array


@dataclass(frozen=True)
class Solution:
    """Values at the points of the support, k and multipliers."""

    values: Array
    k: float
    flow: Flow


def solve(instance: Instance) -> Solution:
    """The optimum, by Newton's method with constraints.

    Raises:
        UserError: without cvxpy.
        RuntimeError: where a quadratic programme fails, or the steps do not end.
    """
    # the best constant is feasible for every k
    total = _constant(instance)
    values = np.full(len(instance.support.points), total)
    k = instance.lipschitz.target
    if np.abs(instance.slopes(values)).sum() <= 1e-14 * _steepness(instance, values):
        nothing = np.empty(0, dtype=np.intp)
        return Solution(values, k, Flow(nothing, nothing, np.empty(0)))

    # Newton's steps keep every constraint, and each lowers the objective
    pool = _nearest(instance.distances, _first_ranks(instance)) & (instance.distances > 0)
    exact = instance.phi.piecewise_quadratic and instance.varphi.piecewise_quadratic
    scale = _scale(instance, values)

    still = 0
    for _ in range(STEPS):
        found = _step(instance, values, scale, pool)
        if exact:
            return found
        old, share = instance.objective(values, k), 1.0
        while share > 1e-9:
            trial = values + share * (found.values - values), k + share * (found.k - k)
            if instance.objective(*trial) <= old + 1e-15 * (1 + abs(old)):
                break
            share /= 2
        move = np.abs(found.values - values).max()
        values, k = trial

        # constraints far from their bound come back if a later step violates them
        pool &= instance.excess(found.values, found.k) > -found.k / 10

        # the next move is about this one's square; once the objective stands still, one more step
        # brings the values to rounding
        still += instance.objective(values, k) >= old - 1e-14 * (1 + abs(old))
        if move <= 1e-7 * scale or still == 2:
            return found
    raise RuntimeError(
        f"the optimal critic was not found in {STEPS} Newton steps (the last one moved a value by "
        f"{move:.1g}): the loss may be flat or steep beyond float64 on these points"
    )


def _constant(instance: Instance) -> float:
    """The best constant critic."""

    def slope(t: Array) -> Array:
        values = np.full(len(instance.support.points), t[0])
        return np.array([instance.slopes(values).sum()])

    return float(minimiser(slope, np.zeros(1), 1e3)[0])


def _steepness(instance: Instance, values: Array) -> float:
    """Σ |P_g phi'| + |P_r varphi'|, of which slopes that cancel leave a rounding error."""
    return float(
        instance.spread(
            values,
            lambda t: np.abs(instance.phi.slope(t)),
            lambda t: np.abs(instance.varphi.slope(t)),
        ).sum()
    )


def _scale(instance: Instance, values: Array) -> float:
    """About how far the optimal values lie apart, at most 1: k is about W1(h') / (2 λ)."""
    slopes = instance.slopes(values)
    reach = instance.lipschitz.target
    if instance.lipschitz.weight is not None:
        reach += np.abs(slopes).sum() / 2 / (2 * instance.lipschitz.weight)
    return float(np.clip(reach, 1e-12, 1.0))


def _first_ranks(instance: Instance) -> Sequence[int]:
    """Which neighbours of each point have a constraint from the beginning.

    On a line a few far ones spare many rounds: 500 and 500 points take 5 s instead of 13 s. In the
    plane they cost the solver its sparsity: 24 s instead of 3 s (both of CPU, logistic, λ = 0.1).
    """
    if instance.support.points.shape[1] > 1:
        return range(5)
    return [0, 1, 2, *(2**power for power in range(2, 16))]


def _nearest(distances: Array, ranks: Sequence[int]) -> NDArray[np.bool_]:
    """The pairs of each point with the points of the other kind that have these ranks from it."""
    pool = np.zeros(distances.shape, dtype=bool)
    for axis in (0, 1):
        order = np.argsort(distances, axis=axis, kind="stable")
        few = order.take([rank for rank in ranks if rank < distances.shape[axis]], axis)
        np.put_along_axis(pool, few, np.ones_like(few, dtype=bool), axis)
    return pool


def _step(instance: Instance, values: Array, scale: float, pool: NDArray[np.bool_]) -> Solution:
    """The optimum of the quadratic model at `values`; `pool` grows by what it violated."""
    model = _Model(instance, values, max(scale, float(np.ptp(values))))
    for _ in range(ROUNDS):
        found = model.solve_or_damp(*np.nonzero(pool))

        # of each point the worst few constraints that it violates
        excess = instance.excess(found.values, found.k)
        violated = (excess > 1e-11 * scale) & ~pool & (instance.distances > 0)
        if not violated.any() and not model.crosses(found.values):
            return found
        pool |= violated & _nearest(-np.where(violated, excess, -np.inf), [*range(5)])
    raise RuntimeError(
        f"the optimal critic still violates {violated.sum()} constraints after {ROUNDS} rounds"
    )


class _Model:
    """The quadratic model of a programme at some values, in units of `scale`.

    Args:
        instance: the programme.
        values: (s,), where slopes and curvatures are taken.
        scale: of the values, so that the solver sees numbers near 1.
    """

    def __init__(self, instance: Instance, values: Array, scale: float) -> None:
        self.instance, self.start, self.scale = instance, values, scale
        phi, varphi = instance.phi.smooth, instance.varphi.smooth
        self.slopes = instance.spread(values, phi.slope, varphi.slope)
        self.curvatures = instance.spread(values, phi.curvature, varphi.curvature)

        # the objective is divided by this
        largest = np.abs(instance.slopes(values)).sum()
        self.unit = scale * max(largest, 1e-300)
        self.reach = REACH
        self.damping = 0.0

    def solve_or_damp(self, fakes: NDArray[np.intp], reals: NDArray[np.intp]) -> Solution:
        """`solve`, and with damping where that fails: far out a loss may be flat to rounding."""
        for damping in (self.damping, 1e-6, 1e-3):
            self.damping = max(self.damping, damping)
            try:
                return self.solve(fakes, reals)
            except RuntimeError as error:
                failure = error
        raise failure

    def solve(self, fakes: NDArray[np.intp], reals: NDArray[np.intp]) -> Solution:
        """The optimum under the constraints of some pairs.

        Raises:
            RuntimeError: where the solver finds none.
        """
        cp = _cvxpy()
        support, scale = self.instance.support, self.scale

        moves = cp.Variable(len(self.start))  # (f - start) / scale
        k = cp.Variable(nonneg=True)  # k / scale

        # the objective
        curved = np.sqrt(self.curvatures * scale**2 / self.unit + self.damping)
        cost = (self.slopes * scale / self.unit) @ moves
        cost += cp.sum_squares(cp.multiply(curved, moves)) / 2

        for slope, kinks, steepness in self._hinges():
            cost += (slope * scale / self.unit) @ moves
            offsets, factors, at = kinks
            cost += (steepness * scale / self.unit) @ cp.pos(
                cp.multiply(factors, moves[at]) + offsets
            )

        lipschitz = self.instance.lipschitz
        if lipschitz.weight is not None:
            cost += (
                lipschitz.weight * scale**2 / self.unit * cp.square(k - lipschitz.target / scale)
            )

        # f_j - f_i <= k d_ij
        rows, ones = np.arange(len(fakes)), np.ones(len(fakes))
        rise = csr_array(
            (
                np.concatenate([ones, -ones]),
                (np.tile(rows, 2), np.concatenate([support.reals[reals], support.fakes[fakes]])),
            ),
            shape=(len(fakes), len(self.start)),
        )

        bound = (
            rise @ moves + rise @ self.start / scale <= self.instance.distances[fakes, reals] * k
        )
        constraints = [bound]
        if lipschitz.weight is None:
            constraints.append(k == lipschitz.target / scale)

        _run(cp, cp.Problem(cp.Minimize(cost), constraints))

        flow = Flow(fakes, reals, np.maximum(bound.dual_value, 0) * self.unit / scale)
        return Solution(self.start + scale * moves.value, scale * float(k.value), flow)

    def crosses(self, values: Array) -> bool:
        """Whether a kink that the model omits was crossed; from then on it omits none."""
        moves = np.abs(values - self.start).max() / self.scale
        steepest = max(
            [abs(h[1]) for side in (self.instance.phi, self.instance.varphi) for h in side.hinges],
            default=0.0,
        )
        crossed = bool(moves * steepest > self.reach)
        if crossed:
            self.reach = np.inf
        return crossed

    def _hinges(self) -> list[tuple[Array, tuple[Array, Array, NDArray[np.intp]], Array]]:
        """Each hinge as its line at `start` and the kinks in reach.

        These are slopes at all points, (offsets, factors, points) of kinks, and their weights.

        max(0, c) is c + max(0, -c): no large constant stands in the objective where the values
        move by much less than their distance from the kink.
        """
        support, parts = self.instance.support, []
        for side, weights in (
            (self.instance.phi, support.fake_weights),
            (self.instance.varphi, support.real_weights),
        ):
            for weight, factor, offset in side.hinges:
                inner = (factor * self.start + offset) / self.scale
                at = np.flatnonzero((weights > 0) & (np.abs(inner) <= self.reach))
                flip = np.where(inner > 0, -1.0, 1.0)
                kinks = (flip * inner)[at], (flip * factor)[at], at
                parts.append(
                    (np.where(inner > 0, weight * factor * weights, 0), kinks, weight * weights[at])
                )
        return parts


def _run(cp: Any, problem: Any) -> None:
    """Solve as exactly as the solver can, or say that it was not solved.

    Raises:
        RuntimeError: where it fails.
    """
    failure: object = None
    for tolerance, step in ((TOLERANCE, 0.99), (TOLERANCE, 0.9), (1e-8, 0.9)):
        # with steps of 0.99 of the way to the boundary Clarabel goes round in circles now and then
        settings = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance)
        settings["max_step_fraction"] = step
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an inaccurate answer is judged by its gap
                problem.solve(solver=cp.CLARABEL, warm_start=False, **settings)
        except cp.SolverError as error:
            failure = error
            continue
        if problem.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            return
        failure = f"Clarabel says {problem.status}"
    raise RuntimeError(f"the optimal critic was not found: {failure}")


def _cvxpy() -> Any:
    try:
        import cvxpy
    except ImportError:
        raise UserError("optimal_critic needs the package cvxpy: pip install cvxpy") from None
    return cvxpy
