"""A table in words and rounded numbers: the sheet that every format writes."""

from __future__ import annotations

from gan_lab.reporting.tables.sheet import Section, Sheet
from gan_lab.reporting.tables.text import NO_RUN, NOTHING, interval, run_ids, weight_text
from gan_lab.reporting.thesis.cells import Cell
from gan_lab.reporting.thesis.design import DATASETS, Design, Kind, Line
from gan_lab.reporting.thesis.orders import Comparison, claimed_on, comparisons
from gan_lab.reporting.thesis.table import Part, Table
from gan_lab.reporting.thesis.text import grid, headings, notes, published_text, spread_text

_LEFT_OUT = ("λ searched", "runs", "notes")


def sheet(table: Table) -> Sheet:
    """A section for each data set and its orders, then the published numbers of data sets that have
    none of their own.

    In the CSV an order is a line whose status is its verdict, and whose mean is the difference of
    means.
    """
    design = table.design
    sections: list[Section] = []
    values: list[dict[str, object]] = []
    for part in table.parts:
        sections.append(_section(design, part))
        values += [_values(design, part, cell) for cell in part.cells]
        if found := comparisons(design, part):
            sections.append(_orders(design, part, found))
            values += [_order_values(design, part, one) for one in found]
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
    """A score's column carries its whole name, never a bare IS or FID."""
    header = [*design.heads, *(["λ", "λ searched"] if design.chosen_by else []), "seeds"]
    for kind in design.kinds:
        protocol = part.protocols[kind.key]
        name = protocol.score if protocol else kind.title
        header += [f"{name} ± 95% over seeds"]
        header += [f"{name}: ± over {design.parts}s"] if kind.has_spread else []
        header += [f"published {kind.title}"] if part.is_published else []
    above = headings(design, part)
    return Section(
        title=part.title,
        caption=f"Table {design.number}, {part.title}",
        above=tuple(above) or (NO_RUN,),
        header=(*header, "runs", "notes"),
        rows=tuple(_row(design, part, cell) for cell in part.cells),
        latex=tuple(cell.line.latex for cell in part.cells),
        left_out=_LEFT_OUT,
        below=(*above, *(_below(design, cell) for cell in part.cells if cell.searched)),
    )


def _row(design: Design, part: Part, cell: Cell) -> tuple[str, ...]:
    line, chosen = cell.line, cell.chosen
    found = _heads(design, line)
    if design.chosen_by:
        found += [weight_text(chosen.weight) if chosen else "", grid(cell.searched)]
    found.append(str(len(chosen.scored)) if chosen else "")
    for kind in design.kinds:
        score = cell.scores[kind.key]
        found += [interval(score.estimate) if score else _empty(cell)]
        found += [spread_text(score)] if kind.has_spread else []
        found += (
            [published_text(line.published[kind.key].get(part.dataset))]
            if part.is_published
            else []
        )
    return (*found, run_ids(chosen.scored) if chosen else "", notes(design, cell))


def _empty(cell: Cell) -> str:
    if cell.line.loss is None:
        return NOTHING
    if not cell.searched:
        return NO_RUN
    return "diverged" if all(one.diverged for one in cell.searched) else "no score"


def _heads(design: Design, line: Line) -> list[str]:
    return [line.text, line.labels or ""][: len(design.heads)]


def _below(design: Design, cell: Cell) -> str:
    said = [f"λ of {grid(cell.searched)}"] if design.chosen_by else []
    said.append(f"runs {run_ids(cell.chosen.scored)}" if cell.chosen else "no run is shown")
    said += [found] if (found := notes(design, cell)) else []
    return f"{', '.join(_heads(design, cell.line))}: {'; '.join(said)}."


def _orders(design: Design, part: Part, found: list[Comparison]) -> Section:
    numbers_of = DATASETS[claimed_on(design, part.dataset)]
    scores = dict.fromkeys(f"{_way(one.kind)} {one.kind.title}" for one in found)
    above = (
        f"Each order is one that the thesis's published numbers on {numbers_of} hold: the first "
        "has a "
        f"{' or a '.join(scores)} than the second. Where they do not, by that score, it is left "
        "out. Difference: mean "
        "over seeds of the first minus that of the second, with Welch's 95% interval. An order "
        "holds or is reversed "
        "where the interval excludes 0; where it does not, or one seed gives no interval, it is "
        "not decided. The "
        "intervals are not widened for the number of comparisons."
    )
    title = f"{part.title}: orders of the thesis" + (
        "" if part.is_published else f" on {numbers_of}"
    )
    header = ["order", *design.heads[1:], "score", "difference ± 95%", "seeds", "verdict"]
    return Section(
        title=title,
        caption=f"Table {design.number}, {title}",
        above=(above,),
        header=(*header, "published difference") if part.is_published else tuple(header),
        rows=tuple(_order_row(design, part, one) for one in found),
        latex=tuple(f"{one.better.latex} above {one.worse.latex}" for one in found),
        below=(above,),
    )


