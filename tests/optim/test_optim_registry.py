"""The option files of conf/optimizer: their targets, their fields, and that each one optimises."""

from __future__ import annotations

import functools
import inspect
import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gan_lab.optim
from gan_lab.config import signature
from helpers.optim_reference import gradients, parameters, run, starts
from helpers.registry import CONF, defaults, fields, instantiate, node, options, target

ALL = options("optimizer")
OWN = [option for option in ALL if target("optimizer", option).__module__.startswith("gan_lab")]
STABLE = {
    "adam",
    "amsgrad",
    "nadam",
    "rmsprop",
    "sgd",
    "momentum",
    "adashift",
    "adashift_none",
    "adam_spatial",
}
NOT_FOR_YAML = {"params", "foreach"}  # a fact of the call; how it is computed


def test_names_other_programs_rely_on_are_options():
    assert set(ALL) >= STABLE


def test_every_exported_optimizer_is_the_target_of_an_option():
    """An option's target need not be exported: it may name its module."""
    assert {getattr(gan_lab.optim, name) for name in gan_lab.optim.__all__} <= {
        target("optimizer", o) for o in OWN
    }


def test_others_are_torchs():
    for option in set(ALL) - set(OWN):
        assert getattr(torch.optim, target("optimizer", option).__name__) is target(
            "optimizer", option
        )


def test_options_are_different():
    settings = [
        (target("optimizer", option), sorted(fields("optimizer", option).items(), key=str))
        for option in ALL
    ]
    assert all(settings.count(setting) == 1 for setting in settings)


@pytest.mark.parametrize("option", OWN)
def test_an_option_of_ours_has_exactly_the_fields_of_its_target(option):
    assert set(fields("optimizer", option)) == set(defaults("optimizer", option)) - NOT_FOR_YAML


@pytest.mark.parametrize("option", ALL)
def test_fields_are_parameters_of_the_target(option):
    """As Python sees the signature, and as the check before training reads it from the source."""
    assert set(fields("optimizer", option)) <= set(defaults("optimizer", option)) - NOT_FOR_YAML
    assert "lr" in fields("optimizer", option)
    parsed = signature.parameters(node("optimizer", option)["_target_"])
    assert parsed == set(inspect.signature(target("optimizer", option)).parameters)
    assert len((CONF / "optimizer" / f"{option}.yaml").read_text().splitlines()) < 12


@pytest.mark.parametrize("option", ALL)
def test_numbers_are_numbers(option):
    """`lr: 2e-4` without a dot would be a word in YAML 1.1, and torch refuses an int 0 beside a
    float."""
    for field, value in fields("optimizer", option).items():
        word = isinstance(defaults("optimizer", option)[field], str)  # as `spatial` of adashift
        assert not isinstance(value, str) or word
    for field in ("lr", "eps", "momentum", "alpha"):
        assert isinstance(fields("optimizer", option).get(field, 1.0), float)
    assert all(type(beta) is float for beta in fields("optimizer", option).get("betas", []))


def test_settings_of_the_recipes():
    """Thesis 2.C.2: Adam(0.0, 0.9), lr 2e-4, and eps 1e-8 [code]. Arjovsky et al. 2017
    (arXiv:1701.07875), Algorithm 1: RMSprop, lr 5e-5. Thesis Table 3-7: β2 = 0.999, n = 1."""
    adam = fields("optimizer", "adam")
    assert (adam["lr"], adam["betas"], adam["eps"]) == (2e-4, [0.0, 0.9], 1e-8)
    assert fields("optimizer", "amsgrad")["amsgrad"] is True
    assert {key: fields("optimizer", "amsgrad")[key] for key in ("lr", "betas", "eps")} == {
        "lr": 2e-4,
        "betas": [0.0, 0.9],
        "eps": 1e-8,
    }
    assert fields("optimizer", "rmsprop")["lr"] == 5e-5
    assert fields("optimizer", "adashift")["spatial"] == "max"
    assert fields("optimizer", "adashift_none")["spatial"] == "none"
    for option in ("adashift", "adashift_none"):
        assert (fields("optimizer", option)["betas"], fields("optimizer", option)["n"]) == (
            [0.0, 0.999],
            1,
        )


