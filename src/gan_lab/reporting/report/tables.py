"""The tables of any sweep for a page: the sheet's own texts, with what each number leads to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gan_lab.files import safe_name
from gan_lab.reporting.axes import Key, assigned
from gan_lab.reporting.report.dots import Number, draw_dots
from gan_lab.reporting.report.model import Cell, Dots, Link, TableView
from gan_lab.reporting.scores import higher_is_better
from gan_lab.reporting.tables.bootstrap import mean_over_cells, probability_of_improvement
from gan_lab.reporting.tables.render import csv_text
from gan_lab.reporting.tables.sheet import Section
from gan_lab.reporting.tables.sweep import Block, SweepTable, TableCell
from gan_lab.reporting.tables.sweep_sheet import sweep_sheet, verdict
from gan_lab.reporting.tables.text import number

_LINES = 40  # at most in a drawing
_TONES = {"better": "good", "worse": "bad"}
_OF_BOOTSTRAP = ("row", "columns", "mean", "low", "high", "better_than", "p", "p_low", "p_high")


def table_views(table: SweepTable, anchors: Mapping[str, str]) -> list[TableView]:
    """Make a view of each section of the table's sheet.

    Args:
        table: of any sweep.
        anchors: {id(record): the id of its place on the page}.
    """
    # sections come in the order of blocks: the means, then the differences where there are any
    sheet = sweep_sheet(table)
    sections = iter(sheet.sections)
    lines = iter(sheet.values)
    views = []
    for block in table.blocks:
        csv = csv_text(sheet.fields, [next(lines) for _ in block.cells])
        views.append(_means(next(sections), block, anchors, csv))
        if table.baseline is not None:
            views.append(_differences(next(sections), table, block, table.baseline))
    return views


def _means(section: Section, block: Block, anchors: Mapping[str, str], csv: str) -> TableView:
    columns = block.facet.columns
    rows = []
    for index, (row, texts) in enumerate(zip(block.facet.rows, section.rows, strict=True)):
        cells = [Cell(texts[0])]
        for at, column in enumerate(columns, start=1):
            bold = (index, at) in section.bold
            cells.append(_cell(texts[at], block.cells[row, column], bold, anchors))
        rows.append(tuple(cells))
    return TableView(
        title=section.title,
        notes=section.above,
        header=section.header,
        rows=tuple(rows),
        csv=csv,
        file=f"{safe_name(section.title)}.csv",
        dots=_drawn(section, block),
    )


def _cell(text: str, cell: TableCell, bold: bool, anchors: Mapping[str, str]) -> Cell:
    """A mean, and a link to the record of each run behind it and of each that is left out."""
    runs = [(record, "") for record in cell.scored]
    runs += [
        (record, " no score" if record["status"] == "finished" else f" {record['status']}")
        for record in cell.left_out
    ]
    links = tuple(
        Link(f"{_seed(record)}{status}", anchors[str(id(record))]) for record, status in runs
    )
    mean = None if cell.estimate is None else cell.estimate.mean
    return Cell(text, mean, bold, links, tone="" if cell.scored else "muted")


def _seed(record: Mapping[str, object]) -> str:
    return f"seed {record['seed']}" if record.get("seed") is not None else "run"


def _drawn(section: Section, block: Block) -> Dots | None:
    """The means with their intervals; columns are colours."""
    if len(block.facet.rows) > _LINES or len(block.facet.columns) > 6:
        return None

    # a line for each row, a colour for each column
    lines = []
    for row, texts in zip(block.facet.rows, section.rows, strict=True):
        cells = [block.cells[row, column] for column in block.facet.columns]
        numbers = [
            Number(cell.estimate.mean, cell.estimate.bounds, f"{texts[0]}: {text}", colour)
            for colour, (cell, text) in enumerate(zip(cells, texts[1:], strict=True))
            if cell.estimate is not None
        ]
        lines.append((texts[0], numbers))
    legend = section.header[1:] if len(block.facet.columns) > 1 else ()
    return draw_dots(f"{section.title}: the numbers of the table, drawn", lines, legend)


def _differences(section: Section, table: SweepTable, block: Block, baseline: Key) -> TableView:
    rows = []
    others = [row for row in block.facet.rows if row != baseline]
    for row, texts in zip(others, section.rows, strict=True):
        gaps = [block.cells[row, column].difference for column in block.facet.columns]
        cells = [
            Cell(text, gap.mean, tone=_TONES.get(verdict(gap, block.score), ""))
            if gap is not None
            else Cell(text)
            for text, gap in zip(texts[1:], gaps, strict=True)
        ]
        rows.append((Cell(texts[0]), *cells))
    return TableView(section.title, section.above, section.header, tuple(rows))


# Over all columns ---------------------------------------------------------------------------------


def bootstrap_view(table: SweepTable, block: Block) -> TableView | None:
    """Each row over all columns of a block: its mean, and how likely it beats another row.

    None where fewer than two rows have a score in every column, some of two seeds.
    """
    is_higher = higher_is_better(block.score)
    values = {row: _values(block, row) for row in block.facet.rows}
    whole = {row: cells for row, cells in values.items() if cells is not None}
    if is_higher is None or len(whole) < 2 or len(whole) > 4 * _LINES:
        return None
    if not any(len(cell) > 1 for cells in whole.values() for cell in cells):
        return None

    # beside the baseline, or else the row with the best mean
    means = {row: mean_over_cells(cells) for row, cells in whole.items()}
    best = (max if is_higher else min)(means, key=lambda row: means[row].value)
    against = table.baseline if table.baseline in whole else best
    assert against is not None

    # the same numbers rounded, and in the CSV
    rows, lines, drawn = [], [], []
    for row, cells in whole.items():
        # its mean
        mean, name = means[row], ", ".join(row)
        text = f"{number(mean.value)} [{number(mean.low)}, {number(mean.high)}]"
        line: dict[str, object] = {"row": name, "columns": len(cells), "mean": mean.value}
        line |= {"low": mean.low, "high": mean.high}

        # the row itself is compared with none
        shown = Cell("–", tone="muted")
        if row != against:
            p = probability_of_improvement(cells, whole[against], higher_is_better=is_higher)
            shown = Cell(f"{p.value:.2f} [{p.low:.2f}, {p.high:.2f}]", p.value)
            line |= {"better_than": ", ".join(against)}
            line |= {"p": p.value, "p_low": p.low, "p_high": p.high}
            drawn.append((name, [Number(p.value, (p.low, p.high), f"{name}: {shown.text}")]))
        lines.append(line)
        rows.append((Cell(name), Cell(text, mean.value, bold=row == best), shown))

    # rows with an empty cell are named
    title = ", ".join(filter(None, (assigned(table.axes.facet, block.facet.key), block.score)))
    left_out = [", ".join(row) for row in values if row not in whole]
    return TableView(
        title=f"{title}: over all columns",
        notes=_notes(block, ", ".join(against), left_out),
        header=(", ".join(table.axes.rows), "mean [95%]", f"P(better than {', '.join(against)})"),
        rows=tuple(rows),
        csv=csv_text(_OF_BOOTSTRAP, lines),
        file=f"{safe_name(title)}_bootstrap.csv",
        dots=draw_dots(f"P(better than {', '.join(against)}), drawn", drawn, zero=0.5),
    )


def _values(block: Block, row: Key) -> list[tuple[float, ...]] | None:
    """The values of a row's cells; None where one has no finite score."""
    cells = [block.cells[row, column].values for column in block.facet.columns]
    is_whole = all(cell and all(map(math.isfinite, cell)) for cell in cells)
    return cells if is_whole else None


def _notes(block: Block, against: str, left_out: Sequence[str]) -> tuple[str, ...]:
    cells = len(block.facet.columns)
    seeds = [len(cell.values) for cell in block.cells.values() if cell.values]
    notes = [
        f"Mean over {cells} column{'s' if cells > 1 else ''} of the mean over seeds, with the 95% "
        "percentile interval of a bootstrap that draws seeds within each cell (2,000 replicates, "
        "fixed seed).",
        f"P: the probability that a run of the row is better than one of {against} in the same "
        "column, ties counted half; 0.50 says that neither is.",
    ]
    if min(seeds, default=0) < 5:
        notes.append(
            "Cells of fewer than five seeds: a bootstrap of so few values is too narrow; Student's "
            "interval above is the one to cite."
        )
    if left_out:
        notes.append(f"Without a score in every column, and left out: {', '.join(left_out)}.")
    return tuple(notes)
