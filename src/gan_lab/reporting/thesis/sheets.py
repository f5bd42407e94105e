"""A table in words and rounded numbers: the sheet that every format writes."""

from __future__ import annotations

from gan_lab.reporting.tables.sheet import Section, Sheet
from gan_lab.reporting.tables.text import NO_RUN, NOTHING, interval, run_ids, weight_text
from gan_lab.reporting.thesis.cells import ThesisCell
from gan_lab.reporting.thesis.design import DATASETS, Design, Kind, Line
from gan_lab.reporting.thesis.orders import Comparison, claimed_on, comparisons
from gan_lab.reporting.thesis.table import Part, Table
from gan_lab.reporting.thesis.text import grid, headings, notes, published_text, spread_text

_LEFT_OUT = ("λ searched", "runs", "notes")


def sheet(table: Table) -> Sheet:
    """Write a section for each data set and its orders.

    Published numbers of data sets without a section of their own stand after them. In the CSV an
    order is a line whose status is its verdict, and whose mean is the difference of means.
    """
    design = table.design
    sections: list[Section] = []
    values: list[dict[str, object]] = []

    # ours beside the published numbers, and whether the thesis's orders hold in ours
    for part in table.parts:
        sections.append(_section(design, part))
        values += [_values(design, part, cell) for cell in part.cells]
        if compared := comparisons(design, part):
            sections.append(_orders(design, part, compared))
            values += [_order_values(design, part, order) for order in compared]

    # what the thesis has of other data
    for dataset in table.published_apart:
        sections.append(_apart(design, dataset))
        published = [line for line in design.lines if line.is_published(dataset)]
        values += [
            _line_values(design, line, dataset) | {"status": "published"} for line in published
        ]

    title = f"Table {design.number}: {design.title}"
    return Sheet(title, design.source, tuple(sections), _fields(design), tuple(values))


# Sections -----------------------------------------------------------------------------------------


def _section(design: Design, part: Part) -> Section:
    """The table of a data set."""
    # a score's column carries its whole name, never a bare IS or FID
    header = [*design.heads, *(["λ", "λ searched"] if design.chosen_by else []), "seeds"]
    for kind in design.kinds:
        origin = part.origins[kind.key]
        name = origin.score if origin else kind.title
        header += [f"{name} ± 95% over seeds"]
        header += [f"{name}: ± over {design.parts}s"] if kind.has_spread else []
        header += [f"published {kind.title}"] if part.is_published else []

    # a page has no room for the last columns: LaTeX has them in lines below
    above = headings(design, part)
    below = [_below(design, cell) for cell in part.cells if cell.searched]

    return Section(
        title=part.title,
        caption=f"Table {design.number}, {part.title}",
        above=tuple(above) or (NO_RUN,),
        header=(*header, "runs", "notes"),
        rows=tuple(_row(design, part, cell) for cell in part.cells),
        latex=tuple(cell.line.latex for cell in part.cells),
        left_out=_LEFT_OUT,
        below=(*above, *below),
    )


def _row(design: Design, part: Part, cell: ThesisCell) -> tuple[str, ...]:
    # its name and its runs
    line, chosen = cell.line, cell.chosen
    texts = _heads(design, line)
    if design.chosen_by:
        texts += [weight_text(chosen.weight) if chosen else "", grid(cell.searched)]
    texts.append(str(len(chosen.scored)) if chosen else "")

    # each score in as many columns as `_section` gives it
    for kind in design.kinds:
        score = cell.scores[kind.key]
        published = published_text(line.published[kind.key].get(part.dataset))
        texts += [interval(score.estimate) if score else _empty(cell)]
        texts += [spread_text(score)] if kind.has_spread else []
        texts += [published] if part.is_published else []
    return (*texts, run_ids(chosen.scored) if chosen else "", notes(design, cell))


def _empty(cell: ThesisCell) -> str:
    if cell.line.loss is None:
        return NOTHING
    if not cell.searched:
        return NO_RUN
    return "diverged" if all(weight.has_diverged for weight in cell.searched) else "no score"


def _heads(design: Design, line: Line) -> list[str]:
    return [line.text, line.labels or ""][: len(design.heads)]


def _below(design: Design, cell: ThesisCell) -> str:
    facts = [f"λ of {grid(cell.searched)}"] if design.chosen_by else []
    facts.append(f"runs {run_ids(cell.chosen.scored)}" if cell.chosen else "no run is shown")
    facts += [text] if (text := notes(design, cell)) else []
    return f"{', '.join(_heads(design, cell.line))}: {'; '.join(facts)}."


def _orders(design: Design, part: Part, compared: list[Comparison]) -> Section:
    """The orders of the thesis on a data set, each with our verdict."""
    # the rule by which they were chosen, so that nobody takes them for chosen by their verdicts
    numbers_of = DATASETS[claimed_on(design, part.dataset)]
    scores = dict.fromkeys(f"{_way(order.kind)} {order.kind.title}" for order in compared)
    above = (
        f"Each order is one that the thesis's published numbers on {numbers_of} hold: the first "
        f"has a {' or a '.join(scores)} than the second. Where they do not, by that score, it is "
        "left out. Difference: mean over seeds of the first minus that of the second, with "
        "Welch's 95% interval. An order holds or is reversed where the interval excludes 0; where "
        "it does not, or one seed gives no interval, it is not decided. The intervals are not "
        "widened for the number of comparisons."
    )

    # the published difference only of the same data
    title = f"{part.title}: orders of the thesis"
    title += "" if part.is_published else f" on {numbers_of}"

    header = ["order", *design.heads[1:], "score", "difference ± 95%", "seeds", "verdict"]
    header += ["published difference"] if part.is_published else []

    return Section(
        title=title,
        caption=f"Table {design.number}, {title}",
        above=(above,),
        header=tuple(header),
        rows=tuple(_order_row(design, part, order) for order in compared),
        latex=tuple(f"{order.better.latex} above {order.worse.latex}" for order in compared),
        below=(above,),
    )


