"""A sweep's directory as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from gan_lab.sweeps.cells import (
    SweepCell,
    distinguishing_overrides,
    duration,
    shared,
    summary,
)
from gan_lab.terminal import visible

COLOURS = {
    "finished": "green",
    "running": "cyan",
    "silent": "yellow",
    "waiting": "dim",
    "diverged": "magenta",
    "failed": "red",
    "interrupted": "yellow",
}


def status_table(title: str, cells: Sequence[SweepCell]) -> Table:
    """A table with a row for each cell: by its name, and by its overrides where that is a number.

    Args:
        title: the sweep's directory; the totals stand below it.
        cells: all cells.
    """
    table = Table(title=f"{title}\n{total(cells)}", title_justify="left", box=SIMPLE_HEAD)
    common = shared(cell.overrides for cell in cells)

    # a name that the user chose tells the cells apart, a number does not
    numbered = all(cell.run_dir.name.isdecimal() for cell in cells)

    for name in ("cell", "overrides", "status") if numbered else ("cell", "status"):
        table.add_column(name, overflow="fold")
    for name in ("step", "time", "ETA"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("score or reason", overflow="fold")

    # what is not known stays empty; texts of records are shown as text, whatever stands in them
    for cell in cells:
        table.add_row(
            Text(visible(cell.run_dir.name)),
            *(
                [Text(visible(distinguishing_overrides(cell.overrides, common)))]
                if numbered
                else []
            ),
            Text(cell.state, style=COLOURS[cell.state]),
            f"{cell.step:,}/{cell.max_step:,}" if cell.max_step is not None else "",
            duration(cell.seconds) if cell.seconds is not None else "",
            duration(cell.eta) if cell.eta is not None else "",
            Text(visible("; ".join(part for part in (cell.reason, cell.score) if part))),
        )
    return table


def total(cells: Sequence[SweepCell]) -> str:
    """The totals in words: "4 cells: 2 finished, 1 running, 1 waiting; 5 min of training; about 3
    min left", the last where it can be said.

    What is left: the running cells' own ETA, and for waiting ones the mean time of a finished one,
    over as many at a time as are running.
    """
    parts = [summary(cells), f"{duration(sum(cell.seconds or 0.0 for cell in cells))} of training"]

    # nothing can be said while a running cell has no pace yet, or no
    # cell has finished and some wait
    running = [cell.eta for cell in cells if cell.state == "running"]
    known = [eta for eta in running if eta is not None]
    waiting = sum(cell.state == "waiting" for cell in cells)
    finished = [
        cell.seconds for cell in cells if cell.state == "finished" and cell.seconds is not None
    ]
    if running and len(known) == len(running) and (finished or not waiting):
        later = waiting * sum(finished) / len(finished) if waiting else 0.0
        parts.append(f"about {duration(max(max(known), (sum(known) + later) / len(running)))} left")
    return "; ".join(parts)
