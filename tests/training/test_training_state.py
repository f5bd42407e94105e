"""Saved tensors against the network that they are to be loaded into: by name and by shape, before
it is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gan_lab.errors import UserError
from gan_lab.penalties import MaxGradientPenalty
from gan_lab.training.state import state_for

FILE = Path("folder/of/step_3.ckpt")


def network(outputs: int = 2) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, outputs))


def refused(module: nn.Module, saved: object, part: str = "") -> str:
    with pytest.raises(UserError) as refusal:
        state_for(module, saved, FILE, part)
    message = str(refusal.value)
    assert message.startswith(str(FILE))
    assert "\n" not in message
    return message


def test_a_state_of_the_same_network_is_handed_on():
    saved = network().state_dict()
    found = state_for(network(), saved, FILE)
    assert found.keys() == saved.keys()
    assert all(found[name] is saved[name] for name in saved)


def test_a_part_of_a_larger_state_loses_its_prefix():
    both = nn.ModuleDict({"critic": network(), "critical": network(5), "generator": network(1)})
    found = state_for(network(), both.state_dict(), FILE, "critic.")
    assert all(
        torch.equal(found[name], value) for name, value in both["critic"].state_dict().items()
    )
    assert found.keys() == both["critic"].state_dict().keys()


def test_other_shapes_are_named_and_nothing_is_loaded():
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    message = refused(
        module,
        {f"critic.{name}": value for name, value in network(7).state_dict().items()},
        "critic.",
    )
    assert "(critic.2.weight is 7x4 in the file and 2x4 by config.yaml, and 1 more)" in message
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (
            {**network().state_dict(), "2.bias": torch.zeros(())},
            "2.bias is one number in the file and 2 by",
        ),
        (
            {**network().state_dict(), "1.num_batches_tracked": torch.zeros(2)},
            "is 2 in the file and one number by",
        ),
        (
            {**network().state_dict(), "3.bias": torch.zeros(2)},
            "3.bias is 2 in the file and missing by",
        ),
        (
            {k: v for k, v in network().state_dict().items() if k != "0.bias"},
            "0.bias is missing in the file and 4 by",
        ),
        ({}, "0.weight is missing in the file and 4x3 by config.yaml, and 8 more"),
        ({"0.weight": [1, 2]}, "no tensors by name"),
        ({0: torch.zeros(4, 3)}, "no tensors by name"),
        ([torch.zeros(3)], "no tensors by name"),
        (None, "no tensors by name"),
    ],
)
def test_what_differs_is_said(saved, words):
    assert words in refused(network(), saved)


def test_the_memory_of_maxgp_has_the_length_it_had():
    """S_max is empty in a new module and full in a saved one."""
    full = MaxGradientPenalty(1.0, memory=4)
    full(lambda x: x.square().sum(1), torch.randn(8, 2), torch.randn(8, 2), torch.Generator())
    assert len(full.s_max) == 4
    fresh = MaxGradientPenalty(1.0, memory=4)
    fresh.load_state_dict(state_for(fresh, full.state_dict(), FILE))
    assert torch.equal(fresh.s_max, full.s_max)
