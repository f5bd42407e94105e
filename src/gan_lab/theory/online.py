"""Online optimization of linear losses: optimizers as recurrences over all gradients at once.

The losses of (3-6) and (3-7) are f_t(θ) = g_t θ. Their gradients do not depend on θ, so the moments
of an optimizer are linear filters of one known sequence, and ten million steps take a second.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from gan_lab import checks
from gan_lab.errors import UserError

Array = NDArray[np.float64]

LARGEST = 1e100  # of C: its cube is still a float64
CHUNK = 2**16  # gradients filtered at a time: a few arrays of it fit into a processor's cache


@dataclass(frozen=True)
class SequentialProblem:
    """The sequential counterexample: g_t = C in the first step of every period, else -1.

    Args:
        C: the large gradient, in (1, 1e100].
        period: d, in steps, >= 2. A period's gradients sum to C + 1 - d.

    Raises:
        UserError: for numbers outside these ranges.

    Source:
        Thesis (3-6).

    Examples:
        >>> from gan_lab.theory import SequentialProblem
        >>> SequentialProblem(C=6.0, period=3).gradients(steps=4)
        array([ 6., -1., -1.,  6.])
    """

    C: float
    period: int

    def __post_init__(self) -> None:
        checks.number("C", self.C, above=1, at_most=LARGEST)
        checks.whole("period", self.period, at_least=2)

    def gradients(self, steps: int) -> Array:
        """g_1, ..., g_steps: (steps,)."""
        checks.whole("steps", steps, at_least=1)
        gradients = np.full(steps, -1.0)
        gradients[:: self.period] = self.C
        return gradients


@dataclass(frozen=True)
class StochasticProblem:
    """The stochastic counterexample: g_t = C with probability (1 + δ)/(C + 1), else -1.

    The steps are independent and E[g_t] = δ, so θ should go down. Since g² = (C - 1) g + C for both
    values, E[g²] = C + δ(C - 1) and D[g²] = (C - 1)² D[g]. (3-27) has C + δ(C + 1) for the first,
    and (3-28), (3-30) and (3-31) follow it.

    Args:
        C: the large gradient, in (1, 1e100].
        delta: δ, in (0, C).

    Raises:
        UserError: for numbers outside these ranges.

    Source:
        Thesis (3-7), (3-25) to (3-30).

    Examples:
        >>> from gan_lab.theory import StochasticProblem
        >>> problem = StochasticProblem(C=3.0, delta=1.0)
        >>> problem.chance, problem.variance, problem.square_mean, problem.square_variance
        (0.5, 4.0, 5.0, 16.0)
        >>> problem.gradients(steps=5, seed=0)
        array([-1.,  3.,  3.,  3., -1.])
    """

    C: float
    delta: float

    def __post_init__(self) -> None:
        checks.number("C", self.C, above=1, at_most=LARGEST)
        checks.number("delta", self.delta, above=0, below=self.C)

    @property
    def chance(self) -> float:
        """p, the probability of C."""
        return (1 + self.delta) / (self.C + 1)

    @property
    def variance(self) -> float:
        """D[g]."""
        return self.square_mean - self.delta**2

    @property
    def square_mean(self) -> float:
        """E[g²]."""
        return self.C + self.delta * (self.C - 1)

    @property
    def square_variance(self) -> float:
        """D[g²]."""
        return (self.C - 1) ** 2 * self.variance

    def gradients(self, steps: int, seed: int = 0, copies: int | None = None) -> Array:
        """g_1, ..., g_steps: (steps,), or of independent copies of the problem (copies, steps)."""
        checks.whole("steps", steps, at_least=1)
        checks.whole("seed", seed)
        if copies is not None:
            checks.whole("copies", copies, at_least=1)
        shape = (steps,) if copies is None else (copies, steps)
        draws = np.random.default_rng(seed).random(shape)
        return np.where(draws < self.chance, float(self.C), -1.0)


class Recurrence(Protocol):
    """An optimizer as a recurrence: updates of θ from gradients that do not depend on θ."""

    def updates(self, chunks: Iterable[Array]) -> Iterator[Array]:
        """θ_{t+1} - θ_t of consecutive pieces (..., n) of the gradients; each has its shape."""


@dataclass(frozen=True)
class SGDRecurrence:
    """Stochastic gradient descent: b ← momentum · b + g_t; θ ← θ - lr · b. As torch.optim.SGD.

    Args:
        lr: the rate, >= 0.
        momentum: in [0, 1).

    Raises:
        UserError: for numbers outside these ranges.

    Examples:
        >>> from gan_lab.theory import SGDRecurrence, trajectory
        >>> trajectory(SGDRecurrence(lr=0.5), [4.0, -2.0]).theta
        array([-2., -1.])
    """

    lr: float = 1e-3
    momentum: float = 0.0

    def __post_init__(self) -> None:
        checks.number("lr", self.lr, at_least=0)
        checks.number("momentum", self.momentum, at_least=0, below=1)

    def updates(self, chunks: Iterable[Array]) -> Iterator[Array]:
        state: Array | float = 0.0
        for gradients in chunks:
            buffer, state = _filter([1.0], [1.0, -self.momentum], gradients, state)
            yield -self.lr * buffer


@dataclass(frozen=True)
class AdamRecurrence:
    """Adam, and with `amsgrad` AMSGrad. As torch.optim.Adam:

        m ← β1 m + (1 - β1) g_t                         m̂ = m / (1 - β1^t)
        v ← β2 v + (1 - β2) g_t²                        v̂ = v / (1 - β2^t)
        AMSGrad: v̂ = max_{s<=t} v_s / (1 - β2^t)
        θ ← θ - lr · m̂ / (sqrt(v̂) + eps)

    Args:
        lr: the rate, >= 0.
        betas: (β1, β2), both in [0, 1).
        eps: added to the root, > 0.
        amsgrad: use the largest v so far.

    Raises:
        UserError: for numbers outside these ranges.

    Source:
        Thesis (3-3) to (3-5); Kingma and Ba 2015 (arXiv:1412.6980); Reddi et al. 2018.

    Examples:
        The first step has the length lr, and the second divides by sqrt(v̂) = sqrt(10):

        >>> from gan_lab.theory import AdamRecurrence, trajectory
        >>> adam = AdamRecurrence(lr=1.0, betas=(0.0, 0.5))
        >>> trajectory(adam, [4.0, 2.0]).theta.round(4)
        array([-1.    , -1.7071])
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    amsgrad: bool = False

    def __post_init__(self) -> None:
        checks.number("lr", self.lr, at_least=0)
        check_betas(self.betas)
        checks.number("eps", self.eps, above=0)
        checks.flag("amsgrad", self.amsgrad)

    def updates(self, chunks: Iterable[Array]) -> Iterator[Array]:
        beta1, beta2 = self.betas
        first: Array | float = 0.0
        second: Array | float = 0.0
        largest: Array | float = 0.0
        count = 0
        for gradients in chunks:
            # both moments, from where the piece before left them
            m, first = _average(gradients, beta1, first)
            v, second = _average(gradients * gradients, beta2, second)
            if self.amsgrad:
                v = np.maximum(np.maximum.accumulate(v, axis=-1), largest)
                largest = v[..., -1:]

            # the corrections of the steps count + 1, ..., count + n
            steps = np.arange(count + 1, count + gradients.shape[-1] + 1)
            count = steps[-1]
            root = np.sqrt(v / _correction(beta2, steps))
            yield -self.lr * m / _correction(beta1, steps) / (root + self.eps)


