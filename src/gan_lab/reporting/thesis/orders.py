"""The orders of the thesis held against our seeds: does the better model score better, with an
interval?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gan_lab.reporting.tables.statistics import Estimate, difference
from gan_lab.reporting.thesis.cells import Cell
from gan_lab.reporting.thesis.design import Design, Kind, Line
from gan_lab.reporting.thesis.table import Part


@dataclass(frozen=True)
class Comparison:
    """An order by one score in one column of labels.

    difference: mean of `better` minus mean of `worse` over seeds, with Welch's interval; None where
    one of them has no scored run. published: the same of the published numbers, None without them.
    verdict: "holds" or "is reversed" where the interval excludes 0, "not decided" where it does not
    or there is none, "no run".
    """

    better: Line
    worse: Line
    kind: Kind
    difference: Estimate | None
    seeds: tuple[int, int]
    published: float | None
    verdict: str


def comparisons(design: Design, part: Part) -> list[Comparison]:
    """Every order of the design on one data set that the thesis's numbers hold: by each score, in
    each column."""
    found = []
    numbers_of = claimed_on(design, part.dataset)
    for order in design.orders:
        better, worse = (_cells(part.cells, key) for key in (order.better, order.worse))
        for one, two in zip(better, worse, strict=True):
            kinds = [
                kind
                for kind in map(design.kind, design.ordered_by)
                if is_claimed(one, two, kind, numbers_of)
            ]
            found += [_comparison(one, two, kind, part.dataset) for kind in kinds]
    return found


def claimed_on(design: Design, dataset: str) -> str:
    """The data set whose published numbers say which orders are the thesis's: its own, else the
    design's first."""
    return dataset if dataset in design.datasets else design.datasets[0]


def is_claimed(better: Cell, worse: Cell, kind: Kind, dataset: str) -> bool:
    """Whether the published numbers on a data set put `better` strictly above `worse`."""
    one, two = (cell.line.published[kind.key].get(dataset) for cell in (better, worse))
    if one is None or two is None:
        return False
    return one.value > two.value if kind.higher_is_better else one.value < two.value


def _cells(cells: Sequence[Cell], key: str) -> list[Cell]:
    return [cell for cell in cells if cell.line.key == key]


def _comparison(better: Cell, worse: Cell, kind: Kind, dataset: str) -> Comparison:
    one, two = better.scores[kind.key], worse.scores[kind.key]
    gap = difference(one.values, two.values) if one and two else None
    numbers = [cell.line.published[kind.key].get(dataset) for cell in (better, worse)]
    return Comparison(
        better=better.line,
        worse=worse.line,
        kind=kind,
        difference=gap,
        seeds=(len(one.values) if one else 0, len(two.values) if two else 0),
        published=numbers[0].value - numbers[1].value if numbers[0] and numbers[1] else None,
        verdict=verdict(gap, kind.higher_is_better),
    )


def verdict(gap: Estimate | None, higher_is_better: bool) -> str:
    """What the interval of a difference says of the order."""
    if gap is None:
        return "no run"
    if not gap.excludes_zero:
        return "not decided"
    return "holds" if (gap.mean > 0) == higher_is_better else "is reversed"
