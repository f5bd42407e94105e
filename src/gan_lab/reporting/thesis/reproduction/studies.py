"""Studies beside the thesis: tables by the generic code, and statements that intervals decide."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.reporting.axes import Axes, label
from gan_lab.reporting.collection import ABSENT, Record, agree, is_study, setting, studied_data
from gan_lab.reporting.figures.critic_outputs import DRIFT, Drift, Outputs, has_outputs
from gan_lab.reporting.report.model import Cell, Claim, Link, TableView
from gan_lab.reporting.report.tables import table_views
from gan_lab.reporting.runs import Found, Run
from gan_lab.reporting.scores import counts_in_mean, has_score, score_value
from gan_lab.reporting.tables.statistics import difference, estimate
from gan_lab.reporting.tables.sweep import sweep_table
from gan_lab.reporting.tables.sweep_sheet import NO_DIRECTION
from gan_lab.reporting.tables.text import NOTHING, interval, number
from gan_lab.reporting.thesis.orders import HOLDS, NO_RUN, NOT_DECIDED, REVERSED, verdict
from gan_lab.reporting.thesis.reproduction import words
from gan_lab.reporting.thesis.reproduction.items import (
    Answers,
    Settings,
    Statement,
    StudyTable,
    Where,
)
from gan_lab.reporting.thesis.reproduction.words import DIVERGED

_LENGTHS = {  # fields that say how long a run is
    "study.max_steps": "steps",
    "study.epochs": "epochs",
    "max_generator_steps": "generator steps",
}
_OF_STUDY = re.compile(r"Data: study (\w+)\. Code: (.+)\.")  # a note of the generic table
_ALSO = "Cells differ in more than rows and columns: "  # likewise
_BY_LAG = ("temporal", "spatial")  # Tables 3-1 and 3-2
_FEWEST = 3  # numbers that a drawing says more of than a table
_NO_PROTOCOL = "extractor None, no network; 0 samples"  # of what with_more adds
_LEVEL = 0.05  # of a test
_EXACT = 1e-6  # the largest error of a closed form that is right: what minimising leaves


# Records ------------------------------------------------------------------------------------------


def with_more(record: Record) -> Record:
    """Add what a record comes to beside its scores: of the critic's outputs over training, of its
    last step, of growth that is nearly 1, and of correlations by lag. A study's folder of images
    without a name gets the folder's."""
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

    # a mean over lags hides the largest of them
    for name in _BY_LAG:
        values = [x for x in (record.get("drawn") or {}).get(name) or () if x is not None]
        if values:
            measured[f"{name}_largest"] = max(map(abs, values))

    step = record.get("generator_steps") or record.get("steps") or 0
    about: dict[str, Any] = {"std": None, "n_samples": 0, "step": step, "extractor": {}}
    added = {name: {"value": value} | about for name, value in measured.items()}
    named = _named(record) if is_study(record) else record
    return named | {"scores": (record.get("scores") or {}) | added}


def _named(record: Record) -> Record:
    """The record of a study with the name of its folder of images."""
    data = (record.get("config") or {}).get("dataset") or {}
    roots = [
        part.partition("=")[2]
        for part in record.get("command") or ()
        if part.startswith("dataset.root=")
    ]
    if not data or data.get("name") or not roots:
        return record
    name = PurePath(roots[-1]).name
    return record | {"config": record["config"] | {"dataset": data | {"name": name}}}


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


def facts_of(runs: Sequence[Record], published: Mapping[str, Any] | None = None) -> str:
    """How many seeds ran how long, as "3 seeds, 6,000 steps".

    Args:
        runs: any.
        published: as `differences`, which names a length that is another than the thesis's.
    """
    if not runs:
        return ""
    facts = [_seeds(len({run["seed"] for run in runs}))]
    for name, unit in _LENGTHS.items():
        if name in (published or {}) and differences({name: (published or {})[name]}, runs):
            continue
        lengths = {setting(run, name, ABSENT) for run in runs} - {ABSENT, None}
        if lengths:
            facts.append(f"{' and '.join(f'{x:,}' for x in sorted(lengths))} {unit}")
    return ", ".join(facts)


