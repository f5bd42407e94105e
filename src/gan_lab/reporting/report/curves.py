"""Curves for a page: panels as JSON, thinned to what a page has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gan_lab.reporting.axes import Axes, assigned
from gan_lab.reporting.figures.series import Series
from gan_lab.reporting.figures.sweep_curves import Curves, Line, Panel
from gan_lab.reporting.outcomes import outcomes_text

NUMBERS = 60_000  # in all panels of a page: some 400 kB
_POINTS, _FEWEST = 200, 16  # of a line
_DIGITS = 5  # significant ones, of a number in a curve


def panels_data(curves: Curves, numbers: int = NUMBERS) -> tuple[dict[str, Any], ...]:
    """Make the panels of curves, each with at most so many points that all have room.

    Args:
        curves: of any sweep.
        numbers: how many there may be in all panels.
    """
    lines = sum(3 + len(line.singles) for panel in curves.panels for line in panel.lines)
    points = max(_FEWEST, min(_POINTS, numbers // max(lines, 1)))
    return tuple(panel_data(curves.axes, panel, points) for panel in curves.panels)


def panel_data(axes: Axes, panel: Panel, points: int) -> dict[str, Any]:
    """A panel: {curve, facet, x, lines}.

    A line has "name", "note" (its seeds), "mean", "low", "high" (null: no band) at the steps x, and
    "singles", the runs that are in no mean: {"name", "y"}.

    Args:
        axes: that tell its lines apart.
        panel: a curve of a facet.
        points: of each line at most.
    """
    # every line has its own steps: a chart has one axis
    steps = sorted({step for line in panel.lines for step in _steps(line)})
    kept = thinned(steps, points)
    return {
        "curve": panel.curve,
        "facet": assigned(axes.facet, panel.facet),
        "x": kept,
        "lines": [_line(line, kept) for line in panel.lines],
    }


def _steps(line: Line) -> list[int]:
    mean = [] if line.mean is None else [int(step) for step in line.mean.steps]
    return mean + [step for _, series in line.singles for step, _ in series]


def thinned(steps: Sequence[int], points: int) -> list[int]:
    """At most so many of the steps, evenly chosen, with the first and the last."""
    if len(steps) <= points:
        return list(steps)
    places = np.unique(np.linspace(0, len(steps) - 1, points).round().astype(int))
    return [steps[place] for place in places]


def _line(line: Line, steps: Sequence[int]) -> dict[str, Any]:
    seeds = f"n = {len(line.averaged)}" if line.averaged else "no finished run"
    shown: dict[str, Any] = {
        "name": ", ".join(line.row),
        "note": "; ".join(filter(None, (seeds, outcomes_text(line.others)))),
        "mean": None,
        "low": None,
        "high": None,
        "singles": [
            {"name": f"{record['run_id']} {record['status']}", "y": at_steps(series, steps)}
            for record, series in line.singles
        ],
    }
    if (mean := line.mean) is not None:
        for name, values in (("mean", mean.mean), ("low", mean.low), ("high", mean.high)):
            if name == "mean" or mean.band:
                points = list(zip(map(int, mean.steps), values.tolist(), strict=True))
                shown[name] = at_steps(points, steps)
    return shown


def at_steps(series: Series, steps: Sequence[int]) -> list[float | None]:
    """The numbers of a series at some steps; null where it has none, or one that is not finite."""
    numbers: Mapping[int, Any] = dict(series)
    return [rounded(numbers[step]) if step in numbers else None for step in steps]


def rounded(value: Any) -> float | None:
    """A number with the digits that a drawing can show; null where it is not finite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None
