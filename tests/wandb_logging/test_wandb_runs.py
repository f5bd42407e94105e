"""Offline runs as W&B's own reader finds them: axis, values, pictures, config, files; resume,
sweeps, processes."""

from __future__ import annotations

import base64
import hashlib
import os
import signal

import pytest
import yaml

from helpers.gan_runs import (
    Killed,
    command,
    finish,
    kill_after,
    metrics,
    record,
    resume,
    start,
    train,
    wait_for,
)
from helpers.wandb_files import read

SHORT = ("n_critic=1", "max_generator_steps=6", "log_every=2", "sample_every=4", "logger=wandb")
PROGRAM = (
    "architecture.channels=8",
    "batch_size=16",
    "generator_batch_size=16",
    "evaluation=off",
    *SHORT,
)


def rows(logged):
    """{generator step: what metrics.jsonl would say of it}."""
    kept = {}
    for item in logged.history:
        numbers = {
            key: value
            for key, value in item.items()
            if key[0] != "_" and not key.startswith("samples")
        }
        kept[numbers.pop("generator_step")] = numbers
    return kept


def expected(run_dir):
    return {line.pop("generator_step"): line for line in metrics(run_dir)}


def is_same(logged, wanted):
    assert logged.keys() == wanted.keys()
    for step, values in wanted.items():
        assert logged[step] == pytest.approx(values, rel=1e-6), step


@pytest.fixture(scope="module")
def trained(tmp_path_factory, home):
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    return train(run_dir, *SHORT, "loss=am_gan", "labels=dynamic")


@pytest.fixture(scope="module")
def logged(trained):
    (found,) = read(trained)
    return found


def test_generator_steps_are_the_axis(logged):
    assert [(item["_step"], item["generator_step"]) for item in logged.history] == [
        (2, 2),
        (4, 4),
        (6, 6),
    ]
    (everything,) = (metric for metric in logged.metrics if metric.get("glob_name") == "*")
    assert everything["step_metric"] == "generator_step"


def test_rows_are_those_of_the_metrics_file(trained, logged):
    is_same(rows(logged), expected(trained))


def test_grids_are_shown_at_the_steps_where_they_were_drawn(trained, logged):
    shown = [
        (item["generator_step"], key, item[f"{key}.path"], item[f"{key}.sha256"])
        for item in logged.history
        for key in ("samples", "samples_by_class")
        if f"{key}.path" in item
    ]
    files = {"samples": "step", "samples_by_class": "classes"}
    assert [(step, key) for step, key, _, _ in shown] == [
        (step, key) for step in (4, 6) for key in files
    ]
    for step, key, path, digest in shown:
        drawn = (trained / "samples" / f"{files[key]}_{step}.png").read_bytes()
        assert (logged.files / path).read_bytes() == drawn
        assert hashlib.sha256(drawn).hexdigest() == digest


def test_config_and_what_the_run_was(trained, logged):
    wanted = yaml.safe_load((trained / "config.yaml").read_text())
    del wanted["version"]  # of the file
    found = record(trained)
    assert {key: logged.config[key] for key in wanted} == wanted
    assert logged.config["choices"] == found["choices"]
    assert logged.config["config_hash"] == found["config_hash"]
    assert logged.config["data"] == found["dataset"]
    assert logged.config["cell"] == "digits resnet am_gan dynamic maxgp 1 adam"
    assert logged.run["run_id"] == found["run_id"]
    assert logged.run["project"] == "gan_lab"
    assert "run_group" not in logged.run


def test_end_of_the_run(trained, logged):
    found = record(trained)
    assert logged.exit_code == 0
    assert logged.summary["status"] == found["status"] == "finished"
    assert logged.summary["images_seen"] == 6 * 16
    kept = {
        artifact["type"]: {
            entry["path"]: entry["digest"] for entry in artifact["manifest"]["contents"]
        }
        for artifact in logged.artifacts
    }
    files = {
        "scores": ["record.json", "metrics.jsonl"],
        "generator": ["generator.safetensors", "generator.json"],
    }
    assert kept == {
        kind: {
            name: base64.b64encode(hashlib.md5((trained / name).read_bytes()).digest()).decode()
            for name in sorted(names)
        }
        for kind, names in files.items()
    }


def test_nothing_of_it_stands_outside_the_run_directory(trained, logged, home):
    for artifact in logged.artifacts:
        for entry in artifact["manifest"]["contents"]:
            assert str(trained) in entry["local_path"]
    assert not (home / ".local").exists()


def test_a_longer_run_goes_on_under_the_same_id(tmp_path):
    run_dir = train(tmp_path / "run", *SHORT)
    resume(run_dir, "max_generator_steps=10")
    first, second = read(run_dir)
    assert first.run["run_id"] == second.run["run_id"] == record(run_dir)["run_id"]
    assert second.run["resume"] is True
    assert [item["_step"] for item in second.history] == [8, 10]
    is_same(rows(first) | rows(second), expected(run_dir))


