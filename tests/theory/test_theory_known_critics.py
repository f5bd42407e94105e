"""MinFunnels: the potential, its gradient and W1 against optimal assignment and other critics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import kstest, wasserstein_distance

from gan_lab.errors import UserError
from gan_lab.theory import MinFunnels

# coordinates are at most 3 and sums have at most 128 squares: each distance is right to about
# 128 eps · 2.5 sqrt(128) < 1e-12
EXACT = 1e-12


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def drawn(dimension: int, funnels: int, seed: int = 0, **settings_) -> MinFunnels:
    return MinFunnels.make(dimension, funnels, rng(seed), **settings_)


SIZES = [(1, 3), (2, 4), (2, 256), (16, 16), (128, 4), (128, 256)]


# The potential ------------------------------------------------------------------------------------


def test_potential_and_gradient_by_hand():
    """Funnels at 0 (bias 0) and 3 (bias 1) on a line: they meet where t = (9 - 1)/(2 (3 - 1)) = 2."""
    funnels = MinFunnels([[0.0], [3.0]], [0.0, 1.0], half_side=4.0, power=2.0)
    assert funnels.potential([[1.5], [2.5], [3.5], [-1.0]]).tolist() == [1.5, 1.5, 1.5, 1.0]
    assert funnels.gradient([[1.5], [2.5], [3.5], [-1.0], [0.0]]).ravel().tolist() == [
        1.0, -1.0, 1.0, -1.0, 0.0,
    ]  # fmt: skip
    assert funnels.ray_lengths([[1.5], [2.5], [3.5], [-1.0], [0.0]]).tolist() == [2, 1, 1, 4, 0]


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 40), st.integers(0, 10**6), st.floats(-6, 3).map(np.exp2))
def test_the_potential_is_1_lipschitz_with_gradient_norm_1(dimension, count, seed, scale):
    funnels = drawn(dimension, count, seed, half_side=scale)
    x, y = rng(seed + 1).normal(size=(2, 200, dimension)) * 2 * scale
    rise = np.abs(funnels.potential(x) - funnels.potential(y))
    assert np.all(rise <= np.linalg.norm(x - y, axis=1) + EXACT * (1 + scale))
    norms = np.linalg.norm(funnels.gradient(x), axis=1)
    assert norms == pytest.approx(1, rel=0, abs=EXACT)


def test_the_gradient_is_the_derivative_of_the_potential():
    """Off the borders of cells central differences err by h² f'''/6 < h²/|x - c|², and by eps/h."""
    funnels, h = drawn(3, 8), 1e-5
    x = rng(1).uniform(-2, 2, (300, 3))
    heights = np.sort(cdist(x, funnels.centers) + funnels.biases, axis=1)
    far = np.linalg.norm(x[:, None] - funnels.centers, axis=2).min(axis=1) > 0.1
    x = x[(heights[:, 1] - heights[:, 0] > 4 * h) & far]
    assert len(x) > 250
    for axis in range(3):
        step = h * np.eye(3)[axis]
        slope = (funnels.potential(x + step) - funnels.potential(x - step)) / (2 * h)
        assert slope == pytest.approx(funnels.gradient(x)[:, axis], rel=0, abs=1e-7)


# Rays ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dimension", "count"), SIZES)
def test_rays_end_where_another_funnel_or_the_cube_begins(dimension, count):
    """A little short of the end the funnel is the lowest; a little beyond, or never, it is not."""
    funnels = drawn(dimension, count)
    x = rng(1).uniform(-2.5, 2.5, (500, dimension))
    heights = cdist(x, funnels.centers) + funnels.biases
    start = funnels.centers[heights.argmin(1)]
    direction = (x - start) / np.linalg.norm(x - start, axis=1)[:, None]
    length = funnels.ray_lengths(x)
    assert np.all(length >= np.linalg.norm(x - start, axis=1))

    short = start + (length * (1 - 1e-9))[:, None] * direction
    lowest = (cdist(short, funnels.centers) + funnels.biases).min(1)
    own = length * (1 - 1e-9) + funnels.biases[heights.argmin(1)]
    assert own == pytest.approx(lowest, rel=0, abs=EXACT)
    assert np.abs(short).max() <= 2.5

    # beyond: outside of the cube, or lower by another funnel, by some of the 1e-6
    far = start + (length + 1e-6)[:, None] * direction
    outside = np.abs(far).max(axis=1) > 2.5
    other = (cdist(far, funnels.centers) + funnels.biases).argmin(1) != heights.argmin(1)
    assert np.mean(outside | other) > 0.99


@pytest.mark.parametrize(("dimension", "count"), SIZES)
def test_real_samples_are_uniform_and_shares_do_not_depend_on_the_ray(dimension, count):
    """t^D is uniform: Kolmogorov-Smirnov at 1e-4 of 2,000 points, one draw of fixed seed."""
    funnels = drawn(dimension, count)
    fake, real = funnels.sample(2000, rng(1))
    assert np.abs(real).max() <= 2.5
    assert np.abs(fake).max() <= 2.5
    assert kstest(real.ravel(), "uniform", (-2.5, 5)).pvalue > 1e-4

    start = funnels.centers[(cdist(real, funnels.centers) + funnels.biases).argmin(1)]
    lengths = funnels.ray_lengths(real)
    share = np.linalg.norm(real - start, axis=1) / lengths
    assert kstest(share**dimension, "uniform").pvalue > 1e-4
    moved = np.linalg.norm(fake - start, axis=1) / lengths
    assert moved == pytest.approx(share**8, rel=0, abs=1e-11)


# Optimality ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dimension", "count"), SIZES)
def test_every_pair_lies_on_a_ray(dimension, count):
    funnels = drawn(dimension, count)
    fake, real = funnels.sample(1000, rng(1))
    cost = np.linalg.norm(real - fake, axis=1)
    gain = funnels.potential(real) - funnels.potential(fake)
    assert gain == pytest.approx(cost, rel=0, abs=EXACT)


@pytest.mark.parametrize(("dimension", "count"), [(2, 4), (2, 64), (16, 16), (128, 256)])
@pytest.mark.parametrize("n", [1, 2, 400])
def test_the_pairing_is_an_optimal_assignment(dimension, count, n):
    """The Hungarian method on the drawn clouds finds nothing cheaper, and no dearer optimum."""
    funnels = drawn(dimension, count)
    fake, real = funnels.sample(n, rng(1))
    costs = cdist(fake, real)
    rows, columns = linear_sum_assignment(costs)
    best = costs[rows, columns].sum()
    assert np.trace(costs) == pytest.approx(best, rel=0, abs=n * EXACT)
    gain = funnels.potential(real).sum() - funnels.potential(fake).sum()
    assert gain == pytest.approx(best, rel=0, abs=n * EXACT)

    # complementary slackness: no fake-real pair has a gain above its cost
    gains = funnels.potential(real)[None] - funnels.potential(fake)[:, None]
    assert np.all(gains <= costs + EXACT)


def test_w1_agrees_with_the_mean_of_pairs():
    """Within 4 joint standard errors, and with a smaller error; seeds are fixed."""
    for dimension, count in SIZES:
        funnels = drawn(dimension, count)
        fake, real = funnels.sample(4000, rng(1))
        costs = np.linalg.norm(real - fake, axis=1)
        plain_error = costs.std(ddof=1) / np.sqrt(4000)
        cost = funnels.w1(4000, rng(2))
        bound = 4 * np.hypot(plain_error, cost.standard_error)
        assert cost.value == pytest.approx(costs.mean(), rel=0, abs=bound)
        assert cost.standard_error < plain_error


def test_w1_of_one_funnel_on_a_line_is_known():
    """c = 0, L = 1, p = 2: real |x| ~ U(0, 1), fake x|x|: W1 = 1/2 - 1/3; every ray has length 1."""
    funnels = MinFunnels([[0.0]], [7.0], half_side=1.0, power=2.0)
    cost = funnels.w1(100, rng())
    assert cost.value == pytest.approx(1 / 6, rel=1e-15)
    assert cost.standard_error < 1e-16
    fake, real = funnels.sample(20_000, rng())
    assert fake.ravel() == pytest.approx(real.ravel() * np.abs(real.ravel()), rel=0, abs=EXACT)


def test_w1_of_several_funnels_on_a_line_agrees_with_scipy():
    funnels = drawn(1, 5)
    fake, real = funnels.sample(3000, rng(1))
    cost = np.abs(real - fake).mean()
    assert cost == pytest.approx(wasserstein_distance(fake.ravel(), real.ravel()), rel=0, abs=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("dimension", "count", "published"),
    [(2, 4, 0.81738), (2, 256, 0.13364), (16, 4, 1.94055), (16, 256, 1.39887), (128, 256, 1.04152)],
)
def test_w1_is_that_of_the_published_benchmark(dimension, count, published):
    """Its centers are another draw, and its W1 a mean of 4,096 pairs, whose standard error is at
    most 0.02: within 4 joint standard deviations of 30 draws of ours."""
    costs = [drawn(dimension, count, seed).w1(500, rng(99)).value for seed in range(30)]
    spread = np.hypot(np.std(costs, ddof=1), 0.02 if dimension > 2 else 0.008)
    assert published == pytest.approx(np.mean(costs), rel=0, abs=4 * spread)


def test_the_standard_error_covers():
    """Of 200 estimates with 200 points each, 95% lie within 1.96 errors of a long one. A share of
    200 trials has standard deviation 1.5%: 4 of them are 6.2%."""
    funnels = drawn(2, 4)
    truth = funnels.w1(400_000, rng(1)).value
    estimates = [funnels.w1(200, rng(seed)) for seed in range(2, 202)]
    inside = [abs(cost.value - truth) < 1.96 * cost.standard_error for cost in estimates]
    assert np.mean(inside) == pytest.approx(0.95, rel=0, abs=0.062)


# Scores -------------------------------------------------------------------------------------------


class Known(torch.nn.Module):
    """a f + b for MinFunnels f, in torch."""

    def __init__(self, funnels: MinFunnels, factor: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.centers = torch.nn.Parameter(torch.from_numpy(funnels.centers.copy()))
        self.biases = torch.from_numpy(funnels.biases)
        self.factor, self.offset = factor, offset

    def forward(self, x):
        heights = (x[:, None] - self.centers).norm(dim=2) + self.biases
        return self.factor * heights.min(dim=1, keepdim=True).values + self.offset


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.25])
def test_scores_of_multiples_of_the_optimal_critic(factor):
    """a f + b: cosine sign(a), l2 (a - 1)², ratio a; b does not matter."""
    funnels = drawn(16, 16)
    fake, real = funnels.sample(300, rng(1))
    scores = funnels.score(Known(funnels, factor, offset=5.0), fake, real)
    assert scores.cosine == pytest.approx(np.sign(factor), rel=0, abs=1e-12)
    assert scores.l2 == pytest.approx((factor - 1) ** 2, rel=0, abs=1e-12)
    assert scores.w1_ratio == pytest.approx(factor, rel=0, abs=1e-11)  # 5 + f, over a W1 of about 1
    assert scores.true_w1 == pytest.approx(np.linalg.norm(real - fake, axis=1).mean(), abs=1e-12)
    assert scores.w1 == pytest.approx(factor * scores.true_w1, rel=0, abs=1e-11)


def test_a_constant_critic_scores_nothing():
    funnels = drawn(2, 4)
    fake, real = funnels.sample(50, rng(1))
    for critic in (lambda x: 0 * x.sum(1), lambda x: torch.zeros(len(x))):
        scores = funnels.score(critic, fake, real)
        assert (scores.cosine, scores.w1, scores.w1_ratio) == (0, 0, 0)
        assert scores.l2 == pytest.approx(1, rel=0, abs=1e-12)


def test_a_critic_of_float32_is_asked_in_its_precision():
    funnels = drawn(4, 4)
    fake, real = funnels.sample(50, rng(1))
    torch.manual_seed(0)
    critic = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    scores = funnels.score(critic, fake, real)
    wide = funnels.score(critic.double(), fake, real)
    assert scores.cosine == pytest.approx(wide.cosine, rel=0, abs=1e-5)
    assert -1 <= scores.cosine <= 1


def test_a_critic_nearer_to_the_optimum_scores_better():
    """Funnels moved by 0.05 beside funnels moved by 2; both are 1-Lipschitz: neither exceeds W1."""
    funnels = drawn(2, 4)
    near, far = funnels.centers + 0.05, funnels.centers + 2.0
    fake, real = funnels.sample(1000, rng(1))
    scores = [
        funnels.score(Known(MinFunnels(np.clip(c, -5, 5), funnels.biases, 5.0)), fake, real)
        for c in (near, far)
    ]
    assert scores[0].cosine > scores[1].cosine
    assert scores[0].l2 < scores[1].l2
    assert scores[1].w1_ratio < scores[0].w1_ratio <= 1


# Degenerate ---------------------------------------------------------------------------------------


def test_equal_funnels_and_dead_ones_change_nothing():
    """A funnel twice, and one whose bias is so high that it is nowhere the lowest."""
    centers, biases = [[0.0, 0.0], [1.0, 1.0]], [0.0, 0.1]
    plain = MinFunnels(centers, biases)
    more = MinFunnels([*centers, [1.0, 1.0], [0.5, 0.0]], [*biases, 0.1, 9.0])
    for a, b in zip(plain.sample(500, rng()), more.sample(500, rng()), strict=True):
        assert a == pytest.approx(b, rel=0, abs=EXACT)


def test_a_dead_funnel_on_the_border_of_its_cell():
    """b_2 = b_1 + |c_1 - c_2| touches from above along one ray only."""
    funnels = MinFunnels([[0.0, 0.0], [1.0, 0.0]], [0.0, 1.0])
    fake, real = funnels.sample(500, rng())
    cost = np.linalg.norm(real - fake, axis=1)
    assert funnels.potential(real) - funnels.potential(fake) == pytest.approx(cost, abs=EXACT)
    assert np.isfinite(funnels.ray_lengths([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])).all()


@pytest.mark.parametrize("power", [1.0, 1.5, 1e3])
@pytest.mark.parametrize("half_side", [1e-8, 1e8])
def test_scales_and_powers(power, half_side):
    centers = half_side * rng().uniform(-1, 1, (8, 3))
    funnels = MinFunnels(centers, 0.1 * half_side * rng().normal(size=8), half_side, power)
    fake, real = funnels.sample(300, rng(1))
    cost = np.linalg.norm(real - fake, axis=1)
    gain = funnels.potential(real) - funnels.potential(fake)
    assert gain == pytest.approx(cost, rel=0, abs=EXACT * half_side)
    if power == 1:
        assert cost == pytest.approx(0, rel=0, abs=EXACT * half_side)
        with pytest.raises(UserError, match="samples that differ"):
            funnels.score(Known(funnels), real, real)


def test_funnels_far_below_the_others_take_the_whole_cube():
    funnels = MinFunnels([[0.0, 0.0], [1.0, 0.0]], [-100.0, 100.0])
    fake, real = funnels.sample(100, rng())
    assert funnels.potential(real) == pytest.approx(np.linalg.norm(real, axis=1) - 100, abs=EXACT)
    assert np.all(np.linalg.norm(fake, axis=1) < np.linalg.norm(real, axis=1))


REFUSED = [
    (lambda: MinFunnels([1.0], [1.0]), "centers"),
    (lambda: MinFunnels(np.zeros((0, 2)), []), "centers"),
    (lambda: MinFunnels([[0.0]], [0.0, 1.0]), "one bias"),
    (lambda: MinFunnels([[np.nan]], [0.0]), "finite"),
    (lambda: MinFunnels([[0.0]], [np.inf]), "finite"),
    (lambda: MinFunnels([[3.0]], [0.0]), "at least 3"),
    (lambda: MinFunnels([[0.0]], [0.0], half_side=0), "half_side"),
    (lambda: MinFunnels([[0.0]], [0.0], power=0.5), "power"),
    (lambda: drawn(0, 1), "dimension"),
    (lambda: drawn(1, 0), "funnels"),
    (lambda: drawn(1, 1, half_side=-1.0), "half_side"),
    (lambda: drawn(2, 1).sample(0, rng()), "n=0"),
    (lambda: drawn(2, 1).w1(1, rng()), "n=1"),
    (lambda: drawn(2, 1).potential([1.0, 2.0]), r"\(n, 2\)"),
    (lambda: drawn(2, 1).potential([[1.0]]), r"\(n, 2\)"),
    (lambda: drawn(2, 1).gradient([[1.0, np.nan]]), "finite"),
    (lambda: drawn(2, 1).ray_lengths([[1.0, 9.0]]), "outside"),
    (lambda: drawn(1, 1).score(lambda x: x.sum(), [[1.0]], [[2.0]]), "one each"),
    (lambda: drawn(1, 1).score(lambda x: x[:, 0] * torch.nan, [[1.0]], [[2.0]]), "not finite"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_is_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()