def differences(published: Mapping[str, Any], runs: Sequence[Record]) -> list[str]:
    """The fields in which runs have another value than the thesis, with both."""
    lines = []
    for name, wanted in published.items():
        values = [_value(run, name) for run in runs]
        if not all(_is_meant(value, wanted) for value in values):
            ours = ", ".join(sorted({words.option(name, label(value)) for value in values}))
            theirs = wanted if isinstance(wanted, tuple) else (wanted,)
            thesis = " and ".join(words.option(name, label(value)) for value in theirs)
            lines.append(f"{words.field(name)} {ours} (thesis: {thesis})")
    return lines


def _value(run: Record, name: str) -> Any:
    return studied_data(run) if name == "dataset.name" else setting(run, name)


# Tables -------------------------------------------------------------------------------------------


def runs_of(study: StudyTable, content: Sequence[Record]) -> Sequence[Record]:
    """The runs that a table of studies is made of; none where one that it needs is missing."""
    runs = chosen(content, study.select)
    return runs if chosen(runs, study.needs) else []


def study_views(
    study: StudyTable, content: Sequence[Record], anchors: Mapping[str, str]
) -> tuple[list[TableView], list[str]]:
    """The tables of a study, and what could not be shown; both empty without a record."""
    runs = runs_of(study, content)
    if not runs:
        return [], []
    found = Found(tuple(map(Run, runs)))
    try:
        table = sweep_table(found, Axes(study.rows, study.columns, study.facet), study.scores)
    except UserError as error:
        return [], [str(error)]

    # the published number stands with the table's notes: it has no protocol of ours
    views = [_in_words(view, study, runs) for view in table_views(table, anchors)]
    notes = [f"{words.score(name)}, published: {text}." for name, text in study.published.items()]
    notes += [*study.notes, *_alike(study, runs)]
    if not study.columns and not study.facet:
        meanings = [line for name in study.scores for line in words.meaning(name)]
        return [_beside(views, study, [*notes, *meanings])], []

    # what is said of all tables stands with the first
    shown = []
    for index, (view, block) in enumerate(zip(views, table.blocks, strict=True)):
        said = [*(notes if index == 0 else ()), *words.meaning(block.score)]
        shown.append(replace(view, notes=(*said, *view.notes)))
    return shown, []


def _alike(study: StudyTable, runs: Sequence[Record]) -> list[str]:
    """What the runs were set to, where that is not in rows or columns; several values are listed.

    Of a run without a field (spectral normalisation has no λ) nothing is said.
    """
    said = []
    for name in study.alike:
        values = {label(value) for run in runs if (value := setting(run, name)) is not None}
        if values:
            listed = " and ".join(words.option(name, value) for value in sorted(values))
            said.append(f"{words.field(name)} {listed}")
    return [f"In all runs: {', '.join(said)}."] if said else []


def _in_words(view: TableView, study: StudyTable, runs: Sequence[Record]) -> TableView:
    """The heading, the rows and the columns of a table in words; the file keeps the names."""
    *facet, score = view.title.split(", ")
    dots = view.dots
    if dots and sum(len(line.dots) for line in dots.lines) < _FEWEST:
        dots = None
    if dots:
        dots = replace(
            dots,
            legend=tuple(map(words.assigned, dots.legend)),
            lines=tuple(
                replace(
                    line,
                    label=(name := words.options(study.rows, line.label)),
                    dots=tuple(
                        replace(dot, text=name + dot.text.removeprefix(line.label))
                        for dot in line.dots
                    ),
                )
                for line in dots.lines
            ),
        )
    return replace(
        view,
        title=", ".join((*map(words.assigned, facet), words.score(score))),
        notes=tuple(_notes(view, runs)),
        header=(words.fields(view.header[0]), *map(words.assigned, view.header[1:])),
        rows=tuple(
            (
                replace(first, text=words.options(study.rows, first.text)),
                *(_exact(cell) if study.is_exact else cell for cell in rest),
            )
            for first, *rest in view.rows
        ),
        dots=dots,
    )


def _exact(cell: Cell) -> Cell:
    """A number that has no interval because no seed has a part in it."""
    return replace(cell, text=cell.text.replace(" (1 seed: no interval)", ""))


