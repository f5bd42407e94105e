"""What became of each cell of a sweep, as its run directory says, and the words for it. Torch-free.

Hydra tells nobody of a sweep which of its jobs failed but the first;
the records in its directory do.
"""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_lab import records
from gan_lab.errors import UserError
from gan_lab.files import open_regular, parse_json, refuse_links
from gan_lab.reading.schema import misfit
from gan_lab.records import folder, versions
from gan_lab.records.record import Logged
from gan_lab.sweeps.plans import check_place, read_plans

STATES = ("finished", "running", "silent", "waiting", "diverged", "failed", "interrupted")
MISSING = ("silent", "waiting", "failed", "interrupted")  # what existing_run=resume would run
OPEN = ("running", "silent", "waiting")  # may still change

_SILENT_SECONDS = 120.0  # at least
_SILENT_INTERVALS = 20.0  # of the time between two lines of metrics.jsonl
_TAIL_BYTES = 65536  # of metrics.jsonl, in which its last line is looked for

# what a running cell writes to, so that their times say when it was last alive
_SIGNS = (
    *(folder.METRICS, folder.RECORD, folder.CONFIG),
    *(folder.CHECKPOINTS, folder.SAMPLES, folder.OUTPUT),
)


@dataclass(frozen=True)
class SweepCell:
    """One run of a sweep, as its directory shows it.

    Args:
        run_dir: its directory.
        overrides: what was asked for.
        state: one of STATES; "silent": its record says running, but nothing was written for long,
            and no process of this machine is at work there.
        reason: why it is not finished, where that is known.
        step: generator steps done.
        max_step: generator steps to do; None where it has no record.
        seconds: of training.
        eta: seconds to the end of a running cell.
        score: one score in words.
    """

    run_dir: Path
    overrides: tuple[str, ...]
    state: str
    reason: str | None = None
    step: int = 0
    max_step: int | None = None
    seconds: float | None = None
    eta: float | None = None
    score: str | None = None


# What a folder says -------------------------------------------------------------------------------


def read_cells(sweep_dir: Path, now: float | None = None) -> list[SweepCell]:
    """Every cell below a directory, in the order of their names: those with a record, and those
    that wait for one.

    The directory may be that of one sweep, of several, or of single runs.

    Args:
        sweep_dir: where to look.
        now: seconds since the epoch; None: of the clock.

    Raises:
        UserError: where there is no cell.
    """
    now = time.time() if now is None else now
    if not sweep_dir.is_dir():
        raise UserError(
            f"{sweep_dir}: there is no such folder; name the directory of a sweep (hydra.sweep.dir)"
        )

    # a run may be older than plans, or have been made without a sweep
    planned, damaged = read_plans(sweep_dir)
    run_dirs = planned.keys() | {path.parent for path in sweep_dir.rglob(folder.RECORD)}
    if not run_dirs and not damaged:
        raise UserError(
            f"{sweep_dir}: there is no {folder.RECORD} below it; name the directory of a sweep"
        )

    # a damaged plan may hide cells, so it takes the place of one in the table
    cells = [
        read_cell(run_dir, planned.get(run_dir), now) for run_dir in sorted(run_dirs, key=_natural)
    ]
    return [*cells, *(SweepCell(path, (), "failed", reason) for path, reason in damaged.items())]


def read_cell(run_dir: Path, overrides: Sequence[str] | None, now: float) -> SweepCell:
    """The cell in a run directory. Whatever is wrong there is a failed cell, never an error.

    Args:
        run_dir: its directory.
        overrides: what it was asked for; None where only its record says so.
        now: seconds since the epoch.
    """
    # a link, a damaged record or a file in its place concerns this cell alone
    path = run_dir / folder.RECORD
    try:
        check_place(run_dir)
        refuse_links(run_dir)
        if not path.exists():
            return SweepCell(run_dir, tuple(overrides or ()), "waiting")
        record = records.read_content(path)
    except (UserError, OSError) as error:
        return SweepCell(run_dir, tuple(overrides or ()), "failed", str(error))

    # what every record says
    if overrides is None:
        overrides = [str(part) for part in record.get("command") or [] if "=" in str(part)]
    facts: dict[str, Any] = {
        "state": str(record.get("status")),
        "reason": record.get("reason"),
        "step": record.get("generator_steps") or 0,
        "seconds": record.get("seconds"),
    }

    if facts["state"] not in records.STATUSES:
        facts |= {"state": "failed", "reason": f"no status {record.get('status')!r}"}

    # a record is not written at every step: how far a running cell is, its other files say
    if facts["state"] == "running":
        facts |= _progress(run_dir, record, now)

    return SweepCell(
        run_dir,
        tuple(overrides),
        max_step=(record.get("config") or {}).get("max_generator_steps"),
        score=_headline(record),
        **facts,
    )


