"""Tables of published scores: the sheets' own numbers, and a verdict on each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.reporting.collection import Record, field
from gan_lab.reporting.report.dots import Number, draw_dots
from gan_lab.reporting.report.model import Cell, Claim, Dots, Link, TableView
from gan_lab.reporting.tables.bootstrap import (
    Bootstrapped,
    Cells,
    probability_of_improvement,
)
from gan_lab.reporting.tables.render import csv_text
from gan_lab.reporting.tables.sheet import Section, Sheet
from gan_lab.reporting.tables.text import NO_RUN, NOTHING, interval
from gan_lab.reporting.thesis.cells import CellScore, ThesisCell, belongs, canonical
from gan_lab.reporting.thesis.design import DATASETS, Design, Kind, Order, Published
from gan_lab.reporting.thesis.orders import Comparison, comparisons
from gan_lab.reporting.thesis.sheets import sheet
from gan_lab.reporting.thesis.table import Part, Table, table
from gan_lab.reporting.thesis.text import published_text

NOT_RUN, OTHER_SCALE, AGREES, BETTER, WORSE = "not run", "other scale", "agrees", "better", "worse"
PARTLY = "partly"  # of statements: some hold, some are reversed
_TONES = {AGREES: "good", BETTER: "good", WORSE: "bad", "holds": "good", "is reversed": "bad"}
_VARIANTS = re.compile(r"_(no_targets|wgan_gp|ac_gan_original|ac_gan_weight)(?=_|$)")


@dataclass(frozen=True)
class Scores:
    """A design beside our records.

    Args:
        tables: a view of each data set and experiment, and of its orders.
        verdicts: of every published number, and of every score of ours on other data.
        orders: of the thesis on each data set, by Welch's interval.
        notes: what could not be shown, and why.
        scales: in what our runs differ from the thesis's, for each experiment.
    """

    tables: tuple[TableView, ...]
    verdicts: tuple[str, ...]
    orders: tuple[Claim, ...]
    notes: tuple[str, ...]
    scales: tuple[str, ...]


def scores_of(design: Design, content: Sequence[Record], anchors: Mapping[str, str]) -> Scores:
    """Hold a design against records.

    Args:
        design: a table of the thesis.
        content: of any runs.
        anchors: {id(record): the id of its place on the page}.
    """
    # each experiment by itself: another scale is another table
    tables: list[TableView] = []
    notes: list[str] = []
    parts: list[Part] = []
    verdicts: list[str] = []
    scales: list[str] = []
    for title, dataset, runs in _experiments(design, content):
        # runs that may not stand in one table are told, and do not hide the others
        try:
            shown = table(design, runs, [dataset])
        except UserError as error:
            notes.append(f"{title}: {error}")
            continue
        (part,) = shown.parts
        parts.append(part)
        scales += [f"{title}: {part.small_scale}"] if part.small_scale else []
        views, judged = _views(title, shown, part, anchors)
        tables += views
        verdicts += judged

    # what the thesis has and nobody ran
    recorded = {part.dataset for part in parts}
    for dataset in design.datasets:
        if dataset not in recorded:
            shown = table(design, [], [dataset])
            views, judged = _views(DATASETS[dataset], shown, shown.parts[0], anchors)
            tables += views
            verdicts += judged

    # over all of them
    return Scores(
        tables=(*tables, *_pooled(design, parts)),
        verdicts=tuple(verdicts),
        orders=tuple(_claim(part, order) for part in parts for order in comparisons(design, part)),
        notes=(
            *notes,
            *dict.fromkeys(line for part in parts for line in _not_finite(design, part)),
        ),
        scales=tuple(scales),
    )


def _experiments(design: Design, content: Sequence[Record]) -> list[tuple[str, str, list[Record]]]:
    """(heading, data set, runs) of each experiment whose runs belong to the design.

    The files of one experiment that differ in the models alone are one.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in content:
        if any(belongs(record, line) for line in design.lines):
            experiment = _VARIANTS.sub(
                "", str(field(record, "choices.experiment") or "single runs")
            )
            key = canonical(record["dataset"]["name"]), experiment
            groups.setdefault(key, []).append(record)

    # the thesis's data sets first
    known = [*DATASETS]
    order = sorted(groups, key=lambda key: (*(key[0] != name for name in known), key))
    return [
        (f"{DATASETS.get(dataset, dataset)}, {experiment}", dataset, groups[dataset, experiment])
        for dataset, experiment in order
    ]


# A data set ---------------------------------------------------------------------------------------


