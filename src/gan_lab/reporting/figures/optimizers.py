"""The figure of the fair comparison: optimizers that were tuned with equal budgets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gan_lab.reporting.figures.drawing import BLACK, PALETTE, Drawing, new_figure, plain_axes
from gan_lab.reporting.figures.request import NothingRecorded, Request
from gan_lab.reporting.tuning import (
    REFERENCE,
    Workload,
    median_best,
    performance_profile,
    share_within,
    workloads,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STUDIES = ("optimizers", "optimizers_gan")
LARGEST_RATIO = 20  # of a profile's axis: as often trials are judged
Numbers = list[dict[str, Any]]


def optimizers(request: Request) -> Drawing:
    """Draw the rates, budgets and curves of each workload, and the profile over all of them."""
    records = [
        record
        for record in request.studies
        if record["choices"].get("study") in STUDIES and record["status"] == "finished"
    ]
    if not records:
        raise NothingRecorded(
            "no study of optimizers is recorded: run python scripts/study.py "
            "sweep=optimizers_logistic, and collect its records"
        )

    # one colour and line style a name, in all panels
    found = workloads(records)
    styles = _styles(sorted({name for workload in found for name in workload.tuned}))

    # a row for each workload, and one for all of them
    figure = new_figure(11, 2.8 * (len(found) + 1) + 0.6)
    panels = figure.subplots(len(found) + 1, 3, squeeze=False)
    numbers: Numbers = []
    for row, workload in zip(panels, found, strict=False):
        numbers += _rates(row[0], workload, styles)
        numbers += _budgets(row[1], workload, styles)
        numbers += _curves(row[2], workload, styles)

    # the last row is over all workloads
    numbers += _profile(panels[-1][0], found, styles)
    numbers += _times(panels[-1][1], found, styles)
    numbers += _memory(panels[-1][2], found, styles)
    for axes in panels.flat:
        plain_axes(axes)

    # each name once
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=9, fontsize="small")
    seeds = " or ".join(map(str, sorted({len(workload.seeds) for workload in found})))
    figure.suptitle(
        f"Optimizers, each with the same trials; rates chosen on held-out data; seeds: {seeds}"
    )
    return Drawing(figure, numbers)


def _styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A colour and a dash for each optimizer."""
    dashes = ("-", "--", ":")
    return {
        name: {
            "color": PALETTE[i % len(PALETTE)],
            "linestyle": dashes[i // len(PALETTE) % len(dashes)],
        }
        for i, name in enumerate(names)
    }


def _number(panel: str, workload: str, optimizer: str, x: Any, y: Any) -> dict[str, Any]:
    """A row of the CSV; what was not reached is said in words."""
    shown = y if not isinstance(y, float) or math.isfinite(y) else "missed"
    return {"panel": panel, "workload": workload, "optimizer": optimizer, "x": x, "y": shown}


def _logarithmic(axes: Axes, *which: str) -> None:
    """Logarithmic axes whose numbers are written out: texts of figures are no formulas."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for name in which:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axes.set(**{f"{name}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1,) if name == "x" else (1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


Styles = Mapping[str, dict[str, Any]]


def _rates(axes: Axes, workload: Workload, styles: Styles) -> Numbers:
    """The last score by rate; nothing is drawn where a seed diverged."""
    numbers = []
    for name, tuned in workload.tuned.items():
        finite = [math.nan if math.isinf(score) else score for score in tuned.finals]
        axes.plot(tuned.rates, finite, marker=".", label=name, **styles[name])
        numbers += [
            _number("rate", workload.name, name, rate, score)
            for rate, score in zip(tuned.rates, tuned.finals, strict=True)
        ]
    axes.set(xlabel="learning rate", ylabel=workload.metric)
    _logarithmic(axes, "x", "y")
    axes.set_title(f"{workload.name}: after the last step")
    return numbers


def _budgets(axes: Axes, workload: Workload, styles: Styles) -> Numbers:
    """The best of k trials, drawn at random from all."""
    numbers = []
    for name, tuned in workload.tuned.items():
        budgets = range(1, len(tuned.rates) + 1)
        scores = [median_best(tuned.finals, k) for k in budgets]
        finite = [math.nan if math.isinf(score) else score for score in scores]
        axes.plot(budgets, finite, marker=".", **styles[name])
        numbers += [
            _number("budget", workload.name, name, k, score)
            for k, score in zip(budgets, scores, strict=True)
        ]
    axes.set(xlabel="trials k", ylabel=f"median {workload.metric} of the best of k")
    axes.set_xticks(range(1, 1 + max(len(tuned.rates) for tuned in workload.tuned.values())))
    _logarithmic(axes, "y")
    axes.set_title(f"{workload.name}: tuning budget")
    return numbers


def _curves(axes: Axes, workload: Workload, styles: Styles) -> Numbers:
    """The first seed at the chosen rate, and the target."""
    numbers = []
    for name, tuned in workload.tuned.items():
        curve = tuned.curves[0][tuned.best]
        steps = tuned.steps[: len(curve)]
        axes.plot(steps, curve, **styles[name])
        numbers += [
            _number("curve", workload.name, name, step, score)
            for step, score in zip(steps, curve, strict=True)
        ]
    axes.axhline(workload.target, color=BLACK, linewidth=0.8)
    axes.set(xlabel="step", ylabel=workload.metric)
    _logarithmic(axes, "y")
    axes.set_title(f"{workload.name}: chosen rate, target")
    return numbers


def _profile(axes: Axes, found: Sequence[Workload], styles: Styles) -> Numbers:
    """The share of problems solved within a factor of the fastest; those of all optimizers."""
    # a problem is a workload with a seed; only who tried them all can be compared
    shared = set.intersection(*(set(workload.tuned) for workload in found))
    times = {
        name: [
            time for workload in found for time in workload.tuned[name].steps_to(workload.target)
        ]
        for name in sorted(shared)
    }

    # a step up at each ratio
    numbers = []
    for name, ratios in performance_profile(times).items():
        ends = sorted({1.0, *(ratio for ratio in ratios if math.isfinite(ratio))})
        shares = [share_within(ratios, end) for end in ends]
        axes.step([*ends, LARGEST_RATIO], [*shares, shares[-1]], where="post", **styles[name])
        numbers += [
            _number("profile", "all", name, end, share)
            for end, share in zip(ends, shares, strict=True)
        ]

    axes.set(xlabel="times the fewest steps to the target", ylabel="share of problems")
    axes.set(ylim=(-0.03, 1.03))
    _logarithmic(axes, "x")
    axes.set_title("Performance profile")
    return numbers


def _times(axes: Axes, found: Sequence[Workload], styles: Styles) -> Numbers:
    """Steps to the target, as a share of all steps; a cross at the right for a miss."""
    numbers, names = [], list(styles)
    for workload, marker in zip(found, itertools.cycle("osD^v"), strict=False):
        for name, tuned in workload.tuned.items():
            times = tuned.steps_to(workload.target)
            at = [min(time / tuned.steps[-1], 1.1) for time in times]
            for share, time in zip(at, times, strict=True):
                sign = marker if math.isfinite(time) else "x"
                axes.plot(share, names.index(name), sign, color=styles[name]["color"])
            numbers += [
                _number("steps to target", workload.name, name, seed, time)
                for seed, time in zip(tuned.seeds, times, strict=True)
            ]
        axes.plot([], [], marker, color="0.4", label=workload.name)
    axes.plot([], [], "x", color="0.4", label="missed")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="share of the steps until the target", xlim=(0, 1.15))
    axes.legend(fontsize="x-small")
    axes.set_title(f"Time to what {REFERENCE} reaches in 3/4 of its steps")
    return numbers


def _memory(axes: Axes, found: Sequence[Workload], styles: Styles) -> Numbers:
    """What each keeps between steps."""
    copies: dict[str, float] = {}
    for workload in found:
        for name, tuned in workload.tuned.items():
            if tuned.state_copies is not None:
                copies[name] = max(tuned.state_copies, copies.get(name, 0.0))
    names = [name for name in styles if name in copies]
    axes.barh(names, [copies[name] for name in names], color=[styles[n]["color"] for n in names])
    axes.set(xlabel="copies of the parameters")
    axes.set_title("Memory of the state")
    return [_number("state", "all", name, "copies", value) for name, value in copies.items()]


FIGURES: dict[str, Callable[[Request], Drawing]] = {"optimizers": optimizers}
