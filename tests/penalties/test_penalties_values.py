"""Penalties of critics whose gradient is known in closed form: linear ones, and quadratic ones
whose norm varies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.penalty_probes import (
    ALL,
    CONSTRAINTS,
    EPS,
    MEASURING,
    Linear,
    Quadratic,
    Spy,
    batch,
    gradients,
    norms_of_quadratic,
    rng,
    slopes_of_quadratic,
)
from helpers.registry import check_complete, fields, instantiate


@dataclass(frozen=True)
class Pointwise:
    """The penalty of one gradient norm m and its derivative, for weight w and target c, as
    docs/thesis.md has them.

    reduce: picks the one norm of a batch that counts; None: the mean of the penalty over all.
    """

    value: Callable[..., Any]
    slope: Callable[..., Any]
    reduce: Callable[[np.ndarray], float] | None = None


SQUARE = Pointwise(lambda m, w, c: w * (m - c) ** 2, lambda m, w, c: 2 * w * (m - c))
ONE_SIDED = Pointwise(
    lambda m, w, c: w * np.maximum(0, m - c) ** 2, lambda m, w, c: 2 * w * np.maximum(0, m - c)
)
POINTWISE = {
    "maxgp": replace(SQUARE, reduce=np.max),
    "gp": SQUARE,
    "lp": ONE_SIDED,
    "dragan": SQUARE,
    "r1": SQUARE,  # at target 0, that of its file: w m^2
    "r1_r2": SQUARE,
}


OF_ANOTHER_NORM: set[str] = set()
"""Penalties of a norm that is not the Euclidean one: POINTWISE says nothing of them, BY_HAND
does."""


def made(option: str, weight: float, target: float) -> Any:
    """The penalty with this weight and target, as far as it has them."""
    chosen = {"weight": weight, "target": target}
    taken = {name: chosen[name] for name in chosen if name in fields("penalty", option)}
    return instantiate("penalty", option, **taken)


def test_every_gradient_penalty_has_its_formula_here():
    check_complete(
        POINTWISE,
        "penalty",
        [
            option
            for option in MEASURING
            if "weight" in fields("penalty", option) and option not in OF_ANOTHER_NORM
        ],
        "tests/penalties/test_penalties_values.py, POINTWISE",
        "its value and slope for one Euclidean gradient norm, and `reduce` where it is no mean (of "
        "another norm: its name to OF_ANOTHER_NORM)",
    )


BY_HAND = {  # f(x) = 3 x_1 - 4 x_2 with the settings of the option file: ||w|| = 5
    "none": 0,
    "clip": 0,
    "spectral": 0,
    "maxgp": 1 * 25,
    "gp": 10 * 16,
    "lp": 10 * 16,
    "dragan": 10 * 16,
    "r1": 10 * 25,
    "r1_r2": 10 * 25,  # 10/2 (R1 + R2), both 25
    "sum": 1 * 25 + 10 * 25,
}


def test_every_penalty_is_worked_out_by_hand():
    check_complete(
        BY_HAND,
        "penalty",
        ALL,
        "tests/penalties/test_penalties_values.py, BY_HAND",
        "the penalty of f(x) = 3 x_1 - 4 x_2, ||w|| = 5, with the settings of its file",
    )


@pytest.mark.parametrize("option", BY_HAND)
def test_a_linear_critic_by_hand(option):
    value = instantiate("penalty", option)(Linear([3.0, -4.0]), *batch(6, 2), rng())
    assert value.item() == pytest.approx(BY_HAND[option], rel=16 * EPS, abs=0)


@pytest.mark.parametrize("option", POINTWISE)
def test_below_the_target(option):
    """||w|| = 1/2, target 2, weight 3: two-sided 3 (3/2)^2, one-sided nothing; r1's target is 2
    then, too."""
    assert (SQUARE.value(0.5, 3.0, 2.0), SQUARE.slope(0.5, 3.0, 2.0)) == (3 * 1.5**2, -9)
    assert (ONE_SIDED.value(0.5, 3.0, 2.0), ONE_SIDED.slope(0.5, 3.0, 2.0)) == (0, 0)
    critic = Linear([0.3, 0.4])
    value = made(option, weight=3.0, target=2.0)(critic, *batch(6, 2), rng())
    expected = POINTWISE[option].value(0.5, 3.0, 2.0)
    assert value.item() == pytest.approx(expected, rel=16 * EPS, abs=0)
    w, b = gradients(value, critic)
    expected_slope = POINTWISE[option].slope(0.5, 3.0, 2.0) * np.array([0.6, 0.8])
    assert w.numpy() == pytest.approx(expected_slope, rel=16 * EPS, abs=0)
    assert b == 0


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    st.sampled_from(list(POINTWISE)),
    st.lists(st.floats(-3, 3), min_size=1, max_size=6).filter(lambda w: np.linalg.norm(w) > 0.01),
    st.just(0.0) | st.floats(0.01, 20),
    st.floats(0, 3),
)
def test_any_linear_critic(option, w, weight, target):
    """Value and gradient in w depend on ||w|| alone: (m - c)^2 is off by 2 |m - c| times some ulps
    of m, c."""
    norm, critic = np.linalg.norm(w), Linear(w)
    value = made(option, weight, target)(critic, *batch(4, len(w)), rng())
    penalty, slope = POINTWISE[option].value, POINTWISE[option].slope
    size = norm + target
    assert value.item() == pytest.approx(
        penalty(norm, weight, target), rel=0, abs=32 * EPS * weight * size**2
    )
    expected = slope(norm, weight, target) * np.array(w) / norm
    assert gradients(value, critic)[0].numpy() == pytest.approx(
        expected, rel=0, abs=32 * EPS * weight * size
    )


A = np.array([[1.0, 0.5, -0.3], [-0.2, 2.0, 0.1], [0.4, 0.0, -0.7]])


@pytest.mark.parametrize("option", POINTWISE)
@pytest.mark.parametrize("target", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(8, 3), (1, 3)])
def test_a_quadratic_critic(option, target, shape):
    """The norm varies over the batch: value and gradient in A against numpy, on the points that the
    critic saw."""
    critic, real_fake = Quadratic(A), batch(*shape)
    spy = Spy(critic)
    value = made(option, weight=3.0, target=target)(spy, *real_fake, rng())
    points = spy.calls[0].numpy()
    norms, slopes = norms_of_quadratic(A, points), slopes_of_quadratic(A, points)
    penalty, slope = POINTWISE[option].value, POINTWISE[option].slope
    if (reduce := POINTWISE[option].reduce) is not None:
        chosen = norms == reduce(norms)
        norms, slopes = norms[chosen], slopes[chosen]
    expected = (slope(norms, 3.0, target)[:, None, None] * slopes).mean(axis=0)
    assert value.item() == pytest.approx(penalty(norms, 3.0, target).mean(), rel=1e-13, abs=1e-14)
    assert gradients(value, critic)[0].numpy() == pytest.approx(expected, rel=0, abs=1e-13)
    if len(points) > 1:
        assert np.ptp(norms_of_quadratic(A, points)) > 0.5


@pytest.mark.parametrize("option", POINTWISE)
def test_the_gradient_descends(option):
    """A step against the gradient lowers a penalty that is not zero: its sign, end to end."""
    critic, (real, fake) = Quadratic(A), batch(8, 3)
    penalty = made(option, weight=3.0, target=0.0)
    before = penalty(critic, real, fake, rng())
    (slope,) = gradients(before, critic)
    with torch.no_grad():
        critic.a -= 1e-4 * slope
    after = penalty(critic, real, fake, rng())
    # first order: the fall is 1e-4 |slope|^2, and the penalty is quadratic in A with small
    # curvature
    assert (before - after).item() == pytest.approx(
        1e-4 * slope.square().sum().item(), rel=0.05, abs=0
    )


@pytest.mark.parametrize("option", POINTWISE)
def test_a_gradient_of_zero(option):
    """||0|| has no derivative: the penalty is weight c^2 (one-sided: 0) and pulls nowhere, on a
    dead net as well."""
    dead = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0)).double()
    nn.init.constant_(dead[0].bias, -100.0)
    for critic in (Linear([0.0, 0.0]), dead):
        for target in (0.0, 1.0):
            value = made(option, weight=2.0, target=target)(critic, *batch(5, 2), rng())
            assert value.item() == POINTWISE[option].value(0.0, 2.0, target)
            for gradient in gradients(value, critic):
                assert gradient.eq(0).all()


@pytest.mark.parametrize("option", POINTWISE)
def test_image_shaped_samples(option):
    """The norm runs over all of a sample: w of 2 * 3 * 3 values, each 1/3, has norm sqrt(2)."""
    critic = Linear(np.full(18, 1 / 3))
    value = made(option, weight=2.0, target=0.5)(critic, *batch(5, 2, 3, 3), rng())
    expected = POINTWISE[option].value(np.sqrt(2), 2.0, 0.5)
    assert value.item() == pytest.approx(expected, rel=64 * EPS, abs=0)


@pytest.mark.parametrize("option", CONSTRAINTS)
def test_constraints_add_exactly_nothing(option):
    real, fake = batch(5, 2)
    value = instantiate("penalty", option)(Linear([3.0, -4.0]), real, fake, rng())
    assert value.item() == 0


@pytest.mark.parametrize("option", POINTWISE)
@pytest.mark.parametrize("cache", [True, False])
def test_under_autocast_the_norm_is_float32(option, cache):
    """bf16 weights are the critic's, so the gradient is w rounded to bf16; its norm has float32's
    digits, not bf16's.

    The parameters' gradient 2 weight w passes through the cast once more: 2^-8 relative per entry.
    """
    critic = nn.Sequential(nn.Linear(50, 1), nn.Flatten(0))
    w = torch.linspace(-1, 1, 50).unsqueeze(0) + 0.0123
    with torch.no_grad():
        critic[0].weight.copy_(w)
    rounded = w.bfloat16().double()
    exact = rounded.norm().item()
    assert abs(torch.tensor(exact).bfloat16().item() - exact) > 1e-3  # bf16 could not hold it
    real, fake = (t.float() for t in batch(5, 50))
    penalty = made(option, weight=2.0, target=0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=cache):
        value = penalty(critic, real, fake, rng())
        assert value.dtype == torch.float32
        assert penalty.last_norm.dtype == torch.float32
        penalty.observe(critic, real, fake, rng())
        assert penalty.last_norm.dtype == torch.float32
    float32 = torch.finfo(torch.float32).eps
    assert penalty.last_norm.item() == pytest.approx(exact, rel=50 * float32, abs=0)
    expected = POINTWISE[option].value(exact, 2.0, 0.0)
    assert value.item() == pytest.approx(expected, rel=100 * float32, abs=0)
    weight_gradient, bias_gradient = gradients(value, critic)
    assert weight_gradient.dtype == torch.float32
    slope = POINTWISE[option].slope(exact, 2.0, 0.0)
    assert weight_gradient.double().numpy() == pytest.approx(
        (slope * rounded / exact).numpy(), rel=2**-7, abs=0
    )
    assert bias_gradient == 0


@pytest.mark.parametrize("option", POINTWISE)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_critic_in_half_precision_has_a_float32_norm(option, dtype):
    critic = Linear(np.linspace(-1, 1, 50) + 0.0123).to(dtype)
    exact = critic.w.double().norm().item()
    penalty = made(option, weight=2.0, target=0.0)
    value = penalty(critic, *(t.to(dtype) for t in batch(5, 50)), rng())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(
        POINTWISE[option].value(exact, 2.0, 0.0), rel=100 * torch.finfo(torch.float32).eps, abs=0
    )
