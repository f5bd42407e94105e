"""The stratified bootstrap and the probability of improvement: by hand, against every resample
there is, against scipy, and against numbers that rliable 1.2.0 gave."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats

from gan_lab.reporting.tables.bootstrap import mean_over_cells, probability_of_improvement

# seeds of four cells
X = [[0.5, 0.7, 1.1], [1.2, 1.9, 0.4], [3.0, 2.1, 2.8], [2.2, 2.6, 1.7]]
Y = [[0.5, 0.2, 0.9, 0.6], [1.0, 1.3, 0.1, 0.8], [2.0, 2.4, 1.6, 2.7], [1.9, 2.0, 2.3, 1.2]]
RLIABLE_MEAN = (1.68333333, 1.44166667, 1.91666667)
RLIABLE_P = (0.71875, 0.5, 0.90625)


def resamples(cells):
    """The seeds of every resample there is, each as likely as any other."""
    return product(*(product(cell, repeat=len(cell)) for cell in cells))


def test_the_interval_of_the_mean_is_that_of_all_resamples():
    """Two cells of two and three seeds: 4 × 27 resamples."""
    cells = [[1.0, 3.0], [2.0, 6.0, 7.0]]
    exact = [np.mean([np.mean(cell) for cell in drawn]) for drawn in resamples(cells)]
    low, high = np.percentile(np.repeat(exact, 200), [2.5, 97.5])
    found = mean_over_cells(cells, replicates=200_000)
    assert found.value == pytest.approx((2 + 5) / 2)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.17)  # a step of their law


def test_the_interval_of_p_is_that_of_all_resamples():
    first, second = [[1.0, 3.0]], [[2.0, 2.0, 4.0]]
    exact = [
        np.mean([(a > b) + (a == b) / 2 for a in ours for b in theirs])
        for (ours,), (theirs,) in product(resamples(first), resamples(second))
    ]
    low, high = np.percentile(np.repeat(exact, 200), [2.5, 97.5])
    found = probability_of_improvement(first, second, higher_is_better=True, replicates=100_000)
    assert found.value == pytest.approx(2 / 6)  # only 3 beats 2, twice
    assert (found.low, found.high) == pytest.approx((low, high))


def test_p_is_mann_and_whitneys_u_over_the_number_of_pairs():
    each = [
        scipy.stats.mannwhitneyu(a, b).statistic / (len(a) * len(b))
        for a, b in zip(X, Y, strict=True)
    ]
    assert probability_of_improvement(X, Y, higher_is_better=True).value == pytest.approx(
        np.mean(each)
    )


def test_rliable_gives_the_same():
    """Its aggregate_mean and probability_of_improvement with get_interval_estimates, of 100,000
    and 50,000 replicates."""
    mean = mean_over_cells(X, replicates=100_000)
    assert (mean.value, mean.low, mean.high) == pytest.approx(RLIABLE_MEAN, abs=0.01)
    p = probability_of_improvement(X, Y, higher_is_better=True, replicates=50_000)
    assert (p.value, p.low, p.high) == pytest.approx(RLIABLE_P, abs=0.01)


def test_a_lower_score_may_be_the_better_one_and_both_sides_make_one():
    up = probability_of_improvement(X, Y, higher_is_better=True)
    down = probability_of_improvement(X, Y, higher_is_better=False)
    other = probability_of_improvement(Y, X, higher_is_better=True)
    assert up.value + down.value == pytest.approx(1)
    assert other.value == pytest.approx(down.value)


def test_a_page_made_again_has_the_same_interval():
    assert mean_over_cells(X) == mean_over_cells(X)
    assert mean_over_cells(X) != mean_over_cells(X, seed=1)
    first, again, other = (
        probability_of_improvement(X, Y, higher_is_better=True, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("cells", [[], [[]], [[1.0], [float("nan")]]])
def test_a_cell_without_a_number_is_refused(cells):
    with pytest.raises(ValueError, match="at least one value"):
        mean_over_cells(cells)


def test_cells_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="4 and 1 cells"):
        probability_of_improvement(X, Y[:1], higher_is_better=True)
