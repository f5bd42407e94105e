"""Chapter 3's lemmas on net updates, each against simulation; where the print has a slip, both."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.signal import lfilter

from gan_lab.errors import UserError
from gan_lab.theory import (
    AdamRecurrence,
    AdaShiftRecurrence,
    SequentialProblem,
    StochasticProblem,
    adam_final_theta,
    critical_C,
    critical_grid,
    critical_period,
    critical_stochastic_C,
    expected_inverse_root,
    expected_net_update_factors,
    expected_update,
    first_moment_limit,
    net_update_factors,
    period_update,
    periodic_net_update_factors,
    second_moment_limit,
    second_order_net_update_factors,
    trajectory,
)

ROUNDING = 1e-12  # relative: a few hundred operations of 2^-53 each
BETAS = st.floats(0, 0.99)


def average(values: np.ndarray, beta: float) -> np.ndarray:
    """(3-4) without bias correction."""
    return lfilter([1 - beta], [1.0, -beta], values)


def sequential(C: float, period: int, periods: int) -> np.ndarray:
    return SequentialProblem(C, period).gradients(period * periods)


def test_net_update_factors_are_the_double_sum():
    """(3-8) written out, and Σ k(g_t) g_t = Σ α m_t / sqrt(v_t)."""
    gradients = StochasticProblem(6.0, 1.0).gradients(60)
    beta1, v = 0.7, average(gradients**2, 0.9)
    factors = net_update_factors(v, beta1, lr=0.1)
    for t in (0, 31, 59):
        terms = [0.1 / math.sqrt(v[i]) * 0.3 * 0.7 ** (i - t) for i in range(t, 60)]
        assert factors[t] == pytest.approx(sum(terms), rel=ROUNDING)
    steps = 0.1 * average(gradients, beta1) / np.sqrt(v)
    assert factors @ gradients == pytest.approx(steps.sum(), rel=ROUNDING)


def test_net_update_factors_of_momentum_are_the_rate():
    """3.3.1: v = 1 gives k = α for every gradient; what would follow after T is missing."""
    factors = net_update_factors(np.ones(500), beta1=0.9, lr=0.3)
    expected = 0.3 * (1 - 0.9 ** np.arange(500, 0, -1))
    np.testing.assert_allclose(factors, expected, rtol=ROUNDING)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9, 0.99])
def test_moments_of_the_sequential_problem_tend_to_their_limits(beta: float):
    """Lemma 3.2. What is left after n periods: β^{nd} times at most C² (v), C + 1 (m).

    Before the limit v_{nd+i} = A_i (1 - β^{(n+1)d}) + (1 - β^{nd+i}), A_i the limit minus 1; 3.B.2
    has - in place of this +, which is 2 off in the limit.
    """
    C, d, n = 6.0, 7, 40
    problem = SequentialProblem(C, d)
    gradients = sequential(C, d, n + 1)
    left = beta ** (n * d)
    v = average(gradients**2, beta)[n * d :]
    limit = second_moment_limit(problem, beta)
    assert np.abs(v - limit).max() <= left * C**2 + ROUNDING * C**2
    m = average(gradients, beta)[n * d :]
    assert np.abs(m - first_moment_limit(problem, beta)).max() <= left * (C + 1) + ROUNDING * C

    i = np.arange(1, d + 1)
    first, second = (limit - 1) * (1 - beta ** ((n + 1) * d)), 1 - beta ** (n * d + i)
    np.testing.assert_allclose(v, first + second, rtol=ROUNDING)
    assert np.abs(first - second - v).min() >= 2 * (1 - left) - ROUNDING * C**2


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.floats(1.01, 1e3), st.integers(2, 30), BETAS, BETAS)
def test_factors_within_a_period_rise_from_that_of_c_and_then_fall(
    C: float, d: int, beta1: float, beta2: float
):
    """Lemma 3.3: one smallest, one top, up to rounding.

    A proof that needs no differences: k_i = (1 - β1) V_i + β1 k_{i+1}, so k_{i+1} < k_i means
    k_i < V_i; then k_{i+1} < V_i <= V_{i+1}, and k_{i+2} < k_{i+1}, up to the period's end.
    """
    k = periodic_net_update_factors(SequentialProblem(C, d), (beta1, beta2))
    around = np.append(k, k[0])
    slack = 1e-10 * k.max()
    assert (around >= k[0] - slack).all()
    top = int(np.argmax(around))
    assert (np.diff(around[: top + 1]) >= -slack).all()
    assert (np.diff(around[top:]) <= slack).all()


def test_factors_within_a_period_are_strictly_ordered():
    """Lemma 3.3 as printed, and two things in 3.B.3 that are not so.

    At β1 = 0 and for a large C, k = V grows geometrically, and so do its differences within the
    period: the proof says that they fall. At β1 = β2 = 0 all of -1 have k = 1: the order is not
    strict there.
    """
    k = periodic_net_update_factors(SequentialProblem(6.0, 12), (0.8, 0.9))
    top = int(np.argmax(k))
    assert 0 < top < 11
    assert (np.diff(k[: top + 1]) > 0).all()
    assert (np.diff(np.append(k, k[0])[top:]) < 0).all()

    differences = np.diff(periodic_net_update_factors(SequentialProblem(100.0, 12), (0.0, 0.9)))
    assert (np.diff(differences) > 0).all()
    flat = periodic_net_update_factors(SequentialProblem(6.0, 12), (0.0, 0.0))
    np.testing.assert_allclose(flat, [1 / 6] + [1.0] * 11, rtol=ROUNDING)


@pytest.mark.parametrize("betas", [(0.0, 0.9), (0.9, 0.9), (0.5, 0.0), (0.95, 0.99)])
def test_factors_of_a_late_period_are_those_of_simulated_gradients(betas: tuple[float, float]):
    """Periods 250 to 251 of 300, d = 8. Left over: β2^2000 of v and β1^400 of k, below 2e-9."""
    gradients = sequential(6.0, 8, 300)
    simulated = net_update_factors(average(gradients**2, betas[1]), betas[0])[2000:2008]
    ours = periodic_net_update_factors(SequentialProblem(6.0, 8), betas)
    bound = 36 * betas[1] ** 2000 + betas[0] ** 392 + ROUNDING
    np.testing.assert_allclose(simulated, ours, rtol=bound)


@pytest.mark.parametrize("betas", [(0.0, 0.9), (0.9, 0.9), (0.95, 0.5), (0.0, 0.0)])
def test_theta_moves_by_the_period_update(betas: tuple[float, float]):
    """(3-42): S = Σ k(g_i) g_i, and Adam moves by -lr S in each late period."""
    problem, lr = SequentialProblem(6.0, 6), 1e-3
    update = period_update(problem, betas)
    factors = periodic_net_update_factors(problem, betas, lr)
    assert lr * update == pytest.approx(factors @ problem.gradients(6), rel=1e-10, abs=1e-13)

    # moments have settled to 0.95^6000; sums of 6,000 steps round to 6000 · 2^-53
    adam = AdamRecurrence(lr=lr, betas=betas, eps=1e-100)
    theta = trajectory(adam, problem.gradients(6600), warm_up=6000).theta
    assert theta[599] == pytest.approx(-lr * update * 100, rel=1e-9, abs=1e-13)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(3, 20), st.floats(0, 0.99), st.floats(0.3, 0.999))
def test_critical_c_lies_within_the_error_of_its_formula(d: int, beta1: float, beta2: float):
    """Lemma 3.7, corrected. At the root, C + 1 = R = Σ u_i / Σ w_i u_i, u_i = v_i^{-1/2}.

    The formula puts (v_i - 1)^{-1/2} for u_i, larger by a factor of at most 1 + 1/(2 (v_i - 1)) <=
    1 + e. So numerator and denominator are each off by that factor at most, and R lies between
    (C~ + 1)/(1 + e) and (C~ + 1)(1 + e).
    """
    exact = critical_C((beta1, beta2), d)
    formula = critical_C((beta1, beta2), d, approximate=True)
    assert abs(period_update(SequentialProblem(exact, d), (beta1, beta2))) < 1e-7
    smallest = (second_moment_limit(SequentialProblem(exact, d), beta2) - 1).min()
    factor = (1 + 0.5 / smallest) * (1 + 1e-9)
    assert (formula + 1) / factor <= exact + 1 <= (formula + 1) * factor


@pytest.mark.parametrize(
    ("beta1", "beta2", "d"), [(0.0, 0.99, 20), (0.5, 0.99, 20), (0.9, 0.97, 30)]
)
def test_printed_critical_condition_is_upside_down(beta1: float, beta2: float, d: int):
    """(3-43) as printed, and with two of its three ratios inverted; simulation decides.

    Adam goes up below the exact C and down above it, both by 1 part in 1,000.
    """
    s = math.sqrt(beta2)
    first = (1 - beta1**d) / (1 - beta1)
    middle, last = (s**d - beta1**d) / (s - beta1), (1 - s) / (1 - s**d)
    printed = first * middle * last - 1
    assert critical_C((beta1, beta2), d, approximate=True) == pytest.approx(
        first / middle / last - 1, rel=1e-10
    )

    C = critical_C((beta1, beta2), d)
    assert printed < 0.5 * C
    adam = AdamRecurrence(betas=(beta1, beta2))
    for factor, sign in ((0.999, 1), (1.001, -1), (printed / C, 1)):
        if factor * C > 1:
            gradients = sequential(factor * C, d, 600)
            late = trajectory(adam, gradients, warm_up=300 * d, every=300 * d).theta[-1]
            assert sign * late > 0


def test_critical_formula_holds_at_its_removable_point():
    """β1 = sqrt(β2): the ratio (s - β1)/(s^d - β1^d) is 0/0, its limit 1/(d s^{d-1})."""
    s, d = 0.9, 12
    expected = (1 - s**d) / (1 - s) * (1 - s**d) / (1 - s) / (d * s ** (d - 1)) - 1
    assert critical_C((s, s * s), d, approximate=True) == pytest.approx(expected, rel=1e-10)


def test_critical_c_is_infinite_where_adam_takes_signs():
    """β1 = β2 = 0: a period is 1 - (d - 1) whatever C is."""
    assert critical_C((0.0, 0.0), 6) == math.inf
    assert critical_C((0.0, 0.0), 6, approximate=True) == math.inf


def test_two_steps_in_a_period_never_go_the_wrong_way():
    """d = 2, β1 = β2 = 0: C/C - 1 = 0 for every C."""
    for betas in ((0.0, 0.0), (0.0, 0.5), (0.9, 0.9)):
        assert critical_C(betas, 2) == pytest.approx(1, abs=1e-12)
    assert period_update(SequentialProblem(7.0, 2), (0.0, 0.0)) == pytest.approx(0, abs=1e-12)


@pytest.mark.thorough
def test_one_c_is_critical_for_a_period():
    """S changes its sign once at most over C in (1, 1e8], on 300 random problems."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        d, beta1 = int(rng.integers(2, 50)), float(rng.choice([0.0, rng.random()]))
        beta2 = float(rng.choice([rng.random(), 1 - 10 ** -rng.uniform(0, 4)]))
        signs = np.sign([
            period_update(SequentialProblem(1 + float(C), d), (beta1, beta2))
            for C in np.geomspace(1e-6, 1e8, 60)
        ])  # fmt: skip
        assert np.count_nonzero(np.diff(signs)) <= 1


