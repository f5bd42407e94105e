"""Arguments that are still accepted by the name that they had before."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


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
