"""A run that has ended, as its directory holds it: config, record, weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gan_lab import build, records
from gan_lab import config as configs
from gan_lab.callbacks import load_newest
from gan_lab.callbacks.checkpoint import load_checkpoint
from gan_lab.errors import UserError, one_line
from gan_lab.files import is_intact, open_regular
from gan_lab.records import folder as names
from gan_lab.scoring.protocol import Protocol
from gan_lab.terminal import pasted
from gan_lab.training import GAN
from gan_lab.training.state import state_for
from gan_lab.types import DataSpec

_NEEDED = {"status", "generator_steps", "choices", "dataset", "scores"}  # of a record


@dataclass(frozen=True)
class SavedRun:
    """A finished run.

    Args:
        folder: its run directory.
        config: as it was trained, checked anew.
        record: its record.
    """

    folder: Path
    config: DictConfig
    record: records.RunRecord


def open_run(folder: Path) -> SavedRun:
    """Open the directory of a finished run.

    Raises:
        UserError: where `folder` is no run directory, is damaged, or its run did not finish.
    """
    # a config may be somebody else's: it is checked as one that is typed
    config = configs.saved_config(folder, "run_dir")
    configs.check(config)
    record = records.read(folder)
    if missing := _NEEDED - record.content.keys():
        raise UserError(
            f"{record.path} is damaged: it has no {', '.join(sorted(missing))}; restore it"
        )

    # every other run can be finished; one that diverged does so again
    if record["status"] != "finished":
        remedy = f"finish it with python train.py {pasted('resume', folder)}"
        if record["status"] == "diverged":
            remedy = "train another"
        raise UserError(f"run_dir={folder}: this run is {record['status']}; {remedy}")
    return SavedRun(folder, config, record)


def load_generator(gan: GAN, run: SavedRun) -> None:
    """Give `gan` the run's EMA generator.

    Raises:
        UserError: where its file cannot be used.
    """
    path, tensors = _weights(run)
    gan.ema.average.load_state_dict(state_for(gan.ema.average, tensors, path))
    gan.generator_steps = run.record["generator_steps"]


def check_generator(run: SavedRun, spec: DataSpec) -> None:
    """Refuse an exported generator of other networks than the config's, before memory is taken for
    these. UserError."""
    path, tensors = _weights(run)
    state_for(build.empty_gan(run.config, spec).ema.average, tensors, path)


def _weights(run: SavedRun) -> tuple[Path, dict[str, Tensor]]:
    path = run.folder / names.WEIGHTS
    try:
        with open_regular(path):
            return path, load_file(path)
    except UserError:
        raise
    except (OSError, SafetensorError) as error:
        reason = one_line(error)[:80]
        raise UserError(
            f"{path} cannot be used ({reason}): restore it, or train the run again"
        ) from None


def load_checkpoint_into(gan: GAN, run: SavedRun, path: Path, protocol: Protocol) -> None:
    """Give `gan` the EMA generator of one of the run's checkpoints, and the critic where the
    protocol needs its labels.

    Raises:
        UserError: where the checkpoint is damaged or of another run.
    """
    if not is_intact(path):
        raise UserError(f"{path} is damaged (its checksum differs)")
    state = load_checkpoint(path)
    records.check_same_run(path, configs.plain_config(run.config), state["identity"])

    # a checkpoint holds everything that was trained; what is scored is the average
    average = gan.ema.average
    average.load_state_dict(state_for(average, state["module"], path, "ema.average."))
    if protocol.uses_own_classes and gan.classes_by_critic:
        gan.critic.load_state_dict(state_for(gan.critic, state["module"], path, "critic."))
    gan.generator_steps = state["generator_steps"]


def load_critic_to_label(gan: GAN, run: SavedRun, protocol: Protocol) -> None:
    """Give `gan` the run's critic where its labels are the classes of samples and a score of the
    protocol needs them.

    Raises:
        UserError: as `load_critic`.
    """
    if protocol.uses_own_classes and gan.classes_by_critic:
        load_critic(gan, run, "restore the checkpoint, or set evaluation.msssim_classes=classifier")


def load_critic(
    gan: GAN, run: SavedRun, remedy: str = "restore the checkpoint, or train the run again"
) -> None:
    """Give `gan` the run's critic from its last checkpoint.

    Args:
        gan: gets the critic.
        run: its run.
        remedy: what the user can do without it.

    Raises:
        UserError: where there is no checkpoint of the last step, with `remedy`.
    """

    def refuse(message: str) -> None:
        raise UserError(f"the critic's labels are needed, and {message}: {remedy}")

    # an older checkpoint has another critic than the generator that is scored
    newest = load_newest(run.folder, refuse)
    assert newest is not None, "refused above"
    path, state = newest
    if state["generator_steps"] != run.record["generator_steps"]:
        refuse(f"{run.folder} has no checkpoint of its last step, {run.record['generator_steps']}")
    records.check_same_run(path, configs.plain_config(run.config), state["identity"])
    gan.critic.load_state_dict(state_for(gan.critic, state["module"], path, "critic."))
