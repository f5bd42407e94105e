"""Figures 2-13 and 4-6, which need no run."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan_lab.reporting.figures.drawing import Drawing, new_figure, plain_axes
from gan_lab.reporting.figures.request import COLOURS, Request, label
from gan_lab.reporting.thesis import mode_dropping, objectives


def losses(request: Request) -> Drawing:
    """Figure 2-13: phi and varphi of the six objectives."""
    figure = new_figure(11, 4.2)
    panels = figure.subplots(1, 2, sharey=True)
    t = np.linspace(-3, 3, 121)
    values = {name: (phi(t), phi(-t)) for name, phi in objectives.PHI.items()}
    titles = (r"$\phi(t)$, on generated samples", r"$\varphi(t) = \phi(-t)$, on real samples")
    for index, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for name, pair in values.items():
            member = name not in ("quadratic", "hinge")
            axes.plot(
                t,
                pair[index],
                color=COLOURS[name],
                linestyle="-" if member else "--",
                label=label(name),
            )
        axes.set(title=title, xlabel="t, the critic's output", xlim=(-3, 3), ylim=(-3.2, 8))
        plain_axes(axes)
    panels[0].set_ylabel("loss")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right center", title="$\\phi(x)$; dashed:\noutside of (2-11)"
    )
    figure.suptitle("Figure 2-13: the objectives")
    numbers = [
        {"loss": name, "t": float(at), "phi": float(phi), "varphi": float(varphi)}
        for name, pair in values.items()
        for at, phi, varphi in zip(t, *pair, strict=True)
    ]
    return Drawing(figure, numbers)


def dropped_modes(request: Request) -> Drawing:
    """Figure 4-6: log IS against the number of kept modes; see mode_dropping.py."""
    figure = new_figure(10, 4.2)
    panels = figure.subplots(1, 2, sharey=True)
    numbers: list[dict[str, Any]] = []
    densities = {"uniform": mode_dropping.uniform(), "Gaussian": mode_dropping.gaussian()}
    for axes, letter, (name, density) in zip(panels, "ab", densities.items(), strict=True):
        log_scores = mode_dropping.mode_dropping(density)
        kept = np.arange(1, len(density) + 1)
        bars = np.stack([log_scores.mean - log_scores.low, log_scores.high - log_scores.mean])
        axes.errorbar(
            kept, log_scores.mean, bars, color=COLOURS["logistic"], ecolor="0.6", elinewidth=1,
            capsize=1.5, marker=".", markersize=4, label="mean; bars: least and greatest",
        )  # fmt: skip
        axes.set(
            title=f"{letter}) {name} density over classes",
            xlabel=f"kept modes N - m (N = {len(density)})",
        )
        right = axes.secondary_yaxis("right", functions=(np.exp, _log))
        right.set_yticks(
            [1, 2, 5, 10, 20, 50, 100], labels=["1", "2", "5", "10", "20", "50", "100"]
        )
        if letter == "b":
            right.set_ylabel("Inception Score")
        plain_axes(axes)
        columns = (kept, log_scores.mean, log_scores.low, log_scores.high)
        for k, mean, low, high in zip(*columns, strict=True):
            one = {"density": name, "kept": int(k), "dropped": len(density) - int(k)}
            one |= {"log_is_mean": float(mean), "log_is_min": float(low), "log_is_max": float(high)}
            numbers.append(one | {"am_score": mode_dropping.am_score(density, int(k))})
    panels[0].set_ylabel("E KL(C(x) ‖ mean C) = log IS, nats")
    panels[1].legend(loc="lower right")
    panels[0].text(40, 0.3, "the same in every trial: log(N - m)")
    figure.suptitle(f"Figure 4-6: mode dropping, {mode_dropping.TRIALS:,} random trials")
    return Drawing(figure, numbers)


def _log(value: Any) -> Any:
    return np.log(np.maximum(value, 1e-9))  # matplotlib asks for values outside the axis, too
