"""Scores over training, one curve for each line of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gan_lab.reporting.collection import Record, with_history_about
from gan_lab.reporting.figures.series import common_steps
from gan_lab.reporting.thesis.cells import (
    Weight,
    belongs,
    cell,
    check_comparable,
    check_seeds_of,
    chosen_score,
    runs_of,
)
from gan_lab.reporting.thesis.chapter_2 import FRECHET_DISTANCE
from gan_lab.reporting.thesis.design import Design, Kind, Line

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A kind of score, or a term of it, that a panel shows."""

    kind: Kind
    term: str | None = None
    words: str | None = None  # on its axis; None: the score's name


@dataclass(frozen=True)
class Curve:
    """A quantity of a table line over training, over its seeds.

    Args:
        line: of the table.
        weight: the runs with one weight of the penalty.
        name: of the score, or <score>.<term>.
        steps: generator steps, (steps,).
        mean: over seeds, (steps,).
        low: the least of a seed, (steps,).
        high: the greatest of a seed, (steps,).
    """

    line: Line
    weight: Weight
    name: str
    steps: Array
    mean: Array
    low: Array
    high: Array

    @property
    def score(self) -> str:
        """The name of the score, whatever its term."""
        return self.name.split(".")[0]


def curves(
    design: Design,
    lines: Sequence[Line],
    found: Sequence[Record],
    dataset: str,
    quantity: Quantity,
    asked: str | None,
    frechet_distance: str | None,
) -> list[Curve]:
    """Make the curves of some lines of a design on one data set.

    They are at the penalty weight that the table shows (cells.cell), and of the runs in its mean;
    where the design has no choice of weights, of every finished run with a history, or of the
    unfinished ones of a line where none finished. A step is kept where every seed was scored.

    Args:
        design: the table.
        lines: those of its lines that are shown.
        found: records, also of other data sets and tables.
        dataset: its one name.
        quantity: the kind of score, or its term.
        asked: the whole name of the score in the records' history, where they have several.
        frechet_distance: the final score that chooses the weight, where they have several.

    Raises:
        UserError: the runs may not stand together, or have several such scores.
    """
    # which runs, and which of their scores
    runs = [
        with_history_about(record)
        for record in runs_of(found, dataset)
        if any(belongs(record, line) for line in lines)
    ]

    name = chosen_score(runs, quantity.kind, asked, "history", "curve")
    check_comparable(runs, lines, [f"history_about.{name}.extractor"], design.may_differ)
    if name is None:
        return []

    # the weight of the table, not the best weight of this curve: the figure explains the table
    if design.chosen_by is None:
        shown = [(line, _with_history(line, runs, name)) for line in lines]
    else:
        fid = chosen_score(
            runs, FRECHET_DISTANCE, frechet_distance, "scores", FRECHET_DISTANCE.option
        )
        shown = [(line, cell(line, runs, {"fid": fid}, "fid").chosen) for line in lines]

    # lines without a run, or without a common step, have no curve
    whole = name if quantity.term is None else f"{name}.{quantity.term}"
    return [curve for line, weight in shown if weight and (curve := _curve(line, weight, whole))]


def _with_history(line: Line, runs: Sequence[Record], name: str) -> Weight | None:
    mine = [record for record in runs if belongs(record, line)]
    check_seeds_of(line, None, mine)
    diverged = tuple(record for record in mine if record["status"] == "diverged")
    others = [record for record in mine if record["status"] != "diverged"]
    whole = [record for record in others if (record.get("history") or {}).get(name)]

    # one that was interrupted would end the curve of those that finished: their steps in common
    # are its own; alone it is drawn as far as it came
    finished = [record for record in whole if record["status"] == "finished"]
    scored = tuple(finished or whole)
    unscored = tuple(record for record in others if record not in scored)
    return Weight(None, scored, diverged, unscored, np.nan) if scored else None


def _curve(line: Line, weight: Weight, name: str) -> Curve | None:
    steps, values = common_steps(
        [(record.get("history") or {}).get(name) or [] for record in weight.scored]
    )
    if not len(steps):
        return None

    # the band is the range of the seeds, as the legend says
    return Curve(
        line=line,
        weight=weight,
        name=name,
        steps=steps,
        mean=values.mean(axis=0),
        low=values.min(axis=0),
        high=values.max(axis=0),
    )
