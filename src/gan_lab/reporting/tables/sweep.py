"""A table of any sweep, as data: the scores of each cell's runs, and the fate of the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gan_lab.errors import UserError
from gan_lab.reporting.axes import Axes, Facet, Key, Place, assigned, axis_name, facets, label
from gan_lab.reporting.collection import Record, agree
from gan_lab.reporting.outcomes import known_seeds, outcomes
from gan_lab.reporting.runs import Found, Run
from gan_lab.reporting.scores import (
    counts_in_mean,
    higher_is_better,
    names_in,
    score_value,
    whole_name,
)
from gan_lab.reporting.tables.statistics import Estimate, difference, estimate


@dataclass(frozen=True)
class TableCell:
    """The runs of a row and a column.

    Args:
        scored: those in the mean, in the order of their seeds.
        values: their scores.
        left_out: the other runs.
        others: how many of these and of seeds without a run there are, by outcomes.OUTCOMES.
        estimate: the mean; None without a scored run.
        difference: of the mean to the baseline's in the same column.
        is_best: whether the mean is the best of its column.
    """

    scored: tuple[Record, ...]
    values: tuple[float, ...]
    left_out: tuple[Record, ...]
    others: Mapping[str, int]
    estimate: Estimate | None
    difference: Estimate | None = None
    is_best: bool = False


@dataclass(frozen=True)
class Block:
    """A score of a facet.

    Args:
        facet: the runs.
        score: its name.
        cells: of every row and column, in their order.
    """

    facet: Facet
    score: str
    cells: Mapping[Place, TableCell]


@dataclass(frozen=True)
class SweepTable:
    """A block for each facet and score.

    Args:
        axes: that tell its cells apart.
        blocks: in the order of facets, and in it of scores.
        baseline: its row; None: no comparison.
        outside: runs that are in no cell.
        damaged: as in Found.
    """

    axes: Axes
    blocks: tuple[Block, ...]
    baseline: Key | None
    outside: tuple[Run, ...]
    damaged: tuple[str, ...]


def sweep_table(
    found: Found, axes: Axes, scores: Sequence[str], baseline: Mapping[str, Any] | None = None
) -> SweepTable:
    """Make the table of runs by rows, columns and facet.

    Args:
        found: the runs, in any order.
        axes: the fields that tell cells apart; the runs of a cell are its seeds.
        scores: names, or how they begin where that is enough; a block each.
        baseline: {field of the rows: value} of the row to compare the others with, or None.

    Returns:
        The means over finished runs with Student's interval, and the differences with Welch's.

    Raises:
        UserError: for an unknown score or baseline, and for what axes.facets refuses.
    """
    # whole names of the scores; one that two abbreviations mean stands once
    known = names_in(found.records, "scores")
    if not scores:
        raise UserError(
            "score is not set: name one or a list (the runs have: "
            f"{', '.join(sorted(known)) or 'none'})"
        )
    names = list(dict.fromkeys(whole_name(score, known, "score") for score in scores))

    # every cell, and the one row that the others are compared with
    shown, outside = facets(axes, found, [f"scores.{name}.extractor" for name in names])
    row = None if baseline is None else _baseline_row(axes, baseline, shown)
    blocks = tuple(_block(axes, facet, name, row) for facet in shown for name in names)
    return SweepTable(axes, blocks, row, tuple(outside), found.damaged)


def _baseline_row(axes: Axes, baseline: Mapping[str, Any], shown: Sequence[Facet]) -> Key:
    """Find the one row whose fields hold what `baseline` says.

    Raises:
        UserError: lists the rows where a field is none of theirs, or not exactly one row is meant.
    """
    rows = list(dict.fromkeys(row for facet in shown for row in facet.rows))
    known = "; ".join(assigned(axes.rows, row) for row in rows)
    baseline = {axis_name(name): value for name, value in baseline.items()}
    for name in baseline:
        if name not in axes.rows:
            raise UserError(
                f"baseline={name}:{baseline[name]}: {name} is no field of the rows (there are: "
                f"{known})"
            )

    # compared as labels, as the user reads them in the table: 1 means 1.0
    wanted = {axes.rows.index(name): value for name, value in baseline.items()}
    meant = [
        row for row in rows if all(agree(row[at], label(value)) for at, value in wanted.items())
    ]

    # a baseline of several rows would be a mean over unlike runs
    if len(meant) != 1:
        which = "no row is" if not meant else f"{len(meant)} rows are"
        typed = ", ".join(f"{name}:{value}" for name, value in baseline.items())
        raise UserError(f"baseline={typed}: {which} meant by it (there are: {known})")
    return meant[0]


def _block(axes: Axes, facet: Facet, score: str, baseline: Key | None) -> Block:
    seeds = None if "seed" in axes.fields else len(known_seeds(facet.runs))
    places = [(row, column) for row in facet.rows for column in facet.columns]
    cells = {place: _cell(facet.cells.get(place, ()), score, seeds) for place in places}

    # the best and the differences are facts of a whole column: they need all of its cells
    best = {place for column in facet.columns for place in _best(cells, column, score)}
    cells = {
        place: replace(cell, difference=_gap(cells, place, baseline), is_best=place in best)
        for place, cell in cells.items()
    }
    return Block(facet, score, cells)


def _cell(runs: Sequence[Run], score: str, seeds: int | None) -> TableCell:
    """Make a cell; only finished runs are in its mean.

    Args:
        runs: of the cell.
        score: its name.
        seeds: how many the facet has; None: each cell is one of them.
    """
    scored: list[Record] = []
    left_out: list[Record] = []
    for run in runs:
        (scored if counts_in_mean(run.record, [score]) else left_out).append(run.record)

    # without a scored run the cell still says what became of its seeds
    values = tuple(score_value(record, score) for record in scored)
    return TableCell(
        scored=tuple(scored),
        values=values,
        left_out=tuple(left_out),
        others=outcomes(runs, left_out, seeds),
        estimate=estimate(values) if values else None,
    )


def _best(cells: Mapping[Place, TableCell], column: Key, score: str) -> list[Place]:
    """Find where a column has its best mean.

    There is none where fewer than two means can be compared, or nobody knows which way is better.
    """
    is_higher = higher_is_better(score)
    means = {
        place: cell.estimate.mean
        for place, cell in cells.items()
        if place[1] == column and cell.estimate is not None and math.isfinite(cell.estimate.mean)
    }
    if is_higher is None or len(means) < 2:
        return []

    # as in the tables of the thesis, a cell with fewer scored seeds than another may not win: the
    # others may have diverged
    most = max(len(cell.values) for place, cell in cells.items() if place[1] == column)
    with_most = {place: mean for place, mean in means.items() if len(cells[place].values) == most}
    best = (max if is_higher else min)(with_most.values(), default=None)
    return [place for place, mean in with_most.items() if mean == best]


def _gap(cells: Mapping[Place, TableCell], place: Place, baseline: Key | None) -> Estimate | None:
    """The difference of a cell to the baseline in its column.

    None of the baseline itself, and without two means.
    """
    row, column = place
    other = None if baseline is None or row == baseline else cells.get((baseline, column))
    if other is None or not other.values or not cells[place].values:
        return None
    return difference(cells[place].values, other.values)
