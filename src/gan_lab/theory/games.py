"""Two-player games: what update rules do to them, and where an equilibrium is, or is not.

V(u, v): the generator's u makes it small, the critic's v makes it large. z = (u, v), and
F(z) = (∇_u V, -∇_v V) is the direction that both leave.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from scipy.special import expit
from torch import Tensor

from gan_lab import checks
from gan_lab.errors import UserError

Array = NDArray[np.float64]
Value = Callable[[Tensor, Tensor], Tensor]

DENSE = 64  # a Hessian block of at most so many parameters is written out


# Games --------------------------------------------------------------------------------------------


class Game(Protocol):
    """The methods that `game_trajectory` and `update_matrix` ask for."""

    @property
    def sizes(self) -> tuple[int, int]:
        """The lengths of u and of v."""

    def field(self, z: Array) -> Array:
        """F(z), of the shape of z = (u, v)."""

    def jacobian(self, z: Array) -> Array:
        """F'(z), square."""


class BilinearGame:
    """V(u, v) = u' A v, whose only equilibrium is 0 where A is invertible.

    Args:
        matrix: A, (m, n), finite.

    Raises:
        UserError: for anything else.

    Source:
        Daskalakis et al. 2018 (arXiv:1711.00141).

    Examples:
        >>> import numpy as np
        >>> from gan_lab.theory import BilinearGame
        >>> BilinearGame([[2.0]]).field(np.array([1.0, 3.0]))
        array([ 6., -2.])
    """

    def __init__(self, matrix: ArrayLike) -> None:
        self.matrix = np.array(matrix, dtype=np.float64)
        if self.matrix.ndim != 2 or not self.matrix.size or not np.isfinite(self.matrix).all():
            raise UserError(
                f"matrix of shape {self.matrix.shape}: use a matrix (m, n) of finite numbers"
            )

    @property
    def sizes(self) -> tuple[int, int]:
        """(m, n)."""
        return self.matrix.shape[0], self.matrix.shape[1]

    def value(self, u: Tensor, v: Tensor) -> Tensor:
        """V(u, v) in torch, for `local_nash`."""
        return u @ torch.from_numpy(self.matrix).to(u) @ v

    def field(self, z: Array) -> Array:
        """(A v, -A' u)."""
        u, v = np.split(z, [self.sizes[0]])
        return np.concatenate([self.matrix @ v, -self.matrix.T @ u])

    def jacobian(self, z: Array) -> Array:
        """[[0, A], [-A', 0]]."""
        m, n = self.sizes
        return np.block([[np.zeros((m, m)), self.matrix], [-self.matrix.T, np.zeros((n, n))]])


def _logistic_slope(t: float) -> float:
    return float(expit(-t))


def _logistic_curvature(t: float) -> float:
    return -float(expit(t) * expit(-t))


def _linear_slope(_: float) -> float:
    return 1.0


def _linear_curvature(_: float) -> float:
    return 0.0


# name -> f', f'' of the value f(θψ) + f(0)
DIRAC_LOSSES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "logistic": (_logistic_slope, _logistic_curvature),
    "wasserstein": (_linear_slope, _linear_curvature),
}


