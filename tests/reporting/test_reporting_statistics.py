"""Student's intervals, by hand: t(0.975) is 12.7062 for 1, 4.30265 for 2 and 2.77645 for 4 degrees of freedom."""

from __future__ import annotations

import math

import pytest

from gan_lab.reporting.statistics import estimate
from gan_lab.reporting.text import interval, number


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


def test_another_confidence():
    assert estimate([1.0, 3.0], confidence=0.5).half_width == pytest.approx(1.0, rel=1e-9)  # t(0.75, 1) = tan(π/4) = 1


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
