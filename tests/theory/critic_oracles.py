"""A second, slow implementation of the optimal critic, and the losses as plain formulas."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

# phi, phi'; varphi(t) = phi(-t)
FORMULAS = {
    "wasserstein": (lambda t: t, lambda t: np.ones_like(t)),
    "exponential": (np.exp, np.exp),
    "logistic": (lambda t: np.logaddexp(0, t), lambda t: 1 / (1 + np.exp(-t))),
    "sqrt": (lambda t: t + np.sqrt(t**2 + 1), lambda t: 1 + t / np.sqrt(t**2 + 1)),
    "quadratic": (lambda t: (t + 1) ** 2, lambda t: 2 * (t + 1)),
}


def by_slsqp(fake, real, name, weight, target=0.0, p=None, q=None):
    """J of the programme in which EVERY pair of points has its constraints, in both directions.

    Points are not merged: a point twice is two variables with the distance 0 between them.
    """
    phi, slope = FORMULAS[name]
    n, m = len(fake), len(real)
    p = np.full(n, 1 / n) if p is None else p
    q = np.full(m, 1 / m) if q is None else q
    points = np.concatenate([fake, real])
    a, b = (index.ravel() for index in np.nonzero(~np.eye(n + m, dtype=bool)))
    distances = cdist(points, points)[a, b]

    def objective(v):
        f, g, k = v[:n], v[n:-1], v[-1]
        return p @ phi(f) + q @ phi(-g) + weight * (k - target) ** 2

    def gradient(v):
        f, g, k = v[:n], v[n:-1], v[-1]
        return np.concatenate([p * slope(f), -q * slope(-g), [2 * weight * (k - target)]])

    # k d - (f_a - f_b) >= 0
    rows = np.zeros((len(a), n + m + 1))
    rows[np.arange(len(a)), a] -= 1
    rows[np.arange(len(a)), b] += 1
    rows[:, -1] = distances
    answer = minimize(
        objective,
        np.append(np.zeros(n + m), target),
        jac=gradient,
        constraints={"type": "ineq", "fun": lambda v: rows @ v, "jac": lambda v: rows},
        bounds=[(None, None)] * (n + m) + [(0, None)],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    return answer.fun


def with_all_pairs(fake, real, p, q, name, weight):
    """J of the same programme by another solver: cvxpy's own exponential and second-order cones."""
    import cvxpy as cp

    conic = {
        "wasserstein": lambda t: t,
        "exponential": cp.exp,
        "logistic": cp.logistic,
        "sqrt": lambda t: t + cp.norm(cp.vstack([t, np.ones(t.shape)]), axis=0),
        "quadratic": lambda t: cp.square(t + 1),
        "hinge": lambda t: cp.pos(t + 1),
    }[name]
    points = np.concatenate([fake, real])
    f, k = cp.Variable(len(points)), cp.Variable(nonneg=True)
    a, b = np.nonzero(~np.eye(len(points), dtype=bool))
    distances = cdist(points, points)[a, b]
    cost = p @ conic(f[: len(fake)]) + q @ conic(-f[len(fake) :]) + weight * cp.square(k)
    problem = cp.Problem(cp.Minimize(cost), [f[a] - f[b] <= k * distances])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return problem.value
