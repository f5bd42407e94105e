"""The words of a table of the thesis, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence

from gan_lab.reporting.scores import ScoreOrigin
from gan_lab.reporting.tables.text import NOTHING, number, origin_text, run_ids, weight_text
from gan_lab.reporting.thesis.cells import CellScore, ThesisCell, Weight
from gan_lab.reporting.thesis.design import Design, Kind, Published
from gan_lab.reporting.thesis.table import Part


def grid(searched: Sequence[Weight]) -> str:
    """The penalty weights that were tried: "{0.1, 1}"."""
    weights = ", ".join(weight_text(weight.weight) for weight in searched)
    return f"{{{weights}}}" if searched else ""


def notes(design: Design, cell: ThesisCell) -> str:
    """Everything that a reader must know of the runs that the cell does not show."""
    lines = [cell.line.remark] if cell.line.remark else []
    lines += _edge(cell) if design.chosen_by else []
    lines += _diverged(design, cell)

    # scores of other seeds than the chosen weight's
    if cell.chosen:
        seeds = len(cell.chosen.scored)
        lines += [
            f"λ = {weight_text(weight.weight)} has {len(weight.scored)} of {seeds} seeds and may "
            "not win"
            for weight in cell.searched
            if 0 < len(weight.scored) < seeds
        ]
        for kind in design.kinds:
            score = cell.scores[kind.key]
            if score and score.estimate.n != seeds:
                lines.append(f"{kind.title} of {score.estimate.n} seeds")

    # runs that are in no number at all
    finished = [record for record in cell.unscored if record["status"] == "finished"]
    unfinished = [record for record in cell.unscored if record["status"] != "finished"]
    lines += [f"without a score: {run_ids(finished)}"] if finished else []
    lines += [f"unfinished: {run_ids(unfinished)}"] if unfinished else []
    return "; ".join(lines)


def _edge(cell: ThesisCell) -> list[str]:
    """Say where the shown penalty weight is the least or the greatest of several."""
    if cell.chosen is None or len(cell.searched) < 2:
        return []
    ends = {"least": cell.searched[0], "greatest": cell.searched[-1]}
    which = next((word for word, end in ends.items() if end.weight == cell.chosen.weight), None)
    if which is None:
        return []
    weight = weight_text(cell.chosen.weight)
    return [f"λ = {weight} is the {which} that was searched: a better one may lie beyond"]


def _diverged(design: Design, cell: ThesisCell) -> list[str]:
    """Name the runs that diverged, with their weights where weights were searched."""
    with_diverged = [weight for weight in cell.searched if weight.diverged]
    lines = []

    # weights of which no run is left, in one line
    whole = [weight for weight in with_diverged if design.chosen_by and weight.has_diverged]
    if whole:
        each = "; ".join(f"λ = {weight_text(one.weight)}: {run_ids(one.diverged)}" for one in whole)
        lines.append(f"{len(whole)} of {len(cell.searched)} weights diverged ({each})")

    # weights of which some seeds are left, a line each
    for weight in with_diverged:
        if weight not in whole:
            count = f"{len(weight.diverged)} of {weight.runs}"
            which = f"λ = {weight_text(weight.weight)}: " if design.chosen_by else ""
            lines.append(f"{which}{count} seeds diverged ({run_ids(weight.diverged)})")
    return lines


def headings(design: Design, part: Part) -> list[str]:
    """The lines above the table of a data set: scale, data, code, protocols."""
    # first the reason why the published numbers beside are no comparison
    lines = []
    if part.small_scale:
        lines.append(
            "Small-scale or other settings, not comparable with the published numbers: "
            f"{part.small_scale}."
        )

    # how the numbers came about, and how to read them; without runs there are none
    if part.data:
        lines.append(f"Data: {part.data}. Code: {part.code}.")
    lines += [_origin(kind, shown) for kind in design.kinds if (shown := part.origins[kind.key])]
    if any(cell.searched for cell in part.cells):
        lines.append(design.reading)
    return lines


def _origin(kind: Kind, origin: ScoreOrigin) -> str:
    """How a score was taken, and whether the published one was taken so too."""
    return _in_variants(kind, origin) if kind.variants else origin_text(origin)


def _in_variants(kind: Kind, origin: ScoreOrigin) -> str:
    """The variants of a score of images, each beside the published one."""
    facts = []
    for variant in kind.variants:
        word = variant.of(origin.score)
        published = "as published" if word == variant.thesis else "not as published"
        facts.append(f"{variant.meanings[word]} ({published})")

    # numbers that the name counts
    for what, ours in kind.counts_of(origin.score).items():
        published = (
            "as published" if ours == kind.counts[what] else f"published: {kind.counts[what]}"
        )
        facts.append(f"{ours} {what} ({published})")

    facts.append(origin.network)  # decides the classes, where they are not the samples' own
    return f"{origin.score}: {'; '.join(facts)}; {origin.n_samples:,} samples."


def published_text(value: Published | None) -> str:
    """A published number with the thesis's decimals: "8.03 ± 0.03", or "0.35" without a ±."""
    if value is None:
        return NOTHING
    numbers = [number for number in (value.value, value.std) if number is not None]
    return " ± ".join(f"{number:.{value.decimals}f}" for number in numbers)


def spread_text(score: CellScore | None) -> str:
    """The published kind of ± of a score of ours."""
    return number(score.spread) if score and score.spread is not None else NOTHING
