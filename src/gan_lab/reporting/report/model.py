"""The content of a report as plain data: page.py writes it, and knows nothing of records.

Every text here may come from a record, which anybody may have written: it is a text, never markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Link:
    """A text that leads to a place of the page.

    Args:
        text: what is shown.
        target: the id of the place, without "#".
    """

    text: str
    target: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        text: as the table code writes it.
        sort: the unrounded number that the column is sorted by; None: the text.
        bold: whether it is its column's best.
        links: to the records of its runs.
        tone: "good", "bad", "muted", or "" for none.
        target: the id of the place that the text itself leads to; "": none.
    """

    text: str
    sort: float | None = None
    bold: bool = False
    links: tuple[Link, ...] = ()
    tone: str = ""
    target: str = ""


@dataclass(frozen=True)
class TableView:
    """A table that can be sorted by each column.

    Args:
        title: its heading.
        notes: sentences that are needed to read it.
        header: of the columns.
        rows: its cells; the first of each row is its name.
        csv: the same numbers, unrounded; "" without a file of their own.
        file: the name under which `csv` is saved.
        dots: its numbers drawn.
    """

    title: str
    notes: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    csv: str = ""
    file: str = ""
    dots: Dots | None = None


@dataclass(frozen=True)
class Dot:
    """A number on a line of `Dots`, in the coordinates of the drawing.

    Args:
        x: its place.
        low: the left end of its whisker; None without an interval.
        high: the right end; None without an interval.
        colour: its number among the colours of the page.
        text: shown beside the pointer.
        cut: those of the two ends at which the axis ends and the interval goes on.
    """

    x: float
    low: float | None
    high: float | None
    colour: int
    text: str
    cut: tuple[float, ...] = ()


@dataclass(frozen=True)
class DotLine:
    """A line of a drawing."""

    label: str
    y: float
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Dots:
    """Means and their intervals on one axis, drawn.

    Args:
        alt: what a reader who does not see it is told.
        width: of the drawing.
        height: likewise.
        lines: from top to bottom.
        ticks: (place, number) on the axis.
        legend: of the colours; empty where there is one.
        zero: the place of a reference on the axis, as of 0.5; None: none.
        caption: which of a table's numbers these are; "" where it has no others.
    """

    alt: str
    width: float
    height: float
    lines: tuple[DotLine, ...]
    ticks: tuple[tuple[float, str], ...]
    legend: tuple[str, ...] = ()
    zero: float | None = None
    caption: str = ""


@dataclass(frozen=True)
class Chart:
    """Curves over generator steps, of which one panel is shown at a time.

    Args:
        id: of its place.
        title: its heading.
        notes: how it is to be read.
        panels: as `curves.panel_data` makes them; they stand in the page as JSON.
    """

    id: str
    title: str
    notes: tuple[str, ...]
    panels: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Frame:
    """A grid of images at a step.

    Args:
        step: of the generator.
        image: a data URI.
    """

    step: int
    image: str


@dataclass(frozen=True)
class Grid:
    """The grids of a run over training."""

    title: str
    target: str  # of its run
    alt: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Gallery:
    """Grids beside each other, moved through training by one slider.

    Args:
        id: its place on the page.
        title: above it.
        grids: one for each run.
        left_out: sentences on what is not shown, and why.
    """

    id: str
    title: str
    grids: tuple[Grid, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunView:
    """A run: the place that every number leads to.

    Args:
        id: of its place.
        name: its run id.
        title: what it was, by the axes.
        status: in one word.
        reason: why it ended early.
        facts: (name, value) of what its record says.
        scores: (name, value, its spread, step).
        command: that runs it again; "": not known.
    """

    id: str
    name: str
    title: str
    status: str
    reason: str
    facts: tuple[tuple[str, str], ...]
    scores: tuple[tuple[str, str, str, str], ...]
    command: str


@dataclass(frozen=True)
class Fact:
    """A headline number."""

    value: str
    words: str


@dataclass(frozen=True)
class Report:
    """A page about the runs of any folders.

    Args:
        title: its heading.
        made: when, and by which version.
        facts: headline numbers.
        states: (status, number of runs).
        summary: sentences.
        warnings: what a reader must know before any number.
        tables: of scores.
        bootstrap: of scores over all columns.
        charts: of curves.
        galleries: of samples.
        overview: every run, a line each.
        unfinished: the runs that did not finish, with reasons; None: all finished.
        settings: what differs between runs.
        shared: (field, value) of what all runs share.
        versions: programs and hardware.
        runs: every run.
    """

    title: str
    made: str
    facts: tuple[Fact, ...]
    states: tuple[tuple[str, int], ...]
    summary: tuple[str, ...]
    warnings: tuple[str, ...]
    tables: tuple[TableView, ...]
    bootstrap: tuple[TableView, ...]
    charts: tuple[Chart, ...]
    galleries: tuple[Gallery, ...]
    overview: TableView
    unfinished: TableView | None
    settings: TableView | None
    shared: tuple[tuple[str, str], ...]
    versions: TableView
    runs: tuple[RunView, ...]


@dataclass(frozen=True)
class Claim:
    """A statement of the thesis that was measured."""

    text: str
    ours: str
    verdict: str


@dataclass(frozen=True)
class Entry:
    """A table or figure of the thesis.

    Args:
        id: of its place.
        name: "Table 2-2".
        title: its subject.
        chapter: its number.
        verdict: one of reproduction.VERDICTS.
        why: the reason of the verdict.
        scales: in what its runs differ from the thesis's, for each experiment.
        shows: the thesis's statement about it.
        command: that makes it again.
        tables: ours beside the published numbers.
        claims: of the thesis, held against our runs.
        orders: of the thesis's lines, as its tables have them.
        charts: of curves.
        images: (title, alternative text, data URI) of figures.
        notes: on it.
    """

    id: str
    name: str
    title: str
    chapter: int
    verdict: str
    why: str
    shows: str = ""
    command: str = ""
    scales: tuple[str, ...] = ()
    tables: tuple[TableView, ...] = ()
    claims: tuple[Claim, ...] = ()
    orders: tuple[Claim, ...] = ()
    charts: tuple[Chart, ...] = ()
    images: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reproduction:
    """The page of the thesis: every table and figure in its order.

    Args:
        title: its heading.
        made: when, and by which version.
        facts: headline numbers.
        verdicts: (verdict, number of entries).
        warnings: what a reader must know before any number.
        entries: tables and figures.
        beside: what the thesis says outside of them, and what stands beside it.
        reversed_statements: of the thesis, whose interval lies on the other side.
        open_statements: of the thesis, which our runs do not decide.
        held_statements: of the thesis, which our runs bear out.
        compute: what was run where.
        versions: programs and hardware.
        slips: (place, printed, correct) in the thesis's print.
        runs: every record.
        chapters: their titles.
    """

    title: str
    made: str
    facts: tuple[Fact, ...]
    verdicts: tuple[tuple[str, int], ...]
    warnings: tuple[str, ...]
    entries: tuple[Entry, ...]
    beside: tuple[Entry, ...]
    reversed_statements: tuple[str, ...]
    open_statements: tuple[str, ...]
    held_statements: tuple[str, ...]
    compute: tuple[str, ...]
    versions: TableView
    slips: tuple[tuple[str, str, str], ...]
    runs: tuple[RunView, ...]
    chapters: Mapping[int, str]
