"""A table of any sweep in words and rounded numbers: the sheet that every format writes."""

from __future__ import annotations

from collections.abc import Mapping

from gan_lab.reporting.axes import Key, Place, also_differing, assigned, label
from gan_lab.reporting.collection import Record, source_name
from gan_lab.reporting.outcomes import OUTCOMES, outcomes_text, unplaced
from gan_lab.reporting.scores import higher_is_better, score_origin
from gan_lab.reporting.tables.render import latex_text
from gan_lab.reporting.tables.sheet import Section, Sheet
from gan_lab.reporting.tables.statistics import Estimate
from gan_lab.reporting.tables.sweep import Block, SweepTable, TableCell
from gan_lab.reporting.tables.text import (
    NO_RUN,
    NOTHING,
    code_text,
    data_text,
    interval,
    origin_text,
    run_ids,
)
from gan_lab.terminal import brief

NO_DIRECTION = "Nobody told which way is better: nothing is in bold."


def sweep_sheet(table: SweepTable) -> Sheet:
    """Write a section for each block, and one of its differences to the baseline."""
    sections = []
    for block in table.blocks:
        sections.append(_section(table, block))
        if table.baseline is not None:
            sections.append(_differences(table, block, table.baseline))

    # named after everything in it: a sheet may have several scores
    by = ", ".join(table.axes.rows)
    by += f" by {', '.join(table.axes.columns)}" if table.axes.columns else ""
    scores = ", ".join(dict.fromkeys(block.score for block in table.blocks))
    values = [_values(table, block, place) for block in table.blocks for place in block.cells]
    return Sheet(f"{scores}: {by}", _source(table), tuple(sections), _fields(table), tuple(values))


def _source(table: SweepTable) -> str:
    """How the numbers are to be read, and which runs are in none of them."""
    text = (
        "Mean over the seeds of finished runs ± Student's 95% interval, and how many they are (n); "
        "beside it, what became of the other seeds."
    )
    outside = [unplaced(run) for run in table.outside]
    outside += [brief(line, 300) for line in table.damaged]
    if outside:
        text += f" {len(outside)} of the runs stand in no cell: {'; '.join(outside)}."
    return text


# Sections -----------------------------------------------------------------------------------------


def _section(table: SweepTable, block: Block) -> Section:
    """The means."""
    # the lines above in Markdown stand below in LaTeX
    rows, columns = block.facet.rows, block.facet.columns
    above = _above(table, block)
    title = _title(table, block)

    # column 0 is the row's name
    bold = frozenset(
        (rows.index(row), columns.index(column) + 1)
        for (row, column), cell in block.cells.items()
        if cell.is_best
    )

    return Section(
        title=title,
        caption=title,
        above=above,
        header=_header(table, columns, "mean ± 95%"),
        rows=tuple(
            (", ".join(row), *(_text(block.cells[row, column]) for column in columns))
            for row in rows
        ),
        latex=tuple(latex_text(", ".join(row)) for row in rows),
        below=above,
        bold=bold,
    )


def _differences(table: SweepTable, block: Block, baseline: Key) -> Section:
    """Every other row minus the baseline."""
    rows, columns = [row for row in block.facet.rows if row != baseline], block.facet.columns
    reading = (
        "Mean of the row minus that of the baseline in the same column, ± Welch's 95% interval; "
        "not decided where the interval holds 0 or there is none. "
        "The intervals are not widened for the number of comparisons."
    )
    title = f"{_title(table, block)}: difference to {assigned(table.axes.rows, baseline)}"

    # the number never stands without its verdict: small differences look large beside each other
    def text(place: Place) -> str:
        gap = block.cells[place].difference
        return NOTHING if gap is None else f"{interval(gap)}, {verdict(gap, block.score)}"

    # as the section of the means, without bold
    return Section(
        title=title,
        caption=title,
        above=(reading,),
        header=_header(table, columns, "difference ± 95%"),
        rows=tuple((", ".join(row), *(text((row, column)) for column in columns)) for row in rows),
        latex=tuple(latex_text(", ".join(row)) for row in rows),
        below=(reading,),
    )


def _title(table: SweepTable, block: Block) -> str:
    """A score's table carries its whole name, never a bare IS or FID."""
    return ", ".join(filter(None, (assigned(table.axes.facet, block.facet.key), block.score)))