def _progress(run_dir: Path, record: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The fields of a running SweepCell that its record does not know."""
    config = record.get("config") or {}
    metrics = run_dir / folder.METRICS

    # config.yaml is written as this part of the run begins; only its steps tell the speed
    before = record.get("resumed_from_step") or 0
    step = max(before, _last_step(metrics))
    elapsed = max(0.0, _changed(metrics) - _changed(run_dir / folder.CONFIG))
    per_step = elapsed / (step - before) if step > before else None
    facts = {"step": step, "seconds": elapsed + (record.get("seconds") or 0.0)}

    # how long is too long depends on the pace: a line may take minutes
    silent = now - max(_changed(run_dir / name) for name in _SIGNS)
    interval = (per_step or 0.0) * config.get("log_every", 1)
    too_long = max(_SILENT_SECONDS, _SILENT_INTERVALS * interval)
    if silent > too_long and not records.has_writer(run_dir):
        reason = f"nothing written for {duration(silent)}: its process may be gone"
        return facts | {"state": "silent", "reason": reason}
    if per_step is not None and "max_generator_steps" in config:
        facts["eta"] = per_step * (config["max_generator_steps"] - step)
    return facts


def _last_step(path: Path) -> int:
    """The generator step of the last whole line of metrics.jsonl; 0 where there is none."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).split(b"\n")
    except (OSError, UserError):
        return 0

    # the last line may be torn, and the first one cut
    for line in reversed(lines):
        with suppress(ValueError):
            if misfit(logged := parse_json(line), Logged) is None:
                return int(logged["generator_step"])
    return 0


def _changed(path: Path) -> float:
    """When a file was written, in seconds since the epoch; 0 where it is not there."""
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

    # FID, then the Inception Score, then what comes first
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
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in path.parts]


# What a cell's own process could not write --------------------------------------------------------


def keep_failure(
    run_dir: Path, overrides: Sequence[str], reason: str, status: str = "failed"
) -> None:
    """Write how a cell ended into its record, unless one stands there that has ended.

    That one may be of an earlier call, or of another run: it is never touched, and neither is one
    that another process trains. Where nothing can be written (no room, no permission, no such name)
    nothing is: `Sweep.note_failed` remembers the reason.

    Args:
        run_dir: the cell's directory; it need not be there.
        overrides: what it was asked for.
        reason: why it ended.
        status: failed or interrupted.
    """
    with suppress(OSError):
        # what a link leads to belongs to no sweep: see check_place
        if run_dir.is_symlink():
            return

        # its own record, if it came so far, or a new one
        if (run_dir / folder.RECORD).exists():
            try:
                record = records.read(run_dir)
            except UserError:  # it is damaged, which the table says
                return
            if record["status"] != "running" or records.has_writer(run_dir):
                return
        else:
            content = {"version": versions.VERSION, "command": list(overrides)}
            record = records.RunRecord(run_dir, content)

        record.update(status=status, reason=reason)


# Words --------------------------------------------------------------------------------------------


def closing_report(
    sweep_dir: Path, cells: Sequence[SweepCell], *, goes_on: bool = False
) -> list[str]:
    """The lines at the end of a sweep: counts, the reason of every cell
    that is not finished, what to do.

    Args:
        sweep_dir: the sweep's directory.
        cells: all of them.
        goes_on: jobs may still run, or wait for their turn, without the sweep's process.
    """
    # a line for each cell that is not finished, with those of its
    # overrides that tell it from others
    lines = [f"{sweep_dir}: {summary(cells)}"]
    common = shared(cell.overrides for cell in cells)
    for cell in cells:
        if cell.state != "finished":
            name = distinguishing_overrides(cell.overrides, common) or "as asked"
            reason = f": {cell.reason}" if cell.reason else ""
            lines.append(f"  {cell.state:<11} {cell.run_dir.name}  {name}{reason}")

    # nothing is advised of diverged cells: the same seed diverges again
    if goes_on and any(cell.state in OPEN for cell in cells):
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


def summary(cells: Iterable[SweepCell]) -> str:
    """ "12 cells: 10 finished, 1 diverged, 1 interrupted"."""
    counts = Counter(cell.state for cell in cells)
    parts = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    return f"{counts.total()} cell{'s' if counts.total() != 1 else ''}: {parts}"


def shared(of_all: Iterable[Iterable[str]]) -> frozenset[str]:
    """The overrides that all cells have."""
    sets = [frozenset(overrides) for overrides in of_all]
    return frozenset.intersection(*sets) if len(sets) > 1 else frozenset()


def distinguishing_overrides(overrides: Sequence[str], common: Collection[str]) -> str:
    """Those of a cell's overrides that not all cells share, in one line.

    Args:
        overrides: of the cell.
        common: what `shared` says of all cells. It is made once: a sweep has hundreds of cells.
    """
    return " ".join(override for override in overrides if override not in common)


def duration(seconds: float) -> str:
    """ "45 s", "12 min", "3:05 h"."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02} h"
