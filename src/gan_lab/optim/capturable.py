"""Optimizers whose step reads nothing back from the device, and its rate from there: what a CUDA
graph can replay."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def make_capturable(optimizer: Optimizer) -> None:
    """Let an optimizer's step read everything that changes from the device: its rate, its step
    counts.

    On CUDA every run has its optimizers so, captured or not, and both train the same to the last
    bit. For parameters on a CUDA device, before the first step.
    """
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
        elif "fused" in group:  # SGD: its other forms read the rate back
            group["fused"], group["foreach"] = True, False
        if not isinstance(group["lr"], Tensor):
            group["lr"] = torch.tensor(
                group["lr"], dtype=torch.float32, device=group["params"][0].device
            )
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
    """`load_state_dict` of a state from any device; hyperparameters stay as the optimizer was made
    with them here.

    Raises Exception of any type for another optimizer's state, and ValueError for tensors of other
    names, shapes or kinds than it makes itself: `load_state_dict` takes them, and the next step can
    write past their ends.
    """
    made = _after_a_step(optimizer)
    groups = [
        own | {"params": saved["params"]}
        for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
    if len(optimizer.state) > len(made):
        raise ValueError("an optimizer has states of more parameters than there are")
    for param, own in zip(
        (param for group in optimizer.param_groups for param in group["params"]), made, strict=True
    ):
        loaded = optimizer.state.get(param, {})  # none of a parameter that had no gradient yet
        if loaded and _outline(loaded) != _outline(own):
            raise ValueError(
                f"an optimizer's state is {_outline(loaded)} in place of {_outline(own)}"
            )


def _after_a_step(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The state that a step of a copy leaves, parameter by parameter."""
    twin = copy.deepcopy(optimizer)
    twin.state.clear()
    for group in twin.param_groups:
        if group.get("fused"):  # it refuses the device "meta"; the state is the same
            group["fused"] = False
    params = [param for group in twin.param_groups for param in group["params"]]
    for param in params:
        param.grad = torch.zeros_like(param)
    twin.step()
    return [twin.state[param] for param in params]


def _outline(state: dict[str, Any]) -> dict[str, str]:
    """ "float32 of [128, 3]" for each tensor of a state, by name; of another value its type."""
    return {
        name: f"{str(value.dtype).removeprefix('torch.')} of {list(value.shape)}"
        if isinstance(value, Tensor)
        else type(value).__name__
        for name, value in sorted(state.items())
    }


def tensors(optimizer: Optimizer) -> Iterator[Tensor]:
    """Its state, and the rates that are tensors."""
    yield from (group["lr"] for group in optimizer.param_groups if isinstance(group["lr"], Tensor))
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
