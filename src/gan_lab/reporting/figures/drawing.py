"""What every figure shares: what it is asked for, what it hands back, and how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.errors import UserError
from gan_lab.reporting.collection import Record
from gan_lab.reporting.thesis.chapter_2 import LINES
from gan_lab.reporting.thesis.design import Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLOURS = {  # Okabe and Ito's, which colour-blind readers tell apart
    "wasserstein": "#56B4E9",
    "exp": "#D55E00",
    "logistic": "#0072B2",
    "sqrt": "#009E73",
    "quadratic": "#CC79A7",
    "hinge": "#E69F00",
    "wgan_gp": "#000000",
    "gan": "#000000",
    "gan_star": "#56B4E9",
    "ac_gan": "#E69F00",
    "ac_gan_weak": "#E69F00",
    "ac_gan_original": "#E69F00",
    "ac_gan_plus": "#009E73",
    "label_gan": "#0072B2",
    "am_gan": "#D55E00",
}
DASHES = {"wgan_gp": "--", "ac_gan_weak": "--", "ac_gan_original": ":"}  # beside a line of the same colour, or meaning


PALETTE = tuple(dict.fromkeys(COLOURS.values()))


class NothingRecorded(UserError):
    """There is no run that the figure could show."""


@dataclass(frozen=True)
class Request:
    """What a figure is drawn from. datasets: None stands for the thesis's own; for the rest see conf/figures.yaml."""

    found: Sequence[Record] = ()
    datasets: tuple[str, ...] | None = None
    run_dirs: tuple[Path, ...] = ()
    curves: tuple[str, ...] = ()
    frechet_distance: str | None = None
    statistics: tuple[Path, ...] = ()
    allow: tuple[str, ...] = ()

    def curve(self, kind: Kind) -> str | None:
        """The asked name of a kind of score over training."""
        return next((name for name in self.curves if name.startswith(kind.prefix)), None)


@dataclass(frozen=True)
class Drawing:
    """A figure and the numbers in it. of: the data sets that its file is named after."""

    figure: Figure
    numbers: list[dict[str, Any]]
    of: Sequence[str] = ()


def new_figure(width: float, height: float) -> Figure:
    """Inches. Made without pyplot, which would keep it and choose a display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain_axes(axes: Axes) -> None:
    """A faint grid and no frame above and to the right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def log_scale(axes: Axes) -> None:
    """Of distances, whose differences at the end of training are small beside those at its beginning."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def step_axis(axes: Axes) -> None:
    """Generator steps from 0 on."""
    axes.set(xlabel="generator steps", xlim=(0, None))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=6)


def label(key: str) -> str:
    """How legends call the loss `key` of Table 2-2: its formula."""
    return LINES[key].text
