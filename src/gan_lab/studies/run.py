"""One study, from a checked config to its record."""

from __future__ import annotations

import functools
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from gan_lab import build, records, terminal
from gan_lab.callbacks import list_checkpoints
from gan_lab.config import config_text, plain_config
from gan_lab.data import LoadedData
from gan_lab.errors import Diverged, Interrupted, UserError, one_line
from gan_lab.files import (
    JSON_BYTES,
    checksum_path,
    clear_abandoned,
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
DRAWN_BYTES = JSON_BYTES // 4  # a record is indented, one number a line, and has other fields

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
    previous = _previous(config, run_dir)

    if previous is not None and previous["status"] in ("finished", "diverged"):
        _pass_over(previous, run_dir)
        return

    # one process at a time
    machine = start.Machine(
        device=build.device(config.device), is_first=True, console=terminal.console()
    )
    with start.only_writer(run_dir, machine), machine.prepared():
        for place in (run_dir, run_dir / folder.CHECKPOINTS):
            clear_abandoned(place)

        # what is refused or fails before the record leaves the folder to the same command
        study, data = _made(config, machine.device)
        study.begin(config.seed)

        # from here on whatever happens is in the record
        record = _record(config, run_dir, machine.device, previous, data)
        progress = Progress(config, run_dir, record, study)
        with _recorded(progress):
            write_atomically(run_dir / folder.CONFIG, config_text(plain_config(config)))
            progress.take_up()
            progress.steps_left()
            progress.finish(study.result())

    _tell_end(record)


def _previous(config: DictConfig, run_dir: Path) -> records.RunRecord | None:
    """The record of the study that began in `run_dir`; None where none did. What a sweep noted of
    a cell that failed before it began is none.

    Raises:
        UserError: where it may not go on, or is another one, or a run of which the record is lost.
    """
    if not (run_dir / folder.RECORD).exists():
        if (run_dir / folder.CONFIG).exists():
            raise UserError(
                f"{run_dir} holds a {folder.CONFIG} and no {folder.RECORD}: restore it, or name "
                "another folder"
            )
        return None

    record = records.read(run_dir)
    if "config" not in record.content:
        return None

    # a study is never written over
    if config.existing_run != "resume":
        raise UserError(
            f"run_dir={run_dir} already holds a study: add existing_run=resume to go on with it, "
            "or name another folder"
        )

    if others := records.differing(plain_config(config), record["config"]):
        raise UserError(
            f"run_dir={run_dir} holds another study (other {', '.join(others)}): "
            "name another folder"
        )
    return record


def _pass_over(record: records.RunRecord, run_dir: Path) -> None:
    """Leave a study that has ended as it is."""
    # it may have been killed between its record and the last file
    if record["status"] == "finished":
        _remove(list_checkpoints(run_dir))
    terminal.tell(f"{record['status']} before, passed over: {run_dir}")


def _made(config: DictConfig, device: torch.device) -> tuple[Study, LoadedData | None]:
    """The study with its parts, and the data that it takes. Raises UserError for a value that one
    of them refuses."""
    # in this order; by name Hydra would make a config of a part that is a dataclass
    parts = [build.make(group, config[group]) for group in ("loss", "penalty") if config[group]]
    if config.optimizer:
        parts.append(functools.partial(build.make, "optimizer", config.optimizer))
    if config.architecture:
        parts.append(build.make("architecture", config.architecture))
    data = build.loaded(config.dataset, config.data_cache) if config.dataset else None
    if data is not None:
        parts.append(data)
    study: Study = build.make("study", config.study, *parts)
    study.device, study.cache = device, Path(config.data_cache)
    return study, data


def _record(
    config: DictConfig,
    run_dir: Path,
    device: torch.device,
    previous: records.RunRecord | None,
    data: LoadedData | None,
) -> records.RunRecord:
    """The record of a study that begins, or goes on: it is running."""
    plain = plain_config(config)
    if previous is not None:
        previous.update(version=versions.VERSION, status="running", reason=None, config=plain)
        return previous

    # a study of the user's own may have no option: its class names it
    hydra = HydraConfig.get()
    choices = {"study": str(plain["study"]["_target_"])} | {
        key: value
        for key, value in hydra.runtime.choices.items()
        if value and not key.startswith("hydra/")
    }

    # every field that a record of a study has stands there from the first moment
    part = outcome.new_part(0)
    record = records.RunRecord(run_dir, {})
    if data is not None:
        splits = {name: len(split) for name, split in data.splits.items()}
        about = {"name": data.spec.name, "content_hash": data.content_hash, "splits": splits}
        record.content["dataset"] = about

    record.update(
        version=versions.VERSION,
        status="running",
        reason=None,
        run_id=outcome.new_run_id(),
        created=part["created"],
        config=plain,
        config_hash=records.config_hash(plain),
        choices=choices,
        command=[sys.argv[0], *hydra.overrides.task],
        git=part["git"],
        parts=[part],
        packages=part["packages"],
        hardware=part["hardware"] | {"device": device.type},
        seed=plain["seed"],
        steps=0,
        resumed_from_step=0,
        seconds=0.0,
        scores={},
        drawn={},
    )
    return record


@contextmanager
def _recorded(progress: Progress) -> Iterator[None]:
    """Inside a study runs; the record says how it ended, and why.

    Raises:
        CompactHydraException: one line for a study that diverged.
        Interrupted, KeyboardInterrupt: for one that was stopped.
    """
    try:
        yield
    except Diverged as error:
        progress.end("diverged", str(error))
        path = progress.record.path
        raise CompactHydraException(f"diverged: {error}; record: {path}") from None
    except (KeyboardInterrupt, SystemExit) as error:
        reason = str(error) if isinstance(error, Interrupted) else "KeyboardInterrupt"
        progress.end("interrupted", reason)
        place = pasted("run_dir", progress.run_dir)
        terminal.tell(f"interrupted; go on with the same command, {place} and existing_run=resume")
        raise

    # the traceback of this error must not be hidden by one of the record's
    except BaseException as error:
        with suppress(Exception):
            progress.end("failed", f"{type(error).__name__}: {error}")
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
        self.began: float | None = None  # until its checkpoints have been looked at

    @property
    def counts(self) -> dict[str, Any]:
        """Steps and seconds of all parts of a resumed study; none before it is known where it goes
        on."""
        if self.began is None:
            return {}
        seconds = self.seconds_before + time.monotonic() - self.began
        return {"steps": self.done, "seconds": seconds}

    def take_up(self) -> None:
        """Go on from the newest intact checkpoint of the same study; at the beginning where there
        is none.

        Raises:
            UserError: for a file that is no checkpoint of a study, or does not fit this one.
        """
        identity = records.determining(plain_config(self.config))
        for path in list_checkpoints(self.run_dir):
            state = _loaded(path)
            if state is not None and state["identity"] == identity:
                _load(self.study, state["study"], path)
                self.done, self.seconds_before = state["steps"], state["seconds"]
                break

        # parts of which no step is left are done again
        self.began = time.monotonic()
        self.metrics.keep_until(self.done)
        parts = records.parts_of(self.record.content)
        parts = [part for part in parts if part["from_step"] < self.done]
        self.record.update(
            parts=[*parts, outcome.new_part(self.done)], resumed_from_step=self.done, **self.counts
        )

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
        _check_drawn(drawn)
        self.record.update(status="finished", scores=scores, drawn=drawn, **self.counts)
        _remove(list_checkpoints(self.run_dir))

    def end(self, status: str, reason: str) -> None:
        """Write how a study ended that did not finish."""
        self.record.update(status=status, reason=reason, **self.counts)

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
            **self.counts,
            "identity": records.determining(plain_config(self.config)),
            "study": self.study.state_dict(),
        }
        path = folder.checkpoint_path(self.run_dir, self.done)
        write_with_checksum(path, lambda path: save_state(state, path))
        _remove([other for other in older if other != path])
        self.record.update(**self.counts)


