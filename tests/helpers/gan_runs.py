"""Runs for tests: composed as train.py composes them and trained in this process, or started as a
program of its own.

All of them are small: 8 channels, batches of 16.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pickle
import runpy
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, flag_override

from gan_lab import config
from helpers.composing import keep_composed
from helpers.registry import CONF, options

ROOT = Path(__file__).resolve().parents[2]
CHANNELS = "architecture.channels=8"
DCGAN = (
    "architecture=dcgan",
    "architecture.generator_channels=4",
    "architecture.critic_channels=4",
)
N_CRITIC = 2
SMALL = (f"n_critic={N_CRITIC}", "batch_size=16", "generator_batch_size=16", "evaluation=off")


def environment(factory: pytest.TempPathFactory) -> dict[str, str]:
    """What every run of the tests has in its environment: one data cache for the session, no
    network, no spinning."""
    return {
        "GAN_LAB_DATA_CACHE": str(factory.getbasetemp() / "data_cache"),
        "WANDB_MODE": "offline",
        "OMP_WAIT_POLICY": "passive",
        "OMP_NUM_THREADS": "1",
    }


def compose(*overrides: str, program: str = "train") -> DictConfig:
    """The config that train.py, or another program, composes from these overrides, and Hydra's own
    set as in a job."""
    config.register()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        whole = hydra.compose(program, list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(whole)
    job = pickle.loads(pickle.dumps(whole))  # what Hydra's own deep copy gives, in less time
    with flag_override(job, ["readonly", "struct"], False):
        del job["hydra"]
    return job


def content(group: str, option: str) -> dict[str, Any]:
    """An option's YAML."""
    return yaml.safe_load((CONF / group / f"{option}.yaml").read_text())


def traits(group: str, option: str) -> dict[str, Any]:
    """What an option's YAML says of its object, for the check of the config."""
    return content(group, option).get("traits") or {}


def fitting(group: str, option: str) -> list[str]:
    """What has to stand beside an option that does not fit the defaults of train.py."""
    about, beside = content(group, option), []
    if group == "dataset":
        beside += ["dataset.root=/somewhere"] if "root" in about else []
        beside += ["architecture=mlp"] if about["recipe"]["kind"] == "points" else []
    if group == "architecture":
        beside += ["penalty=none"] if "batch_norm" in traits(group, option) else []
        of_points = "images" not in traits(group, option).get("kinds", ["images"])
        beside += ["dataset=gaussians"] if of_points else []
    if group == "labels" and traits(group, option).get("targets"):
        beside += [
            f"loss={next(loss for loss in options('loss') if traits('loss', loss).get('targets'))}"
        ]
    if group == "loss":
        beside += ["labels=dynamic"] if traits(group, option).get("targets") else []
        beside += [] if traits(group, option).get("score", True) else ["penalty=none"]
    return beside


def train(run_dir: Path, *overrides: str, small: bool = True) -> Path:
    """Train in this process, in `run_dir`. Small batches come first, so `overrides` may replace
    them."""
    from gan_lab.runs.train import train as train_run

    sizes = SMALL if small else ()
    resnet = () if any(o.startswith("architecture=") for o in overrides) else (CHANNELS,)
    job = compose(f"run_dir={run_dir}", *resnet, *sizes, *overrides)
    config.check(job)
    train_run(job, run_dir)
    return run_dir


def resume(run_dir: Path, *overrides: str) -> Path:
    """Continue in this process, as train.py does."""
    from gan_lab.runs.train import train as train_run

    typed = [f"resume={run_dir}", *overrides]
    job = config.resumed(compose(*typed), typed, run_dir)
    config.check(job)
    train_run(job, run_dir)
    return run_dir


def record(run_dir: Path) -> dict[str, Any]:
    """record.json, read strictly."""
    return json.loads((run_dir / "record.json").read_text(), parse_constant=_refuse)


def metrics(run_dir: Path) -> list[dict[str, Any]]:
    """metrics.jsonl, read strictly."""
    return [
        json.loads(line, parse_constant=_refuse)
        for line in (run_dir / "metrics.jsonl").read_text().splitlines()
    ]


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def weights(run_dir: Path) -> bytes:
    """The exported generator, byte for byte."""
    return (run_dir / "generator.safetensors").read_bytes()


def steps_of(run_dir: Path, folder: str, suffix: str) -> list[int]:
    """The N of folder/step_N.suffix, sorted."""
    return sorted(
        int(path.stem.removeprefix("step_")) for path in (run_dir / folder).glob(f"*{suffix}")
    )