@dataclass(frozen=True)
class NadamRecurrence:
    """Nadam, Adam with Nesterov's momentum. As torch.optim.NAdam:

        μ_t = β1 (1 - 0.96^(t · momentum_decay) / 2)                     Π_t = μ_1 ⋯ μ_t
        m, v, v̂ as Adam's
        θ ← θ - lr ((1 - μ_t) / (1 - Π_t) g_t + μ_{t+1} / (1 - Π_{t+1}) m) / (sqrt(v̂) + eps)

    Args:
        lr: the rate, >= 0.
        betas: (β1, β2), both in [0, 1).
        eps: added to the root, > 0.
        momentum_decay: of μ_t, >= 0.

    Raises:
        UserError: for numbers outside these ranges.

    Source:
        Dozat 2016, "Incorporating Nesterov Momentum into Adam".

    Examples:
        With β1 = 0 it is Adam:

        >>> from gan_lab.theory import NadamRecurrence, trajectory
        >>> trajectory(NadamRecurrence(lr=1.0, betas=(0.0, 0.5)), [4.0, 2.0]).theta.round(4)
        array([-1.    , -1.7071])
    """

    lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum_decay: float = 4e-3

    def __post_init__(self) -> None:
        checks.number("lr", self.lr, at_least=0)
        check_betas(self.betas)
        checks.number("eps", self.eps, above=0)
        checks.number("momentum_decay", self.momentum_decay, at_least=0)

    def updates(self, chunks: Iterable[Array]) -> Iterator[Array]:
        beta1, beta2 = self.betas
        first: Array | float = 0.0
        second: Array | float = 0.0
        count, product = 0, 1.0
        for gradients in chunks:
            m, first = _average(gradients, beta1, first)
            v, second = _average(gradients * gradients, beta2, second)

            # μ_t and μ_{t+1} of the steps count + 1, ..., count + n, and the products so far
            steps = np.arange(count + 1, count + gradients.shape[-1] + 2)
            count = steps[-2]
            mu = beta1 * (1 - 0.5 * 0.96 ** (steps * self.momentum_decay))
            products = product * np.cumprod(mu)
            product = products[-2]

            # the gradient itself, and the moment as it will weigh in the next step
            ahead = (1 - mu[:-1]) / (1 - products[:-1]) * gradients
            ahead += mu[1:] / (1 - products[1:]) * m
            yield -self.lr * ahead / (np.sqrt(v / _correction(beta2, steps[:-1])) + self.eps)


