"""Two laws on finitely many points, each point once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from gan_lab.theory.laws import Array


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