@dataclass(frozen=True)
class DiracGAN:
    """V(θ, ψ) = f(θψ) + f(0) - γ/2 ψ²: a point θ that should come to 0, and a critic D(x) = ψ x.

    The real distribution is a point at 0, the generated one a point at θ. Its only equilibrium is
    0. Without γ gradient steps circle around it; the penalty, ‖∇D‖² at any point, lets them
    converge.

    Args:
        loss: logistic, f(t) = -log(1 + e^-t), or wasserstein, f(t) = t.
        penalty: γ >= 0.

    Raises:
        UserError: for another loss or penalty.

    Source:
        Mescheder, Geiger and Nowozin 2018 (arXiv:1801.04406), Definition 2.1.

    Examples:
        >>> import numpy as np
        >>> from gan_lab.theory import DiracGAN
        >>> DiracGAN().field(np.array([2.0, 0.0]))  # f'(0) = 1/2
        array([ 0., -1.])
    """

    loss: str = "logistic"
    penalty: float = 0.0

    def __post_init__(self) -> None:
        checks.choice("loss", self.loss, DIRAC_LOSSES)
        checks.number("penalty", self.penalty, at_least=0)

    @property
    def sizes(self) -> tuple[int, int]:
        """(1, 1)."""
        return 1, 1

    def value(self, u: Tensor, v: Tensor) -> Tensor:
        """V(θ, ψ) in torch, for `local_nash`."""
        product = (u * v).sum()
        if self.loss == "logistic":
            gain = torch.nn.functional.logsigmoid(product) - math.log(2)
        else:
            gain = product
        return gain - self.penalty / 2 * v.square().sum()

    def field(self, z: Array) -> Array:
        """(f'(θψ) ψ, -f'(θψ) θ + γ ψ)."""
        theta, psi = z
        slope = DIRAC_LOSSES[self.loss][0](theta * psi)
        return np.array([slope * psi, -slope * theta + self.penalty * psi])

    def jacobian(self, z: Array) -> Array:
        """The derivatives of `field`."""
        theta, psi = z
        slope, curvature = (part(theta * psi) for part in DIRAC_LOSSES[self.loss])
        mixed = slope + curvature * theta * psi
        return np.array(
            [[curvature * psi**2, mixed], [-mixed, -curvature * theta**2 + self.penalty]]
        )


@dataclass(frozen=True)
class NoNashGame:
    """A Wasserstein GAN whose best generator is no Nash equilibrium: there is none where σ > 1.

    Real x ~ N(0, σ² I) in d dimensions. The generator g(z) = z + u, z ~ N(0, I), can move and not
    widen. The critic D(x) = a/2 ‖x‖² + b' x, v = (a, b), plays the dual of the quadratic cost,

        V = E D(x) - E D^c(g(z)),  D^c(y) = sup_x D(x) - ‖x - y‖²/2 = ‖y + b‖²/(2 (1-a)) - ‖y‖²/2,

    that is, for a < 1 (-∞ beyond),

        V(u, (a, b)) = d/2 (a σ² - a/(1-a)) + ‖u‖²/2 - ‖u + b‖²/(2 (1-a)).

    V is strictly concave in (a, b), and its maximum is half the squared 2-Wasserstein distance,
    (‖u‖² + d (σ-1)²)/2, at a = 1 - 1/σ, b = -u. So u = 0 is the best generator, and the only point
    without a gradient. There the generator's Hessian is (1-σ) I: for σ > 1 every small move makes V
    smaller until the critic answers. For σ < 1 it is a strict equilibrium.

    Args:
        sigma: σ > 0 of the real data.
        dimension: d >= 1.

    Raises:
        UserError: for numbers out of range.

    Source:
        Farnia and Ozdaglar 2020 (arXiv:2002.09124) show that such games exist; this one is worked
        out here.

    Examples:
        >>> import torch
        >>> from gan_lab.theory import NoNashGame, local_nash
        >>> game = NoNashGame(sigma=3.0, dimension=2)
        >>> u, v = game.stationary_point()
        >>> found = local_nash(game.value, u, v)
        >>> found.kind, round(found.smallest_eigenvalue_u, 6)
        ('saddle', -2.0)
    """

    sigma: float = 2.0
    dimension: int = 1

    def __post_init__(self) -> None:
        checks.number("sigma", self.sigma, above=0)
        checks.whole("dimension", self.dimension, at_least=1)

    @property
    def sizes(self) -> tuple[int, int]:
        """(d, 1 + d)."""
        return self.dimension, 1 + self.dimension

    def stationary_point(self) -> tuple[Tensor, Tensor]:
        """(u, v), the only point at which both gradients are zero, float64."""
        u = torch.zeros(self.dimension, dtype=torch.float64)
        v = torch.zeros(1 + self.dimension, dtype=torch.float64)
        v[0] = 1 - 1 / self.sigma
        return u, v

    def value(self, u: Tensor, v: Tensor) -> Tensor:
        """V(u, v) in torch, for `local_nash`."""
        a, b = v[0], v[1:]
        spread = self.dimension / 2 * (a * self.sigma**2 - a / (1 - a))
        inside = spread + u.square().sum() / 2 - (u + b).square().sum() / (2 * (1 - a))
        return torch.where(a < 1, inside, -torch.inf)

    def field(self, z: Array) -> Array:
        """F(z) for a < 1."""
        u, apart, room = self._split(z)
        slope = self.dimension / 2 * (self.sigma**2 - 1 / room**2) - apart @ apart / (2 * room**2)
        return np.concatenate([u - apart / room, [-slope], apart / room])

    def jacobian(self, z: Array) -> Array:
        """The derivatives of `field` for a < 1."""
        _, apart, room = self._split(z)
        unit = np.eye(self.dimension)
        bent = (apart / room**2)[:, None]
        curvature = self.dimension / room**3 + apart @ apart / room**3
        return np.block(
            [
                [unit - unit / room, -bent, -unit / room],
                [bent.T, np.array([[curvature]]), bent.T],
                [unit / room, bent, unit / room],
            ]
        )

    def _split(self, z: Array) -> tuple[Array, Array, float]:
        """u, u + b and 1 - a."""
        u, (a,), b = np.split(z, [self.dimension, self.dimension + 1])
        if not a < 1:
            raise UserError(f"a={a:g}: V is -∞ from a = 1 on: use a smaller step, or start below")
        return u, u + b, float(1 - a)


