"""Means and their intervals as a drawing: from numbers to places on a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gan_lab.reporting.report.model import Dot, DotLine, Dots

_WIDTH = 640
_LEFT, _RIGHT = 232.0, 622.0  # the names of the lines stand to the left
_TOP, _LINE, _SHIFT = 14.0, 26.0, 5.0


@dataclass(frozen=True)
class Number:
    """A number to be drawn.

    Args:
        value: finite ones only are drawn.
        ends: of its interval, or None.
        text: as its table writes it.
        colour: which of the legend it has.
    """

    value: float
    ends: tuple[float, float] | None
    text: str
    colour: int = 0


def draw_dots(
    alt: str,
    lines: Sequence[tuple[str, Sequence[Number]]],
    legend: Sequence[str] = (),
    zero: float | None = None,
) -> Dots | None:
    """Place numbers on one axis; None where fewer than two can be compared.

    Args:
        alt: what the drawing says, in words.
        lines: (name, its numbers), from top to bottom.
        legend: of the colours.
        zero: a number whose place is marked.
    """
    shown = [
        (name, [number for number in numbers if math.isfinite(number.value)])
        for name, numbers in lines
    ]
    every = [number for _, numbers in shown for number in numbers]
    if len(every) < 2:
        return None

    # a whisker that is ten times as long as all means lie apart would leave nothing to be seen
    values = [number.value for number in every] + ([] if zero is None else [zero])
    low, high = min(values), max(values)
    spread = max(high - low, 1e-9 * max(abs(low), abs(high), 1.0))
    ends = [
        end
        for number in every
        for end in number.ends or ()
        if math.isfinite(end) and low - 2 * spread <= end <= high + 2 * spread
    ]
    low, high = min([*values, *ends]), max([*values, *ends])
    margin = 0.04 * max(high - low, 1e-9 * max(abs(low), abs(high), 1.0))
    low, high = low - margin, high + margin

    # colours lie above each other within a line
    line = max(_LINE, _SHIFT * len(legend) + 12)

    def place(value: float) -> float:
        inside = min(max(value, low), high)
        return round(_LEFT + (inside - low) / (high - low) * (_RIGHT - _LEFT), 1)

    # from top to bottom, as in the table
    return Dots(
        alt=alt,
        width=_WIDTH,
        height=_TOP + line * len(shown) + 30,
        lines=tuple(
            DotLine(name, _TOP + line * (index + 0.5), tuple(_dots(numbers, place, low, high)))
            for index, (name, numbers) in enumerate(shown)
        ),
        ticks=tuple((place(tick), text) for tick, text in _ticks(low, high)),
        legend=tuple(legend),
        zero=None if zero is None else place(zero),
    )


def _dots(
    numbers: Sequence[Number], place: Callable[[float], float], low: float, high: float
) -> list[Dot]:
    return [
        Dot(
            x=place(number.value),
            low=None if number.ends is None else place(number.ends[0]),
            high=None if number.ends is None else place(number.ends[1]),
            colour=number.colour,
            text=number.text,
            cut=tuple(place(end) for end in number.ends or () if not low <= end <= high),
        )
        for number in numbers
    ]


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """At most seven round numbers between two."""
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step)
    return [
        (index * step, f"{index * step:.6g}") for index in range(first, math.floor(high / step) + 1)
    ]