def test_defaults_of_the_class_are_those_of_the_thesis():
    """Thesis 3.F: n = 10, β = (0.9, 0.999), lr 0.01 for max; eps 1e-10 [code]."""
    expected = {
        "lr": 1e-2,
        "betas": (0.9, 0.999),
        "n": 10,
        "m": None,
        "spatial": "max",
        "eps": 1e-10,
    }
    found = defaults("optimizer", "adashift")
    assert {key: found[key] for key in expected} == expected
    assert list(found)[:7] == ["params", *expected]


@pytest.mark.parametrize("option", ALL)
def test_an_option_makes_its_optimizer_with_parameters_and_without(option):
    """With the parameters, and as a factory that gets them later; both alike, and with every field
    of the file."""
    made = []
    for partial in (False, True):
        params = parameters(starts())
        if partial:
            factory = instantiate("optimizer", option, _partial_=True)
            assert isinstance(factory, functools.partial)
            optimizer = factory(iter(params))
        else:
            optimizer = instantiate("optimizer", option, params)
        assert type(optimizer) is target("optimizer", option)
        (group,) = optimizer.param_groups
        for field, value in fields("optimizer", option).items():
            assert (list(group[field]) if field == "betas" else group[field]) == value
        run(optimizer, gradients(5), [group["lr"]] * 5)
        made.append(params)
    for one, other, start in zip(*made, starts(), strict=True):
        assert torch.equal(one, other)
        assert not np.array_equal(one.detach().numpy(), start)


@pytest.mark.thorough
@pytest.mark.parametrize("option", ALL)
def test_an_option_reduces_a_convex_quadratic(option):
    """f = θ' A θ / 2, eigenvalues 1/2 to 2, at a rate of 0.02 for 400 steps: below a hundredth of
    where it began.

    By hand for sgd: the slowest direction keeps (1 - 0.01)^400 = 0.018 of its distance, 3e-4 of its
    value.
    """
    a = torch.diag(torch.tensor([0.5, 1.0, 2.0]))
    theta = nn.Parameter(torch.tensor([1.0, -1.0, 0.8]))
    optimizer = instantiate("optimizer", option, [theta], lr=0.02)
    start = (theta @ a @ theta).item()
    for _ in range(400):
        theta.grad = a @ theta.detach()
        optimizer.step()
    assert (theta @ a @ theta).item() < start / 100


@pytest.mark.parametrize("option", ALL)
def test_an_option_goes_down_at_its_own_rate(option):
    theta = nn.Parameter(torch.tensor([1.0, -1.0, 0.8]))
    optimizer = instantiate("optimizer", option, [theta])
    values = []
    for _ in range(20):
        values.append((theta @ theta).item())
        theta.grad = 2 * theta.detach()
        optimizer.step()
    assert values[-1] < values[1]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("option", ALL)
def test_state_loads_under_weights_only_and_continues_identically(option):
    params = parameters(starts(), torch.float32)
    optimizer = instantiate("optimizer", option, params)
    lr = optimizer.param_groups[0]["lr"]
    run(optimizer, gradients(6), [lr] * 6)
    file = io.BytesIO()
    torch.save([optimizer.state_dict(), [param.detach() for param in params]], file)
    file.seek(0)
    state, values = torch.load(file, weights_only=True)
    copies = [nn.Parameter(value) for value in values]
    fresh = instantiate("optimizer", option, copies)
    fresh.load_state_dict(state)
    run(optimizer, gradients(12)[6:], [lr] * 6)
    run(fresh, gradients(12)[6:], [lr] * 6)
    for one, other in zip(params, copies, strict=True):
        assert torch.equal(one, other)
    for kept in fresh.state.values():
        assert all(isinstance(value, Tensor) or value is None for value in kept.values())
