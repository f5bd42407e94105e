"""The orders of the thesis held against our seeds: does the better model score better?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gan_lab.reporting.tables.statistics import Estimate, difference
from gan_lab.reporting.thesis.cells import ThesisCell
from gan_lab.reporting.thesis.design import Design, Kind, Line
from gan_lab.reporting.thesis.table import Part

HOLDS, REVERSED, NOT_DECIDED, NO_RUN = "holds", "is reversed", "not decided", "no run"


@dataclass(frozen=True)
class Comparison:
    """An order by one score in one column of labels.

    Args:
        better: the line that the thesis puts first.
        worse: the other line.
        kind: the score.
        difference: mean of `better` minus mean of `worse` over seeds, with Welch's interval; None
            where one of them has no scored run.
        seeds: of `better` and of `worse`.
        published: the difference of the published numbers; None without them.
        verdict: "holds" or "is reversed" where the interval excludes 0, "not decided" where it
            does not or there is none, "no run".
    """

    better: Line
    worse: Line
    kind: Kind
    difference: Estimate | None
    seeds: tuple[int, int]
    published: float | None
    verdict: str


def comparisons(design: Design, part: Part) -> list[Comparison]:
    """Compare every order of the design that the thesis's numbers hold: by score and column."""
    compared = []
    numbers_of = claimed_on(design, part.dataset)
    for order in design.orders:
        # a line has a cell in each column of labels, in the same order
        pairs = zip(_cells(part.cells, order.better), _cells(part.cells, order.worse), strict=True)

        # the thesis may order two lines by one score and not by another
        for better, worse in pairs:
            kinds = [
                kind
                for kind in map(design.kind, design.ordered_by)
                if is_claimed(better, worse, kind, numbers_of)
            ]
            compared += [_comparison(better, worse, kind, part.dataset) for kind in kinds]
    return compared


def claimed_on(design: Design, dataset: str) -> str:
    """The data set whose published numbers say which orders are the thesis's.

    It is the data set itself where the thesis has it, else the design's first.
    """
    return dataset if dataset in design.datasets else design.datasets[0]


def is_claimed(better: ThesisCell, worse: ThesisCell, kind: Kind, dataset: str) -> bool:
    """Whether the published numbers on a data set put `better` strictly above `worse`."""
    first, second = (cell.line.published[kind.key].get(dataset) for cell in (better, worse))
    if first is None or second is None:
        return False
    return (first.value > second.value) if kind.higher_is_better else (first.value < second.value)


def _cells(cells: Sequence[ThesisCell], key: str) -> list[ThesisCell]:
    return [cell for cell in cells if cell.line.key == key]


def _comparison(better: ThesisCell, worse: ThesisCell, kind: Kind, dataset: str) -> Comparison:
    # ours, with an interval
    first, second = better.scores[kind.key], worse.scores[kind.key]
    gap = difference(first.values, second.values) if first and second else None
    seeds = len(first.values) if first else 0, len(second.values) if second else 0

    # the thesis's, of one seed each: a bare difference
    above, below = (cell.line.published[kind.key].get(dataset) for cell in (better, worse))
    return Comparison(
        better=better.line,
        worse=worse.line,
        kind=kind,
        difference=gap,
        seeds=seeds,
        published=above.value - below.value if above and below else None,
        verdict=verdict(gap, higher=kind.higher_is_better),
    )


def verdict(gap: Estimate | None, *, higher: bool) -> str:
    """Judge a statement by the interval of a difference, which should be above 0 or below."""
    if gap is None:
        return NO_RUN
    if not gap.excludes_zero:
        return NOT_DECIDED
    return HOLDS if (gap.mean > 0) == higher else REVERSED
