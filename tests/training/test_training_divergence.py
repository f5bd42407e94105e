"""A run that is no longer finite stops, says so, and leaves its last good checkpoint."""

from __future__ import annotations

import json
import math
import os

import pytest
import torch
from hydra.errors import CompactHydraException

from gan_lab import callbacks
from gan_lab.errors import UserError
from gan_lab.loggers import MetricsFile
from gan_lab.training import GAN
from helpers.gan_runs import CHANNELS, SMALL, checkpoint, command, metrics, record, steps_of, train


def all_finite(state) -> bool:
    if isinstance(state, torch.Tensor):
        return bool(torch.isfinite(state).all())
    if isinstance(state, dict):
        return all(all_finite(value) for value in state.values())
    if isinstance(state, list | tuple):
        return all(all_finite(value) for value in state)
    return not isinstance(state, float) or math.isfinite(state)


def checkpoints_are_good(run_dir) -> list[int]:
    steps = steps_of(run_dir, "checkpoints", ".ckpt")
    assert all(all_finite(checkpoint(run_dir, step)) for step in steps)
    return steps


def test_a_diverging_run_ends_as_promised(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command(capsys, "loss=exp", "penalty=none", "optimizer.lr=1", CHANNELS, "max_generator_steps=200",
                    "checkpoint_every=1", "run_dir=run")  # fmt: skip
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "diverged" in ended.err
    run_dir = tmp_path / "run"
    kept = record(run_dir)
    assert kept["status"] == "diverged"
    assert "not finite" in kept["reason"]
    assert 0 < kept["generator_steps"] < 200
    steps = checkpoints_are_good(run_dir)
    assert not steps or f"step_{steps[-1]}.ckpt" in ended.err
    assert not (run_dir / "generator.safetensors").exists()


def test_in_a_sweep_the_other_job_still_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command(capsys, "-m", "optimizer.lr=1,1e-4", "loss=exp", "penalty=none", CHANNELS,
                    "max_generator_steps=30", "log_every=5", "hydra.sweep.dir=sweep")  # fmt: skip
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert [record(tmp_path / "sweep" / job)["status"] for job in "01"] == ["diverged", "finished"]
    assert record(tmp_path / "sweep/1")["generator_steps"] == 30


def test_in_a_sweep_a_refused_job_leaves_its_record_and_the_others_run(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ended = command(capsys, "-m", "penalty.weight=-1,1", CHANNELS, *SMALL, "max_generator_steps=1",
                    "hydra.sweep.dir=sweep")  # fmt: skip
    assert ended.code == 1
    assert "penalty.weight=-1" in ended.err
    assert [record(tmp_path / "sweep" / job)["status"] for job in "01"] == ["failed", "finished"]
    assert "penalty.weight=-1" in record(tmp_path / "sweep/0")["reason"]


def test_a_sweep_into_an_old_folder_does_not_overwrite_its_records(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = ("-m", "seed=0", CHANNELS, *SMALL, "max_generator_steps=1", "hydra.sweep.dir=sweep")
    assert command(capsys, *line).code == 0
    before = (tmp_path / "sweep/0/record.json").read_bytes()
    ended = command(capsys, *line)
    assert ended.code == 1
    assert "already holds a run" in ended.err
    assert (tmp_path / "sweep/0/record.json").read_bytes() == before


PLANTS = {
    "gradient of the critic": lambda gan: next(gan.critic.parameters()).register_hook(
        lambda g: g * math.nan
    ),
    "gradient of the generator": lambda gan: next(gan.generator.parameters()).register_hook(
        lambda g: g * math.inf
    ),
    "parameter of the critic": lambda gan: list(gan.critic.parameters())[-1].data.fill_(math.inf),
    "parameter of the generator": lambda gan: next(iter(gan.generator.parameters())).data.fill_(
        math.nan
    ),
    "running statistics": lambda gan: gan.generator.norm.running_mean.fill_(math.nan),
    "average": lambda gan: next(gan.ema.average.parameters()).fill_(math.nan),
    "second moments": lambda gan: next(iter(gan.trainer.optimizers[1].state.values()))[
        "exp_avg_sq"
    ].fill_(math.inf),
}


@pytest.mark.parametrize("cadence", ["log_every=1000", "log_every=1"])
@pytest.mark.parametrize("what", PLANTS)
def test_what_is_planted_is_caught_and_never_stored(what, cadence, tmp_path, monkeypatch):
    """Planted at the end of step 3; the checkpoints of steps 1 to 3 stay, none is written after."""
    original = callbacks.ProgressBar.on_train_batch_end

    def hook(self, trainer, module, *rest):
        original(self, trainer, module, *rest)
        if module.generator_steps == 3:
            PLANTS[what](module)

    monkeypatch.setattr(callbacks.ProgressBar, "on_train_batch_end", hook)
    with pytest.raises(CompactHydraException, match="diverged"):
        train(
            tmp_path / "run", "max_generator_steps=8", "checkpoint_every=1", cadence, "n_critic=1"
        )
    assert checkpoints_are_good(tmp_path / "run") == [1, 2, 3]
    kept = record(tmp_path / "run")
    assert kept["status"] == "diverged"
    assert kept["reason"]
    assert kept["generator_steps"] == 4  # found at once, by the log or by the checkpoint


def test_divergence_between_checkpoints_is_seen_at_the_next_log(tmp_path, monkeypatch):
    original = GAN.training_step

    def step(self, batch, batch_idx):
        original(self, batch, batch_idx)
        if self.generator_steps == 2:
            self.finite &= False  # as a gradient that was not finite for one step only

    monkeypatch.setattr(GAN, "training_step", step)
    with pytest.raises(CompactHydraException):
        train(
            tmp_path / "run",
            "max_generator_steps=20",
            "checkpoint_every=100",
            "log_every=5",
            "n_critic=1",
        )
    assert record(tmp_path / "run")["generator_steps"] == 5
    assert steps_of(tmp_path / "run", "checkpoints", ".ckpt") == []


def test_a_failure_of_another_kind_is_recorded(tmp_path, monkeypatch):
    def step(self, batch, batch_idx):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(GAN, "training_step", step)
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "run", "max_generator_steps=2")
    kept = record(tmp_path / "run")
    assert (kept["status"], kept["generator_steps"]) == ("failed", 0)
    assert "planted" in kept["reason"]


def test_metrics_are_strict_json_whatever_their_value(tmp_path):
    file = MetricsFile(str(tmp_path))
    file.log_metrics({"gradient_norm": math.nan, "critic_loss": math.inf}, 3)
    file.log_metrics({"gradient_norm": 1.0}, 4)
    assert [line["generator_step"] for line in metrics(tmp_path)] == [3, 4]


def test_keep_until_drops_later_steps_and_a_torn_line(tmp_path):
    file = MetricsFile(str(tmp_path))
    for step in (2, 4, 6):
        file.log_metrics({"critic_loss": 0.1}, step)
    with file.path.open("a") as torn:
        torn.write('{"generator_step": 8, "crit')
    file.keep_until(4)
    file.log_metrics({"critic_loss": 0.2}, 6)
    lines = file.path.read_text().splitlines()
    assert [json.loads(line)["generator_step"] for line in lines] == [2, 4, 6]
    assert json.loads(lines[-1])["critic_loss"] == 0.2


@pytest.mark.parametrize(
    "line", ["[]", '{"x": 1}', '{"generator_step": "x"}', "[" * 60_000, "\\xff", "1" * 3 * 2**20]
)
def test_keep_until_drops_what_is_no_line_of_ours(line, tmp_path):
    file = MetricsFile(str(tmp_path))
    file.path.write_text(f'{line}\n{{"generator_step": 2}}\n')
    file.keep_until(4)
    assert file.path.read_text() == '{"generator_step": 2}\n'


@pytest.mark.timeout(10)
def test_metrics_that_never_end_are_refused(tmp_path):
    file = MetricsFile(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    for target in ("pipe", "/dev/zero"):
        file.path.unlink(missing_ok=True)
        file.path.symlink_to(tmp_path / target)
        with pytest.raises(UserError, match=r"metrics\.jsonl is no regular file: remove it"):
            file.keep_until(4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.jsonl", "pipe"]
