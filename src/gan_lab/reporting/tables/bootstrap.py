"""Uncertainty over cells and seeds together: the stratified bootstrap, and the probability that
one row beats another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Cells = Sequence[Sequence[float]]
"""The values of the seeds of each cell; cells may have different numbers of seeds."""

REPLICATES = 2000


@dataclass(frozen=True)
class Bootstrapped:
    """A statistic and the ends of its 95% percentile interval."""

    value: float
    low: float
    high: float


def mean_over_cells(cells: Cells, replicates: int = REPLICATES, seed: int = 0) -> Bootstrapped:
    """Estimate the mean over cells of their means over seeds.

    Each replicate draws, within each cell, as many seeds as it has, with replacement; the cells
    stay. So the interval says how far other seeds would move the mean of these very cells.

    Args:
        cells: each with at least one finite value.
        replicates: how often seeds are drawn.
        seed: of the drawing, so that a page is the same when it is made again.

    Source: Agarwal et al. 2021 (arXiv 2108.13264), section 4.

    Examples:
        >>> mean_over_cells([[1.0, 1.0], [4.0, 4.0]])
        Bootstrapped(value=2.5, low=2.5, high=2.5)
    """
    arrays = _arrays(cells)
    rng = np.random.default_rng(seed)
    drawn = np.mean([_drawn(rng, cell, replicates).mean(axis=1) for cell in arrays], axis=0)
    return _percentiles(float(np.mean([cell.mean() for cell in arrays])), drawn)


def probability_of_improvement(
    first: Cells,
    second: Cells,
    *,
    higher_is_better: bool,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Bootstrapped:
    """Estimate how likely a run of `first` is better than one of `second` in the same cell.

    P = mean over cells of P(X > Y) + P(X = Y) / 2, over all pairs of their seeds (Mann and
    Whitney's U over the number of pairs). The interval is that of `mean_over_cells`, with the
    seeds of both drawn.

    Args:
        first: the values of its seeds in each cell.
        second: those of the other row, in the same cells.
        higher_is_better: the direction of the score.
        replicates: how often seeds are drawn.
        seed: of the drawing.

    Source: Agarwal et al. 2021 (arXiv 2108.13264), section 4.2.

    Examples:
        >>> probability_of_improvement([[3.0, 2.0]], [[1.0, 2.0]], higher_is_better=True).value
        0.875
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} cells cannot be paired")
    sign = 1.0 if higher_is_better else -1.0
    ours, theirs = ([sign * cell for cell in _arrays(cells)] for cells in (first, second))
    value = np.mean([_better(a[None], b[None])[0] for a, b in zip(ours, theirs, strict=True)])

    # seeds of the two are independent of each other: each is drawn by itself
    rng = np.random.default_rng(seed)
    drawn = np.mean(
        [
            _better(_drawn(rng, a, replicates), _drawn(rng, b, replicates))
            for a, b in zip(ours, theirs, strict=True)
        ],
        axis=0,
    )
    return _percentiles(float(value), drawn)


def _arrays(cells: Cells) -> list[Array]:
    arrays = [np.asarray(cell, dtype=float) for cell in cells]
    if not arrays or not all(len(cell) and np.isfinite(cell).all() for cell in arrays):
        raise ValueError("each cell needs at least one value, and finite ones only")
    return arrays


def _drawn(rng: np.random.Generator, cell: Array, replicates: int) -> Array:
    """Seeds with replacement, shape (replicates, n)."""
    return cell[rng.integers(len(cell), size=(replicates, len(cell)))]


def _better(a: Array, b: Array) -> Array:
    """P(a > b) + P(a = b) / 2 over pairs. a (r, n), b (r, m) -> (r,)."""
    pairs = a[:, :, None] - b[:, None, :]
    return np.asarray(((np.sign(pairs) + 1) / 2).mean(axis=(1, 2)))


def _percentiles(value: float, drawn: Array) -> Bootstrapped:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Bootstrapped(value, float(low), float(high))
