"""SIGTERM at moments when no step is trained: what there is says so, nothing stays locked, and the
run goes on."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gan_lab import build, files
from gan_lab.errors import Interrupted
from gan_lab.records import folder
from gan_lab.runs import outcome
from gan_lab.scoring.evaluator import Evaluator
from helpers.gan_runs import CHANNELS, SMALL, record, resume, train

RUN = (CHANNELS, *SMALL, "max_generator_steps=3", "checkpoint_every=1")
SCORED = (*(field for field in RUN if field != "evaluation=off"), "evaluation=classifier", "evaluation.scores=[is]",
          "evaluation.samples=20", "evaluation.samples_in_training=20", "evaluation.splits=1")  # fmt: skip


def terminated(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def check_nothing_is_held(run_dir: Path) -> None:
    assert not (run_dir / ".lock").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_while_scoring(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "scores", terminated)
        with pytest.raises(Interrupted, match="SIGTERM"):
            train(tmp_path / "run", *SCORED)
    assert (record(tmp_path / "run")["status"], record(tmp_path / "run")["reason"]) == (
        "interrupted",
        "SIGTERM",
    )
    check_nothing_is_held(tmp_path / "run")
    resume(tmp_path / "run")
    assert record(tmp_path / "run")["status"] == "finished"
    assert record(tmp_path / "run")["scores"].keys() == {"is_classifier_20"}


def test_while_the_classifier_trains(tmp_path, monkeypatch):
    """Before the run has a record: the same command begins it."""
    with monkeypatch.context() as patch:
        patch.setattr(build, "evaluator", terminated)
        with pytest.raises(Interrupted):
            train(tmp_path / "run", *SCORED)
    assert [path.name for path in (tmp_path / "run").iterdir()] == []
    check_nothing_is_held(tmp_path / "run")
    train(tmp_path / "run", *RUN)
    assert record(tmp_path / "run")["status"] == "finished"


def test_a_second_signal_does_not_end_what_the_first_has_begun(tmp_path, monkeypatch):
    """Process managers send it to the process and to its group: the record is written while the
    second one comes."""
    end_record = outcome.end_record

    def told_again(*arguments: Any) -> None:
        terminated()
        end_record(*arguments)

    monkeypatch.setattr(Evaluator, "scores", terminated)
    monkeypatch.setattr(outcome, "end_record", told_again)
    with pytest.raises(Interrupted):
        train(tmp_path / "run", *SCORED)
    assert record(tmp_path / "run")["status"] == "interrupted"
    check_nothing_is_held(tmp_path / "run")


@pytest.mark.parametrize(
    "moment", ["gan_lab.runs.summary.print_start", "gan_lab.runs.session._some_real"]
)
def test_between_the_record_and_the_training(moment, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(moment, terminated)
        with pytest.raises(Interrupted):
            train(tmp_path / "run", *RUN)
    assert (record(tmp_path / "run")["status"], record(tmp_path / "run")["reason"]) == (
        "interrupted",
        "SIGTERM",
    )
    check_nothing_is_held(tmp_path / "run")
    resume(tmp_path / "run")
    assert record(tmp_path / "run")["status"] == "finished"


@pytest.mark.parametrize("whole", [True, False], ids=["no room at all", "room for the record"])
def test_a_config_that_does_not_fit_leaves_no_run_that_seems_to_train(whole, tmp_path, monkeypatch):
    """No file can be written any more, or the record still can."""
    write = files.write_atomically

    def full(path: Path, content: str) -> None:
        if path.name == folder.CONFIG:
            if whole:
                monkeypatch.setattr("gan_lab.records.record.write_atomically", no_room)
            no_room(path, content)
        write(path, content)

    def no_room(path: Path, content: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr("gan_lab.runs.train.write_atomically", full)
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path / "run", *RUN)
    monkeypatch.undo()
    check_nothing_is_held(tmp_path / "run")
    if whole:
        assert not (tmp_path / "run" / "record.json").exists()
    else:
        assert record(tmp_path / "run")["status"] == "failed"
    train(tmp_path / "run", *RUN)
    assert record(tmp_path / "run")["status"] == "finished"
