"""Means over training seeds and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean over n training seeds and the half width of its interval; None where one seed gives no interval."""

    mean: float
    half_width: float | None
    n: int


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """mean ± t_{(1+confidence)/2, n-1} s/√n, Student's interval for independent normal values; s has n-1 below."""
    if not values:
        raise ValueError("an estimate needs at least one value")
    n = len(values)
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, None, 1)
    from scipy.special import stdtrit  # Student's quantile; scipy.stats takes half a second to import

    return Estimate(mean, float(stdtrit(n - 1, (1 + confidence) / 2) * np.std(values, ddof=1) / sqrt(n)), n)
