"""A sweep's directory: which cells it has and what became of each. Torch-free.

Hydra tells nobody of a sweep which of its jobs failed but the first; the records in its directory
do.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from gan_lab import records
from gan_lab.errors import UserError
from gan_lab.files import open_regular, parse_json, read_json, refuse_links, write_atomically
from gan_lab.reading.schema import misfit
from gan_lab.records import folder, versions
from gan_lab.records.record import Logged

CELLS = ".cells"  # in the sweep's directory: a file for each call, what its cells were
STATES = ("finished", "running", "silent", "waiting", "diverged", "failed", "interrupted")
MISSING = ("silent", "waiting", "failed", "interrupted")  # what existing_run=resume would run
SENT: set[Path] = set()  # directories of sweeps whose jobs go on without this process
_SILENT_SECONDS = 120.0  # at least
_SILENT_INTERVALS = 20.0  # of the time between two lines of metrics.jsonl


@dataclass(frozen=True)
class Cell:
    """One run of a sweep, as its directory shows it."""

    run_dir: Path
    overrides: tuple[str, ...]
    state: str  # one of STATES; "silent": said to be running, but nothing was written for long
    reason: str | None = None
    step: int = 0
    max_step: int | None = None
    seconds: float | None = None  # of training
    eta: float | None = None  # seconds; of a running cell
    score: str | None = None


# What a call is about to run ----------------------------------------------------------------------


def check_place(folder: Path) -> None:
    """Refuse what is in the way of a folder of a sweep: its own, or a cell's. Raises UserError."""
    too_long = next((part for part in folder.parts if len(os.fsencode(part)) > 255), None)
    if too_long is not None:
        raise UserError(
            f"{too_long[:60]}... is too long for a folder's name: set a shorter hydra.sweep.subdir"
        )
    if folder.is_symlink():
        raise UserError(f"{folder} is a link: remove it, or name another hydra.sweep.dir")
    for one in (folder, *folder.parents):
        if one.exists() and not one.is_dir():
            raise UserError(
                f"{one} is a file, where a folder is made: remove it, or name another place"
            )


def check_own_files(sweep_dir: Path) -> None:
    """Refuse what is in the way of a sweep's own files. Raises UserError."""
    check_place(sweep_dir / CELLS)
    if (sweep_dir / "multirun.yaml").is_symlink():
        raise UserError(
            f"{sweep_dir / 'multirun.yaml'} is a link: remove it, or name another hydra.sweep.dir"
        )