# Updates ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GameTrajectory:
    """Where a game went.

    Args:
        u: (steps + 1, m), the start first.
        v: (steps + 1, n).
        growth: the factor by which ‖(u, v)‖ grew at each step of the second half, on average:
            above 1 it leaves the origin, below 1 it comes. nan where a norm is 0.

    Examples:
        >>> from gan_lab.theory import BilinearGame, game_trajectory
        >>> path = game_trajectory(BilinearGame([[1.0]]), "alternating", [1.0, 0.0], 1.0, 6)
        >>> path.u.ravel(), path.v.ravel()  # a cycle of six
        (array([ 1.,  1.,  0., -1., -1.,  0.,  1.]), array([ 0.,  1.,  1.,  0., -1., -1.,  0.]))
    """

    u: Array
    v: Array
    growth: float


@dataclass(frozen=True)
class _Settings:
    """The numbers of an update rule."""

    step_size: float
    consensus: float


Update = Callable[[Game, _Settings, Array, Array], Array]  # z_t, z_{t-1} -> z_{t+1}
UpdateMatrix = Callable[[Array, int, _Settings], Array]  # F', the length of u -> derivative


def _simultaneous(game: Game, settings: _Settings, z: Array, _: Array) -> Array:
    return z - settings.step_size * game.field(z)


def _alternating(game: Game, settings: _Settings, z: Array, _: Array) -> Array:
    m = game.sizes[0]
    moved = z.copy()
    moved[:m] -= settings.step_size * game.field(z)[:m]
    moved[m:] -= settings.step_size * game.field(moved)[m:]
    return moved


def _extragradient(game: Game, settings: _Settings, z: Array, _: Array) -> Array:
    ahead = z - settings.step_size * game.field(z)
    return z - settings.step_size * game.field(ahead)


def _optimistic(game: Game, settings: _Settings, z: Array, before: Array) -> Array:
    return z - settings.step_size * (2 * game.field(z) - game.field(before))


def _consensus(game: Game, settings: _Settings, z: Array, _: Array) -> Array:
    field = game.field(z)
    return z - settings.step_size * (field + settings.consensus * game.jacobian(z).T @ field)


def _simultaneous_matrix(jacobian: Array, _: int, settings: _Settings) -> Array:
    return np.eye(len(jacobian)) - settings.step_size * jacobian


