"""The names of everything in a run directory, and in the directory of a sweep. Torch-free."""

from __future__ import annotations

import re
from pathlib import Path

# in a run directory
CONFIG = "config.yaml"  # resolved, as it is resumed
RECORD = "record.json"
METRICS = "metrics.jsonl"  # one object for each logged generator step
SAMPLES = "samples"  # step_N.png, classes_N.png
CHECKPOINTS = "checkpoints"  # step_N.ckpt, each with its checksum
WEIGHTS = "generator.safetensors"  # of the EMA generator
DESCRIPTION = "generator.json"  # how to build it
OUTPUT = "output.log"  # what a sweep's cell printed
LOCK = ".lock"  # while a process trains there

# in the directory of a sweep, beside the run directories of its cells
PLANS = ".cells"  # a file for each call: which cells it was going to run
MULTIRUN = "multirun.yaml"  # Hydra's: the config of the newest call


def checkpoint_path(run_dir: Path, step: int) -> Path:
    """The checkpoint after a generator step."""
    return run_dir / CHECKPOINTS / f"step_{step}.ckpt"


def checkpoint_paths(run_dir: Path) -> list[Path]:
    """The checkpoints of a run, the oldest first."""
    return _by_step(run_dir / CHECKPOINTS, "step", "ckpt")


def samples_path(run_dir: Path, step: int) -> Path:
    """The grid of samples after a generator step."""
    return run_dir / SAMPLES / f"step_{step}.png"


def classes_path(run_dir: Path, step: int) -> Path:
    """The grid with a row for each class, after a generator step."""
    return run_dir / SAMPLES / f"classes_{step}.png"


def samples_paths(run_dir: Path) -> list[Path]:
    """The grids of samples of a run, the oldest first."""
    return _by_step(run_dir / SAMPLES, "step", "png")


def step_of(path: Path) -> int:
    """The generator step in the name of a checkpoint or a grid."""
    return int(path.stem.rpartition("_")[2])


def _by_step(directory: Path, kind: str, suffix: str) -> list[Path]:
    """The files of a kind, without those that only look alike (step_last.ckpt)."""
    name = re.compile(rf"{kind}_\d+\.{suffix}")
    paths = (path for path in directory.glob(f"{kind}_*.{suffix}") if name.fullmatch(path.name))
    return sorted(paths, key=step_of)