def note_cells(sweep_dir: Path, cells: Mapping[str, Sequence[str]]) -> Path:
    """Leave in the sweep's directory what {sub-directory: overrides} it is going to run. Returns
    the file."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(3)}.json"
    content = {"cells": {subdir: list(overrides) for subdir, overrides in cells.items()}}
    write_atomically(sweep_dir / CELLS / name, json.dumps(content, indent=1) + "\n")
    return sweep_dir / CELLS / name


def forget(noted: Path) -> None:
    """Take back what `note_cells` wrote."""
    noted.unlink(missing_ok=True)
    with suppress(OSError):  # not empty
        noted.parent.rmdir()


def note_failed(
    run_dir: Path, overrides: Sequence[str], reason: str, status: str = "failed"
) -> None:
    """Keep how a cell ended that may not have said so itself: in its record, unless one stands
    there that has ended.

    That one may be of an earlier call, or of another run; `with_failures` tells the difference.
    """
    _failed[run_dir] = reason
    with suppress(
        OSError
    ):  # no room, no permission, or no such name: `with_failures` knows it still
        _keep(run_dir, overrides, reason, status)


def _keep(run_dir: Path, overrides: Sequence[str], reason: str, status: str) -> None:
    if run_dir.is_symlink():  # what it leads to is of no sweep: see check_place
        return
    if (run_dir / folder.RECORD).exists():
        try:
            record = records.read(run_dir)
        except UserError:  # it is damaged, which the table says
            return
        if record["status"] != "running":
            return
    else:  # before it had a record
        record = records.RunRecord(
            run_dir, {"version": versions.VERSION, "command": list(overrides)}
        )
    record.update(status=status, reason=reason)


_failed: dict[Path, str] = {}  # by run directory; of this process


def with_failures(cells: Iterable[Cell]) -> list[Cell]:
    """The cells, those that failed in this process told so even where an older record stands in
    their folder."""
    return [
        replace(cell, state="failed", reason=_failed[cell.run_dir])
        if cell.run_dir in _failed and cell.state in ("finished", "running", "silent", "waiting")
        else cell
        for cell in cells
    ]


# What became of it --------------------------------------------------------------------------------


def read_cells(sweep_dir: Path, now: float | None = None) -> list[Cell]:
    """Every cell below a directory, in the order of their names: those with a record, and those
    that wait for one.

    now: seconds since the epoch. Raises UserError where there is no cell.
    """
    now = time.time() if now is None else now
    if not sweep_dir.is_dir():
        raise UserError(
            f"{sweep_dir}: there is no such folder; name the directory of a sweep (hydra.sweep.dir)"
        )
    planned, damaged = _planned(sweep_dir)
    places = planned.keys() | {path.parent for path in sweep_dir.rglob(folder.RECORD)}
    if not places and not damaged:
        raise UserError(
            f"{sweep_dir}: there is no {folder.RECORD} below it; name the directory of a sweep"
        )
    found = [read_cell(place, planned.get(place), now) for place in sorted(places, key=_natural)]
    return [*found, *(Cell(path, (), "failed", reason) for path, reason in damaged.items())]


def read_cell(run_dir: Path, overrides: Sequence[str] | None, now: float) -> Cell:
    """The cell in `run_dir`. overrides: what it was asked for, None where only its record says."""
    path = run_dir / folder.RECORD
    try:
        check_place(run_dir)
        refuse_links(run_dir)
        if not path.exists():
            return Cell(run_dir, tuple(overrides or ()), "waiting")
        record = records.read_content(path)
    except (UserError, OSError) as error:
        return Cell(run_dir, tuple(overrides or ()), "failed", str(error))
    command = [str(part) for part in record.get("command") or [] if "=" in str(part)]
    config = record.get("config") or {}
    state, step, seconds, eta = (
        record.get("status"),
        record.get("generator_steps") or 0,
        record.get("seconds"),
        None,
    )
    reason = record.get("reason")
    if state not in records.STATUSES:
        state, reason = "failed", f"no status {state!r}"
    if state == "running":
        logged = _last_step(run_dir / folder.METRICS)
        done, began = record.get("resumed_from_step") or 0, _changed(run_dir / folder.CONFIG)
        step = max(done, logged)
        elapsed = max(0.0, _changed(run_dir / folder.METRICS) - began)
        seconds = elapsed + (seconds or 0.0)
        per_step = elapsed / (step - done) if step > done else None
        silent = now - max(_changed(run_dir / name) for name in _SIGNS)
        interval = (per_step or 0.0) * config.get("log_every", 1)
        if silent > max(_SILENT_SECONDS, _SILENT_INTERVALS * interval):
            state, reason = (
                "silent",
                f"nothing written for {duration(silent)}: its process may be gone",
            )
        elif per_step is not None and "max_generator_steps" in config:
            eta = per_step * (config["max_generator_steps"] - step)
    return Cell(
        run_dir,
        tuple(overrides if overrides is not None else command),
        str(state),
        reason,
        step,
        config.get("max_generator_steps"),
        seconds,
        eta,
        _headline(record),
    )


def summary(cells: Iterable[Cell]) -> str:
    """ "12 cells: 10 finished, 1 diverged, 1 interrupted"."""
    counts = Counter(cell.state for cell in cells)
    parts = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    return f"{counts.total()} cell{'s' if counts.total() != 1 else ''}: {parts}"


def ending(sweep_dir: Path, cells: Sequence[Cell], go_on: bool = False) -> list[str]:
    """What to say at the end of a sweep: counts, the reason of every cell that is not finished,
    what to do.

    go_on: its jobs may still run, or wait for their turn, without it.
    """
    lines = [f"{sweep_dir}: {summary(cells)}"]
    common = shared(cell.overrides for cell in cells)
    for cell in cells:
        if cell.state != "finished":
            what = telling(cell.overrides, common) or "as asked"
            lines.append(
                f"  {cell.state:<11} {cell.run_dir.name}  {what}"
                + (f": {cell.reason}" if cell.reason else "")
            )
    if go_on and any(cell.state in ("running", "silent", "waiting") for cell in cells):
        lines.append(
            "jobs that were sent go on; see them with: python scripts/status.py "
            f"{shlex.quote(str(sweep_dir))}"
        )
    elif any(cell.state in MISSING for cell in cells):
        lines.append(
            "the same command runs what is missing (with existing_run=resume, into the same "
            "hydra.sweep.dir)"
        )
    return lines


def shared(of_all: Iterable[Iterable[str]]) -> frozenset[str]:
    """The overrides that all cells have."""
    sets = [frozenset(overrides) for overrides in of_all]
    return frozenset.intersection(*sets) if len(sets) > 1 else frozenset()


def telling(overrides: Sequence[str], common: Collection[str]) -> str:
    """Those of a cell's overrides that not all cells share, in one line. common: of `shared`."""
    return " ".join(override for override in overrides if override not in common)