@dataclass(frozen=True)
class AdaShiftRecurrence:
    """AdaShift of one parameter, for which every spatial function is the identity.

        v ← β2 v + (1 - β2) g²_{t-n}                v̂ = v / (1 - β2^{t-n})
        θ ← θ - lr · m_t / (sqrt(v̂) + eps)          m_t = Σ_{i<m} β1^i g_{t-i} / Σ_{i<m} β1^i

    During the first n steps nothing moves. As `gan_lab.optim.AdaShift` with spatial="none".

    Args:
        lr: the rate, >= 0.
        betas: β1 in [0, 1], of which 1 is the plain mean, and β2 in [0, 1).
        n: by how many steps v lags behind, >= 1.
        m: how many gradients m_t averages, from 1 to n; None: n.
        eps: added to the root, > 0.

    Raises:
        UserError: for numbers outside these ranges.

    Source:
        Thesis Algorithm 3-2, (3-14), (3-17), (3-44).

    Examples:
        With n = 1 the second step divides by the first gradient:

        >>> from gan_lab.theory import AdaShiftRecurrence, trajectory
        >>> adashift = AdaShiftRecurrence(lr=1.0, betas=(0.0, 0.5), n=1)
        >>> trajectory(adashift, [4.0, 2.0]).theta
        array([ 0. , -0.5])
    """

    lr: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    n: int = 10
    m: int | None = None
    eps: float = 1e-10

    def __post_init__(self) -> None:
        checks.number("lr", self.lr, at_least=0)
        check_betas(self.betas, first_at_most=1)
        checks.whole("n", self.n, at_least=1)
        if self.m is not None:
            checks.whole("m", self.m, 1, self.n, beside=", which is n, or None for n")
        checks.number("eps", self.eps, above=0)

    def updates(self, chunks: Iterable[Array]) -> Iterator[Array]:
        beta1, beta2 = self.betas
        weights = float(beta1) ** np.arange(self.n if self.m is None else self.m)
        weights /= weights.sum()
        first: Array | float = 0.0
        second: Array | float = 0.0
        past: Array | None = None  # (..., n)
        count = 0
        for gradients in chunks:
            # the gradients n steps back; before the first one there are zeros, which leave v at 0
            if past is None:
                past = np.zeros((*gradients.shape[:-1], self.n))
            known = np.concatenate([past, gradients], axis=-1)
            shifted, past = known[..., : -self.n], known[..., -self.n :]

            m, first = _filter(weights, [1.0], gradients, first)
            v, second = _average(shifted * shifted, beta2, second)

            # while the queue fills there is no v, and no move
            steps = np.arange(count + 1, count + gradients.shape[-1] + 1)
            count = steps[-1]
            root = np.sqrt(v / _correction(beta2, np.maximum(steps - self.n, 1)))
            root[..., steps <= self.n] = math.inf
            yield -self.lr * m / (root + self.eps)


