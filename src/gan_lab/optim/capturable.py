"""Optimizers whose step reads nothing back from the device, and its rate from there: what a CUDA graph can replay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_KEPT = ("lr", "capturable", "fused", "foreach")  # how a step is computed on this device, whatever was saved on another


def make_capturable(optimizer: Optimizer) -> None:
    """Let an optimizer's step read everything that changes from the device: its rate, its step counts.

    On CUDA every run has its optimizers so, captured or not, and both train the same to the last bit. For parameters
    on a CUDA device, before the first step.
    """
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
        elif "fused" in group:  # SGD: its other forms read the rate back
            group["fused"], group["foreach"] = True, False
        if not isinstance(group["lr"], Tensor):
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float32, device=group["params"][0].device)
    optimizer._warned_capturable_if_run_uncaptured = True  # it runs so on purpose


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Give a parameter group its rate; where that is a tensor, in place."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def saved_state(optimizer: Optimizer) -> dict[str, Any]:
    """`state_dict` with rates as numbers, as it is on every device."""
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        group["lr"] = float(group["lr"])
    return state


def load_state(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """`load_state_dict` of a state from any device; the step is computed as it was made to be on this one."""
    groups = [
        saved | {key: own[key] for key in _KEPT if key in own}
        for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict(state | {"param_groups": groups})


def tensors(optimizer: Optimizer) -> Iterator[Tensor]:
    """Its state, and the rates that are tensors."""
    yield from (group["lr"] for group in optimizer.param_groups if isinstance(group["lr"], Tensor))
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
