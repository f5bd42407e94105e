"""Where a number came from: code, versions, machine. Torch-free."""

from __future__ import annotations

import os
import platform
import subprocess  # nosec B404 # for git, below
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "torchvision", "lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy", "safetensors")
_SOURCE = Path(__file__).resolve().parent


def git_state() -> dict[str, Any]:
    """{"sha", "dirty"} of the checkout this code runs from; both None outside one.

    dirty: a tracked file outside results/ (where the scripts write) differs from the commit.
    """
    sha = _git("rev-parse", "HEAD")
    if sha is None:
        return {"sha": None, "dirty": None}
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results")
    return {"sha": sha, "dirty": bool(changed)}


def package_versions() -> dict[str, str]:
    """Python's version and those of the packages that can change a result."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """{"processor", "cores"}; the accelerator's name is added by who uses it."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    command = ["git", *arguments]  # constants of this module, no shell; git is found as the user's shell finds it
    try:
        done = subprocess.run(  # nosec B603
            command, cwd=_SOURCE, capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