@dataclass(frozen=True)
class Trajectory:
    """The way of θ through an online problem, at some of its steps.

    Args:
        steps: t, (points,); step t is the update that follows g_t.
        theta: θ after these steps, (..., points).
        gradient_sum: g_1 + ... + g_t, (..., points).
        loss_sum: Σ_{s<=t} g_s θ_s, θ_s from before step s: what the optimizer paid, (..., points).
        bounds: the interval on which θ is kept, or None.

    Examples:
        θ goes from 0 to -1 and stays. The loss 2 θ_1 = 0 is 2 above that of θ* = -1, and the second
        one equals it:

        >>> from gan_lab.theory import SGDRecurrence, trajectory
        >>> path = trajectory(SGDRecurrence(lr=1.0), [2.0, 2.0], bounds=(-1.0, 1.0))
        >>> path.theta, path.regret(), path.average_regret()
        (array([-1., -1.]), array([2., 2.]), array([2., 1.]))
    """

    steps: NDArray[np.int64]
    theta: Array
    gradient_sum: Array
    loss_sum: Array
    bounds: tuple[float, float] | None = None

    def regret(self) -> Array:
        """R(t) = Σ_{s<=t} (f_s(θ_s) - f_s(θ*)), (..., points).

        θ* is the best fixed point of `bounds` for the gradients so far. The thesis's definition has
        R(T)/T on the left of this sum; (3-20) has it right.

        Raises:
            UserError: for a trajectory without bounds, since a linear loss has no minimum.
        """
        if self.bounds is None:
            raise UserError(
                "a linear loss has no best θ without bounds: pass bounds=(-1, 1) to trajectory"
            )
        low, high = self.bounds
        return self.loss_sum - np.minimum(low * self.gradient_sum, high * self.gradient_sum)

    def average_regret(self) -> Array:
        """R(t)/t, (..., points)."""
        return self.regret() / self.steps


def trajectory(
    optimizer: Recurrence,
    gradients: ArrayLike,
    *,
    start: float = 0.0,
    warm_up: int = 0,
    every: int = 1,
    bounds: tuple[float, float] | None = None,
) -> Trajectory:
    """Follow θ through an online problem with the losses f_t(θ) = g_t θ.

    Args:
        optimizer: one of the recurrences of this package.
        gradients: g_t, (..., steps); leading axes are independent copies of the problem.
        start: θ before the first step.
        warm_up: in these first steps only the moments move; afterwards t counts from 1.
        every: keep θ after every so many steps, and after the last one.
        bounds: project θ to this interval after every step; needed for the regret.

    Returns:
        θ at steps `every`, 2 `every`, ... and the last.

    Raises:
        UserError: for gradients that are not finite or too few, and numbers outside their ranges.

    Source:
        Thesis 3.2 and 3.5.1, which name no interval; [code]: 10,000 steps of warm-up.

    Examples:
        Adam's β1 = 0 and the gradients 6, -1, -1, -1, -1, -1: the sum is 1, and θ goes up.

        >>> from gan_lab.theory import AdamRecurrence, SequentialProblem, trajectory
        >>> gradients = SequentialProblem(C=6.0, period=6).gradients(steps=600)
        >>> path = trajectory(AdamRecurrence(betas=(0.0, 0.5)), gradients, every=300)
        >>> path.steps, path.theta.round(3)
        (array([300, 600]), array([0.071, 0.141]))
    """
    gradients = check_gradients(gradients, warm_up)
    checks.number("start", start)
    checks.whole("every", every, at_least=1)

    if bounds is not None:
        low, high = check_pair("bounds", bounds)
        checks.number("bounds", low)
        checks.number("bounds", high, above=low)
        checks.number("start", start, at_least=low, at_most=high)

    # the warm-up ends with a piece of its own
    steps = gradients.shape[-1]
    edges = [*range(0, warm_up, CHUNK), *range(warm_up, steps, CHUNK), steps]
    pieces = [gradients[..., a:b] for a, b in itertools.pairwise(edges)]

    kept = _Kept(every=every, last=steps - warm_up)
    theta = np.full((*gradients.shape[:-1], 1), float(start))
    for begin, piece, updates in zip(edges, pieces, optimizer.updates(pieces), strict=False):
        if begin < warm_up:
            continue

        # θ before and after each step of the piece
        if bounds is None:
            after = theta + np.cumsum(updates, axis=-1)
        else:
            after = _clipped_sums(theta, updates, bounds)
        before = np.concatenate([theta, after[..., :-1]], axis=-1)
        theta = after[..., -1:]
        kept.add(after, np.cumsum(piece, axis=-1), np.cumsum(piece * before, axis=-1))
    return kept.trajectory(bounds)


