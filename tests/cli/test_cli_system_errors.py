"""What the file system refuses is one line, whatever it is and whenever it comes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from gan_runs import CHANNELS, SMALL, command

from gan_lab import cli, sweeps
from gan_lab.types import UserError
from registry import CONF

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
        cli.run(main)
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert os.strerror(number) in told
    assert name is None or name in told


@pytest.mark.parametrize("error", [OSError("from a library"), ConnectionResetError(), MemoryError()])
def test_an_error_without_a_number_is_one_line(error, capsys):
    def main() -> None:
        raise error

    with pytest.raises(SystemExit):
        cli.run(main)
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


def test_a_sweep_whose_cells_cannot_have_folders_is_refused_before_the_first(tmp_path):
    (tmp_path / "1").write_text("in the way")
    sweeps.check_places(tmp_path, ["0", "2"])
    with pytest.raises(UserError, match="1 is a file"):
        sweeps.check_places(tmp_path, ["0", "1"])
    with pytest.raises(UserError, match="1 is a file"):
        sweeps.check_places(tmp_path, ["0", "1/run"])
    with pytest.raises(UserError, match="is too long for a folder's name"):
        sweeps.check_places(tmp_path, ["0", "x" * 300])


def test_status_of_what_cannot_be_read_is_one_line(tmp_path):
    program = [sys.executable, str(CONF.parent / "scripts" / "status.py"), "x" * 300]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