def _header(table: SweepTable, columns: tuple[Key, ...], single: str) -> tuple[str, ...]:
    """The names of the columns.

    Args:
        table: names the fields of its axes.
        columns: the labels of each.
        single: of the only column, where none were asked for.
    """
    return (
        ", ".join(table.axes.rows),
        *(assigned(table.axes.columns, column) or single for column in columns),
    )


def _above(table: SweepTable, block: Block) -> tuple[str, ...]:
    """Direction, protocol, data, code, and what else differs between cells."""
    # which way is better, so that nobody reads bold the wrong way round
    is_higher = higher_is_better(block.score)
    better = NO_DIRECTION
    if is_higher is not None:
        better = "Higher" if is_higher else "Lower"
        better += " is better; bold: a column's best mean of those with the most seeds."

    # one line for each data set, of which the extractor may be another
    by_data: dict[str, list[Record]] = {}
    for record in block.facet.records:
        by_data.setdefault(source_name(record), []).append(record)
    lines = [better]
    for runs in by_data.values():
        shown = score_origin(runs, block.score)
        lines += [origin_text(shown)] if shown else []
        lines.append(f"Data: {data_text(runs)}. Code: {code_text(runs, [block.score])}.")

    # differences that the table does not show may be the cause of those that it shows
    if others := also_differing(table.axes, block.facet.records):
        named = "; ".join(
            f"{name} ({', '.join(map(label, values))})" for name, values in others.items()
        )
        lines.append(f"Cells differ in more than rows and columns: {named}.")
    return tuple(lines)


def _text(cell: TableCell) -> str:
    """A cell in words: "8.03 ± 0.12, n = 3; 1 diverged, 1 missing"."""
    if not cell.scored and not cell.left_out:
        return NO_RUN
    mean = NOTHING
    if cell.estimate is not None:
        mean = interval(cell.estimate) + (f", n = {cell.estimate.n}" if cell.estimate.n > 1 else "")
    return "; ".join(filter(None, (mean, outcomes_text(cell.others))))


def verdict(gap: Estimate, score: str) -> str:
    """Judge a difference of a score: better, worse, not decided, or different where nobody knows
    which way is better."""
    is_higher = higher_is_better(score)
    if not gap.excludes_zero:
        return "not decided"
    if is_higher is None:
        return "different"
    return "better" if (gap.mean > 0) == is_higher else "worse"


# Values of the CSV --------------------------------------------------------------------------------

_OF_A_CELL = ("score", "n", "mean", "low", "high", "best", *OUTCOMES)
_OF_ITS_RUNS = (
    *("difference", "difference_low", "difference_high"),
    *("extractor", "weights_sha256", "run_ids", "left_out"),
)


def _fields(table: SweepTable) -> tuple[str, ...]:
    return (*table.axes.fields, *_OF_A_CELL, *_OF_ITS_RUNS)


def _values(table: SweepTable, block: Block, place: Place) -> Mapping[str, object]:
    """The line of a cell; a number that it does not have is empty."""
    # where it stands
    cell = block.cells[place]
    keys = (*block.facet.key, *place[0], *place[1])
    values: dict[str, object] = dict(zip(table.axes.fields, keys, strict=True))

    # its numbers, and how they came about
    values |= {"score": block.score, "n": len(cell.scored), "best": int(cell.is_best)}
    values |= cell.others
    values |= _numbers(cell.estimate, "mean", "low", "high")
    values |= _numbers(cell.difference, "difference", "difference_low", "difference_high")
    if shown := score_origin(cell.scored, block.score):
        values |= {"extractor": shown.extractor, "weights_sha256": shown.weights_sha256}

    # every run of the cell by name, so that a number can be traced
    left_out = " ".join(f"{record['run_id']}:{record['status']}" for record in cell.left_out)
    return values | {"run_ids": run_ids(cell.scored), "left_out": left_out}


def _numbers(value: Estimate | None, mean: str, low: str, high: str) -> dict[str, object]:
    if value is None:
        return {}
    ends = dict(zip((low, high), value.bounds, strict=True)) if value.bounds else {}
    return {mean: value.mean, **ends}
