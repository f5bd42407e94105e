"""Figures 2-7, 2-14, 2-15, 4-3, 4-7 and 4-8: scores over training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gan_lab.errors import UserError
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
from gan_lab.reporting.scores import sizes
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
    """What a figure of curves shows: lines of a design, and a panel for each quantity on each data
    set.

    datasets: the thesis's; None: those that have runs. title: None: the names of the scores.
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
    return Panels(
        number,
        TABLE_4_1,
        _DYNAMIC,
        quantities,
        ("cifar10",),
        f"{title} over training, dynamic labels",
    )


_PANELS = (
    Panels("2-7", TABLE_2_2, TABLE_2_2.lines, (Quantity(FRECHET_DISTANCE_IN_TRAINING),), None),
    Panels(
        "2-14", TABLE_2_2, TABLE_2_2.lines, (Quantity(INCEPTION_SCORE_IN_TRAINING),), ("cifar10",)
    ),
    Panels(
        "2-15",
        TABLE_2_2,
        TABLE_2_2.lines,
        (Quantity(INCEPTION_SCORE_IN_TRAINING),),
        ("tiny_imagenet",),
    ),
    _of_labels("4-3", _IS_AND_TERMS, "IS and its terms"),
    _of_labels("4-7", _AM_AND_TERMS, "AM and its terms"),
    _of_labels("4-8", (Quantity(OF_50K), Quantity(AM_SCORE)), "IS and AM"),
)
FIGURES: dict[str, Callable[[Request], Drawing]] = {panels.number: panels for panels in _PANELS}


def _draw(request: Request, panels: Panels) -> Drawing:
    _check_asked(request)
    mine = [
        record for record in request.found if any(belongs(record, line) for line in panels.lines)
    ]
    names = _datasets(request, panels, mine)
    found = {
        name: [_shown(request, panels, mine, name, quantity) for quantity in panels.quantities]
        for name in names
    }
    if not any(curve for row in found.values() for curve in row):
        data = " or ".join(names) or "any data set"
        raise NothingRecorded(f"figure {panels.number}: no scored run of {data} has a history")
    single = len(panels.quantities) == 1  # then the data sets stand side by side
    lines, columns = (1, len(names)) if single else (len(names), 1)
    figure = new_figure(
        (6.2 if single else 4.4 * len(panels.quantities)) * columns,
        (4.6 if single else 5.0) * lines,
    )
    places = figure.subfigures(lines, columns, squeeze=False).flat
    for place, (name, row) in zip(places, found.items(), strict=True):
        for letter, axes, quantity, curve in zip(
            "abc",
            place.subplots(1, len(row), squeeze=False)[0],
            panels.quantities,
            row,
            strict=False,
        ):
            _draw_curves(axes, curve, quantity)
            if not single:
                axes.set_title(f"{letter}) {quantity.words or quantity.kind.title}", fontsize=10)
        _legend(place, single)
        heading = _heading(panels, runs_of(mine, name), name, row)
        place.suptitle(filled(heading, 90 if single else 150), fontsize=8)
    every = [curve for row in found.values() for curves_of in row for curve in curves_of]
    scores_shown = " and ".join(
        dict.fromkeys(curve.score for curve in every)
    )  # never a bare IS or FID
    what = f"{panels.title}: {scores_shown}" if panels.title else f"{scores_shown} over training"
    figure.suptitle(f"Figure {panels.number}: {what}")
    numbers = [
        one
        for name, row in found.items()
        for curve in row
        for each in curve
        for one in _curve_rows(name, each)
    ]
    return Drawing(figure, numbers, request.datasets or ())


def _heading(
    panels: Panels, runs: Sequence[Record], dataset: str, row: Sequence[Sequence[Curve]]
) -> list[str]:
    """The data set, how its runs differ from the thesis's, and the size of what each point is a
    score of."""
    shown = {
        q.kind.key: (q.kind, curve[0].score)
        for q, curve in zip(panels.quantities, row, strict=True)
        if curve
    }
    runs = [with_history_about(record) for record in runs]
    names = {key: name for key, (_, name) in shown.items()}
    scale = small_scale(panels.design, runs, names, [kind for kind, _ in shown.values()])
    title = DATASETS.get(dataset, dataset) + (
        f", not the thesis's scale or settings: {scale}" if scale else ""
    )
    return [title, *(f"{name}: {_size(kind, name)}" for kind, name in shown.values())]


def _size(kind: Kind, name: str) -> str:
    """ "2,000 samples in splits of 200 (thesis: 50,000)" of a score's name."""
    count, parts = sizes(name)
    ours = f"{count:,} samples" + (f" in splits of {count // parts:,}" if parts > 1 else "")
    thesis = int((kind.samples or "0k").removesuffix("k")) * 1000
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


def _draw_curves(axes: Axes, found: Sequence[Curve], quantity: Quantity) -> None:
    for curve in found:
        key, seeds = curve.line.key, len(curve.weight.scored)
        style: dict[str, Any] = {"color": COLOURS[key], "linestyle": DASHES.get(key, "-")}
        weight = "" if curve.weight.weight is None else f", λ = {weight_text(curve.weight.weight)}"
        written = f"{curve.line.text}{weight}, {seeds} seed{'s' if seeds > 1 else ''}"
        axes.plot(
            curve.steps,
            curve.mean,
            label=written,
            marker="." if len(curve.steps) < 30 else "",
            **style,
        )
        axes.fill_between(
            curve.steps, curve.low, curve.high, color=COLOURS[key], alpha=0.15, linewidth=0
        )
    if found:
        axes.set_ylabel(quantity.words or found[0].name)
        step_axis(axes)
    else:
        axes.text(0.5, 0.5, "no run", transform=axes.transAxes, ha="center")
    if found and quantity.kind.key == "fid":
        log_scale(axes)
    plain_axes(axes)


def _legend(place: SubFigure, single: bool) -> None:
    """Inside the only panel, or once below several: their curves are of the same runs."""
    said: dict[str, Any] = {
        "title": "mean; band: least to greatest seed",
        "fontsize": 8,
        "title_fontsize": 8,
    }
    entries = {
        str(label): handle
        for axes in place.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if entries and single:
        place.axes[0].legend(**said)
    elif entries:
        place.legend(
            entries.values(),
            entries.keys(),
            loc="outside lower center",
            ncols=min(4, len(entries)),
            **said,
        )


def _curve_rows(dataset: str, curve: Curve) -> list[dict[str, Any]]:
    model = (
        {} if curve.line.labels is None else {"model": curve.line.text, "labels": curve.line.labels}
    )
    constant = {
        "dataset": dataset,
        "score": curve.name,
        **model,
        "loss": curve.line.loss,
        "penalty": curve.line.penalty,
        "weight": weight_text(curve.weight.weight),
        "seeds": len(curve.weight.scored),
        "run_ids": run_ids(curve.weight.scored),
    }
    return [
        constant | {"step": int(step), "mean": float(mean), "min": float(low), "max": float(high)}
        for step, mean, low, high in zip(
            curve.steps, curve.mean, curve.low, curve.high, strict=True
        )
    ]