def _notes(view: TableView, runs: Sequence[Record]) -> list[str]:
    """The notes of a table that say something here, in words."""
    # a study is named, and the data set that it took
    lines = []
    data = {words.source(studied_data(run)) for run in runs if setting(run, "choices.dataset")}
    on = f" on {' and '.join(sorted(data))}" if data else ""
    for line in view.notes:
        if line == NO_DIRECTION or _NO_PROTOCOL in line:
            continue
        if found := _OF_STUDY.fullmatch(line):
            name, code = found.groups()
            line = f"Study: {words.source(name)}{on}. Code: commit {code}."
        elif line.startswith(_ALSO):
            line = "Rows or columns differ in this, too: " + words.settings(line[len(_ALSO) :])
        lines.append(line)
    return lines


def _beside(views: Sequence[TableView], study: StudyTable, notes: Sequence[str]) -> TableView:
    """The tables of several scores, which have one column each, as one with a column for each."""
    # a direction is that of a score
    lines: dict[str, None] = {}
    for view, score in zip(views, study.scores, strict=True):
        for line in view.notes:
            better = line.startswith(("Higher is better", "Lower is better"))
            said = f"{words.score(score)}: {line[0].lower()}{line[1:]}" if better else line
            lines[said] = None

    # the drawing is that of the first
    first = views[0]
    name = words.score(study.scores[0])
    return TableView(
        title="",
        notes=(*notes, *lines),
        header=(first.header[0], *map(words.score, study.scores)),
        rows=tuple(
            (cells[0][0], *(cell for _, cell in cells))
            for cells in zip(*(view.rows for view in views), strict=True)
        ),
        csv=first.csv + "".join(view.csv.partition("\n")[2] for view in views[1:]),
        file=f"{safe_name('_'.join(study.scores))[:60]}.csv",
        dots=first.dots and replace(first.dots, alt=f"{name}, drawn", caption=name),
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
    return TableView("", (*answers.notes, note), header, tuple(rows)), claims


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
    difference is taken seed by seed, with Student's interval; else it is Welch's. How many runs
    diverged is a count, for which no such interval is right: Fisher's exact test decides.
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
        if statement.score == DIVERGED and first and second:
            return _counted(statement, list(first.values()), list(second.values()))
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
        f"{words.score(statement.score)}: {what}{interval(gap)}, {seeds}",
        verdict(gap, higher=statement.higher),
    )


def _counted(statement: Statement, first: Sequence[float], second: Sequence[float]) -> Claim:
    """Decide a statement about which runs diverge more often, 1 for each that did."""
    a, b, n, m = int(sum(first)), int(sum(second)), len(first), len(second)
    p = _fisher(a, n, b, m)
    word = NOT_DECIDED
    if p <= _LEVEL:
        word = HOLDS if (a / n > b / m) == statement.higher else REVERSED
    ours = f"{a} of {n} runs diverged, beside {b} of {m}; Fisher's exact test: p = {p:.2g}"
    return Claim(statement.text, ours, word)


def _fisher(a: int, n: int, b: int, m: int) -> float:
    """The two-sided p of a of n beside b of m: of all ways to spread a + b, those no likelier."""
    total = a + b
    ways = [
        math.comb(n, x) * math.comb(m, total - x)
        for x in range(max(0, total - m), min(n, total) + 1)
    ]
    seen = math.comb(n, a) * math.comb(m, b)
    return sum(way for way in ways if way <= seen) / sum(ways)


def _seed(record: Record) -> int:
    return int(record["seed"])


def _seeds(count: int) -> str:
    return f"{count} seed" + ("" if count == 1 else "s")


def _values(content: Sequence[Record], where: Where, score: str) -> dict[int, float]:
    """{seed: the score} of the finished runs that are meant."""
    runs = [record for record in chosen(content, where) if _has(record, score)]
    if score == DIVERGED:
        return {run["seed"]: float(run["status"] == "diverged") for run in runs}
    return {run["seed"]: score_value(run, score) for run in runs}


def _has(record: Record, score: str) -> bool:
    if score == DIVERGED:
        return record["status"] in ("finished", "diverged")
    return counts_in_mean(record, [score])


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
                    Cell(words.option("optimizer", optimizer)),
                    Cell(words.field(f"optimizer.{name}")),
                    Cell(label(published)),
                    Cell(", ".join(ours) or "no run", links=links),
                    Cell(word, tone=tone),
                )
            )

    header = ("optimizer", "setting", "published", "ours", "verdict")
    return TableView("Settings", (), header, tuple(rows))
