"""The Slurm launcher against a stand-in for Slurm's commands, on this machine: what it asks for,
and tasks that meet.

The stand-in sets Slurm's variables and starts the tasks that the sent script asks for; it knows no
queue.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.gan_runs import ROOT, record
from helpers.sweep_runs import start, statuses, sweep, wait_for

STAND_IN = Path(__file__).with_name("slurm_stand_in")
TWO = ("hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "trainer=ddp", "trainer.accelerator=cpu",
       "trainer.devices=2")  # fmt: skip
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="shell commands of Linux"),
    pytest.mark.skipif(
        importlib.util.find_spec("submitit") is None, reason="the package submitit is not installed"
    ),
]


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Path:
    """Where the stand-in keeps what was sent and what became of it."""
    place = tmp_path / "slurm"
    place.mkdir()
    monkeypatch.setenv("SLURM_STAND_IN", str(place))
    monkeypatch.setenv("PATH", f"{STAND_IN}{os.pathsep}{os.environ['PATH']}")
    return place


def asked(slurm: Path) -> dict[str, str]:
    """The fields of the script that was sent."""
    lines = [
        line.removeprefix("#SBATCH --") for line in (slurm / "sent.sh").read_text().splitlines()
    ]
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("srun"))


def test_a_task_for_each_device_and_they_are_one_run(slurm, tmp_path):
    code, out, err = sweep(tmp_path, *TWO, "seed=0,1")
    assert code == 0, err
    assert statuses(tmp_path) == ["finished"] * 2
    fields = asked(slurm)
    assert (fields["nodes"], fields["ntasks-per-node"], fields["gpus-per-node"]) == ("1", "2", "0")
    assert "--kill-on-bad-exit=1" in (slurm / "sent.sh").read_text()
    for name in "01":
        cell = tmp_path / "sweep" / name
        assert all(
            f"global_rank={rank}(2)" in (slurm / f"{name}.log").read_text() for rank in (0, 1)
        )
        assert record(cell)["generator_steps"] == 3
        assert len((cell / "metrics.jsonl").read_text().splitlines()) == 3  # one process writes
    before = [(tmp_path / "sweep" / name / "record.json").read_bytes() for name in "01"]
    code, out, err = sweep(
        tmp_path, *TWO, "seed=0,1"
    )  # refused by the first task alone: the other would wait for it
    assert code == 1
    assert "sweep: 2 cells: 2 failed" in out
    assert out.count("already holds a run") >= 2
    assert [(tmp_path / "sweep" / name / "record.json").read_bytes() for name in "01"] == before


def test_gpus_are_asked_for_and_jobs_outlive_the_sweep(slurm, tmp_path):
    process = start(tmp_path, "hydra/launcher=submitit_slurm", "+hydra.launcher.slurm.partition=long", "seed=0,1",
                    "max_generator_steps=800")  # fmt: skip
    wait_for((tmp_path / "sweep/1/metrics.jsonl").exists, process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "jobs that were sent go on" in out
    assert "the same command" not in out
    assert (asked(slurm)["gpus-per-node"], asked(slurm)["partition"]) == ("1", "long")
    while not (slurm / "states").exists() or (slurm / "states").read_text().count("COMPLETED") < 2:
        time.sleep(0.1)
    assert statuses(tmp_path) == ["finished"] * 2


@pytest.mark.parametrize(("device", "gpus"), [("cpu", "0"), ("auto", "1")])
def test_a_study_is_one_task_on_its_device(slurm, tmp_path, device, gpus):
    cell = ["study=games", "study.max_steps=4", f"device={device}", "seed=0,1"]
    ended = subprocess.run(
        [sys.executable, str(ROOT / "scripts/study.py"), "-m", "hydra/launcher=submitit_slurm",
         "hydra.launcher.cpus_per_task=1", "hydra.sweep.dir=sweep", *cell],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert statuses(tmp_path) == ["finished"] * 2
    fields = asked(slurm)
    assert (fields["ntasks-per-node"], fields["gpus-per-node"]) == ("1", gpus)
