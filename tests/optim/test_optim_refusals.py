"""What the own optimizers and the schedules refuse: a UserError in one line, with the field and
what to type."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gan_lab.errors import UserError
from gan_lab.optim import AdamSpatial, AdaShift
from gan_lab.optim.schedules import Staircase
from helpers.registry import instantiate, options, target

OWN = [
    option
    for option in options("optimizer")
    if target("optimizer", option).__module__.startswith("gan_lab")
]
SHIFTED = [option for option in OWN if issubclass(target("optimizer", option), AdaShift)]


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.ones(3))


def refused(option: str, **overrides: object) -> str:
    """The message, after a look at its form."""
    with pytest.raises(UserError) as error:
        instantiate("optimizer", option, [parameter()], **overrides)
    message = str(error.value)
    assert "\n" not in message
    field = next(iter(overrides))
    assert message.startswith(f"{field}={overrides[field]}: ")
    return message


def test_there_is_something_to_test():
    assert {target("optimizer", option) for option in OWN} >= {AdaShift, AdamSpatial}
    assert {target("optimizer", option) for option in SHIFTED} >= {AdaShift}


@pytest.mark.parametrize("option", OWN)
@pytest.mark.parametrize("field", ["lr", "eps"])
@pytest.mark.parametrize("value", [-1e-3, math.nan])
def test_a_negative_number_is_refused(option, field, value):
    assert "use a number of at least 0" in refused(option, **{field: value})


@pytest.mark.parametrize("option", OWN)
@pytest.mark.parametrize("field", ["lr", "eps"])
def test_zero_is_allowed(option, field):
    instantiate("optimizer", option, [parameter()], **{field: 0.0})


@pytest.mark.parametrize("option", OWN)
@pytest.mark.parametrize(
    "betas",
    [
        [-0.1, 0.9],
        [1.1, 0.9],
        [0.9, 1.0],
        [0.9, -0.1],
        [math.nan, 0.9],
        [0.0, math.nan],
        [0.9],
        [0.1] * 3,
        [],
    ],
)
def test_betas_out_of_range_are_refused(option, betas):
    message = refused(option, betas=betas)
    assert "two numbers" in message
    assert "[0, 1)" in message


@pytest.mark.parametrize("option", OWN)
def test_one_number_for_betas_is_refused(option):
    """`optimizer.betas=0.9` is easily typed."""
    assert "two numbers" in refused(option, betas=0.9)
    assert "two numbers" in refused(option, betas=["a", "b"])


@pytest.mark.parametrize("option", OWN)
@pytest.mark.parametrize("betas", [[0, 0], [0.0, 0.0], [0.999, 0.9999], [0, 0.9]])
def test_betas_in_range_are_allowed(option, betas):
    instantiate("optimizer", option, [parameter()], betas=betas)


def test_beta1_of_one_is_the_plain_mean_of_adashift_and_refused_by_adam_spatial():
    for option in SHIFTED:
        instantiate("optimizer", option, [parameter()], betas=[1.0, 0.9])
    for option in ("adam_spatial", "optimistic_adam"):
        assert "the first in [0, 1)," in refused(option, betas=[1.0, 0.9])


@pytest.mark.parametrize("option", SHIFTED)
@pytest.mark.parametrize("n", [0, -1, 1.5, 2.0, math.nan, None, "ten"])
def test_a_shift_that_is_no_positive_whole_number_is_refused(option, n):
    assert "whole number" in refused(option, n=n)


@pytest.mark.parametrize("option", SHIFTED)
@pytest.mark.parametrize(("m", "n"), [(0, 3), (-1, 3), (4, 3), (2, 1), (1.5, 3), (math.nan, 3)])
def test_a_window_outside_the_queue_is_refused(option, m, n):
    message = refused(option, m=m, n=n)
    assert f"from 1 to {n}, which is n," in message
    assert "null" in message


@pytest.mark.parametrize("option", SHIFTED)
@pytest.mark.parametrize("spatial", ["Max", None])
def test_an_unknown_spatial_function_is_refused_with_the_choices(option, spatial):
    message = refused(option, spatial=spatial)
    for choice in ("max", "mean", "none"):
        assert choice in message.partition("choose one of")[2]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"lr": -1.0}, "lr"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"m": True}, "m"),
        ({"n": 2}, "m"),
        ({"spatial": "sum"}, "spatial"),
        ({"betas": (2, 0)}, "betas"),
    ],
)
def test_a_group_is_checked_with_the_defaults_it_inherits(settings, field):
    """m = 3 of the constructor does not fit a group with n = 2. A refused group is not added."""
    with pytest.raises(UserError, match=rf"^{field}="):
        AdaShift([{"params": [parameter()], **settings}], n=5, m=3)
    optimizer = AdaShift([parameter()], n=5, m=3)
    with pytest.raises(UserError, match=rf"^{field}="):
        optimizer.add_param_group({"params": [parameter()], **settings})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("option", OWN)
def test_a_field_that_it_does_not_have_is_refused(option):
    with pytest.raises(TypeError, match="wieght_decay"):
        instantiate("optimizer", option, [parameter()], wieght_decay=0.1)


@pytest.mark.parametrize("option", OWN)
def test_sparse_gradients_are_refused_before_anything_moves(option):
    dense, embedding = parameter(), nn.Embedding(5, 2, sparse=True)
    optimizer = instantiate("optimizer", option, [dense, embedding.weight], lr=1.0)
    for _ in range(2):
        (embedding(torch.tensor([1, 3])).sum() + dense.sum()).backward()
        with pytest.raises(UserError, match="sparse=False") as error:
            optimizer.step()
        assert "\n" not in str(error.value)
    assert torch.equal(dense, torch.ones(3))


@pytest.mark.parametrize("option", OWN)
def test_complex_parameters_are_refused(option):
    param = nn.Parameter(torch.ones(3, dtype=torch.complex64))
    optimizer = instantiate("optimizer", option, [param])
    param.grad = torch.ones_like(param)
    with pytest.raises(UserError, match="view_as_real"):
        optimizer.step()


@pytest.mark.parametrize("factor", [0.0, 1.5])
def test_a_staircase_that_does_not_go_down_is_refused(factor):
    with pytest.raises(UserError, match=rf"^factor={factor}: .*above 0 and of at most 1"):
        Staircase(factor=factor, every=10)


@pytest.mark.parametrize("every", [0, 1.5])
def test_stairs_that_are_no_positive_whole_number_of_steps_are_refused(every):
    with pytest.raises(UserError, match=rf"^every={every}: .*whole number"):
        Staircase(every=every)
