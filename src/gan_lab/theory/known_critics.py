"""Pairs of laws whose optimal critic is known in closed form, and scores of a trained one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.errors import UserError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TransportCost:
    """W1 with its standard error over rays.

    Args:
        value: the estimate.
        standard_error: of `value`, one standard deviation.

    Examples:
        Real |x| ~ U(0, 1) and fake |x|² on a line: 1/2 - 1/3.

        >>> import numpy as np
        >>> from gan_lab.theory import MinFunnels
        >>> funnels = MinFunnels([[0.0]], [0.0], half_side=1.0, power=2.0)
        >>> round(funnels.w1(10, np.random.default_rng(0)).value, 12)
        0.166666666667
    """

    value: float
    standard_error: float


@dataclass(frozen=True)
class CriticScores:
    """How near a trained critic D is to the optimal one f.

    Args:
        cosine: E cos(∇D, ∇f) over fakes, 1 at best; a zero gradient counts 0.
        l2: E ‖∇D - ∇f‖² over fakes, 0 at best.
        w1: E D(real) - E D(fake). Only for a 1-Lipschitz D is it at most W1.
        true_w1: E f(real) - E f(fake) on the same samples.
        w1_ratio: w1 / true_w1, 1 at best.

    Examples:
        A critic with the right direction, and half of the slope.

        >>> from gan_lab.theory import MinFunnels
        >>> funnels = MinFunnels([[0.0]], [0.0])
        >>> scores = funnels.score(lambda x: x.abs() / 2, fake=[[1.0]], real=[[2.0]])
        >>> scores.cosine, scores.l2, scores.w1, scores.w1_ratio
        (1.0, 0.25, 0.5, 0.5)
    """

    cosine: float
    l2: float
    w1: float
    true_w1: float
    w1_ratio: float


class MinFunnels:
    """f(x) = min_i ‖x - c_i‖ + b_i, an optimal critic between laws that are made from it.

    f is 1-Lipschitz, its gradient has norm 1 almost everywhere. Where funnel i is the lowest, rays
    leave c_i, and f grows by 1 per unit along each; a ray that leaves this region never returns,
    and the region ends on it where

        t + b_i = ‖t w - (c_j - c_i)‖ + b_j, that is t = (‖d‖² - δ²)/(2 (δ + d'w))

    for some j (direction w, d = c_j - c_i, δ = b_i - b_j), or at the cube [-L, L]^D. Real samples
    are uniform in the cube. Each one, at the share t of its ray's length, moves towards c_i to the
    share t^p: that is its fake. Both ends lie on one ray, so ‖real - fake‖ = f(real) - f(fake),
    which no 1-Lipschitz function exceeds: f is optimal, the pairs are an optimal plan, and

        W1 = E f(real) - E f(fake).

    As t^D is uniform in [0, 1] whatever the ray, W1 = E[ray length] · (D/(D+1) - D/(D+p)).

    Args:
        centers: c, (K, D), within the cube.
        biases: b, (K,).
        half_side: L > 0.
        power: p >= 1; at 1 nothing moves.

    Raises:
        UserError: for other shapes, values that are not finite, centers outside of the cube.

    Source:
        Korotin, Kolesov and Burnaev 2022 (arXiv:2206.07767), whose benchmark has D = 2 to 128,
        K = 4 to 256, L = 2.5 and p = 8 [their code]. The closed form of the ray's end and W1's
        factor are worked out here.

    Examples:
        >>> from gan_lab.theory import MinFunnels
        >>> funnels = MinFunnels(centers=[[-1.0, 0.0], [1.0, 0.0]], biases=[0.0, 0.5])
        >>> funnels.potential([[-1.0, 2.0], [1.0, 0.0]])
        array([2. , 0.5])
        >>> funnels.gradient([[-1.0, 2.0]])
        array([[0., 1.]])
    """

    def __init__(
        self, centers: ArrayLike, biases: ArrayLike, half_side: float = 2.5, power: float = 8.0
    ) -> None:
        # the functions
        self.centers = np.array(centers, dtype=np.float64)
        self.biases = np.array(biases, dtype=np.float64)
        shapes = f"centers of shape {self.centers.shape}, biases of {self.biases.shape}"

        if self.centers.ndim != 2 or not self.centers.size:
            raise UserError(f"{shapes}: use centers (K, D)")
        if self.biases.shape != self.centers.shape[:1]:
            raise UserError(f"{shapes}: use one bias for each center")
        if not (np.isfinite(self.centers).all() and np.isfinite(self.biases).all()):
            raise UserError("centers and biases: use finite numbers")

        # the laws
        self.half_side = checks.number("half_side", half_side, above=0)
        self.power = checks.number("power", power, at_least=1)

        if np.abs(self.centers).max() > self.half_side:
            raise UserError(
                f"half_side={half_side}: a center lies outside of the cube: use at least "
                f"{np.abs(self.centers).max():g}"
            )

    @classmethod
    def make(
        cls,
        dimension: int,
        funnels: int,
        rng: np.random.Generator,
        *,
        half_side: float = 2.5,
        power: float = 8.0,
    ) -> Self:
        """Draw centers uniformly in the cube and biases ~ N(0, 0.1²), as the benchmark does.

        Args:
            dimension: D >= 1.
            funnels: K >= 1. One whose bias is too high is nowhere the lowest, and has no samples.
            rng: draws both.
            half_side: L.
            power: p.

        Raises:
            UserError: for numbers out of range.
        """
        checks.whole("dimension", dimension, at_least=1)
        checks.whole("funnels", funnels, at_least=1)
        checks.number("half_side", half_side, above=0)
        centers = rng.uniform(-half_side, half_side, (funnels, dimension))
        return cls(centers, 0.1 * rng.standard_normal(funnels), half_side, power)

    @property
    def dimension(self) -> int:
        """D."""
        return self.centers.shape[1]

    def potential(self, x: ArrayLike) -> Array:
        """f at points (n, D): (n,)."""
        heights, lowest = self._lowest(self._points(x))
        return heights[np.arange(len(heights)), lowest]

    def gradient(self, x: ArrayLike) -> Array:
        """∇f at points (n, D), of norm 1; 0 at a center, where f has none."""
        points = self._points(x)
        return _unit(points - self.centers[self._lowest(points)[1]])

    def ray_lengths(self, x: ArrayLike) -> Array:
        """How long the rays are on which points of the cube lie: (n,), 0 at a center."""
        points = self._points(x)
        if np.abs(points).max(initial=0) > self.half_side:
            raise UserError(f"x: points outside of the cube of half side {self.half_side:g}")
        lowest = self._lowest(points)[1]
        starts = self.centers[lowest]
        directions = _unit(points - starts)

        # where another funnel gets as low; none does where the denominator is not above 0
        distances = cdist(self.centers, self.centers)[lowest]
        rises = self.biases[lowest][:, None] - self.biases
        along = directions @ self.centers.T - np.sum(directions * starts, axis=1)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            meets = (distances**2 - rises**2) / (2 * (rises + along))
            meets[~(rises + along > 0)] = np.inf
            meets[np.arange(len(points)), lowest] = np.inf

            # where it leaves the cube
            walls = (np.copysign(self.half_side, directions) - starts) / directions
            walls[directions == 0] = np.inf
        ends = np.minimum(meets.min(axis=1), walls.min(axis=1))

        # rounding: a point on the border lies at its ray's end, not beyond it
        reached = np.linalg.norm(points - starts, axis=1)
        return np.where(reached > 0, np.maximum(ends, reached), 0.0)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw pairs of the optimal plan.

        Args:
            n: pairs.
            rng: draws the real samples; fakes follow from them.

        Returns:
            (fake, real), each (n, D); row i of one belongs to row i of the other. Whoever wants
            independent sides permutes one, or draws twice.

        Raises:
            UserError: unless n >= 1.
        """
        # real ones, and where their rays begin
        checks.whole("n", n, at_least=1)
        real = rng.uniform(-self.half_side, self.half_side, (n, self.dimension))
        starts = self.centers[self._lowest(real)[1]]
        lengths = self.ray_lengths(real)

        # the shares of the ray, as a factor of the distance: t^p / t
        reached = np.linalg.norm(real - starts, axis=1)
        share = np.divide(reached, lengths, out=np.ones(n), where=lengths > 0)
        fake = starts + share[:, None] ** (self.power - 1) * (real - starts)
        return fake, real

    def w1(self, n: int, rng: np.random.Generator) -> TransportCost:
        """W1 between both laws, by Monte Carlo over rays alone.

        A real point's share t of its ray is averaged in closed form, E[t - t^p] =
        D/(D+1) - D/(D+p), so that only the rays' lengths vary.

        Args:
            n: points, >= 2.
            rng: draws them.

        Raises:
            UserError: unless n >= 2.
        """
        checks.whole("n", n, at_least=2)
        real = rng.uniform(-self.half_side, self.half_side, (n, self.dimension))
        d, p = self.dimension, self.power
        parts = np.array_split(real, -(-n // 10_000))  # rays × funnels must fit in memory
        lengths = np.concatenate([self.ray_lengths(part) for part in parts])
        costs = lengths * (d / (d + 1) - d / (d + p))
        return TransportCost(float(costs.mean()), float(costs.std(ddof=1) / np.sqrt(n)))

    def score(
        self, critic: Callable[[Tensor], Tensor], fake: ArrayLike, real: ArrayLike
    ) -> CriticScores:
        """Compare a trained critic with f.

        The critic is large on real samples, as f is. A module is asked on its own device and in its
        own precision, in the mode in which it is; a function in float64.

        Args:
            critic: samples (n, D) -> (n,) or (n, 1), each from its own sample alone.
            fake: (n, D), at which gradients are compared.
            real: (m, D).

        Raises:
            UserError: for other shapes, scores that are not finite, or no transport at all.

        Source:
            Korotin et al. 2022, section 5: cosine, L2 and W1 of ∇D against ∇f over the law that
            moves; the ratio is ours.
        """
        # what the critic says
        fakes, reals = self._points(fake), self._points(real)
        fake_scores, slopes = _scores_and_slopes(critic, fakes)
        real_scores, _ = _scores_and_slopes(critic, reals)

        # what f says
        truth = self.gradient(fakes)
        true_w1 = float(self.potential(reals).mean() - self.potential(fakes).mean())
        if true_w1 == 0:
            raise UserError("fake, real: f's means are equal, no ratio: use samples that differ")
        w1 = float(real_scores.mean() - fake_scores.mean())

        return CriticScores(
            cosine=float(np.sum(_unit(slopes) * truth, axis=1).mean()),
            l2=float(np.sum((slopes - truth) ** 2, axis=1).mean()),
            w1=w1,
            true_w1=true_w1,
            w1_ratio=w1 / true_w1,
        )

    def _points(self, x: ArrayLike) -> Array:
        points = np.asarray(x, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.dimension or not len(points):
            raise UserError(f"points of shape {points.shape}: use (n, {self.dimension}), n >= 1")
        if not np.isfinite(points).all():
            raise UserError("points: use finite numbers")
        return points

    def _lowest(self, points: Array) -> tuple[Array, NDArray[np.intp]]:
        """All funnels at all points, (n, K), and which is the lowest, (n,)."""
        heights = cdist(points, self.centers) + self.biases
        return heights, heights.argmin(axis=1)


def _unit(vectors: Array) -> Array:
    """Each row divided by its norm; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def _scores_and_slopes(critic: Callable[[Tensor], Tensor], points: Array) -> tuple[Array, Array]:
    """D, (n,), and ∇D, (n, D)."""
    x = torch.from_numpy(points)
    if isinstance(critic, nn.Module):
        x = x.to(next(critic.parameters(), x))
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        scores = critic(x)
        if scores.shape not in {(len(x),), (len(x), 1)}:
            raise UserError(
                f"critic gave {tuple(scores.shape)} for {len(x)} samples: it must give one each"
            )
        slopes = torch.zeros_like(x)
        if scores.requires_grad:  # else it is constant
            (slopes,) = torch.autograd.grad(scores.sum(), x, materialize_grads=True)
    values = scores.detach().flatten().double().cpu().numpy()
    gradients = slopes.double().cpu().numpy()
    if not (np.isfinite(values).all() and np.isfinite(gradients).all()):
        raise UserError("critic: a score or its gradient is not finite: train it anew")
    return values, gradients
