"""W1: by hand, against every permutation, SciPy and POT; its duals, and the theorems about them."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from gan_lab.errors import UserError
from gan_lab.theory import (
    kantorovich_rubinstein_dual,
    lipschitz_constant_on,
    lipschitz_optimum,
    relaxed_dual,
    segment_critic,
    segment_points,
    wasserstein_1,
)

quick = settings(derandomize=True, deadline=None, max_examples=40)
sizes = st.integers(1, 7)
dimensions = st.integers(1, 4)
seeds = st.integers(0, 10**6)
kinds = st.sampled_from(["normal", "grid", "line"])

# HiGHS keeps every constraint to 1e-10 of the extent, and coordinates here are below 5: a sum of
# constraint violations weighted by masses that add up to 1 is below 1e-9.
PROGRAMME = 1e-9
# An assignment is n sums of float64 numbers below 20 with a few roundings each.
ROUNDING = 1e-13


def points(rng: np.random.Generator, count: int, d: int, kind: str = "normal") -> np.ndarray:
    """Points in general position; on a grid, where they repeat and distances tie; on a line."""
    if kind == "grid":
        return rng.integers(0, 2, size=(count, d)).astype(float)
    if kind == "line":
        return np.outer(rng.integers(0, 4, size=count), np.ones(d))
    return rng.normal(size=(count, d))


def weights(rng: np.random.Generator, count: int) -> np.ndarray:
    """With a zero now and then."""
    values = rng.dirichlet(np.ones(count)) * (rng.random(count) < 0.8)
    return values / values.sum() if values.sum() > 0 else np.eye(count)[0]


def instance(seed: int, n: int, m: int, d: int, kind: str):
    rng = np.random.default_rng(seed)
    return points(rng, n, d, kind), points(rng, m, d, kind), weights(rng, n), weights(rng, m)


def check_certificate(transport, fake, real, p, q, tolerance: float, scale: float = 1.0) -> None:
    """The plan has the marginals, the potentials are 1-Lipschitz, and both have one value."""
    plan = transport.plan.toarray()
    assert plan.min() >= 0
    assert np.abs(plan.sum(1) - p).max() <= tolerance
    assert np.abs(plan.sum(0) - q).max() <= tolerance
    assert abs((plan * cdist(fake / scale, real / scale)).sum() - transport.distance / scale) <= (
        tolerance
    )

    potentials = np.concatenate([transport.fake_potentials, transport.real_potentials]) / scale
    places = np.concatenate([fake, real]) / scale
    excess = np.abs(potentials[:, None] - potentials) - cdist(places, places)
    assert excess.max() <= tolerance
    value = (q @ transport.real_potentials - p @ transport.fake_potentials) / scale
    assert abs(value - (transport.distance - transport.gap) / scale) <= tolerance
    assert abs(transport.gap) / scale <= tolerance


# The primal ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(1, 8))
@pytest.mark.parametrize("kind", ["normal", "grid", "line"])
def test_distance_is_the_cheapest_of_all_permutations(n: int, kind: str):
    rng = np.random.default_rng(n)
    orders = np.array(list(permutations(range(n))))
    for d in (1, 2, 5):
        fake, real = points(rng, n, d, kind), points(rng, n, d, kind)
        costs = cdist(fake, real)
        cheapest = costs[np.arange(n), orders].mean(axis=1).min()
        transport = wasserstein_1(fake, real)
        assert abs(transport.distance - cheapest) <= ROUNDING
        uniform = np.full(n, 1 / n)
        check_certificate(transport, fake, real, uniform, uniform, ROUNDING)


@quick
@given(seeds, sizes, sizes, dimensions, kinds)
def test_weighted_plan_is_certified_and_is_that_of_pot(seed, n, m, d, kind):
    fake, real, p, q = instance(seed, n, m, d, kind)
    transport = wasserstein_1(fake, real, p, q)
    check_certificate(transport, fake, real, p, q, PROGRAMME)
    assert abs(transport.distance - ot.emd2(p, q, cdist(fake, real))) <= PROGRAMME


@pytest.mark.thorough
@quick
@given(seeds, st.integers(1, 30), st.integers(1, 30))
def test_distance_on_the_line_is_that_of_scipy(seed, n, m):
    """SciPy integrates the difference of the distribution functions."""
    fake, real, p, q = instance(seed, n, m, 1, "normal")
    expected = wasserstein_distance(fake[:, 0], real[:, 0], p, q)
    assert abs(wasserstein_1(fake, real, p, q).distance - expected) <= PROGRAMME
    unweighted = wasserstein_distance(fake[:, 0], real[:, 0])
    assert abs(wasserstein_1(fake, real).distance - unweighted) <= PROGRAMME


def test_equal_weights_by_assignment_and_by_the_programme_agree():
    """A weight moved by 1e-12 leaves the assignment for the programme and changes W1 by less than
    1e-12 times the extent."""
    rng = np.random.default_rng(0)
    fake, real = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    p = np.full(40, 1 / 40)
    p[:2] += (1e-12, -1e-12)
    by_programme = wasserstein_1(fake, real, p)
    assert by_programme.plan.nnz >= 40
    assert abs(by_programme.distance - wasserstein_1(fake, real).distance) <= PROGRAMME


def test_clouds_of_300_points_are_certified_and_agree_with_pot():
    rng = np.random.default_rng(1)
    fake, real = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 0.3
    uniform = np.full(300, 1 / 300)
    transport = wasserstein_1(fake, real)
    check_certificate(transport, fake, real, uniform, uniform, ROUNDING)
    assert abs(transport.distance - ot.emd2(uniform, uniform, cdist(fake, real))) <= ROUNDING


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-9, 1e9, 1e150, 1e300])
def test_scale_of_the_points_is_that_of_the_distance(scale: float):
    """Squares of 1e-300 and 1e300 are no float64 numbers."""
    fake, real, p, q = instance(5, 6, 5, 2, "normal")
    transport = wasserstein_1(scale * fake, scale * real, p, q)
    expected = wasserstein_1(fake, real, p, q).distance
    assert transport.distance / scale == pytest.approx(expected, rel=1e-9)
    check_certificate(transport, scale * fake, scale * real, p, q, PROGRAMME, scale)
    for dual in (kantorovich_rubinstein_dual, relaxed_dual):
        value = dual(scale * fake, scale * real, p, q).value
        assert value / scale == pytest.approx(expected, rel=1e-9)


def test_a_far_origin_rounds_nothing():
    """1e8 + {0, 1} and 1e8 + {1, 3} are float64 numbers: ((1 - 0) + (3 - 1)) / 2."""
    transport = wasserstein_1([[1e8], [1e8 + 1]], [[1e8 + 1], [1e8 + 3]])
    assert transport.distance == 1.5


@pytest.mark.parametrize("tiny", [1e-300, 1e-15, 1e-12, 1e-8])
def test_tiny_weights_keep_the_certificate(tiny: float):
    """w goes 2, the rest 1: W1 = 1 + w. A mass below 1e-15 may be lost on its way of 3 at most."""
    transport = wasserstein_1([[0.0], [3.0]], [[1.0]], [1 - tiny, tiny])
    assert abs(transport.distance - (1 + tiny)) <= 3e-15
    check_certificate(
        transport,
        np.array([[0.0], [3.0]]),
        np.array([[1.0]]),
        np.array([1 - tiny, tiny]),
        np.ones(1),
        PROGRAMME,
    )


def test_many_tiny_weights_beside_a_large_one():
    rng = np.random.default_rng(2)
    fake, real = rng.normal(size=(30, 2)), rng.normal(size=(20, 2))
    p, q = np.full(30, 1e-11), np.full(20, 1e-13)
    p[3], q[7] = 1 - 29e-11, 1 - 19e-13
    transport = wasserstein_1(fake, real, p, q)
    check_certificate(transport, fake, real, p, q, PROGRAMME)
    assert abs(transport.distance - ot.emd2(p, q, cdist(fake, real))) <= PROGRAMME


@pytest.mark.parametrize("d", [1, 3])
def test_all_points_at_one_place_are_no_distance_apart(d: int):
    everywhere = np.full((4, d), 7.5)
    for p in (None, [0.1, 0.2, 0.3, 0.4]):
        transport = wasserstein_1(everywhere, everywhere, p)
        assert (transport.distance, transport.gap) == (0, 0)
        assert kantorovich_rubinstein_dual(everywhere, everywhere, p).value == 0
        assert relaxed_dual(everywhere, everywhere, p).value == 0


@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize(("n", "m"), [(150, 120), (1, 60), (80, 3)])
def test_programme_that_begins_with_near_pairs_ends_with_the_plan_of_all(n, m, kind):
    """Reals are shifted by 2: the mass of most fakes goes to none of the ten nearest."""
    rng = np.random.default_rng(6)
    fake, real = points(rng, n, 3, kind), points(rng, m, 3, kind) + 2
    p, q = weights(rng, n), weights(rng, m)
    transport = wasserstein_1(fake, real, p, q)
    check_certificate(transport, fake, real, p, q, PROGRAMME)
    assert abs(transport.distance - ot.emd2(p, q, cdist(fake, real))) <= PROGRAMME


# Properties of a metric ----------------------------------------------------------------------------


@pytest.mark.thorough
@quick
@given(seeds, sizes, sizes, sizes, dimensions, kinds)
def test_distance_is_a_metric(seed, n, m, k, d, kind):
    rng = np.random.default_rng(seed)
    a, b, c = ((points(rng, size, d, kind), weights(rng, size)) for size in (n, m, k))

    def distance(one, other) -> float:
        return wasserstein_1(one[0], other[0], one[1], other[1]).distance

    assert abs(distance(a, b) - distance(b, a)) <= PROGRAMME
    assert distance(a, c) <= distance(a, b) + distance(b, c) + PROGRAMME
    assert abs(distance(a, a)) <= PROGRAMME
    # W1 is at least the distance of the means
    assert distance(a, b) >= np.linalg.norm(a[1] @ a[0] - b[1] @ b[0]) - PROGRAMME


@quick
@given(seeds, sizes, dimensions)
def test_moving_all_points_by_a_vector_costs_its_length(seed, n, d):
    """No plan is cheaper than the distance of the means, and this one has it."""
    rng = np.random.default_rng(seed)
    cloud, shift, p = rng.normal(size=(n, d)), rng.normal(size=d), weights(rng, n)
    moved = wasserstein_1(cloud, cloud + shift, p, p).distance
    assert abs(moved - np.linalg.norm(shift)) <= PROGRAMME


@pytest.mark.thorough
@quick
@given(seeds, sizes, dimensions, kinds)
def test_distance_is_jointly_convex(seed, n, d, kind):
    """W(λ P + (1-λ) P', λ Q + (1-λ) Q') <= λ W(P, Q) + (1-λ) W(P', Q'); P = P' is the statement
    that is also called linearity."""
    rng = np.random.default_rng(seed)
    cloud, share = points(rng, n, d, kind), rng.random()
    p, p_other, q, q_other = (weights(rng, n) for _ in range(4))
    for first, second in ((p, p_other), (p, p)):
        mixed = wasserstein_1(
            cloud,
            cloud,
            share * first + (1 - share) * second,
            share * q + (1 - share) * q_other,
        ).distance
        apart = (
            share * wasserstein_1(cloud, cloud, first, q).distance
            + (1 - share) * wasserstein_1(cloud, cloud, second, q_other).distance
        )
        assert mixed <= apart + PROGRAMME


def test_convexity_is_no_equality():
    """P1 is half at 0 and half at 1, P2 at 0, P3 at 1: each is ½ away, their mixture is P1."""
    line = [[0.0], [1.0]]
    first, second, mixed = [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]
    apart = [wasserstein_1(line, line, mixed, law).distance for law in (first, second)]
    assert apart == [0.5, 0.5]
    assert wasserstein_1(line, line, mixed, mixed).distance == 0


# The dual forms ------------------------------------------------------------------------------------


@pytest.mark.thorough
@quick
@given(seeds, sizes, sizes, dimensions, kinds)
def test_both_duals_have_the_value_of_the_primal(seed, n, m, d, kind):
    fake, real, p, q = instance(seed, n, m, d, kind)
    distance = wasserstein_1(fake, real, p, q).distance
    lipschitz = kantorovich_rubinstein_dual(fake, real, p, q)
    relaxed = relaxed_dual(fake, real, p, q)
    assert abs(lipschitz.value - distance) <= PROGRAMME
    assert abs(relaxed.value - distance) <= PROGRAMME

    # the values are those of the critics, and the critics keep the constraints
    for critic in (lipschitz, relaxed):
        assert abs(q @ critic.real - p @ critic.fake - critic.value) <= PROGRAMME
        assert (critic.real - critic.fake[:, None] - cdist(fake, real)).max() <= PROGRAMME
    places = np.concatenate([fake, real])
    values = np.concatenate([lipschitz.fake, lipschitz.real])
    assert (np.abs(values[:, None] - values) - cdist(places, places)).max() <= PROGRAMME


def test_both_duals_of_60_points_have_the_value_of_the_primal():
    fake, real, p, q = instance(3, 30, 30, 2, "normal")
    distance = wasserstein_1(fake, real, p, q).distance
    assert abs(kantorovich_rubinstein_dual(fake, real, p, q).value - distance) <= PROGRAMME
    assert abs(relaxed_dual(fake, real, p, q).value - distance) <= PROGRAMME


@quick
@given(seeds, sizes, sizes, dimensions, kinds)
def test_optimal_critic_of_the_relaxed_dual_is_lipschitz_on_the_supports(seed, n, m, d, kind):
    """2.5.2: it has the values of an optimal critic of (2-3) there. Weights of at least 0.02: an
    objective right to 1e-10 leaves values free by 1e-10 / 0.02."""
    rng = np.random.default_rng(seed)
    fake, real = points(rng, n, d, kind), points(rng, m, d, kind)
    p, q = (rng.integers(1, 8, size=size).astype(float) for size in (n, m))
    critic = relaxed_dual(fake, real, p / p.sum(), q / q.sum())
    places = np.concatenate([fake, real])
    values = np.concatenate([critic.fake, critic.real])
    excess = np.abs(values[:, None] - values) - cdist(places, places)
    assert excess.max() <= 1e-8


@pytest.mark.thorough
@quick
@given(seeds, sizes, sizes, dimensions, kinds)
def test_optimal_critics_rise_by_the_distance_along_the_plan(seed, n, m, d, kind):
    """(2-15): f(y) - f(x) = ‖y - x‖ wherever π > 0: what is lacking is 0 in the mean over π, and
    nowhere below 0."""
    rng = np.random.default_rng(seed)
    fake, real = points(rng, n, d, kind), points(rng, m, d, kind)
    transport = wasserstein_1(fake, real)
    x, y = transport.plan.nonzero()
    costs = cdist(fake, real)[x, y]
    masses = transport.plan.toarray()[x, y]
    for critic in (kantorovich_rubinstein_dual(fake, real), relaxed_dual(fake, real)):
        slack = costs - (critic.real[y] - critic.fake[x])
        assert masses @ slack <= PROGRAMME
        assert slack.min() >= -PROGRAMME


def test_gradient_on_the_way_points_from_fake_to_real():
    """(2-8): along the line from x to its y, f(z) = min_i f(x_i) + ‖z - x_i‖ rises with slope 1.
    Rises over steps of 1/10 of the way are sums of a few numbers below 20."""
    rng = np.random.default_rng(4)
    fake, real = rng.normal(size=(20, 2)), rng.normal(size=(20, 2))
    transport = wasserstein_1(fake, real)
    x, y = transport.plan.nonzero()
    for t in np.linspace(0, 1, 11):
        between = (1 - t) * fake[x] + t * real[y]
        values = (transport.fake_potentials + cdist(between, fake)).min(axis=1)
        rise = values - transport.fake_potentials[x]
        assert np.abs(rise - t * np.linalg.norm(real[y] - fake[x], axis=1)).max() <= ROUNDING


# The two segments of (2-9) -------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_critic_of_the_two_segments_is_optimal(count: int):
    """Each fake goes 1 to the right: W1 = 1, and f = 1 on reals, 0 on fakes reaches it."""
    fake, real = segment_points(count)
    f_fake, f_real = segment_critic(fake), segment_critic(real)
    assert (f_real - f_fake[:, None] <= cdist(fake, real)).all()
    assert f_real.mean() - f_fake.mean() == 1
    assert abs(wasserstein_1(fake, real).distance - 1) <= ROUNDING
    assert abs(relaxed_dual(fake, real).value - 1) <= PROGRAMME
    assert lipschitz_constant_on(np.concatenate([fake, real]), [*f_fake, *f_real]) == 1


def test_critic_of_the_two_segments_has_no_gradient_towards_the_reals():
    """Nothing is defined off the segment, however near; along it, f does not change."""
    fake, _ = segment_points(4)
    for step in (1e-300, 1e-3, 0.5):
        assert np.isnan(segment_critic(fake + np.array([step, 0]))).all()
        assert np.isnan(segment_critic(fake - np.array([step, 0]))).all()
    assert (segment_critic(fake + np.array([0, 0.1])) == segment_critic(fake)).all()
    assert np.isnan(segment_critic([[0.0, 1.1], [1.0, -0.1]])).all()


# Penalised critics ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [0.0, 1.0, 2.5])
@pytest.mark.parametrize(("distance", "weight"), [(0.0, 1.0), (3.0, 0.1), (0.5, 10.0)])
def test_lipschitz_optimum_is_the_minimum_over_k(distance: float, weight: float, target: float):
    """Brent's method finds a quadratic's minimum to the root of float64's precision, about 1e-8 of
    k, and its value to 1e-15."""
    optimum = lipschitz_optimum(distance, weight, target)
    assert optimum.constant == target + distance / (2 * weight)
    for penalty in (lambda k: (k - target) ** 2, lambda k: max(0.0, k - target) ** 2):
        found = minimize_scalar(
            lambda k, penalty=penalty: -k * distance + weight * penalty(k),
            bounds=(0, 100),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert found.fun == pytest.approx(optimum.objective, abs=1e-9)
    if target == 0:
        assert optimum.objective == pytest.approx(-(distance**2) / (4 * weight), rel=1e-15)


def test_lipschitz_optimum_is_reached_by_the_scaled_potentials():
    """k* times the potentials of W1: their loss with the penalty is J*."""
    fake, real, p, q = instance(8, 6, 7, 3, "normal")
    transport = wasserstein_1(fake, real, p, q)
    optimum = lipschitz_optimum(transport.distance, weight=0.3)
    f_fake = optimum.constant * transport.fake_potentials
    f_real = optimum.constant * transport.real_potentials
    k = lipschitz_constant_on(np.concatenate([fake, real]), np.concatenate([f_fake, f_real]))
    loss = p @ f_fake - q @ f_real + 0.3 * k**2
    assert loss == pytest.approx(optimum.objective, rel=1e-9)


def test_lipschitz_constant_is_the_steepest_pair():
    assert lipschitz_constant_on([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], [0.0, 10.0, 0.5]) == (
        9.5 / math.sqrt(18)
    )
    assert lipschitz_constant_on([[1.0]], [5.0]) == 0
    assert lipschitz_constant_on([[1.0], [1.0]], [5.0, 5.0]) == 0
    assert lipschitz_constant_on([[1.0], [1.0]], [5.0, 6.0]) == math.inf


# What is refused -----------------------------------------------------------------------------------

TWO = [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 1.0], TWO), r"fake has shape \(2,\): use \(n, d\)"),
        ((np.zeros((0, 2)), TWO), r"fake has shape \(0, 2\)"),
        ((TWO, [[math.nan]]), "real holds numbers that are not finite"),
        ((TWO, [[math.inf]]), "real holds numbers that are not finite"),
        ((TWO, [["a"]]), "real holds something else than numbers"),
        ((TWO, [[0.0, 1.0]]), "give both the same coordinates"),
        ((TWO, TWO, [0.5]), r"fake_weights has shape \(1,\): use one weight a point, \(2,\)"),
        ((TWO, TWO, None, [1.5, -0.5]), "real_weights holds -0.5: use numbers of at least 0"),
        ((TWO, TWO, [0.5, 0.6]), "fake_weights add up to 1.1: divide them by their sum"),
        ((TWO, TWO, [math.nan, 1.0]), "fake_weights holds numbers that are not finite"),
        (([[1e308]], [[-1e308]]), "more than 1e300 apart: divide both by a number"),
    ],
)
@pytest.mark.parametrize("solve", [wasserstein_1, kantorovich_rubinstein_dual, relaxed_dual])
def test_arguments_that_are_no_laws_are_refused(solve, arguments, message):
    with pytest.raises(UserError, match=message):
        solve(*arguments)


def test_wrong_arguments_of_the_small_functions_are_refused():
    with pytest.raises(UserError, match="weight=0: use a number above 0"):
        lipschitz_optimum(1.0, weight=0)
    with pytest.raises(UserError, match="distance=-1: use a number of at least 0"):
        lipschitz_optimum(-1, weight=1.0)
    with pytest.raises(UserError, match=r"values have shape \(1,\): use one a point, \(2,\)"):
        lipschitz_constant_on(TWO, [1.0])
    with pytest.raises(UserError, match=r"use points of the plane, \(n, 2\)"):
        segment_critic(TWO)
    with pytest.raises(UserError, match="count=0: use a whole number of at least 1"):
        segment_points(0)
