"""A training state on its way to a file, and where one meets the network that it is to be loaded
into."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.errors import UserError
from gan_lab.files import open_regular
from gan_lab.reading.arrays import check_members
from gan_lab.reading.schema import DEPTH

VALUES = (
    1_000_000  # in a training state, containers among them: an optimizer has some for each tensor
)


def save_state(state: dict[str, Any], path: Path) -> None:
    """torch.save to `path`. Raises OSError where the disk is full, of which torch alone says
    "unexpected pos"."""
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_state(path: Path) -> Any:
    """What `save_state` wrote, on the CPU: plain containers of numbers, texts and dense tensors.

    Raises Exception of any type for a file that is no such state: a crafted one can raise anything,
    and nothing in it is called. Neither it nor what is made of it can be much larger than the file:
    it is not packed, containers in containers are counted as often as they stand there, and a
    tensor may not show few values as many.
    """
    with open_regular(path) as file:
        check_members(file, None)
        state = torch.load(file, map_location="cpu", weights_only=True)
        _check_plain(state, 2 * os.fstat(file.fileno()).st_size)
    return state


def _check_plain(state: Any, at_most: int) -> None:
    """Raises ValueError for other values, containers nested too deeply, too many values or bytes of
    tensors."""
    waiting, values, size = [(state, 0)], 0, 0
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if depth > DEPTH or values > VALUES:
            raise ValueError("its containers are nested too deeply, or too large")
        if isinstance(value, Mapping):
            waiting += [(part, depth + 1) for item in value.items() for part in item]
        elif isinstance(value, list | tuple | set):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, Tensor):
            if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
                raise ValueError("a tensor is not dense")
            size += value.numel() * value.element_size()
            if size > at_most:
                raise ValueError("its tensors are larger than the file")
        elif value is not None and not isinstance(value, bool | int | float | str):
            raise ValueError(f"it holds a {type(value).__name__}")


def state_for(module: nn.Module, saved: Any, file: Path, part: str = "") -> dict[str, Tensor]:
    """The tensors of `saved` whose names begin with `part`, without it, for
    `module.load_state_dict`.

    Raises UserError, which names `file` and the first difference, unless they have the names and
    shapes of the module's. An empty tensor of the module (S_max before the first batch) takes any
    shape.
    """
    named = isinstance(saved, Mapping) and all(isinstance(name, str) for name in saved)
    if not named or not all(isinstance(value, Tensor) for value in saved.values()):
        raise UserError(f"{file} holds no tensors by name: restore it, or train a new run")
    state = {
        name.removeprefix(part): value for name, value in saved.items() if name.startswith(part)
    }
    needed = module.state_dict()
    differences = [
        f"{part}{name} is {_shape(state.get(name))} in the file and {_shape(needed.get(name))} by "
        "config.yaml"
        for name in needed | state
        if name not in state
        or name not in needed
        or (needed[name].numel() and needed[name].shape != state[name].shape)
    ]
    if differences:
        more = f", and {len(differences) - 1} more" if differences[1:] else ""
        raise UserError(
            f"{file} holds other networks than its run's config.yaml describes "
            f"({differences[0]}{more}): restore the "
            "file and config.yaml as they were, or train a new run"
        )
    return state


def _shape(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    return "x".join(map(str, tensor.shape)) or "one number"
