"""Sums of penalties, and R1 + R2, against critics whose gradient is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from gan_lab.errors import UserError
from gan_lab.penalties import PenaltySum
from helpers.penalty_probes import (
    Linear,
    Quadratic,
    batch,
    conv_critic,
    gradients,
    norms_of_quadratic,
    rng,
)
from helpers.registry import fields, instantiate, options

A = np.array([[1.0, 0.5], [-0.2, 2.0]])
PAIRS = [("maxgp", "r1_r2"), ("gp", "maxgp"), ("dragan", "gp"), ("spectral", "lp"), ("r1", "clip")]


def total(first: str, second: str, **fields_of_first: float) -> PenaltySum:
    return PenaltySum(
        instantiate("penalty", first, **fields_of_first), instantiate("penalty", second)
    )


def test_r1_r2_by_hand():
    """f(x) = x' x / 2 has the gradient x: real norms 5 and 0, fake ones 1 and 2; 10/2 (25/2 + 5/2)."""
    critic = Quadratic(np.eye(2))
    real = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    fake = torch.tensor([[1.0, 0.0], [0.0, -2.0]], dtype=torch.float64)
    penalty = instantiate("penalty", "r1_r2")
    assert penalty(critic, real, fake).item() == pytest.approx(5 * (12.5 + 2.5), rel=1e-14)
    assert penalty.last_norm.item() == 5


def test_r1_r2_is_half_of_r1_and_half_of_r2():
    """Value and gradient, on batches whose norms vary."""
    critic, (real, fake) = Quadratic(A), batch(7, 2)
    both = instantiate("penalty", "r1_r2", weight=3.0)
    parts = PenaltySum(
        instantiate("penalty", "r1", weight=1.5),
        instantiate("penalty", "gp", weight=1.5, target=0.0, region="fake"),
    )
    values = [penalty(critic, real, fake) for penalty in (both, parts)]
    assert values[0].item() == pytest.approx(values[1].item(), rel=1e-14)
    slopes = [gradients(value, critic)[0].numpy() for value in values]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-13)
    squares = norms_of_quadratic(A, torch.cat([real, fake]).numpy()) ** 2
    assert values[0].item() == pytest.approx(3 * squares.mean(), rel=1e-13)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_sum_is_the_sum_of_values_and_gradients(first, second):
    """Its draws are those of the first, then those of the second."""
    critic, (real, fake) = conv_critic(), batch(5, 2, 6, 6)
    score = lambda x: critic(x).squeeze(1)  # noqa: E731
    draws = rng(3)
    alone = [instantiate("penalty", option)(score, real, fake, draws) for option in (first, second)]
    penalty = total(first, second)
    value = penalty(score, real, fake, noise=penalty.draw(real, rng(3)))
    assert value.item() == pytest.approx(sum(part.item() for part in alone), rel=1e-14)
    expected = [
        sum(parts)
        for parts in zip(
            *(gradients(part, critic) for part in alone if part.requires_grad), strict=True
        )
    ]
    for ours, theirs in zip(gradients(value, critic), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_sum_constrains_as_both_do():
    """Spectral norm wraps, and clipping clamps after the step."""
    critic = nn.Sequential(nn.Linear(2, 1, bias=False))
    critic[0].weight.data = torch.tensor([[3.0, 4.0]])
    penalty = total("spectral", "clip")
    assert not penalty.measures_norm
    wrapped = penalty.wrap(critic)
    torch.testing.assert_close(wrapped[0].weight.data, torch.tensor([[0.6, 0.8]]))
    penalty.after_step(wrapped)
    assert wrapped[0].parametrizations.weight.original.abs().max() <= 0.01


def test_the_norm_of_a_sum_is_that_of_the_part_that_measures():
    real, fake = batch(5, 2)
    for pair in (("clip", "gp"), ("gp", "clip"), ("maxgp", "gp")):
        penalty = total(*pair)
        assert penalty.measures_norm
        penalty(Linear([3.0, -4.0]), real, fake, rng())
        assert penalty.last_norm.item() == pytest.approx(5)
    penalty = total("none", "clip")
    assert penalty(Linear([3.0, -4.0]), real, fake).item() == 0
    assert math.isnan(penalty.last_norm)


def test_the_state_of_a_sum_is_that_of_its_parts():
    penalty = total("maxgp", "gp", memory=3)
    penalty(Quadratic(A), *batch(6, 2), rng())
    copy = total("maxgp", "gp", memory=3)
    copy.load_state_dict(penalty.state_dict())
    assert torch.equal(copy.first.s_max, penalty.first.s_max)
    assert len(copy.first.s_max) == 3


def test_what_is_no_penalty_is_refused():
    with pytest.raises(UserError, match=r"^second=gp: use a penalty, as penalty@penalty\.second"):
        PenaltySum(instantiate("penalty", "gp"), "gp")


def test_the_option_is_made_of_options():
    parts = fields("penalty", "sum")
    assert sorted(parts) == ["first", "second"]
    assert all(part["_target_"] for part in parts.values())
    assert {"sum", "r1_r2"} <= set(options("penalty"))
