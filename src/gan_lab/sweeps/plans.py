"""Which cells the calls of a sweep were going to run, as files in its directory. Torch-free.

Hydra leaves nothing of a cell before its job begins. So each call of a sweep writes a plan first,
and a cell that waits, or whose process died before it had a record, is known.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from gan_lab.errors import UserError
from gan_lab.files import read_json, write_atomically
from gan_lab.reading.schema import misfit
from gan_lab.records import folder

_LONGEST_NAME = 255  # bytes, of a file or folder on the usual file systems


class _Plan(TypedDict):
    """A plan's file."""

    cells: dict[str, list[str]]  # by the folder below the sweep's: the overrides


def check_place(directory: Path) -> None:
    """Refuse what is in the way of a folder of a sweep: its own, or a cell's.

    Raises:
        UserError: where its name is too long, it is a link, or a file
            stands in its place or above it.
    """
    too_long = next((part for part in directory.parts if _is_too_long(part)), None)
    if too_long is not None:
        raise UserError(
            f"{too_long[:60]}... is too long for a folder's name: set a shorter hydra.sweep.subdir"
        )

    if directory.is_symlink():
        raise UserError(f"{directory} is a link: remove it, or name another hydra.sweep.dir")
    for parent in (directory, *directory.parents):
        if parent.exists() and not parent.is_dir():
            raise UserError(
                f"{parent} is a file, where a folder is made: remove it, or name another place"
            )


def check_own_files(sweep_dir: Path) -> None:
    """Refuse what is in the way of a sweep's own files.

    Raises:
        UserError: where one of them is a link, or a file stands where a folder is made.
    """
    check_place(sweep_dir / folder.PLANS)
    multirun = sweep_dir / folder.MULTIRUN
    if multirun.is_symlink():
        raise UserError(f"{multirun} is a link: remove it, or name another hydra.sweep.dir")


def write_plan(sweep_dir: Path, cells: Mapping[str, Sequence[str]]) -> Path:
    """Leave in the sweep's directory what a call is going to run.

    Args:
        sweep_dir: the sweep's directory.
        cells: the overrides of each cell, by its folder below the sweep's.

    Returns:
        The plan's file. Its name sorts by time, and no two calls share one.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(3)}.json"
    path = sweep_dir / folder.PLANS / name
    plan = {"cells": {subdir: list(overrides) for subdir, overrides in cells.items()}}
    write_atomically(path, json.dumps(plan, indent=1) + "\n")
    return path


def delete_plan(path: Path) -> None:
    """Take back what `write_plan` wrote."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # other calls have plans there
        path.parent.rmdir()


def read_plans(sweep_dir: Path) -> tuple[dict[Path, list[str]], dict[Path, str]]:
    """What all calls of a sweep together were going to run.

    Returns:
        The overrides of each run directory, as the newest call gave them; and of each plan that
        cannot be read, why not.
    """
    planned: dict[Path, list[str]] = {}
    damaged: dict[Path, str] = {}
    for path in sorted((sweep_dir / folder.PLANS).glob("*.json")):
        try:
            cells = _read_plan(path)
        except FileNotFoundError:  # that call has just taken its plan back
            continue
        except (OSError, ValueError) as error:
            damaged[path] = f"the cells of a call are not known ({error}): remove {path}"
            continue
        planned |= {sweep_dir / subdir: overrides for subdir, overrides in cells.items()}
    return planned, damaged


def _read_plan(path: Path) -> dict[str, list[str]]:
    """The cells of one plan. Raises OSError or ValueError for what is none."""
    plan = read_json(path)
    if wrong := misfit(plan, _Plan):
        raise ValueError(wrong)

    # a plan may come from elsewhere, and its folders are read
    cells: dict[str, list[str]] = plan["cells"]
    if outside := next((subdir for subdir in cells if not _is_below(subdir)), None):
        raise ValueError(f"{outside[:60]!r} is no folder in the sweep's")
    return cells


def _is_below(subdir: str) -> bool:
    """Whether a name in a plan is of a folder below the sweep's, and can be one."""
    path = Path(subdir)
    return not path.is_absolute() and not any(
        part == ".." or "\0" in part or _is_too_long(part) for part in path.parts
    )


def _is_too_long(name: str) -> bool:
    return len(os.fsencode(name)) > _LONGEST_NAME
