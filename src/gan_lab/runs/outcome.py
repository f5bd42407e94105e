"""What a record says of a run: how it began, and how it ended, whatever ended it."""

from __future__ import annotations

import resource
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException

from gan_lab import callbacks, parallel, records
from gan_lab.data import LoadedData
from gan_lab.data.labelled import count_labelled
from gan_lab.errors import Diverged, Interrupted
from gan_lab.records import provenance, versions
from gan_lab.runs.session import Session
from gan_lab.runs.start import Machine, Previous
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.terminal import pasted
from gan_lab.training import GAN

# Its beginning ------------------------------------------------------------------------------------


def open_record(
    plain: dict[str, Any],
    run_dir: Path,
    machine: Machine,
    data: LoadedData,
    training_view: LoadedData,
    gan: GAN,
    evaluator: Evaluator | None,
    previous: Previous | None,
    run_id: str,
) -> records.RunRecord:
    """The record of a run that begins, or goes on, with everything that is known before the first
    step: it is running.

    Args:
        plain: the config as it is stored.
        run_dir: the run's directory.
        machine: where it trains.
        data: the whole data set.
        training_view: what training sees of it.
        gan: what is trained.
        evaluator: what scores it, if anything.
        previous: what it goes on from, if anything.
        run_id: of a new run.
    """
    # one that goes on keeps its beginning
    extractor = evaluator.extractor.description if evaluator else None
    if previous is not None:
        return _continued(previous, plain, extractor)

    # what was asked for, with which code, where, and on which data
    hydra = HydraConfig.get()
    part = new_part(0)

    choices = {
        key: value
        for key, value in hydra.runtime.choices.items()
        if value and not key.startswith("hydra/")
    }

    dataset = {
        "name": data.spec.name,
        "splits": {name: len(split) for name, split in data.splits.items()},
        "content_hash": data.content_hash,
        "label_histogram": data.label_histogram,
        "labelled": count_labelled(training_view),
        "num_classes": training_view.spec.num_classes,
    }

    parameters = {
        "generator": count_parameters(gan.generator),
        "critic": count_parameters(gan.critic),
    }

    # every field that a record has stands there from the first moment, written at once
    record = records.RunRecord(run_dir, {}, writes=machine.is_first)
    record.update(
        version=versions.VERSION,
        status="running",
        reason=None,
        run_id=run_id,
        created=part["created"],
        config=plain,
        config_hash=records.config_hash(plain),
        choices=choices,
        command=[sys.argv[0], *hydra.overrides.task],
        git=part["git"],
        packages=part["packages"],
        hardware=part["hardware"],
        parts=[part],
        precision=plain["trainer"]["precision"],
        seed=plain["seed"],
        dataset=dataset,
        extractor=extractor,
        parameters=parameters,
        generator_steps=0,
        critic_steps=0,
        resumed_from_step=0,
        images_seen=0,
        seconds=0.0,
        images_per_second=None,
        peak_memory_bytes=None,
        last_metrics={},
        scores={},
        history={},
        history_about={},
        diagnostics={},
    )

    return record


def new_run_id() -> str:
    """Eight hex digits."""
    return secrets.token_hex(4)


def _continued(
    previous: Previous, plain: dict[str, Any], extractor: dict[str, Any] | None
) -> records.RunRecord:
    """The record of a run that goes on: perhaps longer, scored
    otherwise, or of an older version."""
    # scores of an older version may have had other names
    record, done = previous.record, previous.generator_steps
    content = record.content
    scores, history = (versions.renamed(content.get(name) or {}) for name in ("scores", "history"))

    # without an evaluator the scores that are there keep their extractor
    scored = {} if extractor is None else {"extractor": extractor}

    # parts of which no step is left are done again, and so are steps that were measured in them
    parts = [part for part in records.parts_of(content) if part["from_step"] < done]
    history = _until(done, history)
    about = content.get("history_about") or {}
    record.update(
        version=versions.VERSION,
        status="running",
        reason=None,
        config=plain,
        config_hash=records.config_hash(plain),
        resumed_from_step=done,
        parts=[*parts, new_part(done)],
        scores=scores,
        history=history,
        history_about={name: its for name, its in about.items() if name in history},
        diagnostics=_until(done, content.get("diagnostics") or {}),
        **scored,
    )
    return record


