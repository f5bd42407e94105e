"""Where a number came from: code, versions, machine. Only the standard library: the build of a
wheel runs it, too."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import subprocess  # nosec B404 # for git, below
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FILE_NAME = "provenance.json"  # in the package; git ignores it
_PACKAGES = (
    *("torch", "torchvision", "lightning", "hydra-core", "omegaconf"),
    *("torchmetrics", "numpy", "safetensors"),
)
_SOURCE = Path(__file__).resolve().parents[1]
_DECIDE = (":/src", ":/conf", ":/scripts", ":/train.py")  # the tracked files that decide a result
_BESIDE = "../../"  # how the names of files that a wheel does not have begin


# Code ---------------------------------------------------------------------------------------------


def git_state() -> dict[str, Any]:
    """{"sha", "dirty"} of the code that this process began with; both None where
    neither git nor a file knows it.

    It is read once: a file that is edited later is not what runs.
    """
    return dict(_state_at_start())


@functools.cache
def _state_at_start() -> dict[str, Any]:
    return code_state(_SOURCE)


def code_state(source: Path) -> dict[str, Any]:
    """The state of the package at `source`: by git in a checkout of this
    project, else by its provenance.json.

    Returns:
        {"sha", "dirty"}. dirty: in a checkout, whether a tracked file outside results/
        (where the scripts write) differs from the commit; by the file, whether the
        commit was dirty when it was written, or a file that it names has changed since.
        Both are None where neither is known.
    """
    if not _is_checkout(source):
        return _state_of_file(source)
    sha = _git(source, "rev-parse", "HEAD")
    changed = _git(
        source, "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results"
    )
    return {"sha": sha, "dirty": None if changed is None else bool(changed)}


def _is_checkout(source: Path) -> bool:
    """Whether `source` is src/gan_lab of a repository that tracks it: a
    copy may stand in somebody else's."""
    top = _git(source, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != source.resolve().parent.parent:
        return False
    return _git(source, "ls-files", "--error-unmatch", "--", "records/provenance.py") is not None


def _state_of_file(source: Path) -> dict[str, Any]:
    """The state that provenance.json tells; unknown where there is none, or it is damaged."""
    try:
        content = json.loads((source / FILE_NAME).read_text())
        sha, dirty, files = content["sha"], content["dirty"], dict(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {"sha": None, "dirty": None}
    return {"sha": sha, "dirty": dirty is not False or not _are_unchanged(source, files)}


def _are_unchanged(source: Path, files: Mapping[str, str]) -> bool:
    """Whether the package has every one of `files` as it was; of
    those beside it, each that is there."""
    present = {
        name: source / name
        for name in files
        if not name.startswith(_BESIDE) or (source / name).exists()
    }
    return bool(files) and all(
        path.is_file() and _sha256(path) == files[name] for name, path in present.items()
    )


def write_for_checkout() -> Path:
    """Write provenance.json into this checkout, for a copy that will
    have no git (`make provenance`).

    Raises:
        RuntimeError: outside a checkout.
    """
    tracked = _git(_SOURCE, "ls-files", "-z", "--", *_DECIDE) if _is_checkout(_SOURCE) else None
    if tracked is None:
        raise RuntimeError(
            f"{_SOURCE} is not in a git checkout of this project: write {FILE_NAME} where it is"
        )
    files = (_SOURCE / name for name in tracked.split("\0") if name)
    return _write(_SOURCE, code_state(_SOURCE), files)


def write_for_build(folder: Path) -> Path | None:
    """Write provenance.json into the package that was built in `folder` from here; none where the
    commit is unknown."""
    state = code_state(_SOURCE)
    if state["sha"] is None:
        return None
    return _write(folder / _SOURCE.name, state, folder.rglob("*"))


def _write(package: Path, state: Mapping[str, Any], files: Iterable[Path]) -> Path:
    """Write the file of provenance: {"sha", "dirty", "files"}.

    Args:
        package: the folder it is written into.
        state: sha and dirty.
        files: what is hashed. They are written as {path relative to the package: SHA-256}, in the
            order of their names.
    """
    path = package / FILE_NAME
    hashes = {
        Path(os.path.relpath(file, package)).as_posix(): _sha256(file)
        for file in files
        if file.is_file() and file != path and file.suffix != ".pyc"
    }
    content = {**state, "files": dict(sorted(hashes.items()))}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Versions and machine -----------------------------------------------------------------------------


def package_versions() -> dict[str, str]:
    """Python's version and those of the packages that can change a result."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def hardware() -> dict[str, Any]:
    """{"processor", "cores"}; the accelerator's name is added by who uses it."""
    # a container or a scheduler may leave this process fewer cores than there are
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count()
    return {"processor": _processor(), "cores": cores}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers in `folder`; None where it refuses, or there is none."""
    # constants of this module, no shell; git is found as the user's shell finds it
    command = ["git", *arguments]
    try:
        done = subprocess.run(  # nosec B603
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


if __name__ == "__main__":
    try:
        print(write_for_checkout())
    except RuntimeError as error:
        sys.exit(f"error: {error}")
