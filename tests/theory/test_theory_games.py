"""Games: updates against closed forms, equilibria against the definition, by hand and by numbers."""

from __future__ import annotations

import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from gan_lab.errors import UserError
from gan_lab.losses import nonsaturating, vanilla
from gan_lab.theory import (
    BilinearGame,
    DiracGAN,
    NoNashGame,
    bilinear_eigenvalues,
    game_trajectory,
    generator_slopes,
    local_nash,
    update_matrix,
)

METHODS = ["simultaneous", "alternating", "extragradient", "optimistic", "consensus"]
ONE = BilinearGame([[1.0]])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def torch_field(game, z):
    """F by automatic differentiation of the game's value."""
    point = torch.from_numpy(z).requires_grad_()
    m = game.sizes[0]
    (slope,) = torch.autograd.grad(game.value(point[:m], point[m:]), point)
    slope = slope.clone()
    slope[m:] *= -1
    return slope.numpy()


GAMES = [
    BilinearGame(rng(3).normal(size=(3, 2))),
    DiracGAN(),
    DiracGAN("logistic", penalty=0.7),
    DiracGAN("wasserstein", penalty=0.2),
    NoNashGame(2.0, 3),
    NoNashGame(0.5, 1),
]


# Fields -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
def test_fields_and_jacobians_are_derivatives_of_the_value(game):
    """Against autograd; the Jacobian against central differences, which err by about h² = 1e-10."""
    m = game.sizes[0]
    for seed in range(5):
        z = rng(seed).normal(size=sum(game.sizes))
        if isinstance(game, NoNashGame):
            z[m] = rng(seed).uniform(-1, 0.5)  # a < 1
        assert game.field(z) == pytest.approx(torch_field(game, z), rel=1e-12, abs=1e-12)
        columns = [
            (game.field(z + 1e-5 * unit) - game.field(z - 1e-5 * unit)) / 2e-5
            for unit in np.eye(len(z))
        ]
        assert game.jacobian(z) == pytest.approx(np.stack(columns, 1), rel=1e-7, abs=1e-7)


def test_dirac_gan_by_hand():
    """f'(θψ) = σ(-θψ): at θ = 2, ψ = 0 it is 1/2, so F = (0, -1)."""
    assert DiracGAN().field(np.array([2.0, 0.0])).tolist() == [0, -1]
    assert DiracGAN("wasserstein").field(np.array([2.0, 3.0])).tolist() == [3, -2]
    assert DiracGAN(penalty=0.5).field(np.array([0.0, 4.0])).tolist() == [2, 2]


# Updates ------------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.sampled_from(METHODS),
    st.floats(0.05, 4),
    st.floats(0.05, 4),
    st.floats(0, 2),
)
def test_closed_eigenvalues_are_those_of_the_update(method, sigma, step_size, consensus):
    """As polynomials, since a double eigenvalue alone is right to sqrt(eps) only."""
    matrix = update_matrix(BilinearGame([[sigma]]), method, step_size, consensus=consensus)
    closed = bilinear_eigenvalues(method, sigma, step_size, consensus=consensus)
    size = np.abs(closed).max() ** len(closed) + 1
    assert np.poly(closed) == pytest.approx(np.poly(matrix), rel=0, abs=1e-13 * 16 * size)


@pytest.mark.parametrize("method", METHODS)
def test_eigenvalues_of_a_matrix_are_those_of_its_singular_values(method):
    """A 4x3 game: three singular values, and a direction of u that nothing moves."""
    matrix = rng(5).normal(size=(4, 3))
    update = update_matrix(BilinearGame(matrix), method, 0.1)
    sigmas = [*np.linalg.svd(matrix)[1], 0.0]
    closed = np.concatenate([bilinear_eigenvalues(method, sigma, 0.1) for sigma in sigmas])
    for eigenvalue in np.linalg.eigvals(update):
        assert np.abs(closed - eigenvalue).min() < 1e-7  # sqrt(eps) at double ones
    for eigenvalue in closed:
        assert np.abs(np.linalg.eigvals(update) - eigenvalue).min() < 1e-7


