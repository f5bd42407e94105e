"""Curves of any sweep over generator steps: a line for each row, a panel for each facet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_lab.errors import UserError
from gan_lab.reporting.axes import Axes, Facet, Key, assigned, facets
from gan_lab.reporting.collection import Record
from gan_lab.reporting.figures.drawing import (
    PALETTE,
    Drawing,
    filled,
    log_scale,
    new_figure,
    plain_axes,
    step_axis,
)
from gan_lab.reporting.figures.series import Mean, Series, mean_over_seeds, read_metrics
from gan_lab.reporting.outcomes import known_seeds, outcomes, outcomes_text
from gan_lab.reporting.runs import Found, Run
from gan_lab.reporting.scores import whole_name
from gan_lab.reporting.tables.text import run_ids

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot

_DASHES = ("-", "--", "-.")  # the next one where the colours begin anew


@dataclass(frozen=True)
class Line:
    """A row of a facet.

    Args:
        row: its labels.
        mean: over the finished runs that have the curve; None without one.
        averaged: these runs.
        singles: the curves of the other runs, each drawn by itself.
        others: how many they are, by outcomes.OUTCOMES.
    """

    row: Key
    mean: Mean | None
    averaged: tuple[Record, ...]
    singles: tuple[tuple[Record, Series], ...]
    others: dict[str, int]


@dataclass(frozen=True)
class Panel:
    """A curve of a facet."""

    facet: Key
    curve: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Curves:
    """Panels in the order of curves, and in it of facets.

    Args:
        axes: that tell its lines apart.
        panels: with their lines.
        rows: of all panels.
        outside: runs that are in none.
    """

    axes: Axes
    panels: tuple[Panel, ...]
    rows: tuple[Key, ...]
    outside: tuple[Run, ...]


def read_series(found: Found) -> dict[int, dict[str, Series]]:
    """Read everything that runs have over training: {id(run): {name: its numbers}}."""
    return {id(run): _series_of(run) for run in found.runs}


def sweep_curves(
    found: Found,
    axes: Axes,
    curves: Sequence[str],
    series: Mapping[int, Mapping[str, Series]] | None = None,
) -> Curves:
    """Make the curves of runs by rows and facet.

    Args:
        found: the runs, in any order.
        axes: without columns; the runs of a row are its seeds.
        curves: names in metrics.jsonl or of scores over training, or some of their words where that
            is enough.
        series: of these runs, where they were read before.

    Raises:
        UserError: for an unknown curve, and where runs may not stand together (see axes.facets).
    """
    # whole names of the curves; one that two abbreviations mean stands once
    by_run = read_series(found) if series is None else series
    known = {name for series in by_run.values() for name in series}
    if not curves:
        listed = ", ".join(sorted(name for name in known if "." not in name)) or "none yet"
        raise UserError(f"curves is not set: name one or a list (the runs have: {listed})")
    names = list(dict.fromkeys(whole_name(curve, known, "curves") for curve in curves))

    # a panel for each curve and facet; the rows of all of them, so that each has one colour
    shown, outside = facets(axes, found, [f"history_about.{name}.extractor" for name in names])
    panels = [
        Panel(facet.key, name, tuple(_line(axes, facet, row, name, by_run) for row in facet.rows))
        for name in names
        for facet in shown
    ]
    rows = tuple(dict.fromkeys(row for facet in shown for row in facet.rows))
    return Curves(axes, tuple(panels), rows, tuple(outside))


def _series_of(run: Run) -> dict[str, Series]:
    """Everything that a run has over training; of scores and diagnostics, what its record says."""
    metrics = read_metrics(run.run_dir) if run.run_dir else {}
    recorded = (run.record.get("diagnostics") or {}) | (run.record.get("history") or {})
    return metrics | {name: points for name, points in recorded.items() if points}


def _line(
    axes: Axes, facet: Facet, row: Key, name: str, by_run: Mapping[int, Mapping[str, Series]]
) -> Line:
    """Make the line of a row.

    Args:
        axes: what tells the rows apart.
        facet: the runs.
        row: its labels.
        name: of the curve.
        by_run: the series of a run, by its id().
    """
    # a run that ended early would bend the mean where it is missing
    runs = facet.cells[row, ()]
    averaged: list[Run] = []
    left_out: list[Run] = []
    for run in runs:
        is_whole = run.record["status"] == "finished" and name in by_run[id(run)]
        (averaged if is_whole else left_out).append(run)

    # whatever the others have is shown too, each by itself
    single = [run for run in left_out if name in by_run[id(run)]]
    seeds = None if "seed" in axes.fields else len(known_seeds(facet.runs))

    return Line(
        row=row,
        mean=mean_over_seeds([by_run[id(run)][name] for run in averaged]),
        averaged=tuple(run.record for run in averaged),
        singles=tuple((run.record, by_run[id(run)][name]) for run in single),
        others=outcomes(runs, [run.record for run in left_out], seeds),
    )


# Drawing ------------------------------------------------------------------------------------------


def draw_curves(curves: Curves) -> Drawing:
    """Draw a row of panels for each curve.

    Raises:
        UserError: where no panel has a line.
    """
    # the numbers first: without any there is nothing to draw
    numbers = [
        row
        for panel in curves.panels
        for line in panel.lines
        for row in _rows(curves.axes, panel, line)
    ]
    if not numbers:
        names = " or ".join(dict.fromkeys(panel.curve for panel in curves.panels))
        raise UserError(f"no run has written {names} yet")

    # all panels of a curve share its axis, so that facets can be compared
    by_curve: dict[str, list[Panel]] = {}
    for panel in curves.panels:
        by_curve.setdefault(panel.curve, []).append(panel)
    columns = max(map(len, by_curve.values()))

    figure = new_figure(max(6.4, 5.4 * columns), 4.2 * len(by_curve) + 0.6)
    places = figure.subplots(len(by_curve), columns, squeeze=False, sharex=True, sharey="row")
    styles = {row: _style(index) for index, row in enumerate(curves.rows)}
    for plots, panels in zip(places, by_curve.values(), strict=True):
        _draw_row(plots, panels, curves.axes, styles)

    # how it is to be read, in lines that the figure has room for
    text = [
        f"{', '.join(by_curve)} by {', '.join(curves.axes.rows)}",
        "line: mean over the seeds of finished runs; "
        "band: 95% interval (of two seeds: least to greatest)",
    ]
    if any(line.singles for panel in curves.panels for line in panel.lines):
        text.append("dotted: runs that are in no mean, with a cross where one diverged")

    figure.suptitle(filled(text, int(16 * figure.get_figwidth())), fontsize=9)
    return Drawing(figure, numbers)


def _style(index: int) -> dict[str, Any]:
    return {
        "color": PALETTE[index % len(PALETTE)],
        "linestyle": _DASHES[index // len(PALETTE) % len(_DASHES)],
    }


def _draw_row(
    plots: Sequence[Plot], panels: Sequence[Panel], axes: Axes, styles: Mapping[Key, dict[str, Any]]
) -> None:
    """Draw the panels of one curve."""
    # distances on a logarithmic scale, unless one (KID may be) is not positive
    curve = panels[0].curve
    means = [line.mean for panel in panels for line in panel.lines if line.mean is not None]
    is_distance = curve.split("_")[0] in ("fid", "kid")
    if is_distance and means and all((mean.mean > 0).all() for mean in means):
        log_scale(plots[0])
    plots[0].set_ylabel(curve)

    # means before single runs: they set the limits of the axis
    for plot, panel in zip(plots, panels, strict=False):
        for line in panel.lines:
            _draw_mean(plot, line, styles[line.row])
        if title := assigned(axes.facet, panel.facet):
            plot.set_title(title, fontsize=10)

    # a run that diverges would leave nothing to be seen of the others: means decide what is shown
    limits = plots[0].get_ylim()
    for plot, panel in zip(plots, panels, strict=False):
        for line in panel.lines:
            _draw_singles(plot, line, styles[line.row]["color"])
    if means:
        plots[0].set_ylim(limits)

    # each panel can be read alone; a curve with fewer facets than another leaves places empty
    for plot in plots[: len(panels)]:
        step_axis(plot)
        plot.tick_params(labelbottom=True)
        plain_axes(plot)
        plot.legend(fontsize=8)
    for plot in plots[len(panels) :]:
        plot.set_axis_off()


def _draw_mean(plot: Plot, line: Line, style: dict[str, Any]) -> None:
    """Draw the mean, its band, and the entry of the legend, which counts the other seeds too."""
    seeds = f"n = {len(line.averaged)}" if line.averaged else "no finished run"
    seeds += " without a step in common" if line.averaged and line.mean is None else ""
    text = "; ".join(filter(None, (f"{', '.join(line.row)}, {seeds}", outcomes_text(line.others))))

    # a row without a mean keeps its entry, or it would seem not to have been run
    mean = line.mean
    if mean is None:
        plot.plot([], [], label=text, **style)
        return

    # many points would hide the line under their markers
    marker = "." if len(mean.steps) < 30 else ""
    plot.plot(mean.steps, mean.mean, label=text, marker=marker, **style)
    if mean.band:
        plot.fill_between(
            mean.steps, mean.low, mean.high, color=style["color"], alpha=0.15, linewidth=0
        )


def _draw_singles(plot: Plot, line: Line, colour: str) -> None:
    """Draw the runs that are in no mean, each by itself; a cross where one diverged."""
    for record, series in line.singles:
        steps = [step for step, _ in series]
        values = np.array([float(value) for _, value in series])
        plot.plot(steps, values, color=colour, linestyle=":", linewidth=1)
        if record["status"] == "diverged":
            plot.plot(steps[-1:], values[-1:], color=colour, marker="x", linestyle="")


def _rows(axes: Axes, panel: Panel, line: Line) -> list[dict[str, Any]]:
    """The numbers of a line: its mean at each step, then each run that is in no mean."""
    labels = zip((*axes.facet, *axes.rows), (*panel.facet, *line.row), strict=True)
    constant = dict(labels) | {"curve": panel.curve}

    # without a band its ends are empty, not equal to the mean
    rows = []
    if (mean := line.mean) is not None:
        of_mean = {"band": mean.band, "status": "finished", "run_ids": run_ids(line.averaged)}
        for step, value, low, high in zip(mean.steps, mean.mean, mean.low, mean.high, strict=True):
            ends = (float(low), float(high)) if mean.band else ("", "")
            rows.append(constant | _numbers(int(step), mean.n, float(value), *ends) | of_mean)

    # the status tells them from a mean
    for record, series in line.singles:
        of_run = {"band": "", "status": record["status"], "run_ids": record["run_id"]}
        rows += [
            constant | _numbers(step, 1, float(value), "", "") | of_run for step, value in series
        ]
    return rows


def _numbers(step: int, n: int, mean: float, low: float | str, high: float | str) -> dict[str, Any]:
    return {"step": step, "n": n, "mean": mean, "low": low, "high": high}
