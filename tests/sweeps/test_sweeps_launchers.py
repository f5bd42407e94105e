"""Every launcher: one cell that diverges or is killed does not stop the others, and is listed with
its reason."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time

import joblib
import pytest
import yaml

from helpers.gan_runs import record
from helpers.sweep_runs import is_alive, process_of, start, statuses, sweep, wait_for

LAUNCHERS = {
    "serial": [],
    "joblib": ["hydra.launcher.n_jobs=2"],
    "submitit_local": [],
    "ray": ["hydra.launcher.num_cpus=2"],
}
pytestmark = pytest.mark.timeout(1800)  # seconds on an idle machine, many minutes on a busy one
NEEDS = {"submitit_local": "submitit", "ray": "ray"}
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


def skip_without(launcher: str) -> None:
    if importlib.util.find_spec(package := NEEDS.get(launcher, "hydra")) is None:
        pytest.skip(f"the package {package} is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_four_cells_of_which_one_diverges(launcher, tmp_path):
    skip_without(launcher)
    code, out, err = sweep(
        tmp_path,
        f"hydra/launcher={launcher}",
        *LAUNCHERS[launcher],
        "optimizer.lr=1e-4,1e9",
        "seed=0,1",
    )
    assert code == 1
    assert "Traceback" not in err
    assert statuses(tmp_path) == ["finished", "finished", "diverged", "diverged"]
    listed = out[out.index("sweep: 4 cells") :].splitlines()
    assert listed[0] == "sweep: 4 cells: 2 finished, 2 diverged"
    assert [line.split()[:2] for line in listed[1:3]] == [["diverged", "2"], ["diverged", "3"]]
    assert all("not finite" in line for line in listed[1:3])


@on_linux
@pytest.mark.slow
def test_twelve_cells_one_diverging_one_killed_and_the_second_call_runs_what_is_missing(tmp_path):
    rates = ",".join(["1e9", *(f"{n}e-5" for n in range(1, 12))])
    line = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"optimizer.lr={rates}", "existing_run=resume",
            "max_generator_steps=60", "checkpoint_every=5")  # fmt: skip
    cell = tmp_path / "sweep/3"
    first = start(tmp_path, *line)
    wait_for(lambda: any((cell / "checkpoints").glob("*.ckpt")), first)
    os.kill(process_of(cell), signal.SIGKILL)
    out, err = first.communicate(timeout=900)
    assert first.returncode == 1
    assert "Traceback" not in err
    assert statuses(tmp_path) == [
        "diverged",
        "finished",
        "finished",
        "interrupted",
        *["finished"] * 8,
    ]
    assert record(cell)["reason"] == "its process was killed (SIGKILL(-9))"
    listed = out[out.index("sweep: 12 cells") :].splitlines()
    assert listed[0] == "sweep: 12 cells: 10 finished, 1 diverged, 1 interrupted"
    assert "not finite" in listed[1]
    assert listed[2].split()[:2] == ["interrupted", "3"]
    assert "SIGKILL" in listed[2]

    others = [tmp_path / "sweep" / str(n) / "record.json" for n in range(12) if n != 3]
    before = [path.stat().st_mtime_ns for path in others]
    code, out, err = sweep(tmp_path, *line)
    assert code == 0, err
    assert [path.stat().st_mtime_ns for path in others] == before
    assert record(cell)["status"] == "finished"
    assert record(cell)["resumed_from_step"] > 0
    assert "sweep: 12 cells: 11 finished, 1 diverged" in out


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_sweep_that_is_killed_takes_its_cells_along_and_goes_on(launcher, tmp_path):
    """They write a checkpoint, and no process stays."""
    skip_without(launcher)
    line = (f"hydra/launcher={launcher}", "seed=0,1", "max_generator_steps=1000", "checkpoint_every=5",
            "existing_run=resume")  # fmt: skip
    cells = [tmp_path / "sweep" / name for name in "01"]
    process = start(tmp_path, *line)
    wait_for(lambda: all(any((cell / "checkpoints").glob("*.ckpt")) for cell in cells), process)
    running = [process_of(cell) for cell in cells]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 120
    while any(is_alive(each) for each in running):
        assert time.monotonic() < deadline, "a cell outlived its sweep"
        time.sleep(0.1)
    process.communicate()
    assert statuses(tmp_path) == ["interrupted"] * 2
    code, _, err = sweep(tmp_path, *line)
    assert code == 0, err
    assert statuses(tmp_path) == ["finished"] * 2
    assert all(record(cell)["resumed_from_step"] > 0 for cell in cells)


@on_linux
@pytest.mark.slow
def test_a_preempted_job_is_sent_again_and_goes_on(tmp_path):
    """By submitit's signal, which its executor on this machine heeds as that of Slurm."""
    skip_without("submitit_local")
    line = (
        "hydra/launcher=submitit_local",
        "seed=0,1",
        "max_generator_steps=1000",
        "checkpoint_every=5",
    )
    cell = tmp_path / "sweep/1"
    process = start(tmp_path, *line)
    wait_for(lambda: any((cell / "checkpoints").glob("*.ckpt")), process)
    os.kill(process_of(cell), signal.SIGUSR2)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert statuses(tmp_path) == ["finished"] * 2
    assert record(cell)["resumed_from_step"] > 0
    assert record(cell)["generator_steps"] == 1000
    assert out.count("seed=1: done") == 1
    assert "sweep: 2 cells: 2 finished" in out