@pytest.mark.parametrize(
    "game",
    [BilinearGame(rng(2).normal(size=(2, 3))), DiracGAN(penalty=0.3)],
    ids=lambda game: type(game).__name__,
)
@pytest.mark.parametrize("method", METHODS)
def test_the_update_matrix_is_the_derivative_of_a_step(game, method):
    """One step from a point near 0: the rest is of second order in 1e-6. Optimistic by its two
    first steps, of which the first is a simultaneous one: (z_1, z_0)."""
    size, s = sum(game.sizes), 0.3
    matrix = update_matrix(game, method, s)
    z = 1e-6 * rng(1).normal(size=size)
    path = game_trajectory(game, method, z, s, 2)
    points = np.concatenate([path.u, path.v], axis=1)
    if method == "optimistic":
        assert (matrix @ np.concatenate([points[1], z]))[:size] == pytest.approx(
            points[2], rel=0, abs=1e-11
        )
    else:
        assert matrix @ z == pytest.approx(points[1], rel=0, abs=1e-11)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("step_size", [0.1, 0.4])
def test_simultaneous_spirals_out_by_its_eigenvalue(sigma, step_size):
    """The update is a rotation times sqrt(1 + s²σ²): every single step grows so."""
    path = game_trajectory(BilinearGame([[sigma]]), "simultaneous", [0.6, 0.8], step_size, 200)
    growth = math.sqrt(1 + (step_size * sigma) ** 2)
    norms = np.hypot(path.u[:, 0], path.v[:, 0])
    assert growth > 1
    assert norms[1:] / norms[:-1] == pytest.approx(growth, rel=1e-13)
    assert path.growth == pytest.approx(growth, rel=1e-13)
    assert np.abs(bilinear_eigenvalues("simultaneous", sigma, step_size)) == pytest.approx(growth)


@pytest.mark.parametrize("step_size", [0.01, 0.5, 1.0, 1.9])
def test_alternating_cycles(step_size):
    """It keeps ‖u‖² + ‖v‖² - s u'Av to rounding, a positive form for s σ < 2, and |eigenvalue| is 1."""
    matrix = rng(1).normal(size=(3, 3))
    matrix /= np.linalg.svd(matrix)[1][0]
    path = game_trajectory(
        BilinearGame(matrix), "alternating", rng(2).normal(size=6), step_size, 2000
    )
    kept = (
        (path.u**2).sum(1)
        + (path.v**2).sum(1)
        - step_size * np.einsum("ti,ij,tj->t", path.u, matrix, path.v)
    )
    assert kept == pytest.approx(kept[0], rel=1e-11)  # 2,000 steps of a few eps each
    for sigma in np.linalg.svd(matrix)[1]:
        eigenvalues = bilinear_eigenvalues("alternating", sigma, step_size)
        assert np.abs(eigenvalues) == pytest.approx(1, rel=1e-13)


def test_alternating_leaves_where_step_times_sigma_is_above_2():
    """s σ = 2.5: 1 - 3.125 - 2.5 sqrt(0.5625) = -4."""
    assert bilinear_eigenvalues("alternating", 1.0, 2.5).real.tolist() == [-0.25, -4]
    assert game_trajectory(ONE, "alternating", [1, 0], 2.5, 40).growth == pytest.approx(4, rel=1e-9)


