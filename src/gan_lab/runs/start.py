"""What is settled before a run reads data: where it trains, what its folder holds
already, and who may write there."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.plugins.environments import ClusterEnvironment, TorchElasticEnvironment
from omegaconf import DictConfig
from rich.console import Console

from gan_lab import build, callbacks, records, terminal
from gan_lab.config import plain_config, saved_config
from gan_lab.data import LoadedData
from gan_lab.errors import UserError
from gan_lab.records import folder
from gan_lab.terminal import pasted
from gan_lab.training import host, passes, precision
from gan_lab.types import DataSpec

# tells the processes that a run starts what the first one measured
_PRECISION = "GAN_LAB_PRECISION"

# Where it trains ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """Where this process of a run trains.

    Args:
        device: its own.
        is_first: whether it is the one of the run's processes that writes and prints.
        console: for what is printed; silent in the other processes.
    """

    device: torch.device
    is_first: bool
    console: Console

    def prepared(self) -> AbstractContextManager[None]:
        """Around the work of a run: what a CPU wants to be told."""
        return host.prepared() if self.device.type == "cpu" else nullcontext()

    @classmethod
    def of(cls, config: DictConfig, run_dir: Path) -> Machine:
        """Ask Lightning for the devices of a config; trainer.precision=auto is resolved in it.

        Raises:
            UserError: where the devices are not there, or processes that somebody else started
                would not find each other.
        """
        asked = config.trainer.precision
        if asked == "auto":
            config.trainer.precision = "32-true"  # until the device is known

        # Lightning tells devices and ranks only once there is a Trainer; the
        # run's own comes with its callbacks
        probe = build.trainer(config, [], [], str(run_dir))
        device = probe.strategy.root_device
        if asked == "auto":
            config.trainer.precision = _precision(config, run_dir, probe)
        _check_processes(config, probe)

        if config.trainer.get("compile"):
            passes.check_compiler(device)

        # a setting of the process: it holds for every network from here on
        if device.type != "cpu":
            precision.allow_tf32(config.trainer.get("tf32", records.TF32))
        return cls(device, probe.is_global_zero, terminal.console(quiet=not probe.is_global_zero))


def _precision(config: DictConfig, run_dir: Path, trainer: pl.Trainer) -> str:
    """What trainer.precision=auto comes to: what the run began with, else what this device is
    faster in.

    Raises:
        UserError: where several processes would each measure for themselves.
    """
    if config.existing_run == "resume" and _has_run(run_dir):
        return str(saved_config(run_dir, "run_dir").trainer.precision)

    # all processes of a run multiply alike: those that this program starts as the first one does
    if getattr(trainer.strategy, "started_by", None) is not None and _PRECISION in os.environ:
        return os.environ[_PRECISION]
    if trainer.world_size > 1 and _starts_processes(trainer) is not None:
        raise UserError(
            "trainer.precision=auto: of processes that torchrun or srun started each would measure "
            "for itself; set trainer.precision=bf16-mixed or 32-true"
        )
    with host.prepared():  # torch's threads begin here
        measured = precision.resolved("auto", trainer.strategy.root_device)
    os.environ[_PRECISION] = measured
    return measured


def _starts_processes(trainer: pl.Trainer) -> ClusterEnvironment | None:
    """Slurm, torchrun or another program, as Lightning knows it, that starts a run's processes;
    None where the run does so itself."""
    environment: ClusterEnvironment | None = getattr(trainer.strategy, "cluster_environment", None)
    is_external = environment is not None and environment.creates_processes_externally
    return environment if is_external else None


def _check_processes(config: DictConfig, trainer: pl.Trainer) -> None:
    """Refuse several processes that would not find each other.

    Raises:
        UserError: where there are more or fewer than the config has, their environment does not fit
            it, or each would make a folder of its own.
    """
    # torchrun's number against the config's
    by_torchrun = TorchElasticEnvironment.detect()
    started = int(os.environ["WORLD_SIZE"]) if by_torchrun else trainer.world_size
    if started != trainer.world_size:
        raise UserError(
            f"torchrun started {started} processes and this run has {trainer.world_size}: "
            "use trainer=ddp with trainer.devices as many as --nproc-per-node, "
            "and trainer.num_nodes as --nnodes"
        )

    # of those that this program starts, the first process has been through this
    if trainer.world_size == 1 or getattr(trainer.strategy, "started_by", None) is not None:
        return

    # those of others
    environment = _starts_processes(trainer)
    if environment is not None:
        try:
            environment.validate_settings(
                num_devices=trainer.num_devices, num_nodes=trainer.num_nodes
            )
        except ValueError as error:
            raise UserError(f"trainer: {error}") from None

    # the default folder is named by the time of day, which is another in each process
    hydra = HydraConfig.get()
    own_folder = hydra.mode == RunMode.RUN and not any(
        override.startswith("run_dir=") for override in hydra.overrides.task
    )
    if environment is not None and config.resume is None and own_folder:
        raise UserError(
            "processes started by torchrun or srun need one folder for all of them: "
            "add run_dir=FOLDER"
        )


def quiet_lightning() -> None:
    """Silence Lightning's advice on workers, tips, the EMA's eval
    mode and deprecations of its own."""
    for name in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{name}").setLevel(logging.WARNING)
    for message in (
        "does not have many workers",
        "returned `None`",
        "module.s. in eval mode",
        "isinstance.treespec",
        "Total length of",
        "zero length",
    ):
        warnings.filterwarnings("ignore", message=f".*{message}")


# What is there already ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Previous:
    """The run that is continued: its record, and its newest intact checkpoint
    with that file's content, if any."""

    record: records.RunRecord
    checkpoint: Path | None
    state: dict[str, Any] | None

    @property
    def generator_steps(self) -> int:
        """From which generator step it goes on."""
        return self.state["generator_steps"] if self.state else 0

    def check_fits(self, config: DictConfig, spec: DataSpec) -> None:
        """Refuse a checkpoint of other networks, before memory is taken for them.

        Raises:
            UserError: where its weights have other names or shapes.
        """
        if self.state is not None and self.checkpoint is not None:
            callbacks.check_fits(self.state, self.checkpoint, build.empty_gan(config, spec))

    def check_data(self, run_dir: Path, data: LoadedData) -> None:
        """Refuse to go on with other data than the run began with.

        Raises:
            UserError: where the hash of their content differs.
        """
        was = self.record["dataset"]
        if was["content_hash"] == data.content_hash:
            return

        # another number of classes is the usual cause: a folder more, or a folder less
        before, now = len(was["label_histogram"]["train"]), data.spec.num_classes
        classes = f" (of {before} classes, now of {now})" if before != now else ""
        raise UserError(
            f"resume={run_dir}: the data at dataset.root have changed since this run "
            f"began{classes}: set dataset.root=FOLDER to what they were, or start a new run"
        )