def _alternating_matrix(jacobian: Array, m: int, settings: _Settings) -> Array:
    # (I + s L) z' = (I - s (F' - L)) z, L the part of F' by which v sees the new u
    seen = np.zeros_like(jacobian)
    seen[m:, :m] = jacobian[m:, :m]
    unit, step = np.eye(len(jacobian)), settings.step_size
    moved = np.linalg.solve(unit + step * seen, unit - step * (jacobian - seen))
    return np.asarray(moved, dtype=np.float64)


def _extragradient_matrix(jacobian: Array, m: int, settings: _Settings) -> Array:
    ahead = _simultaneous_matrix(jacobian, m, settings)
    return np.eye(len(jacobian)) - settings.step_size * jacobian @ ahead


def _optimistic_matrix(jacobian: Array, _: int, settings: _Settings) -> Array:
    # of (z_t, z_{t-1})
    unit, step = np.eye(len(jacobian)), settings.step_size
    return np.block([[unit - 2 * step * jacobian, step * jacobian], [unit, np.zeros_like(unit)]])


def _consensus_matrix(jacobian: Array, _: int, settings: _Settings) -> Array:
    pulled = jacobian + settings.consensus * jacobian.T @ jacobian
    return np.eye(len(jacobian)) - settings.step_size * pulled


METHODS: dict[str, tuple[Update, UpdateMatrix]] = {
    "simultaneous": (_simultaneous, _simultaneous_matrix),
    "alternating": (_alternating, _alternating_matrix),
    "extragradient": (_extragradient, _extragradient_matrix),
    "optimistic": (_optimistic, _optimistic_matrix),
    "consensus": (_consensus, _consensus_matrix),
}


def game_trajectory(
    game: Game,
    method: str,
    start: ArrayLike,
    step_size: float,
    steps: int,
    *,
    consensus: float = 1.0,
) -> GameTrajectory:
    """Play a game.

    With s = step_size and F = (∇_u V, -∇_v V):

    * simultaneous: z ← z - s F(z).
    * alternating: the same for u, then for v with the new u.
    * extragradient: z ← z - s F(z - s F(z)).
    * optimistic: z_{t+1} = z_t - s (2 F(z_t) - F(z_{t-1})), z_{-1} = z_0.
    * consensus: z ← z - s (F + γ F'ᵀ F), descent on γ ‖F‖²/2 beside the game.

    Args:
        game: see `Game`; BilinearGame, DiracGAN, NoNashGame.
        method: one of these.
        start: (u, v) one after the other, (m + n,).
        step_size: s > 0.
        steps: >= 1.
        consensus: γ >= 0, for consensus alone.

    Returns:
        All points, and the growth at each step.

    Raises:
        UserError: for numbers out of range, and where the game leaves what float64 can hold.

    Source:
        Mescheder et al. 2017 (arXiv:1705.10461) for consensus; Daskalakis et al. 2018
        (arXiv:1711.00141) for optimistic; Korpelevich 1976 for extragradient.

    Examples:
        Descent and ascent at once leave the origin by sqrt(1 + s²) a step.

        >>> from gan_lab.theory import BilinearGame, game_trajectory
        >>> path = game_trajectory(BilinearGame([[1.0]]), "simultaneous", [1.0, 0.0], 0.75, 10)
        >>> round(path.growth, 12)
        1.25
    """
    # what was asked
    update = METHODS[checks.choice("method", method, METHODS)][0]
    settings = _settings(step_size, consensus)
    checks.whole("steps", steps, at_least=1)
    point = _vector("start", start, sum(game.sizes))

    # the game
    points = [point, point]

    for step in range(steps):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            moved = update(game, settings, points[-1], points[-2])
            size = np.linalg.norm(moved)
        if not np.isfinite(size):
            raise UserError(
                f"at step {step + 1} of {steps} the game is past float64: use a smaller step_size, "
                "or fewer steps"
            )
        points.append(moved)

    # the second half, where what dies out first is gone
    path = np.stack(points[1:])
    norms = np.linalg.norm(path, axis=1)
    half = steps // 2
    growth = math.nan
    if norms[half] > 0 and norms[-1] > 0:
        growth = float(np.exp((np.log(norms[-1]) - np.log(norms[half])) / (steps - half)))

    return GameTrajectory(u=path[:, : game.sizes[0]], v=path[:, game.sizes[0] :], growth=growth)


