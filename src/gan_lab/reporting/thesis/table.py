"""Tables of the thesis from records: ours beside the published numbers, as data.

sheets.py puts them in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gan_lab.errors import UserError
from gan_lab.reporting.collection import Record
from gan_lab.reporting.scores import ScoreOrigin, score_origin
from gan_lab.reporting.tables.text import code_text, data_text
from gan_lab.reporting.thesis.cells import (
    ThesisCell,
    belongs,
    canonical,
    cell,
    check_comparable,
    chosen_score,
    runs_of,
)
from gan_lab.reporting.thesis.chapter_2 import TABLE_2_2
from gan_lab.reporting.thesis.chapter_4 import TABLE_4_1, TABLE_4_2, TABLE_4_3
from gan_lab.reporting.thesis.design import DATASETS, Design
from gan_lab.reporting.thesis.recipe import small_scale

TABLES = {design.number: design for design in (TABLE_2_2, TABLE_4_1, TABLE_4_2, TABLE_4_3)}


@dataclass(frozen=True)
class Part:
    """The table of one data set.

    Args:
        dataset: its one name.
        title: its name in the thesis.
        is_published: whether the thesis has this data set, so that its numbers stand beside ours.
        small_scale: in what the runs differ from the thesis's; empty where they do not, or where
            there are none.
        data: name, sizes and hash.
        data_content_hash: the whole hash.
        code: the commits that the runs ran from.
        origins: how each score was taken, by Kind.key.
        cells: in the order of the lines.
    """

    dataset: str
    title: str
    is_published: bool
    small_scale: str
    data: str
    data_content_hash: str
    code: str
    origins: Mapping[str, ScoreOrigin | None]
    cells: tuple[ThesisCell, ...]


@dataclass(frozen=True)
class Table:
    """A table of the thesis.

    Args:
        design: what the thesis's table holds.
        parts: one for each data set.
        published_apart: data sets whose published numbers stand under a heading of their own,
            because `parts` has data sets that were not published.
    """

    design: Design
    parts: tuple[Part, ...]
    published_apart: tuple[str, ...]


def table(
    design: Design,
    found: Sequence[Record],
    datasets: Sequence[str] | None = None,
    asked: Mapping[str, str | None] | None = None,
) -> Table:
    """Make a table of the thesis from the records that belong to it.

    Args:
        design: the table.
        found: records, also of other tables.
        datasets: those to show; None: the thesis's and every other one that has runs.
        asked: {Kind.option: the name of a score}, where the runs have several.

    Raises:
        UserError: runs of a data set differ in more than they may (cells.check_comparable).
    """
    # the data sets, each once whatever it is called
    mine = [record for record in found if any(belongs(record, line) for line in design.lines)]
    if datasets is None:
        others = sorted(
            {canonical(record["dataset"]["name"]) for record in mine} - set(design.datasets)
        )
        datasets = [*design.datasets, *others]

    names = list(dict.fromkeys(canonical(name) for name in datasets))
    if not names:
        raise UserError("datasets is empty: name at least one, for example datasets=[digits]")

    # beside other data the published numbers must not look like a comparison
    parts = tuple(part(design, name, runs_of(mine, name), asked or {}) for name in names)
    unpublished = any(not part.is_published for part in parts)
    apart = tuple(name for name in design.datasets if unpublished and name not in names)

    return Table(design, parts, apart)


def part(
    design: Design, dataset: str, runs: Sequence[Record], asked: Mapping[str, str | None]
) -> Part:
    """Make the table of one data set from its runs."""
    # one score of each kind, and runs that may stand together by it
    names = {
        kind.key: chosen_score(runs, kind, asked.get(kind.option), "scores", kind.option)
        for kind in design.kinds
    }
    scored = [f"scores.{name}.extractor" for name in names.values()]
    check_comparable(runs, design.lines, scored, design.may_differ)

    # lines of published numbers alone stand only where these are published
    lines = [
        line
        for line in design.lines
        if line.loss is not None or line.is_real or line.is_published(dataset)
    ]

    return Part(
        dataset=dataset,
        title=DATASETS.get(dataset, dataset),
        is_published=dataset in design.datasets,
        small_scale=small_scale(design, runs, names),
        data=data_text(runs),
        data_content_hash=runs[0]["dataset"]["content_hash"] if runs else "",
        code=code_text(runs, names.values()),
        origins={key: score_origin(runs, name) for key, name in names.items()},
        cells=tuple(cell(line, runs, names, design.chosen_by) for line in lines),
    )
