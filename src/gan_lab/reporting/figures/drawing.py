"""What every figure shares: what it is, how it looks, and how it is written."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab.files import atomic_path, write_atomically
from gan_lab.reporting.tables.render import csv_text
from gan_lab.terminal import brief, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers tell apart
SKY, VERMILION, BLUE, GREEN, PURPLE, ORANGE, BLACK = PALETTE = (
    "#56B4E9",
    "#D55E00",
    "#0072B2",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#000000",
)


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


def filled(lines: Sequence[str], width: int) -> str:
    """Lines of text, broken where they have more characters than `width`."""
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in lines)


def log_scale(axes: Axes) -> None:
    """Of distances, whose differences at the end of training are small beside those at its
    beginning."""
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


def write_figure(
    drawing: Drawing, out: Path, stem: str, *, has_formulas: bool = False
) -> list[Path]:
    """Write a figure to out/<stem>.png, and the numbers in it to out/<stem>.csv; returns both
    paths.

    has_formulas: whether its texts are all our own, and may be set as mathematics.
    """
    picture, numbers = out / f"{stem}.png", out / f"{stem}.csv"
    if not has_formulas:
        _without_mathematics(drawing.figure)
    with atomic_path(picture) as path:
        drawing.figure.savefig(path, format="png", dpi=150)
    write_atomically(numbers, csv_text(list(drawing.numbers[0]), drawing.numbers))
    return [picture, numbers]


def _without_mathematics(figure: Figure) -> None:
    """Names in records and files are drawn as they are, dollars too: no formula begins there, or
    fails.

    What is longer than any caption is cut: matplotlib needs many seconds for 100,000 characters.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        shown = brief(visible(text.get_text()), 500)
        if text.get_wrap():  # its words are measured as formulas all the same
            text.set_text(shown.replace("$", r"\$"))
        else:
            text.set_text(shown)
            text.set_parse_math(False)