def take_up(config: DictConfig, run_dir: Path) -> str | None:
    """With existing_run=resume, let `config` continue the run that `run_dir` holds.

    Args:
        config: is changed: its `resume`, and its `evaluation` where none was typed.
        run_dir: the run's directory.

    Returns:
        "finished" or "diverged" where that run has ended, else None.

    Raises:
        UserError: where it is a run of another config.
    """
    if config.resume is not None or config.existing_run != "resume" or not _has_run(run_dir):
        return None

    # a sweep whose parameters were changed would mix two sweeps in one folder
    record = records.read(run_dir)
    if others := records.differing(plain_config(config), record["config"]):
        raise UserError(
            f"run_dir={run_dir} holds another run (other {', '.join(others)}): name another folder"
        )
    if record["status"] in ("finished", "diverged"):
        return str(record["status"])

    # it is scored as before, unless another way was typed
    config.resume = str(run_dir)
    typed = [override.partition("=")[0] for override in HydraConfig.get().overrides.task]
    if not any("evaluation" in key for key in typed):
        config.evaluation = saved_config(run_dir, "run_dir").evaluation
    return None


def previous_run(
    config: DictConfig, plain: dict[str, Any], run_dir: Path, machine: Machine
) -> Previous | None:
    """The run that `config.resume` names, or None.

    Args:
        config: of this run.
        plain: the same as it is stored.
        run_dir: the run's directory.
        machine: where it trains.

    Raises:
        UserError: where it cannot go on, or a new run would meet one.
    """
    # a run is never written over
    if config.resume is None:
        if machine.is_first and (run_dir / folder.CONFIG).exists():
            raise UserError(
                f"run_dir={run_dir} already holds a run: continue it with "
                f"{pasted('resume', run_dir)}, or name another folder"
            )
        return None

    # the checkpoint of another run may have been copied here
    record = records.read(run_dir, writes=machine.is_first)
    newest = callbacks.load_newest(
        run_dir, lambda message: machine.console.print(f"warning: {message}")
    )

    if newest is not None:
        records.check_same_run(newest[0], plain, newest[1]["identity"])

    # more steps may be asked of a finished run, and nothing else
    is_finished = (
        record["status"] == "finished" and record["generator_steps"] >= config.max_generator_steps
    )
    if machine.is_first and is_finished:
        more = f"add max_generator_steps={2 * config.max_generator_steps} to train on"
        raise UserError(
            f"resume={run_dir}: this run is finished ({config.max_generator_steps} steps); {more}"
        )

    return Previous(record, *(newest or (None, None)))


def _has_run(run_dir: Path) -> bool:
    return (run_dir / folder.CONFIG).exists() and (run_dir / folder.RECORD).exists()


# Who may write there ------------------------------------------------------------------------------


@contextmanager
def only_writer(run_dir: Path, machine: Machine) -> Iterator[None]:
    """Inside, no other process may train in `run_dir`.

    Raises:
        UserError: while one does.
    """
    # the run's other processes share the first one's lock
    if not machine.is_first:
        yield
        return

    with records.only_writer(run_dir):
        yield
