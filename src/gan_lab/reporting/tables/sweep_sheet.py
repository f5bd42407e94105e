"""A table of any sweep in words and rounded numbers: the sheet that every format writes."""

from __future__ import annotations

from collections.abc import Mapping

from gan_lab.reporting.axes import Key, Place, also_differing, assigned, label
from gan_lab.reporting.collection import Record
from gan_lab.reporting.outcomes import OUTCOMES, outcomes_text, unplaced
from gan_lab.reporting.scores import higher_is_better, protocol
from gan_lab.reporting.tables.render import latex_text
from gan_lab.reporting.tables.sheet import Section, Sheet
from gan_lab.reporting.tables.statistics import Estimate
from gan_lab.reporting.tables.sweep import Block, SweepCell, SweepTable
from gan_lab.reporting.tables.text import (
    NO_RUN,
    NOTHING,
    code_text,
    data_text,
    interval,
    protocol_text,
    run_ids,
)
from gan_lab.terminal import brief


def sweep_sheet(table: SweepTable) -> Sheet:
    """A section for each block, and one of its differences to the baseline."""
    sections = []
    for block in table.blocks:
        sections.append(_section(table, block))
        if table.baseline is not None:
            sections.append(_differences(table, block, table.baseline))

    by = ", ".join(table.axes.rows) + (
        f" by {', '.join(table.axes.columns)}" if table.axes.columns else ""
    )
    scores = ", ".join(dict.fromkeys(block.score for block in table.blocks))
    values = [_values(table, block, place) for block in table.blocks for place in block.cells]
    return Sheet(f"{scores}: {by}", _source(table), tuple(sections), _fields(table), tuple(values))


def _source(table: SweepTable) -> str:
    """How the numbers are to be read, and which runs are in none of them."""
    said = (
        "Mean over the seeds of finished runs ± Student's 95% interval, and how many they are (n); "
        "beside it, what became of the other seeds."
    )
    outside = [unplaced(run) for run in table.outside] + [brief(one, 300) for one in table.damaged]
    if outside:
        said += f" {len(outside)} of the runs stand in no cell: {'; '.join(outside)}."
    return said


# Sections -----------------------------------------------------------------------------------------


def _section(table: SweepTable, block: Block) -> Section:
    """The means."""
    rows, columns = block.facet.rows, block.facet.columns
    above = _above(table, block)
    title = _title(table, block)
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
        bold=frozenset(
            (rows.index(row), columns.index(column) + 1)
            for (row, column), cell in block.cells.items()
            if cell.is_best
        ),
    )


def _differences(table: SweepTable, block: Block, baseline: Key) -> Section:
    """Every other row minus the baseline."""
    rows, columns = [row for row in block.facet.rows if row != baseline], block.facet.columns
    reading = (
        "Mean of the row minus that of the baseline in the same column, ± Welch's 95% interval; "
        "not "
        "decided where the interval holds 0 or there is none. The intervals are not widened for "
        "the "
        "number of comparisons."
    )
    title = f"{_title(table, block)}: difference to {assigned(table.axes.rows, baseline)}"

    def text(place: Place) -> str:
        gap = block.cells[place].difference
        return NOTHING if gap is None else f"{interval(gap)}, {_verdict(gap, block.score)}"

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
    """single: of the only column, where none were asked for."""
    return (
        ", ".join(table.axes.rows),
        *(assigned(table.axes.columns, column) or single for column in columns),
    )


def _above(table: SweepTable, block: Block) -> tuple[str, ...]:
    """Direction, protocol, data, code, and what else differs between cells."""
    found = block.facet.records
    is_higher = higher_is_better(block.score)
    better = "Nobody told which way is better: nothing is in bold."
    if is_higher is not None:
        better = "Higher" if is_higher else "Lower"
        better += " is better; bold: a column's best mean of those with the most seeds."

    # one line for each data set, of which the extractor may be another
    by_data: dict[str, list[Record]] = {}
    for record in found:
        by_data.setdefault(str(record["dataset"]["name"]), []).append(record)
    lines = [better]
    for runs in by_data.values():
        shown = protocol(runs, block.score)
        lines += [protocol_text(shown)] if shown else []
        lines.append(f"Data: {data_text(runs)}. Code: {code_text(runs, [block.score])}.")

    if others := also_differing(table.axes, found):
        named = "; ".join(
            f"{name} ({', '.join(map(label, values))})" for name, values in others.items()
        )
        lines.append(f"Cells differ in more than rows and columns: {named}.")
    return tuple(lines)


def _text(cell: SweepCell) -> str:
    """ "8.03 ± 0.12, n = 3; 1 diverged, 1 missing"."""
    if not cell.scored and not cell.left_out:
        return NO_RUN
    said = NOTHING
    if cell.estimate is not None:
        said = interval(cell.estimate) + (f", n = {cell.estimate.n}" if cell.estimate.n > 1 else "")
    return "; ".join(filter(None, (said, outcomes_text(cell.others))))


def _verdict(gap: Estimate, score: str) -> str:
    is_higher = higher_is_better(score)
    if not gap.excludes_zero:
        return "not decided"
    if is_higher is None:
        return "different"
    return "better" if (gap.mean > 0) == is_higher else "worse"


# Values of the CSV --------------------------------------------------------------------------------

_OF_A_CELL = ("score", "n", "mean", "low", "high", "best", *OUTCOMES)
_OF_ITS_RUNS = (
    "difference",
    "difference_low",
    "difference_high",
    "extractor",
    "weights_sha256",
    "run_ids",
    "left_out",
)


def _fields(table: SweepTable) -> tuple[str, ...]:
    return (*table.axes.fields, *_OF_A_CELL, *_OF_ITS_RUNS)


def _values(table: SweepTable, block: Block, place: Place) -> Mapping[str, object]:
    """One line for each cell, a number that it does not have is empty."""
    cell = block.cells[place]
    keys = (*block.facet.key, *place[0], *place[1])
    found: dict[str, object] = dict(zip(table.axes.fields, keys, strict=True))
    found |= {"score": block.score, "n": len(cell.scored), "best": int(cell.is_best), **cell.others}
    found |= _numbers(cell.estimate, "mean", "low", "high")
    found |= _numbers(cell.difference, "difference", "difference_low", "difference_high")
    if shown := protocol(cell.scored, block.score):
        found |= {"extractor": shown.extractor, "weights_sha256": shown.weights_sha256}
    left_out = " ".join(f"{record['run_id']}:{record['status']}" for record in cell.left_out)
    return found | {"run_ids": run_ids(cell.scored), "left_out": left_out}


def _numbers(value: Estimate | None, mean: str, low: str, high: str) -> dict[str, object]:
    if value is None:
        return {}
    return {
        mean: value.mean,
        **(dict(zip((low, high), value.bounds, strict=True)) if value.bounds else {}),
    }
