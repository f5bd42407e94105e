"""Divergences of finite laws: parallel lines, SciPy, mpmath, linear programmes, and inequalities."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize_scalar
from scipy.spatial.distance import cdist
from scipy.spatial.distance import jensenshannon as root_of_jensen_shannon
from scipy.stats import entropy

from gan_lab.errors import UserError
from gan_lab.theory import (
    FiniteLaws,
    compare_laws,
    gaussian_densities,
    integral_probability_metric,
    jensen_shannon,
    kullback_leibler,
    minimax_value,
    optimal_discriminator,
    parallel_lines,
    total_variation,
    wasserstein_1,
    wasserstein_on_support,
)

quick = settings(derandomize=True, deadline=None, max_examples=60)
seeds = st.integers(0, 10**6)
sizes = st.integers(1, 9)
priors = st.floats(0.01, 0.99)

# Sums of at most 18 numbers below log 100 < 5, each with a few roundings of 2^-53.
ROUNDING = 1e-13
# As in test_theory_transport.py: what HiGHS leaves of a constraint.
PROGRAMME = 1e-9
LOG_2 = math.log(2)


def law(rng: np.random.Generator, k: int) -> np.ndarray:
    """With zeros, and with weights over many orders of magnitude."""
    values = rng.dirichlet(np.full(k, rng.choice([0.1, 1.0, 10.0]))) * (rng.random(k) < 0.8)
    return values / values.sum() if values.sum() > 0 else np.eye(k)[0]


def laws(seed: int, k: int, count: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [law(rng, k) for _ in range(count)]


# Parallel lines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 8, 64])
@pytest.mark.parametrize("shift", [1.0, -0.3, 1e-12, 1e9, 1e-150])
def test_parallel_lines_exactly(shift: float, count: int):
    """A power of two divides without rounding: every figure is exact."""
    figures = compare_laws(parallel_lines(shift, count))
    assert figures.wasserstein == abs(shift)
    assert figures.jensen_shannon == LOG_2
    assert figures.kl_real_fake == figures.kl_fake_real == math.inf
    assert figures.total_variation == 1


@pytest.mark.parametrize("count", [3, 7, 49])
def test_parallel_lines_of_any_count_to_rounding(count: int):
    """1/n is rounded, so that n of them are 1 to n/2 · 2^-53."""
    figures = compare_laws(parallel_lines(0.7, count))
    assert figures.wasserstein == pytest.approx(0.7, rel=1e-14)
    assert figures.jensen_shannon == pytest.approx(LOG_2, rel=1e-14)
    assert figures.total_variation == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("count", [1, 3, 8, 49])
def test_parallel_lines_that_meet_are_equal_by_every_measure(count: int):
    figures = compare_laws(parallel_lines(0.0, count))
    assert set(vars(figures).values()) == {0.0}


def test_one_support_for_both_laws_changes_nothing():
    """θ = 0 written as two copies of each point: W1 sees one place, the others two points."""
    line = parallel_lines(0.0, 4)
    twice = FiniteLaws(
        np.concatenate([line.positions, line.positions]),
        real=np.concatenate([line.real, np.zeros(4)]),
        fake=np.concatenate([np.zeros(4), line.fake]),
    )
    figures = compare_laws(twice)
    assert figures.wasserstein == 0
    assert figures.jensen_shannon == LOG_2


# Values --------------------------------------------------------------------------------------------


@quick
@given(seeds, sizes)
def test_values_are_those_of_scipy_and_of_the_definition(seed, k):
    p, q = laws(seed, k)
    assert kullback_leibler(p, q) == pytest.approx(entropy(p, q), abs=ROUNDING)
    # SciPy takes a root of what rounding leaves: compare the squares
    assert jensen_shannon(p, q) == pytest.approx(root_of_jensen_shannon(p, q) ** 2, abs=ROUNDING)
    subsets = np.array([[index >> bit & 1 for bit in range(k)] for index in range(2**k)])
    assert total_variation(p, q) == pytest.approx(np.abs(subsets @ (p - q)).max(), abs=ROUNDING)


@quick
@given(seeds, sizes, priors)
def test_jensen_shannon_with_a_prior_is_the_mean_divergence_to_the_mixture(seed, k, prior):
    p, q = laws(seed, k)
    mixture = prior * p + (1 - prior) * q
    expected = prior * entropy(p, mixture) + (1 - prior) * entropy(q, mixture)
    assert jensen_shannon(p, q, prior) == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize("small", [1e-320, 1e-300, 1e-100, 1e-20, 1e-9])
def test_tiny_weights_against_mpmath(small: float):
    """One weight far below the rounding of the other: p = (1 - s, s), q = (s, 1 - s)."""
    p, q = [1 - small, small], [small, 1 - small]
    with mpmath.workdps(400):
        s = mpmath.mpf(small)
        kl = (1 - s) * mpmath.log((1 - s) / s) + s * mpmath.log(s / (1 - s))
        js = (1 - s) * mpmath.log(2 * (1 - s)) + s * mpmath.log(2 * s)
    assert kullback_leibler(p, q) == pytest.approx(float(kl), rel=1e-12)
    assert jensen_shannon(p, q) == pytest.approx(float(js), rel=1e-12)
    assert minimax_value(p, q) == pytest.approx(float(2 * js - 2 * mpmath.log(2)), abs=1e-13)


@pytest.mark.parametrize("difference", [1e-3, 1e-6])
def test_laws_that_hardly_differ_against_mpmath(difference: float):
    """JS is near δ² / 2 and its terms near δ, so that 2^-53 · δ may be lost."""
    p, q = [0.5 + difference, 0.5 - difference], [0.5 - difference, 0.5 + difference]
    with mpmath.workdps(50):
        pairs = [(mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(p + q, q + p, strict=True)]
        js = sum(a * mpmath.log(2 * a / (a + b)) for a, b in pairs) / 2
    assert jensen_shannon(p, q) == pytest.approx(float(js), abs=4 * difference * 2**-53)


def test_divergence_is_infinite_where_it_is():
    assert kullback_leibler([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert kullback_leibler([1.0, 0.0], [0.5, 0.5]) == LOG_2
    assert kullback_leibler([0.5, 0.5, 0.0], [0.25, 0.75, 0.0]) < math.inf


# The game ------------------------------------------------------------------------------------------


@quick
@given(seeds, sizes, priors)
def test_minimax_value_is_the_divergence_less_the_entropy(seed, k, prior):
    """C(G) = -log 4 + 2 JS, and -2 H(π) + 2 JS_π with a prior."""
    p, q = laws(seed, k)
    assert minimax_value(p, q) == pytest.approx(-math.log(4) + 2 * jensen_shannon(p, q), abs=1e-10)
    expected = 2 * jensen_shannon(p, q, prior) - 2 * entropy([prior, 1 - prior])
    assert minimax_value(p, q, prior) == pytest.approx(expected, abs=1e-10)


@quick
@given(seeds, priors)
def test_optimal_discriminator_is_the_maximum_at_each_point(seed, prior):
    """Brent's method finds a smooth maximum to the root of the precision, about 1e-8; the value to
    1e-15. No other discriminator has a larger value."""
    p, q = np.random.default_rng(seed).dirichlet(np.ones(3), size=2)
    best = optimal_discriminator(p, q, prior)
    total = 0.0
    for a, b, optimum in zip(prior * p, (1 - prior) * q, best, strict=True):
        found = minimize_scalar(
            lambda t, a=a, b=b: -a * math.log(t) - b * math.log(1 - t),
            bounds=(1e-12, 1 - 1e-12),
            method="bounded",
            options={"xatol": 1e-12},
        )
        assert optimum == pytest.approx(found.x, abs=1e-6)
        total -= 2 * found.fun
    assert minimax_value(p, q, prior) == pytest.approx(total, abs=1e-10)


def test_optimal_discriminator_where_a_law_has_no_mass():
    values = optimal_discriminator([0.5, 0.5, 0.0, 0.0], [0.0, 0.25, 0.75, 0.0], prior=0.2)
    # 0.2 · 0.5 / (0.2 · 0.5 + 0.8 · 0.25)
    assert values[:3] == pytest.approx([1, 1 / 3, 0])
    assert math.isnan(values[3])
    assert minimax_value([1.0, 0.0], [0.0, 1.0], prior=0.2) == 0


# Inequalities --------------------------------------------------------------------------------------


@quick
@given(seeds, sizes)
def test_bounds_and_symmetries(seed, k):
    p, q = laws(seed, k)
    assert 0 <= jensen_shannon(p, q) <= LOG_2 + ROUNDING
    assert 0 <= total_variation(p, q) <= 1
    assert total_variation(p, q) == total_variation(q, p)
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), abs=ROUNDING)
    assert kullback_leibler(p, p) == jensen_shannon(p, p) == total_variation(p, p) == 0
    # Pinsker, and the same for the two halves of JS
    assert total_variation(p, q) <= math.sqrt(kullback_leibler(p, q) / 2) + ROUNDING
    assert total_variation(p, q) ** 2 <= 2 * jensen_shannon(p, q) + ROUNDING
    assert jensen_shannon(p, q) <= LOG_2 * total_variation(p, q) + ROUNDING


@quick
@given(seeds, sizes)
def test_total_variation_and_the_root_of_jensen_shannon_are_metrics(seed, k):
    """The root of a JS that is wrong by 1e-13 is wrong by 3e-7 near 0."""
    p, q, r = laws(seed, k, 3)
    assert total_variation(p, r) <= total_variation(p, q) + total_variation(q, r) + ROUNDING
    sides = [math.sqrt(jensen_shannon(*pair)) for pair in ((p, r), (p, q), (q, r))]
    assert sides[0] <= sides[1] + sides[2] + math.sqrt(ROUNDING)


@quick
@given(seeds, sizes, st.floats(0, 1))
def test_divergences_are_jointly_convex(seed, k, share):
    p, p_other, q, q_other = laws(seed, k, 4)
    mixed = share * p + (1 - share) * p_other, share * q + (1 - share) * q_other
    for measure in (total_variation, kullback_leibler, jensen_shannon):
        parts = [(share, measure(p, q)), (1 - share, measure(p_other, q_other))]
        bound = sum(part * value for part, value in parts if part > 0)
        assert measure(*mixed) <= bound + ROUNDING


@pytest.mark.thorough
@quick
@given(seeds, sizes, st.integers(1, 3))
def test_distance_is_between_total_variation_times_the_extremes(seed, k, d):
    """A mass of TV has to move, by at least the smallest distance and at most the largest."""
    p, q = laws(seed, k)
    positions = np.random.default_rng(seed).normal(size=(k, d))
    distances = cdist(positions, positions)
    apart = distances[~np.eye(k, dtype=bool)]
    distance = wasserstein_on_support(p, q, positions)
    assert distance <= total_variation(p, q) * apart.max(initial=0) + PROGRAMME
    assert distance >= total_variation(p, q) * apart.min(initial=0 if k == 1 else np.inf) - (
        PROGRAMME
    )
    assert distance == pytest.approx(
        wasserstein_1(positions, positions, q, p).distance, abs=PROGRAMME
    )


# Suprema over critics ------------------------------------------------------------------------------


@quick
@given(seeds, sizes)
def test_bounded_critics_give_twice_the_total_variation(seed, k):
    """The supremum as a linear programme in the k values of f."""
    p, q = laws(seed, k)
    metric = integral_probability_metric(p, q, "bounded")
    assert metric.value == pytest.approx(2 * total_variation(p, q), abs=ROUNDING)
    programme = linprog(q - p, bounds=(-1, 1), options={"dual_feasibility_tolerance": 1e-10})
    assert metric.value == pytest.approx(-programme.fun, abs=PROGRAMME)
    assert np.abs(metric.critic).max() <= 1
    assert (p - q) @ metric.critic == pytest.approx(metric.value, abs=ROUNDING)


@pytest.mark.thorough
@quick
@given(seeds, sizes, st.integers(1, 3))
def test_lipschitz_critics_give_the_wasserstein_distance(seed, k, d):
    p, q = laws(seed, k)
    positions = np.random.default_rng(seed).normal(size=(k, d))
    metric = integral_probability_metric(p, q, "lipschitz", positions)
    assert metric.value == pytest.approx(wasserstein_on_support(p, q, positions), abs=PROGRAMME)
    assert (p - q) @ metric.critic == pytest.approx(metric.value, abs=PROGRAMME)
    rises = np.abs(metric.critic[:, None] - metric.critic)
    assert (rises - cdist(positions, positions)).max() <= ROUNDING


def test_only_the_lipschitz_metric_says_how_far_disjoint_laws_are():
    for shift in (0.5, 1.0, 100.0):
        lines = parallel_lines(shift, 4)
        bounded = integral_probability_metric(lines.real, lines.fake, "bounded")
        lipschitz = integral_probability_metric(
            lines.real, lines.fake, "lipschitz", lines.positions
        )
        assert bounded.value == 2
        assert lipschitz.value == pytest.approx(shift, abs=1e-9 * shift)


# The two densities ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0, -3.0])
def test_densities_add_up_to_one_over_the_line(shift: float):
    """1 / σ = 3.33 deviations beyond the means: 2 Φ(-3.33) = 8.7e-4 is outside, half of it at most
    for each tail."""
    curves = gaussian_densities(shift, points=4001)
    for density in (curves.real, curves.fake):
        assert 1 - 8.7e-4 <= np.trapezoid(density, curves.grid) <= 1 + 1e-6
    assert curves.real.max() == pytest.approx(1 / (0.3 * math.sqrt(2 * math.pi)), rel=1e-4)


def test_densities_three_apart_have_the_divergence_of_disjoint_laws():
    """A mass of 2 Φ(-5) = 5.7e-7 is common: JS is within log 2 times that of log 2."""
    curves = gaussian_densities(3.0, points=2001)
    apart = jensen_shannon(curves.real / curves.real.sum(), curves.fake / curves.fake.sum())
    assert LOG_2 - 1e-6 < apart < LOG_2
    near = gaussian_densities(0.5, points=2001)
    overlapping = jensen_shannon(near.real / near.real.sum(), near.fake / near.fake.sum())
    assert 0.2 < overlapping < 0.4


# What is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        ([0.5, 0.5], [1.0], "real has 2 weights and fake 1: give both on the same points"),
        ([0.5, 0.6], [0.5, 0.5], "real add up to 1.1: divide them by their sum"),
        ([1.5, -0.5], [0.5, 0.5], "real holds -0.5: use numbers of at least 0"),
        ([0.5, 0.5], [math.nan, 1.0], "fake holds numbers that are not finite"),
        ([[1.0]], [1.0], r"real has shape \(1, 1\): use one weight a point, \(k,\)"),
        ([], [], r"real has shape \(0,\)"),
        (1.0, 1.0, r"real has shape \(\)"),
    ],
)
@pytest.mark.parametrize(
    "measure", [total_variation, kullback_leibler, jensen_shannon, minimax_value]
)
def test_weights_that_are_no_laws_are_refused(measure, real, fake, message):
    with pytest.raises(UserError, match=message):
        measure(real, fake)


@pytest.mark.parametrize("prior", [0, 1])
def test_prior_is_above_0_and_below_1(prior):
    for measure in (jensen_shannon, optimal_discriminator, minimax_value):
        with pytest.raises(UserError, match=f"prior={prior}: use a number above 0 and below 1"):
            measure([1.0], [1.0], prior)


def test_other_arguments_that_are_refused():
    with pytest.raises(UserError, match="critics=smooth: choose one of bounded, lipschitz"):
        integral_probability_metric([1.0], [1.0], "smooth")
    with pytest.raises(UserError, match="positions=None: lipschitz critics need the points"):
        integral_probability_metric([1.0], [1.0], "lipschitz")
    with pytest.raises(UserError, match="positions have no effect on bounded critics: omit them"):
        integral_probability_metric([1.0], [1.0], "bounded", [[0.0]])
    with pytest.raises(UserError, match=r"use one point a weight, \(1, d\)"):
        wasserstein_on_support([1.0], [1.0], [[0.0], [1.0]])
    with pytest.raises(UserError, match="shift=nan"):
        parallel_lines(math.nan)
    with pytest.raises(UserError, match="count=0"):
        parallel_lines(1.0, count=0)
    with pytest.raises(UserError, match="standard_deviation=0"):
        gaussian_densities(1.0, standard_deviation=0)
    with pytest.raises(UserError, match="points=1"):
        gaussian_densities(1.0, points=1)
