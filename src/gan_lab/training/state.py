"""A training state on its way to a file and back, and whether it fits a network."""

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

# values of a training state, containers among them; an optimizer has some for each tensor
VALUES = 1_000_000


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write a state with torch.save.

    Raises:
        OSError: where the disk is full, of which torch says "unexpected pos" alone.
    """
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_state(path: Path) -> Any:
    """Read what `save_state` wrote.

    Nothing in the file is called. What is read cannot be much larger than the file: it is not
    packed, containers in containers are counted as often as they stand there, and a tensor may not
    show few values as many.

    Returns:
        Plain containers of numbers, texts and dense tensors, on the CPU.

    Raises:
        Exception: of any type, for a file that is no such state: a crafted one can raise anything.
    """
    with open_regular(path) as file:
        check_members(file, None)
        state = torch.load(file, map_location="cpu", weights_only=True)
        _check_plain(state, 2 * os.fstat(file.fileno()).st_size)
    return state


def _check_plain(state: Any, at_most: int) -> None:
    """Refuse a state that is not plain, or that takes more memory than its file allows.

    Args:
        state: what torch made of a file.
        at_most: bytes of all tensors.

    Raises:
        ValueError: for other values than containers, numbers, texts and tensors; for containers
            nested too deeply; for too many values or bytes.
    """
    # a list in place of recursion, which a crafted file could drive too deep
    waiting, values, size = [(state, 0)], 0, 0
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if depth > DEPTH or values > VALUES:
            raise ValueError("its containers are nested too deeply, or too large")

        # containers wait to be opened
        if isinstance(value, Mapping):
            waiting += [(part, depth + 1) for item in value.items() for part in item]
        elif isinstance(value, list | tuple | set):
            waiting += [(part, depth + 1) for part in value]

        # tensors count by what they show: a view of one number may show a billion
        elif isinstance(value, Tensor):
            if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
                raise ValueError("a tensor is not dense")
            size += value.numel() * value.element_size()
            if size > at_most:
                raise ValueError("its tensors are larger than the file")
        elif value is not None and not isinstance(value, bool | int | float | str):
            raise ValueError(f"it holds a {type(value).__name__}")


def state_for(module: nn.Module, saved: Any, file: Path, part: str = "") -> dict[str, Tensor]:
    """The tensors of a file that belong to a module, for `module.load_state_dict`.

    An empty tensor of the module (S_max before the first batch) takes any shape.

    Args:
        module: the module that takes them.
        saved: the tensors of the file, by name.
        file: for the message.
        part: the tensors whose names begin with it, and their names without it, are meant.

    Returns:
        The tensors by the module's own names.

    Raises:
        UserError: naming `file` and the first difference, unless names and shapes are the module's.
    """
    # a crafted file may hold anything
    named = isinstance(saved, Mapping) and all(isinstance(name, str) for name in saved)
    if not named or not all(isinstance(value, Tensor) for value in saved.values()):
        raise UserError(f"{file} holds no tensors by name: restore it, or train a new run")

    state = {
        name.removeprefix(part): value for name, value in saved.items() if name.startswith(part)
    }

    # what is missing, too much or of another shape
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
            f"({differences[0]}{more}): "
            "restore the file and config.yaml as they were, or train a new run"
        )

    return state


def _shape(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    return "x".join(map(str, tensor.shape)) or "one number"
