"""What records say of runs, in words: each run, how it ended, its command, and where it ran."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab import records
from gan_lab.reporting.axes import Axes, assigned, key_of, label
from gan_lab.reporting.collection import Record
from gan_lab.reporting.comparable import differing_fields, leaves
from gan_lab.reporting.report.model import Cell, Link, RunView, TableView
from gan_lab.reporting.runs import Run
from gan_lab.reporting.tables.text import commit_text, number
from gan_lab.sweeps.cells import duration

_PROGRAMS = {"study.py": "scripts/study.py"}
_TONES = {"finished": "good", "diverged": "bad", "failed": "bad"}


def run_titles(runs: Sequence[Run], axes: Axes) -> dict[int, str]:
    """What each run was, by the axes and its seed: "loss=exp, penalty.weight=1, seed 0"."""
    titles = {}
    for run in runs:
        parts = [assigned(axes.fields, key_of(run, axes.fields))]
        if "seed" not in axes.fields and run.record.get("seed") is not None:
            parts.append(f"seed {run.record['seed']}")
        titles[id(run.record)] = ", ".join(filter(None, parts))
    return titles


def run_anchors(content: Iterable[Record]) -> dict[str, str]:
    """{id(record): the id of its place on the page}: a number, whatever its record calls it."""
    return {str(id(record)): f"run-{index}" for index, record in enumerate(content, start=1)}


def run_view(run: Run, title: str, anchor: str) -> RunView:
    """Everything that a page says of a run."""
    record = run.record
    scores = []
    for name, entry in (record.get("scores") or {}).items():
        spread = entry.get("std")
        beside = "" if spread is None else number(float(spread))
        scores.append((name, number(float(entry["value"])), beside, f"{entry['step']:,}"))
    return RunView(
        id=anchor,
        name=str(record["run_id"]),
        title=title,
        status=str(record["status"]),
        reason=str(record.get("reason") or ""),
        facts=tuple(_facts(record, run.run_dir)),
        scores=tuple(scores),
        command=command(record),
    )


def _facts(record: Record, run_dir: Path | None) -> Iterable[tuple[str, str]]:
    """(name, value) of what a record has."""
    if run_dir is not None:
        yield "folder", str(run_dir)
    for words, name, text in _FACTS:
        if record.get(name) is not None:
            yield words, text(record[name])
        if name == "created" and (steps := steps_text(record)) is not None:
            yield "steps", steps


def _data(dataset: Mapping[str, Any]) -> str:
    return f"{dataset['name']}, content hash {dataset['content_hash'][:12]}"


def _counts(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in values.items())


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _begun(time: str) -> str:
    return f"{time[:19].replace('T', ' ')} UTC"


def _time(seconds: Any) -> str:
    return duration(float(seconds))


def _speed(images: Any) -> str:
    return number(float(images))


def _memory(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"


_FACTS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("begun", "created", _begun),
    ("data", "dataset", _data),
    ("training time", "seconds", _time),
    ("real images a second", "images_per_second", _speed),
    ("peak memory", "peak_memory_bytes", _memory),
    ("parameters", "parameters", _counts),
    ("config hash", "config_hash", str),
    ("commit", "git", commit_text),
    ("packages", "packages", _listed),
    ("hardware", "hardware", _listed),
)
"""(words, field of a record, its value in words)."""


def steps_text(record: Record) -> str | None:
    """ "150 of 1,500", or None where a record does not say it."""
    done = record.get("generator_steps", record.get("steps"))
    if done is None:
        return None
    asked = (record.get("config") or {}).get("max_generator_steps")
    return f"{done:,}" + ("" if asked in (None, done) else f" of {asked:,}")


def command(record: Record) -> str:
    """The command that runs a cell again, quoted for a shell.

    Examples:
        >>> command({"command": ["train.py", "loss=exp", "data=a b"]})
        "python train.py loss=exp 'data=a b'"
    """
    # a run without a record of its own may have been started by its program's name alone
    typed = [str(part) for part in record.get("command") or []]
    if not typed and "config" not in record:
        typed = ["train.py"]
    if not typed:
        return ""

    # the program's place differs between machines, its place in the project does not
    program = Path(typed[0]).name if "=" not in typed[0] else "train.py"
    arguments = typed[1:] if "=" not in typed[0] else typed
    return shlex.join(["python", _PROGRAMS.get(program, program), *arguments])


# Tables of runs -----------------------------------------------------------------------------------


def overview(
    runs: Sequence[Run], axes: Axes, anchors: Mapping[str, str], scores: Sequence[str]
) -> TableView:
    """Every run, a line each, with some scores."""
    rows = []
    for run in runs:
        # what it was and how far it came, by numbers where a column is sorted by them
        record = run.record
        anchor = anchors[str(id(record))]
        keys = [Cell(text) for text in key_of(run, axes.fields)]
        seconds = record.get("seconds")
        steps = record.get("generator_steps", record.get("steps"))
        time = "" if seconds is None else duration(float(seconds))

        # a line leads to the whole record
        rows.append(
            (
                Cell(str(record["run_id"]), target=anchor),
                *keys,
                Cell(label(record.get("seed"))),
                Cell(str(record["status"]), tone=_TONES.get(record["status"], "muted")),
                Cell(steps_text(record) or "", steps),
                Cell(time, None if seconds is None else float(seconds)),
                *(_score_cell(record, name) for name in scores),
            )
        )
    header = ("run", *axes.fields, "seed", "status", "steps", "time", *scores)
    return TableView("Every run", (), header, tuple(rows))


def _score_cell(record: Record, name: str) -> Cell:
    entry = (record.get("scores") or {}).get(name)
    if entry is None:
        return Cell("–", tone="muted")
    value = float(entry["value"])
    return Cell(number(value), value if math.isfinite(value) else None)


def unfinished(
    runs: Sequence[Run], titles: Mapping[int, str], anchors: Mapping[str, str]
) -> TableView | None:
    """The runs that did not finish, and why; None where all finished."""
    rows = []
    for run in runs:
        record = run.record
        if record["status"] == "finished":
            continue
        status = str(record["status"])
        rows.append(
            (
                Cell(str(record["run_id"]), target=anchors[str(id(record))]),
                Cell(titles[id(record)]),
                Cell(status, tone=_TONES.get(status, "muted")),
                Cell(steps_text(record) or "–"),
                Cell(str(record.get("reason") or "–")),
            )
        )
    header = ("run", "what it was", "status", "steps", "reason")
    return TableView("Runs that did not finish", (), header, tuple(rows)) if rows else None


def settings(content: Sequence[Record]) -> TableView | None:
    """The fields of the config that differ, with how many runs have each value."""
    rows = []
    for name, values in differing_fields(content).items():
        counts = Counter(map(label, values))
        text = ", ".join(f"{value} ({count})" for value, count in sorted(counts.items()))
        rows.append(
            (Cell(name.removeprefix("config.")), Cell(str(len(counts)), len(counts)), Cell(text))
        )
    if not rows:
        return None
    header = ("field", "values", "each value and its number of runs")
    return TableView("Settings that differ", (), header, tuple(rows))


def shared(content: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    """(field, value) of the config that all runs have alike."""
    if not content:
        return ()
    differing = differing_fields(content)
    fields = leaves(records.identity(content[0]["config"]), "config")
    same = [(name, value) for name, value in sorted(fields.items()) if name not in differing]
    return tuple((name.removeprefix("config."), label(value)) for name, value in same)


def versions(content: Sequence[Record], anchors: Mapping[str, str]) -> TableView:
    """Each combination of code, packages and hardware, and the runs that ran there."""
    # runs that differ in none of the three are one line
    by_place: dict[tuple[str, str, str], list[Record]] = {}
    for record in content:
        packages, hardware = (_listed(record.get(name) or {}) for name in ("packages", "hardware"))
        by_place.setdefault((commit_text(record.get("git") or {}), packages, hardware), []).append(
            record
        )

    # a link to each run would be longer than the table
    rows = tuple(
        (
            Cell(commit),
            Cell(packages or "–"),
            Cell(hardware or "–"),
            Cell(
                str(len(runs)),
                len(runs),
                links=(Link("the first", anchors[str(id(runs[0]))]),),
            ),
        )
        for (commit, packages, hardware), runs in by_place.items()
    )
    header = ("commit", "packages", "hardware", "runs")
    return TableView("Code, versions and hardware", (), header, rows)