class _Facts(TypedDict):
    """What stands in a checkpoint beside the state of the study."""

    steps: Count
    seconds: float
    identity: dict[str, Any]


def _loaded(path: Path) -> dict[str, Any] | None:
    """The state in a checkpoint; None for a damaged one, which is told and passed over. Raises
    UserError for a file that is none of ours."""
    if not is_intact(path):
        terminal.tell(f"warning: {path} is damaged: passed over", error=True)
        return None

    # a crafted file can raise anything; nothing in it was called
    with suppress(Exception):
        state = load_state(path)
        facts = {name: state[name] for name in _Facts.__annotations__}
        if misfit(facts, _Facts) is None and isinstance(state["study"], dict):
            return dict(state)
    raise UserError(f"{path} is no checkpoint of a study: restore it, or remove it")


def _load(study: Study, state: dict[str, Any], path: Path) -> None:
    """Give a study its state. Raises UserError where the state in `path` is of other networks."""
    try:
        study.load_state_dict(state)
    except Exception as error:  # of torch's loaders, whatever they make of it
        raise UserError(
            f"{path} does not fit this study ({one_line(error)[:160]}): it is of other code; "
            "remove it to begin again"
        ) from None


def _remove(checkpoints: list[Path]) -> None:
    # the checksum first: after a kill the next one finds the checkpoint, and removes it
    for path in checkpoints:
        checksum_path(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _check_drawn(drawn: dict[str, Any]) -> None:
    """Refuse what a record could not be read back with. Raises UserError."""
    if wrong := misfit(drawn, dict[str, Any], "drawn"):
        raise UserError(f"the study's result cannot be recorded: {wrong}")
    size = len(records.to_json(drawn))
    if size > DRAWN_BYTES:
        raise UserError(
            f"the study's result cannot be recorded: drawn takes {size:,} bytes, and at most "
            f"{DRAWN_BYTES:,} are stored; draw from fewer numbers"
        )


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
