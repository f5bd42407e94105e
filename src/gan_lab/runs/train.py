"""One training run from a checked config to its record."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from lightning.pytorch.plugins.environments import TorchElasticEnvironment
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from gan_lab import build, callbacks, parallel, records, terminal
from gan_lab.callbacks.clock import Seconds
from gan_lab.config.resume import config_text, saved_config
from gan_lab.config.schema import plain_config
from gan_lab.data import LoadedData, load
from gan_lab.data.labelled import count_labelled
from gan_lab.data.module import ResidentDataModule
from gan_lab.data.resident import ResidentData
from gan_lab.errors import Diverged, Interrupted, UserError
from gan_lab.files import refuse_links, write_atomically
from gan_lab.interrupts import stopped_by_sigterm
from gan_lab.loggers import MetricsFile, WandbLogger
from gan_lab.records import folder, provenance, versions
from gan_lab.runs.export import export_generator
from gan_lab.runs.outcome import begin_part, count_parameters, end_record, start_record
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.scoring.protocol import score_text
from gan_lab.sweeps.devices import logger_groups
from gan_lab.terminal import pasted
from gan_lab.training import GAN, precision
from gan_lab.training.host_memory import keep_freed_memory
from gan_lab.training.strategy import SharedStep, first_process


@stopped_by_sigterm()
def train(config: DictConfig, run_dir: Path) -> None:
    """Train, or resume, the run that `config` describes in `run_dir`.

    Raises UserError before anything is written where the config cannot run here; CompactHydraException when the run
    diverges; Interrupted when it was asked to stop. The record says which.
    """
    provenance.git_state()  # of what runs: it may be edited before the record is written
    refuse_links(run_dir)
    quiet_lightning()
    asked = config.trainer.precision
    if asked == "auto":
        config.trainer.precision = "32-true"  # until the device is known
    first = build.trainer(config, [], [], str(run_dir))  # refuses devices that are not there
    writes, device = first.is_global_zero, first.strategy.root_device
    if asked == "auto":
        config.trainer.precision = _precision(config, run_dir, device)
    _check_start(config, first)
    if device.type == "cpu":
        keep_freed_memory()
    else:
        precision.allow_tf32(config.trainer.get("tf32", records.TF32))
    console = terminal.console(quiet=not writes)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        for field, group in logger_groups(config, Path(HydraConfig.get().sweep.dir)).items():
            OmegaConf.update(config, field, group)
    plain = plain_config(config) | {"resume": None}  # as it is stored
    if config.resume is None and config.existing_run == "resume" and _has_run(run_dir):
        if (ended := _same_run(run_dir, plain)) is not None:
            console.print(f"{ended} before, passed over: {run_dir}")
            return
        config.resume = str(run_dir)
        if not any("evaluation" in override.partition("=")[0] for override in HydraConfig.get().overrides.task):
            config.evaluation = saved_config(run_dir, "run_dir").evaluation  # as it was scored before, if not asked
            plain["evaluation"] = plain_config(config.evaluation)
    with _only_writer(run_dir) if writes else nullcontext():
        _train(config, plain, run_dir, writes, device, console)


def _precision(config: DictConfig, run_dir: Path, device: torch.device) -> str:
    """What trainer.precision=auto comes to: what the run began with, else what this device is faster in."""
    if config.existing_run == "resume" and _has_run(run_dir):
        return str(saved_config(run_dir, "run_dir").trainer.precision)
    return precision.resolved("auto", device)


@contextmanager
def _only_writer(run_dir: Path) -> Iterator[None]:
    """Raises UserError while another process trains there."""
    lock = FileLock(run_dir / folder.LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{run_dir} is being trained by another process: wait for it, or end it") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _train(
    config: DictConfig, plain: dict[str, Any], run_dir: Path, writes: bool, device: torch.device, console: Console
) -> None:
    if config.evaluation:
        build.make("evaluation", config.evaluation)  # refuses missing weights before data are read
    if writes:
        build.loggers(config, str(run_dir), "")  # refuses one that could not log here
    resume_from, resume_file, record = None, None, None
    if config.resume is not None:
        record = records.read(run_dir, writes)
        found = callbacks.load_newest(run_dir, lambda message: console.print(f"warning: {message}"))
        if found is not None:
            resume_file, resume_from = found
            records.check_same_run(resume_file, plain, resume_from["identity"])
        if writes and record["status"] == "finished" and record["generator_steps"] >= config.max_generator_steps:
            more = f"add max_generator_steps={2 * config.max_generator_steps} to train on"
            raise UserError(f"resume={run_dir}: this run is finished ({config.max_generator_steps} steps); {more}")
    elif writes and (run_dir / folder.CONFIG).exists():
        raise UserError(
            f"run_dir={run_dir} already holds a run: continue it with {pasted('resume', run_dir)}, or name another "
            "folder"
        )

    data = load(build.make("dataset", config.dataset), Path(config.data_cache))
    if record is not None:
        _check_same_data(run_dir, record, data)
    fed = build.training_data(config, data)
    if resume_from and resume_file:  # refuses other networks before memory is taken or anything is written
        callbacks.check_fits(resume_from, resume_file, build.empty_gan(config, fed.spec))
    gan = build.gan(config, fed.spec, data)
    evaluator = build.evaluator(config, data, device, console, gan)
    done = resume_from["generator_steps"] if resume_from else 0
    feed = ResidentDataModule(
        fed, config.batch_size, config.n_critic, config.seed, start=done, stop=config.max_generator_steps
    )

    if record is None:
        record = start_record(plain, run_dir, data, fed, gan, evaluator, writes)
    else:
        # it may have become longer, or come from an older version
        config_now = {"version": versions.VERSION, "config": plain, "config_hash": records.config_hash(plain)}
        config_now |= {name: versions.renamed(record.content.get(name) or {}) for name in ("scores", "history")}
        if evaluator is not None:  # or be scored otherwise
            config_now["extractor"] = evaluator.extractor.identity
        # parts of which no step is left are done again
        left = [part for part in records.parts_of(record.content) if part["from_step"] < done]
        record.update(
            status="running", reason=None, resumed_from_step=done, parts=[*left, begin_part(done)], **config_now
        )
    # last, because it makes the folder a run: what is killed before can be started again, what is killed after resumed
    with _begun(record, is_new=config.resume is None):
        if writes:
            write_atomically(run_dir / folder.CONFIG, config_text(plain))
        _print_start(console, config, run_dir, data, fed, gan, done)
        seconds = Seconds(resume_from["seconds"] if resume_from else 0.0)

        def extra() -> dict[str, Any]:
            return {"seconds": seconds(), "identity": records.determining(plain), "last_metrics": reader.last}

        evaluate = None if evaluator is None else callbacks.Evaluate(evaluator, config.evaluate_every, record, seconds)
        reader = callbacks.ReadMetrics(
            resume_from["last_metrics"] if resume_from else None, *([evaluate.at] if evaluate else [])
        )
        samples = callbacks.SampleGrid(run_dir, config.sample_every, fed.spec, _some_real(data))
        stop = callbacks.StopOnSignal()
        checkpoint = callbacks.Checkpoint(run_dir, config.checkpoint_every, config.keep_checkpoints, extra, resume_from)
        progress = callbacks.ProgressBar(
            reader, config.n_critic * config.batch_size, config.max_generator_steps, console
        )
        watching: list[callbacks.WandbRun] = []

        def lost_process(what: str) -> None:
            if record["status"] == "running":
                record.update(status="failed", reason=f"another process of this run ended: {what}")
                go_on = f"continue with: python train.py {pasted('resume', run_dir)}; record: {record.path}"
                terminal.tell(f"error: {record['reason']}; {go_on}", error=True)

    try:
        loggers = build.loggers(config, str(run_dir), record["run_id"]) if writes else []
        for logger in loggers:
            logger.log_hyperparams(plain)
            if isinstance(logger, MetricsFile):
                logger.keep_until(done)
            if isinstance(logger, WandbLogger):
                watching.append(callbacks.WandbRun(logger, record, samples))
        seen = [samples, checkpoint, progress] if writes else [checkpoint]
        graph = [callbacks.Capture(console.print)]
        acting = [
            seconds,
            *(graph if config.trainer.get("capture") == "auto" else []),
            *([evaluate] if evaluate else []),
            reader,
            *seen,
            stop,
            *watching,
        ]
        with first_process():
            trainer = build.trainer(config, acting, loggers, str(run_dir))
            if isinstance(trainer.strategy, SharedStep):
                trainer.strategy.on_lost = lost_process
            trainer.fit(gan, feed)
        if stop.received is not None and gan.generator_steps < config.max_generator_steps:
            raise Interrupted(stop.received)
        exported = None
        if writes:
            if samples.newest is None:  # a run killed after its last step: nothing was left to train
                samples.draw(gan)
            exported = export_generator(gan, plain["architecture"], fed.spec, run_dir)
        with seconds.paused():
            record.update(scores=_scores(record, gan.to(device), evaluator, console))
        end_record(record, "finished", None, gan, seconds(), reader.last)
    except Diverged as error:
        newest = next(iter(callbacks.list_checkpoints(run_dir)), None)
        kept = f"last good checkpoint: {newest}" if newest else "no checkpoint was written before"
        end_record(record, "diverged", str(error), gan, seconds(), reader.last)
        if not writes:  # the first process says so
            return
        raise CompactHydraException(f"diverged: {error}; {kept}; record: {record.path}") from None
    except (KeyboardInterrupt, SystemExit) as error:  # Lightning turns KeyboardInterrupt into SystemExit
        reason = str(error) if isinstance(error, Interrupted) else "KeyboardInterrupt"
        end_record(record, "interrupted", reason, gan, seconds(), reader.last)
        console.print(f"interrupted; continue with: python train.py {pasted('resume', run_dir)}")
        if not writes:
            return
        raise error if isinstance(error, Interrupted) else KeyboardInterrupt from None
    except BaseException as error:
        lost = parallel.lost_another(error)
        reason = "another process of this run ended" if lost else f"{type(error).__name__}: {error}"
        with suppress(Exception):
            end_record(record, "failed", reason, gan, seconds(), reader.last)
        if lost:
            more = f"look above for its error; continue with: python train.py {pasted('resume', run_dir)}"
            raise CompactHydraException(f"{reason}; {more}; record: {record.path}") from None
        raise
    finally:
        for watcher in watching:
            watcher.close()
    _print_end(
        console,
        record,
        {"samples": samples.newest, "generator": exported, "checkpoints": checkpoint.folder, "record": record.path},
    )


@contextmanager
def _begun(record: records.RunRecord, *, is_new: bool) -> Iterator[None]:
    """What ends a run between its record and its training is said there; a new record goes where there is no room."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        reason = str(error) or type(error).__name__ if stopped else f"{type(error).__name__}: {error}"
        try:
            record.update(status="interrupted" if stopped else "failed", reason=reason)
        except OSError:
            if is_new:
                record.path.unlink(missing_ok=True)
        raise