@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9, 0.95])
def test_critical_period_is_the_first_and_splits_the_periods(beta1: float):
    """d = C: Adam's S is not below 0 for smaller d, and below 0 for all larger ones up to 300."""
    for beta2 in (0.0, 0.1, 0.5, 0.9, 0.99):
        first = critical_period((beta1, beta2))
        wrong = [
            period_update(SequentialProblem(float(d), d), (beta1, beta2)) < -1e-9
            for d in range(2, 300)
        ]
        assert wrong == [d >= first for d in range(2, 300)]


def test_critical_period_does_not_always_grow_with_beta2():
    """3.C says that larger β1 and β2 need a larger C. In β1 that holds; in β2 for β1 = 0 only.

    β1 = 0.95: simulation goes down (right) at d = C = 20 with β2 = 0 and up (wrong) with 0.5.
    """
    grid = np.array([[critical_period((b1, b2)) for b2 in (0.0, 0.5, 0.9, 0.99)] for b1 in (0.0, 0.5, 0.9, 0.99)])  # fmt: skip
    assert (np.diff(grid[:, 1:], axis=0) >= 0).all()
    assert (np.diff(grid[0]) >= 0).all()
    assert [critical_period((0.95, b2)) for b2 in (0.0, 0.5, 0.99)] == [32, 11, 37]

    gradients = sequential(20.0, 20, 300)
    for beta2, sign in ((0.0, -1), (0.5, 1)):
        adam = AdamRecurrence(betas=(0.95, beta2))
        assert sign * trajectory(adam, gradients, warm_up=4000, every=2000).theta[-1] > 0


