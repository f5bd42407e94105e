"""Laws on finitely many points: what a caller may give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def read_clouds(fake: ArrayLike, real: ArrayLike) -> tuple[Array, Array]:
    """Fake points (n, d) and real points (m, d) of one d.

    Raises:
        UserError: as `read_points`, and for different d.
    """
    fakes, reals = read_points("fake", fake), read_points("real", real)
    if fakes.shape[1] != reals.shape[1]:
        raise UserError(
            f"fake has shape {fakes.shape} and real {reals.shape}: give both the same coordinates"
        )
    return fakes, reals


def read_weights(name: str, values: ArrayLike | None, count: int | None = None) -> Array:
    """(count,) probabilities, divided by their sum; 1 / count each where there are none.

    Raises:
        UserError: for another shape, negative numbers, and a sum other than 1.
    """
    if values is None:
        assert count is not None
        return np.full(count, 1 / count)

    weights = _numbers(name, values)
    expected = len(weights) if count is None and weights.ndim == 1 else count
    if weights.size == 0 or weights.shape != (expected,):
        length = "k" if count is None else count
        raise UserError(f"{name} has shape {weights.shape}: use one weight a point, ({length},)")
    if weights.min() < 0:
        raise UserError(f"{name} holds {weights.min():g}: use numbers of at least 0")

    # a law up to rounding; float32 has seven digits
    total = weights.sum()
    if abs(total - 1) > 1e-6:
        raise UserError(f"{name} add up to {total:g}: divide them by their sum")
    return weights / total


def _numbers(name: str, values: Any) -> Array:
    """Finite float64 numbers, a copy; of a tensor on any device, too."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{name} holds something else than numbers: use an array") from None
    if not np.isfinite(numbers).all():
        raise UserError(f"{name} holds numbers that are not finite: remove or replace them")
    return numbers
