"""One sweep: its directory, its cells, and what became of them. Torch-free."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gan_lab.sweeps.cells import (
    OPEN,
    SweepCell,
    closing_report,
    keep_failure,
    read_cell,
)
from gan_lab.sweeps.plans import check_own_files, delete_plan, write_plan


@dataclass(frozen=True)
class PlannedCell:
    """A cell of a sweep before it runs.

    Args:
        number: its place among the cells; Hydra's hydra.job.num.
        name: its folder below the sweep's, from hydra.sweep.subdir.
        run_dir: its directory.
        overrides: what it was asked for, without Hydra's own fields.
    """

    number: int
    name: str
    run_dir: Path
    overrides: tuple[str, ...]


@dataclass
class Sweep:
    """A sweep that this process runs.

    `SweepCallback` makes it before Hydra's first job, and the launcher finds it through that
    callback (`callback.sweep_of`). Other processes have no Sweep: what happens in a cell's own
    process goes into its record, and back to the launcher as the result of its job.

    Args:
        directory: hydra.sweep.dir.
        cells: all of them, by their numbers.
        goes_on: its jobs go on without this process (Slurm).
    """

    directory: Path
    cells: tuple[PlannedCell, ...] = ()
    goes_on: bool = False
    _failures: dict[Path, str] = field(default_factory=dict)  # reason, by run directory
    _plan: Path | None = None

    def begin(self) -> None:
        """Leave in the directory which cells will run.

        Raises:
            UserError: where something is in the way of the sweep's own files.
        """
        check_own_files(self.directory)
        self._plan = write_plan(self.directory, {cell.name: cell.overrides for cell in self.cells})

    def note_failed(
        self, run_dir: Path, overrides: Sequence[str], reason: str, status: str = "failed"
    ) -> None:
        """Note how a cell ended whose own process may not have said so.

        Everybody reads the record. But it may not be writable, and a record of an earlier call,
        because of which this cell was refused, is not changed. So the reason is kept here as well,
        for `states`.

        Args:
            run_dir: the cell's directory.
            overrides: what it was asked for.
            reason: why it ended.
            status: failed or interrupted.
        """
        self._failures[run_dir] = reason
        keep_failure(run_dir, overrides, reason, status)

    def states(self) -> list[SweepCell]:
        """What became of every cell by now."""
        now = time.time()
        planned = {cell.run_dir: cell.overrides for cell in self.cells}
        states = [read_cell(run_dir, overrides, now) for run_dir, overrides in planned.items()]

        # of an older record in its folder only this process knows that it is not the cell's
        return [
            replace(cell, state="failed", reason=self._failures[cell.run_dir])
            if cell.run_dir in self._failures and cell.state in ("finished", *OPEN)
            else cell
            for cell in states
        ]

    def end(self) -> list[str]:
        """The lines that tell what became of the sweep; none where it was refused before its first
        job, which takes its plan back."""
        cells = self.states()
        if not self.goes_on and all(cell.state == "waiting" for cell in cells):
            if self._plan is not None:
                delete_plan(self._plan)
            return []
        return closing_report(self.directory, cells, goes_on=self.goes_on)


def task_overrides(overrides: Iterable[str]) -> tuple[str, ...]:
    """The overrides without those of Hydra's own fields."""
    return tuple(text for text in overrides if not text.startswith(("hydra.", "hydra/")))