def test_critical_period_beyond_the_limit_is_infinite():
    assert critical_period((0.99, 0.99), at_most=62) == math.inf
    assert critical_period((0.99, 0.99), at_most=63) == 63


def simulated_factors(
    problem: StochasticProblem, betas: tuple[float, float], copies: int
) -> tuple[np.ndarray, np.ndarray]:
    """k of a gradient that is made C, and then -1, in the same sequences: (copies,) each.

    2,000 steps before it, 500 after it.
    """
    gradients = problem.gradients(2500, seed=0, copies=copies)
    both = []
    for value in (problem.C, -1.0):
        gradients[:, 2000] = value
        v = average(gradients**2, betas[1])
        both.append(net_update_factors(v[:, 2000:], betas[0])[:, 0])
    return both[0], both[1]


@pytest.mark.parametrize("betas", [(0.0, 0.99), (0.9, 0.99), (0.95, 0.9), (0.5, 0.3)])
def test_expected_factors_are_those_of_simulation(betas: tuple[float, float]):
    """Lemma 3.4: k(C) < k(-1), in every single sequence, and the exact means within 5 errors.

    What lies before the 2,000 and after the 500 steps weighs below 0.95^500 = 7e-12.
    """
    problem, copies = StochasticProblem(11.0, 0.5), 1000
    large, small = simulated_factors(problem, betas, copies)
    assert (large < small).all()
    exact = expected_net_update_factors(problem, betas)
    for ours, theirs in ((exact.large, large), (exact.small, small)):
        assert abs(theirs.mean() - ours) <= 5 * theirs.std() / math.sqrt(copies) + 1e-9


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.floats(0.01, 12), st.floats(0.01, 0.99), st.floats(0, 0.99), st.floats(0, 0.95))
def test_large_gradients_have_the_smaller_expected_factor(
    digits: float, fraction: float, beta1: float, beta2: float
):
    """Lemma 3.4 for C up to 10^12 and δ in (0, C), exact and in second order.

    Both lie between 1/C and 1 (exact), since 1 <= v <= C².
    """
    C = 10**digits
    problem = StochasticProblem(C, fraction * C)
    exact = expected_net_update_factors(problem, (beta1, beta2))
    # the quadrature's 1e-11 is all that is added
    assert exact.large < exact.small + 1e-11
    assert exact.large > 1 / C - 1e-11
    assert exact.small < 1 + 1e-11
    second = second_order_net_update_factors(problem, (beta1, beta2))
    assert second.large < second.small + 1e-11


