"""Net update factors: how far each gradient moves θ in all, and when Adam goes the wrong way.

An Adam step is θ ← θ - α m/sqrt(v). A gradient g_t takes part in all later m, so it moves θ by
-k(g_t) g_t with the factor k(g_t) of (3-8). Adam fails where k is smaller for large gradients. Here
Adam is as in the appendix 3.B: in the long run, without eps, and α = 1 where nothing else is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.signal import lfilter

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.theory.online import (
    LARGEST,
    AdamRecurrence,
    Array,
    SequentialProblem,
    StochasticProblem,
    check_betas,
    check_gradients,
    check_series,
)

# The searches for a critical C end here.
LARGEST_C = LARGEST / 4
LARGEST_STOCHASTIC_C = 1e6


def net_update_factors(second_moments: ArrayLike, beta1: float, lr: float = 1.0) -> Array:
    """How far each gradient of a sequence moves θ within it, as a multiple of itself:

        k(g_t) = Σ_{t<=i<=T} α / sqrt(v_i) · (1 - β1) β1^{i-t}

    The steps sum to Σ_t k(g_t) g_t = Σ_t α m_t / sqrt(v_t).

    Args:
        second_moments: v_1, ..., v_T, (..., T), above 0.
        beta1: in [0, 1).
        lr: α.

    Returns:
        k(g_1), ..., k(g_T), (..., T). The last few lack what would follow after T.

    Raises:
        UserError: for numbers outside their ranges.

    Source:
        Thesis (3-8).

    Examples:
        >>> from gan_lab.theory import net_update_factors
        >>> net_update_factors([4.0, 1.0], beta1=0.5)
        array([0.5, 0.5])
    """
    moments = check_series("second_moments", second_moments)
    check_betas((beta1, 0.0))
    checks.number("lr", lr, at_least=0)
    if moments.min() <= 0:
        raise UserError("a second moment is not above 0: pass v from the first nonzero gradient on")

    # an exponential average that runs backwards in time
    backwards = (lr / np.sqrt(moments))[..., ::-1]
    return lfilter([1 - beta1], [1.0, -beta1], backwards)[..., ::-1]


def first_moment_limit(problem: SequentialProblem, beta1: float) -> Array:
    """Adam's m at each step of a late period: (C + 1)(1 - β1)/(1 - β1^d) β1^{i-1} - 1.

    Args:
        problem: (3-6) with period d.
        beta1: in [0, 1).

    Returns:
        (d,), i = 1, ..., d.

    Raises:
        UserError: for beta1 outside [0, 1).

    Source:
        Thesis 3.B.2.

    Examples:
        >>> from gan_lab.theory import SequentialProblem, first_moment_limit
        >>> first_moment_limit(SequentialProblem(C=6.0, period=3), beta1=0.0)
        array([ 6., -1., -1.])
    """
    check_betas((beta1, 0.0))
    return (problem.C + 1) * _weights(beta1, problem.period) - 1


def second_moment_limit(problem: SequentialProblem, beta2: float) -> Array:
    """Adam's v at each step of a late period: (C² - 1)(1 - β2)/(1 - β2^d) β2^{i-1} + 1.

    Args:
        problem: (3-6) with period d.
        beta2: in [0, 1).

    Returns:
        (d,), i = 1, ..., d.

    Raises:
        UserError: for beta2 outside [0, 1).

    Source:
        Thesis Lemma 3.2 (3-9). In its proof the last line before the limit has - (1 - β2^{nd+i}),
        which should be +.

    Examples:
        >>> from gan_lab.theory import SequentialProblem, second_moment_limit
        >>> second_moment_limit(SequentialProblem(C=6.0, period=3), beta2=0.0)
        array([36.,  1.,  1.])
    """
    check_betas((0.0, beta2))
    return (problem.C**2 - 1) * _weights(beta2, problem.period) + 1


def periodic_net_update_factors(
    problem: SequentialProblem, betas: tuple[float, float], lr: float = 1.0
) -> Array:
    """The net update factor of each gradient of a late period:

        k(g_i) = (1 - β1)/(1 - β1^d) Σ_{0<=j<d} β1^j α / sqrt(v_{i+j})

    The first one, that of C, is the smallest. The others rise to one largest and fall after it.

    Args:
        problem: (3-6) with period d.
        betas: (β1, β2), both in [0, 1).
        lr: α.

    Returns:
        (d,), i = 1, ..., d.

    Raises:
        UserError: for numbers outside their ranges.

    Source:
        Thesis (3-10) and Lemma 3.3.

    Examples:
        >>> from gan_lab.theory import SequentialProblem, periodic_net_update_factors
        >>> problem = SequentialProblem(C=4.0, period=2)
        >>> periodic_net_update_factors(problem, betas=(0.0, 0.0))
        array([0.25, 1.  ])
    """
    check_betas(betas)
    checks.number("lr", lr, at_least=0)

    # one period backwards from 0; a state e in its end comes back as e + β1^d state
    steps = lr / np.sqrt(second_moment_limit(problem, betas[1]))[::-1]
    beta1 = betas[0]
    _, end = lfilter([1 - beta1], [1.0, -beta1], steps, zi=[0.0])
    state = end / (1 - beta1**problem.period)
    return lfilter([1 - beta1], [1.0, -beta1], steps, zi=state)[0][::-1]


def period_update(problem: SequentialProblem, betas: tuple[float, float]) -> float:
    """S = Σ_{1<=i<=d} m_i/sqrt(v_i) of a late period: θ moves by -α S. Below 0, it moves up.

    Args:
        problem: (3-6) with period d.
        betas: (β1, β2), both in [0, 1).

    Raises:
        UserError: for betas outside [0, 1).

    Source:
        Thesis (3-42).

    Examples:
        4/4 - 1/1 - 1/1:

        >>> from gan_lab.theory import SequentialProblem, period_update
        >>> period_update(SequentialProblem(C=4.0, period=3), betas=(0.0, 0.0))
        -1.0
    """
    check_betas(betas)
    means = first_moment_limit(problem, betas[0])
    return float(np.sum(means / np.sqrt(second_moment_limit(problem, betas[1]))))


def critical_C(betas: tuple[float, float], period: int, *, approximate: bool = False) -> float:
    """The C at which Adam stands still on the sequential problem; below it θ goes the wrong way.

    With s = sqrt(β2) and v much larger than 1,

        C + 1 = (1 - β1^d)(s - β1)(1 - s^d) / ((1 - β1)(s^d - β1^d)(1 - s))

    Args:
        betas: (β1, β2), both in [0, 1).
        period: d, in steps, >= 2.
        approximate: this formula in place of the root of `period_update`.

    Returns:
        C; infinity where θ goes the wrong way for every C, and 1 where for none (d = 2).

    Raises:
        UserError: for numbers outside their ranges.

    Source:
        Thesis Lemma 3.7. Its (3-43) has the middle ratio (s - β1)/(s^d - β1^d) and the last one
        (1 - s^d)/(1 - s) upside down.

    Examples:
        >>> from gan_lab.theory import critical_C
        >>> round(critical_C((0.0, 0.99), period=20, approximate=True), 2)
        19.99
        >>> round(critical_C((0.0, 0.99), period=20), 2)
        19.94
    """
    check_betas(betas)
    checks.whole("period", period, at_least=2)
    beta1, beta2 = betas
    if approximate:
        # geometric sums in place of the ratios, which are 0/0 at β1 = s; both times s^{d-1}
        s, i = math.sqrt(beta2), np.arange(period)
        gradients = np.sum(s ** (period - 1 - i))
        means = np.sum(_weights(beta1, period) * s ** (period - 1 - i))
        return float(gradients / means) - 1 if means > 0 else math.inf

    def update(C: float) -> float:
        return period_update(SequentialProblem(C, period), betas)

    return _root(update, math.nextafter(1, 2), LARGEST_C)


def critical_period(betas: tuple[float, float], *, at_most: int = 100_000) -> float:
    """The smallest d = C for which Adam goes the wrong way, although a period's gradients sum to 1.

    Args:
        betas: (β1, β2), both in [0, 1).
        at_most: the largest d that is tried.

    Returns:
        d; infinity where it is above `at_most`.

    Raises:
        UserError: for numbers outside their ranges.

    Source:
        Thesis 3.C and Figure 3-8 b. It says that d grows with β1 and β2; for a large β1 it falls
        first as β2 grows: at β1 = 0.95 it is 32, 11 and 37 for β2 = 0, 0.5 and 0.99.

    Examples:
        >>> from gan_lab.theory import critical_period
        >>> [critical_period((0.95, beta2)) for beta2 in (0.0, 0.5, 0.99)]
        [32, 11, 37]
    """
    check_betas(betas)
    checks.whole("at_most", at_most, at_least=2)

    # The gradients 2 and -1 with β1 = β2 = 0 cancel: rounding is no wrong way.
    def is_wrong(period: int) -> bool:
        return period_update(SequentialProblem(float(period), period), betas) < -1e-9

    # doubling, then halving: the sign changes once
    high = 2
    while not is_wrong(high):
        if high == at_most:
            return math.inf
        high = min(2 * high, at_most)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_wrong(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class ExpectedFactors:
    """Expected net update factors in the stochastic problem.

    Args:
        large: k(C).
        small: k(-1).

    Examples:
        >>> from gan_lab.theory import StochasticProblem, expected_net_update_factors
        >>> expected_net_update_factors(StochasticProblem(4.0, 1.0), betas=(0.0, 0.5)).large < 0.5
        True
    """

    large: float
    small: float


def expected_net_update_factors(
    problem: StochasticProblem, betas: tuple[float, float]
) -> ExpectedFactors:
    """E[k(g_t)] of both gradients, exact to about 1e-11: no series, no simulation.

    k(g) = Σ_t (1 - β1) β1^t E[X_t^{-1/2}], X_t = (1 - β2)(β2^t g² + Σ_{j≠t} β2^j g_j²) over all
    j >= 0. With E[X^{-1/2}] = 2/sqrt(π) ∫ E[exp(-u² X)] du over u > 0 the expectation is a product.

    Args:
        problem: (3-7).
        betas: (β1, β2), both in [0, 1); the work grows as 1/(1 - β2).

    Raises:
        UserError: for betas outside [0, 1).

    Source:
        Thesis Lemma 3.4: k(C) < k(-1), which holds since X_t is larger for C whatever the other
        gradients are.

    Examples:
        With β2 = 0 a step is g/|g|:

        >>> from gan_lab.theory import StochasticProblem, expected_net_update_factors
        >>> factors = expected_net_update_factors(StochasticProblem(4.0, 1.0), betas=(0.0, 0.0))
        >>> round(factors.large, 10), round(factors.small, 10)
        (0.25, 1.0)
    """
    check_betas(betas)
    quadrature = _Quadrature(problem, betas[1])
    return ExpectedFactors(
        large=quadrature.factor(problem.C**2, betas[0]), small=quadrature.factor(1.0, betas[0])
    )


def second_order_net_update_factors(
    problem: StochasticProblem, betas: tuple[float, float]
) -> ExpectedFactors:
    """E[k(g_t)] from the mean x_t and variance D_t of X_t (Lemma 3.6):

        k(g) ≈ Σ_t (1 - β1) β1^t (x_t^{-1/2} + 3/8 D_t x_t^{-5/2})
        x_t = (1 + β2^{t+1} - β2^t) E[g²] + (1 - β2) β2^t g²
        D_t = (1 - β2)/(1 + β2) · (1 - β2^{2t} (1 - β2²)) D[g²]

    The error falls as (1 - β2)².

    Args:
        problem: (3-7).
        betas: (β1, β2), both in [0, 1).

    Raises:
        UserError: for betas outside [0, 1).

    Source:
        Thesis (3-33) to (3-41). Its (3-32) has D[v] = D[g²] for (1 - β2)/(1 + β2) D[g²], which
        enters D_t of (3-37), and (3-27) has E[g²] wrong.

    Examples:
        >>> from gan_lab.theory import StochasticProblem, second_order_net_update_factors
        >>> factors = second_order_net_update_factors(StochasticProblem(4.0, 1.0), (0.9, 0.999))
        >>> factors.large < factors.small
        True
    """
    check_betas(betas)
    beta1, beta2 = betas
    t = np.arange(_length(beta1))
    spread = problem.square_variance * (1 - beta2) / (1 + beta2)
    variance = spread * (1 - beta2 ** (2.0 * t) * (1 - beta2**2))
    own = (1 - beta2) * beta2 ** t.astype(float)

    def factor(square: float) -> float:
        mean = (1 - own) * problem.square_mean + own * square
        terms = mean**-0.5 + 0.375 * variance * mean**-2.5
        return float(np.sum((1 - beta1) * beta1 ** t.astype(float) * terms))

    return ExpectedFactors(large=factor(problem.C**2), small=factor(1.0))


def expected_inverse_root(problem: StochasticProblem, beta2: float) -> float:
    """E[1/sqrt(v)] in the long run: times -α δ, the mean step of AdaShift.

    Args:
        problem: (3-7).
        beta2: in [0, 1).

    Raises:
        UserError: for beta2 outside [0, 1).

    Source:
        Thesis Theorem 3.5: g_t is independent of AdaShift's v, and E[g_t] = δ.

    Examples:
        v is g², 16 or 1 with probability 2/5 and 3/5:

        >>> from gan_lab.theory import StochasticProblem, expected_inverse_root
        >>> round(expected_inverse_root(StochasticProblem(4.0, 1.0), beta2=0.0), 10)
        0.7
    """
    check_betas((0.0, beta2))
    return _Quadrature(problem, beta2).inverse_root()


def expected_update(problem: StochasticProblem, betas: tuple[float, float]) -> float:
    """E[m/sqrt(v)] = p C k(C) - (1 - p) k(-1) in the long run: times -α, Adam's mean step.

    Args:
        problem: (3-7).
        betas: (β1, β2), both in [0, 1).

    Returns:
        Below 0 where Adam goes the wrong way.

    Raises:
        UserError: for betas outside [0, 1).

    Source:
        Thesis 3.3.2 and Lemma 3.4.

    Examples:
        With β1 = β2 = 0 it is the mean sign, p - (1 - p):

        >>> from gan_lab.theory import StochasticProblem, expected_update
        >>> round(expected_update(StochasticProblem(4.0, 1.0), betas=(0.0, 0.0)), 10)
        -0.2
    """
    factors = expected_net_update_factors(problem, betas)
    return problem.chance * problem.C * factors.large - (1 - problem.chance) * factors.small


def critical_stochastic_C(betas: tuple[float, float], delta: float = 1.0) -> float:
    """The C at which Adam stands still on the stochastic problem; above it θ goes the wrong way.

    Args:
        betas: (β1, β2), both in [0, 1).
        delta: δ.

    Returns:
        C; infinity where it is above 10^6.

    Raises:
        UserError: for numbers outside their ranges.

    Source:
        Thesis 3.C and Figure 3-8 d (δ = 1).

    Examples:
        With β1 = β2 = 0 the signs balance at p = (1 + δ)/(C + 1) = 1/2:

        >>> from gan_lab.theory import critical_stochastic_C
        >>> round(critical_stochastic_C((0.0, 0.0), delta=1.0), 8)
        3.0
    """
    check_betas(betas)
    checks.number("delta", delta, above=0)

    def wrong(C: float) -> float:
        return -expected_update(StochasticProblem(C, delta), betas)

    return _root(wrong, max(1.0, delta) * (1 + 1e-9), LARGEST_STOCHASTIC_C)


def adam_final_theta(
    gradients: ArrayLike, beta1: ArrayLike, beta2: ArrayLike, lr: float = 1e-3, eps: float = 1e-8
) -> Array:
    """θ of Adam after all gradients, from 0, for every pair of β1 and β2.

    θ is a product of matrices: row β1 of all m̂_t with row β2 of all 1/(sqrt(v̂_t) + eps).

    Args:
        gradients: g_t, (..., steps).
        beta1: (A,), each in [0, 1).
        beta2: (B,), each in [0, 1).
        lr: α.
        eps: added to the root, > 0.

    Returns:
        (..., A, B).

    Raises:
        UserError: for gradients that are not finite and numbers outside their ranges.

    Source:
        Thesis Figure 3-8 a and c.

    Examples:
        >>> from gan_lab.theory import SequentialProblem, adam_final_theta
        >>> gradients = SequentialProblem(C=6.0, period=6).gradients(steps=2000)
        >>> adam_final_theta(gradients, [0.0, 0.9], [0.1, 0.9]).round(3)
        array([[ 1.096, -0.03 ],
               [-0.134, -0.119]])
    """
    gradients = check_gradients(gradients)
    t = np.arange(1, gradients.shape[-1] + 1)
    means = []
    for beta in _axis("beta1", beta1).tolist():
        AdamRecurrence(lr=lr, betas=(beta, 0.0), eps=eps)  # refuses what it cannot use
        m = lfilter([1 - beta], [1.0, -beta], gradients)
        means.append(m / (1 - beta**t))
    scales = []
    for beta in _axis("beta2", beta2).tolist():
        check_betas((0.0, beta))
        v = lfilter([1 - beta], [1.0, -beta], gradients * gradients)
        scales.append(1 / (np.sqrt(v / (1 - beta**t)) + eps))
    return -lr * np.stack(means, axis=-2) @ np.moveaxis(np.stack(scales, axis=-2), -1, -2)


@dataclass(frozen=True)
class CriticalGrid:
    """The data of Figure 3-8 over a grid of β1 and β2.

    Args:
        beta1: (A,).
        beta2: (B,).
        sequential_theta: a, θ after the steps, d = C, (A, B).
        critical_period: b, the smallest d = C for which θ goes up, (A, B).
        stochastic_theta: c, as a, the mean over the copies, (A, B).
        stochastic_error: its standard error, (A, B).
        critical_C: d, the C above which θ goes up, (A, B).

    Examples:
        >>> from gan_lab.theory import critical_grid
        >>> critical_grid([0.0, 0.5, 0.9], [0.0, 0.5], copies=2).critical_period.shape
        (3, 2)
    """

    beta1: Array
    beta2: Array
    sequential_theta: Array
    critical_period: Array
    stochastic_theta: Array
    stochastic_error: Array
    critical_C: Array


def critical_grid(
    beta1: ArrayLike,
    beta2: ArrayLike,
    *,
    C: int = 6,
    delta: float = 1.0,
    steps: int = 2000,
    copies: int = 100,
    lr: float = 1e-3,
    seed: int = 0,
) -> CriticalGrid:
    """Compute the four panels of Figure 3-8.

    Args:
        beta1: (A,), each in [0, 1).
        beta2: (B,), each in [0, 1).
        C: the large gradient, and the period of the sequential problem.
        delta: δ of the stochastic problem.
        steps: in panels a and c.
        copies: >= 2; independent sequences of gradients in panel c.
        lr: α, which the thesis does not say.
        seed: of the gradients.

    Raises:
        UserError: for numbers outside their ranges.

    Source:
        Thesis 3.C, Figure 3-8.

    Examples:
        >>> from gan_lab.theory import critical_grid
        >>> grid = critical_grid([0.0, 0.9], [0.5, 0.9], copies=2)
        >>> grid.critical_period
        array([[ 4.,  7.],
               [ 8., 14.]])
        >>> grid.critical_C.round(1)
        array([[ 5.6, 23.1],
               [34.7, 31.7]])
    """
    checks.whole("C", C, at_least=2)
    checks.whole("copies", copies, at_least=2)
    first, second = _axis("beta1", beta1), _axis("beta2", beta2)
    betas = [[(float(a), float(b)) for b in second] for a in first]

    # a and c: simulated
    periodic = SequentialProblem(float(C), C).gradients(steps)
    drawn = StochasticProblem(float(C), delta).gradients(steps, seed, copies)
    theta = adam_final_theta(drawn, first, second, lr)

    # b and d: in the long run
    return CriticalGrid(
        beta1=first,
        beta2=second,
        sequential_theta=adam_final_theta(periodic, first, second, lr),
        critical_period=np.array([[critical_period(pair) for pair in row] for row in betas], float),
        stochastic_theta=theta.mean(axis=0),
        stochastic_error=theta.std(axis=0, ddof=1) / math.sqrt(copies),
        critical_C=np.array(
            [[critical_stochastic_C(pair, delta) for pair in row] for row in betas]
        ),
    )


class _Quadrature:
    """E[X^{-1/2}] = 2/sqrt(π) ∫ E[exp(-u² X)] du for the sums X of Lemma 3.4, by the trapezoid rule
    in y = log u.

    E[exp(-u² X)] is analytic for |Im y| < π/4, so a step h leaves a relative error of about
    exp(-π²/(2h)), 1e-12 at h = 0.17. Below the first u the integrand is 1 to within 1e-13 of the
    result, since X <= C²; above the last one it is below exp(-30), since X >= 1.
    """

    def __init__(self, problem: StochasticProblem, beta2: float) -> None:
        C, self.problem, self.beta2 = problem.C, problem, beta2
        step = 0.17
        y = np.arange(math.log(1e-13 / C), 0.5 * math.log(30), step)
        self.s = np.exp(2 * y)
        self.weights = 2 / math.sqrt(math.pi) * step * np.exp(y)

        # From this term on, the exponents are so small that their first order is enough: the second
        # is (s β2^t)² (1 - β2) D[g²] / 4, below 1e-14.
        smallest = 1e-7 / (self.s[-1] * C**1.5)
        self.terms = 1 if beta2 == 0 else math.ceil(math.log(smallest) / math.log(beta2))
        log_product = -self.s * beta2**self.terms * problem.square_mean
        for exponents in self._exponents(self.terms):
            log_product += np.log(self._transform(exponents)).sum(axis=0)
        self.product = np.exp(log_product)

    def inverse_root(self) -> float:
        """E[1/sqrt(v)], v = (1 - β2) Σ β2^j g_j²."""
        return float(self.weights @ self.product)

    def factor(self, square: float, beta1: float) -> float:
        """E[k(g)] of a gradient with this square."""
        # term t of the product has the known gradient in place of a drawn one
        count, begin = min(self.terms, _length(beta1)), 0
        ratio = np.zeros_like(self.s)
        for exponents in self._exponents(count):
            t = np.arange(begin, begin + len(exponents), dtype=float)
            begin += len(exponents)
            ratio += beta1**t @ (np.exp(-exponents * square) / self._transform(exponents))

        # The exponents of later terms are about 0: Σ β1^t (1 - s (1 - β2) β2^t (g² - E[g²])).
        # Nothing is left where β1^t has ended the sum.
        if count == self.terms:
            own = self.s * (1 - self.beta2) * self.beta2**count
            excess = own * (square - self.problem.square_mean) / (1 - beta1 * self.beta2)
            ratio += beta1**count * (1 / (1 - beta1) - excess)
        return float((1 - beta1) * self.weights @ (self.product * ratio))

    def _exponents(self, count: int) -> Iterator[Array]:
        """s (1 - β2) β2^t for t < count, in pieces (n, nodes) of at most a few megabytes."""
        t = np.arange(count, dtype=float)
        factors = (1 - self.beta2) * self.beta2**t
        for piece in np.array_split(factors, max(1, count // 2000)):
            yield piece[:, None] * self.s

    def _transform(self, exponents: Array) -> Array:
        """E[exp(-a g²)]."""
        p, C = self.problem.chance, self.problem.C
        return p * np.exp(-exponents * C**2) + (1 - p) * np.exp(-exponents)


def _axis(name: str, values: ArrayLike) -> Array:
    """The values of an axis of a grid, (n,)."""
    axis = check_series(name, values)
    if axis.ndim != 1:
        raise UserError(f"{name} have the shape {axis.shape}: pass one list of numbers")
    return axis


def _weights(beta: float, period: int) -> Array:
    """β^{i-1} (1 - β)/(1 - β^d), i = 1, ..., d: they sum to 1."""
    powers = float(beta) ** np.arange(period)
    return powers / powers.sum()


def _length(beta1: float) -> int:
    """So many terms of Σ (1 - β1) β1^t that the rest is below 1e-17."""
    return 1 if beta1 == 0 else math.ceil(math.log(1e-17) / math.log(beta1))


def _root(function: Callable[[float], float], low: float, largest: float) -> float:
    """Where a function that begins below 0 crosses it; infinity where that is beyond `largest`."""
    if function(low) > -1e-9:  # 0 up to rounding
        return low
    high = 2 * low
    while function(high) < 0:
        low, high = high, 2 * high
        if high > largest:
            return math.inf
    return float(brentq(function, low, high, xtol=1e-12, rtol=1e-12))
