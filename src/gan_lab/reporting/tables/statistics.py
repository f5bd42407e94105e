"""Means over training seeds and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan, sqrt

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean over n training seeds and the half width of its interval.

    Args:
        mean: over the seeds.
        half_width: of the interval; None of one seed, nan where some value is not finite.
        n: of a difference of two means, the number of seeds of the smaller group; of real data,
            which no seed changes, 0.
    """

    mean: float
    half_width: float | None
    n: int

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Both ends of the interval; None where there is none."""
        if self.half_width is None or not isfinite(self.half_width):
            return None
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval and 0 lies outside."""
        return self.bounds is not None and not self.bounds[0] <= 0 <= self.bounds[1]


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Estimate a mean by Student's interval for independent normal values.

    The half width is t_{(1+confidence)/2, n-1} s/√n, where s² divides by n-1.

    Examples:
        >>> shown = estimate([1.0, 2.0, 3.0])
        >>> f"{shown.mean} ± {shown.half_width:.3f}, n = {shown.n}"
        '2.0 ± 2.484, n = 3'
    """
    if not values:
        raise ValueError("an estimate needs at least one value")
    n = len(values)
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, None, 1)
    return Estimate(mean, _quantile(n - 1, confidence) * _deviation(values) / sqrt(n), n)


def difference(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95
) -> Estimate:
    """Estimate mean(first) - mean(second) by Welch's interval.

    It lets the two have different variances. The half width is t_{(1+confidence)/2, ν} √(a + b)
    with a = s²/n of the first, b = s²/m of the second and Welch and Satterthwaite's
    ν = (a + b)² / (a²/(n-1) + b²/(m-1)); 0 where neither varies.
    """
    if not first or not second:
        raise ValueError("a difference needs at least one value on either side")

    # one seed on a side says nothing of its variance: there is no interval
    n = min(len(first), len(second))
    mean = float(np.mean(first)) - float(np.mean(second))
    if n == 1:
        return Estimate(mean, None, 1)

    # ν is 0/0 where neither varies
    a, b = (_deviation(values) ** 2 / len(values) for values in (first, second))
    if a + b == 0:
        return Estimate(mean, 0.0, n)
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    return Estimate(mean, _quantile(freedom, confidence) * sqrt(a + b), n)


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if np.isfinite(values).all() else nan


def _quantile(freedom: float, confidence: float) -> float:
    # Student's quantile; scipy.stats would take half a second to import
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))
