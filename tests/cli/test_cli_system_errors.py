"""What the file system refuses is one line, whatever it is and whenever it comes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import hydra
import pytest

from gan_lab import sweeps
from gan_lab.commands import entry
from gan_lab.errors import UserError
from gan_lab.records import folder
from helpers.gan_runs import CHANNELS, SMALL, command, record
from helpers.registry import CONF

RUN = (CHANNELS, *SMALL, "max_generator_steps=2")
ERRORS = [
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EACCES,
    errno.ENOSPC,
    errno.EIO,
    errno.ENOENT,
    errno.EMFILE,
]


@pytest.mark.parametrize("number", ERRORS, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("name", ["some/file", None])
def test_an_error_of_the_system_is_one_line(number, name, capsys):
    def main() -> None:
        raise OSError(number, os.strerror(number), name)

    with pytest.raises(SystemExit) as ended:
        entry.run(main)
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert os.strerror(number) in told
    assert name is None or name in told


@pytest.mark.parametrize(
    "error", [OSError("from a library"), ConnectionResetError(), MemoryError()]
)
def test_an_error_without_a_number_is_one_line(error, capsys):
    def main() -> None:
        raise error

    with pytest.raises(SystemExit):
        entry.run(main)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert len(told) > len("error: \n")


@pytest.mark.parametrize(
    ("run_dir", "words"),
    [("x" * 300, ["too long"]), ("file/run", ["file"]), ("file", ["file"])],
    ids=["name too long", "below a file", "a file"],
)
def test_a_run_directory_that_cannot_be_made(run_dir, words, place, capsys):
    (place / "file").write_text("in the way")
    ended = command(capsys, *RUN, f"run_dir={run_dir}")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert all(word in ended.err for word in words)
    assert (place / "file").read_text() == "in the way"


def test_what_is_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "1").write_text("in the way")
    sweeps.check_place(tmp_path / "0")
    for name, words in {
        "1": "1 is a file",
        "1/run": "1 is a file",
        "x" * 300: "is too long for a folder's name",
    }.items():
        with pytest.raises(UserError, match=words):
            sweeps.check_place(tmp_path / name)
    sweeps.check_own_files(tmp_path)
    (tmp_path / folder.PLANS).write_text("in the way")
    with pytest.raises(UserError, match="is a file"):
        sweeps.check_own_files(tmp_path)


SWEEP = ("-m", *RUN, "hydra.sweep.dir=sweep", "max_generator_steps=1")


@pytest.mark.parametrize("launcher", ["serial", "joblib"])
@pytest.mark.slow
def test_the_other_cells_of_a_sweep_go_on(launcher, place, capsys):
    """One has a file in its way, one too long a name; the third is trained, and all are told."""
    (place / "sweep").mkdir()
    (place / "sweep/a").write_text("in the way")
    caches = f"data_cache=a,{'x' * 300},c"
    ended = command(
        capsys, *SWEEP, caches, "hydra.sweep.subdir=${data_cache}", f"hydra/launcher={launcher}"
    )
    assert ended.code == 1
    assert "Traceback" not in ended.err + ended.out
    assert record(place / "sweep/c")["status"] == "finished"
    assert (place / "sweep/a").read_text() == "in the way"
    assert "3 cells: 1 finished, 2 failed" in ended.out
    assert "a is a file, where a folder is made" in ended.out
    assert "is too long for a folder's name" in ended.out


def test_a_pipe_in_place_of_a_cells_output_is_not_waited_at(place, capsys):
    (place / "sweep/0").mkdir(parents=True)
    os.mkfifo(place / "sweep/0/output.log")
    ended = command(capsys, *SWEEP, "seed=0", "hydra/launcher=joblib")
    assert ended.code == 1
    assert "output.log is no regular file: remove it" in ended.out


def test_an_error_while_a_folder_is_made_ends_that_cell_alone(place, monkeypatch, capsys):
    """It was not there when it was looked for."""
    original = hydra.core.utils.configure_log

    def fail_once(*arguments):
        monkeypatch.setattr(hydra.core.utils, "configure_log", original)
        raise OSError(errno.EIO, os.strerror(errno.EIO), "sweep/0")

    monkeypatch.setattr(hydra.core.utils, "configure_log", fail_once)
    ended = command(capsys, *SWEEP, "seed=0,1")
    assert ended.code == 1
    assert "2 cells: 1 finished, 1 failed" in ended.out
    assert record(place / "sweep/1")["status"] == "finished"


def test_status_of_what_cannot_be_read_is_one_line(tmp_path):
    program = [sys.executable, str(CONF.parent / "scripts" / "status.py"), "x" * 300]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
