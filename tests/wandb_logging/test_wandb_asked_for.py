"""W&B only where it is asked for, sent only where somebody is logged in; its refusals are one
line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from helpers.gan_runs import ROOT, finish, is_refusal, start, without

SHORT = (
    "architecture.channels=8",
    "n_critic=1",
    "max_generator_steps=1",
    "batch_size=16",
    "generator_batch_size=16",
)
SHORT += ("evaluation=off", "run_dir=run")
ONLINE = ("logger=wandb", "logger.wandb.offline=false")

NO_WANDB = without("wandb", "wandb_workspaces")


def without_wandb(cwd, *arguments):
    line = [sys.executable, "-c", NO_WANDB, str(ROOT / "train.py"), *SHORT, *arguments]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.slow
def test_other_loggers_do_not_import_it(tmp_path):
    done = without_wandb(tmp_path, "logger=csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/metrics.jsonl").exists()


@pytest.mark.slow
def test_the_refusal_to_import_it_would_be_seen(tmp_path):
    assert "wandb was imported" in without_wandb(tmp_path, "logger=wandb").stderr


@pytest.fixture
def online(monkeypatch):
    """No environment that keeps W&B offline, and no server that could be reached."""
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    return monkeypatch


@pytest.mark.slow
def test_nobody_is_logged_in(online, tmp_path):
    ended = finish(start(*SHORT, *ONLINE, cwd=tmp_path))
    is_refusal(ended, "nobody is logged in", "wandb login", "logger.wandb.offline=true")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_key_that_is_none(online, tmp_path):
    online.setenv("WANDB_API_KEY", "short")
    ended = finish(start(*SHORT, *ONLINE, cwd=tmp_path))
    is_refusal(ended, "WANDB_API_KEY", "wandb login", "logger.wandb.offline=true")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_server_that_is_not_there(online, tmp_path):
    online.setenv("WANDB_API_KEY", "0" * 40)
    online.setenv("WANDB_INIT_TIMEOUT", "5")
    ended = finish(start(*SHORT, *ONLINE, cwd=tmp_path))
    assert ended.code == 1
    assert "Traceback" not in ended.err
    said = next(line for line in ended.err.splitlines() if line.startswith("error: "))
    assert said.endswith("logger.wandb.offline=true")


@pytest.mark.slow
def test_offline_is_yes_or_no(tmp_path):
    is_refusal(
        finish(start(*SHORT, "logger=wandb", "logger.wandb.offline=maybe", cwd=tmp_path)),
        "maybe",
        "true or false",
    )
    assert not (tmp_path / "run").exists()
