"""What W&B's own reader (`wandb leet inspect`) finds in the files of offline runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Logged:
    """One .wandb file: a run, or a part of it between two resumes."""

    path: Path
    run: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)  # define_metric
    config: dict[str, Any] = field(default_factory=dict)  # nested
    summary: dict[str, Any] = field(default_factory=dict)  # keys of nested ones joined by dots
    history: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None

    @property
    def files(self) -> Path:
        return self.path.parent / "files"


def read(folder: Path) -> list[Logged]:
    """All .wandb files below `folder`, oldest first."""
    paths = sorted(folder.rglob("*.wandb"), key=lambda path: path.stat().st_ctime_ns)
    return [_read(path) for path in paths]


def _read(path: Path) -> Logged:
    line = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    logged = Logged(path)
    for record in map(json.loads, done.stdout.splitlines()):
        kind, content = record["type"], record.get(record["type"])
        if kind == "run":
            logged.run = content
        elif kind == "metric":
            logged.metrics.append(content)
        elif kind == "config":
            logged.config |= content["update"]
        elif kind == "summary":
            logged.summary |= content["update"]
        elif kind == "history":
            logged.history.append(content["item"])
        elif kind == "artifact":
            logged.artifacts.append(content)
        elif kind == "exit":
            logged.exit_code = content.get("exit_code", 0)
    return logged
