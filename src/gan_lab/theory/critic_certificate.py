"""A lower bound of the optimal critic's objective, from any masses carried from fakes to reals.

With π_ij >= 0 on pairs, and a_i = the mass that leaves point i less what arrives,

    J* >= Σ_i min_t (h_i(t) - a_i t) + min_k (λ (k - c)² - k Σ_ij π_ij d_ij)

The minima over t are found by bisection: nothing here trusts the solver that proposed π.
"""

from __future__ import annotations

import numpy as np

from gan_lab.theory.critic_programme import Flow, Instance, Solution
from gan_lab.theory.scalar_terms import Array, minimiser

# π below these shares of the largest counts as none: a solver leaves a little on pairs that are not
# bound, which costs their slack
SHARES = (0.0, 1e-12, 1e-10, 1e-8)


def lower_bound(instance: Instance, solution: Solution) -> float:
    """The best bound of the solution's masses, with and without the smallest of them.

    It holds for critics that differ from the solution by at most R = 10 + 10 (max f - min f) at
    every point. By convexity no other critic is better than it by more than the gap times its
    distance in units of R.
    """
    masses = solution.flow.masses
    largest = masses.max(initial=0.0)
    bounds = []
    for share in SHARES:
        kept = np.where(masses >= share * largest, masses, 0)
        flow = Flow(solution.flow.fakes, solution.flow.reals, kept)
        bounds.append(_bound(instance, solution.values, flow))
    return max(bounds)


def _bound(instance: Instance, values: Array, flow: Flow) -> float:
    """The bound of one π."""
    # a, the net mass that leaves each point
    leaving = np.zeros(len(values))
    np.add.at(leaving, instance.support.fakes[flow.fakes], flow.masses)
    np.add.at(leaving, instance.support.reals[flow.reals], -flow.masses)

    # min over t near the values
    radius = 10 + 10 * float(np.ptp(values))
    best = minimiser(lambda t: instance.slopes(t) - leaving, values, radius)
    at_points = np.minimum(
        _lagrangian(instance, best, leaving), _lagrangian(instance, values, leaving)
    )

    cost = float(flow.masses @ instance.distances[flow.fakes, flow.reals])
    return float(at_points.sum()) + instance.lipschitz.minimum(cost)


def _lagrangian(instance: Instance, values: Array, leaving: Array) -> Array:
    """h_i(t) - a_i t, at every point."""
    return instance.spread(values, instance.phi.value, instance.varphi.value) - leaving * values
