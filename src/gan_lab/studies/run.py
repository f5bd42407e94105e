"""One study, from a checked config to its record."""

from __future__ import annotations

import functools
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from gan_lab import build, records, terminal
from gan_lab.callbacks import list_checkpoints
from gan_lab.config import config_text, plain_config
from gan_lab.errors import Diverged, Interrupted, UserError
from gan_lab.files import (
    checksum_path,
    is_intact,
    refuse_links,
    write_atomically,
    write_with_checksum,
)
from gan_lab.interrupts import stopped_by_sigterm
from gan_lab.loggers import MetricsFile
from gan_lab.reading.schema import Count, misfit
from gan_lab.records import folder, provenance, versions
from gan_lab.runs import outcome, start
from gan_lab.studies.contract import Result, Study
from gan_lab.terminal import pasted
from gan_lab.training.state import load_state, save_state

DIGITS = 7  # of what is stored for a figure

# Phases -------------------------------------------------------------------------------------------


@stopped_by_sigterm()
def run(config: DictConfig, run_dir: Path) -> None:
    """Run, or go on with, the study that `config` describes in `run_dir`. Its record says how it
    ended.

    Args:
        config: checked.
        run_dir: the study's directory.

    Raises:
        UserError: before anything is written, where the config cannot run here.
        CompactHydraException: when what it trains diverges.
        Interrupted: when it was asked to stop.
    """
    # the code that runs, before it can be edited
    provenance.git_state()
    refuse_links(run_dir)
    if (ended := _ended_before(config, run_dir)) is not None:
        terminal.tell(f"{ended} before, passed over: {run_dir}")
        return

    # from here on whatever happens is in the record
    machine = start.Machine(
        device=build.device(config.device), is_first=True, console=terminal.console()
    )
    with start.only_writer(run_dir, machine), machine.prepared():
        study = _made(config, machine.device)
        study.begin(config.seed)
        record = _record(config, run_dir, machine.device)
        write_atomically(run_dir / folder.CONFIG, config_text(plain_config(config)))
        with _recorded(record, run_dir):
            progress = Progress(config, run_dir, record, study)
            progress.take_up()
            progress.steps_left()
            progress.finish(study.result())
    _tell_end(record)


def _ended_before(config: DictConfig, run_dir: Path) -> str | None:
    """The status of a study that has ended in `run_dir`, with existing_run=resume; None where
    there is something to do. Raises UserError where another study, or one that may not go on,
    stands there."""
    if not (run_dir / folder.RECORD).exists():
        return None
    if config.existing_run != "resume":
        raise UserError(
            f"run_dir={run_dir} already holds a study: add existing_run=resume to go on with it, "
            "or name another folder"
        )
    record = records.read(run_dir)
    if others := records.differing(plain_config(config), record["config"]):
        raise UserError(
            f"run_dir={run_dir} holds another study (other {', '.join(others)}): "
            "name another folder"
        )
    return record["status"] if record["status"] in ("finished", "diverged") else None


def _made(config: DictConfig, device: torch.device) -> Study:
    """The study with its parts. Raises UserError for a value that one of them refuses."""
    # in this order; by name Hydra would make a config of a part that is a dataclass
    parts = [build.make(group, config[group]) for group in ("loss", "penalty") if config[group]]
    if config.optimizer:
        parts.append(functools.partial(build.make, "optimizer", config.optimizer))
    if config.architecture:
        parts.append(build.make("architecture", config.architecture))
    if config.dataset:
        parts.append(build.loaded(config.dataset, config.data_cache))
    study: Study = build.make("study", config.study, *parts)
    study.device = device
    return study


def _record(config: DictConfig, run_dir: Path, device: torch.device) -> records.RunRecord:
    """The record of a study that begins, or begins again: it is running."""
    hydra = HydraConfig.get()
    choices = {
        key: value
        for key, value in hydra.runtime.choices.items()
        if value and not key.startswith("hydra/")
    }
    plain = plain_config(config)
    git, packages = provenance.git_state(), provenance.package_versions()
    is_new = not (run_dir / folder.RECORD).exists()
    run_id = outcome.new_run_id() if is_new else records.read(run_dir)["run_id"]

    # every field that a record of a study has stands there from the first moment
    record = records.RunRecord(run_dir, {})
    record.update(
        version=versions.VERSION,
        status="running",
        reason=None,
        run_id=run_id,
        created=outcome.now(),
        config=plain,
        config_hash=records.config_hash(plain),
        choices=choices,
        command=[sys.argv[0], *hydra.overrides.task],
        git=git,
        packages=packages,
        hardware=provenance.hardware() | {"device": device.type},
        seed=plain["seed"],
        steps=0,
        seconds=0.0,
        scores={},
        drawn={},
    )
    return record


