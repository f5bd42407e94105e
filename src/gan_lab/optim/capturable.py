"""Optimizers that a CUDA graph can replay: their step reads nothing back from the device.

Even the rate is read on the device, from a tensor.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def make_capturable(optimizer: Optimizer) -> None:
    """Let an optimizer's step read its rate and its step counts on the device.

    On CUDA every run has its optimizers so, captured or not, and both train the same to the last
    bit. Call it before the first step, for parameters on a CUDA device.
    """
    for group in optimizer.param_groups:
        # torch has two names for a form of the step that reads nothing back
        if "capturable" in group:
            group["capturable"] = True
        elif "fused" in group:  # SGD: its other forms read the rate back
            group["fused"], group["foreach"] = True, False

        # a rate that is a Python number would be frozen into the graph
        if not isinstance(group["lr"], Tensor):
            device = group["params"][0].device
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float32, device=device)

    optimizer._warned_capturable_if_run_uncaptured = True  # it runs so on purpose


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Give a parameter group its rate; where that is a tensor, in place: a graph reads it."""
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
    """Load a state of `saved_state`, from any device; the hyperparameters stay as they are here.

    Args:
        optimizer: the optimizer that takes the state.
        state: the state, perhaps from a file.

    Raises:
        Exception: of any type, for another optimizer's state.
        ValueError: for tensors of other names, shapes or kinds than the optimizer makes itself:
            `load_state_dict` takes them, and the next step can write past their ends.
    """
    # torch loads the tensors; of the groups only the numbering of the parameters is taken over
    made = _after_a_step(optimizer)
    groups = [
        own | {"params": saved["params"]}
        for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})

    # compared with a state that a step here has made
    if len(optimizer.state) > len(made):
        raise ValueError("an optimizer has states of more parameters than there are")
    params = [param for group in optimizer.param_groups for param in group["params"]]
    for param, own in zip(params, made, strict=True):
        loaded = optimizer.state.get(param, {})  # none of a parameter that had no gradient yet
        if loaded and _outline(loaded) != _outline(own):
            raise ValueError(
                f"an optimizer's state is {_outline(loaded)} in place of {_outline(own)}"
            )


def _after_a_step(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The state that a step of a copy leaves, parameter by parameter."""
    # the fused form refuses the device "meta"; the state is the same
    twin = copy.deepcopy(optimizer)
    twin.state.clear()
    for group in twin.param_groups:
        if group.get("fused"):
            group["fused"] = False

    # gradients of zero, so that every parameter takes part
    params = [param for group in twin.param_groups for param in group["params"]]
    for param in params:
        param.grad = torch.zeros_like(param)
    twin.step()
    return [twin.state[param] for param in params]


def _outline(state: dict[str, Any]) -> dict[str, str]:
    """Each tensor of a state in words, "float32 of [128, 3]", by name; of other values the type."""
    return {
        name: f"{str(value.dtype).removeprefix('torch.')} of {list(value.shape)}"
        if isinstance(value, Tensor)
        else type(value).__name__
        for name, value in sorted(state.items())
    }


def tensors(optimizer: Optimizer) -> Iterator[Tensor]:
    """The tensors of an optimizer: its state, and the rates that are tensors."""
    yield from (group["lr"] for group in optimizer.param_groups if isinstance(group["lr"], Tensor))
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
