"""The Sweep: how callback and launcher share it, what it remembers, what it says at its end."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.experimental.callback import Callback

from gan_lab import records, sweeps
from gan_lab.errors import UserError
from gan_lab.records import folder
from gan_lab.records.versions import VERSION
from gan_lab.sweeps import PlannedCell, Sweep, callback


def two_cells(directory: Path) -> Sweep:
    cells = (PlannedCell(n, str(n), directory / str(n), (f"seed={n}",)) for n in range(2))
    return Sweep(directory, tuple(cells))


def ended(run_dir: Path, status: str, reason: str | None = None) -> None:
    """A record of an earlier call."""
    content = {"version": VERSION, "command": ["seed=9"], "config": {}}
    records.RunRecord(run_dir, content).update(status=status, reason=reason)


def states(sweep: Sweep) -> list[tuple[str, str | None]]:
    return [(cell.state, cell.reason) for cell in sweep.states()]


def context_of(*callbacks: Callback) -> SimpleNamespace:
    """What of Hydra's context is asked for."""
    return SimpleNamespace(callbacks=SimpleNamespace(callbacks=list(callbacks)))


def test_the_launcher_finds_the_sweep_of_the_callback(tmp_path):
    ours, sweep = callback.SweepCallback(), two_cells(tmp_path)
    assert callback.sweep_of(context_of(Callback(), ours)) is None
    ours.sweep = sweep
    assert callback.sweep_of(context_of(Callback(), ours)) is sweep
    assert callback.sweep_of(context_of(Callback())) is None
    assert callback.sweep_of(None) is None


def test_the_process_of_a_cell_gets_the_callback_without_the_sweep(tmp_path):
    ours = callback.SweepCallback()
    ours.sweep = two_cells(tmp_path)
    assert pickle.loads(pickle.dumps(ours)).sweep is None


def test_a_failure_that_the_record_cannot_tell_is_remembered(tmp_path):
    """Cell 0 was refused because an earlier run stands there; cell 1 had no record yet."""
    sweep = two_cells(tmp_path)
    sweep.begin()
    ended(tmp_path / "0", "finished")
    for cell in sweep.cells:
        sweep.note_failed(cell.run_dir, cell.overrides, f"why {cell.number}")
    assert states(sweep) == [("failed", "why 0"), ("failed", "why 1")]
    assert [(cell.state, cell.reason) for cell in sweeps.read_cells(tmp_path)] == [
        ("finished", None),
        ("failed", "why 1"),
    ]


def test_what_a_record_says_of_its_end_is_not_covered(tmp_path):
    sweep = two_cells(tmp_path)
    sweep.begin()
    ended(tmp_path / "0", "diverged", "not finite")
    sweep.note_failed(tmp_path / "0", ["seed=0"], "Diverged: not finite")
    assert states(sweep)[0] == ("diverged", "not finite")


def test_a_sweep_that_was_refused_before_its_first_job_takes_its_plan_back(tmp_path):
    sweep = two_cells(tmp_path)
    sweep.begin()
    assert len(sweeps.read_cells(tmp_path)) == 2
    assert sweep.end() == []
    assert not (tmp_path / folder.PLANS).exists()


def test_jobs_that_were_sent_go_on_and_keep_their_plan(tmp_path):
    sweep = two_cells(tmp_path)
    sweep.begin()
    sweep.goes_on = True
    assert "2 waiting" in sweep.end()[0]
    assert "python scripts/status.py" in sweep.end()[-1]
    assert (tmp_path / folder.PLANS).is_dir()


def test_a_plan_of_another_call_stays(tmp_path):
    first, second = two_cells(tmp_path), two_cells(tmp_path)
    first.begin()
    second.begin()
    assert first.end() == []
    (path,) = (tmp_path / folder.PLANS).iterdir()
    assert json.loads(path.read_text()) == {"cells": {"0": ["seed=0"], "1": ["seed=1"]}}
    second.end()
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_does_not_begin_where_its_own_files_cannot_stand(tmp_path):
    (tmp_path / folder.PLANS).write_text("in the way")
    with pytest.raises(UserError, match="is a file"):
        two_cells(tmp_path).begin()


def interrupted(sweep: Sweep) -> None:
    with callback.closing_reports():
        callback.tell_at_end(sweep)
        raise KeyboardInterrupt


def test_a_sweep_that_was_interrupted_is_told_at_the_end_of_the_block(tmp_path, capsys):
    sweep = two_cells(tmp_path)
    sweep.note_failed(tmp_path / "0", ["seed=0"], "why")
    with pytest.raises(KeyboardInterrupt):
        interrupted(sweep)
    assert "2 cells: 1 waiting, 1 failed" in capsys.readouterr().out


def test_a_sweep_outside_of_a_block_is_not_told_by_the_next_one(tmp_path, capsys):
    sweep = two_cells(tmp_path)
    sweep.note_failed(tmp_path / "0", ["seed=0"], "why")
    callback.tell_at_end(sweep)
    with callback.closing_reports():
        pass
    assert capsys.readouterr().out == ""
