"""Student's intervals, by hand: t(0.975) is 12.7062 for 1, 4.30265 for 2 and 2.77645 for 4 degrees
of freedom."""

from __future__ import annotations

import math

import pytest

from gan_lab.reporting.tables.statistics import difference, estimate
from gan_lab.reporting.tables.text import interval, number


@pytest.mark.parametrize(
    ("values", "mean", "half_width"),
    [
        ([1.0, 3.0], 2.0, 12.7062 * math.sqrt(2) / math.sqrt(2)),
        ([1.0, 2.0, 3.0], 2.0, 4.30265 * 1 / math.sqrt(3)),
        ([2.0, 4.0, 4.0, 5.0, 5.0], 4.0, 2.77645 * math.sqrt(6 / 4) / math.sqrt(5)),
        ([7.0, 7.0], 7.0, 0.0),
    ],
)
def test_the_interval_is_students(values, mean, half_width):
    found = estimate(values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(mean, rel=1e-12)
    assert found.half_width == pytest.approx(half_width, rel=1e-5)


def test_one_seed_has_no_interval_and_says_so():
    found = estimate([8.03])
    assert (found.mean, found.half_width, found.n) == (8.03, None, 1)
    assert interval(found) == "8.03 (1 seed: no interval)"


def test_no_seed_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


def test_values_that_are_not_finite_have_no_interval():
    found = estimate([1.0, math.inf])
    assert found.mean == math.inf
    assert math.isnan(found.half_width)
    assert interval(found) == "inf (not finite: no interval)"


# Welch --------------------------------------------------------------------------------------------


def test_the_interval_of_a_difference_is_welchs():
    first, second = [20.4, 24.2, 15.4, 21.4, 20.2], [20.2, 16.9, 18.5]
    found = difference(first, second)
    a = sum((x - 20.32) ** 2 for x in first) / 4 / 5
    b = sum((x - 55.6 / 3) ** 2 for x in second) / 2 / 3
    assert found.mean == pytest.approx(20.32 - 55.6 / 3)
    assert found.n == 3
    freedom = (a + b) ** 2 / (a**2 / 4 + b**2 / 2)
    assert found.half_width == pytest.approx(_student(0.975, freedom) * math.sqrt(a + b), rel=1e-9)


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_welch_against_scipys_test(confidence):
    stats = pytest.importorskip("scipy.stats")
    first, second = [9.0, 9.3, 8.8, 9.9], [8.1, 7.0, 8.4]
    low, high = stats.ttest_ind(first, second, equal_var=False).confidence_interval(confidence)
    found = difference(first, second, confidence)
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx(
        (low, high), rel=1e-9
    )


def test_welch_with_one_varying_group_has_its_freedom():
    found = difference([1.0, 3.0], [5.0, 5.0, 5.0])  # a = 1, ν = 1
    assert (found.mean, found.n) == (-3.0, 2)
    assert found.half_width == pytest.approx(12.7062, rel=1e-5)


def test_differences_without_an_interval():
    assert difference([1.0], [2.0, 3.0]).half_width is None
    assert difference([1.0, 1.0], [2.0, 2.0]).half_width == 0.0
    assert math.isnan(difference([1.0, math.inf], [2.0, 3.0]).half_width)
    with pytest.raises(ValueError, match="either side"):
        difference([], [1.0])


def _student(p, freedom):
    """The quantile by mpmath's incomplete beta and bisection."""
    import mpmath

    def distribution(t):
        return (
            1
            - mpmath.betainc(freedom / 2, 0.5, 0, freedom / (freedom + t * t), regularized=True) / 2
        )

    return float(mpmath.findroot(lambda t: distribution(t) - p, (1, 20), solver="anderson"))


def test_another_confidence():
    assert estimate([1.0, 3.0], confidence=0.5).half_width == pytest.approx(
        1.0, rel=1e-9
    )  # t(0.75, 1) = tan(π/4) = 1


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [
        (8.034, None, "8.03"),
        (15.5, None, "15.50"),
        (0.012345, None, "0.0123"),
        (0.6353, 8.05, "0.64"),
        (0.0004, 8.05, "0.0004"),  # not 0.00
        (0.0, 8.05, "0.00"),
        (math.nan, None, "nan"),
        (math.inf, None, "inf"),
    ],
)
def test_numbers_are_rounded_as_printed(value, beside, text):
    assert number(value, beside) == text
