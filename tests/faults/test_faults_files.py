"""Damaged checkpoints, two collectors at once, and a clock that jumps."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gan_lab.callbacks import list_checkpoints
from gan_lab.files import checksum_path
from gan_lab.reporting import collect
from gan_lab.reporting.collection import read_records
from helpers import made_up
from helpers.fault_runs import RECIPE, STEPS, checkpoints_are_whole, is_the_same, run
from helpers.gan_runs import ROOT, finish, record, resume

pytestmark = pytest.mark.slow

# Checkpoints --------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(straight, tmp_path):
    """The run, as if it had been killed before its end was recorded; its last three checkpoints
    stand."""
    folder = Path(shutil.copytree(straight.folder, tmp_path / "run"))
    content = record(folder) | {"status": "running", "generator_steps": 0, "critic_steps": 0}
    (folder / "record.json").write_text(json.dumps(content))
    (folder / "generator.safetensors").unlink()
    return folder


def flip_a_bit(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def truncate(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def flip_a_bit_of_the_checksum(path: Path, rng: random.Random) -> None:
    content = bytearray(checksum_path(path).read_bytes())
    content[rng.randrange(64)] ^= 1 << rng.randrange(8)
    checksum_path(path).write_bytes(content)


def add_a_byte(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + bytes([rng.randrange(256)]))


def blank_a_page(path: Path, rng: random.Random) -> None:
    """What a power cut leaves of a page that never reached the disk."""
    content = bytearray(path.read_bytes())
    pages = [page for page in range(0, len(content), 4096) if any(content[page : page + 4096])]
    page = rng.choice(pages)
    content[page : page + 4096] = bytes(len(content[page : page + 4096]))
    path.write_bytes(content)


def replace_by_the_one_before(path: Path, rng: random.Random) -> None:
    shutil.copy(list_checkpoints(path.parents[1])[1], path)


DAMAGES = [
    flip_a_bit,
    truncate,
    flip_a_bit_of_the_checksum,
    add_a_byte,
    blank_a_page,
    replace_by_the_one_before,
]
CASES = [(damage, seed) for damage in DAMAGES for seed in range(6 if damage is flip_a_bit else 3)]


@pytest.mark.parametrize(
    ("damage", "seed"), CASES, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_damaged_checkpoint_is_passed_over(damage, seed, interrupted, straight, capsys):
    newest, before, _ = list_checkpoints(interrupted)
    damage(newest, random.Random(f"{damage.__name__} {seed}"))
    resume(interrupted)
    told = capsys.readouterr().out
    assert newest.name in told
    assert "damaged" in told
    assert (
        record(interrupted)["resumed_from_step"] == int(before.stem.removeprefix("step_")) < STEPS
    )
    is_the_same(interrupted, straight.folder)


def test_two_damaged_checkpoints_are_passed_over(interrupted, straight):
    for path in list_checkpoints(interrupted)[:2]:
        flip_a_bit(path, random.Random(path.name))
    resume(interrupted)
    assert record(interrupted)["resumed_from_step"] == checkpoints_are_whole(straight.folder)[2]
    is_the_same(interrupted, straight.folder)


def test_what_a_kill_left_half_written_is_no_checkpoint(interrupted, straight):
    newest = list_checkpoints(interrupted)[0]
    half = newest.with_name(f".{newest.name}.0123456789ab.tmp")
    half.write_bytes(newest.read_bytes()[:1000])
    newest.unlink()  # its checksum stands: it is published first
    resume(interrupted)
    assert not half.exists()
    is_the_same(interrupted, straight.folder)


# results/ -----------------------------------------------------------------------------------------

RUNS = 40


@pytest.mark.parametrize("attempt", range(3))
def test_two_collectors_at_once_lose_nothing(attempt, tmp_path):
    """Each has runs of its own, and some that both have; a reader finds only whole records
    meanwhile."""
    folders = {name: tmp_path / name for name in ("first", "second", "both")}
    for number, (name, folder) in enumerate(folders.items()):
        for seed in range(RUNS):
            place = folder / f"run{seed}"
            place.mkdir(parents=True)
            content = made_up.record(seed=seed, run_id=f"{name}{seed}", weight=0.1 + number)
            (place / "record.json").write_text(json.dumps(content))
    out, alone = tmp_path / "results/records", tmp_path / "alone"
    program = [sys.executable, str(ROOT / "scripts/collect.py"), f"out={out}"]
    collectors = [
        subprocess.Popen(
            [*program, f"runs=[{folders[name]},{folders['both']}]"], cwd=tmp_path, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for name in ("first", "second")
    ]  # fmt: skip
    stop, wrong, reads = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            if out.is_dir() and any(out.glob("*.json")):
                try:
                    reads.append(len(read_records(out)))
                except Exception as error:
                    wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    ended = [finish(process) for process in collectors]
    stop.set()
    reader.join()
    assert [one.code for one in ended] == [0, 0], ended
    assert wrong == []
    assert reads
    collect(folders.values(), alone, report=lambda line: None)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in alone.iterdir()
    }
    assert len(list(out.iterdir())) == 3 * RUNS


# The clock ----------------------------------------------------------------------------------------

CLOCKS = {
    "backwards": "_start - 3600.0 * next(_calls)",
    "stopped": "_start",
    "jumping": "_start + (86400.0 * 365 if next(_calls) % 2 else -86400.0 * 365)",
}
PATCH = """
import datetime, itertools, time
_calls, _start = itertools.count(), 1_800_000_000.0
def _now():
    return {clock}
