"""What the fault harness found, in small: an error names its file, and no folder is neither new nor
a run."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from gan_lab import callbacks
from gan_lab.commands import entry
from gan_lab.files import is_intact, write_atomically, write_with_checksum
from gan_lab.training.state import save_state
from helpers.gan_runs import Killed, record, resume, train, weights

STATE = {"module": {"w": torch.arange(100_000.0)}, "step": 3}
SHORT = ("max_generator_steps=2", "checkpoint_every=1")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_state_on_a_full_disk_is_an_error_of_the_disk():
    """torch.save alone raises RuntimeError "unexpected pos"."""
    with pytest.raises(OSError, match="No space left") as refused:
        save_state(STATE, Path("/dev/full"))
    assert refused.value.errno == errno.ENOSPC


def test_a_saved_state_is_read_back(tmp_path):
    save_state(STATE, tmp_path / "state")
    loaded = torch.load(tmp_path / "state", weights_only=True)
    assert torch.equal(loaded["module"]["w"], STATE["module"]["w"])
    assert loaded["step"] == 3


def test_the_older_checkpoint_goes_only_when_the_newer_is_whole(tmp_path, monkeypatch):
    """With keep_checkpoints=1 a disk that is full would otherwise leave none to go on from."""
    gan = SimpleNamespace(generator_steps=1, check_finite=lambda: None, run_state=lambda: STATE)
    checkpoint = callbacks.Checkpoint(tmp_path, every=1, keep=1, extra=dict, resume_from=None)
    checkpoint.save(gan)
    (first,) = callbacks.list_checkpoints(tmp_path)

    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    gan.generator_steps = 2
    with monkeypatch.context() as full_disk:
        full_disk.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save(gan)
    assert callbacks.list_checkpoints(tmp_path) == [first]
    assert is_intact(first)

    # and then it does go, with its checksum
    checkpoint.save(gan)
    assert [path.name for path in sorted(first.parent.iterdir())] == [
        "step_2.ckpt",
        "step_2.ckpt.sha256",
    ]


@pytest.mark.parametrize("write", [
    lambda path: write_atomically(path, "text"),
    lambda path: write_with_checksum(path, lambda to: to.write_text("text")),
], ids=["atomically", "with checksum"])  # fmt: skip
def test_an_error_of_the_disk_names_the_file_that_was_to_be_written(write, tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left") as refused:
        write(tmp_path / "record.json")
    assert Path(refused.value.filename).name.startswith("record.json")


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EFBIG]
)
def test_the_program_says_it_in_one_line(code, capsys, monkeypatch):
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def main():
        raise OSError(code, os.strerror(code), "outputs/run/record.json")

    with pytest.raises(SystemExit) as stopped:
        entry.run(main)
    assert stopped.value.code == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "outputs/run/record.json cannot be written" in told
    assert os.strerror(code) in told
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(OSError, match="outputs"):
        entry.run(main)


def test_our_own_errors_are_not_hidden(monkeypatch):
    """Those of the file system are one line; HYDRA_FULL_ERROR=1 shows where they came from. A bug
    shows itself."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        entry.run(main)


def test_the_export_has_the_bytes_of_safetensors_own_writer(tmp_path):
    run_dir = train(tmp_path / "run", "max_generator_steps=1")
    save_file(load_file(run_dir / "generator.safetensors"), tmp_path / "again.safetensors")
    assert weights(run_dir) == (tmp_path / "again.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["record.json", "config.yaml"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_killed_while_it_begins_can_be_begun_again_or_resumed(
    name, when, tmp_path, monkeypatch
):
    """Between its first files too: once a kill there left a folder that was refused both ways."""
    straight = train(tmp_path / "straight", *SHORT)
    replace = os.replace

    def kill(source, target):
        if Path(target).name == name:
            monkeypatch.setattr(os, "replace", replace)
            if when == "after":
                replace(source, target)
            raise Killed
        replace(source, target)

    folder = tmp_path / "run"
    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(Killed):
        train(folder, *SHORT)
    if (folder / "config.yaml").exists():
        resume(folder)
    else:
        train(folder, *SHORT)
    assert weights(folder) == weights(straight)
    assert record(folder)["status"] == "finished"
