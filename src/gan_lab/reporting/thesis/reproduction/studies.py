"""Studies beside the thesis: tables by the generic code, and statements that intervals decide."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.reporting.axes import Axes, label
from gan_lab.reporting.collection import ABSENT, Record, agree, setting
from gan_lab.reporting.figures.critic_outputs import DRIFT, Drift, Outputs, has_outputs
from gan_lab.reporting.report.model import Cell, Claim, Link, TableView
from gan_lab.reporting.report.tables import table_views
from gan_lab.reporting.runs import Found, Run
from gan_lab.reporting.scores import has_score, score_value
from gan_lab.reporting.tables.statistics import Estimate, difference, estimate
from gan_lab.reporting.tables.sweep import sweep_table
from gan_lab.reporting.tables.sweep_sheet import NO_DIRECTION
from gan_lab.reporting.tables.text import NOTHING, interval, number
from gan_lab.reporting.thesis.reproduction.items import (
    DIVERGED,
    WORDS,
    Answers,
    Settings,
    Statement,
    StudyTable,
    Where,
)

HOLDS, REVERSED, NOT_DECIDED, NO_RUN = "holds", "is reversed", "not decided", "no run"
_LENGTHS = {  # fields that say how long a run is
    "study.max_steps": "steps",
    "study.epochs": "epochs",
    "max_generator_steps": "generator steps",
}
_NO_PROTOCOL = "extractor None, no network; 0 samples"  # of what with_more adds
_EXACT = 1e-6  # the largest error of a closed form that is right: what minimising leaves


# Records ------------------------------------------------------------------------------------------


def with_more(record: Record) -> Record:
    """Add what a record comes to beside its scores: of the critic's outputs over training, of its
    last step, and of growth that is nearly 1."""
    # the critic's outputs and gradient are no scores of a protocol
    measured: dict[str, float] = {}
    if has_outputs(record):
        run = Outputs.of(record)
        drift = Drift.of(run.steps, run.real, run.fake)
        measured |= {f"output_{name}": getattr(drift, name) for name in DRIFT}
    norm = (record.get("last_metrics") or {}).get("gradient_norm")
    if isinstance(norm, float):
        measured["gradient_norm"] = norm
    for score, name in (("growth", "growth_excess"), ("spectral_radius", "radius_excess")):
        if has_score(record, [score]):
            measured[name] = score_value(record, score) - 1

    step = record.get("generator_steps") or record.get("steps") or 0
    about: dict[str, Any] = {"std": None, "n_samples": 0, "step": step, "extractor": {}}
    added = {name: {"value": value} | about for name, value in measured.items()}
    return record | {"scores": (record.get("scores") or {}) | added}


def chosen(content: Sequence[Record], where: Where) -> list[Record]:
    """The records whose fields have some values."""
    return [
        record
        for record in content
        if all(_is_meant(setting(record, name), value) for name, value in where.items())
    ]


def _is_meant(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, re.Pattern):
        return wanted.search(str(value)) is not None
    return any(agree(value, one) for one in (wanted if isinstance(wanted, tuple) else (wanted,)))


def facts_of(runs: Sequence[Record]) -> str:
    """How many seeds ran how long, as "3 seeds, 6,000 steps"."""
    if not runs:
        return ""
    words = [_seeds(len({run["seed"] for run in runs}))]
    for name, unit in _LENGTHS.items():
        lengths = {setting(run, name, ABSENT) for run in runs} - {ABSENT, None}
        if lengths:
            words.append(f"{' and '.join(f'{x:,}' for x in sorted(lengths))} {unit}")
    return ", ".join(words)


def differences(published: Mapping[str, Any], runs: Sequence[Record]) -> list[str]:
    """The fields in which runs have another value than the thesis, with both."""
    lines = []
    for name, wanted in published.items():
        values = [setting(run, name) for run in runs]
        if not all(_is_meant(value, wanted) for value in values):
            ours = ", ".join(sorted({label(value) for value in values}))
            theirs = wanted if isinstance(wanted, tuple) else (wanted,)
            lines.append(
                f"{_field(name)} {ours} (thesis: {' and '.join(label(one) for one in theirs)})"
            )
    return lines


def _field(name: str) -> str:
    """A field in words."""
    return {"dataset.name": "data set"}.get(name) or name.rpartition(".")[2]


# Tables -------------------------------------------------------------------------------------------


def study_views(
    study: StudyTable, content: Sequence[Record], anchors: Mapping[str, str]
) -> tuple[list[TableView], list[str]]:
    """The tables of a study, and what could not be shown; both empty without a record."""
    runs = chosen(content, study.select)
    if not runs:
        return [], []
    found = Found(tuple(map(Run, runs)))
    try:
        table = sweep_table(found, Axes(study.rows, study.columns, study.facet), study.scores)
    except UserError as error:
        return [], [str(error)]

    # the published number stands with the table's notes: it has no protocol of ours
    views = [_in_words(view) for view in table_views(table, anchors)]
    notes = [f"{_words(score)}, published: {text}." for score, text in study.published.items()]
    notes += study.notes
    if not study.columns and not study.facet:
        return [_beside(views, study, notes)], []
    return [replace(view, notes=(*notes, *view.notes)) for view in views], []


def _words(name: str) -> str:
    """A score in words where it has some; else its name."""
    return WORDS.get(name, name)


def _in_words(view: TableView) -> TableView:
    """The heading and the columns of a table in words; the file keeps the names."""
    *facet, score = view.title.split(", ")
    return replace(
        view,
        title=", ".join((*map(_plain, facet), _words(score))),
        notes=tuple(
            line for line in view.notes if line != NO_DIRECTION and _NO_PROTOCOL not in line
        ),
        header=tuple(map(_plain, view.header)),
        dots=view.dots and replace(view.dots, legend=tuple(map(_plain, view.dots.legend))),
    )


def _plain(name: str) -> str:
    """Fields in a heading without where they stand: a study's, and a data set's name."""
    for field, words in (("study.", ""), ("dataset.name", "data set"), ("penalty.memory", "S_max")):
        name = name.replace(field, words)
    return name


def _beside(views: Sequence[TableView], study: StudyTable, notes: Sequence[str]) -> TableView:
    """The tables of several scores, which have one column each, as one with a column for each."""
    first = views[0]
    lines = dict.fromkeys(line for view in views for line in view.notes)
    return TableView(
        title="",
        notes=(*notes, *lines),
        header=(first.header[0], *map(_words, study.scores)),
        rows=tuple(
            (cells[0][0], *(cell for _, cell in cells))
            for cells in zip(*(view.rows for view in views), strict=True)
        ),
        csv=first.csv + "".join(view.csv.partition("\n")[2] for view in views[1:]),
        file=f"{safe_name('_'.join(study.scores))[:60]}.csv",
        dots=first.dots
        and replace(
            first.dots, alt=f"{_words(study.scores[0])}, drawn", caption=_words(study.scores[0])
        ),
    )


def answers_view(
    answers: Answers, content: Sequence[Record], anchors: Mapping[str, str]
) -> tuple[TableView | None, list[Claim]]:
    """A table of yes and no with the thesis's own, and each of its columns as a statement."""
    runs = [run for run in chosen(content, answers.select) if run["status"] == "finished"]
    by_row: dict[str, list[Record]] = {}
    for run in sorted(runs, key=_seed):
        by_row.setdefault(label(setting(run, answers.rows)), []).append(run)

    if not by_row:
        return None, []

    # a row for each objective: ours, the thesis's where they differ, and the measured errors
    rows = []
    other: dict[str, list[str]] = {name: [] for name in answers.columns}
    asked = dict.fromkeys(answers.columns, 0)
    by_row = {name: by_row[key] for key, name in answers.names.items() if key in by_row}
    for name, mine in by_row.items():
        links = tuple(Link(f"seed {run['seed']}", anchors[str(id(run))]) for run in mine)
        cells = [Cell(name, links=links)]

        # an answer that differs is told with the thesis's own
        for column, (score, in_thesis) in answers.columns.items():
            ours, theirs = _answer(mine, score), _answer(mine, in_thesis)
            asked[column] += theirs != NOTHING
            if theirs not in (ours, NOTHING):
                other[column].append(name)
            text = ours if theirs == ours else f"{ours} (thesis: {theirs})"
            tone = "muted" if theirs == NOTHING else "good" if theirs == ours else "bad"
            cells.append(Cell(ours if theirs == NOTHING else text, tone=tone))

        cells += [_largest(mine, score) for score in answers.errors.values()]
        rows.append(tuple(cells))

    # what holds in every row, and what does not
    claims = [
        Claim(
            f"The column “{column}”",
            f"the same answer in {asked[column] - len(names)} of {asked[column]} rows"
            + (f"; another for {'; '.join(names)}" if names else ""),
            REVERSED if names else HOLDS,
        )
        for column, names in other.items()
        if asked[column]
    ]

    claims += [
        _closed_form(text, score, by_row)
        for text, score in answers.closed_form.items()
        if any(has_score(run, [score]) for run in runs)
    ]

    note = (
        "Each answer is computed for every seed; grey: the thesis has no such row. Errors are the "
        "largest over seeds. Where an answer is another than the thesis's, see Slips in the thesis."
    )
    header = (answers.rows.rpartition(".")[2], *answers.columns, *answers.errors)
    return TableView("", (note,), header, tuple(rows)), claims


