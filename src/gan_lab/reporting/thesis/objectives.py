"""phi of the objectives of Table 2-2 as plain formulas (2.C.1, 2.6.5).

varphi(t) = phi(-t) for all of them. They are the same functions as in gan_lab.losses, without
torch; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PHI: dict[str, Callable[[Array], Array]] = {}


def _phi(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    PHI[function.__name__] = function
    return function


@_phi
def wasserstein(t: Array) -> Array:
    """t"""
    return t


@_phi
def exp(t: Array) -> Array:
    """exp(t)"""
    return np.exp(t)


@_phi
def logistic(t: Array) -> Array:
    """-log σ(-t) = log(1 + exp(t))"""
    return np.logaddexp(0.0, t)


@_phi
def sqrt(t: Array) -> Array:
    """t + sqrt(t² + 1)"""
    return t + np.sqrt(t**2 + 1)


@_phi
def quadratic(t: Array) -> Array:
    """(t + 1)²"""
    return (t + 1) ** 2


@_phi
def hinge(t: Array) -> Array:
    """max(0, t + 1)"""
    return np.maximum(0.0, t + 1)