def update_matrix(
    game: Game,
    method: str,
    step_size: float,
    *,
    at: ArrayLike | None = None,
    consensus: float = 1.0,
) -> Array:
    """The derivative of an update where F = 0: its eigenvalues say whether play comes there.

    Args:
        game: as `game_trajectory` takes it.
        method: as there.
        step_size: s > 0.
        at: the point (u, v) with F = 0, by default the origin.
        consensus: γ.

    Returns:
        (m + n, m + n); for optimistic that of (z_t, z_{t-1}), twice as large.

    Raises:
        UserError: for numbers out of range, and for a point where F is not 0.

    Examples:
        >>> from gan_lab.theory import BilinearGame, update_matrix
        >>> update_matrix(BilinearGame([[1.0]]), "simultaneous", 0.5)
        array([[ 1. , -0.5],
               [ 0.5,  1. ]])
    """
    # where to differentiate
    matrix = METHODS[checks.choice("method", method, METHODS)][1]
    settings = _settings(step_size, consensus)
    size = sum(game.sizes)
    point = np.zeros(size) if at is None else _vector("at", at, size)
    pull = float(np.linalg.norm(game.field(point)))
    if not pull <= 1e-8 * (1 + float(np.linalg.norm(point))):
        raise UserError(f"at: the game moves there, ‖F‖ = {pull:g}: give a point with F = 0")

    return matrix(game.jacobian(point), game.sizes[0], settings)


def bilinear_eigenvalues(
    method: str, singular_value: float, step_size: float, *, consensus: float = 1.0
) -> NDArray[np.complex128]:
    """The eigenvalues of an update on u' A v, for one singular value σ of A. Closed forms, r = s σ.

    * simultaneous: 1 ± i r. |·|² = 1 + r², a spiral outwards.
    * alternating: 1 - r²/2 ± r sqrt(r²/4 - 1). |·| = 1 for r < 2, a cycle.
    * extragradient: 1 - r² ± i r. |·|² = 1 - r² + r⁴, convergence for r < 1.
    * optimistic: (1 ± 2 i r ± sqrt(1 - 4 r²))/2, all four. Convergence for r < 1/√3.
    * consensus: 1 - s γ σ² ± i r. |·|² = (1 - s γ σ²)² + r².

    Args:
        method: as in `game_trajectory`.
        singular_value: σ >= 0.
        step_size: s > 0.
        consensus: γ.

    Returns:
        Two of them, four for optimistic.

    Raises:
        UserError: for numbers out of range.

    Source:
        Worked out from `update_matrix`. Simultaneous and alternating, for the Dirac-GAN: Mescheder,
        Geiger and Nowozin 2018 (arXiv:1801.04406).

    Examples:
        >>> from gan_lab.theory import bilinear_eigenvalues
        >>> abs(bilinear_eigenvalues("alternating", 1.0, 0.5)).round(12)
        array([1., 1.])
    """
    checks.choice("method", method, METHODS)
    sigma = checks.number("singular_value", singular_value, at_least=0)
    settings = _settings(step_size, consensus)
    r = settings.step_size * sigma
    signs = np.array([1.0, -1.0])
    root = np.sqrt(complex(1 - 4 * r**2))
    closed: dict[str, ArrayLike] = {
        "simultaneous": 1 + 1j * r * signs,
        "alternating": 1 - r**2 / 2 + r * np.sqrt(complex(r**2 / 4 - 1)) * signs,
        "extragradient": 1 - r**2 + 1j * r * signs,
        "optimistic": [(1 + 2j * r * a + root * b) / 2 for a in signs for b in signs],
        "consensus": 1 - settings.step_size * settings.consensus * sigma**2 + 1j * r * signs,
    }
    return np.asarray(closed[method], dtype=np.complex128)


