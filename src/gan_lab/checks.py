"""What a value must be, in one wording: "lr=-1: use a number of at least 0". Torch-free.

A part names its own argument; gan_lab.build puts the config's path before it ("optimizer.lr=-1:
..."). Every function returns the value, or raises UserError.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

from gan_lab.errors import UserError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def whole(
    name: str, value: Any, at_least: int = 0, at_most: int | None = None, *, beside: str = ""
) -> int:
    """A whole number, which True is not.

    Args:
        name: the argument's.
        value: what was given.
        at_least: included, as `at_most` is.
        at_most: None: there is no such bound.
        beside: what else the argument takes, as ", or null for all", for the message.

    Raises:
        UserError: names the bounds that there are.
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value < at_least or (at_most is not None and value > at_most):
        words = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        raise UserError(f"{name}={value}: use a whole number {words}{beside}")
    return int(value)


def number(
    name: str,
    value: Any,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
) -> float:
    """A finite number within bounds, which True is not.

    Args:
        name: the argument's.
        value: what was given.
        at_least: included, as `at_most` is.
        above: not included, as `below` is not.

    Raises:
        UserError: names the bounds that there are.
    """
    is_number = (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    )

    # every bound that there is
    if not is_number or not (at_least <= value <= at_most and above < value < below):
        bounds = {"of at least": at_least, "above": above, "of at most": at_most, "below": below}
        words = " and ".join(
            f"{word} {bound:g}" for word, bound in bounds.items() if math.isfinite(bound)
        )

        # the usual case, in plainer words
        if math.isfinite(at_least) and math.isfinite(at_most):
            words = f"between {at_least:g} and {at_most:g}"
        raise UserError(f"{name}={value}: use a number {words}".rstrip())

    return value


def seconds(name: str, value: Any) -> float:
    """A number of seconds to wait: above 0 and of at most a day, as a clock takes no number of any
    size."""
    return number(name, value, above=0, at_most=24 * 60 * 60)


def numbers(name: str, values: Any, **bounds: float) -> Sequence[float]:
    """A list of numbers, each within the bounds of `number`, which names the first that is not."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise UserError(f"{name}={values}: use a list of numbers")
    for i, value in enumerate(values):
        number(f"{name}[{i}]", value, **bounds)
    return values


def flag(name: str, value: Any) -> bool:
    """True or False: the text "no" would count as true."""
    if not isinstance(value, bool):
        raise UserError(f"{name}={value}: use true or false")
    return value


def choice(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """One of some values."""
    known = list(choices)
    if not any(value is one or (type(value) is type(one) and value == one) for one in known):
        raise UserError(f"{name}={value}: choose one of {', '.join(map(str, known))}")
    return value


def betas(name: str, value: Any, *, first_may_be_1: bool = False) -> Sequence[float]:
    """β1 and β2 of an optimizer: two numbers in [0, 1), or [0, 1] of the first one."""
    are_two = isinstance(value, Sequence) and len(value) == 2
    if are_two and all(type(beta) in (int, float) for beta in value):
        first, second = value
        if (0 <= first < 1 or (first == 1 and first_may_be_1)) and 0 <= second < 1:
            return value

    bounds = "[0, 1]" if first_may_be_1 else "[0, 1)"
    raise UserError(f"{name}={value}: use two numbers, the first in {bounds}, the second in [0, 1)")


def renamed_argument(
    *, old: str, new: str
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Decorate a function so that it takes the keyword `old` as `new`, with a DeprecationWarning.

    Args:
        old: the name of the argument before.
        new: its name today.

    Returns:
        The decorator. The decorated function raises TypeError where both names are given.
    """

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @functools.wraps(function)
        def call(*positional: Arguments.args, **named: Arguments.kwargs) -> Result:
            if old in named:
                if new in named:
                    raise TypeError(f"{old} is the old name of {new}: omit {old}")
                warnings.warn(f"{old} is called {new} now", DeprecationWarning, stacklevel=2)
                named[new] = named.pop(old)
            return function(*positional, **named)

        return call

    return decorate
