"""A list of runs that one command works through until its time is over. Torch-free.

The next command continues where it ended. `campaign.yaml` is a list of entries
{overrides: [...], each: {field: [value, ...]}}: arguments of train.py, and fields that take every
one of their values, the last one fastest.
"""

from __future__ import annotations

import itertools
import signal
import subprocess  # nosec B404 # train.py of this checkout, below
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from gan_lab import records
from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.reading import plain_yaml
from gan_lab.reading.schema import misfit
from gan_lab.records import folder
from gan_lab.terminal import quoted

ENDED = ("finished", "diverged")
GRACE_SECONDS = 30.0  # in which a run that is asked to stop writes its checkpoint


class _Entry(TypedDict, total=False):
    """One of the list that a campaign's file holds."""

    overrides: list[str]  # of train.py
    each: dict[str, list[Any]]  # field: its values


@dataclass(frozen=True)
class CampaignRun:
    """One run of a campaign."""

    name: str  # of its folder, by the fields that take several values
    overrides: tuple[str, ...]  # of train.py


def read_campaign(path: Path) -> list[CampaignRun]:
    """Read the cells of a campaign's file, in its order.

    Raises:
        UserError: it is no campaign, or two cells have one name.
    """
    entries = plain_yaml.read_typed(path)
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path} must be a list of entries with overrides and each")

    # two cells of one name would train in one folder, and the second would pass for the first
    cells = [cell for entry in entries for cell in _cells_of(entry, path)]
    names = [cell.name for cell in cells]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"{path} has two cells {sorted(twice)[0]}: let `each` tell them apart")
    return cells


def _cells_of(entry: Any, path: Path) -> list[CampaignRun]:
    if not isinstance(entry, dict) or entry.keys() - _Entry.__annotations__.keys():
        raise UserError(f"{path}: an entry has overrides and each, not {entry!r:.80}")
    if wrong := misfit(entry, _Entry, "entry"):
        raise UserError(f"{path}: {wrong}; as in {{overrides: [a=1], each: {{seed: [0, 1]}}}}")
    overrides, each = entry.get("overrides", []), entry.get("each", {})

    # "exp_weight0.1_seed0": an option is its own name, a number needs that of its field
    cells = []
    for values in itertools.product(*each.values()):
        chosen = dict(zip(each, values, strict=True))
        parts = [
            f"{field.split('.')[-1] if '.' in field or field == 'seed' else ''}{value}"
            for field, value in chosen.items()
        ]
        arguments = (*overrides, *(f"{field}={quoted(value)}" for field, value in chosen.items()))
        cells.append(CampaignRun(safe_name("_".join(parts)), arguments))
    return cells


def status_of(run_dir: Path) -> str | None:
    """The status of a cell's run, by its record; None where it has not begun."""
    return None if not (run_dir / folder.RECORD).exists() else str(records.read(run_dir)["status"])


def work_through(
    cells: Sequence[CampaignRun], runs: Path, is_over: Callable[[], bool]
) -> dict[str, str | None]:
    """Train cells in their order, from where they are, and stop those that run when time is over.

    A cell that fails does not stop the others. Each writes `runs`/NAME, and prints to
    `runs`/NAME.txt.

    Args:
        cells: of a campaign.
        runs: the folder of their run directories.
        is_over: whether time is over; a run then has GRACE_SECONDS to write its checkpoint.

    Returns:
        The status of every cell.
    """
    # a failed or interrupted run is tried again; it goes on from its newest checkpoint
    waiting = [cell for cell in cells if status_of(runs / cell.name) not in ENDED]
    running: subprocess.Popen[bytes] | None = None
    runs.mkdir(parents=True, exist_ok=True)

    # one that has ended makes room for the next
    while (waiting or running) and not is_over():
        if running and running.poll() is not None:
            running = None
        if waiting and not running:
            running = _start(waiting.pop(0), runs)
        time.sleep(0.2)

    # time is over: the run writes a checkpoint
    if running:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()

    return {cell.name: status_of(runs / cell.name) for cell in cells}


def _start(cell: CampaignRun, runs: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "train.py", *cell.overrides]
    command += [f"run_dir={runs / cell.name}", "existing_run=resume"]
    with (runs / f"{cell.name}.txt").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # nosec B603 # no shell