@pytest.mark.parametrize("step_size", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("method", ["extragradient", "optimistic", "consensus"])
def test_the_others_converge_by_their_eigenvalue(method, step_size):
    """Extragradient and consensus are normal matrices, exact at each step; optimistic has other
    eigenvalues of at most (1 - sqrt(1 - 4r²))/2 in square, gone after 400 steps (at r = 1/2 it has a
    double one, and t μ^t falls by 2^(1/200) slower)."""
    path = game_trajectory(ONE, method, [0.6, 0.8], step_size, 400)
    radius = np.abs(bilinear_eigenvalues(method, 1.0, step_size)).max()
    assert radius < 1
    tolerance = 5e-3 if method == "optimistic" and step_size == 0.5 else 1e-12
    assert path.growth == pytest.approx(radius, rel=tolerance)
    assert np.hypot(path.u[-1], path.v[-1]) < 0.2


@pytest.mark.parametrize(
    ("method", "threshold"), [("extragradient", 1.0), ("optimistic", 1 / math.sqrt(3))]
)
def test_where_convergence_ends(method, threshold):
    for factor, converges in ((0.999, True), (1.001, False)):
        radius = np.abs(bilinear_eigenvalues(method, 2.0, factor * threshold / 2)).max()
        assert (radius < 1) == converges
    assert np.abs(bilinear_eigenvalues(method, 1.0, threshold)).max() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_dirac_gan_near_its_equilibrium(method, penalty):
    """There the field is linear up to the square of 1e-5."""
    game = DiracGAN(penalty=penalty)
    radius = np.abs(np.linalg.eigvals(update_matrix(game, method, 0.1))).max()
    path = game_trajectory(game, method, [1e-5, 0.0], 0.1, 1000)
    if method == "alternating" and penalty == 0:  # cycles of an ellipse, whose axes differ by 2.5%
        assert radius == pytest.approx(1, rel=1e-13)
        assert path.growth == pytest.approx(1, rel=1e-3)
    elif penalty == 0:
        assert path.growth == pytest.approx(radius, rel=1e-5)
    # with γ = 1 and f'(0) = 1/2 both eigenvalues of the field are γ/2: convergence
    else:
        assert radius < 1
        assert path.growth < 1
    assert (radius > 1) == (method == "simultaneous" and penalty == 0)


def test_a_penalty_lets_simultaneous_steps_converge():
    """Mescheder et al.: eigenvalues of F' are γ/2 ± sqrt(γ²/4 - f'(0)²)."""
    for penalty in (0.1, 0.6, 1.5):
        eigenvalues = np.sort_complex(
            np.linalg.eigvals(DiracGAN(penalty=penalty).jacobian(np.zeros(2)))
        )
        root = np.sqrt(complex(penalty**2 / 4 - 0.25))
        assert eigenvalues == pytest.approx(
            np.sort_complex([penalty / 2 - root, penalty / 2 + root]), rel=1e-12
        )
        path = game_trajectory(DiracGAN(penalty=penalty), "simultaneous", [1.0, 1.0], 0.1, 3000)
        assert np.hypot(path.u[-1], path.v[-1]) < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_start_in_equilibrium_stays(method):
    path = game_trajectory(ONE, method, [0.0, 0.0], 0.5, 3)
    assert not path.u.any()
    assert math.isnan(path.growth)


# Equilibria ---------------------------------------------------------------------------------------


def quadratic(a, b):
    """u'Au/2 + u'v - v'Bv/2."""
    a, b = (torch.from_numpy(np.asarray(m, dtype=np.float64)) for m in (a, b))
    return lambda u, v: u @ a @ u / 2 + (u * v[: len(u)]).sum() - v @ b @ v / 2


def zeros(n):
    return torch.zeros(n, dtype=torch.float64)


@pytest.mark.thorough
@pytest.mark.parametrize("n", [1, 5, 64, 65, 300])
def test_eigenvalues_of_the_blocks_against_numpy(n):
    """Written out up to 64 parameters, by Lanczos above; each to 1e-9 of the largest."""
    a, b = (m @ m.T / n - 0.1 * np.eye(n) for m in rng(1).normal(size=(2, n, n)))
    found = local_nash(quadratic(a, b), zeros(n), zeros(n))
    assert found.stationarity == 0
    assert found.smallest_eigenvalue_u == pytest.approx(np.linalg.eigvalsh(a)[0], rel=0, abs=4e-9)
    assert found.smallest_eigenvalue_v == pytest.approx(np.linalg.eigvalsh(b)[0], rel=0, abs=4e-9)


@pytest.mark.parametrize(
    ("a", "b", "kind"),
    [
        (1, 1, "strict"),
        (-1, 1, "saddle"),
        (1, -1, "saddle"),
        (0, 1, "undecided"),
        (0, 0, "undecided"),
    ],
)
@pytest.mark.parametrize("n", [2, 80])
def test_verdicts(a, b, kind, n):
    assert local_nash(quadratic(a * np.eye(n), b * np.eye(n)), zeros(n), zeros(n)).kind == kind


@pytest.mark.parametrize(("a", "kind"), [(0.01, "strict"), (-0.01, "saddle")])
def test_curvature_below_the_tolerance_decides_nothing(a, kind):
    value = quadratic(a * np.eye(2), np.eye(2))
    assert local_nash(value, zeros(2), zeros(2), tolerance=1e-3).kind == kind
    assert local_nash(value, zeros(2), zeros(2), tolerance=0.1).kind == "undecided"


def test_gradients_by_hand():
    """V = u² + 3uv - v² at (1, 2): ∇_u = 2 + 6, ∇_v = 3 - 4."""
    found = local_nash(
        lambda u, v: (u * u + 3 * u * v - v * v).sum(),
        torch.ones(1, dtype=torch.float64),
        2 * torch.ones(1, dtype=torch.float64),
    )
    assert (found.gradient_norm_u, found.gradient_norm_v, found.stationarity) == (8, 1, 65)
    assert (found.smallest_eigenvalue_u, found.smallest_eigenvalue_v) == (2, 2)
    assert found.kind == "moving"


def test_the_equilibrium_of_bilinear_and_dirac_games_is_undecided_by_curvature():
    for game in (BilinearGame(rng().normal(size=(70, 70))), DiracGAN()):
        m, n = game.sizes
        found = local_nash(game.value, zeros(m), zeros(n))
        assert found.kind == "undecided"
        assert found.stationarity == 0


def test_a_player_without_influence():
    found = local_nash(lambda u, v: -(v * v).sum(), zeros(3), zeros(80))
    assert (found.smallest_eigenvalue_u, found.smallest_eigenvalue_v) == (0, pytest.approx(2))


def test_networks_as_players():
    """Parameters of two small networks, through torch.func.functional_call, in float32."""
    torch.manual_seed(0)
    generator, critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    real, noise = torch.randn(32, 2), torch.randn(32, 2)

    def unpack(module, vector):
        parts, begin = {}, 0
        for name, parameter in module.named_parameters():
            parts[name] = vector[begin : begin + parameter.numel()].view_as(parameter)
            begin += parameter.numel()
        return parts

    def value(u, v):
        fake = torch.func.functional_call(generator, unpack(generator, u), (noise,))
        scores = [torch.func.functional_call(critic, unpack(critic, v), (x,)) for x in (real, fake)]
        return scores[0].mean() - scores[1].mean() - v.square().sum() / 2

    vectors = [torch.nn.utils.parameters_to_vector(m.parameters()) for m in (generator, critic)]
    found = local_nash(value, *vectors)
    assert found.kind == "moving"
    assert found.smallest_eigenvalue_u == 0  # linear in the generator
    assert found.smallest_eigenvalue_v == pytest.approx(1, rel=1e-6)


# No equilibrium -----------------------------------------------------------------------------------


def test_the_value_is_the_dual_of_the_quadratic_cost():
    """D^c by maximising numerically, expectations by Gauss-Hermite rules, exact for quadratics."""
    game, (u, a, b) = NoNashGame(1.7, 1), (0.4, 0.3, -0.6)
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    weights = weights / weights.sum()

    def critic(x):
        return a / 2 * x**2 + b * x

    def conjugate(y):
        return -minimize(lambda x: (x[0] - y) ** 2 / 2 - critic(x[0]), [y], tol=1e-12).fun

    value = weights @ critic(1.7 * nodes) - weights @ [conjugate(z + u) for z in nodes]
    computed = game.value(
        torch.tensor([u], dtype=torch.float64), torch.tensor([a, b], dtype=torch.float64)
    )
    assert float(computed) == pytest.approx(value, rel=0, abs=1e-9)
    assert float(game.value(zeros(1), torch.tensor([1.5, 0.0]).double())) == -math.inf


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_the_best_critic_gives_half_of_the_squared_distance(sigma):
    """max over (a, b) by BFGS, against POT's distance of two Gaussians."""
    game, u = NoNashGame(sigma, 2), np.array([0.7, -0.2])

    def loss(v):
        return -float(game.value(torch.from_numpy(u), torch.from_numpy(v)))

    best = minimize(
        lambda v: loss(np.append(1 - np.exp(v[0]), v[1:])), np.zeros(3), options={"gtol": 1e-9}
    )
    distance = ot.gaussian.bures_wasserstein_distance(
        np.zeros(2), u, sigma**2 * np.eye(2), np.eye(2)
    )
    assert -best.fun == pytest.approx(distance**2 / 2, rel=1e-6)
    assert 1 - np.exp(best.x[0]) == pytest.approx(1 - 1 / sigma, rel=0, abs=1e-4)
    assert best.x[1:] == pytest.approx(-u, rel=0, abs=1e-4)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.floats(0.1, 10), st.integers(1, 6), st.integers(0, 1000))