@pytest.mark.slow
def test_submitit_starts_a_cell_of_two_devices_once_on_this_machine(tmp_path):
    skip_without("submitit_local")
    line = (
        "trainer=ddp",
        "trainer.accelerator=cpu",
        "trainer.devices=2",
        "generator_batch_size=15,13",
    )
    code, out, _ = sweep(tmp_path, "hydra/launcher=submitit_local", *line)
    assert code == 1
    assert "sweep: 2 cells: 2 failed" in out
    assert (tmp_path / "sweep/0/output.log").read_text().count("cannot be shared by 2 devices") == 1


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_cells_that_never_ran_are_told_with_their_reason(launcher, tmp_path):
    """Of three folders two hold another run; and an error that nobody foresaw, before there is a
    record."""
    skip_without(launcher)
    line = (f"hydra/launcher={launcher}", *LAUNCHERS[launcher], "existing_run=resume")
    assert sweep(tmp_path, *line, "seed=0,1")[0] == 0
    code, out, err = sweep(tmp_path, *line, "seed=1,0,2")
    assert code == 1
    assert "Traceback" not in err
    listed = out[out.index("sweep: 3 cells") :].splitlines()
    assert listed[0] == "sweep: 3 cells: 1 finished, 2 failed"
    assert all("holds another run (other seed)" in line for line in listed[1:3])
    assert statuses(tmp_path) == ["finished"] * 3  # their records were left alone
    code, out, err = sweep(
        tmp_path,
        *line,
        "dataset=image_folder",
        "dataset.root=.",
        "hydra.sweep.dir=other",
        "seed=0,1",
    )
    assert code == 1
    assert "other: 2 cells: 2 failed" in out


@pytest.mark.slow
def test_cells_of_two_devices_are_runs_of_their_own(tmp_path):
    """One finishes, one is refused by its devices: both are told as any other cell."""
    line = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=1", "trainer=ddp", "trainer.accelerator=cpu",
            "trainer.devices=2", "generator_batch_size=8,15", "logger=wandb", "existing_run=resume")  # fmt: skip
    code, out, err = sweep(tmp_path, *line)
    assert code == 1
    assert "Traceback" not in err
    assert statuses(tmp_path) == ["finished", "failed"]
    whole = yaml.safe_load((tmp_path / "sweep/0/config.yaml").read_text())
    assert whole["trainer"]["devices"] == 2
    assert whole["logger"]["wandb"]["group"] == "sweep"
    assert record(tmp_path / "sweep/0")["generator_steps"] == 3
    listed = out[out.index("sweep: 2 cells") :].splitlines()
    assert listed[0] == "sweep: 2 cells: 1 finished, 1 failed"
    assert "generator_batch_size=15 cannot be shared by 2 devices" in listed[1]
    before = (tmp_path / "sweep/0/record.json").stat().st_mtime_ns
    _, out, _ = sweep(tmp_path, *line)
    assert (tmp_path / "sweep/0/record.json").stat().st_mtime_ns == before
    assert "sweep: 2 cells: 1 finished, 1 failed" in out


@pytest.mark.slow
def test_the_threads_of_the_machine_are_divided(tmp_path):
    code, out, _ = sweep(
        tmp_path, "hydra/launcher=joblib", "hydra.launcher.n_jobs=1", "seed=0,1", threads=None
    )
    assert code == 0
    assert f"2 cells, 1 at a time, {joblib.cpu_count()} threads each" in out
    code, out, _ = sweep(tmp_path, "hydra/launcher=joblib", f"hydra.launcher.n_jobs={2 * joblib.cpu_count()}",
                         "seed=0,1", "existing_run=resume", threads=None)  # fmt: skip
    assert code == 0
    assert ", 1 threads each" in out
