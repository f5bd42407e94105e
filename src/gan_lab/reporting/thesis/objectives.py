"""phi of the objectives of Table 2-2 as plain formulas (2.C.1, 2.6.5).

varphi(t) = phi(-t) for all of them. They are the same functions as in gan_lab.losses, without
torch; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def wasserstein(t: Array) -> Array:
    """t"""
    return t


def exp(t: Array) -> Array:
    """exp(t)"""
    return np.exp(t)


def logistic(t: Array) -> Array:
    """-log σ(-t) = log(1 + exp(t))"""
    return np.logaddexp(0.0, t)


def sqrt(t: Array) -> Array:
    """t + sqrt(t² + 1)"""
    return t + np.sqrt(t**2 + 1)


def quadratic(t: Array) -> Array:
    """(t + 1)²"""
    return (t + 1) ** 2


def hinge(t: Array) -> Array:
    """max(0, t + 1)"""
    return np.maximum(0.0, t + 1)


PHI: dict[str, Callable[[Array], Array]] = {
    "wasserstein": wasserstein,
    "exp": exp,
    "logistic": logistic,
    "sqrt": sqrt,
    "quadratic": quadratic,
    "hinge": hinge,
}
"""By the option's name."""