def figure_3_1_optimizers(panel: str) -> dict[str, Recurrence]:
    """The optimizers of Figure 3-1 by name, all with lr 1e-3.

    For b the thesis names only β1 = 0.9, which is too small; the larger values are ours. On average
    10^7 steps move the three Adams of b by +29.7, -15.3 and -14.8, and AdaShift by -20.1
    (`expected_update`, `expected_inverse_root`).

    Args:
        panel: "a": Adam, AMSGrad and AdaShift; "b": Adam with large β1 or β2.

    Raises:
        UserError: for another panel.

    Source:
        Thesis 3.5.1, Figure 3-1.

    Examples:
        >>> from gan_lab.theory import figure_3_1_optimizers
        >>> list(figure_3_1_optimizers("a"))
        ['Adam', 'AMSGrad', 'AdaShift']
    """
    adashift = AdaShiftRecurrence(lr=1e-3, betas=(0.0, 0.999), n=1)
    panels: dict[str, dict[str, Recurrence]] = {
        "a": {
            "Adam": AdamRecurrence(lr=1e-3, betas=(0.0, 0.999)),
            "AMSGrad": AdamRecurrence(lr=1e-3, betas=(0.0, 0.999), amsgrad=True),
            "AdaShift": adashift,
        },
        "b": {
            "Adam, β1 = 0.9": AdamRecurrence(lr=1e-3, betas=(0.9, 0.999)),
            "Adam, β1 = 0.9999": AdamRecurrence(lr=1e-3, betas=(0.9999, 0.999)),
            "Adam, β2 = 0.9999": AdamRecurrence(lr=1e-3, betas=(0.0, 0.9999)),
            "AdaShift": adashift,
        },
    }
    checks.choice("panel", panel, panels)
    return panels[panel]


