"""Sweeps: which cells a call runs, how each gets a process, and what became of them. Torch-free.

`Sweep` is one sweep while it runs; `read_cells` says of any directory what became of its cells.
What needs Hydra is imported by its own name: composing, callback, job, devices.
"""

from gan_lab.sweeps.cells import (
    STATES,
    SweepCell,
    closing_report,
    distinguishing_overrides,
    duration,
    keep_failure,
    read_cell,
    read_cells,
    shared,
    summary,
)
from gan_lab.sweeps.plans import check_own_files, check_place, delete_plan, write_plan
from gan_lab.sweeps.sweep import PlannedCell, Sweep, task_overrides

__all__ = [
    "STATES",
    "PlannedCell",
    "Sweep",
    "SweepCell",
    "check_own_files",
    "check_place",
    "closing_report",
    "delete_plan",
    "distinguishing_overrides",
    "duration",
    "keep_failure",
    "read_cell",
    "read_cells",
    "shared",
    "summary",
    "task_overrides",
    "write_plan",
]