def test_expected_factors_without_memory_are_by_hand():
    """β2 = 0: v is g² itself. k(g) = (1 - β1)/|g| + β1 E[1/|g|]."""
    problem, beta1 = StochasticProblem(5.0, 0.5), 0.7
    p = 1.5 / 6
    inverse = p / 5 + (1 - p)
    exact = expected_net_update_factors(problem, (beta1, 0.0))
    assert exact.large == pytest.approx(0.3 / 5 + 0.7 * inverse, rel=1e-11)
    assert exact.small == pytest.approx(0.3 + 0.7 * inverse, rel=1e-11)
    assert expected_inverse_root(problem, 0.0) == pytest.approx(inverse, rel=1e-11)
    update = p * 5 * exact.large - (1 - p) * exact.small
    assert expected_update(problem, (beta1, 0.0)) == pytest.approx(update, rel=1e-10)


def test_expected_factors_with_a_short_memory_are_sums_over_all_sequences():
    """β2 = 0.2: v from the last 12 gradients, all 2^12 of them; the rest is below 0.2^12 C²."""
    problem, beta2, length = StochasticProblem(4.0, 0.7), 0.2, 12
    p = problem.chance
    total = 0.0
    for signs in itertools.product((0, 1), repeat=length):
        squares = np.where(np.array(signs) == 1, 16.0, 1.0)
        v = 0.8 * beta2 ** np.arange(length) @ squares
        total += p ** sum(signs) * (1 - p) ** (length - sum(signs)) / math.sqrt(v)
    assert expected_inverse_root(problem, beta2) == pytest.approx(total, rel=16 * 0.2**12)


