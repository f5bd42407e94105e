"""Figures 2-7, 2-14, 2-15, 4-3, 4-7 and 4-8: scores over training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gan_lab.errors import UserError
from gan_lab.records import ScoreName
from gan_lab.reporting.collection import Record, with_history_about
from gan_lab.reporting.figures.curves import Curve, Quantity, curves
from gan_lab.reporting.figures.drawing import (
    Drawing,
    filled,
    log_scale,
    new_figure,
    plain_axes,
    step_axis,
)
from gan_lab.reporting.figures.request import COLOURS, DASHES, NothingRecorded, Request
from gan_lab.reporting.scores import fields_of
from gan_lab.reporting.tables.text import run_ids, weight_text
from gan_lab.reporting.thesis.cells import belongs, canonical, runs_of
from gan_lab.reporting.thesis.chapter_2 import (
    FRECHET_DISTANCE_IN_TRAINING,
    INCEPTION_SCORE_IN_TRAINING,
    TABLE_2_2,
)
from gan_lab.reporting.thesis.chapter_4 import AM_SCORE, DYNAMIC, TABLE_4_1
from gan_lab.reporting.thesis.chapter_4 import INCEPTION_SCORE as OF_50K
from gan_lab.reporting.thesis.design import DATASETS, Design, Kind, Line
from gan_lab.reporting.thesis.recipe import small_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure


@dataclass(frozen=True)
class Panels:
    """A figure of curves: lines of a design, and a panel for each quantity on each data set.

    Args:
        number: of the figure.
        design: the table that its lines are of.
        lines: those that are shown.
        quantities: a panel each.
        datasets: the thesis's; None: those that have runs.
        title: None: the names of the scores.
    """

    number: str
    design: Design
    lines: tuple[Line, ...]
    quantities: tuple[Quantity, ...]
    datasets: tuple[str, ...] | None
    title: str | None = None

    def __call__(self, request: Request) -> Drawing:
        return _draw(request, self)


_DYNAMIC = tuple(line for line in TABLE_4_1.lines if line.labels == DYNAMIC)
_ENTROPY = "mean entropy, E H(C(x))"
_IS_AND_TERMS = (
    Quantity(OF_50K),
    Quantity(OF_50K, "marginal_entropy", "entropy of the mean, H(mean C)"),
    Quantity(OF_50K, "conditional_entropy", _ENTROPY),
)
_AM_AND_TERMS = (
    Quantity(AM_SCORE),
    Quantity(AM_SCORE, "marginal_divergence", "KL(mean C of train ‖ mean C of samples)"),
    Quantity(AM_SCORE, "conditional_entropy", _ENTROPY),
)


def _of_labels(number: str, quantities: tuple[Quantity, ...], title: str) -> Panels:
    title = f"{title} over training, dynamic labels"
    return Panels(number, TABLE_4_1, _DYNAMIC, quantities, ("cifar10",), title)


_IS = (Quantity(INCEPTION_SCORE_IN_TRAINING),)
_PANELS = (
    Panels("2-7", TABLE_2_2, TABLE_2_2.lines, (Quantity(FRECHET_DISTANCE_IN_TRAINING),), None),
    Panels("2-14", TABLE_2_2, TABLE_2_2.lines, _IS, ("cifar10",)),
    Panels("2-15", TABLE_2_2, TABLE_2_2.lines, _IS, ("tiny_imagenet",)),
    _of_labels("4-3", _IS_AND_TERMS, "IS and its terms"),
    _of_labels("4-7", _AM_AND_TERMS, "AM and its terms"),
    _of_labels("4-8", (Quantity(OF_50K), Quantity(AM_SCORE)), "IS and AM"),
)
FIGURES: dict[str, Callable[[Request], Drawing]] = {panels.number: panels for panels in _PANELS}


def _draw(request: Request, panels: Panels) -> Drawing:
    # the curves of each data set: one list for each quantity
    _check_asked(request)
    mine = [
        record for record in request.found if any(belongs(record, line) for line in panels.lines)
    ]
    names = _datasets(request, panels, mine)
    by_dataset = {
        name: [_shown(request, panels, mine, name, quantity) for quantity in panels.quantities]
        for name in names
    }

    every = [(name, curve) for name, row in by_dataset.items() for part in row for curve in part]
    if not every:
        data = " or ".join(names) or "any data set"
        raise NothingRecorded(f"figure {panels.number}: no scored run of {data} has a history")

    # a subfigure for each data set, side by side where each is a single panel
    single = len(panels.quantities) == 1
    lines, columns = (1, len(names)) if single else (len(names), 1)
    width, height = (6.2, 4.6) if single else (4.4 * len(panels.quantities), 5.0)
    figure = new_figure(width * columns, height * lines)
    places = figure.subfigures(lines, columns, squeeze=False).flat
    for place, (name, row) in zip(places, by_dataset.items(), strict=True):
        _draw_dataset(place, panels, row)
        heading = _heading(panels, runs_of(mine, name), name, row)
        place.suptitle(filled(heading, 90 if single else 150), fontsize=8)

    # whole names of scores: never a bare IS or FID
    scores = " and ".join(dict.fromkeys(curve.score for _, curve in every))
    what = f"{panels.title}: {scores}" if panels.title else f"{scores} over training"
    figure.suptitle(f"Figure {panels.number}: {what}")

    numbers = [row for name, curve in every for row in _curve_rows(name, curve)]
    return Drawing(figure, numbers, request.datasets or ())


def _draw_dataset(place: SubFigure, panels: Panels, row: Sequence[Sequence[Curve]]) -> None:
    """Draw the panels of one data set, lettered where they are several, and their legend."""
    single = len(panels.quantities) == 1
    subplots = place.subplots(1, len(row), squeeze=False)[0]
    parts = zip("abc", subplots, panels.quantities, row, strict=False)
    for letter, axes, quantity, shown in parts:
        _draw_curves(axes, shown, quantity)
        if not single:
            axes.set_title(f"{letter}) {quantity.words or quantity.kind.title}", fontsize=10)
    _legend(place, single)


def _heading(
    panels: Panels, runs: Sequence[Record], dataset: str, row: Sequence[Sequence[Curve]]
) -> list[str]:
    """The data set, how its runs differ from the thesis's, and the samples behind each point."""
    # of each kind of score once, although its terms have panels of their own
    shown = {
        quantity.kind.key: (quantity.kind, curve[0].score)
        for quantity, curve in zip(panels.quantities, row, strict=True)
        if curve
    }

    # a small run must not be taken for the thesis's
    runs = [with_history_about(record) for record in runs]
    names = {key: name for key, (_, name) in shown.items()}
    scale = small_scale(panels.design, runs, names, [kind for kind, _ in shown.values()])
    title = DATASETS.get(dataset, dataset)
    title += f", not the thesis's scale or settings: {scale}" if scale else ""
    sizes = [
        f"{name}: {_size(kind, fields)}"
        for kind, name in shown.values()
        if (fields := fields_of(runs, name)) is not None
    ]
    return [title, *sizes]