def _settings(step_size: float, consensus: float) -> _Settings:
    return _Settings(
        checks.number("step_size", step_size, above=0),
        checks.number("consensus", consensus, at_least=0),
    )


def _vector(name: str, value: ArrayLike, size: int) -> Array:
    vector = np.array(value, dtype=np.float64)
    if vector.shape != (size,) or not np.isfinite(vector).all():
        raise UserError(f"{name} of shape {vector.shape}: use {size} finite numbers, u then v")
    return vector


# Equilibria ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LocalNash:
    """Whether a point is a local Nash equilibrium, to second order.

    Args:
        gradient_norm_u: ‖∇_u V‖.
        gradient_norm_v: ‖∇_v V‖.
        stationarity: ‖∇_u V‖² + ‖∇_v V‖², at most ε at an ε-first-order stationary point.
        smallest_eigenvalue_u: of ∇²_uu V; below 0 the generator gains by a small move.
        smallest_eigenvalue_v: of -∇²_vv V; below 0 the critic does.
        kind: "moving" where stationarity > ε; else "strict" (a local Nash equilibrium: both
            eigenvalues above the tolerance), "saddle" (none: one below minus the tolerance), or
            "undecided" (a zero eigenvalue: the second order does not tell).

    Examples:
        >>> import torch
        >>> from gan_lab.theory import local_nash
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> found = local_nash(lambda u, v: (u * u - v * v).sum(), one, one)
        >>> found.stationarity, found.smallest_eigenvalue_u, found.smallest_eigenvalue_v
        (8.0, 2.0, 2.0)
    """

    gradient_norm_u: float
    gradient_norm_v: float
    stationarity: float
    smallest_eigenvalue_u: float
    smallest_eigenvalue_v: float
    kind: str


def local_nash(
    value: Value, u: Tensor, v: Tensor, *, epsilon: float = 1e-12, tolerance: float = 1e-8
) -> LocalNash:
    """Test a point for a local Nash equilibrium of min over u, max over v.

    First order: ∇_u V = 0, ∇_v V = 0. Second: ∇²_uu V >= 0 and ∇²_vv V <= 0; with > and < it is
    one. The Hessian's blocks act through products with vectors alone: Lanczos for more than 64
    parameters, all columns for fewer.

    Args:
        value: V(u, v), a number, twice differentiable by torch.func.
        u: (m,), the generator's parameters.
        v: (n,), the critic's.
        epsilon: of first-order stationarity; parameters of float32 need a larger one.
        tolerance: eigenvalues closer to 0 count as 0.

    Returns:
        Gradients, eigenvalues and the verdict.

    Raises:
        UserError: for other shapes, values that are not finite, and where Lanczos does not
            converge.

    Source:
        Jin, Netrapalli and Jordan 2020 (arXiv:1902.00618).

    Examples:
        >>> import torch
        >>> from gan_lab.theory import local_nash
        >>> zero = torch.zeros(2, dtype=torch.float64)
        >>> local_nash(lambda u, v: u @ u + u @ v - v @ v, zero, zero).kind
        'strict'
    """
    # one value and one gradient for each player
    checks.number("epsilon", epsilon, at_least=0)
    checks.number("tolerance", tolerance, at_least=0)
    for name, part in (("u", u), ("v", v)):
        if part.ndim != 1 or not part.numel() or not part.is_floating_point():
            raise UserError(f"{name} of shape {tuple(part.shape)}: use a vector of parameters")
    u, v = u.detach(), v.detach()
    found = value(u, v)
    if found.ndim or not found.isfinite():
        raise UserError(f"value of shape {tuple(found.shape)}: use one finite number")

    # each player's own cost, while the other stands still
    def of_u(moved: Tensor) -> Tensor:
        return value(moved, v)

    def of_v(moved: Tensor) -> Tensor:
        return -value(u, moved)

    # slopes, and the Hessians by their products with vectors
    by_u, hessian_u = torch.func.vjp(torch.func.grad(of_u), u)[:2]
    by_v, hessian_v = torch.func.vjp(torch.func.grad(of_v), v)[:2]
    norms = [float(slope.double().norm()) for slope in (by_u, by_v)]
    if not all(map(math.isfinite, norms)):
        raise UserError(f"value: gradients of norm {norms} are not finite: give another point")

    # curvatures, and the verdict
    stationarity = norms[0] ** 2 + norms[1] ** 2
    curvatures = [_smallest_eigenvalue(hessian_u, u), _smallest_eigenvalue(hessian_v, v)]
    if stationarity > epsilon:
        kind = "moving"
    elif min(curvatures) < -tolerance:
        kind = "saddle"
    else:
        kind = "strict" if min(curvatures) > tolerance else "undecided"

    return LocalNash(
        gradient_norm_u=norms[0],
        gradient_norm_v=norms[1],
        stationarity=stationarity,
        smallest_eigenvalue_u=curvatures[0],
        smallest_eigenvalue_v=curvatures[1],
        kind=kind,
    )