def typed(overrides: Iterable[str]) -> list[str]:
    """Without Hydra's own."""
    return [override for override in overrides if not override.startswith(("hydra.", "hydra/"))]


def duration(seconds: float) -> str:
    """ "45 s", "12 min", "3:05 h"."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02} h"


_SIGNS = (
    folder.METRICS,
    folder.RECORD,
    folder.CONFIG,
    folder.CHECKPOINTS,
    folder.SAMPLES,
    folder.OUTPUT,
)


class _Plan(TypedDict):
    """A file of `note_cells`."""

    cells: dict[str, list[str]]


def _planned(sweep_dir: Path) -> tuple[dict[Path, list[str]], dict[Path, str]]:
    """What all calls together were going to run, the newest one decides what a cell is; and why
    files say nothing."""
    planned: dict[Path, list[str]] = {}
    damaged: dict[Path, str] = {}
    for path in sorted((sweep_dir / CELLS).glob("*.json")):
        try:
            content = read_json(path)
            if wrong := misfit(content, _Plan):
                raise ValueError(wrong)
            if outside := next(
                (subdir for subdir in content["cells"] if not _is_below(subdir)), None
            ):
                raise ValueError(f"{outside[:60]!r} is no folder in the sweep's")
        except FileNotFoundError:  # that call has just taken its plan back
            continue
        except (OSError, ValueError) as error:
            damaged[path] = f"the cells of a call are not known ({error}): remove {path}"
            continue
        planned |= {sweep_dir / subdir: overrides for subdir, overrides in content["cells"].items()}
    return planned, damaged


def _is_below(subdir: str) -> bool:
    """Whether a name in a plan is of a folder below the sweep's, and can be one."""
    parts = Path(subdir).parts
    return not Path(subdir).is_absolute() and all(
        part != ".." and "\0" not in part and len(os.fsencode(part)) <= 255 for part in parts
    )


def _last_step(path: Path) -> int:
    """The generator step of the last whole line of metrics.jsonl; 0 where there is none."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 65536))
            lines = file.read(65536).split(b"\n")
    except (OSError, UserError):
        return 0
    for line in reversed(lines):
        with suppress(ValueError):
            if misfit(logged := parse_json(line), Logged) is None:
                return int(logged["generator_step"])
    return 0


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _headline(record: Mapping[str, Any]) -> str | None:
    """One score: the FID where there is one, of the end or else the newest on the way."""
    scores = {name: entry["value"] for name, entry in (record.get("scores") or {}).items()}
    for name, points in (record.get("history") or {}).items() if not scores else ():
        if points and "." not in name:
            scores[name] = points[-1][1]
    name = min(
        scores,
        key=lambda name: (not name.startswith("fid"), not name.startswith("is")),
        default=None,
    )
    if name is None:
        return None
    value = scores[name]
    return f"{name} {value:.4g}" if isinstance(value, int | float) else f"{name} {value}"


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """Sorts 2 before 10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in path.parts]