def checkpoint(run_dir: Path, step: int) -> dict[str, Any]:
    """A checkpoint, read as untrusted data."""
    import torch

    return torch.load(run_dir / "checkpoints" / f"step_{step}.ckpt", weights_only=True)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """train.py as a program of its own."""
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str], seconds: float = 200) -> Ended:
    """Wait for it."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"still running after {seconds} s\n{out}\n{err}")
    return Ended(process.returncode, out, err)


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 200) -> None:
    """Until `path` exists and something is in it."""
    end = time.monotonic() + seconds
    while not path.exists() or not path.stat().st_size:
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"{path} did not come\n{process.communicate()}")
        time.sleep(0.005)


@contextlib.contextmanager
def _as_main(program: Path, arguments: Sequence[str]) -> Iterator[None]:
    """What a fresh interpreter would find, put back afterwards."""
    argv, handlers, level = sys.argv, logging.root.handlers[:], logging.root.level
    full_error = os.environ.pop("HYDRA_FULL_ERROR", None)
    sys.argv = [str(program), *arguments]
    try:
        yield
    finally:
        sys.argv, logging.root.handlers[:] = argv, handlers
        logging.root.setLevel(level)
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def command(
    capsys: pytest.CaptureFixture[str], *arguments: str, program: str = "train.py"
) -> Ended:
    """A program from its first line to its exit code, in this process (a start costs seconds)."""
    capsys.readouterr()
    code = _exit_code(ROOT / program, arguments)
    captured = capsys.readouterr()
    return Ended(code, captured.out, captured.err)


def _exit_code(program: Path, arguments: Sequence[str]) -> Any:
    with _as_main(program, arguments):
        try:
            runpy.run_path(str(program), run_name="__main__")
            return 0
        except SystemExit as stop:
            return stop.code or 0


_REFUSE = """
import runpy, sys
class Refuse:  # importing fails; looking for the source files does not
    def find_spec(self, name, path=None, target=None):
        caller = sys._getframe(1)
        while "importlib._bootstrap" in caller.f_code.co_filename:
            caller = caller.f_back
        if name.split(".")[0] in {modules} and caller.f_code.co_name != "find_spec":
            raise AssertionError(name + " was imported")
sys.meta_path.insert(0, Refuse())
"""
_RUN = """
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_RUN_EACH = """
from helpers import gan_runs
gan_runs.run_each()
"""
_HEAVY = ("torch", "lightning", "torchvision", "wandb")


def without(*modules: str, run: str = _RUN) -> str:
    """A program that runs the one its arguments name, where importing one of `modules` fails."""
    return _REFUSE.replace("{modules}", repr(modules)) + run


NO_TORCH = without(*_HEAVY)


def without_torch(*arguments: str, cwd: Path) -> Ended:
    """train.py in an interpreter where importing torch, torchvision, lightning or wandb fails."""
    line = [sys.executable, "-c", NO_TORCH, str(ROOT / "train.py"), *arguments]
    done = subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def each_without_torch(
    commands: Sequence[Sequence[str]], folder: Path, program: str = "train.py"
) -> list[tuple[Ended, list[str]]]:
    """How a program ends with each list of arguments, and the files and folders that it leaves.

    One after another in one interpreter, as a start costs seconds, and in a folder of its own each.
    Importing torch, torchvision, lightning or wandb fails.
    """
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", without(*_HEAVY, run=_RUN_EACH), str(folder), program],
        input=json.dumps(commands), env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(Ended(*ended), left) for ended, left in json.loads(done.stdout)]


def run_each() -> None:
    """The other side of `each_without_torch`: commands from standard input, ends to its output."""
    keep_composed(pytest.MonkeyPatch())
    ends, program = [], sys.argv[2]
    for number, arguments in enumerate(json.load(sys.stdin)):
        place = Path(sys.argv[1], str(number))
        place.mkdir(parents=True)
        os.chdir(place)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = _exit_code(ROOT / program, arguments)
            except Exception:
                code = traceback.format_exc()
        left = sorted(str(path.relative_to(place)) for path in place.rglob("*"))
        ends.append([[code, out.getvalue(), err.getvalue()], left])
    json.dump(ends, sys.stdout)


def is_refusal(ended: Ended, *words: str) -> None:
    """Two lines, the first of them Hydra's own, the second with these words; exit code
    1, no traceback."""
    lines = [
        line
        for line in ended.err.splitlines()
        if line and not line.startswith("Error executing job with")
    ]
    assert ended.code == 1, ended
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0], (word, lines[0])


class Killed(Exception):
    """What `kill_after` ends a run with, as a kill would."""


def kill_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The next run in this process ends abruptly once `step` steps are done, scored and logged,
    with no clean-up."""
    from gan_lab import callbacks

    original = callbacks.ProgressBar.on_train_batch_end

    def hook(self: Any, trainer: Any, module: Any, *rest: Any) -> None:
        original(self, trainer, module, *rest)
        if module.generator_steps == step:
            monkeypatch.setattr(callbacks.ProgressBar, "on_train_batch_end", original)
            raise Killed

    monkeypatch.setattr(callbacks.ProgressBar, "on_train_batch_end", hook)