def counterexample_curves(
    optimizers: Mapping[str, Recurrence],
    *,
    problem: StochasticProblem | None = None,
    steps: int = 10_000_000,
    seed: int = 0,
    warm_up: int = 10_000,
    points: int = 1000,
) -> dict[str, Trajectory]:
    """The curves of Figure 3-1: θ of some optimizers on one sequence of stochastic gradients.

    Args:
        optimizers: the recurrences by name, as of `figure_3_1_optimizers`.
        problem: (3-7); None: C = 101, δ = 0.02.
        steps: after the warm-up.
        seed: of the gradients.
        warm_up: steps in which only the moments move [code].
        points: how many values of θ each curve keeps.

    Returns:
        The trajectories by name.

    Raises:
        UserError: for numbers outside their ranges.

    Source:
        Thesis Figure 3-1.

    Examples:
        >>> from gan_lab.theory import counterexample_curves, figure_3_1_optimizers
        >>> curves = counterexample_curves(figure_3_1_optimizers("a"), steps=100_000)
        >>> {name: len(curve.theta) for name, curve in curves.items()}
        {'Adam': 1000, 'AMSGrad': 1000, 'AdaShift': 1000}
    """
    checks.whole("steps", steps, at_least=1)
    checks.whole("warm_up", warm_up)
    checks.whole("points", points, at_least=1)
    problem = problem or StochasticProblem(C=101.0, delta=0.02)
    gradients = problem.gradients(warm_up + steps, seed)
    every = max(1, steps // points)
    return {
        name: trajectory(optimizer, gradients, warm_up=warm_up, every=every)
        for name, optimizer in optimizers.items()
    }


@dataclass
class _Kept:
    """Every so many values of θ and of the running sums, collected piece by piece."""

    every: int
    last: int
    count: int = 0
    sums: list[Array] = field(default_factory=lambda: [np.zeros(1), np.zeros(1)])
    steps: list[NDArray[np.int64]] = field(default_factory=list)
    values: list[list[Array]] = field(default_factory=lambda: [[], [], []])

    def add(self, theta: Array, gradient_sums: Array, loss_sums: Array) -> None:
        # the sums go on where the piece before ended
        gradient_sums += self.sums[0]
        loss_sums += self.sums[1]
        self.sums = [gradient_sums[..., -1:], loss_sums[..., -1:]]

        steps = np.arange(self.count + 1, self.count + theta.shape[-1] + 1)
        self.count += len(steps)
        chosen = (steps % self.every == 0) | (steps == self.last)
        self.steps.append(steps[chosen])
        for values, piece in zip(self.values, (theta, gradient_sums, loss_sums), strict=True):
            values.append(piece[..., chosen])

    def trajectory(self, bounds: tuple[float, float] | None) -> Trajectory:
        theta, gradient_sum, loss_sum = (np.concatenate(v, axis=-1) for v in self.values)
        return Trajectory(np.concatenate(self.steps), theta, gradient_sum, loss_sum, bounds)


def check_series(name: str, values: ArrayLike, longer_than: int = 0) -> Array:
    """Finite real numbers as float64 of (..., steps), with more steps than `longer_than`."""
    remedy = f"pass real numbers, more than {longer_than} on the last axis"
    try:
        series = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise UserError(f"{name} are not an array: {remedy}") from error
    if series.dtype.kind not in "iuf":
        raise UserError(f"{name} are of type {series.dtype}: {remedy}")

    series = series.astype(np.float64, copy=False)
    if series.ndim == 0 or series.size == 0 or series.shape[-1] <= longer_than:
        raise UserError(f"{name} have the shape {series.shape}: {remedy}")
    if not np.isfinite(series).all():
        raise UserError(f"{name} are not finite: pass numbers without NaN and infinity")
    return series


def check_gradients(gradients: ArrayLike, warm_up: int = 0) -> Array:
    """Float64 of (..., steps) whose squares are finite, with more steps than the warm-up has."""
    checks.whole("warm_up", warm_up)
    series = check_series("gradients", gradients, longer_than=warm_up)
    if max(series.max(), -series.min()) > 1e150:
        raise UserError("gradients are beyond 1e150 and their squares infinite: scale them down")
    return series


def check_pair(name: str, pair: Any) -> tuple[float, float]:
    """Two of something."""
    if not isinstance(pair, Sequence) or len(pair) != 2:
        raise UserError(f"{name}={pair}: use two numbers")
    return pair[0], pair[1]


def check_betas(betas: tuple[float, float], *, first_at_most: float | None = None) -> None:
    """(β1, β2) in [0, 1), β1 up to `first_at_most` where that is given."""
    beta1, beta2 = check_pair("betas", betas)
    if first_at_most is None:
        checks.number("betas[0]", beta1, at_least=0, below=1)
    else:
        checks.number("betas[0]", beta1, at_least=0, at_most=first_at_most)
    checks.number("betas[1]", beta2, at_least=0, below=1)


def _filter(
    numerator: ArrayLike, denominator: ArrayLike, values: Array, state: Array | float
) -> tuple[Array, Array]:
    """scipy's lfilter along the last axis; the state 0.0 is that before the first value."""
    order = max(np.size(numerator), np.size(denominator)) - 1
    if np.ndim(state) == 0:
        state = np.zeros((*values.shape[:-1], order))
    return lfilter(numerator, denominator, values, zi=state)


def _average(values: Array, beta: float, state: Array | float) -> tuple[Array, Array]:
    """The exponential average a ← β a + (1 - β) value, and the filter's state after the last."""
    return _filter([1.0 - beta], [1.0, -beta], values, state)


def _correction(beta: float, steps: NDArray[np.int64]) -> Array | float:
    """1 - β^t, which is exactly 1 in float64 once β^t < 2^-54."""
    if beta == 0 or steps[0] * math.log(beta) < -54 * math.log(2):
        return 1.0
    return -np.expm1(steps * math.log(beta))


def _clipped_sums(start: Array, updates: Array, bounds: tuple[float, float]) -> Array:
    """θ_t = min(high, max(low, θ_{t-1} + u_t)) for all t.

    Steps compose: after any number of them, θ = min(b, max(a, θ_0 + s)). So columns of steps are
    composed side by side, then joined one after another, and then followed side by side.

    Args:
        start: θ_0, (..., 1).
        updates: u_t, (..., n).
        bounds: (low, high).

    Returns:
        (..., n).
    """
    low, high = bounds
    n = updates.shape[-1]
    rows = math.isqrt(n - 1) + 1
    columns = -(-n // rows)
    padded = np.zeros((*updates.shape[:-1], columns * rows))
    padded[..., :n] = updates
    steps = np.moveaxis(padded.reshape(*updates.shape[:-1], columns, rows), -1, 0)

    # each column of `rows` steps as the map θ → min(b, max(a, θ + s))
    s, a, b = np.zeros_like(steps[0]), np.full_like(steps[0], low), np.full_like(steps[0], high)
    for u in steps:
        s = s + u
        a, b = np.clip(a + u, low, high), np.clip(b + u, low, high)

    # where each column begins
    begin = np.empty_like(s)
    theta = start[..., 0]
    for column in range(columns):
        begin[..., column] = theta
        theta = np.minimum(b[..., column], np.maximum(a[..., column], theta + s[..., column]))

    # every column step by step
    path = np.empty_like(steps)
    for row, u in enumerate(steps):
        begin = np.clip(begin + u, low, high)
        path[row] = begin
    return np.moveaxis(path, 0, -1).reshape(padded.shape)[..., :n]
