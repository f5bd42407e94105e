"""The optimal critic of straight losses: exact transport and its potentials."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array

from gan_lab.errors import UserError
from gan_lab.theory.critic_programme import Flow, Instance, Solution
from gan_lab.theory.scalar_terms import Array
from gan_lab.theory.transport import wasserstein_1


def solve_straight(instance: Instance) -> Solution:
    """The optimum where phi(t) = s t and varphi(t) = -s t, up to constants.

    f = k u with the Kantorovich potentials u, and k = c + s W1 / (2 λ), or c.

    Raises:
        UserError: for another slope of varphi: no critic is optimal, f + b gets better for ever.
        RuntimeError: where HiGHS finds no plan.
    """
    (up,), (down,) = instance.phi.slope(np.zeros(1)), instance.varphi.slope(np.zeros(1))
    if abs(up + down) > 1e-12 * up:
        raise UserError(
            f"the loss falls for ever along f + b: phi has slope {up:g} and varphi {down:g}; use "
            "a loss whose slopes add up to 0, as wasserstein"
        )

    plan = _plan(instance)
    cost = float(plan.masses @ instance.distances[plan.fakes, plan.reals])
    lipschitz = instance.lipschitz
    k = lipschitz.target
    if lipschitz.weight is not None:
        k += up * cost / (2 * lipschitz.weight)
    values = k * _potentials(instance, plan)
    return Solution(values, k, Flow(plan.fakes, plan.reals, up * plan.masses))


def _plan(instance: Instance) -> Flow:
    """The cheapest transport of P_g to P_r."""
    support, distances = instance.support, instance.distances
    p, q = support.fake_weights[support.fakes], support.real_weights[support.reals]
    if len(p) == len(q) and np.ptp(p) == np.ptp(q) == 0:
        rows, columns = linear_sum_assignment(distances)
        return Flow(rows, columns, p)

    found = wasserstein_1(support.points[support.fakes], support.points[support.reals], p, q)
    pairs = found.plan.tocoo()
    return Flow(pairs.row, pairs.col, pairs.data)


def _potentials(instance: Instance, plan: Flow) -> Array:
    """u at every point with u_j - u_i <= d_ij, and equality where mass is carried.

    Shortest paths: along every pair forwards, along the plan backwards. No cycle is negative
    where the plan is optimal.
    """
    support, distances = instance.support, instance.distances
    carried = coo_array((np.ones(len(plan.fakes)), (plan.fakes, plan.reals)), shape=distances.shape)
    backwards = np.where(carried.toarray() > 0, distances, -np.inf)

    # Bellman and Ford
    at_reals = np.zeros(len(support.reals))
    for _ in range(sum(distances.shape)):
        at_fakes = (at_reals[None, :] - backwards).min(axis=1)
        shorter = np.minimum(at_reals, (at_fakes[:, None] + distances).min(axis=0))
        if np.all(shorter >= at_reals - 1e-15):
            break
        at_reals = shorter

    # a point of both laws takes what the reals allow at least
    values = np.zeros(len(support.points))
    values[support.fakes] = at_fakes
    values[support.reals] = at_reals
    return values
