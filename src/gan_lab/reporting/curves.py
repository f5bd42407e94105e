"""Scores over training, one curve for each line of Table 2-2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gan_lab.reporting import published
from gan_lab.reporting.cells import Weight, cell, check_comparable, runs_of, score_name
from gan_lab.reporting.collection import Record
from gan_lab.reporting.published import Line

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A score of a table line over training: mean, least and greatest over seeds. Arrays of shape (steps,)."""

    line: Line
    weight: Weight
    score: str
    steps: Array
    mean: Array
    low: Array
    high: Array


def curves(
    found: Sequence[Record], dataset: str, prefix: str, suffix: str, asked: str | None, frechet_distance: str | None
) -> list[Curve]:
    """The curves of one data set, at the penalty weight that the table shows (cells.cell).

    prefix, suffix: of the score in the records' history; asked: its whole name, where they have several.
    frechet_distance: the final score that chooses the weight, where they have several. Only steps at which every seed
    was scored are kept.
    """
    lines = list(published.TABLE_2_2.values())
    runs = runs_of(found, dataset)
    check_comparable(runs, lines, ["extractor"])
    fid = score_name(runs, "fid_", "_train", frechet_distance, "scores", "frechet_distance")
    name = score_name(runs, prefix, suffix, asked, "history", "curve")
    chosen = [(line, cell(line, runs, None, fid).chosen) for line in lines]
    return [one for line, weight in chosen if weight and name if (one := _curve(line, weight, name))]


def _curve(line: Line, weight: Weight, name: str) -> Curve | None:
    histories = [dict((record.get("history") or {}).get(name) or []) for record in weight.scored]
    steps = sorted(set.intersection(*(set(history) for history in histories)))
    if not steps:
        return None
    values = np.array([[float(history[step]) for step in steps] for history in histories])
    return Curve(
        line=line,
        weight=weight,
        score=name,
        steps=np.array(steps, dtype=float),
        mean=values.mean(axis=0),
        low=values.min(axis=0),
        high=values.max(axis=0),
    )