@pytest.mark.parametrize(
    ("C", "delta", "betas"),
    [
        (4.0, 0.7, (0.9, 0.2)),
        (100.0, 3.0, (0.9, 0.3)),
        (1e6, 0.5, (0.5, 0.9)),
        (6.0, 1.0, (0.8, 0.8)),
    ],
)
def test_expected_factors_are_those_of_an_adaptive_quadrature(
    C: float, delta: float, betas: tuple[float, float]
):
    """All 400 factors and terms by scipy.integrate.quad, to its 1e-11 and our 1e-12.

    What is left has β2^400 < 1e-18 in the exponents, times C² beside 1, or β1^400.
    """
    problem, (beta1, beta2) = StochasticProblem(C, delta), betas
    p, j = problem.chance, np.arange(400)

    def integrand(y: float, square: float) -> float:
        exponents = math.exp(2 * y) * (1 - beta2) * beta2**j
        each = p * np.exp(-exponents * C**2) + (1 - p) * np.exp(-exponents)
        known = np.exp(-exponents * square) / each
        weights = (1 - beta1) * beta1**j
        total = weights @ known + beta1**400
        return 2 / math.sqrt(math.pi) * math.exp(y) * np.prod(each) * total

    exact = expected_net_update_factors(problem, betas)
    edges = np.linspace(math.log(1e-14 / C), 2, 12)
    for ours, square in ((exact.large, C**2), (exact.small, 1.0)):
        pieces = [
            quad(integrand, a, b, args=(square,), epsrel=1e-12, epsabs=1e-13 * ours)[0]
            for a, b in itertools.pairwise(edges)
        ]
        assert ours == pytest.approx(sum(pieces), rel=2e-11)


def test_variance_of_v_has_the_factor_that_the_thesis_lacks():
    """(3-32): D[v] = (1 - β2)² Σ β2^{2j} D[g²] = (1 - β2)/(1 + β2) D[g²], not D[g²].

    A sample variance has the error sqrt((m4 - D²)/n). (3-28) and (3-30) follow (3-27) and are too
    large as well.
    """
    problem, beta2 = StochasticProblem(6.0, 1.0), 0.9
    copies = 40_000
    gradients = problem.gradients(150, seed=1, copies=copies)
    v = average(gradients**2, beta2)[:, -1]
    deviation = (v - v.mean()) ** 2
    error = deviation.std() / math.sqrt(copies)
    expected = 0.1 / 1.9 * problem.square_variance
    assert abs(deviation.mean() - expected) < 5 * error
    assert abs(deviation.mean() - problem.square_variance) > 100 * error
    assert abs(v.mean() - problem.square_mean) < 5 * v.std() / math.sqrt(copies)

    C, delta = 6.0, 1.0
    printed = C**3 - 2 * C**2 + C + delta * (C**3 - 3 * C**2 - C - 1) - delta**2 * (C + 1) ** 2
    squares = gradients[:, 0] ** 2
    error = ((squares - squares.mean()) ** 2).std() / math.sqrt(copies)
    assert abs(squares.var() - problem.square_variance) < 5 * error
    assert abs(squares.var() - printed) > 5 * error