def test_no_nash_equilibrium_where_the_data_are_wider(sigma, dimension, seed):
    game = NoNashGame(sigma, dimension)
    u, v = game.stationary_point()
    found = local_nash(game.value, u, v, epsilon=1e-20 * (1 + sigma**4 * dimension) ** 2)
    assert found.smallest_eigenvalue_u == pytest.approx(1 - sigma, rel=0, abs=1e-12 * (1 + sigma))
    assert found.smallest_eigenvalue_v > 0
    if abs(sigma - 1) > 1e-6:
        assert found.kind == ("saddle" if sigma > 1 else "strict")

    # by the definition: a generator's small move, the critic as it is, changes V by (1-σ)/2 ‖ε‖²
    move = 1e-2 * torch.from_numpy(rng(seed).normal(size=dimension))
    gain = float(game.value(u + move, v) - game.value(u, v))
    scale = 1 + abs(float(game.value(u, v)))
    assert gain == pytest.approx((1 - sigma) / 2 * float(move @ move), rel=1e-9, abs=1e-13 * scale)


def test_nowhere_else_is_a_gradient_zero():
    """V is strictly concave in (a, b), so v must be its maximum, where b = -u and ∇_u V = u."""
    for seed in range(20):
        sigma, u = 2.5, rng(seed).normal(size=3)
        best = np.concatenate([u, [1 - 1 / sigma], -u])
        field = NoNashGame(sigma, 3).field(best)
        assert field[:3] == pytest.approx(u, rel=1e-12)
        assert field[3:] == pytest.approx(0, abs=1e-12)
        hessian_v = NoNashGame(sigma, 3).jacobian(best + 0.1 * rng(seed).normal(size=7))[3:, 3:]
        assert np.linalg.eigvalsh(hessian_v)[0] > 0  # of -V