def _answer(runs: Sequence[Record], score: str) -> str:
    """Yes or no, where all seeds say the same; NOTHING without an answer."""
    values = [score_value(run, score) for run in runs if has_score(run, [score])]
    if not values:
        return NOTHING
    yes = sum(value == 1 for value in values)
    return {0: "no", len(values): "yes"}.get(yes, f"yes with {yes} of {_seeds(len(values))}")


def _largest(runs: Sequence[Record], score: str) -> Cell:
    values = [score_value(run, score) for run in runs if has_score(run, [score])]
    return Cell(number(max(values)), max(values)) if values else Cell(NOTHING, tone="muted")


def _closed_form(text: str, score: str, by_row: Mapping[str, Sequence[Record]]) -> Claim:
    """Whether what the thesis prints is the optimum, to what minimising leaves."""
    errors = {
        name: max(score_value(run, score) for run in mine if has_score(run, [score]))
        for name, mine in by_row.items()
        if any(has_score(run, [score]) for run in mine)
    }
    wrong = [f"{name} (off by {number(x)})" for name, x in errors.items() if x > _EXACT]
    ours = f"right within 1e-6 in {len(errors) - len(wrong)} of {len(errors)} rows"
    if wrong:
        ours += f"; another for {'; '.join(wrong)}"
    return Claim(text, ours, REVERSED if wrong else HOLDS)


