"""A run that is killed at any moment and resumed ends with the bytes of one that was not; nothing
it left is torn."""

from __future__ import annotations

import random
import signal
import subprocess

import pytest

from helpers.fault_runs import (
    RECIPE,
    checkpoints_are_whole,
    is_the_same,
    run,
    start,
    until,
    watching,
)
from helpers.gan_runs import finish, record

pytestmark = pytest.mark.slow

KILLS = 20
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def killed(folder, straight, number, moment, early, *arguments):
    """Start and kill the run `moment` (0..1) of its way; None where it was done before. Checks what
    it left.

    early: the way is from its folder to its config.yaml, when nothing is trained yet; otherwise
    from there to its end.
    """
    config, seconds = folder / "config.yaml", straight.seconds_before if early else straight.seconds
    before = config.stat().st_mtime_ns if config.exists() else None
    with watching(folder) as watched:
        process = start(*arguments, cwd=folder.parent)
        begins = (
            folder.is_dir
            if early
            else lambda: config.exists() and config.stat().st_mtime_ns != before
        )
        if until(begins, process):
            try:
                process.wait(moment * seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
        ended = finish(process)
    assert watched.wrong == []
    if ended.code == 0 or (
        (folder / "record.json").exists() and record(folder)["status"] == "finished"
    ):
        return None
    assert ended.code in (-number, 128 + number), ended
    steps = checkpoints_are_whole(folder)
    if config.exists():
        assert watched.reads > 0
        assert record(folder)["status"] in ("running", "interrupted")
    return steps


@pytest.mark.parametrize("case", range(KILLS))
def test_a_killed_run_is_resumed_to_the_same_bytes(case, straight, tmp_path):
    rng = random.Random(case)
    number, moment, early = SIGNALS[case % len(SIGNALS)], rng.random(), case % 5 == 4
    for attempt in range(8):  # on a machine that became faster the moment may come after the end
        folder = tmp_path / f"run{attempt}"
        steps = killed(folder, straight, number, moment, early, *RECIPE, f"run_dir={folder}")
        if steps is not None:
            break
        is_the_same(folder, straight.folder)
        moment *= 0.5
    assert steps is not None, "it was never killed"
    begun = (folder / "config.yaml").exists()
    print(
        f"case {case}: {number.name} at {moment:.2f}{' (before)' if early else ''}, checkpoints "
        f"{steps}, begun {begun}"
    )
    ended = run(*([f"resume={folder}"] if begun else [*RECIPE, f"run_dir={folder}"]), cwd=tmp_path)
    assert ended.code == 0, ended
    assert record(folder)["resumed_from_step"] == (max(steps, default=0) if begun else 0)
    is_the_same(folder, straight.folder)


def test_a_run_that_is_killed_again_and_again_gets_there(straight, tmp_path):
    """Every part of it too, somewhere in its training."""
    rng = random.Random("again")
    for attempt in range(4):  # on a machine that became faster a moment may come after the end
        folder, reached = tmp_path / f"run{attempt}", [0]
        for _ in range(5):
            begun = (folder / "config.yaml").exists()
            arguments = [f"resume={folder}"] if begun else [*RECIPE, f"run_dir={folder}"]
            moment = rng.uniform(0.1, 0.5) * 0.5**attempt
            steps = killed(folder, straight, rng.choice(SIGNALS), moment, False, *arguments)
            if steps is None:
                break
            reached.append(max(steps, default=0))
            assert reached[-1] >= reached[-2]
        if len(reached) > 2:
            break
        is_the_same(folder, straight.folder)
    print(f"killed {len(reached) - 1} times, at checkpoints {reached}")
    assert len(reached) > 2
    if steps is not None:
        ended = run(f"resume={folder}", cwd=tmp_path)
        assert ended.code == 0, ended
    is_the_same(folder, straight.folder)