def _way(kind: Kind) -> str:
    return "higher" if kind.higher_is_better else "lower"


def _order_row(design: Design, part: Part, order: Comparison) -> tuple[str, ...]:
    origin = part.origins[order.kind.key]
    published = NOTHING if order.published is None else f"{order.published:+.2f}"
    return (
        f"{order.better.text} above {order.worse.text}",
        *_heads(design, order.better)[1:],
        f"{origin.score if origin else order.kind.title}, {_way(order.kind)}",
        interval(order.difference) if order.difference else NOTHING,
        " and ".join(map(str, order.seeds)),
        order.verdict,
        *([published] if part.is_published else []),
    )


def _apart(design: Design, dataset: str) -> Section:
    """The published numbers of a data set."""
    # only what the thesis has: neither empty lines nor empty columns
    lines = [line for line in design.lines if line.is_published(dataset)]
    kinds = [
        kind for kind in design.kinds if any(dataset in line.published[kind.key] for line in lines)
    ]

    rows = []
    for line in lines:
        numbers = [published_text(line.published[kind.key].get(dataset)) for kind in kinds]
        rows.append((*_heads(design, line), *numbers))

    # the title says it, because the sections before have no published numbers
    title = f"{DATASETS[dataset]}, published (other data than above: not a comparison)"
    return Section(
        title=title,
        caption=title,
        above=(),
        header=(*design.heads, *(f"published {kind.title}" for kind in kinds)),
        rows=tuple(rows),
        latex=tuple(line.latex for line in lines),
    )


# Values of the CSV --------------------------------------------------------------------------------

_PROTOCOL = ("protocol", "extractor", "weights_sha256", "n_samples")


def _score_fields(design: Design) -> list[str]:
    return [*_PROTOCOL, "mean", "interval95", f"{design.parts}_std"]


def _fields(design: Design) -> tuple[str, ...]:
    # what the line is of
    before = ["dataset", "data_content_hash", "small_scale"]
    before += [design.heads[0], "loss", "penalty", *design.heads[1:]]
    before += ["weight", "weights_searched"] if design.chosen_by else []

    # its numbers
    scores = [
        f"{kind.key}_{name}"
        for kind in design.kinds
        for name in [*_score_fields(design), "published", "published_std"]
    ]
    return (*before, "seeds", "status", *scores, "run_ids", "notes")


def _line_values(design: Design, line: Line, dataset: str) -> dict[str, object]:
    values: dict[str, object] = {"dataset": dataset}
    values |= {"loss": line.loss or "", "penalty": line.penalty}
    values |= dict(zip(design.heads, _heads(design, line), strict=True))
    for kind in design.kinds:
        if number := line.published[kind.key].get(dataset):
            values[f"{kind.key}_published"] = number.value
            values[f"{kind.key}_published_std"] = number.std
    return values


def _part_values(part: Part) -> dict[str, object]:
    return {
        "dataset": part.dataset,
        "data_content_hash": part.data_content_hash,
        "small_scale": part.small_scale,
    }


def _values(design: Design, part: Part, cell: ThesisCell) -> dict[str, object]:
    values = _line_values(design, cell.line, part.dataset) | _part_values(part)
    values |= {"status": _status(cell), "notes": notes(design, cell)}

    # its runs; where no weight was searched, there is no column for one
    if design.chosen_by:
        weights = [weight_text(weight.weight) for weight in cell.searched]
        values["weights_searched"] = " ".join(weights)
    if chosen := cell.chosen:
        values |= {"seeds": len(chosen.scored), "run_ids": run_ids(chosen.scored)}
        values |= {"weight": chosen.weight} if design.chosen_by else {}

    # its scores, unrounded
    for kind in design.kinds:
        if score := cell.scores[kind.key]:
            numbers = [score.estimate.mean, score.estimate.half_width, score.spread]
            values |= _score_values(design, part, kind.key, numbers)
    return values


def _status(cell: ThesisCell) -> str:
    if cell.line.is_real and any(cell.scores.values()):
        return "real data"
    if cell.line.loss is None:
        return "published"
    return "scored" if cell.chosen else "no score" if cell.searched else NO_RUN


def _order_values(design: Design, part: Part, order: Comparison) -> dict[str, object]:
    heads = [f"{order.better.text} above {order.worse.text}", *_heads(design, order.better)[1:]]
    values = _part_values(part) | dict(zip(design.heads, heads, strict=True))
    values |= {"status": order.verdict, "seeds": " ".join(map(str, order.seeds))}
    values[f"{order.kind.key}_published"] = order.published
    if gap := order.difference:
        values |= _score_values(design, part, order.kind.key, [gap.mean, gap.half_width, None])
    return values


def _score_values(
    design: Design, part: Part, key: str, numbers: list[float | None]
) -> dict[str, object]:
    """The cells of a score in a file of values.

    Args:
        design: of the table.
        part: the data set.
        key: of the kind of score.
        numbers: mean, half width of its interval, and the published kind of ±.
    """
    origin = part.origins[key]
    assert origin is not None
    taken = [origin.score, origin.extractor, origin.weights_sha256, origin.n_samples]
    return {
        f"{key}_{name}": value
        for name, value in zip(_score_fields(design), [*taken, *numbers], strict=True)
    }