def _size(kind: Kind, name: ScoreName) -> str:
    """The size of a score, as "2,000 samples in splits of 200 (thesis: 50,000)"."""
    count, parts = name.samples, name.parts
    ours = f"{count:,} samples" + (f" in splits of {count // parts:,}" if parts > 1 else "")
    thesis = kind.samples or 0
    in_splits = f" in splits of {thesis // kind.parts:,}" if kind.parts else ""
    return f"{ours} at every point (thesis: {thesis:,}{in_splits})"


def _check_asked(request: Request) -> None:
    prefixes = sorted(
        {quantity.kind.prefix for panels in _PANELS for quantity in panels.quantities}
    )
    for name in request.curves:
        if not name.startswith(tuple(prefixes)):
            raise UserError(
                f"curve={name}: no figure shows such a score; it begins with "
                f"{' or '.join(prefixes)}"
            )


def _datasets(request: Request, panels: Panels, mine: Sequence[Record]) -> list[str]:
    if asked := request.datasets or panels.datasets:
        return list(dict.fromkeys(map(canonical, asked)))
    there = {canonical(record["dataset"]["name"]) for record in mine}
    return [name for name in DATASETS if name in there] + sorted(there - set(DATASETS))


def _shown(
    request: Request, panels: Panels, mine: Sequence[Record], dataset: str, quantity: Quantity
) -> Sequence[Curve]:
    asked = request.curve(quantity.kind)
    return curves(
        panels.design, panels.lines, mine, dataset, quantity, asked, request.frechet_distance
    )


def _draw_curves(axes: Axes, shown: Sequence[Curve], quantity: Quantity) -> None:
    # the legend says λ and seeds: two curves may rest on different numbers of runs
    for curve in shown:
        key, seeds = curve.line.key, len(curve.weight.scored)
        style: dict[str, Any] = {"color": COLOURS[key], "linestyle": DASHES.get(key, "-")}
        weight = "" if curve.weight.weight is None else f", λ = {weight_text(curve.weight.weight)}"
        text = f"{curve.line.text}{weight}, {seeds} seed{'s' if seeds > 1 else ''}"

        # many points would hide the line under their markers
        style["marker"] = "." if len(curve.steps) < 30 else ""
        axes.plot(curve.steps, curve.mean, label=text, **style)
        axes.fill_between(
            curve.steps, curve.low, curve.high, color=COLOURS[key], alpha=0.15, linewidth=0
        )

    # a panel without a run says so: it is no error beside panels that have some
    if shown:
        axes.set_ylabel(quantity.words or shown[0].name)
        step_axis(axes)
    else:
        axes.text(0.5, 0.5, "no run", transform=axes.transAxes, ha="center")
    if shown and quantity.kind.key == "fid":
        log_scale(axes)
    plain_axes(axes)


def _legend(place: SubFigure, single: bool) -> None:
    """Draw it inside the only panel, or once below several: their curves are of the same runs."""
    style: dict[str, Any] = {"fontsize": 8, "title_fontsize": 8}
    style["title"] = "mean; band: least to greatest seed"

    # each entry once, from whichever panels have it
    entries = {
        str(label): handle
        for axes in place.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if entries and single:
        place.axes[0].legend(**style)
    elif entries:
        style |= {"loc": "outside lower center", "ncols": min(4, len(entries))}
        place.legend(entries.values(), entries.keys(), **style)


def _curve_rows(dataset: str, curve: Curve) -> list[dict[str, Any]]:
    line, weight = curve.line, curve.weight
    constant: dict[str, Any] = {"dataset": dataset, "score": curve.name}

    # a loss of Table 4-1 stands in two columns: there the model's name is needed
    constant |= {} if line.labels is None else {"model": line.text, "labels": line.labels}
    constant |= {"loss": line.loss, "penalty": line.penalty, "weight": weight_text(weight.weight)}
    constant |= {"seeds": len(weight.scored), "run_ids": run_ids(weight.scored)}

    # a row for each point
    columns = (curve.steps, curve.mean, curve.low, curve.high)
    return [
        constant | {"step": int(step), "mean": float(mean), "min": float(low), "max": float(high)}
        for step, mean, low, high in zip(*columns, strict=True)
    ]
