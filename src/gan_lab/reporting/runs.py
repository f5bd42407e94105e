"""The runs below any folder, also those without a whole record.

None of a sweep is lost on the way to its table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab import records, sweeps
from gan_lab.errors import DamagedFile, UserError
from gan_lab.reading import plain_yaml
from gan_lab.records import folder as names
from gan_lab.records import versions
from gan_lab.records.record import ALLOWANCES
from gan_lab.reporting.collection import (
    ABSENT,
    Record,
    check_record,
    selected,
    setting,
    warn,
    with_history_about,
)


@dataclass(frozen=True)
class Run:
    """A run and where it stands.

    Args:
        record: as of today (records.updated). Of a run that ended before it had a record of its
            own, or has not begun, it has no "config", and its "choices" are what was typed.
        run_dir: None of a record in a folder of collected ones.
    """

    record: Record
    run_dir: Path | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its config is known."""
        return "config" in self.record


@dataclass(frozen=True)
class Found:
    """The runs below some folders.

    Args:
        runs: each once, in the order of their names.
        damaged: one line for each run whose record cannot be read.
    """

    runs: tuple[Run, ...]
    damaged: tuple[str, ...] = ()

    @property
    def records(self) -> list[Record]:
        """The records of the runs whose config is known."""
        return [run.record for run in self.runs if run.is_whole]


def read_runs(
    folders: Sequence[Path],
    select: Mapping[str, Any] | None = None,
    allow: Collection[str] = ALLOWANCES,
    report: Callable[[str], None] = warn,
) -> Found:
    """Read every run below the folders, whatever became of it, in the order of their names.

    Args:
        folders: each a run directory, a folder of them (a sweep), or a folder of collected records.
        select: as collection.selected takes it.
        allow: see records.check_citable; by default everything: a table of work in progress says
            what is what.
        report: called with one line for each damaged record.

    Raises:
        UserError: names a folder without runs, a record that may not be used, and where `select`
            leaves nothing.
    """
    if not folders:
        raise UserError(
            "runs is not set: name a folder of run directories or of records, as runs=outputs/mine"
        )

    # every run stands once, in whatever folders it is
    runs: dict[Path, Run] = {}
    damaged: list[str] = []
    for folder in folders:
        for path, is_run_dir in _records_below(folder):
            try:
                runs.setdefault(path.resolve(), _read(path, is_run_dir, allow))
            except DamagedFile as error:
                report(f"passed over: {error}")
                damaged.append(str(error))

        # cells that no process has begun have no folder yet; their sweep's plan names them
        for cell in _waiting(folder):
            run = _without_record(cell.run_dir, "waiting", cell.overrides, None, allow)
            runs.setdefault(cell.run_dir.resolve(), run)

    if not runs:
        raise UserError(damaged[0])

    # a run without a config is left out only where what was typed says so
    whole = selected([run.record for run in runs.values() if run.is_whole], select)
    kept = {id(record) for record in whole}
    chosen = [
        run
        for run in runs.values()
        if id(run.record) in kept or (not run.is_whole and _may_be(run, select))
    ]

    return Found(tuple(chosen), tuple(damaged))


def _records_below(folder: Path) -> list[tuple[Path, bool]]:
    """Find the records of a folder.

    Returns:
        (file of a record, whether it stands in its run directory).

    Raises:
        UserError: there is none.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder}: there is no such folder; "
            "name one of run directories, or of collected records"
        )

    # run directories first: files beside them, as those of a sweep, are no collected records
    if of_run_dirs := sorted(folder.rglob(names.RECORD)):
        return [(path, True) for path in of_run_dirs]

    # a sweep whose cells all wait has neither, and is no mistake
    collected = sorted(folder.glob("*.json"))
    if not collected and not _waiting(folder):
        raise UserError(
            f"{folder}: there is no {names.RECORD} below it, and no collected record in it; "
            "name a folder of run directories"
        )
    return [(path, False) for path in collected]


def _read(path: Path, is_run_dir: bool, allow: Collection[str]) -> Run:
    """Read one record. Raises DamagedFile, and UserError for a record that may not be used."""
    record = records.read(path.parent).content if is_run_dir else records.read_content(path)
    run_dir = path.parent if is_run_dir else None

    # a run that ended before it had a config left its command line alone
    if "config" not in record and record.get("status") in records.STATUSES:
        overrides = [part for part in record.get("command") or [] if "=" in part]
        return _without_record(
            path.parent, str(record["status"]), overrides, record.get("reason"), allow
        )

    check_record(record, str(path), allow)
    return Run(with_history_about(records.updated(record)), run_dir)


def _waiting(folder: Path) -> list[sweeps.SweepCell]:
    """The cells of sweeps in or below a folder that have not begun."""
    waiting: list[sweeps.SweepCell] = []
    for plans in sorted(folder.rglob(names.PLANS)):
        with suppress(UserError):  # a call has taken its plan back, and nothing else is there
            waiting += [cell for cell in sweeps.read_cells(plans.parent) if cell.state == "waiting"]
    return waiting


def _without_record(
    run_dir: Path, status: str, overrides: Sequence[str], reason: str | None, allow: Collection[str]
) -> Run:
    """Make a run that has no record of its own: what was typed stands for its choices.

    Raises:
        UserError: runs that did not finish are not allowed.
    """
    if "unfinished" not in allow:
        raise UserError(
            f"{run_dir}: unfinished: it is {status}, without a record; "
            "train it, or add allow=[unfinished]"
        )

    # no more than tables read of a run without scores
    typed = {versions.new_name(name): value for name, value in map(_assigned, overrides)}
    seed = typed.get("seed")
    record = {
        "run_id": run_dir.name,
        "status": status,
        "reason": reason,
        "choices": typed,
        "seed": seed if isinstance(seed, int) else None,
        "command": list(overrides),
    }

    return Run(record, run_dir)


def _assigned(override: str) -> tuple[str, Any]:
    """The name in what was typed, and its value as a config would hold it; what is no value, as
    several of them, stays a text."""
    name, _, text = override.lstrip("+").partition("=")
    try:
        return name, plain_yaml.parsed(text)
    except UserError:
        return name, text


def _may_be(run: Run, select: Mapping[str, Any] | None) -> bool:
    """Whether `select` agrees with what is known of a run without a config."""
    known = {
        name: value
        for name, value in (select or {}).items()
        if setting(run.record, versions.new_name(name), ABSENT) is not ABSENT
    }
    try:
        return bool(selected([run.record], known))
    except UserError:
        return False