def _views(
    title: str, shown: Table, part: Part, anchors: Mapping[str, str]
) -> tuple[list[TableView], list[str]]:
    """The views of a part: its numbers beside the published ones, and its orders."""
    # a row for each line that was run or published
    design = shown.design
    text = sheet(shown)
    section, *rest = text.sections
    judged: list[str] = []
    rows, empty, remarks = [], [], []
    for index, cell in enumerate(part.cells):
        cells, verdicts = _row(design, part, cell, section.rows[index], anchors)
        judged += verdicts
        name = ", ".join(filter(None, (cell.line.text, cell.line.labels)))
        if not (cell.searched or cell.line.is_real or cell.line.is_published(part.dataset)):
            empty.append(name)
            continue
        rows.append(cells)
        remarks += [f"{name}: {text}." for text in [section.rows[index][-1]] if text]

    # the file has every line; the page says which of them nobody ran
    above = [line for line in section.above if line != NO_RUN]
    if part.small_scale:
        above = [line for line in above if part.small_scale not in line]  # it stands above them all
    notes = [text.source, *above, *remarks]
    if empty:
        # other data have no published numbers at all, though their lines may have some elsewhere
        words = "Neither run nor published" if part.is_published else "Not run"
        notes.append(f"{words}: {'; '.join(empty)}.")

    # columns in which nothing stands are left out of the page, not of the file
    header, lines = _without_empty(_header(design, part, section), rows)
    view = TableView(
        title=title,
        notes=tuple(notes),
        header=header,
        rows=lines,
        csv=_csv(text, len(part.cells), first=True),
        file=f"table_{design.number}_{safe_name(title)}.csv",
        dots=_drawn(design, part),
    )
    if not any(cell.searched for cell in part.cells):
        return [view], judged

    # orders only where something ran
    orders = comparisons(design, part)
    views = [view]
    if rest and any(order.difference for order in orders):
        csv = _csv(text, len(part.cells), first=False)
        views.append(_orders(title, rest[0], orders, csv, design))
    return views, judged


def _csv(text: Sheet, cells: int, *, first: bool) -> str:
    values = text.values[:cells] if first else text.values[cells:]
    return csv_text(text.fields, values)


def _header(design: Design, part: Part, section: Section) -> tuple[str, ...]:
    """The sheet's columns with the published numbers and verdicts.

    The runs are links, and the notes stand below.
    """
    # the verdict beside the name: further to the right a phone would hide it
    header = [name for name in section.header if name not in ("runs", "notes")]
    header.insert(len(design.heads), "verdict")
    if not part.is_published:
        header += [f"published {kind.title}, {_published_on(design)}" for kind in design.kinds]
    return tuple(header)


