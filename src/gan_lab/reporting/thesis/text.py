"""The words of a table of the thesis, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence

from gan_lab.reporting.scores import Protocol, samples_and_extractor
from gan_lab.reporting.tables.text import NOTHING, number, protocol_text, run_ids, weight_text
from gan_lab.reporting.thesis.cells import Cell, Score, Weight
from gan_lab.reporting.thesis.design import Design, Kind, Published
from gan_lab.reporting.thesis.table import Part


def grid(searched: Sequence[Weight]) -> str:
    """The penalty weights that were tried: "{0.1, 1}"."""
    return "{" + ", ".join(weight_text(one.weight) for one in searched) + "}" if searched else ""


def notes(design: Design, cell: Cell) -> str:
    """What a reader must know of the runs that the cell does not show."""
    found = [cell.line.remark] if cell.line.remark else []
    found += _edge(cell) if design.chosen_by else []
    gone = [one for one in cell.searched if one.diverged]
    whole = [one for one in gone if not one.scored] if design.chosen_by else []
    if whole:
        found.append(
            f"{len(whole)} of {len(cell.searched)} weights diverged ("
            + "; ".join(f"λ = {weight_text(one.weight)}: {run_ids(one.diverged)}" for one in whole)
            + ")"
        )
    for one in gone:
        if one not in whole:
            count = f"{len(one.diverged)} of {len(one.diverged) + len(one.scored)}"
            which = f"λ = {weight_text(one.weight)}: " if design.chosen_by else ""
            found.append(f"{which}{count} seeds diverged ({run_ids(one.diverged)})")
    if cell.chosen:
        short = [one for one in cell.searched if 0 < len(one.scored) < len(cell.chosen.scored)]
        found += [
            f"λ = {weight_text(one.weight)} has {len(one.scored)} of {len(cell.chosen.scored)} "
            "seeds and may not win"
            for one in short
        ]
        for kind in design.kinds:
            score = cell.scores[kind.key]
            if score and score.estimate.n != len(cell.chosen.scored):
                found.append(f"{kind.title} of {score.estimate.n} seeds")
    if cell.unscored:
        found.append(f"without a score: {run_ids(cell.unscored)}")
    return "; ".join(found)


def _edge(cell: Cell) -> list[str]:
    """That the shown penalty weight is the least or the greatest of several: the best one may lie
    beyond."""
    if cell.chosen is None or len(cell.searched) < 2:
        return []
    ends = {"least": cell.searched[0], "greatest": cell.searched[-1]}
    which = next((word for word, end in ends.items() if end.weight == cell.chosen.weight), None)
    weight = weight_text(cell.chosen.weight)
    return (
        [f"λ = {weight} is the {which} that was searched: a better one may lie beyond"]
        if which
        else []
    )


def headings(design: Design, part: Part) -> list[str]:
    """What stands above the table of a data set: scale, data, protocols, code."""
    lines = []
    if part.small_scale:
        lines.append(
            "Small-scale or other settings, not comparable with the published numbers: "
            f"{part.small_scale}."
        )
    if part.data:
        lines.append(f"Data: {part.data}. Code: {part.code}.")
    lines += [
        _protocol(kind, shown) for kind in design.kinds if (shown := part.protocols[kind.key])
    ]
    if any(cell.searched for cell in part.cells):
        lines.append(design.reading)
    return lines


def _protocol(kind: Kind, protocol: Protocol) -> str:
    """How a score was taken, and whether so was the published one."""
    return _in_variants(kind, protocol) if kind.variants else protocol_text(protocol)


def _in_variants(kind: Kind, protocol: Protocol) -> str:
    """The variants of a score of images, and by which extractor only where one decides
    something."""
    said = []
    for variant in kind.variants:
        word = variant.of(protocol.score)
        published = "as published" if word == variant.thesis else "not as published"
        said.append(f"{variant.meanings[word]} ({published})")
    for what, ours in kind.counts_of(protocol.score).items():
        thesis = kind.counts[what]
        said.append(
            f"{ours} {what} ({'as published' if ours == thesis else f'published: {thesis}'})"
        )
    if samples_and_extractor(protocol.score)[0] == protocol.extractor:
        said.append(protocol.network)
    return f"{protocol.score}: {'; '.join(said)}; {protocol.n_samples:,} samples."


def published_text(value: Published | None) -> str:
    """ "8.03 ± 0.03" with the decimals of the thesis, "0.35" where it gives no ±."""
    if value is None:
        return NOTHING
    return " ± ".join(
        f"{one:.{value.decimals}f}" for one in (value.value, value.std) if one is not None
    )


def spread_text(score: Score | None) -> str:
    """The published kind of ± of a score of ours."""
    return number(score.spread) if score and score.spread is not None else NOTHING
