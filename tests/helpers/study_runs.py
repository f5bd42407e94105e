"""Studies for tests: composed as scripts/study.py composes them and run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gan_lab import config
from helpers import gan_runs
from helpers.gan_runs import record

NAME = "gradient_uninformativeness"
STEPS = 11
TINY = (
    f"study={NAME}",
    f"study.max_steps={STEPS}",
    "study.batch_size=8",
    "log_every=2",
    "checkpoint_every=3",
)
PROGRAM = "scripts/study.py"

OWN = '''"""A study of a user: a random walk."""
import torch

from gan_lab.studies import Result, Study
from gan_lab.training.randomness import generator_for


class Mine(Study):
    """Sums of normal numbers."""

    def __init__(self, scale: float = 1.0, max_steps: int = 4) -> None:
        self.scale, self.steps = scale, max_steps

    def begin(self, seed):
        self.seed, self.sum = seed, torch.zeros(())

    def step(self, number):
        self.sum += self.scale * torch.randn((), generator=generator_for(self.seed, "w", number))
        return {"sum": self.sum}

    def state_dict(self):
        return {"sum": self.sum}

    def load_state_dict(self, state):
        self.sum = state["sum"]

    def result(self):
        return Result({"sum": float(self.sum)}, {"at": torch.arange(3)})
'''


def study(run_dir: Path, *overrides: str) -> Path:
    """Run a tiny study in this process; `overrides` may replace what makes it tiny."""
    from gan_lab.studies.run import run

    job = gan_runs.compose(*TINY, f"run_dir={run_dir}", *overrides, program="study")
    config.check_study(job)
    run_dir.mkdir(parents=True, exist_ok=True)  # as Hydra does
    run(job, run_dir)
    return run_dir


def own_study(folder: Path, name: str, text: str = OWN) -> str:
    """Write a study of one's own into a module `name`; what a user types to run it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return f"study._target_={name}.Mine"


def is_the_same(run_dir: Path, straight: Path) -> None:
    """The result of two studies, byte for byte where there is no time in it."""
    assert (run_dir / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()
    mine, its = record(run_dir), record(straight)
    for field in ("status", "reason", "config_hash", "steps", "scores", "drawn", "choices"):
        assert mine[field] == its[field], field
    assert not list((run_dir / "checkpoints").glob("*"))
    assert not list(run_dir.glob("*.lock"))


def before_each(
    monkeypatch: pytest.MonkeyPatch, what: str, action: Callable[[int], Any]
) -> Callable[[], None]:
    """Call action(1), action(2), ... before each call of the function or method `what`. Returns
    what undoes it."""
    module, _, name = what.rpartition(".")
    owner = pytest.MonkeyPatch()
    target = _resolved(module)
    original, calls = getattr(target, name), 0

    def acting(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        action(calls)
        return original(*arguments, **named)

    owner.setattr(target, name, acting)
    monkeypatch.setattr(target, name, acting)  # undone at the end of the test at the latest
    return owner.undo


def _resolved(dotted: str) -> Any:
    import importlib

    try:
        return importlib.import_module(dotted)
    except ImportError:
        module, _, name = dotted.rpartition(".")
        return getattr(_resolved(module), name)