def _way(kind: Kind) -> str:
    return "higher" if kind.higher_is_better else "lower"


def _order_row(design: Design, part: Part, one: Comparison) -> tuple[str, ...]:
    protocol = part.protocols[one.kind.key]
    published = NOTHING if one.published is None else f"{one.published:+.2f}"
    return (
        f"{one.better.text} above {one.worse.text}",
        *_heads(design, one.better)[1:],
        f"{protocol.score if protocol else one.kind.title}, {_way(one.kind)}",
        interval(one.difference) if one.difference else NOTHING,
        " and ".join(map(str, one.seeds)),
        one.verdict,
        *([published] if part.is_published else []),
    )


def _apart(design: Design, dataset: str) -> Section:
    """The published numbers of a data set."""
    lines = [line for line in design.lines if line.is_published(dataset)]
    title = f"{DATASETS[dataset]}, published (other data than above: not a comparison)"
    kinds = [
        kind for kind in design.kinds if any(dataset in line.published[kind.key] for line in lines)
    ]
    return Section(
        title=title,
        caption=title,
        above=(),
        header=(*design.heads, *(f"published {kind.title}" for kind in kinds)),
        rows=tuple(
            (
                *_heads(design, line),
                *(published_text(line.published[kind.key].get(dataset)) for kind in kinds),
            )
            for line in lines
        ),
        latex=tuple(line.latex for line in lines),
    )


# Values of the CSV --------------------------------------------------------------------------------

_PROTOCOL = ("protocol", "extractor", "weights_sha256", "n_samples")


def _score_fields(design: Design) -> list[str]:
    return [*_PROTOCOL, "mean", "interval95", f"{design.parts}_std"]


def _fields(design: Design) -> tuple[str, ...]:
    searched = ["weight", "weights_searched"] if design.chosen_by else []
    scores = [
        f"{kind.key}_{name}"
        for kind in design.kinds
        for name in [*_score_fields(design), "published", "published_std"]
    ]
    before = [
        "dataset",
        "data_content_hash",
        "small_scale",
        design.heads[0],
        "loss",
        "penalty",
        *design.heads[1:],
    ]
    return (*before, *searched, "seeds", "status", *scores, "run_ids", "notes")


def _line_values(design: Design, line: Line, dataset: str) -> dict[str, object]:
    found: dict[str, object] = {
        "dataset": dataset,
        "loss": line.loss or "",
        "penalty": line.penalty,
    }
    found |= dict(zip(design.heads, _heads(design, line), strict=True))
    for kind in design.kinds:
        if one := line.published[kind.key].get(dataset):
            found |= {f"{kind.key}_published": one.value, f"{kind.key}_published_std": one.std}
    return found


def _part_values(part: Part) -> dict[str, object]:
    return {
        "dataset": part.dataset,
        "data_content_hash": part.data_content_hash,
        "small_scale": part.small_scale,
    }


def _values(design: Design, part: Part, cell: Cell) -> dict[str, object]:
    chosen = cell.chosen
    found = _line_values(design, cell.line, part.dataset) | _part_values(part)
    found["status"] = _status(cell)
    found["notes"] = notes(design, cell)
    if design.chosen_by:
        found["weights_searched"] = " ".join(weight_text(one.weight) for one in cell.searched)
    if chosen:
        found |= {"seeds": len(chosen.scored), "run_ids": run_ids(chosen.scored)}
        found |= {"weight": chosen.weight} if design.chosen_by else {}
    for kind in design.kinds:
        if score := cell.scores[kind.key]:
            numbers = [score.estimate.mean, score.estimate.half_width, score.spread]
            found |= _score_values(design, part, kind.key, numbers)
    return found


def _status(cell: Cell) -> str:
    if cell.line.is_real and any(cell.scores.values()):
        return "real data"
    if cell.line.loss is None:
        return "published"
    return "scored" if cell.chosen else "no score" if cell.searched else NO_RUN


def _order_values(design: Design, part: Part, one: Comparison) -> dict[str, object]:
    heads = [f"{one.better.text} above {one.worse.text}", *_heads(design, one.better)[1:]]
    found = _part_values(part) | dict(zip(design.heads, heads, strict=True))
    found |= {"status": one.verdict, "seeds": " ".join(map(str, one.seeds))}
    found[f"{one.kind.key}_published"] = one.published
    if one.difference:
        found |= _score_values(
            design, part, one.kind.key, [one.difference.mean, one.difference.half_width, None]
        )
    return found


def _score_values(
    design: Design, part: Part, key: str, numbers: list[float | None]
) -> dict[str, object]:
    """numbers: mean, half width of its interval, and the published kind of ±."""
    protocol = part.protocols[key]
    assert protocol is not None
    taken = [protocol.score, protocol.extractor, protocol.weights_sha256, protocol.n_samples]
    return {
        f"{key}_{name}": value
        for name, value in zip(_score_fields(design), [*taken, *numbers], strict=True)
    }