def _until(step: int, curves: dict[str, Any]) -> dict[str, Any]:
    """The points of curves up to a generator step, by name; a curve that has none goes."""
    kept = {name: [point for point in curves[name] if point[0] <= step] for name in curves}
    return {name: points for name, points in kept.items() if points}


@contextmanager
def begun(record: records.RunRecord, *, is_new: bool) -> Iterator[None]:
    """Inside, what ends a run between its record and its training is said in the record.

    Args:
        record: of the run.
        is_new: whether it may be removed, where there is no room to say anything.
    """
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        kind = type(error).__name__
        reason = str(error) or kind if stopped else f"{kind}: {error}"

        # a record that says "running" for ever would be worse than none
        try:
            record.update(status="interrupted" if stopped else "failed", reason=reason)
        except OSError:
            if is_new:
                record.path.unlink(missing_ok=True)
        raise


def new_part(from_step: int) -> dict[str, Any]:
    """Code, versions and machine of a start or a resume, as `parts` of a record keeps them."""
    return {
        "from_step": from_step,
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "git": provenance.git_state(),
        "packages": provenance.package_versions(),
        "hardware": provenance.hardware(),
    }


# Its end ------------------------------------------------------------------------------------------


@contextmanager
def recorded(session: Session) -> Iterator[None]:
    """Inside a run trains; the record says how it ended: finished, diverged, interrupted or failed,
    and why. Of several processes the first one says so.

    Raises:
        CompactHydraException: one line with the way on, for a run that diverged
            or lost another of its processes.
        Interrupted, KeyboardInterrupt: for one that was stopped.
    """
    record, run_dir, is_first = session.record, session.run_dir, session.machine.is_first
    go_on = f"continue with: python train.py {pasted('resume', run_dir)}"
    try:
        yield
        end_record(session, "finished", None)

    # no fault of the program: one line, and the other cells of a sweep go on
    except Diverged as error:
        end_record(session, "diverged", str(error))
        if not is_first:
            return
        newest = next(iter(callbacks.list_checkpoints(run_dir)), None)
        kept = f"last good checkpoint: {newest}" if newest else "no checkpoint was written before"
        raise CompactHydraException(f"diverged: {error}; {kept}; record: {record.path}") from None

    # Lightning turns KeyboardInterrupt into SystemExit, which would end the program without a word
    except (KeyboardInterrupt, SystemExit) as error:
        reason = str(error) if isinstance(error, Interrupted) else "KeyboardInterrupt"
        end_record(session, "interrupted", reason)
        session.machine.console.print(f"interrupted; {go_on}")
        if not is_first:
            return
        raise error if isinstance(error, Interrupted) else KeyboardInterrupt from None

    # the traceback of this error must not be hidden by one of the record's
    except BaseException as error:
        lost = parallel.lost_another(error)
        reason = "another process of this run ended" if lost else f"{type(error).__name__}: {error}"
        with suppress(Exception):
            end_record(session, "failed", reason)
        if lost:
            more = f"look above for its error; {go_on}"
            raise CompactHydraException(f"{reason}; {more}; record: {record.path}") from None
        raise
    finally:
        session.close()


def end_record(session: Session, status: str, reason: str | None) -> None:
    """Write how a run, or a part of it, ended.

    Args:
        session: the run.
        status: finished, diverged, interrupted or failed.
        reason: why, where it did not finish.
    """
    record, gan, seconds = session.record, session.gan, session.seconds()
    images = gan.critic_steps * gan.settings.batch_size

    # what it took, where it trained: Lightning has moved the networks back to the CPU
    device = session.machine.device
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else device.type
    memory = torch.cuda.max_memory_allocated(device) if on_gpu else _peak_resident_bytes()

    # a part that goes on elsewhere has a machine of its own
    *before, part = record["parts"]
    hardware = part["hardware"] | {"device": name}

    # in one write: a record never says "finished" without its numbers
    record.update(
        status=status,
        reason=reason,
        hardware=hardware,
        parts=[*before, part | {"hardware": hardware}],
        generator_steps=gan.generator_steps,
        critic_steps=gan.critic_steps,
        images_seen=images,
        seconds=seconds,
        images_per_second=images / seconds if seconds else None,
        peak_memory_bytes=memory,
        last_metrics=session.reader.last,
    )


def count_parameters(module: torch.nn.Module) -> int:
    """Trainable values."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def _peak_resident_bytes() -> int:
    """The most memory that this process has had. Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
