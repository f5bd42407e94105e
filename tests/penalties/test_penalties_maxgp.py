"""MaxGP: the gradient of one sample stands for the graph of the whole batch, and S_max
remembers."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_lab.penalties.regions import REGIONS
from helpers.penalty_probes import (
    EPS,
    Linear,
    Quadratic,
    Spy,
    batch,
    conv_critic,
    gradients,
    norms_of_quadratic,
    rng,
)
from helpers.registry import instantiate


def maxgp(**settings):
    return instantiate("penalty", "maxgp", **settings)


def full_graph(critic: nn.Module, points: Tensor, weight: float, target: float) -> Tensor:
    """weight (max_x ||grad f(x)|| - target)^2 with the double-backward graph through every
    point."""
    points = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return weight * (gradient.square().sum(dim=(1, 2, 3)).sqrt().max() - target) ** 2


@pytest.mark.parametrize(
    ("activation", "target"), [(nn.Softplus, 0.0), (nn.LeakyReLU, 0.7), (nn.Tanh, 0.7)]
)
@pytest.mark.parametrize("region", REGIONS)
def test_the_gradient_is_that_of_the_full_graph(activation, target, region):
    critic = conv_critic(activation)
    spy = Spy(lambda x: critic(x).squeeze(1))
    value = maxgp(weight=3.0, target=target, region=region)(spy, *batch(8, 2, 6, 6), rng())
    expected = full_graph(critic, spy.calls[0], 3.0, target)
    assert value.item() == pytest.approx(expected.item(), rel=1e-10, abs=0)
    found = gradients(value, critic)
    for one, full in zip(found, gradients(expected, critic), strict=True):
        assert one.numpy() == pytest.approx(full.numpy(), rel=0, abs=1e-10)
    assert max(gradient.abs().max().item() for gradient in found) > 1e-3


def test_with_a_memory_it_is_the_full_graph_over_batch_and_memory():
    critic = conv_critic()
    spy = Spy(lambda x: critic(x).squeeze(1))
    penalty = maxgp(weight=3.0, memory=3)
    for seed in range(4):
        spy.calls.clear()
        value = penalty(spy, *batch(4, 2, 6, 6, seed=seed), rng(seed))
        expected = full_graph(critic, spy.calls[0], 3.0, 0.0)
        assert len(spy.calls[0]) == (4 if seed == 0 else 7)
        for one, full in zip(gradients(value, critic), gradients(expected, critic), strict=True):
            assert one.numpy() == pytest.approx(full.numpy(), rel=0, abs=1e-10)
        with torch.no_grad():  # another critic, under which the memory has other norms
            for parameter in critic.parameters():
                parameter += 0.05 * torch.randn(
                    parameter.shape, dtype=torch.float64, generator=rng(seed)
                )


def test_the_second_order_graph_is_built_for_one_sample():
    a = np.array([[1.0, 0.5], [-0.2, 2.0]])
    spy = Spy(Quadratic(a))
    maxgp()(spy, *batch(8, 2), rng())
    first, second = spy.calls
    assert first.shape == (8, 2)
    assert torch.equal(second, first[[norms_of_quadratic(a, first.numpy()).argmax()]])


def test_ties_count_once():
    """On a linear critic all norms are equal: the gradient is 2 weight w, not n times that."""
    critic = Linear([3.0, -4.0])
    value = maxgp(weight=0.5, memory=2)(critic, *batch(8, 2), rng())
    assert gradients(value, critic)[0].tolist() == pytest.approx([3.0, -4.0], rel=16 * EPS, abs=0)


# S_max --------------------------------------------------------------------------------------------


def rows(points) -> list[tuple[float, ...]]:
    return sorted(map(tuple, np.asarray(points).tolist()))


def matrix(step: int) -> np.ndarray:
    """A critic that moves: which points have the largest norm changes from step to step."""
    angle = 0.9 * step
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.diag([2.0, 0.1]) @ rotation.T


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("memory", [1, 3, 8, 50])
@pytest.mark.parametrize("moving", [False, True])
def test_s_max_against_brute_force(region, memory, moving):
    """Every batch: score batch and memory with the critic of now, keep the largest, penalise the
    largest of all.

    Under a critic that stays the memory holds the largest of all points ever seen.
    """
    penalty, kept, seen = maxgp(weight=2.0, memory=memory, region=region), np.empty((0, 2)), []
    for step in range(6):
        a = matrix(step if moving else 0)
        critic = Quadratic(a)
        spy = Spy(critic)
        value = penalty(spy, *batch(6, 2, seed=step), rng(step))
        new = spy.calls[0].numpy()[: 12 if region == "both" else 6]
        assert rows(spy.calls[0]) == rows(np.concatenate([new, kept]))
        seen.extend(new)
        candidates = np.concatenate([new, kept])
        norms = norms_of_quadratic(a, candidates)
        kept = candidates[np.argsort(-norms)[:memory]]
        assert rows(penalty.s_max) == rows(kept)
        assert value.item() == pytest.approx(2 * norms.max() ** 2, rel=1e-13, abs=0)
        assert penalty.last_norm.item() == pytest.approx(norms.max(), rel=1e-13, abs=0)
        if not moving:
            everything = np.array(seen)
            best = everything[np.argsort(-norms_of_quadratic(a, everything))[:memory]]
            assert rows(penalty.s_max) == rows(best)
    assert len(penalty.s_max) == min(memory, 6 * len(new))


def test_the_memory_finds_what_the_batch_misses():
    """A steep point of the first batch keeps the penalty up in the second; without a memory it is
    forgotten."""
    critic = Quadratic(np.eye(2))
    steep, flat = (
        torch.tensor([[3.0, 4.0]], dtype=torch.float64),
        torch.tensor([[0.6, 0.8]], dtype=torch.float64),
    )
    for memory, expected in ((0, 1.0), (1, 25.0)):
        penalty = maxgp(weight=1.0, memory=memory, region="real")
        assert penalty(critic, steep, steep).item() == pytest.approx(25, rel=8 * EPS, abs=0)
        assert penalty(critic, flat, flat).item() == pytest.approx(expected, rel=8 * EPS, abs=0)


def test_s_max_holds_no_graph_and_no_alias():
    penalty, (real, fake) = maxgp(memory=4, region="real"), batch(6, 2)
    penalty(Quadratic(np.eye(2)), real.requires_grad_(), fake, rng())
    kept = penalty.s_max.clone()
    assert not penalty.s_max.requires_grad
    with torch.no_grad():
        real.zero_()  # the resident data may be overwritten; the memory may not
    assert torch.equal(penalty.s_max, kept)


def saved_and_loaded(penalty: nn.Module) -> dict[str, Tensor]:
    file = io.BytesIO()
    torch.save(penalty.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("calls", [0, 1, 3])
def test_s_max_round_trips_through_a_checkpoint(calls, dtype):
    """Empty, half full and full; the copy goes on exactly as the original, and so does an original
    set back."""
    critic = Quadratic(matrix(1)).to(dtype)
    batches = [tuple(t.to(dtype) for t in batch(4, 2, seed=seed)) for seed in range(4)]
    original = maxgp(memory=9)
    for seed in range(calls):
        original(critic, *batches[seed], rng(seed))
    state = saved_and_loaded(original)
    assert list(state) == ["s_max"]
    assert len(state["s_max"]) == min(9, 4 * calls)
    used = maxgp(memory=9)
    used(critic, *batches[3], rng(99))
    copies = [maxgp(memory=9), used]
    for copy in copies:
        copy.load_state_dict(state)
        assert torch.equal(copy.s_max, original.s_max)
        assert copy.s_max.dtype == original.s_max.dtype
    expected = original(critic, *batches[3], rng(7))
    for copy in copies:
        assert torch.equal(copy(critic, *batches[3], rng(7)), expected)
        assert torch.equal(copy.s_max, original.s_max)


def test_s_max_round_trips_inside_a_module():
    """As in a training module's state: the key has a prefix."""
    holder, copy = (
        nn.ModuleDict({"penalty": maxgp(memory=2)}),
        nn.ModuleDict({"penalty": maxgp(memory=2)}),
    )
    holder["penalty"](Quadratic(np.eye(2)), *batch(4, 2), rng())
    copy.load_state_dict(saved_and_loaded(holder))
    assert list(copy.state_dict()) == ["penalty.s_max"]
    assert torch.equal(copy["penalty"].s_max, holder["penalty"].s_max)


def test_loading_does_not_tie_the_memory_to_the_loaded_state():
    state = {"s_max": torch.ones(2, 2, dtype=torch.float64)}
    penalty = maxgp(memory=2)
    penalty.load_state_dict(state)
    state["s_max"].zero_()
    assert penalty.s_max.eq(1).all()


@pytest.mark.parametrize("memory", [0, 2])
def test_a_larger_memory_does_not_load_into_a_smaller_one(memory):
    full = maxgp(memory=3)
    full(Quadratic(np.eye(2)), *batch(4, 2), rng())
    with pytest.raises(RuntimeError, match="s_max"):
        maxgp(memory=memory).load_state_dict(saved_and_loaded(full))


def test_without_a_memory_nothing_is_kept():
    penalty = maxgp()
    penalty(Quadratic(np.eye(2)), *batch(4, 2), rng())
    assert penalty.s_max.numel() == 0
