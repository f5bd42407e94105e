"""Table 2-1, computed: what each objective's optimal critic is, and what its gradient tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from scipy.spatial.distance import cdist
from torch import Tensor

from gan_lab import checks, losses
from gan_lab.losses import ScalarLoss
from gan_lab.studies.contract import Result, Study
from gan_lab.theory import optimal_critic, optimal_critic_unrestricted, wasserstein_1
from gan_lab.training.randomness import fold

Array = NDArray[np.float64]
Function = Callable[[Tensor], Tensor]

STARTS = 4  # of the search for other optima
AHEAD = 0.25  # of the way from a fake to its real, where its probe stands
ENDS = {  # beside convergence: where rounding leaves no way down, as at an optimum
    "trust-exact": (0, 2),
    "SLSQP": (0, 8),
}
ALMOST = 1e-4  # of its mass a law has on the other's points where the two are almost disjoint

# Objectives ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Objective:
    """A row of Table 2-1.

    Args:
        loss: phi, varphi and psi.
        critics: of which f is the best: any, fisher (E_μ f² <= 1), lipschitz (k(f) <= 1), relaxed
            (f(y) - f(x) <= ‖y - x‖ for real y and fake x alone, thesis (2-4)), or penalised
            (λ k(f)² is added).
        printed: the columns "gradient vanishing", "gradient uninformative" and "f* unique" of the
            thesis's table; None for an objective that is not in it.
    """

    loss: Callable[[], ScalarLoss]
    critics: str
    printed: tuple[bool, bool, bool] | None = None


OBJECTIVES: dict[str, Objective] = {
    "vanilla": Objective(losses.vanilla, "any", (True, True, True)),
    "nonsaturating": Objective(losses.nonsaturating, "any"),
    "least_squares": Objective(losses.least_squares, "any", (False, True, True)),
    "fisher": Objective(losses.wasserstein, "fisher", (False, True, True)),
    "wasserstein": Objective(losses.wasserstein, "lipschitz", (False, False, False)),
    "wasserstein_relaxed": Objective(losses.wasserstein, "relaxed"),
    "lgan_exp": Objective(losses.exponential, "penalised", (False, False, True)),
    "lgan_logistic": Objective(losses.logistic, "penalised", (False, False, True)),
    "lgan_wasserstein": Objective(losses.wasserstein, "penalised", (False, False, True)),
}


@dataclass(frozen=True)
class PointLaws:
    """Two laws on the same points of the plane, and probes on which neither has mass.

    Args:
        points: (n, 2).
        fake: P_g, (n,).
        real: P_r, (n,).
        probed: the points with more fake than real mass, (m,).
        probes: a point near each of them, on the way to the real that gets most of its mass in the
            optimal transport, (m, 2).
    """

    points: Array
    fake: Array
    real: Array
    probed: NDArray[np.intp]
    probes: Array

    @classmethod
    def of(cls, points: Array, fake: Array, real: Array) -> PointLaws:
        """Find where the fakes should go."""
        plan = wasserstein_1(points, points, fake, real).plan.toarray()
        np.fill_diagonal(plan, 0)  # what stays has no direction
        probed = np.flatnonzero(plan.sum(axis=1) > 1e-9)
        partners = plan[probed].argmax(axis=1)
        ahead = points[probed] + AHEAD * (points[partners] - points[probed])
        return cls(points, fake, real, probed, ahead)


# The numerical optimum ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """An optimum that was found by minimising.

    Args:
        values: f at the points, (n,).
        objective: J_D, with λ k² where it is penalised.
        k: the Lipschitz constant that it may have; NaN where it may have any.
    """

    values: Array
    objective: float
    k: float


class CriticSearch:
    """min J_D over a class of critics, by general programmes that know nothing of chapter 2.

    Variables are f at the points, f at the probes, and k. J_D and its derivatives come from the
    loss through torch. Where f is free it is a trust-region Newton method, else SLSQP with every
    constraint of the class.

    Args:
        objective: a row of the table.
        laws: with probes.
        weight: λ of λ k(f)² where it is penalised.
    """

    def __init__(self, objective: Objective, laws: PointLaws, weight: float) -> None:
        self.objective, self.laws, self.weight = objective, laws, weight
        self.loss = objective.loss()
        self.n, self.m = len(laws.points), len(laws.probes)
        self.p, self.q = torch.from_numpy(laws.fake), torch.from_numpy(laws.real)

    def value(self, variables: Tensor) -> Tensor:
        """J_D, and λ k² where it is penalised, 0-d."""
        f = variables[: self.n]
        value = self.p @ self.loss.phi(f) + self.q @ self.loss.varphi(f)
        if self.objective.critics == "penalised":
            value = value + self.weight * variables[-1] ** 2
        return value

    def best(self, start: Array | None = None) -> Found:
        """The optimum that is reached from `start`, (n,), or 0."""
        begin = np.zeros(self.n + self.m + 1)
        begin[: self.n] = 0 if start is None else start
        if self.objective.critics == "any":
            return self._free(begin)
        return self._constrained(begin, self._class())

    def turned(self) -> Found:
        """The best critic that does not rise from any probed fake towards its real."""
        towards = np.zeros((self.m, self.n + self.m + 1))
        rows = np.arange(self.m)
        towards[rows, self.laws.probed], towards[rows, self.n + rows] = 1, -1
        begin = np.zeros(self.n + self.m + 1)
        return self._constrained(begin, [*self._class(), _linear(towards)])

    def _free(self, begin: Array) -> Found:
        # where nothing restricts f, the probes are not in J_D and stay where they are
        def only_points(f: Tensor) -> Tensor:
            return self.value(torch.cat([f, torch.zeros(self.m + 1, dtype=f.dtype)]))

        answer = minimize(
            _numbers(only_points),
            begin[: self.n],
            jac=_numbers(torch.func.grad(only_points)),
            hess=_numbers(torch.func.hessian(only_points)),
            method="trust-exact",
            options={"gtol": 1e-13, "maxiter": 500},
        )
        _refuse_unfinished(answer, ENDS["trust-exact"])
        return Found(answer.x, float(answer.fun), np.nan)

    def _constrained(self, begin: Array, constraints: Sequence[Mapping[str, Any]]) -> Found:
        answer = minimize(
            _numbers(self.value),
            begin,
            jac=_numbers(torch.func.grad(self.value)),
            constraints=constraints,
            bounds=[(None, None)] * (self.n + self.m) + [(0, None)],
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 1000},
        )
        _refuse_unfinished(answer, ENDS["SLSQP"])
        k = {"lipschitz": 1.0, "penalised": float(answer.x[-1])}
        return Found(answer.x[: self.n], float(answer.fun), k.get(self.objective.critics, np.nan))

    def _class(self) -> list[Mapping[str, Any]]:
        """The constraints of the class of critics."""
        critics = self.objective.critics
        if critics == "any":
            return []
        if critics == "fisher":
            mean = (self.p + self.q) / 2

            def room(variables: Tensor) -> Tensor:
                return 1 - mean @ variables[: self.n].square()

            return [{"type": "ineq", "fun": _numbers(room), "jac": _numbers(torch.func.grad(room))}]
        return [self._lipschitz(critics)]

    def _lipschitz(self, critics: str) -> Mapping[str, Any]:
        """f_a - f_b <= k ‖z_a - z_b‖; every point is fake and real, so the relaxed class has these
        constraints between points, and none of probes."""
        places = np.concatenate([self.laws.points, self.laws.probes])
        count = self.n if critics == "relaxed" else len(places)
        above, below = np.nonzero(~np.eye(count, dtype=bool))
        distances = cdist(places, places)[above, below]

        rows = np.zeros((len(above), len(places) + 1))
        each = np.arange(len(above))
        rows[each, above], rows[each, below] = -1, 1
        if critics == "penalised":
            rows[:, -1] = distances
            return _linear(rows)
        return _linear(rows, distances)


def _refuse_unfinished(answer: OptimizeResult, ends: Sequence[int]) -> None:
    """Raise RuntimeError where a search ended before its optimum."""
    if answer.status not in ends:
        raise RuntimeError(f"no optimal critic was found: {answer.message}")


def _linear(rows: Array, room: Array | float = 0.0) -> Mapping[str, Any]:
    """rows @ variables + room >= 0."""
    return {"type": "ineq", "fun": lambda v: rows @ v + room, "jac": lambda _: rows}


def _numbers(function: Function) -> Callable[[Array], Array]:
    """A function of tensors as one of arrays."""

    def of_arrays(variables: Array) -> Array:
        return np.asarray(function(torch.from_numpy(variables)).detach().numpy())

    return of_arrays


# The study ----------------------------------------------------------------------------------------


class Objectives(Study):
    """A row of Table 2-1 on random laws: f* by minimising and beside it the closed form, and the
    three columns by tests.

    * Gradient vanishing: E_z |psi'(f*)|, the factor of the generator's gradient that has no
      direction, times k(f*) where f* has one (thesis 2.2.3). It vanishes where the two laws are
      almost disjoint if it is 0 in the limit.
    * Gradient uninformative: how much J rises when f may not rise from a fake towards the real that
      it should go to. Where that costs nothing, f* says nothing about where the reals are.
      Both laws have mass on all points, so that no gradient vanishes (thesis 2.3.1).
    * f* unique: how far apart the optima are that are found from random starts.

    Args:
        objective: a row.
        points: of both laws.
        weight: λ of a Lipschitz GAN.

    Source:
        Thesis Table 2-1, 2.2.3 and 2.3.
    """

    def __init__(self, *, objective: str, points: int, weight: float) -> None:
        self.name = checks.choice("objective", objective, OBJECTIVES)
        self.points = checks.whole("points", points, at_least=2)
        self.weight = float(checks.number("weight", weight, above=0))

    def begin(self, seed: int) -> None:
        """The laws of a seed: on the same points, and almost disjoint."""
        rng = np.random.default_rng(fold(seed, "laws"))
        points = rng.normal(size=(2 * self.points, 2))
        fake, real = rng.dirichlet(np.full(self.points, 2.0), size=2)
        few = np.full(self.points, ALMOST / self.points)
        self.covered = PointLaws.of(points[: self.points], fake, real)
        self.disjoint = PointLaws.of(
            points,
            np.concatenate([(1 - ALMOST) * fake, few]),
            np.concatenate([few, (1 - ALMOST) * real]),
        )
        self.starts = rng.normal(size=(STARTS, self.points))

    def result(self) -> Result:
        """The row."""
        # f* on the points that both laws have, from several starts
        objective = OBJECTIVES[self.name]
        search = CriticSearch(objective, self.covered, self.weight)
        found = search.best()
        others = np.stack([search.best(start).values for start in self.starts])
        spread = float(np.abs(others - found.values).max())

        # what the theory says of it
        values, least = self._exact(objective)
        printed = _printed(self.name, objective, self.covered)
        apart = CriticSearch(objective, self.disjoint, self.weight).best()
        scores = {
            "optimum_error": float(np.abs(found.values - values).max()),
            "printed_error": float(np.abs(found.values - printed).max()),
            "objective_error": abs(found.objective - least),
            "slope_disjoint": _slope(objective, self.disjoint, apart),
            "slope_covered": _slope(objective, self.covered, found),
            "cost_of_turning": search.turned().objective - found.objective,
            "spread": spread,
        }

        # what the thesis's table says is a verdict on these numbers
        return Result(
            scores | _verdicts(objective, scores),
            {
                "points": self.covered.points,
                "fake": self.covered.fake,
                "real": self.covered.real,
                "values": found.values,
                "closed_form": [None if np.isnan(value) else value for value in values],
            },
        )

    def _exact(self, objective: Objective) -> tuple[Array, float]:
        """f* in closed form, NaN where there is none, and the optimal J, from `theory`."""
        laws, none = self.covered, np.full(self.points, np.nan)
        if objective.critics in ("any", "fisher"):
            named = "fisher" if objective.critics == "fisher" else objective.loss()
            critic = optimal_critic_unrestricted(laws.fake, laws.real, named)
            return critic.values, critic.objective

        # all points are fake and real, where the relaxed constraints are the others
        restriction: dict[str, float] = {"constant": 1.0}
        if objective.critics == "penalised":
            restriction = {"weight": self.weight}
        optimum = optimal_critic(
            laws.points,
            laws.points,
            objective.loss(),
            fake_weights=laws.fake,
            real_weights=laws.real,
            **restriction,
        )
        return none, optimum.objective


def _printed(name: str, objective: Objective, laws: PointLaws) -> Array:
    """f* as the thesis prints it, (n,); NaN where it prints none."""
    p, q = laws.fake, laws.real
    if name == "vanilla":
        return np.log(q / p)
    if name == "least_squares":
        # (α P_r + β P_g) / (P_r + P_g) for phi = (t - α)² and varphi = (t - β)²
        loss = objective.loss()
        alpha, beta = (getattr(side, "target", np.nan) for side in (loss.phi, loss.varphi))
        return np.asarray((alpha * q + beta * p) / (p + q))
    if name == "fisher":
        mean = (p + q) / 2
        ratio = (q - p) / mean
        return np.asarray(ratio / np.sqrt(mean @ ratio**2))
    return np.full(len(p), np.nan)


def _slope(objective: Objective, laws: PointLaws, found: Found) -> float:
    """E_z |psi'(f*)|, times k(f*) where it has one."""
    values = torch.from_numpy(found.values).requires_grad_()
    (slopes,) = torch.autograd.grad(objective.loss().psi(values).sum(), values)
    size = 1.0 if np.isnan(found.k) else found.k
    return float(laws.fake @ slopes.abs().numpy()) * size


def _verdicts(objective: Objective, scores: Mapping[str, float]) -> dict[str, float]:
    """The three columns, 1 for yes, beside the thesis's; NaN for a row that it does not have."""
    ours = {
        "vanishes": scores["slope_disjoint"] < 100 * ALMOST,
        "uninformative": scores["cost_of_turning"] < 1e-6,
        "unique": scores["spread"] < 1e-3,
    }
    printed = (np.nan,) * 3 if objective.printed is None else objective.printed
    verdicts: dict[str, float] = {}
    for (name, is_so), thesis in zip(ours.items(), printed, strict=True):
        verdicts |= {name: float(is_so), f"{name}_in_thesis": float(thesis)}
    return verdicts
