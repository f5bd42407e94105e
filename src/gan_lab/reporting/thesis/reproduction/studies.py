"""Studies beside the thesis: tables by the generic code, and statements that intervals decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.reporting.axes import Axes, label
from gan_lab.reporting.collection import Record, setting
from gan_lab.reporting.report.model import Cell, Claim, Link, TableView
from gan_lab.reporting.report.tables import table_views
from gan_lab.reporting.runs import Found, Run
from gan_lab.reporting.scores import has_score, score_value
from gan_lab.reporting.tables.statistics import Estimate, difference, estimate
from gan_lab.reporting.tables.sweep import sweep_table
from gan_lab.reporting.tables.text import interval
from gan_lab.reporting.thesis.reproduction.items import Settings, Statement, StudyTable, Where

HOLDS, REVERSED, NOT_DECIDED, NO_RUN = "holds", "is reversed", "not decided", "no run"


def chosen(content: Sequence[Record], where: Where) -> list[Record]:
    """The records whose fields have some values."""
    return [
        record
        for record in content
        if all(setting(record, name) == value for name, value in where.items())
    ]


def study_views(
    study: StudyTable, content: Sequence[Record], anchors: Mapping[str, str]
) -> tuple[list[TableView], list[str]]:
    """The tables of a study, and what could not be shown; both empty without a record."""
    runs = chosen(content, study.select)
    if not runs:
        return [], []
    found = Found(tuple(map(Run, runs)))
    try:
        table = sweep_table(found, Axes(study.rows, study.columns), study.scores)
    except UserError as error:
        return [], [str(error)]

    # the published number stands with the table's notes: it has no protocol of ours
    views = table_views(table, anchors)
    notes = [f"{score}, published: {text}." for score, text in study.published.items()]
    if not study.columns:
        return [_beside(views, study, notes)], []
    return [replace(view, notes=(*notes, *view.notes)) for view in views], []


def _beside(views: Sequence[TableView], study: StudyTable, notes: Sequence[str]) -> TableView:
    """The tables of several scores, which have one column each, as one with a column for each."""
    first = views[0]
    lines = dict.fromkeys(line for view in views for line in view.notes)
    return TableView(
        title="",
        notes=(*notes, *lines),
        header=(first.header[0], *study.scores),
        rows=tuple(
            (cells[0][0], *(cell for _, cell in cells))
            for cells in zip(*(view.rows for view in views), strict=True)
        ),
        csv=first.csv + "".join(view.csv.partition("\n")[2] for view in views[1:]),
        file=f"{safe_name(study.select['choices.study'])}.csv",
        dots=first.dots and replace(first.dots, alt=f"{study.scores[0]}, drawn"),
    )


def claim(statement: Statement, content: Sequence[Record]) -> Claim:
    """Decide a statement of the thesis by the interval of a difference.

    A seed of a study is an instance of its problem: where both sides have the same seeds, the
    difference is taken seed by seed, with Student's interval; else it is Welch's.
    """
    # against 0
    first = _values(content, statement.first, statement.score)
    what, gap = "", estimate(list(first.values())) if first else None
    seeds = _seeds(len(first))

    # or against other runs
    if statement.second is not None:
        second = _values(content, statement.second, statement.second_score or statement.score)
        seeds = f"{len(first)} and {_seeds(len(second))}"
        what, gap = "difference ", None
        if first and first.keys() == second.keys():
            gap = estimate([first[seed] - second[seed] for seed in first])
            seeds = f"{_seeds(len(first))}, seed by seed"
        elif first and second:
            gap = difference(list(first.values()), list(second.values()))

    # without a run there is nothing to decide
    if gap is None:
        return Claim(statement.text, "", NO_RUN)
    return Claim(
        statement.text,
        f"{statement.score}: {what}{interval(gap)}, {seeds}",
        decided(gap, higher=statement.higher),
    )


def _seed(record: Record) -> int:
    return int(record["seed"])


def _seeds(count: int) -> str:
    return f"{count} seed" + ("" if count == 1 else "s")


def decided(gap: Estimate, *, higher: bool) -> str:
    """Whether a difference is above 0, or below, as it should be."""
    if not gap.excludes_zero:
        return NOT_DECIDED
    return HOLDS if (gap.mean > 0) == higher else REVERSED


def _values(content: Sequence[Record], where: Where, score: str) -> dict[int, float]:
    """{seed: the score} of the finished runs that are meant."""
    runs = [record for record in chosen(content, where) if record["status"] == "finished"]
    return {run["seed"]: score_value(run, score) for run in runs if has_score(run, [score])}


def settings_view(
    settings: Settings, content: Sequence[Record], anchors: Mapping[str, str]
) -> TableView | None:
    """The thesis's settings beside those of our runs; None without a run."""
    runs = [
        record
        for record in content
        if str(setting(record, "choices.sweep") or "").startswith(settings.sweeps)
    ]
    if not runs:
        return None

    # a line for each setting of each optimizer; what its runs do not agree on is listed
    rows = []
    for optimizer, values in settings.values.items():
        mine = [run for run in runs if setting(run, "choices.optimizer") == optimizer]
        for name, published in values.items():
            ours = sorted({label(setting(run, f"config.optimizer.{name}")) for run in mine})
            links = tuple(
                Link(f"seed {run['seed']}", anchors[str(id(run))])
                for run in sorted(mine, key=_seed)[:3]
            )

            # no verdict without a run
            agrees = ours == [label(published)]
            word = "not run" if not mine else "agrees" if agrees else "other scale"
            tone = "good" if agrees else "muted"
            rows.append(
                (
                    Cell(optimizer),
                    Cell(name),
                    Cell(label(published)),
                    Cell(", ".join(ours) or "no run", links=links),
                    Cell(word, tone=tone),
                )
            )
    header = ("optimizer", "setting", "published", "ours", "verdict")
    return TableView("Settings", (), header, tuple(rows))
