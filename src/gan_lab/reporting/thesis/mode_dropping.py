"""Figure 4-6: the Inception Score of dropped modes (4.6.4).

N points, point i with the one-hot class distribution C(x_i) = v(i) and a mass p_i; m of them are
dropped at random and the masses of the kept ones rescaled to sum to 1. Since H(C(x)) = 0 for
one-hot C, identity (4-29) gives

    log IS = E_x KL(C(x) ‖ mean C) = H(mean C),

with mean C the rescaled masses: log(N-m) exactly for equal masses, whatever was dropped. The thesis
plots this against N-m, with bars from the least to the greatest value of 1000 random droppings, for
equal masses and for masses that follow a Gaussian over the classes. It says neither N nor the
Gaussian's width: here N = 100 and a standard deviation of N/6, so that the classes span three of
them to either side.

The AM Score (4-32) is not in the thesis's figure and could not be: its KL(mean C of all ‖ mean C of
the kept) is 0 where nothing was dropped and infinite as soon as one class is missing. The file of
the numbers has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLASSES = 100
TRIALS = 1000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LogScores:
    """log IS in nats by the number of kept points 1..N, over the trials. Shapes (N,)."""

    mean: Array
    low: Array
    high: Array


def uniform(n: int = CLASSES) -> Array:
    """Equal masses. Shape (n,)."""
    return np.full(n, 1 / n)


def gaussian(n: int = CLASSES) -> Array:
    """Masses of a Gaussian over the class index, centred, standard deviation n/6. Shape (n,)."""
    density = np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 6)) ** 2)
    return density / density.sum()


def mode_dropping(density: Array, trials: int = TRIALS) -> LogScores:
    """Measure log IS of the kept points, over trials.

    A trial is a random order of the points; k points are kept by keeping its first k, so one order
    serves every k. With S the kept mass, H = log S - Σ p log p / S.

    Args:
        density: masses > 0 that sum to 1, shape (N,).
        trials: random orders.
    """
    rng = np.random.default_rng(0)
    orders = rng.permuted(np.tile(density, (trials, 1)), axis=1)
    mass = np.cumsum(orders, axis=1)

    # an entropy is not negative; rounding makes -1e-16 of that of one kept point
    log_scores = np.log(mass) - np.cumsum(orders * np.log(orders), axis=1) / mass
    log_scores = np.maximum(log_scores, 0.0)

    # where all trials are equal, rounding can put their mean outside
    low, high = log_scores.min(axis=0), log_scores.max(axis=0)
    return LogScores(np.clip(log_scores.mean(axis=0), low, high), low, high)


def am_score(density: Array, kept: int) -> float:
    """AM Score of `kept` of the points: 0 for all of them, else infinite."""
    return 0.0 if kept == len(density) else np.inf