@contextmanager
def _recorded(record: records.RunRecord, run_dir: Path) -> Iterator[None]:
    """Inside a study runs; the record says how it ended, and why.

    Raises:
        CompactHydraException: one line for a study that diverged.
        Interrupted, KeyboardInterrupt: for one that was stopped.
    """
    try:
        yield
    except Diverged as error:
        record.update(status="diverged", reason=str(error))
        raise CompactHydraException(f"diverged: {error}; record: {record.path}") from None
    except (KeyboardInterrupt, SystemExit) as error:
        reason = str(error) if isinstance(error, Interrupted) else "KeyboardInterrupt"
        record.update(status="interrupted", reason=reason)
        terminal.tell(
            f"interrupted; go on with the same command, {pasted('run_dir', run_dir)} and "
            "existing_run=resume"
        )
        raise

    # the traceback of this error must not be hidden by one of the record's
    except BaseException as error:
        with suppress(Exception):
            record.update(status="failed", reason=f"{type(error).__name__}: {error}")
        raise


def _tell_end(record: records.RunRecord) -> None:
    scores = ", ".join(f"{name} {entry['value']:.6g}" for name, entry in record["scores"].items())
    terminal.tell(f"finished in {record['seconds']:.0f} s: {scores}")
    terminal.tell(f"record: {record.path}")


# Steps --------------------------------------------------------------------------------------------


class Progress:
    """Where a study stands, on its way through its steps.

    Args:
        config: of the study.
        run_dir: its directory.
        record: to be kept up to date.
        study: begun.
    """

    def __init__(
        self, config: DictConfig, run_dir: Path, record: records.RunRecord, study: Study
    ) -> None:
        self.config, self.run_dir, self.record, self.study = config, run_dir, record, study
        self.metrics = MetricsFile(str(run_dir))
        self.done, self.seconds_before = 0, 0.0
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Of all parts of a resumed study."""
        return self.seconds_before + time.monotonic() - self.began

    def take_up(self) -> None:
        """Go on from the newest intact checkpoint of the same study; at the beginning where there
        is none."""
        identity = records.determining(plain_config(self.config))
        for path in list_checkpoints(self.run_dir):
            state = _loaded(path)
            if state is not None and state["identity"] == identity:
                self.study.load_state_dict(state["study"])
                self.done, self.seconds_before = state["steps"], state["seconds"]
                break
        self.metrics.keep_until(self.done)

    def steps_left(self) -> None:
        """Take the steps that are left, with a line of metrics and a checkpoint now and then."""
        for number in range(self.done + 1, self.study.steps + 1):
            logged = self.study.step(number)
            self.done = number
            is_last = number == self.study.steps
            if number % self.config.log_every == 0 or is_last:
                self._log(logged)
            if number % self.config.checkpoint_every == 0 and not is_last:
                self._save()

    def finish(self, result: Result) -> None:
        """Write what was found; the checkpoints are of no more use."""
        scores: dict[str, Any] = {
            name: {
                "value": float(value),
                "std": None,
                "n_samples": 0,
                "step": self.done,
                "extractor": {},
            }
            for name, value in result.scores.items()
        }
        drawn = {name: _plain(value) for name, value in result.drawn.items()}
        self.record.update(
            status="finished",
            steps=self.done,
            seconds=self.seconds,
            scores=scores,
            drawn=drawn,
        )
        self._remove(list_checkpoints(self.run_dir))

    def _log(self, logged: Mapping[str, Any]) -> None:
        """Append to metrics.jsonl. Raises Diverged where a number is not finite."""
        values = {name: float(value) for name, value in logged.items()}
        self.metrics.log_metrics(values, self.done)
        for name, value in values.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value} at step {self.done}")

    def _save(self) -> None:
        """Write a checkpoint, and remove the older ones once it is whole."""
        older = list_checkpoints(self.run_dir)
        state = {
            "steps": self.done,
            "seconds": self.seconds,
            "identity": records.determining(plain_config(self.config)),
            "study": self.study.state_dict(),
        }
        path = folder.checkpoint_path(self.run_dir, self.done)
        write_with_checksum(path, lambda path: save_state(state, path))
        self._remove([other for other in older if other != path])
        self.record.update(steps=self.done, seconds=self.seconds)

    def _remove(self, checkpoints: list[Path]) -> None:
        for path in checkpoints:
            path.unlink()
            checksum_path(path).unlink(missing_ok=True)


def _loaded(path: Path) -> dict[str, Any] | None:
    """The state in a checkpoint; None for a damaged one, which is told and passed over."""
    if not is_intact(path):
        terminal.tell(f"warning: {path} is damaged: passed over", error=True)
        return None
    state: dict[str, Any] = load_state(path)
    known = {name: state.get(name) for name in ("steps", "seconds")}
    if misfit(known["steps"], Count) or misfit(known["seconds"], float):
        raise UserError(f"{path} is no checkpoint of a study: remove it")
    return state


def _plain(value: Any) -> Any:
    """Arrays as nested lists of numbers with DIGITS digits."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
