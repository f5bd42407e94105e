"""The words and rounded numbers of a table, the same in every format."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gan_lab.reporting import published
from gan_lab.reporting.cells import Cell, Protocol, Score, Weight
from gan_lab.reporting.collection import Record
from gan_lab.reporting.published import Published
from gan_lab.reporting.statistics import Estimate
from gan_lab.reporting.tables import Part, Table

NO_RUN = "no run"


def number(value: float, beside: float | None = None) -> str:
    """Two decimals from 1 on, three significant digits below. beside: another number whose decimals it takes, unless
    that leaves nothing of it."""
    scale = abs(value if beside is None else beside)
    if not math.isfinite(value) or not math.isfinite(scale) or scale == 0:
        return f"{value:.3g}"
    text = f"{value:.{max(2, 2 - math.floor(math.log10(scale)))}f}"
    return text if float(text) or not value else f"{value:.1g}"


def interval(value: Estimate) -> str:
    """ "8.03 ± 0.12", or that one seed gives no interval."""
    if value.half_width is None:
        return f"{number(value.mean)} (1 seed: no interval)"
    return f"{number(value.mean)} ± {number(value.half_width, beside=value.mean)}"


def grid(searched: Sequence[Weight]) -> str:
    """The penalty weights that were tried: "{0.1, 1}"."""
    return "{" + ", ".join(weight_text(one.weight) for one in searched) + "}" if searched else ""


def notes(cell: Cell) -> str:
    """What a reader must know of the runs that the cell does not show."""
    found = []
    gone = [one for one in cell.searched if one.diverged]
    whole = [one for one in gone if not one.scored]
    if whole:
        found.append(
            f"{len(whole)} of {len(cell.searched)} weights diverged ("
            + "; ".join(f"λ = {weight_text(one.weight)}: {run_ids(one.diverged)}" for one in whole)
            + ")"
        )
    for one in gone:
        if one.scored:
            count = f"{len(one.diverged)} of {len(one.diverged) + len(one.scored)}"
            found.append(f"λ = {weight_text(one.weight)}: {count} seeds diverged ({run_ids(one.diverged)})")
    if cell.chosen:
        short = [one for one in cell.searched if 0 < len(one.scored) < len(cell.chosen.scored)]
        found += [
            f"λ = {weight_text(one.weight)} has {len(one.scored)} of {len(cell.chosen.scored)} seeds and may not win"
            for one in short
        ]
        if cell.inception_score and cell.inception_score.estimate.n != len(cell.chosen.scored):
            found.append(f"IS of {cell.inception_score.estimate.n} seeds")
    if cell.unscored:
        found.append(f"without a score: {run_ids(cell.unscored)}")
    return "; ".join(found)


def rows(part: Part) -> tuple[list[str], list[list[str]]]:
    """Header and lines of one data set. A score's column carries its whole name, never a bare IS or FID."""
    header = ["objective", "λ", "λ searched", "seeds"]
    for title, protocol in (("IS", part.inception_score), ("FID", part.frechet_distance)):
        name = protocol.score if protocol else title
        header += [f"{name} ± 95% over seeds", f"{name}: ± over chunks"]
        header += [f"published {title}"] if part.is_published else []
    header += ["runs", "notes"]
    return header, [_row(part, cell) for cell in part.cells]


def _row(part: Part, cell: Cell) -> list[str]:
    line, chosen = cell.line, cell.chosen
    empty = NO_RUN if not cell.searched else "diverged" if all(one.diverged for one in cell.searched) else "no score"
    found = [line.text, weight_text(chosen.weight) if chosen else "", grid(cell.searched)]
    found.append(str(len(chosen.scored)) if chosen else "")
    for score, numbers in (
        (cell.inception_score, line.inception_score),
        (cell.frechet_distance, line.frechet_distance),
    ):
        found += [interval(score.estimate) if score else empty, _spread(score)]
        found += [_published(numbers.get(part.dataset))] if part.is_published else []
    return [*found, run_ids(chosen.scored) if chosen else "", notes(cell)]


def headings(part: Part) -> list[str]:
    """What stands above the table of a data set: scale, data, protocols, code."""
    lines = []
    if part.small_scale:
        lines.append(f"Small-scale runs, not comparable with the published numbers: {part.small_scale}.")
    if part.data:
        lines.append(f"Data: {part.data}. Code: {part.code}.")
    for protocol in (part.inception_score, part.frechet_distance):
        if protocol:
            lines.append(_protocol(protocol))
    if any(cell.searched for cell in part.cells):
        lines.append(
            "λ is the weight of the least mean FID over seeds against the train split, as the thesis chose it. "
            "± 95% over seeds: Student's interval of the mean over training seeds, given that λ; ± over chunks: the "
            "published kind, within one run, mean over seeds."
        )
    return lines


def published_heading(table: Table) -> str:
    """What the published numbers are, wherever they stand."""
    return f"Published: {published.SOURCE}; its ± is the {published.PLUS_MINUS}."


def _protocol(protocol: Protocol) -> str:
    parts = f" in {protocol.parts} parts" if protocol.parts > 1 else ""
    return (
        f"{protocol.score}: extractor {protocol.extractor}, architecture {protocol.architecture}, weights "
        f"{protocol.weights_sha256[:12]}; {protocol.n_samples:,} samples{parts}."
    )


def published_rows(dataset: str) -> list[list[str]]:
    """Objective, published IS and published FID of a data set of the thesis, a line each."""
    return [
        [line.text, _published(line.inception_score.get(dataset)), _published(line.frechet_distance.get(dataset))]
        for line in published.TABLE_2_2.values()
        if dataset in line.inception_score
    ]


def _published(value: Published | None) -> str:
    return f"{value.value:.2f} ± {value.std:.2f}" if value else "–"


def _spread(score: Score | None) -> str:
    return number(score.spread) if score and score.spread is not None else "–"


def weight_text(value: float | None) -> str:
    """A penalty weight as tables and legends print it."""
    return "none" if value is None else f"{value:g}"


def run_ids(runs: Sequence[Record]) -> str:
    """The ids of runs, separated by spaces."""
    return " ".join(str(record["run_id"]) for record in runs)
