"""A training state on its way to a file, and where one meets the network that it is to be loaded into."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.types import UserError


def save_state(state: dict[str, Any], path: Path) -> None:
    """torch.save to `path`. Raises OSError where the disk is full, of which torch alone says "unexpected pos"."""
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def state_for(module: nn.Module, saved: Any, file: Path, part: str = "") -> dict[str, Tensor]:
    """The tensors of `saved` whose names begin with `part`, without it, for `module.load_state_dict`.

    Raises UserError, which names `file` and the first difference, unless they have the names and shapes of the
    module's. An empty tensor of the module (S_max before the first batch) takes any shape.
    """
    named = isinstance(saved, Mapping) and all(isinstance(name, str) for name in saved)
    if not named or not all(isinstance(value, Tensor) for value in saved.values()):
        raise UserError(f"{file} holds no tensors by name: restore it, or train a new run")
    state = {name.removeprefix(part): value for name, value in saved.items() if name.startswith(part)}
    needed = module.state_dict()
    differences = [
        f"{part}{name} is {_shape(state.get(name))} in the file and {_shape(needed.get(name))} by config.yaml"
        for name in needed | state
        if name not in state or name not in needed or (needed[name].numel() and needed[name].shape != state[name].shape)
    ]
    if differences:
        more = f", and {len(differences) - 1} more" if differences[1:] else ""
        raise UserError(
            f"{file} holds other networks than its run's config.yaml describes ({differences[0]}{more}): restore the "
            "file and config.yaml as they were, or train a new run"
        )
    return state


def _shape(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    return "x".join(map(str, tensor.shape)) or "one number"
