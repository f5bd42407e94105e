"""What divergences say of two laws that move apart, and the identities that hold among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial.distance import cdist
from scipy.special import erf
from scipy.stats import entropy

from gan_lab import checks
from gan_lab.studies.contract import Result, Study
from gan_lab.theory import (
    DensityCurves,
    Divergences,
    FiniteLaws,
    compare_laws,
    gaussian_densities,
    integral_probability_metric,
    jensen_shannon,
    minimax_value,
    optimal_critic_unrestricted,
    parallel_lines,
    total_variation,
    wasserstein_on_support,
)
from gan_lab.training.randomness import fold

Array = NDArray[np.float64]

APART, OVERLAPPING = 3.0, 0.5  # shifts between the means of the two normal laws
STD = 0.3  # of each normal law
MOST_POINTS = 8  # of a random law
NAMES = tuple(Divergences.__dataclass_fields__)


class DivergenceCurves(Study):
    """Total variation, KL, JS and W1 over the distance of two laws, and identities on random laws.

    * Parallel lines: W1 = |θ|; the others jump at θ = 0 and say nothing of the distance.
    * Two normal laws: hardly meeting, and overlapping.
    * The minimax value of the original GAN is 2 JS - log 4, with a class prior π 2 JS - 2 H(π).
    * The metric of bounded critics is 2 TV, that of 1-Lipschitz critics W1.
    * W1(P, λ Q + (1 - λ) R) <= λ W1(P, Q) + (1 - λ) W1(P, R).

    Args:
        largest_shift: of the lines; the normal laws go twice as far.
        shifts: values of it, an odd number, so that 0 is one.
        grid: points of each density.
        laws: random instances of the identities.

    Source:
        Lines: Arjovsky et al. 2017 (arXiv:1701.07875), example 1; the minimax value: Goodfellow et
        al. 2014 (arXiv:1406.2661), theorem 1; bounded critics: Müller 1997 (Advances in Applied
        Probability 29); 1-Lipschitz critics: thesis (2-3).
    """

    def __init__(self, *, largest_shift: float, shifts: int, grid: int, laws: int) -> None:
        checks.number("largest_shift", largest_shift, above=0)
        half = checks.whole("shifts", shifts, at_least=3) // 2
        self.shifts = np.arange(-half, half + 1) / half * largest_shift
        self.grid = checks.whole("grid", grid, at_least=2)
        self.laws = checks.whole("laws", laws, at_least=1)

    def begin(self, seed: int) -> None:
        """Keep the seed of the random laws."""
        self.seed = seed

    def result(self) -> Result:
        """The curves, and how far they and the identities are from their closed forms."""
        # over the distance of two laws
        lines = [compare_laws(parallel_lines(float(shift))) for shift in self.shifts]
        normal_shifts = 2 * self.shifts[self.shifts >= 0]
        normals = [compare_laws(self._normal(shift)[1]) for shift in normal_shifts]
        pictures = {name: self._normal(at) for name, at in _PICTURES.items()}

        # on random laws
        rng = np.random.default_rng(fold(self.seed, "laws"))
        identities = [_identities(rng) for _ in range(self.laws)]
        worst = {name: max(one[name] for one in identities) for name in identities[0]}
        convexity = np.array([_convexity(rng) for _ in range(self.laws)])

        # the two pictures of the figure are scored as well as drawn
        found = {name: compare_laws(laws) for name, (_, laws) in pictures.items()}
        return Result(
            scores={
                **_line_scores(self.shifts, lines),
                "normal_error": max(map(_normal_error, normal_shifts, normals)),
                **{
                    f"{short}_{name}": getattr(one, long)
                    for name, one in found.items()
                    for long, short in _SHORT.items()
                },
                **worst,
                "convexity_violation": float(convexity.max()),
                "convexity_gap": float(-convexity.mean()),
                "convexity_equal": float(np.mean(np.abs(convexity) < 1e-9)),
            },
            drawn={
                "lines": _curves(self.shifts, lines),
                "normals": _curves(normal_shifts, normals),
                "densities": {
                    name: {"x": curves.grid, "real": curves.real, "fake": curves.fake}
                    for name, (curves, _) in pictures.items()
                },
            },
        )

    def _normal(self, shift: float) -> tuple[DensityCurves, FiniteLaws]:
        """N(0, σ²) and N(shift, σ²) as densities, and as laws on the grid."""
        curves = gaussian_densities(float(shift), STD, self.grid)
        real, fake = (density / density.sum() for density in (curves.real, curves.fake))
        return curves, FiniteLaws(curves.grid[:, None], real=real, fake=fake)


_PICTURES = {"apart": APART, "overlapping": OVERLAPPING}
_SHORT = {
    "total_variation": "tv",
    "kl_real_fake": "kl",
    "jensen_shannon": "js",
    "wasserstein": "w1",
}


def _line_scores(shifts: Array, lines: Sequence[Divergences]) -> dict[str, float]:
    """How far parallel lines are from example 1."""
    apart = shifts != 0
    js, tv, w1 = (
        np.array([getattr(one, name) for one in lines])
        for name in ("jensen_shannon", "total_variation", "wasserstein")
    )
    kl = np.array([[one.kl_real_fake, one.kl_fake_real] for one in lines])
    return {
        "lines_w1_error": float(np.abs(w1 - np.abs(shifts)).max()),
        "lines_js_error": float(np.abs(js - math.log(2) * apart).max()),
        "lines_tv_error": float(np.abs(tv - apart).max()),
        "lines_kl_finite": float(np.mean(np.isfinite(kl[apart]))),
    }


def _normal_error(shift: float, found: Divergences) -> float:
    """Against TV = erf(s / (2 √2 σ)), KL = s² / (2 σ²) and W1 = |s|; KL relative to 1 + itself."""
    kl = shift**2 / (2 * STD**2)
    return max(
        abs(found.total_variation - float(erf(abs(shift) / (2 * math.sqrt(2) * STD)))),
        abs(found.kl_real_fake - kl) / (1 + kl),
        abs(found.wasserstein - abs(shift)),
    )


def _curves(shifts: Array, found: Sequence[Divergences]) -> dict[str, Any]:
    """A list for each divergence; None where it is infinite."""
    return {
        "shift": shifts,
        **{
            name: [value if math.isfinite(value) else None for value in values]
            for name, values in ((name, [getattr(one, name) for one in found]) for name in NAMES)
        },
    }


# Identities ---------------------------------------------------------------------------------------


def _random_laws(rng: np.random.Generator, count: int) -> tuple[Array, ...]:
    """Points of the plane, and laws on them that lack some of them."""
    size = int(rng.integers(2, MOST_POINTS + 1))
    weights = rng.dirichlet(np.ones(size), size=count) * (rng.random((count, size)) < 0.7)
    weights[weights.sum(axis=1) == 0, 0] = 1
    return rng.normal(size=(size, 2)), *(weights / weights.sum(axis=1, keepdims=True))


def _identities(rng: np.random.Generator) -> dict[str, float]:
    """How far one instance is from each identity."""
    points, p, q = _random_laws(rng, 2)
    prior = float(rng.uniform(0.1, 0.9))

    # the minimax value from D*, from the optimal critic, and from JS
    value = minimax_value(p, q, prior)
    critic = optimal_critic_unrestricted(q, p, "vanilla", prior=prior)
    divergence = 2 * jensen_shannon(p, q, prior) - 2 * float(entropy([prior, 1 - prior]))

    # both metrics by linear programmes over the critics' values
    bounded = _supremum(p, q, bounds=(-1, 1))
    above, below = np.nonzero(~np.eye(len(p), dtype=bool))
    rows = np.eye(len(p))[above] - np.eye(len(p))[below]
    lipschitz = _supremum(p, q, A_ub=rows, b_ub=cdist(points, points)[above, below])
    return {
        "js_identity_error": max(abs(value - divergence), abs(value + critic.objective)),
        "ipm_bounded_error": max(
            abs(bounded - 2 * total_variation(p, q)),
            abs(bounded - integral_probability_metric(p, q, "bounded").value),
        ),
        "ipm_lipschitz_error": max(
            abs(lipschitz - wasserstein_on_support(p, q, points)),
            abs(lipschitz - integral_probability_metric(p, q, "lipschitz", points).value),
        ),
    }


def _supremum(p: Array, q: Array, bounds: Any = (None, None), **programme: Array) -> float:
    """sup E_p f - E_q f; the first value is 0 where f is known up to an offset."""
    each = [bounds] * len(p)
    if bounds == (None, None):
        each[0] = (0, 0)
    return -float(linprog(q - p, bounds=each, method="highs", **programme).fun)


def _convexity(rng: np.random.Generator) -> float:
    """W1(P, λ Q + (1 - λ) R) - λ W1(P, Q) - (1 - λ) W1(P, R), at most 0."""
    points, p, q, r = _random_laws(rng, 3)
    share = float(rng.random())
    mixed = wasserstein_on_support(p, share * q + (1 - share) * r, points)
    apart = share * wasserstein_on_support(p, q, points)
    return mixed - apart - (1 - share) * wasserstein_on_support(p, r, points)