def _smallest_eigenvalue(hessian: Callable[..., tuple[Tensor, ...]], at: Tensor) -> float:
    """The smallest eigenvalue of a symmetric matrix that is given by its products."""
    size = len(at)

    def product(vector: Array) -> Array:
        (image,) = hessian(torch.from_numpy(vector.copy()).to(at))
        if not image.isfinite().all():
            raise UserError("value: its Hessian is not finite there: give another point")
        return image.detach().cpu().double().numpy()

    # written out, or by Lanczos
    if size <= DENSE:
        matrix = np.stack([product(unit) for unit in np.eye(size)])
        return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[0])

    # ARPACK refuses the zero map
    start = np.random.default_rng(0).standard_normal(size)
    if not np.any(product(start)):
        return 0.0
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        smallest = eigsh(operator, k=1, which="SA", v0=start, return_eigenvectors=False, ncv=40)
    except ArpackNoConvergence as error:
        raise UserError(
            f"value: Lanczos found no smallest eigenvalue of a Hessian of {size} parameters: give "
            "parameters of float64, or fewer"
        ) from error
    return float(smallest[0])


# The generator's gradient -------------------------------------------------------------------------


@dataclass(frozen=True)
class GeneratorSlopes:
    """d J_G / d s at the critic's logit s of a fake sample, D = σ(s).

    Args:
        saturating: of log(1 - D): -D, which vanishes as D → 0.
        non_saturating: of -log D: D - 1, which tends to -1.

    Examples:
        >>> from gan_lab.theory import generator_slopes
        >>> generator_slopes([0.0])  # D = 1/2
        GeneratorSlopes(saturating=array([-0.5]), non_saturating=array([-0.5]))
    """

    saturating: Array
    non_saturating: Array


def generator_slopes(logits: ArrayLike) -> GeneratorSlopes:
    """Compare the two generator objectives of the original GAN.

    Args:
        logits: s, of any shape, finite.

    Returns:
        Slopes of the shape of `logits`. Their ratio is D/(1-D) = e^s.

    Raises:
        UserError: for logits that are not finite.

    Source:
        Goodfellow et al. 2014 (arXiv:1406.2661), section 3.

    Examples:
        >>> from gan_lab.theory import generator_slopes
        >>> slopes = generator_slopes([-20.0])
        >>> float(slopes.saturating[0]) > -1e-8, float(slopes.non_saturating[0]) < -0.99999
        (True, True)
    """
    s = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(s).all():
        raise UserError("logits: use finite numbers")
    return GeneratorSlopes(saturating=-expit(s), non_saturating=-expit(-s))
