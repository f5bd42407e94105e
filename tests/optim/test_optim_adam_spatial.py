"""AdamSpatial against a hand-unrolled loop, hand-computed values, and torch's Adam where the two
are the same."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from torch import nn

from gan_lab.optim import AdamSpatial
from helpers.optim_reference import (
    AdamSpatialLoop,
    gradients,
    parameters,
    rates,
    run,
    set_gradients,
    starts,
)

BETAS = [(0.0, 0.9), (0.9, 0.999), (0.5, 0.0), (0.0, 0.0)]


@pytest.mark.thorough
@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("eps", [0.0, 1e-8, 1e-2])
@pytest.mark.parametrize("betas", BETAS)
def test_equals_the_loop(betas, eps, foreach):
    params = parameters(starts())
    run(AdamSpatial(params, betas=betas, eps=eps, foreach=foreach), gradients(), rates())
    for i, (param, start) in enumerate(zip(params, starts(), strict=True)):
        loop = AdamSpatialLoop(start, betas, eps)
        for values, lr in zip(gradients(), rates(), strict=True):
            loop.step(values[i], lr)
        assert np.abs(loop.theta - start).max() > 1e-2
        np.testing.assert_allclose(param.detach().numpy(), loop.theta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)])
def test_is_torchs_adam_on_one_number(betas, shape):
    """The largest of one square is that square. 1 - 0.999^t loses three digits: 45 steps of at most
    0.4 to 1e-13."""
    shapes = (shape, shape)
    ours, theirs = parameters(starts(shapes)), parameters(starts(shapes))
    run(AdamSpatial(ours, betas=betas, eps=1e-8), gradients(45, shapes), rates())
    run(
        torch.optim.Adam(theirs, betas=betas, eps=1e-8, foreach=False),
        gradients(45, shapes),
        rates(),
    )
    for one, other, start in zip(ours, theirs, starts(shapes), strict=True):
        assert one.item() != start.item()
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=0, atol=1e-12)


def test_is_torchs_adam_where_all_elements_are_of_one_size():
    """±g in every element: the elementwise second moment is the same in all."""
    rng = np.random.default_rng(7)
    values = [[rng.uniform(0.5, 2) * rng.choice([-1.0, 1.0], (3, 4))] for _ in range(40)]
    start = rng.normal(size=(3, 4))
    ours, theirs = parameters([start]), parameters([start])
    run(AdamSpatial(ours, betas=(0.9, 0.99)), values, rates(40))
    run(torch.optim.Adam(theirs, betas=(0.9, 0.99)), values, rates(40))
    np.testing.assert_allclose(
        ours[0].detach().numpy(), theirs[0].detach().numpy(), rtol=0, atol=1e-12
    )


def test_two_steps_by_hand():
    """β = (1/2, 1/2). v: 16/2 = 8, v̂ 16; then 8/2 + 36/2 = 22, v̂ 22 / (3/4). m: (1.5, -2), m̂ (3,
    -4); then (1.5/2 + 3, -1 + 1/2) = (3.75, -0.5), m̂ (5, -2/3)."""
    theta = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = AdamSpatial([theta], lr=1.0, betas=(0.5, 0.5), eps=0.0)
    set_gradients([theta], [np.array([3.0, -4.0])])
    optimizer.step()
    assert theta.tolist() == pytest.approx([-3 / 4, 1], rel=1e-15, abs=0)
    set_gradients([theta], [np.array([6.0, 1.0])])
    optimizer.step()
    root = sqrt(22 / 0.75)
    assert theta.tolist() == pytest.approx([-3 / 4 - 5 / root, 1 + 2 / 3 / root], rel=1e-15, abs=0)


@pytest.mark.parametrize("foreach", [True, False])
def test_missing_gradients_and_groups(foreach):
    """A parameter counts its own steps, and a group has its own settings."""
    params = parameters(starts())
    groups = [{"params": params[:2], "betas": (0.0, 0.9), "eps": 1e-4}, {"params": params[2:]}]
    optimizer = AdamSpatial(groups, betas=(0.9, 0.99), eps=1e-8, foreach=foreach)
    values = [
        [None if (t + i) % 3 == 0 else g for i, g in enumerate(v)]
        for t, v in enumerate(gradients())
    ]
    run(optimizer, values, rates())
    for i, (param, start) in enumerate(zip(params, starts(), strict=True)):
        loop = AdamSpatialLoop(start, *(((0.0, 0.9), 1e-4) if i < 2 else ((0.9, 0.99), 1e-8)))
        for t, lr in enumerate(rates()):
            if values[t][i] is not None:
                loop.step(values[t][i], lr)
        np.testing.assert_allclose(param.detach().numpy(), loop.theta, rtol=0, atol=1e-12)


def test_lists_and_single_tensors_step_alike():
    results = []
    for foreach in (True, False):
        params = parameters(starts()) + parameters(starts(), torch.float32)
        run(
            AdamSpatial(params, foreach=foreach),
            [values + values for values in gradients(20)],
            rates(20),
        )
        results.append(params)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