def _without_empty(
    header: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...]]:
    """Leave out columns without a word, and of verdicts that all say what the entry says: a page
    is narrower than a file."""
    kept = [
        place
        for place in range(len(header))
        if place == 0
        or any(
            row[place].text not in ("", NOTHING, NO_RUN)
            and (header[place], row[place].text) != ("verdict", OTHER_SCALE)
            for row in rows
        )
    ]
    return (
        tuple(header[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows),
    )


def _published_on(design: Design) -> str:
    return DATASETS[design.datasets[0]]


def _row(
    design: Design,
    part: Part,
    cell: ThesisCell,
    texts: Sequence[str],
    anchors: Mapping[str, str],
) -> tuple[tuple[Cell, ...], list[str]]:
    """A line: the sheet's texts with their numbers, and the verdict on each score."""
    chosen = cell.chosen.scored if cell.chosen else ()
    links = tuple(Link(f"seed {run['seed']}", anchors[str(id(run))]) for run in chosen)

    # the columns as sheets makes them: heads, λ, seeds, then each score
    heads = len(design.heads) + (2 if design.chosen_by else 0) + 1
    cells = [Cell(text) for text in texts[:heads]]
    place = heads
    verdicts = []
    for kind in design.kinds:
        score = cell.scores[kind.key]
        mean = score.estimate.mean if score else None
        cells.append(Cell(texts[place], mean, links=links if score else (), tone=_muted(score)))

        # beside a score stand its ± and the published number, where the sheet has them
        width = 1 + kind.has_spread + part.is_published
        cells += [Cell(text) for text in texts[place + 1 : place + width]]
        place += width
        published = cell.line.published[kind.key].get(part.dataset)
        if (published or score) and not cell.line.is_real and cell.line.loss is not None:
            verdicts.append((kind, verdict(score, published, kind, part.small_scale)))

    # beside other data the published numbers stand apart, and are no comparison
    if not part.is_published:
        on = design.datasets[0]
        cells += [
            Cell(published_text(cell.line.published[kind.key].get(on))) for kind in design.kinds
        ]

    # what the author's program lists of real data is not in the thesis
    if cell.line.is_real:
        cells[-1] = replace(cells[-1], text=f"{cells[-1].text} (author's program)")

    # the verdict stands right after the heads
    cells.insert(len(design.heads), _verdict_cell(verdicts))
    return tuple(cells), [word for _, word in verdicts]


def _muted(score: CellScore | None) -> str:
    return "" if score else "muted"


def verdict(
    score: CellScore | None, published: Published | None, kind: Kind, small_scale: str
) -> str:
    """Judge a score of ours beside the published one.

    It agrees where the published value ± its own ± meets our interval over seeds; else it is better
    or worse by the direction of the score. Without an interval there is no comparison.
    """
    if score is None:
        return NOT_RUN
    if small_scale or published is None or score.estimate.bounds is None:
        return OTHER_SCALE
    low, high = score.estimate.bounds
    beside = published.std or 0.0
    if low <= published.value + beside and high >= published.value - beside:
        return AGREES
    return BETTER if (score.estimate.mean > published.value) == kind.higher_is_better else WORSE


def _verdict_cell(verdicts: Sequence[tuple[Kind, str]]) -> Cell:
    words = list(dict.fromkeys(word for _, word in verdicts))
    if not words:
        return Cell(NOTHING, tone="muted")
    if len(words) == 1:
        return Cell(words[0], tone=_TONES.get(words[0], "muted"))
    return Cell("; ".join(f"{kind.title}: {word}" for kind, word in verdicts))


def _drawn(design: Design, part: Part) -> Dots | None:
    """Ours and, on the same data, the published numbers of the first score."""
    kind = next((one for one in design.kinds if any(c.scores[one.key] for c in part.cells)), None)
    if kind is None:
        return None

    # published numbers only where they are a comparison
    lines = []
    for cell in part.cells:
        name = ", ".join(filter(None, (cell.line.text, cell.line.labels)))
        score, published = cell.scores[kind.key], cell.line.published[kind.key].get(part.dataset)
        numbers = []
        if score:
            text = f"{name}: ours {score.estimate.mean:.4g}"
            numbers.append(Number(score.estimate.mean, score.estimate.bounds, text))

        if published and part.is_published and not part.small_scale:
            beside = published.std or 0.0
            ends = (published.value - beside, published.value + beside)
            numbers.append(Number(published.value, ends, f"{name}: published", 1))
        if numbers:
            lines.append((name, numbers))

    # two colours need a legend
    origin = part.origins[kind.key]
    assert origin is not None
    has_two = any(len(numbers) > 1 for _, numbers in lines)
    legend = (f"ours, {origin.score}", "published") if has_two else ()
    caption = f"{origin.score} of each line, with its interval over seeds"
    dots = draw_dots(caption, lines, legend)
    return dots and replace(dots, caption=caption)


# Orders -------------------------------------------------------------------------------------------


def _orders(
    title: str, section: Section, compared: Sequence[Comparison], csv: str, design: Design
) -> TableView:
    """The orders of the thesis, each with our verdict: Student's or rather Welch's interval."""
    # the sheet's texts; differences sort by their numbers
    at = section.header.index("verdict")
    rows = []
    for texts, order in zip(section.rows, compared, strict=True):
        gap = None if order.difference is None else order.difference.mean

        # a difference sorts by its number, and a verdict has its colour
        cells = [
            Cell(
                _better(text) if index == 0 else text,
                gap if name == "difference ± 95%" else None,
                tone=_TONES.get(order.verdict, "muted") if index == at else "",
            )
            for index, (name, text) in enumerate(zip(section.header, texts, strict=True))
        ]
        rows.append(tuple(cells))

    return TableView(
        title=f"{title}: orders of the thesis",
        notes=section.above,
        header=section.header,
        rows=tuple(rows),
        csv=csv,
        file=f"table_{design.number}_{safe_name(title)}_orders.csv",
    )


def _better(text: str) -> str:
    """An order in words: for FID "above" would say the opposite. Files keep its name."""
    return text.replace(" above ", " better than ")


def _claim(part: Part, order: Comparison) -> Claim:
    """An order with what our runs say."""
    ours = "" if order.difference is None else f"difference {interval(order.difference)}"
    seeds = f"{order.seeds[0]} and {order.seeds[1]} seeds"
    text = _order_text(part, order)
    return Claim(text, f"{ours}, {seeds}" if ours else "", order.verdict)


def _order_text(part: Part, order: Comparison) -> str:
    """An order in words."""
    labels = f", {order.better.labels} labels" if order.better.labels else ""
    name = f"{order.better.text} better than {order.worse.text}{labels}, by {order.kind.title}"
    return f"{name}, on {part.title}"


def _pooled(design: Design, parts: Sequence[Part]) -> list[TableView]:
    """Each order of the thesis over all data sets and label columns: P(the first is better)."""
    # the orders that two lines with runs have in some cell
    rows, lines, drawn = [], [], []
    for order in design.orders:
        for kind in map(design.kind, design.ordered_by):
            first, second = _paired(design, parts, order.better, order.worse, kind)
            if first:
                row, line, numbers = _pooled_order(design, order, kind, first, second)
                rows.append(row)
                lines.append(line)
                drawn.append((f"{kind.title}: {_short(row[0].text)}", numbers))
    if not rows:
        return []

    # a view like any other, with the rule of its verdicts
    dots = draw_dots("P(better) of each order, with its interval", drawn, zero=0.5)
    return [
        TableView(
            title="Orders of the thesis over all cells",
            notes=_POOLED,
            header=("order", "score", "P(better) [95%]", "cells", "seeds", "verdict"),
            rows=tuple(rows),
            csv=csv_text(_OF_POOLED, lines),
            file=f"table_{design.number}_orders_over_all_cells.csv",
            dots=dots and replace(dots, caption="P(better), with its interval; the line: 0.5"),
        )
    ]


def _short(order: str) -> str:
    """An order in the place that a drawing has for it."""
    return order.replace(" better than ", " > ")


def _pooled_order(
    design: Design, order: Order, kind: Kind, first: Cells, second: Cells
) -> tuple[tuple[Cell, ...], dict[str, object], list[Number]]:
    """The line of an order: as it is shown, in the CSV, and drawn."""
    # its numbers
    p = probability_of_improvement(first, second, higher_is_better=kind.higher_is_better)
    seeds = sum(map(len, first)), sum(map(len, second))
    word = decided(p, first, second)

    # the same in words
    names = {line.key: line.text for line in design.lines}
    name = f"{names[order.better]} above {names[order.worse]}"
    text = f"{p.value:.2f} [{p.low:.2f}, {p.high:.2f}]"
    row = (
        Cell(_better(name)),
        Cell(kind.title),
        Cell(text, p.value),
        Cell(str(len(first)), len(first)),
        Cell(f"{seeds[0]} and {seeds[1]}"),
        Cell(word, tone=_TONES.get(word, "muted")),
    )

    # and for the file, unrounded
    values = (name, kind.title, p.value, p.low, p.high, len(first), *seeds, word)
    line = dict(zip(_OF_POOLED, values, strict=True))
    return row, line, [Number(p.value, (p.low, p.high), text)]


_OF_POOLED = ("order", "score", "p", "low", "high", "cells", "seeds", "other_seeds", "verdict")
_POOLED = (
    "P(better): the probability that a run of the first line is better than one of the second in "
    "the same cell (a data set and a column of labels), mean over cells, ties counted half. "
    "Interval: 95% percentiles of 2,000 replicates that draw seeds within each cell.",
    "An order holds or is reversed where the interval excludes 0.5 and the seeds are enough to "
    "decide at 5% at all: all orders of the seeds of a cell are equally likely where the lines do "
    "not differ, so that 2 / Π C(n + m, n) over cells, the chance that one line is ahead with all "
    "its seeds, must be at most 0.05. Two seeds in one cell, or in two, are never enough.",
)


def decided(p: Bootstrapped, first: Cells, second: Cells) -> str:
    """Judge an order by P(better): holds, is reversed, or not decided.

    A bootstrap of few seeds has no width where they do not overlap, so the seeds must be enough:
    see the note at the table.
    """
    arrangements = math.prod(
        math.comb(len(a) + len(b), len(a)) for a, b in zip(first, second, strict=True)
    )
    if 2 / arrangements > 0.05 or p.low <= 0.5 <= p.high:
        return "not decided"
    return "holds" if p.low > 0.5 else "is reversed"


def _paired(
    design: Design, parts: Sequence[Part], better: str, worse: str, kind: Kind
) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """The seeds of both lines in each cell that has both and in which the thesis has the order.

    A cell with a score that is not finite is left out: see `_not_finite`.
    """
    first, second = [], []
    for part in parts:
        for order in comparisons(design, part):
            if (order.better.key, order.worse.key, order.kind) != (better, worse, kind):
                continue
            ours, theirs = _seeds_of(part, order)
            if ours and theirs and all(map(math.isfinite, ours + theirs)):
                first.append(ours)
                second.append(theirs)
    return first, second


def _not_finite(design: Design, part: Part) -> list[str]:
    """The orders of a part that are in no probability, since a score of a seed is not finite."""
    return [
        f"{_order_text(part, order)}: in no P(better), because a score is not finite."
        for order in comparisons(design, part)
        if not all(map(math.isfinite, sum(_seeds_of(part, order), ())))
    ]


def _seeds_of(part: Part, order: Comparison) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The scores of the seeds of both lines of an order; empty where a line has none."""
    scores = {(cell.line.key, cell.line.labels): cell.scores[order.kind.key] for cell in part.cells}
    ours, theirs = (scores[line.key, line.labels] for line in (order.better, order.worse))
    return (ours.values if ours else ()), (theirs.values if theirs else ())
