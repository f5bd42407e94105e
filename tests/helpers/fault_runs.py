"""A small run that is disturbed: its recipe, what it leaves undisturbed, and what must hold at any
moment."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from gan_lab.callbacks import list_checkpoints
from gan_lab.files import is_intact
from gan_lab.records.record import STATUSES
from helpers.gan_runs import ROOT, Ended, finish, record, weights

STEPS, EVERY = 60, 4
RECIPE = (
    "architecture.channels=8", "batch_size=8", "generator_batch_size=8", "n_critic=2", "evaluation=off", "trainer=cpu",
    "optimizer=adashift", "penalty.memory=4", f"max_generator_steps={STEPS}", f"checkpoint_every={EVERY}",
    "sample_every=10", "log_every=1",
)  # fmt: skip


def start(*arguments: str, cwd: Path, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    """train.py as a program of its own, in a process group of its own. prefix: a program that
    starts it."""
    command = [*prefix, sys.executable, str(ROOT / "train.py"), *arguments]
    return subprocess.Popen(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*arguments: str, cwd: Path, prefix: Sequence[str] = ()) -> Ended:
    """The same, to its end."""
    return finish(start(*arguments, cwd=cwd, prefix=prefix), 280)


def until(condition, process: subprocess.Popen[str], seconds: float = 120) -> bool:
    """Wait for `condition()`; False where the process ended before."""
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            return False
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.002)
    return True


@dataclass(frozen=True)
class Straight:
    """The run that nobody disturbed. seconds: from config.yaml to its end; seconds_before: from its
    folder to that."""

    folder: Path
    seconds: float
    seconds_before: float


def straight_run(folder: Path) -> Straight:
    process = start(*RECIPE, f"run_dir={folder}", cwd=folder.parent)
    assert until(folder.is_dir, process)
    made = time.monotonic()
    assert until((folder / "config.yaml").exists, process)
    began = time.monotonic()
    assert until(lambda: record(folder)["status"] == "finished", process)
    seconds = time.monotonic() - began
    ended = finish(process)
    assert ended.code == 0, ended
    return Straight(folder, seconds, began - made)


class Watched:
    """How often the record of a run was read while something happened to it, and what was wrong
    with it."""

    def __init__(self) -> None:
        self.reads = 0
        self.wrong: list[str] = []

    def look(self, run_dir: Path) -> None:
        try:
            text = (run_dir / "record.json").read_text()
        except FileNotFoundError:
            return
        self.reads += 1
        try:
            if json.loads(text)["status"] not in STATUSES:
                self.wrong.append(text)
        except (ValueError, KeyError):
            self.wrong.append(text)


@contextmanager
def watching(run_dir: Path) -> Iterator[Watched]:
    """Read the record over and over, as a sweep's table does."""
    watched, stop = Watched(), threading.Event()

    def watch() -> None:
        while not stop.wait(0.003):
            watched.look(run_dir)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield watched
    finally:
        stop.set()
        thread.join()
        watched.look(run_dir)


def checkpoints_are_whole(run_dir: Path) -> list[int]:
    """Every checkpoint that stands there has its checksum and loads as plain data. Returns their
    steps."""
    steps = []
    for path in list_checkpoints(run_dir):
        assert is_intact(path), path
        steps.append(torch.load(path, weights_only=True)["generator_steps"])
        assert path.name == f"step_{steps[-1]}.ckpt"
    return steps


def is_the_same(run_dir: Path, straight: Path) -> None:
    """The result, byte for byte, and the counts of the record."""
    assert weights(run_dir) == weights(straight)
    assert (run_dir / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()
    mine, its = record(run_dir), record(straight)
    for field in (
        "status",
        "reason",
        "config_hash",
        "generator_steps",
        "critic_steps",
        "images_seen",
        "last_metrics",
    ):
        assert mine[field] == its[field], field
    assert (
        checkpoints_are_whole(run_dir)[0] == its["generator_steps"]
    )  # the older ones: where it was stopped
    for path in (straight / "samples").iterdir():
        assert (run_dir / "samples" / path.name).read_bytes() == path.read_bytes()
