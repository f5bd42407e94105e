"""gan_lab.checks: one wording for what a value must be."""

from __future__ import annotations

import math

import pytest

from gan_lab import checks
from gan_lab.errors import UserError


@pytest.mark.parametrize("value", [1, 7, 10**9])
def test_a_whole_number_is_given_back(value):
    assert checks.whole("n", value, at_least=1) == value


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, math.nan, math.inf, True, "3", None, [3]])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(UserError) as refused:
        checks.whole("n", value, at_least=1)
    assert str(refused.value) == f"n={value}: use a whole number of at least 1"


def test_a_whole_number_may_have_an_upper_bound_and_something_beside():
    assert checks.whole("n", 3, 1, 3) == 3
    for value in (0, 4, 1.0, True):
        with pytest.raises(UserError) as refused:
            checks.whole("n", value, 1, 3, beside=", or null for all")
        assert str(refused.value) == f"n={value}: use a whole number from 1 to 3, or null for all"


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "words"),
    [
        ({"at_least": 0}, [0, 0.0, 1e9], [-1e-9, -1], "use a number of at least 0"),
        ({"above": 0}, [1e-9, 5], [0, -1], "use a number above 0"),
        (
            {"at_least": 0, "below": 1},
            [0, 0.999],
            [1, -0.1],
            "use a number of at least 0 and below 1",
        ),
        ({"above": 0, "at_most": 1}, [1, 0.5], [0, 1.01], "use a number above 0 and of at most 1"),
        ({"at_least": 0, "at_most": 1}, [0, 1], [-0.1, 1.1], "use a number between 0 and 1"),
        ({}, [-1e300, 0, 3], [], "use a number"),
    ],
)
def test_a_number_within_bounds(bounds, inside, outside, words):
    for value in inside:
        assert checks.number("x", value, **bounds) == value
    for value in [*outside, math.nan, math.inf, -math.inf, True, "0.5", None]:
        with pytest.raises(UserError) as refused:
            checks.number("x", value, **bounds)
        assert str(refused.value) == f"x={value}: {words}"


def test_a_list_of_numbers_names_the_one_that_is_out_of_bounds():
    assert checks.numbers("x", (0, 0.5), at_most=1) == (0, 0.5)
    assert checks.numbers("x", [], at_most=1) == []
    with pytest.raises(UserError, match=r"^x\[1\]=2: use a number of at most 1$"):
        checks.numbers("x", [0, 2], at_most=1)
    for value in ("12", 5, None, {1: 2}):
        with pytest.raises(UserError, match=r"use a list of numbers$"):
            checks.numbers("x", value)


def test_betas_are_two_numbers_of_which_the_first_may_be_1_where_that_has_a_meaning():
    assert checks.betas("b", [0, 0.9]) == [0, 0.9]
    assert checks.betas("b", (1.0, 0.9), first_may_be_1=True) == (1.0, 0.9)
    for value in ([1.0, 0.9], [0.9], [0.9, 1.0], [0.1, math.nan], [True, 0.5], "ab", None, 0.9):
        with pytest.raises(UserError, match=r"use two numbers, the first in \[0, 1\), the second"):
            checks.betas("b", value)


def test_a_flag_is_true_or_false_and_no_word():
    assert checks.flag("b", True) is True
    assert checks.flag("b", False) is False
    for value in ("no", "true", 0, 1, None):
        with pytest.raises(UserError, match=rf"^b={value}: use true or false$"):
            checks.flag("b", value)


def test_a_choice_is_one_of_the_values_and_of_its_kind():
    assert checks.choice("c", "a", {"a": 1, "b": 2}) == "a"
    assert checks.choice("c", None, (None, "x")) is None
    for value in ("", "A", 1.0, True, None):
        with pytest.raises(UserError, match=rf"^c={value}: choose one of a, 1$"):
            checks.choice("c", value, ["a", 1])
