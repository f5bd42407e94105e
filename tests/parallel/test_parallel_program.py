"""`train.py trainer=ddp` on two processes: the run of one process, whoever starts them and whoever
is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from helpers.gan_runs import (
    DCGAN,
    Ended,
    checkpoint,
    finish,
    metrics,
    record,
    resume,
    steps_of,
    train,
    wait_for,
)
from helpers.parallel_programs import (
    MINUTE,
    PATIENCE,
    TINY,
    TWO,
    assert_no_orphans,
    free_port,
    program,
    second_of,
    started,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TORCHRUN = (
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--nproc-per-node=2",
    "--master-addr=127.0.0.1",
)
RECIPE = (
    *TINY,
    "max_generator_steps=6",
    "checkpoint_every=3",
    "evaluate_every=3",
    "log_every=2",
    "optimizer.lr=1e-3",
)
SCORED = (
    *("evaluation=classifier", "evaluation.samples=60", "evaluation.samples_in_training=40"),
    *("evaluation.splits=2", "evaluation.batch_size=25"),
)
LONG = (*TINY, "max_generator_steps=60", "checkpoint_every=4", "log_every=1", "evaluation=off")


def assert_same_run(one: Path, two: Path) -> None:
    """Float32 in another order of summation: values to 1e-4, weights to 1e-3."""
    mine, its = record(two), record(one)
    assert mine["status"] == "finished"
    for field in (
        "config_hash",
        "parameters",
        "generator_steps",
        "critic_steps",
        "images_seen",
        "dataset",
    ):
        assert mine[field] == its[field], field
    assert mine["last_metrics"] == pytest.approx(its["last_metrics"], rel=1e-4, abs=1e-4)
    lines, expected = metrics(two), metrics(one)
    assert [line["generator_step"] for line in lines] == [
        line["generator_step"] for line in expected
    ]
    for line, other in zip(lines, expected, strict=True):
        trained = [
            name for name in other if "classifier" not in name
        ]  # scores: see `assert_same_scores`
        assert [line[name] for name in trained] == pytest.approx(
            [other[name] for name in trained], rel=1e-4, abs=1e-4
        )
    mine, its = load_file(two / "generator.safetensors"), load_file(one / "generator.safetensors")
    assert mine.keys() == its.keys()
    assert (
        max(float((mine[name].double() - its[name].double()).abs().max()) for name in mine) <= 1e-3
    )
    assert steps_of(two, "checkpoints", ".ckpt") == steps_of(one, "checkpoints", ".ckpt") == [3, 6]


def assert_same_scores(one: Path, two: Path) -> None:
    """Of the same samples, but for pixels that rounding moved."""
    mine, its = record(two), record(one)
    assert mine["scores"].keys() == its["scores"].keys()
    for name, entry in its["scores"].items():
        assert mine["scores"][name].keys() == entry.keys()
        assert mine["scores"][name]["n_samples"] == entry["n_samples"] == 60
        assert float(mine["scores"][name]["value"]) == pytest.approx(
            float(entry["value"]), rel=1e-2
        )
    assert mine["history"].keys() == its["history"].keys()
    assert all([step for step, _ in points] == [3, 6] for points in mine["history"].values())


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    return train(
        tmp_path_factory.mktemp("alone") / "run", *RECIPE, *SCORED, "trainer=cpu", small=False
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory, alone) -> tuple[Path, Ended]:
    """Two processes that Lightning starts, in a folder that the program names."""
    place = tmp_path_factory.mktemp("pair")
    ended = program(*RECIPE, *SCORED, *TWO, cwd=place)
    assert ended.code == 0, ended
    (run_dir,) = (path.parent for path in place.rglob("record.json"))
    return run_dir, ended


def test_the_run_of_one_process(alone, pair):
    assert_same_run(alone, pair[0])
    assert_same_scores(alone, pair[0])


def test_one_process_writes_and_speaks(alone, pair):
    run_dir, ended = pair
    assert len(list(run_dir.parent.iterdir())) == 1, "each process made a folder"
    files = [
        {str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (run_dir, alone)
    ]
    assert files[0] == files[1]
    assert ended.out.count("run directory:") == ended.out.count("record:") == 1
    assert ended.err == ""


def test_torchrun(alone, tmp_path):
    by = (*TORCHRUN, f"--master-port={free_port()}")
    ended = program(*RECIPE, *SCORED, *TWO, "run_dir=run", cwd=tmp_path, by=by)
    assert ended.code == 0, ended
    assert ended.out.count("run directory:") == 1
    assert_same_run(alone, tmp_path / "run")
    assert_same_scores(alone, tmp_path / "run")


def test_srun(alone, tmp_path):
    """Its variables, set by hand."""
    job = {
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "gan",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
    }
    job |= {
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": "127.0.0.1",
        "MASTER_ADDR": "127.0.0.1",
    }
    job |= {"MASTER_PORT": free_port()}
    tasks = [job | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in "01"]
    arguments = (*RECIPE, *SCORED, *TWO, "run_dir=run")
    with (
        started(*arguments, cwd=tmp_path, env=tasks[0]) as one,
        started(*arguments, cwd=tmp_path, env=tasks[1]) as two,
    ):
        ends = [finish(process, PATIENCE) for process in (one, two)]
    assert [ended.code for ended in ends] == [0, 0], ends
    assert [ended.out.count("run directory:") for ended in ends] == [1, 0]
    assert_same_run(alone, tmp_path / "run")


# Resume -------------------------------------------------------------------------------------------


def stopped_at_3(run_dir: Path, place: Path) -> Path:
    """A copy of a run as a kill after step 4 leaves it."""
    shutil.copytree(run_dir, place)
    for path in place.glob("checkpoints/step_6.*"):
        path.unlink()
    for name in ("generator.safetensors", "generator.json"):
        (place / name).unlink()
    content = record(place) | {"status": "running", "generator_steps": 0, "scores": {}}
    (place / "record.json").write_text(json.dumps(content))
    lines = (place / "metrics.jsonl").read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["generator_step"] == 6
    (place / "metrics.jsonl").write_text("".join(lines[:-1]))
    return place


@pytest.mark.parametrize("began", ["alone", "pair"])
def test_a_run_resumes_on_two(began, alone, pair, tmp_path):
    run_dir = stopped_at_3(alone if began == "alone" else pair[0], tmp_path / "run")
    trainer = TWO if began == "alone" else ()  # a run goes on as it began
    ended = program("resume=run", "evaluation=off", *trainer, cwd=tmp_path)
    assert ended.code == 0, ended
    assert record(run_dir)["resumed_from_step"] == 3
    assert_same_run(alone, run_dir)


def test_a_run_of_two_resumes_on_one(alone, pair, tmp_path):
    run_dir = stopped_at_3(pair[0], tmp_path / "run")
    resume(run_dir, "trainer=cpu", "evaluation=off")
    assert record(run_dir)["resumed_from_step"] == 3
    assert_same_run(alone, run_dir)


# Signals and kills --------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["first", "second"])
def test_sigterm_to_one_process_stops_both(which, tmp_path):
    with started(*LONG, "max_generator_steps=100000", *TWO, "run_dir=run", cwd=tmp_path) as process:
        second = second_of(process)
        wait_for(tmp_path / "run/metrics.jsonl", process)
        os.kill(process.pid if which == "first" else second, signal.SIGTERM)
        ended = finish(process, MINUTE)
        assert_no_orphans(process)
    assert ended.code == 128 + signal.SIGTERM, ended
    assert "Traceback" not in ended.err
    kept = record(tmp_path / "run")
    assert (kept["status"], kept["reason"]) == ("interrupted", "SIGTERM")
    assert steps_of(tmp_path / "run", "checkpoints", ".ckpt")[-1] == kept["generator_steps"]
    assert [line["generator_step"] for line in metrics(tmp_path / "run")] == [
        step + 1 for step in range(kept["generator_steps"])
    ]


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_killed_process_ends_the_job(which, tmp_path):
    with started(*LONG, *TWO, "run_dir=run", cwd=tmp_path) as process:
        second = second_of(process)
        wait_for(tmp_path / "run/checkpoints/step_8.ckpt", process)
        os.kill(process.pid if which == "first" else second, signal.SIGKILL)
        began = time.monotonic()
        process.wait(MINUTE)
        assert_no_orphans(process, MINUTE - (time.monotonic() - began))
        ended = finish(process, MINUTE)
    assert ended.code != 0
    assert "Traceback" not in ended.err, ended.err
    assert [
        line.count("another process of this run ended")
        for line in ended.err.splitlines()
        if "error:" in line
    ] == [1]
    kept = record(tmp_path / "run")
    expected = (
        ("running", None) if which == "first" else ("failed", "another process of this run ended")
    )
    assert (kept["status"], kept["reason"]) == expected
    resume(tmp_path / "run", "trainer=cpu")
    kept = record(tmp_path / "run")
    assert (kept["status"], kept["generator_steps"]) == ("finished", 60)
    assert kept["resumed_from_step"] >= 4
    assert [line["generator_step"] for line in metrics(tmp_path / "run")] == list(range(1, 61))


def test_a_process_killed_while_the_first_one_does_not_wait_for_it(tmp_path):
    """It scores: Lightning kills it within five seconds, but what happened has been said and
    recorded."""
    scored = (
        "evaluation=classifier",
        "evaluation.scores=[is]",
        "evaluation.samples=1000000",
        "max_generator_steps=4",
    )
    with started(*LONG, *scored, *TWO, "run_dir=run", cwd=tmp_path) as process:
        second = second_of(process)
        wait_for(tmp_path / "run/generator.safetensors", process)
        time.sleep(2)
        os.kill(second, signal.SIGKILL)
        process.wait(MINUTE)
        assert_no_orphans(process)
        ended = finish(process, MINUTE)
    assert ended.code != 0
    kept = record(tmp_path / "run")
    assert (kept["status"], kept["reason"]) == (
        "failed",
        "another process of this run ended: process 1 ended with SIGKILL",
    )
    (line,) = [line for line in ended.err.splitlines() if line.startswith("error:")]
    assert kept["reason"] in line
    assert "resume=run" in line


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_ends_before_they_have_met(number, which, tmp_path):
    """The other one would wait for it half an hour."""
    if (number, which) == (signal.SIGTERM, "second"):
        pytest.skip("as SIGKILL: there is no handler yet")
    with started(*LONG, *TWO, "run_dir=run", cwd=tmp_path) as process:
        second = second_of(process)
        os.kill(process.pid if which == "first" else second, number)
        began = time.monotonic()
        assert process.wait(MINUTE) != 0
        assert_no_orphans(process, MINUTE - (time.monotonic() - began))
    assert record(tmp_path / "run")["status"] in ("running", "failed", "interrupted")


@pytest.mark.parametrize("cadence", ["log_every=1", "checkpoint_every=2"])
def test_a_diverging_run_ends_with_one_message(cadence, tmp_path):
    """Seen where metrics are read, and where a checkpoint would be written."""
    rare = ("log_every=1000", "checkpoint_every=1000")
    ended = program(*LONG, *rare, cadence, "optimizer.lr=1e12", *TWO, "run_dir=run", cwd=tmp_path)
    assert ended.code == 1
    errors = [
        line
        for line in ended.err.splitlines()
        if line and not line.startswith("Error executing job with")
    ]
    assert len(errors) == 1, ended.err
    assert errors[0].startswith("error: diverged: a loss or parameter is not finite")
    assert record(tmp_path / "run")["status"] == "diverged"
    assert not steps_of(tmp_path / "run", "checkpoints", ".ckpt")


# Label models -------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", ["dynamic", "predefined"])
def test_label_models_with_noise_and_dropout(labels, tmp_path):
    """Dropout differs from a run of one process, so only that it trains and all state stays
    finite."""
    recipe = (
        *DCGAN,
        "loss=am_gan",
        f"labels={labels}",
        "penalty=none",
        "max_generator_steps=4",
        "log_every=1",
    )
    small = (
        "n_critic=1",
        "batch_size=16",
        "generator_batch_size=16",
        "sample_every=2",
        "evaluation=off",
    )
    ended = program(*recipe, *small, *TWO, "run_dir=run", cwd=tmp_path)
    assert ended.code == 0, ended
    assert record(tmp_path / "run")["status"] == "finished"
    assert len(metrics(tmp_path / "run")) == 4
    assert checkpoint(tmp_path / "run", 4)["generator_steps"] == 4
    assert [path.name for path in sorted(tmp_path.glob("run/samples/step_*"))] == [
        "step_2.png",
        "step_4.png",
    ]
