"""From runs to the content of a report: what was run, by which fields it is told apart."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.records.provenance import git_state
from gan_lab.reporting.axes import Axes, assigned, check_fields, varied_fields
from gan_lab.reporting.collection import Record, is_study, source_name
from gan_lab.reporting.figures.sweep_curves import read_series, sweep_curves
from gan_lab.reporting.report import facts
from gan_lab.reporting.report.curves import NUMBERS, panels_data
from gan_lab.reporting.report.grids import galleries
from gan_lab.reporting.report.model import Chart, Fact, Report
from gan_lab.reporting.report.tables import bootstrap_view, table_views
from gan_lab.reporting.runs import Found, Run
from gan_lab.reporting.scores import higher_is_better, names_in, whole_name
from gan_lab.reporting.tables.sweep import SweepTable, sweep_table
from gan_lab.reporting.tables.text import interval
from gan_lab.sweeps.cells import duration
from gan_lab.terminal import brief

_GROUPS = ("study", "loss", "labels", "penalty", "optimizer", "architecture", "dataset")
_COLUMNS = 8  # at most, of a table whose axes nobody asked for
_SCORES_OF_A_RUN = 3
_FIRST = ("fid", "is", "am", "kid")
_LOGGED = ("critic_loss", "generator_loss", "penalty", "gradient_norm", "learning_rate")


@dataclass(frozen=True)
class Asked:
    """What a report is asked to show.

    Args:
        rows: the fields of tables, as Axes takes them; empty: those in which the runs differ.
        columns: likewise.
        facet: likewise.
        scores: names, or how they begin; empty: all that the runs have.
        curves: likewise.
        baseline: of the rows, as sweep_table takes it.
        title: of the page.
        megabytes: of images, at least 0.

    Raises:
        UserError: for no such number of megabytes.
    """

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    facet: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    baseline: Mapping[str, Any] | None = None
    title: str = "Report"
    megabytes: float = 20.0

    def __post_init__(self) -> None:
        checks.number("megabytes", self.megabytes, at_least=0)


@dataclass
class _Warnings:
    """What could not be shown, in the order in which it was found."""

    lines: list[str] = field(default_factory=list)

    def add(self, about: str, error: UserError) -> None:
        self.lines.append(f"{about}: {error}")


def gather(found: Found, asked: Asked) -> Report:
    """Make the content of a report.

    What the runs do not allow is said on the page; a mistake in what was asked is refused.

    Args:
        found: the runs, whatever became of them.
        asked: what is to be shown.

    Raises:
        UserError: as axes.facets and sweep_table, where rows, scores or curves were asked for.
    """
    # how runs are told apart, and where each of them stands on the page
    warnings = _Warnings([f"passed over: {brief(line, 300)}" for line in found.damaged])
    axes = Axes(asked.rows, asked.columns, asked.facet) if asked.rows else chosen_axes(found)
    if asked.rows:  # before there is a score, too
        check_fields(axes, found.records)
    table, axes = _table(found, axes, asked, warnings)

    runs = _in_order(found, table)
    anchors = facts.run_anchors(run.record for run in runs)
    titles = facts.run_titles(runs, axes)
    content = [run.record for run in runs if run.is_whole]
    scores = list(dict.fromkeys(block.score for block in table.blocks)) if table else []

    # the parts of the page
    warnings.lines += _about_code(content)

    # tables first: everything else explains them
    tables = table_views(table, anchors) if table else []
    bootstrap = [bootstrap_view(table, block) for block in table.blocks] if table else []

    return Report(
        title=asked.title,
        made=made_by(),
        facts=_facts(runs, scores),
        states=tuple(Counter(str(run.record["status"]) for run in runs).most_common()),
        summary=tuple(_summary(content, axes, table)),
        warnings=tuple(warnings.lines),
        tables=tuple(tables),
        bootstrap=tuple(view for view in bootstrap if view is not None),
        charts=_charts(found, axes, asked, warnings),
        galleries=galleries(_first_seeds(runs, axes), titles, anchors, asked.megabytes),
        overview=facts.overview(runs, axes, anchors, scores[:_SCORES_OF_A_RUN]),
        unfinished=facts.unfinished(runs, titles, anchors),
        settings=facts.settings(content),
        shared=facts.shared(content),
        versions=facts.versions(content, anchors),
        runs=tuple(
            facts.run_view(run, titles[id(run.record)], anchors[str(id(run.record))])
            for run in runs
        ),
    )


def made_by() -> str:
    """When a page was made, and by which code."""
    code = git_state()
    commit = str(code.get("sha") or "unknown")[:9]
    dirty = "" if code.get("dirty") is False else ", changed since"
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"{now}, by gan_lab of commit {commit}{dirty}"


# Axes ---------------------------------------------------------------------------------------------


def chosen_axes(found: Found) -> Axes:
    """Rows and columns by the fields in which the runs differ.

    Groups come first; a last field with few values makes the columns, data sets the facets.
    """
    # several data sets are several tables: their scores are not comparable
    content = found.records
    names = varied_fields(content) if content else {}
    facet: tuple[str, ...] = (
        ("dataset",) if len({source_name(record) for record in content}) > 1 else ()
    )
    facet = tuple(name for name in facet if not any(map(is_study, content)))

    # what was chosen from a group says more than a number
    fields = sorted(
        (name for name in names if name not in facet and name.split(".")[0] not in facet),
        key=lambda name: (_GROUPS.index(name) if name in _GROUPS else len(_GROUPS), name),
    )
    if not fields:
        return Axes(_same(content), facet=facet)

    # a field with a handful of values reads better across
    last = fields[-1]
    if len(fields) > 1 and len(names[last]) <= _COLUMNS:
        return Axes(tuple(fields[:-1]), (last,), facet)
    return Axes(tuple(fields), facet=facet)


def _same(content: Sequence[Record]) -> tuple[str, ...]:
    """A field by which runs that do not differ can be named."""
    choices = [record.get("choices") or {} for record in content]
    known = (name for name in _GROUPS if choices and all(name in one for one in choices))
    return (next(known, "status"),)


def _table(
    found: Found, axes: Axes, asked: Asked, warnings: _Warnings
) -> tuple[SweepTable | None, Axes]:
    """The table of all scores, and its axes; None without a score."""
    # those that were asked for, or all
    known = names_in(found.records, "scores")
    scores = tuple(whole_name(name, known, "score") for name in asked.scores)
    scores = scores or tuple(sorted(known, key=_score_rank))
    if not scores:
        warnings.lines.append("No run has a score yet: there is no table.")
        return None, axes

    # what was typed is refused where it does not fit; what was chosen here is chosen otherwise
    try:
        return sweep_table(found, axes, scores, asked.baseline), axes
    except UserError as error:
        if asked.rows or asked.baseline:
            raise
        warnings.add("These runs make no common cells, so each stands in a row of its own", error)

    # whatever the runs are, each is a row; where even that is refused, the page has no table
    alone = Axes(("run_id",))
    try:
        return sweep_table(found, alone, scores), alone
    except UserError as error:
        warnings.add("There is no table", error)
        return None, axes


def _score_rank(name: str) -> tuple[int, bool, str]:
    """FID first, then IS and AM, then the others by name; against the train split before others."""
    first = name.split("_")[0]
    return (_FIRST.index(first) if first in _FIRST else len(_FIRST), "test" in name, name)


def _in_order(found: Found, table: SweepTable | None) -> list[Run]:
    """The runs in the order of the table's cells, and in it of their seeds; then the others."""
    # every score of a facet has the same cells
    facets = {block.facet.key: block.facet for block in table.blocks} if table else {}
    runs = [
        run
        for facet in facets.values()
        for row in facet.rows
        for column in facet.columns
        for run in facet.cells.get((row, column), ())
    ]
    places = {id(run.record): index for index, run in enumerate(runs)}
    return sorted(
        found.runs,
        key=lambda run: (places.get(id(run.record), len(places)), str(run.record["run_id"])),
    )