@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_second_order_factors_are_right_to_second_order(beta1: float):
    """(3-39) corrected: the first term left out is of third moment and squared variance, both
    (1 - β2)². So the error falls by 4 when 1 - β2 is halved, up to a relative 1 - β2 times some.

    With D[v] = D[g²] of (3-32) the sum does not tend to the exact one at all, and with E[g²] of
    (3-27), 2δ too large, neither: x^{-1/2} is off by δ/E[g²].
    """
    problem = StochasticProblem(6.0, 1.0)
    errors = []
    for gap in (2**-9, 2**-10):
        exact = expected_net_update_factors(problem, (beta1, 1 - gap))
        second = second_order_net_update_factors(problem, (beta1, 1 - gap))
        errors.append(np.array([second.large - exact.large, second.small - exact.small]))
    np.testing.assert_allclose(errors[0] / errors[1], 4, rtol=0.15)

    mean, variance = problem.square_mean, problem.square_variance
    exact_root = expected_inverse_root(problem, 1 - 2**-10)
    first = abs(mean**-0.5 - exact_root)
    second = abs(mean**-0.5 + 0.375 * 2**-10 / (2 - 2**-10) * variance * mean**-2.5 - exact_root)
    printed = abs(mean**-0.5 + 0.375 * variance * mean**-2.5 - exact_root)
    printed_mean = abs((mean + 2) ** -0.5 - exact_root)
    assert 100 * second < first
    assert printed > 100 * first
    assert printed_mean > 100 * first


def test_expectation_of_a_function_of_a_random_variable():
    """Lemma 3.6: E f(X) = f(μ) + f''(μ)/2 D[X] + R3, and R3 has f'''/3!, where (3-22) has f'''/3.

    For f = x³ the expansion ends: R3 = E(X - μ)³ exactly, which f'''/3 = 2 would double. (3-38) has
    3/8 = f''/2 of x^{-1/2}; the line before it says 3/8 for f'' itself, which is 3/4.
    """
    values, chances = np.array([11.0, -1.0]), np.array([0.125, 0.875])
    mu = chances @ values
    variance, third = chances @ (values - mu) ** 2, chances @ (values - mu) ** 3
    left = chances @ values**3 - (mu**3 + 6 * mu / 2 * variance)
    assert left == pytest.approx(6 / math.factorial(3) * third, rel=ROUNDING)
    assert abs(left - 6 / 3 * third) > 100

    # f'' by a central difference, whose error is of relative h² = 1e-8
    h, x = 1e-4, 1.0
    curvature = ((x + h) ** -0.5 - 2 * x**-0.5 + (x - h) ** -0.5) / h**2
    assert curvature == pytest.approx(0.75 * x**-2.5, rel=1e-6)


def test_steps_of_adashift_do_not_depend_on_the_gradient():
    """Theorem 3.5: change g_t, and the next n updates change by -lr w_i Δg/sqrt(v) with the old v.

    So k(g_t) is the same for C and -1 in every sequence; Adam's is not.
    """
    problem = StochasticProblem(11.0, 0.5)
    gradients = problem.gradients(1000, copies=20)
    n, at = 5, 900
    optimizer = AdaShiftRecurrence(lr=1.0, betas=(0.8, 0.99), n=n)
    weights = 0.8 ** np.arange(n)
    weights /= weights.sum()
    v = average(gradients**2, 0.99) / (1 - 0.99 ** np.arange(1, 1001))
    factor = (weights / (np.sqrt(v[:, at - n : at]) + 1e-10)).sum(axis=1)

    ends = []
    for value in (problem.C, -1.0):
        gradients[:, at] = value
        ends.append(trajectory(optimizer, gradients).theta[:, at + n - 1])
    np.testing.assert_allclose((ends[1] - ends[0]) / 12, factor, rtol=1e-9)


def test_mean_step_of_adashift_is_delta_times_one_factor():
    """Theorem 3.5: E[k(C)] = E[k(-1)] = E[1/sqrt(v)], over steps with g = C and with g = -1.

    Steps 1,000 apart are independent for β2 = 0.99 (0.99^1000 = 4e-5), so means have errors. Adam's
    two factors differ by more than 5 of them.
    """
    problem = StochasticProblem(11.0, 0.5)
    gradients = problem.gradients(20_000, copies=200, seed=2)
    g = gradients[:, 1999::1000]
    v = average(gradients**2, 0.99)
    before, now = 1 / np.sqrt(v[:, 1998::1000]), 1 / np.sqrt(v[:, 1999::1000])
    exact = expected_inverse_root(problem, 0.99)
    is_large = g > 0
    for chosen in (is_large, ~is_large):
        error = before[chosen].std() / math.sqrt(chosen.sum())
        assert abs(before[chosen].mean() - exact) < 5 * error
    adam = now[~is_large].mean() - now[is_large].mean()
    assert adam > 5 * now.std() / math.sqrt(is_large.sum())