# Statements ---------------------------------------------------------------------------------------


def claim(statement: Statement, content: Sequence[Record]) -> Claim:
    """Decide a statement of the thesis by the interval of a difference.

    A seed of a study is an instance of its problem: where both sides have the same seeds, the
    difference is taken seed by seed, with Student's interval; else it is Welch's.
    """
    # one run of a seed must be meant
    second_score = statement.second_score or statement.score
    for where, score in ((statement.first, statement.score), (statement.second, second_score)):
        runs = [] if where is None else chosen(content, where)
        of_seed = Counter(run["seed"] for run in runs if _has(run, score))
        if any(count > 1 for count in of_seed.values()):
            return Claim(statement.text, "several runs of one seed are recorded", NOT_DECIDED)

    # against 0
    first = _values(content, statement.first, statement.score)
    what, gap = "", estimate(list(first.values())) if first else None
    seeds = _seeds(len(first))

    # or against other runs
    if statement.second is not None:
        second = _values(content, statement.second, second_score)
        seeds = f"{len(first)} and {_seeds(len(second))}"
        what, gap = "difference ", None
        if first and first.keys() == second.keys():
            gap = estimate([first[seed] - second[seed] for seed in first])
            seeds = _seeds(len(first)) + (", seed by seed" if len(first) > 1 else "")
        elif first and second:
            gap = difference(list(first.values()), list(second.values()))

    # without a run there is nothing to decide
    if gap is None:
        return Claim(statement.text, "", NO_RUN)
    return Claim(
        statement.text,
        f"{_words(statement.score)}: {what}{interval(gap)}, {seeds}",
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
    runs = [record for record in chosen(content, where) if _has(record, score)]
    if score == DIVERGED:
        return {run["seed"]: float(run["status"] == "diverged") for run in runs}
    return {run["seed"]: score_value(run, score) for run in runs}


def _has(record: Record, score: str) -> bool:
    if score == DIVERGED:
        return record["status"] in ("finished", "diverged")
    return record["status"] == "finished" and has_score(record, [score])


def of_settings(settings: Settings, content: Sequence[Record]) -> list[Record]:
    """The runs of a table of settings."""
    return [
        record
        for record in content
        if str(setting(record, "choices.sweep") or "").startswith(settings.sweeps)
    ]


def settings_view(
    settings: Settings, content: Sequence[Record], anchors: Mapping[str, str]
) -> TableView | None:
    """The thesis's settings beside those of our runs; None without a run."""
    runs = of_settings(settings, content)
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