def _scores(
    record: records.RunRecord, gan: GAN, evaluator: Evaluator | None, console: Console
) -> dict[str, dict[str, Any]]:
    """Those the record has of this very generator (a run that became longer has another), and the evaluator's."""
    scores = {name: entry for name, entry in record["scores"].items() if entry["step"] == gan.generator_steps}
    if evaluator is not None:
        console.print(f"scoring {evaluator.protocol.samples:,} samples")
        scores |= evaluator.scores(gan, evaluator.protocol)
    return scores


def _check_start(config: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse several processes that would not find each other."""
    started = int(os.environ["WORLD_SIZE"]) if TorchElasticEnvironment.detect() else trainer.world_size
    if started != trainer.world_size:
        raise UserError(
            f"torchrun started {started} processes and this run has {trainer.world_size}: use trainer=ddp with "
            "trainer.devices as many as --nproc-per-node, and trainer.num_nodes as --nnodes"
        )
    if trainer.world_size == 1 or getattr(trainer.strategy, "started_by", None) is not None:
        return  # the first process has been through this
    environment = getattr(trainer.strategy, "cluster_environment", None)
    external = environment is not None and environment.creates_processes_externally
    if environment is not None and external:
        try:
            environment.validate_settings(num_devices=trainer.num_devices, num_nodes=trainer.num_nodes)
        except ValueError as error:
            raise UserError(f"trainer: {error}") from None
    hydra = HydraConfig.get()
    own_folder = hydra.mode == RunMode.RUN and not any(o.startswith("run_dir=") for o in hydra.overrides.task)
    if external and config.resume is None and own_folder:
        raise UserError("processes started by torchrun or srun need one folder for all of them: add run_dir=FOLDER")


def _has_run(run_dir: Path) -> bool:
    return (run_dir / folder.CONFIG).exists() and (run_dir / folder.RECORD).exists()


def _same_run(run_dir: Path, config: dict[str, Any]) -> str | None:
    """How the run in `run_dir` ended, None if it did not. Raises UserError where it is a run of another config."""
    record = records.read(run_dir)
    if others := records.differing(config, record["config"]):
        raise UserError(f"run_dir={run_dir} holds another run (other {', '.join(others)}): name another folder")
    return record["status"] if record["status"] in ("finished", "diverged") else None


def _check_same_data(run_dir: Path, record: records.RunRecord, data: LoadedData) -> None:
    """Refuse to go on with other data than a run began with."""
    was = record["dataset"]
    if was["content_hash"] != data.content_hash:
        before, now = len(was["label_histogram"]["train"]), data.spec.num_classes
        classes = f" (of {before} classes, now of {now})" if before != now else ""
        raise UserError(
            f"resume={run_dir}: the data at dataset.root have changed since this run began{classes}: set "
            "dataset.root=FOLDER to what they were, or start a new run"
        )


def _print_start(
    console: Console, config: DictConfig, run_dir: Path, data: LoadedData, fed: LoadedData, gan: GAN, done: int
) -> None:
    lines = [
        data.summary(),
        *(f"  labels of {name}: {_histogram(counts)}" for name, counts in data.label_histogram.items()),
        *_labels_used(config, gan, fed),
        f"parameters: generator {count_parameters(gan.generator):,}, critic {count_parameters(gan.critic):,}",
        f"run directory: {run_dir}" + (f" (resumed from generator step {done})" if done else ""),
    ]
    console.print("\n".join(lines))


def _labels_used(config: DictConfig, gan: GAN, fed: LoadedData) -> list[str]:
    """What a person should know of fields that not every loss reads."""
    labelled, samples = count_labelled(fed), len(fed.splits["train"])
    if gan.loss.needs_labels:
        return (
            []
            if labelled == samples
            else [f"  labels used: {labelled:,} of {samples:,}, {fed.spec.num_classes} classes"]
        )
    idle = {"labelled_fraction": labelled < samples, "reference_distribution": config.dataset.reference_distribution}
    return [
        f"  warning: this loss reads no labels: dataset.{name} has no effect" for name, is_set in idle.items() if is_set
    ]


def _histogram(counts: list[int]) -> str:
    shown = " ".join(map(str, counts[:20]))
    return shown if len(counts) <= 20 else f"{shown} … ({len(counts)} classes, in full in record.json)"


def _print_end(console: Console, record: records.RunRecord, paths: dict[str, Path | None]) -> None:
    table = Table(show_header=False, title="finished")
    rows = {
        "generator steps": f"{record['generator_steps']:,} ({record['critic_steps']:,} critic steps)",
        "time": f"{record['seconds']:.0f} s, {record['images_per_second']:,.0f} real images/s",
    }
    names = {"critic loss": "critic_loss", "generator loss": "generator_loss"}
    names |= {"k (largest gradient norm)": "gradient_norm"}
    last = {name: record["last_metrics"].get(key) for name, key in names.items()}  # none of a damaged checkpoint
    rows |= {name: f"{value:.4g}" for name, value in last.items() if value is not None and not math.isnan(value)}
    for name, value in rows.items():
        table.add_row(name, value)
    for name, entry in record["scores"].items():
        table.add_row(name, score_text(entry))
    console.print(table)
    for name, path in paths.items():
        console.print(f"{name + ':':<12} {path}")


def _some_real(data: LoadedData) -> torch.Tensor:
    train = ResidentData.place(data, "cpu")
    return train.gather(torch.arange(min(1024, len(train))))[0]


def quiet_lightning() -> None:
    """Silence Lightning's advice on workers, tips, the EMA's eval mode and deprecations of its own."""
    for room in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{room}").setLevel(logging.WARNING)
    for message in (
        "does not have many workers",
        "returned `None`",
        "module.s. in eval mode",
        "isinstance.treespec",
        "Total length of",
        "zero length",
    ):
        warnings.filterwarnings("ignore", message=f".*{message}")