class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_now(), tz)
    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(_now(), datetime.UTC).replace(tzinfo=None)
    @classmethod
    def today(cls):
        return cls.now()
_localtime, _gmtime = time.localtime, time.gmtime
time.time, time.time_ns = _now, lambda: int(_now() * 1e9)
time.localtime = lambda seconds=None: _localtime(_now() if seconds is None else seconds)
time.gmtime = lambda seconds=None: _gmtime(_now() if seconds is None else seconds)
datetime.datetime = _Datetime
"""


@pytest.fixture(params=CLOCKS)
def clock(request, tmp_path, monkeypatch):
    """Every program that starts now has this clock; the steady one (time.monotonic) is the system's
    promise."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(PATCH.format(clock=CLOCKS[request.param]))
    monkeypatch.setenv(
        "PYTHONPATH",
        os.pathsep.join([str(tmp_path / "clock"), *os.environ.get("PYTHONPATH", "").split(":")]),
    )
    return request.param


def test_a_clock_that_jumps_changes_no_result(clock, straight, tmp_path):
    """Names, order of checkpoints, durations; and a resume on a day before the run began."""
    folder = tmp_path / "run"
    short = [argument for argument in RECIPE if "sample_every" not in argument]
    ended = run(*RECIPE, f"run_dir={folder}", cwd=tmp_path)
    assert ended.code == 0, ended
    is_the_same(folder, straight.folder)
    kept = record(folder)
    assert kept["created"][:4] in ("2026", "2027", "2028"), "the clock was not the test's"
    assert 0 < kept["seconds"] < 300
    assert kept["images_per_second"] > 0
    for age, path in enumerate(list_checkpoints(folder)):
        os.utime(path, (1e9 + age, 1e9 + age))  # the newest is the oldest by the clock
    (folder / "record.json").write_text(json.dumps(kept | {"status": "running"}))
    ended = run(f"resume={folder}", cwd=tmp_path)
    assert ended.code == 0, ended
    assert record(folder)["resumed_from_step"] == STEPS
    is_the_same(folder, straight.folder)
    assert short


def test_two_runs_at_the_same_moment_do_not_mix(tmp_path, monkeypatch):
    """The folder's name is made of the time: the second is refused by name, the first stands."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(PATCH.format(clock=CLOCKS["stopped"]))
    monkeypatch.setenv(
        "PYTHONPATH",
        os.pathsep.join([str(tmp_path / "clock"), *os.environ.get("PYTHONPATH", "").split(":")]),
    )
    arguments = (*RECIPE, "max_generator_steps=2")
    assert run(*arguments, cwd=tmp_path).code == 0
    (folder,) = (tmp_path / "outputs").glob("*/*")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    ended = run(*arguments, "seed=1", cwd=tmp_path)
    assert ended.code == 1
    assert "already holds a run" in ended.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
