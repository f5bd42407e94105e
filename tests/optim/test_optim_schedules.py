"""Learning-rate factors against values worked out by hand, and the options of conf/schedule."""

from __future__ import annotations

import inspect
import pickle
from fractions import Fraction

import pytest

from gan_lab.config import signature
from gan_lab.optim import schedules
from gan_lab.optim.schedules import Constant, Linear, Staircase
from helpers.registry import CONF, defaults, fields, instantiate, node, options, target

ALL = options("schedule")


def test_every_schedule_is_an_option_and_the_other_way_round():
    classes = {
        item
        for _, item in inspect.getmembers(schedules, inspect.isclass)
        if item.__module__ == schedules.__name__
    }
    assert classes == {target("schedule", option) for option in ALL}
    assert len(classes) == len(ALL)
    assert {"constant", "linear", "staircase"} <= set(ALL)


@pytest.mark.parametrize("option", ALL)
def test_an_option_file_is_the_signature_and_defaults_of_its_target(option):
    assert fields("schedule", option) == defaults("schedule", option)
    assert signature.parameters(node("schedule", option)["_target_"]) == set(
        fields("schedule", option)
    )
    assert len((CONF / "schedule" / f"{option}.yaml").read_text().splitlines()) < 12


@pytest.mark.parametrize("option", ALL)
@pytest.mark.parametrize("steps", [1, 2, 7, 1000, 200_000])
def test_a_factor_starts_at_one_stays_in_0_1_and_never_rises(option, steps):
    schedule = instantiate("schedule", option)
    assert schedule(0, steps) == 1
    values = [schedule(step, steps) for step in range(0, steps, max(1, steps // 50))] + [
        schedule(steps - 1, steps)
    ]
    assert all(type(value) is float for value in values)
    assert all(0 < value <= 1 for value in values)
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("option", ALL)
def test_a_schedule_is_a_frozen_value(option):
    schedule = instantiate("schedule", option)
    assert pickle.loads(pickle.dumps(schedule)) == schedule == instantiate("schedule", option)
    with pytest.raises(AttributeError):
        schedule.factor = 0.1
    with pytest.raises(TypeError, match="evrey"):
        instantiate("schedule", option, evrey=7)


@pytest.mark.parametrize("steps", [2, 10, 60, 1500, 200_000])
def test_linear_by_hand(steps):
    """lr falls to 0 over the run: 1 first, 1/2 half-way, 1/T in the last step, 0 at T, which is
    never reached."""
    linear = Linear()
    assert linear(0, steps) == 1
    assert linear(steps // 2, steps) == 0.5
    assert linear(steps - 1, steps) == pytest.approx(1 / steps, rel=0, abs=1.2e-16)
    assert linear(steps, steps) == 0
    assert linear(steps + 3, steps) == 0


def test_linear_is_a_straight_line():
    for step in range(0, 300, 7):
        exact = 1 - Fraction(step, 300)
        assert Linear()(step, 300) == pytest.approx(float(exact), rel=0, abs=2.3e-16)


def test_staircase_at_its_boundaries():
    """Chapter 4: halved every 100,000 generator steps, whatever the length of the run."""
    staircase = instantiate("schedule", "staircase")
    for total in (150_000, 1_000_000):
        stairs = {0: 1, 99_999: 1, 100_000: 0.5, 199_999: 0.5, 200_000: 0.25, 999_999: 2.0**-9}
        for step, factor in stairs.items():
            assert staircase(step, total) == factor


@pytest.mark.parametrize(("factor", "every"), [(0.1, 1), (1.0, 3), (0.25, 4)])
def test_staircase_with_other_stairs(factor, every):
    expected, value = [], 1.0
    for step in range(12):
        if step and step % every == 0:
            value *= factor
        expected.append(value)
    assert [Staircase(factor, every)(step, 12) for step in range(12)] == pytest.approx(
        expected, rel=1e-14, abs=0
    )


def test_constant():
    assert [Constant()(step, 5) for step in (0, 1, 4, 5)] == [1, 1, 1, 1]
