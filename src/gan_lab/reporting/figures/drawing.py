"""Everything that figures share: colours, axes, and how they are written."""

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
    """A figure and the numbers in it.

    Args:
        figure: matplotlib's.
        numbers: a dict for each row of its file.
        of: the data sets that its file is named after.
    """

    figure: Figure
    numbers: list[dict[str, Any]]
    of: Sequence[str] = ()


def new_figure(width: float, height: float) -> Figure:
    """Make a figure; width and height in inches."""
    # not by pyplot, which would keep it and choose a display
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain_axes(axes: Axes) -> None:
    """Draw a faint grid, and no frame above and to the right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def filled(lines: Sequence[str], width: int) -> str:
    """Break lines of text that have more characters than `width`."""
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in lines)


def log_scale(axes: Axes) -> None:
    """Use a logarithmic scale, for distances: their last differences are small beside the first."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")

    # as many numbers as there is room for
    low, high = axes.get_ylim()
    subs = (1, 1.5, 2, 3, 5, 7) if high < 300 * low else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def step_axis(axes: Axes) -> None:
    """Let the x axis show generator steps from 0 on."""
    axes.set(xlabel="generator steps", xlim=(0, None))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=6)


def write_figure(
    drawing: Drawing, out: Path, stem: str, *, has_formulas: bool = False
) -> list[Path]:
    """Write a figure to out/<stem>.png, and the numbers in it to out/<stem>.csv.

    Args:
        drawing: the figure.
        out: the folder.
        stem: of the files' names.
        has_formulas: whether its texts are all our own, and may be set as mathematics.

    Returns:
        Both paths.
    """
    picture, numbers = out / f"{stem}.png", out / f"{stem}.csv"
    if not has_formulas:
        _without_mathematics(drawing.figure)

    # an interrupted program leaves the older figure
    with atomic_path(picture) as path:
        drawing.figure.savefig(path, format="png", dpi=150)
    write_atomically(numbers, csv_text(list(drawing.numbers[0]), drawing.numbers))
    return [picture, numbers]


def _without_mathematics(figure: Figure) -> None:
    """Draw names in records and files as they are: a dollar begins no formula, which could fail."""
    from matplotlib.text import Text

    # longer than any caption: matplotlib needs many seconds for 100,000 characters
    for text in figure.findobj(Text):
        shown = brief(visible(text.get_text()), 500)
        if text.get_wrap():  # its words are measured as formulas all the same
            text.set_text(shown.replace("$", r"\$"))
        else:
            text.set_text(shown)
            text.set_parse_math(False)