@pytest.mark.thorough
@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.9])
def test_a_large_beta1_makes_the_average_regret_small(beta2: float):
    """Theorem 3.1 on (3-6), C = d = 20 on [-1, 1], lr 1e-4: G = 20, ε2 = max lr G²/sqrt(v) <= 0.04.

    β1 = 0: θ ends at 1, where a period costs 2 · 1, and R(T)/T tends to 0.1. β1 = 0.999: every late
    m is above 0, as the proof says, so θ ends at -1 and stays there, and R(T)/T tends to 0.

    The proof takes β1 → 1 at a fixed t, then uses one β1 for all t. For linear losses the periodic
    limit of m closes that gap; for gradients that depend on θ it remains.
    """
    C, d, lr, steps = 20.0, 20, 1e-4, 2_000_000
    problem = SequentialProblem(C, d)
    largest = (lr * C**2 / np.sqrt(second_moment_limit(problem, beta2))).max()
    assert (first_moment_limit(problem, 0.999) > 0).all()

    gradients, regrets, ends = problem.gradients(steps), {}, {}
    for beta1 in (0.0, 0.999):
        adam = AdamRecurrence(lr=lr, betas=(beta1, beta2))
        path = trajectory(adam, gradients, every=steps, bounds=(-1.0, 1.0))
        regrets[beta1], ends[beta1] = path.average_regret()[-1], path.theta[-1]
    assert ends[0.999] == -1
    assert regrets[0.999] < largest < regrets[0.0]
    assert ends[0.0] > 0.9


@settings(max_examples=15, derandomize=True, deadline=None)
@given(st.lists(BETAS, min_size=1, max_size=3), st.lists(BETAS, min_size=1, max_size=3))
def test_grid_of_final_theta_is_that_of_single_runs(beta1: list[float], beta2: list[float]):
    """2,000 steps of at most lr C each: rounding of 2000 · 2000 · 6e-3 · 2^-53."""
    gradients = StochasticProblem(6.0, 1.0).gradients(2000, copies=2)
    grid = adam_final_theta(gradients, beta1, beta2)
    assert grid.shape == (2, len(beta1), len(beta2))
    for i, j in itertools.product(range(len(beta1)), range(len(beta2))):
        adam = AdamRecurrence(lr=1e-3, betas=(beta1[i], beta2[j]))
        single = trajectory(adam, gradients, every=2000).theta[:, -1]
        np.testing.assert_allclose(grid[:, i, j], single, atol=1e-11)


def test_final_theta_of_one_step_is_by_hand():
    """m̂ = g = 3 and sqrt(v̂) = 3 whatever the betas: θ = -0.1 · 3 / (3 + 1)."""
    theta = adam_final_theta([3.0], [0.0, 0.9], [0.5], lr=0.1, eps=1.0)
    np.testing.assert_allclose(theta, [[-0.075], [-0.075]], rtol=ROUNDING)


def test_the_rate_stretches_figure_3_8():
    """Nothing but the length of the steps depends on it."""
    ours, double = (critical_grid([0.0, 0.9], [0.5], copies=2, lr=lr) for lr in (1e-3, 2e-3))
    np.testing.assert_allclose(double.sequential_theta, 2 * ours.sequential_theta, rtol=1e-12)
    np.testing.assert_allclose(double.stochastic_theta, 2 * ours.stochastic_theta, rtol=1e-12)
    assert (double.critical_period == ours.critical_period).all()
    assert (double.critical_C == ours.critical_C).all()


