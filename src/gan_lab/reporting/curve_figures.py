"""Figures 2-7, 2-14 and 2-15: scores over training."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gan_lab.reporting import published
from gan_lab.reporting.cells import belongs, canonical, runs_of
from gan_lab.reporting.collection import Record
from gan_lab.reporting.curves import Curve, curves
from gan_lab.reporting.drawing import COLOURS, Drawing, NothingRecorded, Request, label, new_figure, plain_axes
from gan_lab.reporting.tables import small_scale
from gan_lab.reporting.text import run_ids, weight_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def frechet_curves(request: Request) -> Drawing:
    """Figure 2-7: FID over training, a panel for each data set."""
    if request.datasets is None:
        there = {canonical(r["dataset"]["name"]) for r in request.found if _in_table(r)}
        names = [name for name in published.DATASETS if name in there] + sorted(there - set(published.DATASETS))
        return _curves(request, "2-7", names, "fid_", "_train")
    return _curves(request, "2-7", request.datasets, "fid_", "_train")


def inception_curves_cifar10(request: Request) -> Drawing:
    """Figure 2-14: IS over training on CIFAR-10."""
    return _curves(request, "2-14", request.datasets or ("cifar10",), "is_", "")


def inception_curves_tiny_imagenet(request: Request) -> Drawing:
    """Figure 2-15: IS over training on Tiny-ImageNet."""
    return _curves(request, "2-15", request.datasets or ("tiny_imagenet",), "is_", "")


def _curves(request: Request, number: str, datasets: Sequence[str], prefix: str, suffix: str) -> Drawing:
    names = list(dict.fromkeys(map(canonical, datasets)))
    mine = [record for record in request.found if _in_table(record)]
    found = {name: curves(mine, name, prefix, suffix, request.curve, request.frechet_distance) for name in names}
    if not any(found.values()):
        raise NothingRecorded(f"figure {number}: no scored run of {' or '.join(names) or 'any data set'} has a history")
    figure = new_figure(6.2 * len(names), 4.6)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        _draw_curves(axes, found[name], log=prefix == "fid_")
        axes.set_title(published.DATASETS.get(name, name))
        score = found[name][0].score if found[name] else None
        if scale := small_scale(runs_of(mine, name), score):
            axes.set_title(textwrap.fill(f"{axes.get_title()}, in small: {scale}", 70), fontsize=8)
    scores = dict.fromkeys(curve.score for name in names for curve in found[name])  # never a bare IS or FID
    figure.suptitle(f"Figure {number}: {' and '.join(scores)} over training")
    numbers = [row for name in names for curve in found[name] for row in _curve_rows(name, curve)]
    return Drawing(figure, numbers, request.datasets or ())


def _draw_curves(axes: Axes, found: Sequence[Curve], log: bool) -> None:
    for curve in found:
        key, seeds = curve.line.key, len(curve.weight.scored)
        style: dict[str, Any] = {"color": COLOURS[key], "linestyle": "--" if key == "wgan_gp" else "-"}
        written = f"{label(key)}, λ = {weight_text(curve.weight.weight)}, {seeds} seed{'s' if seeds > 1 else ''}"
        axes.plot(curve.steps, curve.mean, label=written, marker="." if len(curve.steps) < 30 else "", **style)
        axes.fill_between(curve.steps, curve.low, curve.high, color=COLOURS[key], alpha=0.15, linewidth=0)
    if found:
        axes.set(xlabel="generator steps", ylabel=found[0].score, xlim=(0, None))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(title="mean; band: least to greatest seed", fontsize=8, title_fontsize=8)
    else:
        axes.text(0.5, 0.5, "no run", transform=axes.transAxes, ha="center")
    if found and log:
        from matplotlib.ticker import LogLocator, NullFormatter

        axes.set_yscale("log")  # the differences at the end of training are small beside its beginning
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    plain_axes(axes)


def _curve_rows(dataset: str, curve: Curve) -> list[dict[str, Any]]:
    constant = {
        "dataset": dataset,
        "score": curve.score,
        "loss": curve.line.loss,
        "penalty": curve.line.penalty,
        "weight": weight_text(curve.weight.weight),
        "seeds": len(curve.weight.scored),
        "run_ids": run_ids(curve.weight.scored),
    }
    return [
        constant | {"step": int(step), "mean": float(mean), "min": float(low), "max": float(high)}
        for step, mean, low, high in zip(curve.steps, curve.mean, curve.low, curve.high, strict=True)
    ]


def _in_table(record: Record) -> bool:
    return any(belongs(record, line) for line in published.TABLE_2_2.values())