def test_a_run_that_failed_says_so_and_resumes(tmp_path, monkeypatch):
    kill_after(monkeypatch, 4)
    with pytest.raises(Killed):
        train(tmp_path / "run", *SHORT, "checkpoint_every=3")
    resume(tmp_path / "run")
    first, second = read(tmp_path / "run")
    assert (first.exit_code, first.summary["status"]) == (1, "failed")
    assert (second.exit_code, second.summary["status"]) == (0, "finished")
    assert [item["_step"] for item in second.history] == [4, 6]
    again = rows(first)[4], rows(second)[4]
    assert again[0] == again[1], "a step that comes twice says the same twice"


@pytest.mark.slow
def test_three_jobs_of_a_sweep_are_three_runs_of_one_group(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ended = command(capsys, "-m", *PROGRAM, "seed=0,1,2", "hydra.sweep.dir=sweeps/mine")
    assert ended.code == 0, ended.err
    found = read(tmp_path / "sweeps")
    assert len(found) == 3
    assert {one.run["run_group"] for one in found} == {"mine"}
    assert {one.run["run_id"] for one in found} == {
        record(tmp_path / f"sweeps/mine/{job}")["run_id"] for job in range(3)
    }
    assert len({one.run["run_id"] for one in found}) == 3
    for one in found:
        run_dir = tmp_path / "sweeps/mine" / one.run["display_name"].split("/")[-1]
        assert one.config["seed"] == record(run_dir)["seed"]
        is_same(rows(one), expected(run_dir))

    resume(tmp_path / "sweeps/mine/1", "max_generator_steps=8")  # alone
    part = read(tmp_path / "sweeps/mine/1")[-1]
    assert part.run["run_group"] == "mine"
    assert [item["_step"] for item in part.history] == [8]


@pytest.mark.slow
def test_a_killed_run_goes_on_under_the_same_id(tmp_path):
    """What W&B has of it before and after has no holes; between them at most the last second before
    the kill is."""
    run_dir = tmp_path / "run"
    process = start(
        *PROGRAM,
        f"run_dir={run_dir}",
        "max_generator_steps=400",
        "checkpoint_every=20",
        cwd=tmp_path,
    )
    wait_for(run_dir / "checkpoints" / "step_100.ckpt", process)
    process.send_signal(signal.SIGKILL)
    finish(process)
    done = max(int(path.stem[5:]) for path in (run_dir / "checkpoints").glob("*.ckpt"))
    ended = finish(start(f"resume={run_dir}", cwd=tmp_path))
    assert ended.code == 0, ended.err
    first, second = read(run_dir)
    assert first.run["run_id"] == second.run["run_id"]
    assert first.exit_code is None
    assert sorted(rows(first)) == list(range(2, max(rows(first)) + 1, 2))
    assert sorted(rows(second)) == list(range(done + 2, 401, 2))


@pytest.mark.slow
def test_an_agent_of_a_wandb_sweep_chooses_the_id(tmp_path):
    """As `wandb agent` starts a job; offline, so what it asks the server for is left away."""
    (tmp_path / "sweep.yaml").write_text("wandb_version: 1\nseed: {value: 3}\n")
    agent = {
        "WANDB_SWEEP_ID": "abcd",
        "WANDB_RUN_ID": "chosen01",
        "WANDB_SWEEP_PARAM_PATH": str(tmp_path / "sweep.yaml"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in agent.items():
            patch.setenv(name, value)
        ended = finish(start(*PROGRAM, "seed=3", f"run_dir={tmp_path / 'run'}", cwd=tmp_path))
    assert ended.code == 0, ended.err
    (found,) = read(tmp_path / "run")
    assert found.run["run_id"] == record(tmp_path / "run")["run_id"] == "chosen01"
    assert found.run["sweep_id"] == "abcd"


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_of_two_processes_the_first_logs(tmp_path):
    run_dir = tmp_path / "run"
    devices = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    ended = finish(start(*PROGRAM, *devices, f"run_dir={run_dir}", cwd=tmp_path))
    assert ended.code == 0, ended.err
    (found,) = read(tmp_path)
    is_same(rows(found), expected(run_dir))


@pytest.mark.slow
def test_scores_over_training_and_after_it(tmp_path):
    evaluation = (
        "evaluation=classifier",
        "evaluation.samples=60",
        "evaluation.samples_in_training=40",
    )
    evaluation += ("evaluation.splits=2", "evaluate_every=3")
    run_dir = train(tmp_path / "run", *SHORT, *evaluation)
    (found,) = read(run_dir)
    content = record(run_dir)
    wanted = {
        (step, name.replace(".", "/")): value
        for name, points in content["history"].items()
        for step, value in points
    }
    shown = {
        (item["_step"], key): item[key]
        for item in found.history
        for _, key in wanted
        if key in item
    }
    assert shown == pytest.approx(wanted, rel=1e-6)
    assert {step for step, _ in wanted} == {3, 6}
    for name, entry in content["scores"].items():
        assert found.summary[f"final/{name}"] == pytest.approx(entry["value"], rel=1e-6)
    assert "scores.path" in found.history[-1]
    assert {artifact["type"] for artifact in found.artifacts} == {
        "scores",
        "generator",
        "run_table",
    }
