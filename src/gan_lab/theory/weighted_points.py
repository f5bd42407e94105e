"""Two laws on finitely many points: what a caller may give, and the points without repetitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from gan_lab.errors import UserError

Array = NDArray[np.float64]


def read_points(name: str, values: ArrayLike) -> Array:
    """(n, d) float64 of anything like an array.

    Raises:
        UserError: for another shape, no points, and numbers that are not finite.
    """
    points = _numbers(name, values)
    if points.ndim != 2 or 0 in points.shape:
        raise UserError(
            f"{name} has shape {points.shape}: use (n, d), at least one point of at least one "
            "coordinate"
        )
    return points


def read_weights(name: str, values: ArrayLike | None, count: int) -> Array:
    """(count,) probabilities; 1 / count each where there are none.

    Raises:
        UserError: for another shape, negative numbers, and a sum other than 1.
    """
    if values is None:
        return np.full(count, 1 / count)
    weights = read_law(name, values)
    if weights.shape != (count,):
        raise UserError(f"{name} has shape {weights.shape}: use one weight a point, ({count},)")
    return weights


def read_law(name: str, values: ArrayLike) -> Array:
    """(n,) probabilities.

    Raises:
        UserError: for another shape, negative numbers, and a sum other than 1.
    """
    weights = _numbers(name, values)
    if weights.ndim != 1 or not len(weights):
        raise UserError(f"{name} has shape {weights.shape}: use (n,), at least one point")
    if weights.min() < 0:
        raise UserError(f"{name} holds {weights.min():g}: use numbers of at least 0")

    # up to rounding: float32 has seven digits
    total = weights.sum()
    if abs(total - 1) > 1e-6:
        raise UserError(f"{name} sum to {total:g}: divide them by their sum")
    return weights / total


def _numbers(name: str, values: Any) -> Array:
    """Finite float64 numbers, of a tensor on any device, too."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{name} holds something else than numbers: use an array") from None
    if not np.isfinite(numbers).all():
        raise UserError(f"{name} holds numbers that are not finite: remove or replace them")
    return numbers


@dataclass(frozen=True)
class Support:
    """The distinct points of both laws that have a weight.

    Args:
        points: (s, d).
        fake_weights: P_g of each, (s,).
        real_weights: P_r of each, (s,); a point may have both.
        fake_at: the place of each point of the fake law, as it was given, (n,); -1 without weight.
        real_at: the same for the real law, (m,).
    """

    points: Array
    fake_weights: Array
    real_weights: Array
    fake_at: NDArray[np.intp]
    real_at: NDArray[np.intp]

    @property
    def fakes(self) -> NDArray[np.intp]:
        """The points of S_g."""
        return np.flatnonzero(self.fake_weights)

    @property
    def reals(self) -> NDArray[np.intp]:
        """The points of S_r."""
        return np.flatnonzero(self.real_weights)

    def distances(self) -> Array:
        """(fakes, reals)."""
        return cdist(self.points[self.fakes], self.points[self.reals])


def support(fake: Array, real: Array, fake_weights: Array, real_weights: Array) -> Support:
    """The laws of fake (n, d) and real (m, d), each point once."""
    both = np.concatenate([fake, real]) + 0.0  # -0 and 0 are one point
    points, index = np.unique(both, axis=0, return_inverse=True)
    index = index.reshape(-1)
    weights = np.zeros((2, len(points)))
    np.add.at(weights[0], index[: len(fake)], fake_weights)
    np.add.at(weights[1], index[len(fake) :], real_weights)

    weighty = weights.any(axis=0)
    place = np.where(weighty, np.cumsum(weighty) - 1, -1)[index]
    p, q = weights[:, weighty]
    return Support(points[weighty], p, q, place[: len(fake)], place[len(fake) :])