def test_figure_3_8():
    """Every panel against another way to it, d = C = 6 and δ = 1.

    a: after 2,000 steps θ is -lr S · 333 to within the first steps: 1/(1 - β) <= 20 of them, each
    below lr C. c: a mean within 5 errors of -lr · 2000 E[m/sqrt(v)] and the same first steps. b: the
    sign of a at d = C = 6. d: the sign of c's expectation.
    """
    beta1, beta2 = np.array([0.0, 0.5, 0.9]), np.array([0.0, 0.5, 0.9, 0.95])
    grid = critical_grid(beta1, beta2, copies=200)
    transient = 1e-3 * 6 * 40
    for (i, b1), (j, b2) in itertools.product(enumerate(beta1), enumerate(beta2)):
        update = period_update(SequentialProblem(6.0, 6), (b1, b2))
        a = grid.sequential_theta[i, j]
        assert abs(a + 1e-3 * update * 2000 / 6) < transient
        if abs(a) > transient:
            assert (grid.critical_period[i, j] <= 6) == (a > 0)

        expected = -2.0 * expected_update(StochasticProblem(6.0, 1.0), (b1, b2))
        c = grid.stochastic_theta[i, j]
        assert abs(c - expected) < 5 * grid.stochastic_error[i, j] + transient
        assert (grid.critical_C[i, j] < 6) == (expected > 0)

    # both directions are there, and the larger C is wrong
    assert grid.sequential_theta.min() < 0 < grid.sequential_theta.max()
    assert grid.critical_C[0, 1] < 6 < grid.critical_C[0, 2]


def test_critical_stochastic_c_without_memory_is_by_hand():
    """β2 = 0: (1 - β1)(2p - 1) + β1 δ (p/C + 1 - p) = 0, p = (1 + δ)/(C + 1).

    δ = 1: times C + 1, (1 - β1)(3 - C) + β1 (2/C + C - 1) = 0. As C grows this is (2 β1 - 1) C: for
    β1 >= 1/2 no C is large enough.
    """
    for beta1 in (0.0, 0.2, 0.4):
        C = critical_stochastic_C((beta1, 0.0))
        assert (1 - beta1) * (3 - C) + beta1 * (2 / C + C - 1) == pytest.approx(0, abs=1e-8)
    assert critical_stochastic_C((0.6, 0.0)) == math.inf


def test_critical_stochastic_c_grows_with_beta2_only_for_a_small_beta1():
    """3.C says that it grows with both."""
    assert critical_stochastic_C((0.0, 0.5)) < critical_stochastic_C((0.0, 0.9))
    assert critical_stochastic_C((0.0, 0.9)) < critical_stochastic_C((0.5, 0.9))
    assert critical_stochastic_C((0.95, 0.5)) > critical_stochastic_C((0.95, 0.9))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: net_update_factors([1.0, 0.0], 0.5), "not above 0"),
        (lambda: net_update_factors([1.0, math.inf], 0.5), "not finite"),
        (lambda: net_update_factors([1.0], 1.0), r"betas\[0\]=1.0"),
        (lambda: second_moment_limit(SequentialProblem(6.0, 6), 1.0), r"betas\[1\]=1.0"),
        (lambda: first_moment_limit(SequentialProblem(6.0, 6), -0.1), r"betas\[0\]=-0.1"),
        (lambda: period_update(SequentialProblem(6.0, 6), (0.0, math.nan)), r"betas\[1\]=nan"),
        (lambda: critical_C((0.0, 0.9), 1), "period=1"),
        (lambda: critical_period((0.0, 0.9), at_most=1), "at_most=1"),
        (lambda: critical_stochastic_C((0.0, 0.9), delta=0.0), "delta=0.0"),
        (lambda: expected_update(StochasticProblem(6.0, 1.0), (0.0, 1.0)), r"betas\[1\]=1.0"),
        (lambda: adam_final_theta([1.0], [0.0], [1.0]), r"betas\[1\]=1.0"),
        (lambda: adam_final_theta([1.0], [], [0.5]), "beta1 have the shape"),
        (lambda: adam_final_theta([1.0], [[0.5]], [0.5]), "one list"),
        (lambda: critical_grid([0.0], [0.5], copies=1), "copies=1"),
        (lambda: critical_grid([0.0], ["high"]), "beta2 are of type"),
    ],
)
def test_refusals_name_the_argument(call: Callable[[], object], said: str):
    with pytest.raises(UserError, match=said):
        call()
