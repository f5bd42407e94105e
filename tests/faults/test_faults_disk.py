"""A full disk and a folder that may not be written: one line, nothing torn, and the run goes on
once there is room."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gan_lab.callbacks import list_checkpoints
from helpers.fault_runs import (
    EVERY,
    RECIPE,
    checkpoints_are_whole,
    is_the_same,
    run,
    start,
    until,
    watching,
)
from helpers.gan_runs import finish, is_refusal, record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts and limits of Linux"),
]


@contextlib.contextmanager
def mounted(folder: Path, size: int):
    """A file system of `size` bytes in memory at `folder`."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until nothing fits."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_disk_that_becomes_full(straight, tmp_path):
    """After some checkpoints a stranger takes the rest of the disk."""
    with mounted(tmp_path / "disk", 8 * 2**20) as disk:
        folder = disk / "run"
        with watching(folder) as watched:
            process = start(*RECIPE, f"run_dir={folder}", cwd=tmp_path)
            assert until(lambda: len(list_checkpoints(folder)) >= 2, process), finish(process)
            fill(disk / "ballast")
            ended = finish(process)
        assert watched.wrong == []
        is_refusal(ended, "No space left", str(folder.name), "resume=")
        steps = checkpoints_are_whole(folder)
        assert max(steps) >= 2 * EVERY
        assert not [
            path for path in (folder / "checkpoints").iterdir() if path.name.startswith(".")
        ]  # no half files
        is_refusal(run(f"resume={folder}", cwd=tmp_path), "No space left")  # still full
        assert checkpoints_are_whole(folder) == steps
        (disk / "ballast").unlink()
        ended = run(f"resume={folder}", cwd=tmp_path)
        assert ended.code == 0, ended
        is_the_same(folder, straight.folder)


@pytest.mark.parametrize(
    "limit", [0, 3000, 100_000], ids=["nothing", "small files", "no checkpoint"]
)
def test_a_limit_on_files_that_sets_in(limit, straight, tmp_path):
    """RLIMIT_FSIZE, for every write after the second checkpoint; as a quota would."""
    folder = tmp_path / "run"
    with watching(folder) as watched:
        process = start(*RECIPE, f"run_dir={folder}", cwd=tmp_path)
        assert until(lambda: len(list_checkpoints(folder)) >= 2, process), finish(process)
        hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, hard))
        ended = finish(process)
    assert watched.wrong == []
    is_refusal(ended, "File too large")
    assert record(folder)["status"] == ("failed" if limit > 10_000 else "running")
    assert max(checkpoints_are_whole(folder)) >= 2 * EVERY
    ended = run(f"resume={folder}", cwd=tmp_path)
    assert ended.code == 0, ended
    is_the_same(folder, straight.folder)


def test_a_disk_that_becomes_read_only(straight, tmp_path):
    """As a file system does after an error of its disk; the run was interrupted before."""
    with mounted(tmp_path / "disk", 8 * 2**20) as disk:
        folder = disk / "run"
        process = start(*RECIPE, f"run_dir={folder}", cwd=tmp_path)
        assert until(lambda: len(list_checkpoints(folder)) >= 2, process), finish(process)
        process.kill()
        finish(process)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        is_refusal(run(f"resume={folder}", cwd=tmp_path), "Read-only file system", "disk/run")
        is_refusal(
            run(*RECIPE, f"run_dir={disk / 'new'}", cwd=tmp_path),
            "Read-only file system",
            "disk/new",
        )
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        ended = run(f"resume={folder}", cwd=tmp_path)
        assert ended.code == 0, ended
        is_the_same(folder, straight.folder)


def test_a_folder_without_permission(straight, tmp_path):
    """A run directory, its parent, and the folder of its checkpoints."""
    prefix = []
    if os.geteuid() == 0:  # root writes everywhere, unless it gives that up
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv, or another user than root")
        prefix = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", "--"]
    parent = tmp_path / "parent"
    folder = Path(shutil.copytree(straight.folder, parent / "run"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    longer = (f"resume={folder}", "max_generator_steps=70")
    for closed, arguments, named in (
        (folder, longer, "parent/run"),
        (folder / "checkpoints", longer, "checkpoints"),
        (parent, (*RECIPE, f"run_dir={parent / 'new'}"), "parent/new"),
    ):
        closed.chmod(0o555)
        try:
            is_refusal(run(*arguments, cwd=tmp_path, prefix=prefix), "Permission denied", named)
        finally:
            closed.chmod(0o755)
    kept = {
        path: path.read_bytes()
        for path in before
        if path.name not in ("record.json", "config.yaml")
    }
    assert {
        path: text for path, text in before.items() if path in kept and path.name != "metrics.jsonl"
    } == {path: text for path, text in kept.items() if path.name != "metrics.jsonl"}
    ended = run(*longer, cwd=tmp_path)
    assert ended.code == 0, ended
    assert record(folder)["generator_steps"] == 70