def test_gradient_play_may_stay_where_there_is_no_equilibrium():
    """At the stationary point F' has trace 1 and determinant σ in each (u, b): both eigenvalues have
    positive real parts, so small simultaneous steps converge to a point that is no equilibrium."""
    game = NoNashGame(2.0, 1)
    point = np.concatenate([part.numpy() for part in game.stationary_point()])
    eigenvalues = np.linalg.eigvals(game.jacobian(point))
    assert eigenvalues.real.min() == pytest.approx(0.5, rel=1e-12)
    path = game_trajectory(game, "simultaneous", point + np.array([0.05, 0.01, -0.05]), 0.05, 1000)
    assert np.append(path.u[-1], path.v[-1]) == pytest.approx(point, rel=0, abs=1e-9)
    matrix = update_matrix(game, "simultaneous", 0.05, at=point)
    assert np.abs(np.linalg.eigvals(matrix)).max() < 1


# The generator's gradient -------------------------------------------------------------------------


def test_slopes_against_the_losses():
    logits = torch.linspace(-30, 30, 61, dtype=torch.float64)
    slopes = generator_slopes(logits.numpy())
    for loss, found in ((vanilla(), slopes.saturating), (nonsaturating(), slopes.non_saturating)):
        s = logits.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss.generator(s) * len(s), s)
        assert found == pytest.approx(slope.numpy(), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("d", [0.5, 1e-3, 1e-9, 1e-100, 1e-300])
def test_saturation_as_the_critic_rejects(d):
    """D → 0: d log(1-D)/ds = -D vanishes, d(-log D)/ds = D - 1 tends to -1; at D = 1/2 they agree."""
    slopes = generator_slopes(math.log(d) - math.log1p(-d))
    assert slopes.saturating == pytest.approx(-d, rel=1e-12)
    assert slopes.non_saturating == pytest.approx(d - 1, rel=1e-12)


REFUSED = [
    (lambda: BilinearGame([1.0]), "matrix"),
    (lambda: BilinearGame([[np.nan]]), "finite"),
    (lambda: BilinearGame(np.zeros((0, 2))), "matrix"),
    (lambda: DiracGAN("hinge"), "choose one of logistic, wasserstein"),
    (lambda: DiracGAN(penalty=-1.0), "penalty"),
    (lambda: NoNashGame(0.0), "sigma"),
    (lambda: NoNashGame(1.0, 0), "dimension"),
    (lambda: game_trajectory(ONE, "adam", [1, 1], 0.1, 1), "choose one of simultaneous"),
    (lambda: game_trajectory(ONE, "simultaneous", [1, 1, 1], 0.1, 1), "use 2 finite numbers"),
    (lambda: game_trajectory(ONE, "simultaneous", [1, np.inf], 0.1, 1), "finite"),
    (lambda: game_trajectory(ONE, "simultaneous", [1, 1], 0.0, 1), "step_size"),
    (lambda: game_trajectory(ONE, "simultaneous", [1, 1], 0.1, 0), "steps"),
    (lambda: game_trajectory(ONE, "consensus", [1, 1], 0.1, 1, consensus=-1.0), "consensus"),
    (lambda: game_trajectory(ONE, "simultaneous", [1, 1], 1e30, 100), "past float64"),
    (lambda: update_matrix(ONE, "simultaneous", 0.1, at=[1.0, 1.0]), "F = 0"),
    (lambda: bilinear_eigenvalues("simultaneous", -1.0, 0.1), "singular_value"),
    (lambda: local_nash(lambda u, v: u @ v, zeros(0), zeros(0)), "vector"),
    (lambda: local_nash(lambda u, v: u.sum(), torch.zeros(2, 2), zeros(1)), "vector"),
    (lambda: local_nash(lambda u, v: u.log().sum() + v.sum(), zeros(1), zeros(1)), "one finite"),
    (lambda: local_nash(lambda u, v: u.sqrt().sum() + v.sum(), zeros(1), zeros(1)), "of norm"),
    (lambda: local_nash(lambda u, v: u * v, zeros(2), zeros(2)), "one finite number"),
    (lambda: local_nash(lambda u, v: (u**1.5).sum() + v.sum(), zeros(2), zeros(1)), "Hessian"),
    (lambda: local_nash(lambda u, v: (u**1.5).sum() + v.sum(), zeros(80), zeros(1)), "Hessian"),
    (lambda: game_trajectory(NoNashGame(), "simultaneous", [0, -5, 0], 9.0, 9), "smaller step"),
    (lambda: generator_slopes([np.nan]), "finite"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_is_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()