def _first_seeds(runs: Sequence[Run], axes: Axes) -> list[Run]:
    """The runs with the first seed of each cell first: if there is no room, others go."""
    seen: Counter[tuple[str, ...]] = Counter()
    ranked = []
    for index, run in enumerate(runs):
        key = facts.key_of(run, axes.fields)
        ranked.append((seen[key], index, run))
        seen[key] += 1
    return [run for _, _, run in sorted(ranked, key=lambda one: one[:2])]


# Words --------------------------------------------------------------------------------------------


def _facts(runs: Sequence[Run], scores: Sequence[str]) -> tuple[Fact, ...]:
    """The headline numbers."""
    finished = sum(run.record["status"] == "finished" for run in runs)
    seconds = sum(float(run.record.get("seconds") or 0.0) for run in runs)
    seeds = {run.record["seed"] for run in runs if run.record.get("seed") is not None}
    return (
        Fact(str(len(runs)), "run" if len(runs) == 1 else "runs"),
        Fact(str(finished), "finished"),
        Fact(str(len(seeds)), "seed" if len(seeds) == 1 else "seeds"),
        Fact(str(len(scores)), "score" if len(scores) == 1 else "scores"),
        Fact(duration(seconds), "of training"),
    )


def _summary(content: Sequence[Record], axes: Axes, table: SweepTable | None) -> list[str]:
    """What was run, and the best cell of the first score."""
    # what the runs are
    lines = []
    data = sorted({source_name(record) for record in content})
    if data:
        lines.append(f"Data: {', '.join(data)}. Compared: {', '.join(axes.fields)}.")

    # several columns have a best row each: the best of these
    for block in table.blocks[:_SCORES_OF_A_RUN] if table else ():
        best = [place for place, cell in block.cells.items() if cell.is_best]
        means = {place: block.cells[place].estimate for place in best}
        known = {place: mean for place, mean in means.items() if mean is not None}
        if not known:
            continue

        choose = max if higher_is_better(block.score) else min
        row, column = choose(known, key=lambda place: known[place].mean)
        keys = zip(
            (axes.facet, axes.rows, axes.columns), (block.facet.key, row, column), strict=True
        )
        where = ", ".join(filter(None, (assigned(names, key) for names, key in keys)))
        lines.append(f"Best {block.score}: {interval(known[row, column])} with {where}.")
    return lines


