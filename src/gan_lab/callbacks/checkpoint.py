"""Checkpoints: written atomically with a checksum, only from a finite
state; read back only when intact."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypedDict

import lightning.pytorch as pl
import torch

from gan_lab.errors import Diverged, UserError, one_line
from gan_lab.files import checksum_path, is_intact, write_with_checksum
from gan_lab.optim import capturable
from gan_lab.reading.schema import Count, misfit
from gan_lab.records import folder
from gan_lab.training import GAN
from gan_lab.training.state import load_state, save_state, state_for


class _Facts(TypedDict):
    """What stands in a checkpoint beside the states of the networks
    (`module`) and of the optimizers."""

    generator_steps: Count
    critic_steps: Count
    identity: dict[str, Any]
    seconds: float
    last_metrics: dict[str, Any]  # numbers, finite or not


class Checkpoint(pl.Callback):
    """Write checkpoints/step_<N>.ckpt every `every` generator steps and when
    training ends or is interrupted.

    Of several processes only the first writes: they all hold the same state.

    Args:
        run_dir: the run's directory.
        every: generator steps between two checkpoints.
        keep: how many stay, the newest.
        extra: what else to store, in plain containers.
        resume_from: a loaded checkpoint; None for a new run.
    """

    def __init__(
        self,
        run_dir: Path,
        every: int,
        keep: int,
        extra: Callable[[], dict[str, Any]],
        resume_from: dict[str, Any] | None,
    ) -> None:
        self.run_dir = run_dir
        self.every = every
        self.keep = keep
        self.extra = extra
        self.resume_from = resume_from

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the state to resume from: here the optimizers exist
        and everything is on its device."""
        assert isinstance(pl_module, GAN)

        # what a killed part of this run was writing
        for half in (self.run_dir / folder.CHECKPOINTS).glob(".step_*.tmp"):
            half.unlink(missing_ok=True)
        if self.resume_from is not None:
            pl_module.load_run_state(self.resume_from)
            self.resume_from = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Save where asked."""
        assert isinstance(pl_module, GAN)
        if pl_module.generator_steps % self.every == 0:
            self.save(pl_module, writes=trainer.is_global_zero)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last state, or the one at which the run was asked to stop."""
        assert isinstance(pl_module, GAN)
        self.save(
            pl_module,
            writes=trainer.is_global_zero
            and not is_intact(folder.checkpoint_path(self.run_dir, pl_module.generator_steps)),
        )

    def save(self, gan: GAN, *, writes: bool = True) -> None:
        """Write a checkpoint of the current state.

        Args:
            gan: the run.
            writes: whether this process is the one that writes.

        Raises:
            Diverged: in every process, where the state is not finite.
        """
        # a run that is resumed from what is not finite would diverge at its first step
        gan.check_finite()
        state = gan.run_state() | self.extra()
        if name := _not_finite(state):
            raise Diverged(f"{name} is not finite at generator step {gan.generator_steps}")
        if not writes:
            return

        # the older ones go when the newer is whole
        path = folder.checkpoint_path(self.run_dir, gan.generator_steps)
        write_with_checksum(path, lambda path: save_state(state, path))
        for path in list_checkpoints(self.run_dir)[self.keep :]:
            path.unlink()
            checksum_path(path).unlink(missing_ok=True)


def list_checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoints of a run, newest first."""
    return folder.checkpoint_paths(run_dir)[::-1]


def load_newest(run_dir: Path, warn: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """Load the newest intact checkpoint of a run.

    One that is truncated or altered is passed over. Nothing but plain
    containers and tensors is ever unpickled.

    Args:
        run_dir: the run's directory.
        warn: is told what is passed over.

    Returns:
        Its path and the state in it, on the CPU; None where the run was stopped before its first.

    Raises:
        UserError: where none is intact, or the file is no checkpoint of ours.
    """
    paths = list_checkpoints(run_dir)
    if not paths:
        warn(f"{run_dir} has no checkpoint yet; beginning at generator step 0")
        return None

    # of a run directory that was copied, or on a disk that was full, the newest may be cut
    for path in paths:
        if is_intact(path):
            return path, load_checkpoint(path)
        warn(f"{path} is damaged (its checksum differs); falling back to the checkpoint before it")
    raise UserError(
        f"resume={run_dir}: none of its {len(paths)} checkpoints is intact; start the run again"
    )


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state in a checkpoint, on the CPU.

    Raises:
        UserError: for a file that is no checkpoint of ours.
    """
    try:
        state = load_state(path)
    except Exception as error:  # a crafted file can raise anything; nothing in it was called
        raise UserError(
            f"{path} is no checkpoint of gan_lab ({one_line(error)[:120]}): "
            "restore it, or remove it"
        ) from None
    if not _is_ours(state):
        raise UserError(
            f"{path} is no checkpoint of gan_lab: restore it, or remove it to use the one before"
        )
    return state


def check_fits(state: dict[str, Any], path: Path, empty: GAN) -> None:
    """Refuse a checkpoint of other networks or optimizers than a run's.

    Args:
        state: what was loaded.
        path: from where.
        empty: the run's networks and optimizers, untrained.

    Raises:
        UserError: names the file and what does not fit.
    """
    state_for(empty, state["module"], path)
    try:
        for optimizer, saved in zip(empty.configure_optimizers(), state["optimizers"], strict=True):
            capturable.load_state(optimizer, saved)
    except Exception as error:  # of torch's loaders, whatever they make of it
        raise UserError(
            f"{path} holds other optimizers than its run's config.yaml describes "
            f"({one_line(error)[:160]}): restore the file and config.yaml as they were, "
            "or remove it to use the one before"
        ) from None


def _is_ours(state: Any) -> bool:
    """Whether a state has what `Checkpoint.save` writes; whether it is of the
    run's networks is found out later."""
    if not isinstance(state, dict):
        return False

    # tensors are looked at where they are loaded; here only what misfit knows
    facts = {name: state[name] for name in _Facts.__annotations__ if name in state}
    return (
        misfit(facts, _Facts) is None
        and all(isinstance(value, int | float) for value in facts["last_metrics"].values())
        and isinstance(state.get("module"), dict)
        and isinstance(state.get("optimizers"), list)
    )


def _not_finite(state: Any, name: str = "") -> str | None:
    """The path of the first tensor in nested containers that holds a non-finite number."""
    if isinstance(state, torch.Tensor):
        return name if state.is_floating_point() and not bool(torch.isfinite(state).all()) else None
    items: Iterable[tuple[Any, Any]]
    if isinstance(state, dict):
        items = state.items()
    elif isinstance(state, list | tuple):
        items = enumerate(state)
    else:
        return None
    return next(
        (
            found
            for key, value in items
            if (found := _not_finite(value, f"{name}.{key}".lstrip(".")))
        ),
        None,
    )
