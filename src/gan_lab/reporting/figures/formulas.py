"""Figures 2-13 and 4-6, which need no run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gan_lab.reporting.figures.drawing import Drawing, new_figure, plain_axes
from gan_lab.reporting.figures.request import COLOURS, Request, label
from gan_lab.reporting.thesis import mode_dropping, objectives

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axes._secondary_axes import SecondaryAxis


def losses(request: Request) -> Drawing:
    """Draw Figure 2-13: phi and varphi of the six objectives."""
    figure = new_figure(11, 4.2)
    panels = figure.subplots(1, 2, sharey=True)
    t = np.linspace(-3, 3, 121)
    values = {name: (phi(t), phi(-t)) for name, phi in objectives.PHI.items()}

    # dashed: the two that the family of the thesis (2-11) leaves out
    titles = (r"$\phi(t)$, on generated samples", r"$\varphi(t) = \phi(-t)$, on real samples")
    for index, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for name, pair in values.items():
            line = "--" if name in ("quadratic", "hinge") else "-"
            axes.plot(t, pair[index], color=COLOURS[name], linestyle=line, label=label(name))
        axes.set(title=title, xlabel="t, the critic's output", xlim=(-3, 3), ylim=(-3.2, 8))
        plain_axes(axes)

    # one legend for both panels, which have the same lines
    panels[0].set_ylabel("loss")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right center", title="$\\phi(x)$; dashed:\noutside of (2-11)"
    )
    figure.suptitle("Figure 2-13: the objectives")

    # a row of the CSV for each point
    numbers = [
        {"loss": name, "t": float(at), "phi": float(phi), "varphi": float(varphi)}
        for name, pair in values.items()
        for at, phi, varphi in zip(t, *pair, strict=True)
    ]
    return Drawing(figure, numbers)


def dropped_modes(request: Request) -> Drawing:
    """Draw Figure 4-6: log IS against the number of kept modes; see mode_dropping.py."""
    figure = new_figure(10, 4.2)
    panels = figure.subplots(1, 2, sharey=True)
    numbers: list[dict[str, Any]] = []

    # as the thesis: a panel for equal masses, and one for masses that fall off to either side
    densities = {"uniform": mode_dropping.uniform(), "Gaussian": mode_dropping.gaussian()}
    for axes, letter, (name, density) in zip(panels, "ab", densities.items(), strict=True):
        log_scores = mode_dropping.mode_dropping(density)
        right = _draw_dropped(axes, log_scores)
        axes.set_title(f"{letter}) {name} density over classes")
        numbers += _dropped_rows(name, density, log_scores)

    # each text once, where it is in the way of no curve
    panels[0].set_ylabel("E KL(C(x) ‖ mean C) = log IS, nats")
    panels[0].text(40, 0.3, "the same in every trial: log(N - m)")
    panels[1].legend(loc="lower right")
    right.set_ylabel("Inception Score")
    figure.suptitle(f"Figure 4-6: mode dropping, {mode_dropping.TRIALS:,} random trials")
    return Drawing(figure, numbers)


def _draw_dropped(axes: Axes, log_scores: mode_dropping.LogScores) -> SecondaryAxis:
    """Draw log IS with its bars; returns the axis of IS itself, on the right."""
    kept = np.arange(1, len(log_scores.mean) + 1)
    bars = np.stack([log_scores.mean - log_scores.low, log_scores.high - log_scores.mean])
    axes.errorbar(
        kept, log_scores.mean, bars, color=COLOURS["logistic"], ecolor="0.6", elinewidth=1,
        capsize=1.5, marker=".", markersize=4, label="mean; bars: least and greatest",
    )  # fmt: skip
    axes.set_xlabel(f"kept modes N - m (N = {len(kept)})")

    # the same curve in the units that readers know
    right = axes.secondary_yaxis("right", functions=(np.exp, _log))
    ticks = [1, 2, 5, 10, 20, 50, 100]
    right.set_yticks(ticks, labels=list(map(str, ticks)))
    plain_axes(axes)
    return right


def _log(value: Any) -> Any:
    return np.log(np.maximum(value, 1e-9))  # matplotlib asks for values outside the axis, too


def _dropped_rows(
    name: str, density: NDArray[np.float64], log_scores: mode_dropping.LogScores
) -> list[dict[str, Any]]:
    """The rows of a density in the CSV, with the AM Score beside."""
    rows = []
    columns = (log_scores.mean, log_scores.low, log_scores.high)
    for kept, (mean, low, high) in enumerate(zip(*columns, strict=True), start=1):
        row = {"density": name, "kept": kept, "dropped": len(density) - kept}
        row |= {"log_is_mean": float(mean), "log_is_min": float(low), "log_is_max": float(high)}
        rows.append(row | {"am_score": mode_dropping.am_score(density, kept)})
    return rows