def _about_code(content: Sequence[Record]) -> list[str]:
    """What speaks against citing the numbers."""
    dirty = sum((record.get("git") or {}).get("dirty") is not False for record in content)
    commits = {str((record.get("git") or {}).get("sha")) for record in content}
    lines = []
    if dirty:
        lines.append(f"{dirty} of {len(content)} runs are from code that no commit has.")
    if len(commits) > 1:
        lines.append(f"The runs are from {len(commits)} commits: see versions.")
    return lines


# Curves -------------------------------------------------------------------------------------------

_READING = (
    "Line: mean over the seeds of finished runs. Band: Student's 95% interval; of two seeds, from "
    "the least to the greatest. Dotted: runs that are in no mean.",
    "Drag to zoom, double-click to see everything; a name in the legend hides its line.",
)


def _charts(found: Found, axes: Axes, asked: Asked, warnings: _Warnings) -> tuple[Chart, ...]:
    """Scores over training, and what training logged."""
    # a line for each cell of the table
    of_cells = Axes((*axes.rows, *axes.columns), facet=axes.facet)
    try:
        series = read_series(found)
    except UserError as error:
        warnings.add("There are no curves", error)
        return ()

    # a mistake in what was asked is refused
    if asked.curves:
        curves = sweep_curves(found, of_cells, asked.curves, series)
        return (Chart("curves", "Curves", _READING, panels_data(curves)),)

    # scores are in the records, what training logged in the metrics.jsonl of run directories
    known = {name for of_run in series.values() for name in of_run if "." not in name}
    scores = sorted(names_in(found.records, "history") & known, key=_score_rank)
    logged = [name for name in _LOGGED if name in known]
    charts = []

    # each by itself: what the one refuses, the other may show
    for place, title, names in (
        ("scores-over-training", "Scores over training", scores),
        ("training", "Training", logged),
    ):
        if not names:
            continue
        try:
            curves = sweep_curves(found, of_cells, names, series)
        except UserError as error:
            warnings.add(f"{title} cannot be shown", error)
            continue
        charts.append(Chart(place, title, _READING, panels_data(curves, NUMBERS // 2)))
    return tuple(charts)
